"""Big Bird for any encoder of Hugging Face transformers that goes through its attention interface.

    interface.register(Plan(heads=12), name="seqlab_big_bird")
    model = AutoModel.from_pretrained("…", attn_implementation="seqlab_big_bird")

transformers is an extra (`pip install '.[huggingface]'`) that only this module asks for. Its own `BigBirdModel` does
not go through the interface.
"""

from functools import partial
from importlib import metadata

from einops import rearrange, repeat
from torch import Tensor, nn

from seqlab.big_bird.blocked import kernel_attention
from seqlab.big_bird.plan import Plan

OLDEST = "5.1.0"  # tried: encoders of 4.57 pass the interface by, and in 5.0 ModernBERT still does


def register(plan: Plan, name: str = "seqlab_big_bird", *, normalizer: str = "softmax") -> str:
    """Make `attn_implementation=name` run `plan`, and print what it stands for; returns the name.

    Registering a name again replaces its plan. The plan must have one head or as many as the model. Padding masks
    arrive as "batch token", never n × n. A model that is to be trained may take normalizer="sigmoid", with the bias
    −log n; one that was pretrained wants the softmax that it knows.

    Raises ImportError without transformers, or with one older than `OLDEST`. A model raises ValueError when it calls
    what Big Bird is not: decoders, attention dropout, ready-made n × n masks, cross-attention.
    """
    if normalizer not in ("softmax", "sigmoid"):
        raise ValueError(f"normalizer: got {normalizer!r}, wanted softmax or sigmoid")
    if not isinstance(plan, Plan):
        raise TypeError(f"plan: got {type(plan).__name__}, wanted a seqlab.big_bird.Plan")
    if not name or name in ("eager", "sdpa") or "/" in name or "|" in name:
        raise ValueError(f"name: got {name!r}, wanted one that transformers does not use itself, without / and |")
    try:
        from packaging.version import Version  # which transformers brings

        found = metadata.version("transformers")
        from transformers import AttentionInterface, AttentionMaskInterface
    except ImportError as error:
        raise ImportError(
            f"transformers is not installed ({error}); pip install 'transformers>={OLDEST}', or use "
            "seqlab.big_bird.BigBirdAttention"
        ) from error
    if Version(found) < Version(OLDEST):
        raise ImportError(
            f"transformers {found}: its encoders pass this interface by; pip install 'transformers>={OLDEST}', or use "
            "seqlab.big_bird.BigBirdAttention"
        )
    AttentionInterface.register(name, partial(_forward, plan=plan, normalizer=normalizer))
    AttentionMaskInterface.register(name, _padding)
    print(f"attn_implementation={name!r} (transformers {found}) is {plan}, {normalizer}, computed by the kernels")
    return name


def _forward(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    is_causal: bool | None = None,
    *,
    plan: Plan,
    normalizer: str = "softmax",
    **kwargs: object,
) -> tuple[Tensor, None]:
    """One call of the interface: "batch head token dim" in, "batch token head dim" out, no weights."""
    if getattr(module, "is_causal", False) if is_causal is None else is_causal:
        raise ValueError(
            f"{type(module).__name__}: is causal; Big Bird is for encoders, its global tokens see the future"
        )
    if dropout:
        raise ValueError(
            f"dropout: got {dropout}, the weights are never stored; set the model's attention dropout to 0 "
            "(in BERT's configuration attention_probs_dropout_prob)"
        )
    if query.shape[2] != key.shape[2]:
        raise ValueError(
            f"{query.shape[2]} queries for {key.shape[2]} keys; Big Bird is self-attention, without a cache"
        )
    if attention_mask is not None and attention_mask.ndim != 2:
        raise ValueError(
            f"attention_mask: got shape {tuple(attention_mask.shape)}, wanted (batch, token), true = a real token; the "
            "plan says the rest"
        )
    groups = query.shape[1] // key.shape[1]
    key, value = (repeat(x, "batch head token dim -> batch (head group) token dim", group=groups) for x in (key, value))
    real = None if attention_mask is None else attention_mask.bool()
    out = kernel_attention(query, key, value, plan, real, scale=scaling, normalizer=normalizer)
    return rearrange(out, "batch head token dim -> batch token head dim").contiguous(), None


def _padding(*, attention_mask: Tensor | None = None, kv_length: int, **ignored: object) -> Tensor | None:
    """What the model hands to the attention as its mask: who is real. Its values decide nothing: it can be traced."""
    return None if attention_mask is None else attention_mask[:, -kv_length:].bool()

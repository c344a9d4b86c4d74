"""Any model of Hugging Face transformers under the microscope: it runs on the attention of the labs, which keeps books.

    trace = seqlab.inspect(model, tokenizer, "the text that it is to read")

transformers calls attention through a table of functions; for one forward pass the entry is ours. So what is recorded
is what the model used, rotary positions, grouped keys and masks included, whatever kind of model it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from einops import einsum, rearrange, repeat
from torch import Tensor, nn

from seqlab.attention import attention
from seqlab.microscope.trace import Trace

NAME = "seqlab_microscope"
UNKNOWN = ("softcap", "s_aux", "position_bias")  # what some models do to scores besides, if it is not None


def inspect(model: Any, tokenizer: Any, text: str) -> Trace:
    """The scores of all heads and the stream after every layer, while `model` reads `text`.

    model:     of transformers, in any state; it is put into eval mode for the moment and left as it was
    tokenizer: its tokenizer, or a function: text → (tokens, their ids)

    Raises ImportError without transformers 5, ValueError for attention that is not softmax of scores over one text:
    cross-attention, scores that are capped, sinks; and for models that do not go through transformers' table.
    """
    try:
        from transformers import AttentionInterface, AttentionMaskInterface
        from transformers.masking_utils import eager_mask
    except ImportError as error:
        raise ImportError(f"model: wanted one of transformers 5, which is not installed ({error})") from error
    tokens, ids = _read(tokenizer, text)
    calls: list[Tensor] = []
    AttentionInterface.register(NAME, _recorder(calls))
    AttentionMaskInterface.register(NAME, eager_mask)
    batch = torch.tensor([ids], device=next(model.parameters()).device)
    with _ours(model), torch.no_grad():
        out = model(input_ids=batch, output_hidden_states=True, use_cache=False)
    if not calls:
        raise ValueError(f"model: {type(model).__name__} does not call attention through transformers' table")
    if any(call.shape[-2:] != (len(ids), len(ids)) for call in calls):
        raise ValueError(f"model: {type(model).__name__} looks at another text too; wanted self-attention alone")
    return Trace(list(tokens), torch.stack(calls), torch.stack([state[0] for state in out.hidden_states]))


def _read(tokenizer: Any, text: str) -> tuple[list[str], list[int]]:
    if not hasattr(tokenizer, "convert_ids_to_tokens"):
        return tokenizer(text)
    ids = tokenizer(text)["input_ids"]
    return tokenizer.convert_ids_to_tokens(ids), ids


@contextmanager
def _ours(model: Any) -> Iterator[None]:
    """The model on our attention and in eval mode; afterwards as it was."""
    before, training = model.config._attn_implementation, model.training
    try:
        model.eval().set_attn_implementation(NAME)
        yield
    finally:
        model.set_attn_implementation(before)
        model.train(training)


def _recorder(calls: list[Tensor]) -> Callable[..., tuple[Tensor, Tensor]]:
    """One entry of transformers' table: "batch head token size" in, "batch token head size" out."""

    def attend(
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        scaling: float | None = None,
        dropout: float = 0.0,
        **more: Any,
    ) -> tuple[Tensor, Tensor]:
        if strange := [name for name in UNKNOWN if more.get(name) is not None]:
            raise ValueError(f"{type(module).__name__}: has {strange[0]}, which the attention of the labs has not")
        group = query.shape[1] // key.shape[1]  # queries of several heads may share keys
        k, v = (repeat(x, "batch kv token size -> batch (kv group) token size", group=group) for x in (key, value))
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        bias = None if attention_mask is None else attention_mask[..., : k.shape[-2]]
        mixed, weights = attention(query, k, v, bias=bias, scale=scale, return_weights=True)
        scores = einsum(query, k, "batch head query size, batch head key size -> batch head query key") * scale
        if bias is not None:  # a mask of transformers holds the smallest number in place of -inf
            scores = (scores + bias).masked_fill(bias <= torch.finfo(bias.dtype).min / 2, -torch.inf)
        calls.append(scores[0])
        return rearrange(mixed, "batch head token size -> batch token head size").contiguous(), weights

    return attend

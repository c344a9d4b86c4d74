"""Big Bird's attention three ways: in blocks as the paper's Appendix D has it, by the kernels, and masked dense; and a
layer of it, which takes the place of `seqlab.layers.SelfAttention`.

    Q', K', V'   reshaped to blocks                      "batch head block token dim"
    window       copies of K' rolled along the blocks    w per query block
    random       blocks gathered from K'                 r
    global       the same blocks for everyone            g
    K''          all of them side by side                (g + w + r) b keys per query block
    one einsum, a masked softmax, one einsum; the rows of global blocks by an ordinary dense product

What costs O(n²) in dense attention costs O(n (g + w + r) b).
"""

import json
import math
from dataclasses import asdict
from typing import Literal

import torch
import torch.nn.functional as F
from einops import einsum, rearrange, repeat
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

import kernels
from kernels.api import read
from seqlab.attention import attention
from seqlab.big_bird.plan import Drawn, Plan
from seqlab.layers import SelfAttention, Tokens

Heads = Float[Tensor, "batch head token dim"]
Values = Float[Tensor, "batch head token value"]
Blocks = Float[Tensor, "batch head block token dim"]
Padding = Bool[Tensor, "batch token"]
Allowed = Bool[Tensor, "batch #head block key"]


def blocked_attention(
    q: Heads, k: Heads, v: Values, plan: Plan, key_padding: Padding | None = None, *, scale: float | None = None
) -> Values:
    """softmax(scale q kᵀ) v over the keys that the plan lists, in plain PyTorch and O(n) memory.

    key_padding:  true = a real key; what stands in the others, NaN included, counts for nothing. A query that sees no
                  real key gives zeros
    scale:        1/√dim when None

    Raises ValueError where shapes disagree, or the sequence is too short for the plan.
    """
    drawn, k, v = _read(q, k, v, plan, key_padding)
    (q, k, v), real = _arrange((q, k, v), drawn, key_padding)
    n, b = real.shape[-1], plan.block
    q, k, v = (
        rearrange(F.pad(x, (0, 0, 0, -n % b)), "batch head (block token) dim -> batch head block token dim", token=b)
        for x in (q, k, v)
    )
    real = rearrange(F.pad(real, (0, -n % b)), "batch (block token) -> batch 1 block token", token=b)
    q = q * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    out = _mix(q, _neighbours(k, drawn), _neighbours(v, drawn), _allowed(real, drawn, q.shape[1]))
    if drawn.relays:
        rows = rearrange(q[:, :, list(drawn.relays)], "batch head block token dim -> batch head 1 (block token) dim")
        every = [rearrange(x, "batch head block token dim -> batch head 1 (block token) dim") for x in (k, v)]
        rows = _mix(rows, *every, rearrange(real, "batch head block token -> batch head 1 (block token)"))
        rows = rearrange(rows, "batch head 1 (block token) dim -> batch head block token dim", token=b)
        out = out.index_copy(2, torch.tensor(drawn.relays, device=q.device), rows)
    return _restore(rearrange(out, "batch head block token dim -> batch head (block token) dim"), drawn)


def kernel_attention(
    q: Heads,
    k: Heads,
    v: Values,
    plan: Plan,
    key_padding: Padding | None = None,
    *,
    scale: float | None = None,
    impl: str = "auto",
    normalizer: str = "softmax",
) -> Values:
    """The same by `kernels.attention(layout=…)`, which stores neither scores nor copies of the keys.

    normalizer: "sigmoid" takes the place of softmax, with the bias −log n of Ramapuram et al. 2024
    """
    drawn, k, v = _read(q, k, v, plan, key_padding)
    if drawn.front or key_padding is not None:
        (q, k, v), key_padding = _arrange((q, k, v), drawn, key_padding)
    out = kernels.attention(
        q,
        k,
        v,
        layout=drawn.layout,
        key_padding=key_padding,
        scale=scale,
        impl=impl,
        normalizer=normalizer,
        bias=-math.log(drawn.n) if normalizer == "sigmoid" else None,
    )
    return _restore(out, drawn)


def dense_attention(
    q: Heads, k: Heads, v: Values, plan: Plan, key_padding: Padding | None = None, *, scale: float | None = None
) -> Values:
    """The same with the n × n scores stored and masked: the oracle."""
    drawn, k, v = _read(q, k, v, plan, key_padding)
    return attention(q, k, v, pattern=plan.mask(drawn.n), key_padding=key_padding, scale=scale)


IMPLS = {"blocked": blocked_attention, "kernel": kernel_attention, "dense": dense_attention}


class BigBirdAttention(SelfAttention):
    """`Σ_h W_O^h (weights_h W_V^h x)`, where a query's weights are spread over the keys that the plan lists.

    plan:  frozen here; `state_dict` carries it, so a reloaded layer attends to the same random blocks
    impl:  "kernel" (fast, memory O(n)), "blocked" (the paper's Appendix D), "dense" (the masked n × n oracle)

    Parameters have the names and shapes of SelfAttention: its `state_dict` loads here as it is, and
    `dict(layer.named_parameters())` loads there.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        head_dim: int | None = None,
        *,
        plan: Plan = Plan(),
        impl: Literal["kernel", "blocked", "dense"] = "kernel",
        scale: float | None = None,
        bias: bool = False,
    ):
        if impl not in IMPLS:
            raise ValueError(f"impl: got {impl!r}, wanted one of {', '.join(IMPLS)}")
        super().__init__(dim, heads, head_dim, pattern=plan.pattern(), scale=scale, bias=bias)
        self.impl, self.plan = impl, plan.for_heads(heads)

    def forward(self, x: Tokens, key_padding: Bool[Tensor, "batch token"] | None = None) -> Tokens:
        """key_padding: true = a real token; what padding tokens get is their own affair, nobody attends to them."""
        if x.ndim != 3:
            raise ValueError(f"x: got shape {tuple(x.shape)}, wanted (batch, token, dim)")
        mixed = IMPLS[self.impl](*self._heads(x), self.plan, key_padding, scale=self.scale)
        return self.out(rearrange(mixed, "batch head token dim -> batch token (head dim)"))

    def connections(self, length: int) -> int:
        """(query, key) pairs that a head looks at, the heads' mean where they have plans of their own."""
        return self.plan.inner_products(length) // self.plan.heads

    def get_extra_state(self) -> Tensor:
        """The plan as JSON in bytes: a tensor, which every file format for weights takes."""
        return torch.tensor(list(json.dumps(asdict(self.plan)).encode()), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        self.plan = Plan(**json.loads(bytes(state.tolist()))).for_heads(self.heads)
        self.pattern = self.plan.pattern()

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *rest: object) -> None:
        own = prefix + "_extra_state"
        super()._load_from_state_dict({own: self.get_extra_state(), **state_dict}, prefix, *rest)

    def extra_repr(self) -> str:
        return f"{self.dim}, heads={self.heads}, impl={self.impl!r}, plan={self.plan}"


def _neighbours(
    x: Shaped[Tensor, "batch head block token dim"], drawn: Drawn
) -> Shaped[Tensor, "batch head block key dim"]:
    """Beside each query block the blocks that it sees: global, window, random. K'' and V'' of the paper."""
    reach, blocks = drawn.plan.window // 2, x.shape[2]
    parts = [
        repeat(x[:, :, j], "batch head token dim -> batch head block token dim", block=blocks) for j in drawn.relays
    ]
    if drawn.plan.window:
        parts += [torch.roll(x, -j, dims=2) for j in range(-reach, reach + 1)]
    if drawn.plan.random_blocks:
        chosen = drawn.random.to(x.device).clamp(min=0)
        head = torch.arange(x.shape[1], device=x.device)[:, None, None]
        gathered = x[:, head, chosen.expand(x.shape[1], -1, -1)]
        parts.append(rearrange(gathered, "batch head block random token dim -> batch head block (random token) dim"))
    return torch.cat(parts, dim=3) if parts else x[:, :, :, :0]


def _allowed(
    real: Bool[Tensor, "batch 1 block token"], drawn: Drawn, heads: int
) -> Bool[Tensor, "batch head block key"]:
    """Which of those keys count: real ones, once each, and none that a roll brought around the end."""
    plan, blocks, reach = drawn.plan, drawn.blocks, drawn.plan.window // 2
    listed = _neighbours(real.unsqueeze(-1).expand(-1, heads, -1, -1, 1), drawn).squeeze(-1)
    here = dict(device=real.device)
    near = torch.arange(blocks, **here)[:, None] + torch.arange(-reach, reach + 1, **here)[: plan.window]
    relays = torch.tensor(drawn.relays, dtype=torch.long, **here)
    window = (near >= 0) & (near < blocks) & ~torch.isin(near, relays)
    parts = torch.ones(blocks, len(relays), dtype=torch.bool, **here), window, drawn.random.to(**here) >= 0
    counts = torch.cat([part.expand(heads, -1, -1) for part in parts], dim=2)
    return listed & repeat(counts, "head block part -> head block (part token)", token=plan.block)


def _mix(
    q: Blocks,
    k: Float[Tensor, "batch head block key dim"],
    v: Float[Tensor, "batch head block key value"],
    allowed: Allowed,
) -> Float[Tensor, "batch head block token value"]:
    """The masked softmax of each block of queries over its own keys, and the mix of their values."""
    scores = einsum(q, k, "batch head block query dim, batch head block key dim -> batch head block query key")
    scores = scores.masked_fill(~allowed.unsqueeze(-2), torch.finfo(scores.dtype).min)  # finite: no NaN in an empty row
    weights = scores.softmax(-1)
    out = einsum(weights, v, "batch head block query key, batch head block key value -> batch head block query value")
    return out.masked_fill(~allowed.any(-1)[..., None, None], 0)


def _arrange(
    tensors: tuple[Tensor, ...], drawn: Drawn, key_padding: Padding | None
) -> tuple[list[Tensor], Bool[Tensor, "batch arranged"]]:
    """Single global tokens lifted into whole blocks in front, their old places no longer keys."""
    x, extra = tensors[0], drawn.plan.extra
    real = torch.ones(x.shape[0], drawn.n, dtype=torch.bool, device=x.device) if key_padding is None else key_padding
    if not drawn.front:
        return list(tensors), real
    lifted = torch.tensor(drawn.lifted, device=x.device)
    fill = drawn.front * drawn.plan.block - len(lifted)
    stays = torch.ones(drawn.n, dtype=torch.bool, device=x.device).index_fill(0, lifted, False)
    real = torch.cat([F.pad(real[:, lifted], (0, fill)), (real & stays)[:, extra:]], dim=1)
    return [torch.cat([F.pad(x[:, :, lifted], (0, 0, 0, fill)), x[:, :, extra:]], dim=2) for x in tensors], real


def _restore(out: Values, drawn: Drawn) -> Float[Tensor, "batch head restored value"]:
    """Back to the sequence as it was given."""
    start, extra = drawn.front * drawn.plan.block, drawn.plan.extra
    if not drawn.front:
        return out[:, :, : drawn.n]
    sequence = torch.cat([out[:, :, :extra], out[:, :, start : start + drawn.n - extra]], dim=2)
    lifted = torch.tensor(drawn.lifted, device=out.device)
    return sequence.index_copy(2, lifted, out[:, :, : len(lifted)])


def _read(q: Tensor, k: Tensor, v: Tensor, plan: Plan, key_padding: Tensor | None) -> tuple[Drawn, Tensor, Tensor]:
    """The plan at this length, once the arguments agree; keys and values, zeros where there is padding.

    A weight of 0 does not hide a NaN.
    """
    read(q, k, v, key_padding=key_padding)
    if q.shape != k.shape:
        got = ", ".join(f"{name} {tuple(x.shape)}" for name, x in (("q", q), ("k", k), ("v", v)))
        raise ValueError(f"shapes differ: {got}; this is self-attention, with as many queries as keys in every head")
    if key_padding is not None:
        k, v = (x.masked_fill(~key_padding[:, None, :, None], 0) for x in (k, v))
    return plan.for_heads(q.shape[1]).at(q.shape[2]), k, v

"""Multi-head Big Bird attention that takes the place of `seqlab.layers.SelfAttention`."""

import json
from dataclasses import asdict
from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Bool
from torch import Tensor

from seqlab.big_bird.blocked import blocked_attention, dense_attention, kernel_attention
from seqlab.big_bird.plan import Plan
from seqlab.layers import SelfAttention, Tokens

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

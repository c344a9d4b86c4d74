"""Softmax and sigmoid language models at the paper's size: the transformer of the lab, its attention by the kernels.

`torchrun -m seqlab.train.scale sigmoid` and `… softmax` train them (Ramapuram et al. 2024, section 5).
"""

import math
from typing import Any, Literal

from torch import Tensor

import kernels
from seqlab.positions import alibi_slopes, rotary
from seqlab.sigmoid.bias import causal_bias
from seqlab.sigmoid.transformer import Attention, Bias, Config, Transformer


class KernelAttention(Attention):
    """The same as `Attention`, without ever storing an n × n tensor; `power` is not offered."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.options: Any = dict(normalizer=config.weights, causal=config.causal)
        slopes = alibi_slopes(config.heads) if config.positions == "alibi" else None
        self.register_buffer("slopes", slopes, persistent=False)

    def mix(self, q: Tensor, k: Tensor, v: Tensor, seen: tuple[int, Tensor | None], shift: Tensor | float) -> Tensor:
        q, k = self.norm_q(q), self.norm_k(k)
        if self.rope:
            q, k = rotary(q), rotary(k)
        return self.mixed(
            kernels.attention(q, k, v, bias=shift, alibi=self.slopes, key_padding=seen[1], **self.options)
        )


class KernelTransformer(Transformer):
    """A `Transformer` of `KernelAttention`, whose kernels know the causal mask and ALiBi by themselves."""

    def allowed(self, n: int, real: Tensor | None = None) -> tuple[int, Tensor | None]:
        """How many tokens there are, and which are real."""
        return n, real

    def shift(self, allowed: tuple[int, Tensor | None], bias: Bias = "zero") -> Tensor | float:
        """b, a number, or under "keys" one for each row of a causal mask."""
        numbers = {"zero": 0.0, "trained": -math.log(self.config.length), "input": -math.log(allowed[0])}
        return numbers[bias] if bias in numbers else causal_bias(allowed[0]).to(self.out.weight)


def language_model(
    vocabulary: int,
    classes: int,
    length: int,
    *,
    weights: Literal["softmax", "sigmoid"] = "sigmoid",
    bias: Bias = "keys",
    positions: Literal["learned", "rope", "alibi", "none"] = "alibi",
    qk_norm: bool = False,
    hybrid_norm: bool = False,
    dim: int = 2048,
    heads: int = 16,
    layers: int = 24,
) -> KernelTransformer:
    """The next token of `vocabulary` ones, with the switches of `seqlab.sigmoid.transformer.Config`."""
    sizes = dict(dim=dim, heads=heads, layers=layers, qk_norm=qk_norm, hybrid_norm=hybrid_norm)
    how = dict(causal=True, weights=weights, bias=bias, positions=positions)
    return KernelTransformer(Config(classes, length, **how, **sizes), KernelAttention)

"""One softmax head of rank one, its weights written down, and the ids that it gives in any arithmetic.

| symbol (Kajitsuka & Sato 2023, Theorem 2 and its proof)                     | name                          |
| --------------------------------------------------------------------------- | ----------------------------- |
| v                                                                           | direction                     |
| W_K = u vᵀ, W_Q = u' vᵀ, \\|uᵀu'\\| = κ                                       | weights; kappa                |
| W_V = u'' vᵀ, \\|W_O u''\\| = ε / (4 r_max)                                  | weights; shift                |
| s, the size of the head                                                     | 1, which is enough            |
| κ = (\\|V\\|+1)⁴ (π d / 8) (2 log n + 3) / (ε r_min)                          | theorem_kappa                 |
| the smallest κ that puts all scores 2 log n + 3 apart, for this v           | kappa="smallest"              |
| q(X)_k = x_k + W_O W_V X softmax[(W_K X)ᵀ W_Q x_k], the context id          | ids                           |
| δ                                                                           | guaranteed (as log10)         |

u = u' = κ^½, u'' = 1, and W_O writes along v, so that an id moves along v only.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import groupby
from operator import itemgetter

import torch
from jaxtyping import Float
from torch import Tensor

from seqlab.layers import SelfAttention, linear
from seqlab.names.exact import Context, ExactNames, log10
from seqlab.one_layer import projection
from seqlab.one_layer.boltzmann import gap
from seqlab.one_layer.sequences import Data, read

Kappa = str | float  # "smallest", "theorem" or a number


@dataclass(frozen=True)
class RankOneHead:
    """The head for one data set. Made by `rank_one_head`. Raises ValueError for a bad κ or shift."""

    data: Data
    direction: Float[Tensor, "dim"]
    kappa: float
    shift: float

    def __post_init__(self) -> None:
        if not 0 < self.kappa < math.inf:
            told = "κ = 0 is the plain average; where a token is zero, its scores are flat and no κ is large enough"
            raise ValueError(f"kappa: got {self.kappa}, wanted a finite number > 0 ({told})")
        if not 0 < self.shift < math.inf:
            raise ValueError(f"shift: got {self.shift}, wanted a finite number > 0")

    @property
    def weights(self) -> dict[str, Float[Tensor, "out dim"]]:
        """W_Q, W_K, W_V and W_O by the name of their layer."""
        v = self.direction[None]
        return dict(query=math.sqrt(self.kappa) * v, key=math.sqrt(self.kappa) * v, value=v, out=self.shift * v.T)

    @property
    def ranks(self) -> tuple[int, int, int]:
        """The ranks of W_K, W_Q, W_V, computed."""
        return tuple(int(torch.linalg.matrix_rank(self.weights[name])) for name in ("key", "query", "value"))

    def module(self, dtype: torch.dtype = torch.float64) -> SelfAttention:
        """The attention part (without residual) as a layer with these weights."""
        with torch.device("meta"):
            layer = SelfAttention(self.data.dim, 1, 1, scale=1.0)
        for name, weight in self.weights.items():
            setattr(layer, name, linear(weight.to(dtype)))
        return layer.requires_grad_(False)

    def ids(self, dtype: torch.dtype = torch.float64) -> list[Float[Tensor, "token dim"]]:
        """The context ids of all tokens of every sequence, computed in `dtype` with the real matrices."""
        layer = self.module(dtype)
        return self.data.each(lambda x: layer(x) + x, dtype)

    @cached_property
    def along(self) -> Float[Tensor, "context"]:
        """v·id of every context, in float64."""
        return self.data.by_context(self.ids()) @ self.direction

    @property
    def rounding(self) -> float:
        """log10 of how far float64 may round an id along v."""
        return log10(self.along.abs().max().item() * 2.0**-52)

    @property
    def headroom(self) -> float:
        """How far the closest two ids lie above that, in orders of magnitude; inf for a single id."""
        return log10(min(self.along.sort().values.diff().tolist(), default=math.inf)) - self.rounding

    @cached_property
    def projected(self) -> list[Fraction]:
        """v·x of every token of the vocabulary, exactly."""
        v = [Fraction(entry) for entry in self.direction.tolist()]
        return [sum(a * Fraction(x) for a, x in zip(v, token)) for token in self.data.vectors.tolist()]

    @cached_property
    def names(self) -> ExactNames:
        """What the head returns, divided by `shift`, in exact arithmetic."""
        return ExactNames(self.projected, self.kappa)

    @cached_property
    def ladders(self) -> list[tuple[list[Context], list[object]]]:
        """For every token, in the order of v·x, its contexts by increasing name and the steps between their names."""
        contexts = sorted(self.data.contexts, key=lambda context: (self.projected[context[0]], context[0]))
        return [self.names.ladder(group) for _, group in groupby(contexts, itemgetter(0))]

    @cached_property
    def exact_ranks(self) -> dict[Context, float]:
        """The contexts in the order of v·id; a head moves tokens by less than their distance, so each has a stretch."""
        return {context: float(at) for at, context in enumerate(c for order, _ in self.ladders for c in order)}

    @property
    def admissible(self) -> bool:
        """Whether the scores of each query are 2 log n + 3 apart (up to rounding), as Lemma 1 wants them."""
        closest = self.kappa * projection.product(self.data.vectors, self.direction).item()
        return closest >= gap(self.data.length) * (1 - 1e-12)

    @property
    def guaranteed(self) -> float:
        """log10 of the separation of ids that the proof gives: the smaller of ε/2 and `proven`."""
        return min(math.log10(self.data.epsilon / 2), proven(self.data, self.kappa, self.shift))

    def through_kernels(self, dtype: torch.dtype = torch.float32, *, impl: str = "auto") -> float:
        """The largest difference of its output by `kernels.attention` from that by `seqlab.attention`."""
        layer = self.module(dtype)
        oracle, layer.impl = self.data.each(layer, dtype), impl
        return max((a - b).abs().max().item() for a, b in zip(self.data.each(layer, dtype), oracle))


def theorem_kappa(data: Data) -> float:
    """κ of Theorem 2; inf where a token is zero, as r_min = 0 then."""
    large = (len(data.vectors) + 1) ** 4 * math.pi * data.dim / 8
    return large * gap(data.length) / (data.epsilon * data.r_min) if data.r_min else math.inf


def proven(data: Data, kappa: float, shift: float) -> float:
    """log10 of the separation of names of one token that the proof gives, shift (log n)² e^{-2 κ r_max²} / (κ r_max).

    -inf for n = 1.
    """
    if data.length == 1:
        return -math.inf
    front = shift * math.log(data.length) ** 2 / (kappa * data.r_max)
    return math.log10(front) - 2 * kappa * data.r_max**2 / math.log(10)


def theorem_delta(data: Data) -> float:
    """log10 of δ of Theorem 2: `proven` for its κ and shift.

    δ = 2 (log n)² ε² r_min / (r_max² (|V|+1)⁴ (2 log n + 3) π d) · exp(-(|V|+1)⁴ (2 log n + 3) π d r_max² / (4 ε
    r_min))
    """
    return proven(data, theorem_kappa(data), data.epsilon / (4 * data.r_max))


def rank_one_head(sequences: Iterable | Data, kappa: Kappa = "smallest", *, shift: float | None = None) -> RankOneHead:
    """The head of Theorem 2 for a data set.

    kappa:  "theorem", "smallest" (2 log n + 3 over min |v·c| · min |v·(a - b)|, which puts the scores 2 log n + 3
            apart along this v), or a number > 0
    shift:  |W_O u''|: ε / (4 r_max) unless given

    Raises ValueError for fewer than two different tokens, a bad κ or shift, or a zero token unless κ is given.
    """
    data = read(sequences)
    if len(data.vectors) < 2:
        raise ValueError("sequences: got one token only, wanted at least two different ones")
    v = projection.search(data.vectors)
    smallest = (gap(data.length) / projection.product(data.vectors, v)).item()
    scale = float({"theorem": theorem_kappa(data), "smallest": smallest}.get(kappa, kappa))
    return RankOneHead(data, v, scale, data.epsilon / (4 * data.r_max) if shift is None else shift)

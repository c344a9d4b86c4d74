"""One softmax head of rank one, its weights written down, and the ids that it gives in any arithmetic.

| symbol (Kajitsuka & Sato 2023, Theorem 2 and its proof)                     | name                          |
| --------------------------------------------------------------------------- | ----------------------------- |
| v                                                                           | direction                     |
| W_K = u vᵀ, W_Q = u' vᵀ, \\|uᵀu'\\| = κ                                       | key, query; kappa             |
| W_V = u'' vᵀ, \\|W_O u''\\| = ε / (4 r_max)                                  | value, out; shift             |
| s, the size of the head                                                     | size                          |
| κ = (\\|V\\|+1)⁴ (π d / 8) (2 log n + 3) / (ε r_min)                          | theorem_kappa                 |
| the smallest κ that puts all scores 2 log n + 3 apart, for this v           | smallest_kappa                |
| q(X)_k = x_k + W_O W_V X softmax[(W_K X)ᵀ W_Q x_k], the context id          | ids                           |
| r = r_max + ε/4, and δ                                                      | radius, guaranteed (as log10) |

u = u' / κ^½ = u'' = (1, …, 1) / s^½ up to scale, and W_O writes along v, so that an id moves along v only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqlab.layers import SelfAttention
from seqlab.names.exact import Context, ExactNames, number
from seqlab.one_layer import projection
from seqlab.one_layer.boltzmann import gap
from seqlab.one_layer.separated import Data, read

Kappa = str | float  # "smallest", "theorem" or a number


@dataclass(frozen=True)
class RankOneHead:
    """The head for one data set. Made by `rank_one_head`."""

    data: Data
    direction: Float[Tensor, dim]
    kappa: float
    shift: float
    size: int = 1

    @property
    def value(self) -> Float[Tensor, "size dim"]:
        return self.direction.expand(self.size, -1) / math.sqrt(self.size)

    @property
    def query(self) -> Float[Tensor, "size dim"]:
        return math.sqrt(self.kappa) * self.value

    key = query

    @property
    def out(self) -> Float[Tensor, "dim size"]:
        return self.shift * self.value.T

    @property
    def ranks(self) -> tuple[int, int, int]:
        """The ranks of W_K, W_Q, W_V, computed."""
        return tuple(int(torch.linalg.matrix_rank(w)) for w in (self.key, self.query, self.value))

    @property
    def radius(self) -> float:
        """r = r_max + ε/4."""
        return self.data.r_max + self.data.epsilon / 4

    @cached_property
    def projected(self) -> list[Fraction]:
        """v·x of every token of the vocabulary, exactly."""
        v = [Fraction(entry) for entry in self.direction.tolist()]
        return [sum(a * Fraction(x) for a, x in zip(v, token)) for token in self.data.vocabulary]

    @cached_property
    def names(self) -> ExactNames:
        """What the head returns, divided by `shift`, in exact arithmetic."""
        return ExactNames(self.projected, self.kappa)

    def exact_ids(self, digits: int = 40) -> dict[Context, object]:
        """v·id of every context, in so many digits, as mpmath numbers."""
        names = ExactNames(self.projected, self.kappa, digits=digits)
        t, shift = [number(names.context, x) for x in self.projected], names.context.mpf(self.shift)
        return {context: t[context[0]] + shift * names.name(context) for context in self.data.contexts}

    @property
    def admissible(self) -> bool:
        """Whether the scores of each query are 2 log n + 3 apart (up to rounding), as Lemma 1 wants them."""
        closest = self.kappa * projection.product(self.data.vectors, self.direction).item()
        return closest >= gap(self.data.length) * (1 - 1e-12)

    @property
    def guaranteed(self) -> float:
        """log10 of the separation of ids that the proof gives at this κ: the smaller of ε/2 and

            shift (log n)² e^{-2 κ r_max²} / (κ r_max)

        which is Theorem 2's δ for its κ and shift. -inf for n = 1.
        """
        n, r_max = self.data.length, self.data.r_max
        if n == 1:
            return -math.inf
        front = math.log10(self.shift) + 2 * math.log10(math.log(n)) - math.log10(self.kappa * r_max)
        return min(math.log10(self.data.epsilon / 2), front - 2 * self.kappa * r_max**2 / math.log(10))

    def module(self, dtype: torch.dtype = torch.float64) -> SelfAttention:
        """The attention part (without residual) as a layer with these weights."""
        with torch.device("meta"):
            layer = SelfAttention(self.data.dim, 1, self.size, scale=1.0)
        for name in ("query", "key", "value", "out"):
            setattr(layer, name, linear(getattr(self, name).to(dtype)))
        return layer

    def ids(self, dtype: torch.dtype = torch.float64) -> list[Float[Tensor, "token dim"]]:
        """The context ids of all tokens of every sequence, computed in `dtype` with the real matrices."""
        layer = self.module(dtype)
        return self.data.rows(self.data.each(lambda x: layer(x) + x, dtype))

    def context_ids(self, dtype: torch.dtype = torch.float64, *, residual: bool = True) -> Float[Tensor, "context dim"]:
        """One id for every context of the data; residual=False leaves the token out: what the head adds to it."""
        layer = self.module(dtype)
        return self.data.each(lambda x: layer(x) + x if residual else layer(x), dtype)[self.data.first]

    def through_kernels(
        self, dtype: torch.dtype = torch.float32, *, impl: str = "auto"
    ) -> tuple[float, Tensor, Tensor]:
        """The head's output for all tokens by `kernels.attention`, and by `seqlab.attention`.

        Returns (largest difference, by kernels, by the oracle), "place dim".
        """
        import kernels

        layer = self.module(dtype)

        def fast(x: Float[Tensor, "sequence token dim"]) -> Float[Tensor, "sequence token dim"]:
            q, k, v = (part(x).unsqueeze(1) for part in (layer.query, layer.key, layer.value))
            return layer.out(kernels.attention(q, k, v, scale=1.0, impl=impl).squeeze(1))

        mine, oracle = self.data.each(fast, dtype), self.data.each(layer, dtype)
        return (mine - oracle).abs().max().item(), mine, oracle


def linear(weight: Float[Tensor, "out size"], bias: Float[Tensor, out] | None = None) -> nn.Linear:
    """A layer with weights that are given and not trained."""
    layer = nn.Linear(1, 1, bias=bias is not None, device="meta")
    layer.out_features, layer.in_features = weight.shape
    layer.weight = nn.Parameter(weight, requires_grad=False)
    layer.bias = bias if bias is None else nn.Parameter(bias, requires_grad=False)
    return layer


def theorem_kappa(data: Data) -> float:
    """κ of Theorem 2. Raises ValueError for a zero token, as r_min = 0 then."""
    if not data.r_min > 0:
        raise ValueError(
            "sequences: a token is zero, so r_min = 0 and no κ is large enough; its query sees the average only"
        )
    large = (len(data.vocabulary) + 1) ** 4 * math.pi * data.dim / 8
    return large * gap(data.length) / (data.epsilon * data.r_min)


def theorem_delta(data: Data) -> float:
    """log10 of δ of Theorem 2, as printed. -inf for n = 1.

    δ = 2 (log n)² ε² r_min / (r_max² (|V|+1)⁴ (2 log n + 3) π d) · exp(-(|V|+1)⁴ (2 log n + 3) π d r_max² / (4 ε
    r_min))
    """
    if data.length == 1:
        return -math.inf
    large = (len(data.vocabulary) + 1) ** 4 * gap(data.length) * math.pi * data.dim
    front = 2 * math.log(data.length) ** 2 * data.epsilon**2 * data.r_min / (data.r_max**2 * large)
    return math.log10(front) - large * data.r_max**2 / (4 * data.epsilon * data.r_min) / math.log(10)


def smallest_kappa(data: Data, direction: Float[Tensor, dim]) -> float:
    """(2 log n + 3) / (min |v·c| · min |v·(a - b)|). Raises ValueError where that product is zero."""
    found = projection.product(data.vectors, direction).item()
    if not found > 0:
        raise ValueError(
            "sequences: v·c = 0 for some token c, so its scores are flat at every κ; is a token zero? Give kappa"
        )
    return gap(data.length) / found


def rank_one_head(
    sequences: Iterable | Data,
    kappa: Kappa = "smallest",
    *,
    shift: float | None = None,
    size: int = 1,
    direction: Sequence[float] | Tensor | None = None,
    candidates: int = 400,
    seed: int = 0,
) -> RankOneHead:
    """The head of Theorem 2 for a data set.

    kappa:      "theorem", "smallest" (that puts the scores 2 log n + 3 apart along this v), or a number > 0
    shift:      |W_O u''|: ε / (4 r_max) unless given
    direction:  v, searched for unless given (`projection.search`); made a unit vector

    Raises ValueError for fewer than two different tokens, a bad κ, shift or size, or a zero token unless κ is given.
    """
    data = read(sequences)
    if len(data.vocabulary) < 2:
        raise ValueError("sequences: got one token only, wanted at least two different ones")
    if size < 1:
        raise ValueError(f"size: got {size}, wanted s ≥ 1")
    if direction is None:
        v = projection.search(data.vectors, candidates=candidates, seed=seed)
    else:
        v = torch.as_tensor(direction, dtype=torch.float64)
        if v.shape != (data.dim,) or not v.norm() > 0:
            raise ValueError(f"direction: got {v.tolist()}, wanted {data.dim} numbers, not all zero")
        v = v / v.norm()
    if kappa in ("smallest", "theorem"):
        kappa = theorem_kappa(data) if kappa == "theorem" else smallest_kappa(data, v)
    if isinstance(kappa, str) or not 0 < kappa < math.inf:
        wanted = "'smallest', 'theorem' or a finite number > 0 (κ = 0 is the plain average)"
        raise ValueError(f"kappa: got {kappa!r}, wanted {wanted}")
    shift = data.epsilon / (4 * data.r_max) if shift is None else shift
    if not 0 < shift < math.inf:
        raise ValueError(f"shift: got {shift}, wanted a finite number > 0")
    return RankOneHead(data, v, float(kappa), float(shift), size)

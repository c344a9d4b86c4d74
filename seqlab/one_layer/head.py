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

from seqlab.attention import Normalizer, softmax
from seqlab.layers import SelfAttention
from seqlab.one_layer import projection, separated
from seqlab.one_layer.boltzmann import gap
from seqlab.one_layer.logspace import Names
from seqlab.one_layer.separated import Data, Separation

Kappa = str | float  # "smallest", "theorem" or a number


@dataclass(frozen=True)
class RankOneHead:
    """The head for one data set. Made by `rank_one_head`."""

    data: Data
    direction: Float[Tensor, dim]
    kappa: float
    shift: float
    size: int = 1

    @cached_property
    def separation(self) -> Separation:
        return separated.measure(self.data)

    @property
    def query(self) -> Float[Tensor, "size dim"]:
        return math.sqrt(self.kappa) * self._outer()

    key = query

    @property
    def value(self) -> Float[Tensor, "size dim"]:
        return self._outer()

    @property
    def out(self) -> Float[Tensor, "dim size"]:
        return self.shift * self._outer().T

    @property
    def ranks(self) -> tuple[int, int, int]:
        """The ranks of W_K, W_Q, W_V, computed."""
        return tuple(int(torch.linalg.matrix_rank(w)) for w in (self.key, self.query, self.value))

    @property
    def radius(self) -> float:
        """r = r_max + ε/4."""
        return self.separation.r_max + self.separation.epsilon / 4

    @cached_property
    def projected(self) -> list[Fraction]:
        """v·x of every token of the vocabulary, exactly."""
        v = [Fraction(entry) for entry in self.direction.tolist()]
        return [sum(a * Fraction(x) for a, x in zip(v, token)) for token in self.data.vocabulary]

    @cached_property
    def names(self) -> Names:
        """What the head returns, divided by `shift`, in exact arithmetic."""
        return Names(self.projected, self.kappa)

    @property
    def closest_scores(self) -> float:
        """The smallest distance of two scores of one query: Lemma 1 wants more than 2 log n + 3."""
        return self.kappa * projection.product(self.data.vectors(), self.direction)

    @property
    def admissible(self) -> bool:
        """Whether the scores are 2 log n + 3 apart (up to rounding)."""
        return self.closest_scores >= gap(self.data.length) * (1 - 1e-12)

    @property
    def guaranteed(self) -> float:
        """log10 of the separation of ids that the proof gives at this κ: the smaller of ε/2 and

            shift (log n)² e^{-2 κ r_max²} / (κ r_max)

        which is Theorem 2's δ for its κ and shift. -inf for n = 1.
        """
        known, n = self.separation, self.data.length
        if n == 1:
            return -math.inf
        front = math.log10(self.shift) + 2 * math.log10(math.log(n)) - math.log10(self.kappa * known.r_max)
        return min(math.log10(known.epsilon / 2), front - 2 * self.kappa * known.r_max**2 / math.log(10))

    def module(self, dtype: torch.dtype = torch.float64, normalizer: Normalizer = softmax()) -> SelfAttention:
        """The attention part (without residual) as a layer with these weights."""
        with torch.device("meta"):
            layer = SelfAttention(self.data.dim, 1, self.size, normalizer=normalizer, scale=1.0)
        for name in ("query", "key", "value", "out"):
            weight = getattr(self, name).to(dtype)
            with torch.device("meta"):
                linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
            linear.weight = nn.Parameter(weight, requires_grad=False)
            setattr(layer, name, linear)
        return layer

    def ids(
        self,
        sequences: Iterable | Data | None = None,
        dtype: torch.dtype = torch.float64,
        *,
        residual: bool = True,
        normalizer: Normalizer = softmax(),
    ) -> list[list[Float[Tensor, dim]]]:
        """The context ids of all tokens, computed in `dtype` with the real matrices; residual=False leaves the tokens out."""
        known = self.data if sequences is None else separated.data(sequences)
        layer = self.module(dtype, normalizer)
        blocks = separated.tensor(known, dtype)
        done = {n: (at, layer(x) + x if residual else layer(x)) for n, (at, x) in blocks.items()}
        return separated.scatter(known, done)

    def exact_id(self, i: int, k: int) -> object:
        """v·id of token k of sequence i, with 40 digits, as an mpmath number."""
        token, bag = self.data.coded[i][k], self.data.bags[i]
        return self.names.context.mpf(self.projected[token].numerator) / self.projected[token].denominator + (
            self.shift * self.names.name(token, bag)
        )

    def through_kernels(
        self, dtype: torch.dtype = torch.float32, *, impl: str = "auto"
    ) -> tuple[float, Tensor, Tensor]:
        """The head's output for all sequences of the longest length by `kernels.attention`, and by `seqlab.attention`.

        Returns (largest difference, by kernels, by the oracle), "sequence token dim".
        """
        import kernels

        layer = self.module(dtype)
        x = separated.tensor(self.data, dtype)[self.data.length][1]
        q, k, v = (part(x).unsqueeze(1) for part in (layer.query, layer.key, layer.value))
        mine = layer.out(kernels.attention(q, k, v, scale=1.0, impl=impl).squeeze(1))
        oracle = layer(x)
        return (mine - oracle).abs().max().item(), mine, oracle

    def _outer(self) -> Float[Tensor, "size dim"]:
        return self.direction.expand(self.size, -1) / math.sqrt(self.size)


def theorem_kappa(known: Separation) -> float:
    """κ of Theorem 2. Raises ValueError for a zero token, as r_min = 0 then."""
    if not known.r_min > 0:
        raise ValueError(
            "sequences: a token is zero, so r_min = 0 and no κ is large enough; its query sees the average only"
        )
    return (known.size + 1) ** 4 * math.pi * known.dim / 8 * gap(known.length) / (known.epsilon * known.r_min)


def theorem_delta(known: Separation) -> float:
    """log10 of δ of Theorem 2, as printed. -inf for n = 1.

    δ = 2 (log n)² ε² r_min / (r_max² (|V|+1)⁴ (2 log n + 3) π d) · exp(-(|V|+1)⁴ (2 log n + 3) π d r_max² / (4 ε r_min))
    """
    if known.length == 1:
        return -math.inf
    large = (known.size + 1) ** 4 * gap(known.length) * math.pi * known.dim
    front = 2 * math.log(known.length) ** 2 * known.epsilon**2 * known.r_min / (known.r_max**2 * large)
    return math.log10(front) - large * known.r_max**2 / (4 * known.epsilon * known.r_min) / math.log(10)


def smallest_kappa(known: Data, direction: Float[Tensor, dim]) -> float:
    """(2 log n + 3) / (min |v·c| · min |v·(a - b)|). Raises ValueError where that product is zero."""
    found = projection.product(known.vectors(), direction)
    if not found > 0:
        raise ValueError(
            "sequences: v·c = 0 for some token c, so its scores are flat at every κ; is a token zero? Give kappa"
        )
    return gap(known.length) / found


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
    known = separated.data(sequences)
    found = separated.measure(known)
    if found.size < 2:
        raise ValueError("sequences: got one token only, wanted at least two different ones")
    if size < 1:
        raise ValueError(f"size: got {size}, wanted s ≥ 1")
    if direction is None:
        v = projection.search(known.vectors(), candidates=candidates, seed=seed).direction
    else:
        v = torch.as_tensor(direction, dtype=torch.float64)
        if v.shape != (known.dim,) or not v.norm() > 0:
            raise ValueError(f"direction: got {v.tolist()}, wanted {known.dim} numbers, not all zero")
        v = v / v.norm()
    if isinstance(kappa, str):
        if kappa not in ("smallest", "theorem"):
            raise ValueError(f"kappa: got {kappa!r}, wanted 'smallest', 'theorem' or a number")
        kappa = theorem_kappa(found) if kappa == "theorem" else smallest_kappa(known, v)
    if not 0 < kappa < math.inf:
        raise ValueError(f"kappa: got {kappa}, wanted a finite number > 0 (κ = 0 is the plain average)")
    shift = found.epsilon / (4 * found.r_max) if shift is None else shift
    if not 0 < shift < math.inf:
        raise ValueError(f"shift: got {shift}, wanted a finite number > 0")
    return RankOneHead(known, v, float(kappa), float(shift), size)

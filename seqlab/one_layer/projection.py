"""A direction in which no two tokens come too close: a vector becomes one number.

| symbol (Kajitsuka & Sato 2023, proof of Theorem 2; Park et al. 2021)          | name                    |
| ----------------------------------------------------------------------------- | ----------------------- |
| v, a unit vector                                                              | Projection.direction    |
| |v·(a - b)| ≥ √(8/(π d)) ‖a - b‖ / (|V|+1)² for a, b ∈ V ∪ {0}                | required(size, dim)     |
| min |v·c| · min |v·(a - b)|: what κ has to make as large as 2 log n + 3       | Projection.product      |
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from einops import einsum
from jaxtyping import Float
from torch import Tensor

from seqlab.theorem import Hypothesis, Statement, Verdict, Witness

Vectors = Float[Tensor, "token dim"]

GUARANTEE = Statement(
    "projection",
    "Kajitsuka & Sato 2023, proof of Theorem 2, after Park et al. 2021",
    "Some unit v keeps |v·(a - b)| ≥ √(8/(πd)) ‖a - b‖ / (|V|+1)² for all different a, b among the tokens and zero.",
    (Hypothesis("unit", "v has length one"),),
)


@dataclass(frozen=True)
class Projection:
    """A unit vector, the smallest ratio |v·(a - b)| / ‖a - b‖, and how many candidates were tried."""

    direction: Float[Tensor, dim]
    ratio: float
    product: float
    tried: int


def required(size: int, dim: int) -> float:
    """√(8/(π d)) / (|V|+1)², the ratio that some unit vector reaches; `size` is |V|. At most 1, as for d = 1 and |V| = 0."""
    if size < 1 or dim < 1:
        raise ValueError(f"size, dim: got {size}, {dim}; wanted at least one token of at least one dimension")
    return min(1.0, math.sqrt(8 / (math.pi * dim)) / (size + 1) ** 2)


def ratio(vectors: Vectors, direction: Float[Tensor, dim]) -> tuple[float, tuple[int, int]]:
    """The smallest |v·(a - b)| / ‖a - b‖ over different a, b among the vectors and zero, and which (zero is the last)."""
    points = torch.cat([vectors, vectors.new_zeros(1, vectors.shape[1])])
    first, second = torch.triu_indices(len(points), len(points), 1)
    apart = points[first] - points[second]
    length = apart.norm(dim=-1)
    share = torch.where(length > 0, (apart @ direction).abs() / length, torch.inf)
    at = int(share.argmin())
    return share[at].item(), (int(first[at]), int(second[at]))


def product(vectors: Vectors, direction: Float[Tensor, dim]) -> float:
    """min |v·c| · min |v·(a - b)|: the smallest distance of two scores at scale 1. inf for a single token."""
    t = torch.sort(vectors @ direction).values
    return t.abs().min().item() * t.diff().min().item() if len(t) > 1 else math.inf


def search(vectors: Vectors, *, candidates: int = 400, seed: int = 0) -> Projection:
    """The best of `candidates` random directions: among those with the guarantee, the one with the largest product.

    d = 1 needs no search. Raises ValueError where no candidate has the guarantee, or a token is zero or repeated.
    """
    if candidates < 1:
        raise ValueError(f"candidates: got {candidates}, wanted at least one")
    size, dim = vectors.shape
    if dim == 1:
        one = torch.ones(1, dtype=vectors.dtype)
        return Projection(one, ratio(vectors, one)[0], product(vectors, one), 0)
    draw = torch.Generator().manual_seed(seed)
    directions = torch.randn(candidates, dim, generator=draw, dtype=vectors.dtype)
    directions = directions / directions.norm(dim=-1, keepdim=True)
    t = torch.sort(einsum(vectors, directions, "token dim, candidate dim -> candidate token")).values
    products = t.abs().amin(-1) * (t.diff().amin(-1) if size > 1 else 1)
    least = required(size, dim)
    for at in products.argsort(descending=True).tolist():
        share, _ = ratio(vectors, directions[at])
        if share >= least:
            return Projection(directions[at], share, product(vectors, directions[at]), candidates)
    raise ValueError(
        f"candidates: none of {candidates} random directions keeps the ratio {least:.3g}; try more, or another seed "
        f"(a random direction has it with positive probability)"
    )


def check(vectors: Vectors, direction: Sequence[float] | Float[Tensor, dim]) -> Verdict:
    """Whether a direction has the guarantee: the smallest ratio against the required one.

    The margin is their difference, in units of the required ratio. The witness carries the two vectors (one may be zero).
    """
    v = torch.as_tensor(direction, dtype=vectors.dtype)
    if v.shape != vectors.shape[1:]:
        raise ValueError(
            f"direction: got shape {tuple(v.shape)}, wanted {tuple(vectors.shape[1:])}, one number per dimension"
        )
    unit = abs(v.norm().item() - 1) < 1e-9
    share, pair = ratio(vectors, v)
    least = required(*vectors.shape)
    shortfall = -1.0 if not unit else (share / least - 1 if share < least else share / least - 1 + 1e-12)
    witness = None
    if not shortfall > 0:
        a, b = (vectors[at].tolist() if at < len(vectors) else [0.0] * len(v) for at in pair)
        text = (
            f"{_plain(a)} and {_plain(b)}: the ratio is {share:.3g}, wanted {least:.3g}"
            if unit
            else f"|v| = {v.norm():.4g}"
        )
        witness = Witness(text, (a, b))
    options = dict(
        statement=GUARANTEE.under(unit=unit), checked=math.comb(len(vectors) + 1, 2), unit="of the required ratio"
    )
    return Verdict(witness is None, shortfall, witness, notes=[f"ratio {share:.4g}, required {least:.4g}"], **options)


def _plain(vector: list[float]) -> str:
    return f"({', '.join(f'{x:.4g}' for x in vector)})"

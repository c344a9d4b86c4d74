"""A direction in which no two tokens come too close: a vector becomes one number.

| symbol (Kajitsuka & Sato 2023, proof of Theorem 2; Park et al. 2021)          | name                    |
| ----------------------------------------------------------------------------- | ----------------------- |
| v, a unit vector                                                              | direction               |
| |v·(a - b)| ≥ √(8/(π d)) ‖a - b‖ / (|V|+1)² for a, b ∈ V ∪ {0}                | check_direction         |
| min |v·c| · min |v·(a - b)|: what κ has to make as large as 2 log n + 3       | product                 |
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from seqlab.theorem import Hypothesis, Statement, Verdict, Witness, judge

Vectors = Float[Tensor, "token dim"]

GUARANTEE = Statement(
    "projection",
    "Kajitsuka & Sato 2023, proof of Theorem 2, after Park et al. 2021",
    "Some unit v keeps |v·(a - b)| ≥ √(8/(πd)) ‖a - b‖ / (|V|+1)² for all different a, b among the tokens and zero.",
    (Hypothesis("unit", "v has length one"),),
)


def product(vectors: Vectors, directions: Float[Tensor, "*candidate dim"]) -> Float[Tensor, "*candidate"]:
    """min |v·c| · min |v·(a - b)|: the smallest distance of two scores at scale 1. inf for a single token."""
    t = (directions @ vectors.T).sort(dim=-1).values
    return t.abs().amin(dim=-1) * (t.diff(dim=-1).amin(dim=-1) if len(vectors) > 1 else torch.inf)


def check_direction(vectors: Vectors, direction: Sequence[float] | Float[Tensor, "dim"]) -> Verdict:
    """Whether a direction has the guarantee: the smallest ratio |v·(a - b)| / ‖a - b‖ against the required one.

    The margin is their difference, in units of the required ratio. The witness carries the two vectors (one may be
    zero).
    """
    v = torch.as_tensor(direction, dtype=vectors.dtype)
    if v.shape != vectors.shape[1:]:
        wanted = f"wanted {tuple(vectors.shape[1:])}, one number per dimension"
        raise ValueError(f"direction: got shape {tuple(v.shape)}, {wanted}")
    points = torch.cat([vectors, vectors.new_zeros(1, len(v))])
    first, second = torch.triu_indices(len(points), len(points), 1)
    apart = points[first] - points[second]
    shares = ((apart @ v).abs() / apart.norm(dim=-1)).nan_to_num(math.inf)
    least = min(1.0, math.sqrt(8 / (math.pi * len(v))) / len(points) ** 2)  # with zero there are |V| + 1 points
    at, unit = shares.argmin(), abs(v.norm().item() - 1) < 1e-9
    share, pair = shares[at].item(), (points[first[at]].tolist(), points[second[at]].tolist())
    a, b = (f"({', '.join(f'{x:.4g}' for x in vector)})" for vector in pair)
    text = f"{a} and {b}: the ratio is {share:.3g}, wanted {least:.3g}" if unit else f"|v| = {v.norm():.4g}"
    return judge(
        share / least - 1 if unit else -1.0,
        GUARANTEE.under(unit=unit),
        witness=Witness(text, pair),
        holds=unit and share >= least,
        checked=len(shares),
        unit="of the required ratio",
        notes=[f"ratio {share:.4g}, required {least:.4g}"],
    )


def search(vectors: Vectors, *, candidates: int = 400, seed: int = 0) -> Float[Tensor, "dim"]:
    """The best of `candidates` random directions: among those with the guarantee, the one with the largest product.

    d = 1 needs no search. Raises ValueError where no candidate has the guarantee.
    """
    if vectors.shape[1] == 1:
        return torch.ones(1, dtype=vectors.dtype)
    draw = torch.Generator().manual_seed(seed)
    directions = torch.randn(candidates, vectors.shape[1], generator=draw, dtype=vectors.dtype)
    directions = directions / directions.norm(dim=-1, keepdim=True)
    for at in product(vectors, directions).argsort(descending=True):
        if check_direction(vectors, directions[at]):
            return directions[at]
    raise ValueError(
        f"candidates: none of {candidates} random directions keeps the ratio of Park et al.; try more, or another seed "
        "(a random direction has it with positive probability)"
    )

"""Is the head a contextual mapping of the data, and by how much: Definition 2 and Theorem 2 in log space.

| symbol (Kajitsuka & Sato 2023)                                    | name                                      |
| ----------------------------------------------------------------- | ----------------------------------------- |
| Definition 2: ids of different (token, set) are more than δ apart | achieved: log10 of the smallest distance  |
| Theorem 2: rank one suffices                                      | check_theorem_2                           |
| (the κ whose names float64 keeps furthest apart)                  | best_scale                                |

A name of one token is compared with another of the same token in exact arithmetic (`names.exact`); ids of different
tokens lie ε/2 apart, which float64 sees.

κ = 0 is the plain average, which confuses sets with the same mean; a large κ is hardmax, whose names differ by less
than any float resolves. Between them lies the scale that a machine can use, usually well below the theorem's. Where no
two means agree, as with random vectors, that is often the smallest scale of the grid: the head is then nearly an
average.
"""

import math
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import bisect
from torch import Tensor

from seqlab.names.exact import log10
from seqlab.names.separation import names
from seqlab.one_layer import projection
from seqlab.one_layer.boltzmann import gap
from seqlab.one_layer.head import Kappa, RankOneHead, rank_one_head
from seqlab.one_layer.sequences import Data, Place, read
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness, judge

THEOREM_2 = Statement(
    "Theorem 2",
    "Kajitsuka & Sato 2023, Theorem 2",
    "One softmax head with W_K, W_Q, W_V of rank one is an (r, δ)-contextual mapping of tokenwise separated sequences.",
    (
        Hypothesis("nonzero", "no token is zero (r_min > 0)"),
        Hypothesis("distinct", "no token is repeated inside a sequence"),
        Hypothesis("length", "all sequences have the same length"),
        Hypothesis("scale", "κ puts the scores of each query 2 log n + 3 apart"),
        Hypothesis("shift", "the head moves ids by at most ε/4"),
    ),
)


def closest(head: RankOneHead) -> tuple[float, tuple[Place, ...]]:
    """Of all pairs of equal tokens in different sets, the one with the closest names: log10 of their ids' distance, and
    the two places; inf and none where no token stands in two sets.

    Sets that differ in how often a token occurs are different too.
    """
    found = [(step, pair) for order, steps in head.ladders for step, pair in zip(steps, pairwise(order))]
    step, pair = min(found, default=(math.inf, ()))
    return log10(step) + math.log10(head.shift), tuple(head.data.places[head.data.contexts[c]] for c in pair)


def between_tokens(head: RankOneHead) -> float:
    """log10 of the smallest distance of ids of different tokens, in float64."""
    kinds = torch.tensor([token for token, _ in head.data.contexts])
    ids = head.data.by_context(head.ids())
    distance = torch.cdist(ids, ids, compute_mode="donot_use_mm_for_euclid_dist")
    return math.log10(max(distance[kinds[:, None] != kinds].min().item(), 5e-324))


def achieved(head: RankOneHead) -> float:
    """log10 of the smallest distance of two ids that must differ."""
    return min(closest(head)[0], between_tokens(head))


def check_theorem_2(sequences: Iterable | Data, kappa: Kappa = "smallest", *, shift: float | None = None) -> Verdict:
    """Theorem 2 on a data set: |id| ≤ r, and achieved ≥ guaranteed separation, all separations as logarithms.

    kappa, shift: see `rank_one_head`

    The margin is in orders of magnitude, achieved less guaranteed (negative, too, where an id is longer than r). The
    witness carries the two places (sequence, position) with the closest ids.
    """
    head = rank_one_head(sequences, kappa, shift=shift)
    data, bound, (near, places), apart = head.data, head.guaranteed, closest(head), between_tokens(head)
    got = min(near, apart)
    longest, radius = torch.cat(head.ids()).norm(dim=-1).max().item(), data.r_max + data.epsilon / 4
    excess = math.log10(longest / radius) if longest > radius * (1 + 1e-12) else 0.0
    both = " and ".join(f"token {k} of {data.show(i)}" for i, k in places) or "different tokens"
    told = f"{both} have ids 10^{got:.1f} apart, guaranteed 10^{bound:.1f}"
    if excess:
        told, places = "an id is longer than r = r_max + ε/4: the head moves tokens too far", ()
    said = "guaranteed" if head.admissible else "no guarantee at so small a κ; its formula says"
    return judge(
        min(got - bound, -excess) if excess else got - bound,
        THEOREM_2.under(
            **data.hypotheses,
            scale=head.admissible,
            shift=head.shift <= data.epsilon / (4 * data.r_max) * (1 + 1e-12),
        ),
        witness=Witness(told, places),
        checked=len(data.contexts),
        unit="orders of magnitude",
        notes=[
            f"κ = {head.kappa:.4g}, achieved separation 10^{got:.1f}, {said} 10^{bound:.1f}",
            f"longest id {longest:.4g}, r = {radius:.4g}; ids of different tokens {10**apart:.4g} apart",
        ],
    )


def collisions(head: RankOneHead, dtype: torch.dtype = torch.float64) -> int:
    """How many contexts (token, bag) the head fails to name: contexts less different (token, name) pairs, in `dtype`.

    A name, what the head adds to the token, that is not finite names nothing.
    """
    data = head.data
    rows = zip(data.contexts, data.by_context(data.each(head.module(dtype), dtype)))
    return len(data.contexts) - len({(token, *row.tolist()) for (token, _), row in rows if row.isfinite().all()})


def collisions_by_scale(
    sequences: Iterable | Data, scales: Iterable[float], dtype: torch.dtype = torch.float64
) -> list[int]:
    """`collisions` at every scale."""
    data = read(sequences)
    return [collisions(rank_one_head(data, scale), dtype) for scale in scales]


def first_collision(sequences: Iterable | Data) -> float:
    """The scale at which names start to collide in float64, by bisection from 0.05 (none) to 100 (some).

    Raises ValueError where that is not so.
    """
    data = read(sequences)
    lost = lambda scale: collisions(rank_one_head(data, scale)) - 0.5
    return bisect(lost, 0.05, 100.0, rtol=1e-3)


def best_scale(data: Data, direction: Float[Tensor, "dim"]) -> float:
    """The κ whose names of one token, in float64, are furthest apart: a grid of scales, then a finer one around the
    best.
    """

    def apart(kappa: float) -> float:
        return data.closest(data.by_context(data.each(lambda x: names(x @ direction, float(kappa)))))

    largest = (data.vectors @ direction).abs().max().item()
    grid = np.geomspace(0.02, 200, 60) * gap(data.length) / 5 / largest**2
    best = max(range(60), key=lambda at: apart(grid[at]))
    return float(max(np.geomspace(grid[max(best - 1, 0)], grid[min(best + 1, 59)], 25), key=apart))


def naming_head(data: Data, *, kappa: float | None = None, seed: int = 0) -> RankOneHead:
    """The head of a memoriser: its ids are read along v, so it moves them by a quarter of the gap of tokens along v."""
    if len(data.vectors) < 2:
        return RankOneHead(data, torch.eye(data.dim, dtype=torch.float64)[0], kappa or 1.0, 0.25)
    v = projection.search(data.vectors, seed=seed)
    t = data.vectors @ v
    shift = (t.sort().values.diff().min() / (4 * t.abs().max())).item()
    return RankOneHead(data, v, best_scale(data, v) if kappa is None else kappa, shift)

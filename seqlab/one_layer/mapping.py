"""Is the head a contextual mapping of the data, and by how much: Definition 2 and Theorem 2 in log space.

| symbol (Kajitsuka & Sato 2023)                                    | name                                      |
| ----------------------------------------------------------------- | ----------------------------------------- |
| Definition 2: ids of different (token, set) are more than δ apart | achieved: log10 of the smallest distance  |
| Theorem 2: rank one suffices                                      | check_theorem_2                           |

A name of one token is compared with another of the same token in exact arithmetic (`names.exact`); ids of different
tokens lie ε/2 apart, which float64 sees.
"""

import math
from collections.abc import Iterable
from itertools import pairwise

import torch
from scipy.optimize import bisect

from seqlab.names.exact import log10
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

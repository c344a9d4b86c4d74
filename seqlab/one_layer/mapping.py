"""Is the head a contextual mapping of the data, and by how much: Definition 2 and Theorem 2 in log space.

| symbol (Kajitsuka & Sato 2023)                                   | name                                       |
| ---------------------------------------------------------------- | ------------------------------------------ |
| Definition 2: ids of different (token, set) are more than δ apart | achieved: log10 of the smallest distance  |
| Theorem 2: rank one suffices                                     | check_theorem_2                            |

A name of one token is compared with another of the same token in exact arithmetic (`names.exact`); ids of different
tokens lie ε/2 apart, which float64 sees.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from seqlab.names.exact import Bag, log10
from seqlab.one_layer.head import Kappa, RankOneHead, rank_one_head
from seqlab.one_layer.separated import Data, Place, read
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


@dataclass(frozen=True)
class Closest:
    """The two contexts of one token whose names are closest: log10 of their distance, and the places (sequence,
    position).
    """

    log10: float
    places: tuple[Place, Place] | None


def closest(head: RankOneHead, *, multiset: bool = False) -> Closest:
    """Of all pairs of equal tokens in different sets, the one with the closest names; log10 is of the ids' distance.

    multiset: sets that differ in how often a token occurs are different too
    """
    found = []
    for token, bags in bags_of(head.data).items():
        order, steps = head.names.ladder([(token, bag) for bag in bags])
        # Of two contexts with different sets and others between them, some neighbours have different sets and are
        # closer.
        for (_, s), (_, t), step in zip(order, order[1:], steps):
            if multiset or set(s) != set(t):
                found.append((step, ((token, s), (token, t))))
    if not found:
        return Closest(math.inf, None)
    step, pair = min(found)
    return Closest(log10(step) + math.log10(head.shift), tuple(head.data.contexts[context] for context in pair))


def bags_of(data: Data) -> dict[int, list[Bag]]:
    """The different bags that each token stands in."""
    found: dict[int, list[Bag]] = {}
    for token, bag in data.contexts:
        found.setdefault(token, []).append(bag)
    return found


def between_tokens(head: RankOneHead) -> float:
    """The smallest distance of ids of different tokens, in float64."""
    kinds, ids = head.data.kinds, head.context_ids()
    distance = torch.cdist(ids, ids, compute_mode="donot_use_mm_for_euclid_dist")
    return distance.masked_fill(kinds[:, None] == kinds[None, :], math.inf).min().item()


def achieved(head: RankOneHead) -> float:
    """log10 of the smallest distance of two ids that must differ."""
    return min(closest(head).log10, math.log10(max(between_tokens(head), 5e-324)))


def check_theorem_2(sequences: Iterable | Data | RankOneHead, kappa: Kappa = "smallest", **options: object) -> Verdict:
    """Theorem 2 on a data set: ranks, |id| ≤ r, and achieved ≥ guaranteed separation, all separations as logarithms.

    sequences:  or a RankOneHead;  kappa, options: see `rank_one_head`

    The margin is in orders of magnitude, achieved less guaranteed (negative, too, where an id is longer than r). The
    witness carries the two places (sequence, position) with the closest ids.
    """
    head = sequences if isinstance(sequences, RankOneHead) else rank_one_head(sequences, kappa, **options)
    data, bound = head.data, head.guaranteed
    if head.ranks != (1, 1, 1):
        raise AssertionError(f"ranks of W_K, W_Q, W_V: {head.ranks}, wanted 1, 1, 1")
    near, apart = closest(head), between_tokens(head)
    got = min(near.log10, math.log10(max(apart, 5e-324)))
    longest = head.context_ids().norm(dim=-1).max().item()
    inside = longest <= head.radius * (1 + 1e-12)

    def witness() -> Witness:
        if not inside:
            return Witness("an id is longer than r = r_max + ε/4: the head moves tokens too far")
        if near.places is None:
            return Witness(f"ids of different tokens are 10^{got:.1f} apart, guaranteed 10^{bound:.1f}")
        both = " and ".join(f"token {k} of {data.show(i)}" for i, k in near.places)
        return Witness(f"{both} have ids 10^{got:.1f} apart, guaranteed 10^{bound:.1f}", near.places)

    said = "guaranteed" if head.admissible else "no guarantee at so small a κ; its formula says"
    return judge(
        got - bound if inside else min(got - bound, math.log10(head.radius / longest)),
        THEOREM_2.under(
            **data.hypotheses,
            scale=head.admissible,
            shift=head.shift <= data.epsilon / (4 * data.r_max) * (1 + 1e-12),
        ),
        witness=witness,
        checked=len(data.contexts),
        unit="orders of magnitude",
        notes=[
            f"κ = {head.kappa:.4g}, achieved separation 10^{got:.1f}, {said} 10^{bound:.1f}",
            f"longest id {longest:.4g}, r = {head.radius:.4g}; ids of different tokens {apart:.4g} apart",
        ],
    )


def collisions(head: RankOneHead, dtype: torch.dtype = torch.float64) -> int:
    """How many contexts (token, bag) the head fails to name: contexts less different (token, name) pairs, in `dtype`.

    A name that is not finite names nothing.
    """
    rows = zip(head.data.contexts, head.context_ids(dtype, residual=False))
    return len(head.data.contexts) - len({(token, *row.tolist()) for (token, _), row in rows if row.isfinite().all()})


def collisions_by_scale(
    sequences: Iterable | Data, scales: Iterable[float], dtype: torch.dtype = torch.float64
) -> list[int]:
    """`collisions` at every scale."""
    data = read(sequences)
    return [collisions(rank_one_head(data, scale), dtype) for scale in scales]


def first_collision(
    sequences: Iterable | Data, *, low: float = 0.05, high: float = 100.0, precision: float = 1e-3
) -> float:
    """The scale at which names start to collide in float64, by bisection from `low` (none) to `high` (some).

    Raises ValueError where there is nothing to bisect.
    """
    data = read(sequences)
    lost = lambda scale: collisions(rank_one_head(data, scale))
    if lost(low) or not lost(high):
        raise ValueError(
            f"low, high: wanted no collision at {low} and some at {high}, got {lost(low)} and {lost(high)}"
        )
    while high / low > 1 + precision:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if lost(middle) else (middle, high)
    return high


def float_separation(head: RankOneHead) -> float:
    """The smallest distance along v of two ids of one token as float64 has them; 0 where some collide."""
    return head.data.closest(head.context_ids() @ head.direction)

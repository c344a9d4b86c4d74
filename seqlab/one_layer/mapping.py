"""Is the head a contextual mapping of the data, and by how much: Definition 2 and Theorem 2 in log space.

| symbol (Kajitsuka & Sato 2023)                                   | name                                       |
| ---------------------------------------------------------------- | ------------------------------------------ |
| Definition 2: ids of different (token, set) are more than δ apart | achieved: log10 of the smallest distance  |
| Theorem 2: rank one suffices                                     | check                                      |

A name of one token is compared with another of the same token in exact arithmetic (`logspace`); ids of different tokens
lie ε/2 apart, which float64 sees.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from seqlab import contextual
from seqlab.one_layer.head import Kappa, RankOneHead, rank_one_head
from seqlab.one_layer.separated import Bag, Data
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness

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
    """The two contexts of one token whose names are closest: log10 of their distance, and the places (sequence, position)."""

    log10: float
    places: tuple[tuple[int, int], tuple[int, int]] | None


def closest(head: RankOneHead, *, multiset: bool = False) -> Closest:
    """Of all pairs of equal tokens in different sets, the one with the closest names; log10 is of the ids' distance.

    multiset: sets that differ in how often a token occurs are different too
    """
    known, names = head.data, head.names
    best, places = None, None
    for token, bags in contexts(known).items():
        found = names.closest(token, bags, bags if multiset else [frozenset(bag) for bag in bags])
        if found and (best is None or found[0] < best):
            best = found[0]
            places = tuple(known.places[token, bag][0] for bag in found[1])
    if best is None:
        return Closest(math.inf, None)
    return Closest(names.log10(best) + math.log10(head.shift), places)


def contexts(known: Data) -> dict[int, list[Bag]]:
    """The different bags that each token stands in."""
    found: dict[int, list[Bag]] = {}
    for token, bag in known.places:
        found.setdefault(token, []).append(bag)
    return found


def between_tokens(head: RankOneHead) -> float:
    """The smallest distance of ids of different tokens, in float64."""
    known = head.data
    rows = head.ids()
    firsts = [(token, rows[i][k]) for (token, _), [(i, k), *_] in known.places.items()]
    kinds = torch.tensor([token for token, _ in firsts])
    x = torch.stack([row for _, row in firsts])
    distance = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    return distance.masked_fill(kinds[:, None] == kinds[None, :], math.inf).min().item()


def achieved(head: RankOneHead) -> float:
    """log10 of the smallest distance of two ids that must differ."""
    return min(closest(head).log10, math.log10(max(between_tokens(head), 5e-324)))


def check(sequences: Iterable | Data | RankOneHead, kappa: Kappa = "smallest", **options: object) -> Verdict:
    """Theorem 2 on a data set: ranks, |id| ≤ r, and achieved ≥ guaranteed separation, all separations as logarithms.

    sequences:  or a RankOneHead;  kappa, options: see `rank_one_head`

    The margin is in decades, achieved less guaranteed (negative, too, where an id is longer than r). The witness carries
    the two places (sequence, position) with the closest ids.
    """
    head = sequences if isinstance(sequences, RankOneHead) else rank_one_head(sequences, kappa, **options)
    known, found = head.data, head.separation
    if head.ranks != (1, 1, 1):
        raise AssertionError(f"ranks of W_K, W_Q, W_V: {head.ranks}, wanted 1, 1, 1")
    near, apart = closest(head), between_tokens(head)
    got = min(near.log10, math.log10(max(apart, 5e-324)))
    longest = max(row.norm().item() for rows in head.ids() for row in rows)
    inside = longest <= head.radius * (1 + 1e-12)
    statement = THEOREM_2.under(
        nonzero=found.r_min > 0,
        distinct=all(len(s) == len(row) for s, row in zip(known.sets, known.coded)),
        length=len({len(row) for row in known.coded}) == 1,
        scale=head.admissible,
        shift=head.shift <= found.epsilon / (4 * found.r_max) * (1 + 1e-12),
    )
    bound = "guaranteed" if head.admissible else "no guarantee at so small a κ; its formula says"
    notes = [
        f"κ = {head.kappa:.4g}, achieved separation 10^{got:.1f}, {bound} 10^{head.guaranteed:.1f}",
        f"longest id {longest:.4g}, r = {head.radius:.4g}; ids of different tokens {apart:.4g} apart",
    ]
    margin = got - head.guaranteed
    if not inside:
        margin = min(margin, math.log10(head.radius / longest))
    witness = None
    if not margin > 0:
        witness = _witness(known, near, got, head.guaranteed, inside)
    return Verdict(witness is None, margin, witness, statement, len(known.places), "decades", notes)


def collisions(head: RankOneHead, dtype: torch.dtype = torch.float64, *, residual: bool = False) -> int:
    """How many contexts (token, bag) the head fails to name: contexts less different (token, name) pairs, in `dtype`.

    residual=True counts the whole ids, x + head. A name that is not finite names nothing.
    """
    known = head.data
    rows = head.ids(dtype=dtype, residual=residual)
    seen = set()
    for (token, _), [(i, k), *_] in known.places.items():
        entries = rows[i][k]
        if entries.isfinite().all():
            seen.add((token, *entries.tolist()))
    return len(known.places) - len(seen)


def collisions_by_scale(
    sequences: Iterable | Data,
    scales: Iterable[float],
    dtype: torch.dtype = torch.float64,
    *,
    residual: bool = False,
    **options: object,
) -> list[int]:
    """`collisions` at every scale."""
    return [collisions(rank_one_head(sequences, scale, **options), dtype, residual=residual) for scale in scales]


def first_collision(
    sequences: Iterable | Data,
    dtype: torch.dtype = torch.float64,
    *,
    low: float = 0.05,
    high: float = 100.0,
    precision: float = 1e-3,
    **options: object,
) -> float:
    """The scale at which names start to collide in `dtype`, by bisection from `low` (none) to `high` (some).

    Raises ValueError where there is nothing to bisect.
    """
    lost = lambda scale: collisions_by_scale(sequences, [scale], dtype, **options)[0]
    if lost(low) or not lost(high):
        raise ValueError(
            f"low, high: wanted no collision at {low} and some at {high}, got {lost(low)} and {lost(high)}"
        )
    while high / low > 1 + precision:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if lost(middle) else (middle, high)
    return high


def float_separation(head: RankOneHead, dtype: torch.dtype = torch.float64, *, residual: bool = False) -> float:
    """The smallest distance along v of two names of one token as `dtype` has them; 0 where some collide or are not finite."""
    rows = head.ids(dtype=dtype, residual=residual)
    found: dict[int, list[float]] = {}
    for (token, _), [(i, k), *_] in head.data.places.items():
        found.setdefault(token, []).append((rows[i][k].double() @ head.direction).item())
    if not all(math.isfinite(name) for names in found.values() for name in names):
        return 0.0
    return min((b - a for names in found.values() for a, b in itertools.pairwise(sorted(names))), default=math.inf)


@dataclass(frozen=True)
class Reading:
    """One position of the temperature knob: log10 of the smallest distance of two names of one token, what the head adds
    to it counted in units of `shift`: exact, and per arithmetic with the number of names lost.
    """

    kappa: float
    exact: float
    floats: dict[str, tuple[float, int]]


DTYPES = {"float64": torch.float64, "float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def readings(sequences: Iterable | Data, scales: Iterable[float], **options: object) -> list[Reading]:
    """The knob at every scale: where information is, and in which arithmetic it dies. -inf stands for a distance of 0."""
    found = []
    for kappa in scales:
        head = rank_one_head(sequences, kappa, **options)
        floats = {}
        for name, dtype in DTYPES.items():
            gap = float_separation(head, dtype) / head.shift
            floats[name] = (math.log10(gap) if gap > 0 else -math.inf, collisions(head, dtype))
        found.append(Reading(float(kappa), closest(head).log10 - math.log10(head.shift), floats))
    return found


def check_float(head: RankOneHead, dtype: torch.dtype = torch.float64, margin: float = 0.0) -> Verdict:
    """Definition 2 on the ids as `dtype` has them, by the tester of lab 01 with the equivalence "set"."""
    rows = head.ids(dtype=dtype)
    return contextual.contextual_mapping(
        [[entry.double() for entry in row] for row in rows], head.data.coded, "set", margin
    )


def _witness(known: Data, near: Closest, got: float, bound: float, inside: bool) -> Witness:
    if not inside:
        return Witness("an id is longer than r = r_max + ε/4: the head moves tokens too far")
    if near.places is None:
        return Witness(f"ids of different tokens are 10^{got:.1f} apart, guaranteed 10^{bound:.1f}")
    (i, k), (j, l) = near.places
    text = f"token {k} of {known.show(i)} and token {l} of {known.show(j)} have ids 10^{got:.1f} apart, guaranteed 10^{bound:.1f}"
    return Witness(text, near.places)

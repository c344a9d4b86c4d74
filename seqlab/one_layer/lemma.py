"""Lemma 1: boltz gives every set of well separated levels a value of its own, and the order in which they come.

| symbol (Kajitsuka & Sato 2023, Lemma 1)               | name                    |
| ----------------------------------------------------- | ----------------------- |
| a^(1), …, a^(m): all n-subsets of equally spaced levels | level_sets            |
| δ > 2 log n + 3, the distance of the levels           | spacing                 |
| r, the bound on \\|a_i\\|                               | half the range: levels are centred |
| (log n)² e^{-2r}                                      | guaranteed, as log10    |

The order: sort each set downwards. The larger maximum wins; at equal maxima every further entry counts *downwards*: the
larger second entry gives the smaller value, then the larger third entry, and so on.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from seqlab.one_layer.boltzmann import arithmetic, gap
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness

Set = tuple[int, ...]  # indices of levels, downwards

LEMMA_1 = Statement(
    "Lemma 1",
    "Kajitsuka & Sato 2023, Lemma 1",
    "Vectors with different sets of entries, entries at most r in size and more than 2 log n + 3 apart: |boltz| ≤ r, and "
    "two values differ by more than (log n)² e^{-2r}.",
    (
        Hypothesis("gap", "the levels are more than 2 log n + 3 apart"),
        Hypothesis("two", "n ≥ 2: for n = 1 the bound is 0"),
    ),
)
ORDER = Statement(
    "order of sets by boltz",
    "Kajitsuka & Sato 2023, proof of Lemma 1",
    "Sets are ordered by their largest entry, then by the second, the larger one first, then by the third likewise, …",
    (Hypothesis("gap", "the levels are more than 2 log n + 3 apart"),),
)
SLOPE = Statement(
    "separation falls exponentially in r",
    "measured; the lower end is Lemma 1",
    "log10 of the smallest difference changes by -2/ln 10 to -1/ln 10 per unit of r.",
)


def level_sets(levels: int, n: int) -> list[Set]:
    """All n-subsets of the levels 0 … levels - 1, each downwards."""
    if not 1 <= n <= levels:
        raise ValueError(f"n: got {n}, wanted 1 to {levels}, the number of levels")
    return list(itertools.combinations(range(levels - 1, -1, -1), n))


def rank_key(levels: Set) -> tuple[int, ...]:
    """What sorts sets as boltz does: the largest entry upwards, all further ones downwards."""
    first, *rest = sorted(levels, reverse=True)
    return first, *(-level for level in rest)


def expected_order(levels: int, n: int) -> list[Set]:
    """All n-subsets in the order of `rank_key`."""
    return sorted(level_sets(levels, n), key=rank_key)


def values(levels: int, n: int, spacing: float, *, digits: int | None = None) -> list[tuple[object, Set]]:
    """(boltz, set) of all n-subsets of levels `spacing` apart and centred at 0, increasing, as mpmath numbers.

    digits: enough for the smallest difference by Lemma 1 unless given.
    """
    if not 0 < spacing < math.inf:
        raise ValueError(f"spacing: got {spacing}, wanted a positive distance of neighbouring levels")
    digits = digits or 40 + math.ceil(3 * spacing * (levels - 1) / math.log(10))
    context = arithmetic(digits)
    points = [context.mpf(spacing) * (2 * k - levels + 1) / 2 for k in range(levels)]
    weights = [context.exp(point) for point in points]
    products = [w * point for w, point in zip(weights, points)]
    named = [
        (context.fsum(products[k] for k in s) / context.fsum(weights[k] for k in s), s) for s in level_sets(levels, n)
    ]
    return sorted(named)


def order(levels: int, n: int, spacing: float) -> list[Set]:
    """All n-subsets by increasing boltz, in exact arithmetic."""
    return [s for _, s in values(levels, n, spacing)]


def guaranteed(n: int, r: float) -> float:
    """log10 of (log n)² e^{-2r}. Raises ValueError for n = 1, where the bound is 0."""
    if n < 2:
        raise ValueError(f"n: got {n}, wanted at least 2: (log n)² is 0 at n = 1")
    return 2 * math.log10(math.log(n)) - 2 * r / math.log(10)


def check_lemma(n: int, levels: int | None = None, spacing: float | None = None) -> Verdict:
    """Lemma 1 on all n-subsets of equally spaced levels, in exact arithmetic.

    levels:   n + 3 unless given;  spacing: 2 log n + 3 + 1e-6 unless given: a smaller one breaks the hypothesis

    The margin is in decades: log10 of the smallest difference less log10 of the guaranteed one. The witness carries the
    closest two sets, with the two logarithms.
    """
    levels = n + 3 if levels is None else levels
    spacing = gap(n) + 1e-6 if spacing is None else spacing
    r = spacing * (levels - 1) / 2
    observed, pair, size = _closest(values(levels, n, spacing))
    bound = guaranteed(n, r)
    inside = size <= r * (1 + 1e-12)
    statement = LEMMA_1.under(gap=spacing > gap(n))
    witness = None
    if not (observed > bound and inside):
        text = f"{pair[0]} and {pair[1]} differ by 10^{observed:.2f}, guaranteed 10^{bound:.2f}; |boltz| ≤ {size:.4g}, r = {r:.4g}"
        witness = Witness(text, (*pair, observed, bound))
    notes = [f"smallest difference 10^{observed:.2f}, guaranteed 10^{bound:.2f}, r = {r:.2f}"]
    checked = math.comb(math.comb(levels, n), 2)
    return Verdict(witness is None, observed - bound, witness, statement, checked, "decades", notes)


def smallest_difference(levels: int, n: int, spacing: float) -> float:
    """log10 of the smallest difference of two values."""
    return _closest(values(levels, n, spacing))[0]


def check_order(levels: int = 5, n: int = 3, spacing: float | None = None) -> Verdict:
    """The order of all n-subsets by boltz against `expected_order`.

    The margin is the smallest step from one set to the next in the expected order: negative where the order breaks
    (for a step too small for a float, the sign of the smallest float). The witness carries the two sets.
    """
    spacing = gap(n) + 1e-6 if spacing is None else spacing
    value = {s: v for v, s in values(levels, n, spacing)}
    expected = expected_order(levels, n)
    if len(expected) < 2:
        raise ValueError(f"levels: {levels} levels have a single set of {n}, wanted at least two sets to put in order")
    step, before, after = min((value[b] - value[a], a, b) for a, b in zip(expected, expected[1:]))
    margin = float(step) or math.copysign(5e-324, step)
    witness = None
    if not step > 0:
        witness = Witness(f"{_word(after)} should come after {_word(before)}, and comes before it", (before, after))
    statement = ORDER.under(gap=spacing > gap(n))
    return Verdict(witness is None, margin, witness, statement, len(expected), "of boltz")


def order_breaks_at(levels: int = 5, n: int = 3, *, low: float = 0.25, precision: float = 1e-6) -> float:
    """The spacing below which the order breaks, by bisection between `low` (broken) and 2 log n + 3 (right)."""
    high = gap(n)
    for spacing, right in ((high, True), (low, False)):
        if bool(check_order(levels, n, spacing)) != right:
            wanted = "right" if right else "broken"
            raise ValueError(
                f"low: the order should be {wanted} at spacing {spacing:.4g}, and is not; nothing to bisect"
            )
    while high - low > precision:
        middle = (low + high) / 2
        low, high = (low, middle) if check_order(levels, n, middle) else (middle, high)
    return high


def slopes(n: int, grids: Sequence[tuple[int, float]]) -> list[float]:
    """Change of log10(smallest difference) per unit of r from each (levels, spacing) to the next."""
    logs = [smallest_difference(levels, n, spacing) for levels, spacing in grids]
    radii = [spacing * (levels - 1) / 2 for levels, spacing in grids]
    return [(b - a) / (s - r) for a, b, r, s in zip(logs, logs[1:], radii, radii[1:])]


def check_slopes(
    lengths: Sequence[int] = (2, 3, 4, 5), *, more: int = 3, factor: float = 1.1, spacing: float | None = None
) -> Verdict:
    """r grown in two ways, by more levels and by levels further apart: all slopes lie between -2/ln 10 and -1/ln 10.

    more: how many times a level is added, and the spacing multiplied by `factor`;  spacing: 2 log n + 3 + 1e-6 unless given

    The margin is the smallest distance of a slope from these ends; the witness carries (n, slope).
    """
    found = []
    for n in lengths:
        start = gap(n) + 1e-6 if spacing is None else spacing
        wider = [(n + 3 + k, start) for k in range(more + 1)]
        further = [(n + 3, start * factor**k) for k in range(more + 1)]
        found += [(slope, n) for grids in (wider, further) for slope in slopes(n, grids)]
    slack, slope, n = min((min(s + 2 / math.log(10), -1 / math.log(10) - s), s, n) for s, n in found)
    witness = None if slack > 0 else Witness(f"for n = {n} the slope is {slope:.3f}", (n, slope))
    notes = [f"slopes {min(found)[0]:.3f} to {max(found)[0]:.3f}"]
    return Verdict(witness is None, slack, witness, SLOPE, len(found), "decades per unit of r", notes)


def _closest(named: list[tuple[object, Set]]) -> tuple[float, tuple[Set, Set], float]:
    """log10 of the smallest difference, its two sets, and the largest |boltz|."""
    context = named[0][0].context
    if len(named) < 2:
        raise ValueError("levels: got a single set, wanted at least two sets to compare")
    step, a, b = min((w - v, s, t) for (v, s), (w, t) in zip(named, named[1:]))
    size = max(abs(named[0][0]), abs(named[-1][0]))
    return float(context.log10(step)) if step else -math.inf, (a, b), float(size)


def _word(s: Set) -> str:
    return "".join(map(str, s)) if max(s) < 10 else str(s)

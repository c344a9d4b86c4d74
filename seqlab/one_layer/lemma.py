"""Lemma 1: boltz gives every set of well separated levels a value of its own, and the order in which they come.

| symbol (Kajitsuka & Sato 2023, Lemma 1)                 | name                               |
| ------------------------------------------------------- | ---------------------------------- |
| a^(1), …, a^(m): all n-subsets of equally spaced levels | level_sets                         |
| δ > 2 log n + 3, the distance of the levels             | spacing                            |
| r, the bound on \\|a_i\\|                               | half the range: levels are centred |
| (log n)² e^{-2r}                                        | bound in check_lemma, as log10     |

The order: sort each set downwards. The larger maximum wins; at equal maxima every further entry counts *downwards*: the
larger second entry gives the smaller value, then the larger third entry, and so on.
"""

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction

from scipy.optimize import bisect

from seqlab.names.exact import ExactNames, log10
from seqlab.one_layer.boltzmann import gap
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness, judge

Set = tuple[int, ...]  # indices of levels, downwards

LEMMA_1 = Statement(
    "Lemma 1",
    "Kajitsuka & Sato 2023, Lemma 1",
    "Vectors with different sets of entries, entries at most r in size and more than 2 log n + 3 apart: |boltz| ≤ r,"
    " and two values differ by more than (log n)² e^{-2r}.",
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
    """All n-subsets of the levels 0 … levels - 1, each downwards, as boltz is to put them in order: by the largest
    entry upwards, by all further ones downwards.
    """
    every = list(itertools.combinations(range(levels - 1, -1, -1), n))
    if len(every) < 2:
        raise ValueError(f"n: got {n} of {levels} levels, wanted at least two sets to compare")
    return sorted(every, key=lambda s: (s[0], *(-level for level in s[1:])))


def boltz_names(levels: int, spacing: float) -> ExactNames:
    """boltz of sets of levels `spacing` apart and centred at 0, as the names that a token 1, the last one, gives at κ =
    1.
    """
    return ExactNames([*(Fraction(spacing) * (2 * k - levels + 1) / 2 for k in range(levels)), 1], 1)


def order(levels: int, n: int, spacing: float) -> tuple[list[Set], list[object], float]:
    """All n-subsets by increasing boltz, in exact arithmetic, the steps between them, and the largest |boltz|."""
    names = boltz_names(levels, spacing)
    ranked, steps = names.ladder([(levels, s) for s in level_sets(levels, n)])
    return [s for _, s in ranked], steps, float(max(abs(names.name(ranked[0])), abs(names.name(ranked[-1]))))


def check_lemma(n: int, levels: int | None = None, spacing: float | None = None) -> Verdict:
    """Lemma 1 on all n-subsets of equally spaced levels, in exact arithmetic.

    levels:   n + 3 unless given;  spacing: 2 log n + 3 + 1e-6 unless given: a smaller one breaks the hypothesis

    The margin is in orders of magnitude: log10 of the smallest difference less log10 of the guaranteed one. The witness
    carries the closest two sets, with the two logarithms.
    """
    if n < 2:
        raise ValueError(f"n: got {n}, wanted at least 2: (log n)² is 0 at n = 1")
    levels, spacing = n + 3 if levels is None else levels, enough(n) if spacing is None else spacing
    r = spacing * (levels - 1) / 2
    ranked, steps, size = order(levels, n, spacing)
    step, first, second = min(zip(steps, ranked, ranked[1:]))
    observed, bound = log10(step), 2 * math.log10(math.log(n)) - 2 * r / math.log(10)
    text = f"{first} and {second} differ by 10^{observed:.2f}, guaranteed 10^{bound:.2f}"
    return judge(
        observed - bound,
        LEMMA_1.under(gap=spacing > gap(n)),
        witness=Witness(f"{text}; |boltz| ≤ {size:.4g}, r = {r:.4g}", (first, second, observed, bound)),
        holds=observed > bound and size <= r * (1 + 1e-12),
        checked=math.comb(len(ranked), 2),
        unit="orders of magnitude",
        notes=[f"smallest difference 10^{observed:.2f}, guaranteed 10^{bound:.2f}, r = {r:.2f}"],
    )


def enough(n: int) -> float:
    """A distance of levels just above 2 log n + 3."""
    return gap(n) + 1e-6


def check_order(levels: int = 5, n: int = 3, spacing: float | None = None) -> Verdict:
    """The order of all n-subsets by boltz against that of `level_sets`.

    The margin is the smallest step from one set to the next in the expected order: negative where the order breaks
    (for a step too small for a float, the sign of the smallest float). The witness carries the two sets.
    """
    spacing = enough(n) if spacing is None else spacing
    expected, names = level_sets(levels, n), boltz_names(levels, spacing)
    pairs = itertools.pairwise(expected)
    step, before, after = min((names.difference((levels, b), (levels, a)), a, b) for a, b in pairs)
    words = ("".join(map(str, s)) if levels <= 10 else str(s) for s in (after, before))
    return judge(
        float(step) or math.copysign(5e-324, step),
        ORDER.under(gap=spacing > gap(n)),
        witness=Witness("{} should come after {}, and comes before it".format(*words), (before, after)),
        holds=bool(step > 0),
        checked=len(expected),
        unit="of boltz",
    )


def order_breaks_at(levels: int = 5, n: int = 3) -> float:
    """The spacing below which the order breaks, by bisection between 0.25 (broken) and 2 log n + 3 (right)."""
    return bisect(lambda spacing: check_order(levels, n, spacing).holds - 0.5, 0.25, gap(n), xtol=1e-6)


def check_slopes(lengths: Sequence[int] = (2, 3, 4, 5), *, spacing: float | None = None) -> Verdict:
    """r grown in two ways, by one to three levels more and by levels 1.1 times as far apart up to three times: all
    slopes lie between -2/ln 10 and -1/ln 10.

    spacing:  2 log n + 3 + 1e-6 unless given

    The margin is the smallest distance of a slope from these ends; the witness carries (n, slope).
    """
    found = []
    for n in lengths:
        start = enough(n) if spacing is None else spacing
        wider = [(n + 3 + k, start) for k in range(4)]
        further = [(n + 3, start * 1.1**k) for k in range(4)]
        for grids in (wider, further):
            at = [(width * (levels - 1) / 2, log10(min(order(levels, n, width)[1]))) for levels, width in grids]
            found += [((b - a) / (s - r), n) for (r, a), (s, b) in itertools.pairwise(at)]
    slack, slope, n = min((min(s + 2 / math.log(10), -1 / math.log(10) - s), s, n) for s, n in found)
    return judge(
        slack,
        SLOPE,
        witness=Witness(f"for n = {n} the slope is {slope:.3f}", (n, slope)),
        checked=len(found),
        unit="orders of magnitude per unit of r",
        notes=[f"slopes {min(found)[0]:.3f} to {max(found)[0]:.3f}"],
    )

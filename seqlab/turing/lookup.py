"""Look-up by attention: the smallest absolute score wins (appendix B.2.4; Pérez et al. 2019 score by -|⟨q, k⟩|).

    ⟨Q, K_m⟩ = ε ε_m [(c - c_m) + ε ε_m / 3],      ε = 1/(g+1) of the asking row, ε_m = 1/(m+1)

Equal cells give ε² ε_m² / 3, which falls with m: the latest visit wins. Unequal cells give at least 2 ε ε_m / 3, and
that is more, because ε < 2 / (m'+1) for every candidate m'. Two different steps never tie: with a = m+1, b = m'+1 and
t = 1/ε ≥ a, b a tie says 3tab·(whole number) = ±a² ± b² with the right side neither 0 nor as large as 3tab.

In floating point: the scores of two visits m < m' to a far cell c differ by about 1/m⁵, while the two large terms that
should cancel, c/(j+1) · 1/(m+1) and 1/(j+1) · c/(m+1), are off by about u c/m² (u: half a unit in the last place). With
c ≈ j ≈ m the order is lost once u m⁴ ≳ 1, sometimes earlier by bad luck. In `Fraction`s it never is.
"""

from collections.abc import Sequence
from fractions import Fraction
from functools import reduce
from itertools import count
from numbers import Real
from operator import add
from typing import Literal

import numpy as np

Vector = Sequence[Real]  # `Fraction`s, or floats where `decode` is asked to round
ROUNDINGS = {"exact": Fraction, "float64": float, "float32": np.float32}
CHUNK = 1 << 14


def query(ratio: Fraction, inverse: Fraction, inverse_square: Fraction) -> tuple[Fraction, Fraction, Fraction]:
    """Q_4 = (c/(g+1), 1/(g+1), 1/(3(g+1)²)): the ratio of the head, and the asking row's positional code."""
    return ratio, inverse, inverse_square / 3


def key(
    inverse: Fraction, inverse_square: Fraction, ratio: Fraction, *, printed_sign: bool = False
) -> tuple[Fraction, Fraction, Fraction]:
    """K_4 = (u1, -u4, u2) with u1 = 1/(m+1), u2 = 1/(m+1)², u4 = c_m/(m+1).

    printed_sign=True: +u4, as appendix B.2.4 prints it. Then the score holds c + c_m, and look-ups go astray.
    """
    return inverse, ratio if printed_sign else -ratio, inverse_square


def score(asks: Vector, offers: Vector) -> Real:
    """⟨Q, K⟩: exact in `Fraction`s; in floats each product and each sum is rounded, left to right."""
    return reduce(add, (a * b for a, b in zip(asks, offers, strict=True)))


def attend(
    asks: Vector, keys: Sequence[Vector], values: Sequence[Sequence[Fraction]]
) -> tuple[list[Fraction], list[int], tuple[Real, ...]]:
    """Hardmax of -|⟨Q, K⟩|: the mean of the values whose keys tie for the smallest absolute score.

    Returns that mean, which keys they are, and the scores of all keys, signs kept.
    """
    scores = tuple(score(asks, k) for k in keys)
    best = min(map(abs, scores))
    winners = [n for n, number in enumerate(scores) if abs(number) == best]
    mean = [sum(column) / Fraction(len(winners)) for column in zip(*(values[n] for n in winners))]
    return mean, winners, scores


def first_lost(arithmetic: Literal["float64", "float32"]) -> int:
    """The first step m of a walk to the right at which two stays are confused, from the score formula alone.

    The head stands in cell m at steps m, m+1 and m+2, and the look-up of step m+2 scores step m no worse than step m+1,
    its last visit.
    """
    for start in count(1, CHUNK):
        m = np.arange(start, start + CHUNK)
        early, last = (_size(np.dtype(arithmetic), m, m + 2, visit) for visit in (m, m + 1))
        if (early <= last).any():
            return start + int((early <= last).argmax())


def _size(number: np.dtype, cell: np.ndarray, j: np.ndarray, m: np.ndarray) -> np.ndarray:
    """|⟨Q_4, K_4⟩| of two steps in the same cell; every number is rounded once, as is every product and sum."""
    c, t, s = (x.astype(np.float64) for x in (cell, j + 1, m + 1))
    parts = [(c / t, 1 / s), (1 / t, -c / s), (1 / (3 * t * t), 1 / (s * s))]
    a, b, e = (q.astype(number) * k.astype(number) for q, k in parts)
    return abs(a + b + e)

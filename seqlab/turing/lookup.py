"""Look-up by attention: the smallest absolute score wins (appendix B.2.4; Pérez et al. 2019 score by -|⟨q, k⟩|).

    ⟨Q, K_m⟩ = ε ε_m [(c - c_m) + ε ε_m / 3],      ε = 1/(g+1) of the asking row, ε_m = 1/(m+1)

Equal cells give ε² ε_m² / 3, which falls with m: the latest visit wins. Unequal cells give at least 2 ε ε_m / 3, and
that is more, because ε < 2 / (m'+1) for every candidate m'. Two different steps never tie: with a = m+1, b = m'+1 and
t = 1/ε ≥ a, b a tie says 3tab·(whole number) = ±a² ± b² with the right side neither 0 nor as large as 3tab.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import reduce
from numbers import Real
from operator import add

Vector = Sequence[Real]  # `Fraction`s, or floats where `decode` is asked to round


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

"""Where floating point loses the look-up: two visits to one cell whose scores no longer stand in the right order.

The scores of two visits m < m' to a far cell c differ by about 1/m⁵, while the two large terms that should cancel,
c/(j+1) · 1/(m+1) and 1/(j+1) · c/(m+1), are off by about u c/m² (u: half a unit in the last place). With c ≈ j ≈ m the
order is lost once u m⁴ ≳ 1, sometimes earlier by bad luck. In `Fraction`s it never is.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import count
from typing import Literal

import numpy as np

ROUNDINGS = {"exact": Fraction, "float64": float, "float32": np.float32}
CHUNK = 1 << 14


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

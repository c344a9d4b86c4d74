"""Where floating point loses the look-up: two visits to one cell whose scores no longer stand in the right order.

The scores of two visits m < m' to a far cell c differ by about 1/m⁵, while the two large terms that should cancel,
c/(j+1) · 1/(m+1) and 1/(j+1) · c/(m+1), are off by about u c/m² (u: half a unit in the last place). With c ≈ j ≈ m the
order is lost once u m⁴ ≳ 1, sometimes earlier by bad luck. In `Fraction`s it never is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from seqlab.turing.machine import Machine

ARITHMETICS = ("exact", "float64", "float32")
CHUNK = 1 << 14


@dataclass(frozen=True)
class Lost:
    """The first step m of a walk to the right at which two stays are confused: the head stands in cell m at steps m, m+1
    and m+2, and the look-up of step m+2 scores step m no worse than step m+1, its last visit.

    tie: the two scores are equal;  early, last: absolute scores of steps m and m+1
    """

    m: int
    tie: bool
    early: float
    last: float


def rounding(arithmetic: str) -> Callable | None:
    """What rounds a Fraction; None for "exact". Raises ValueError for anything else."""
    if arithmetic not in ARITHMETICS:
        raise ValueError(f"arithmetic: got {arithmetic!r}, wanted one of {', '.join(ARITHMETICS)}")
    return {"exact": None, "float64": float, "float32": np.float32}[arithmetic]


def first_lost(arithmetic: str, *, ties_only: bool = False, limit: int = 1 << 20) -> Lost | None:
    """The first m up to `limit` at which the order is lost, from the score formula alone; None if it never is.

    ties_only=True skips inversions and looks for the first exact tie.
    """
    if rounding(arithmetic) is None:
        return None  # see `lookup`: two different steps never tie, and the latest visit wins
    number = np.dtype(arithmetic).type
    for start in range(1, limit + 1, CHUNK):
        m = np.arange(start, min(start + CHUNK, limit + 1))
        early, last = (_score(number, m, m + 2, visit) for visit in (m, m + 1))
        lost = np.flatnonzero(early == last if ties_only else early <= last)
        if len(lost):
            at = int(lost[0])
            return Lost(int(m[at]), bool(early[at] == last[at]), float(early[at]), float(last[at]))
    return None


def _score(number: type, cell: np.ndarray, j: np.ndarray, m: np.ndarray) -> np.ndarray:
    """|⟨Q_4, K_4⟩| of two steps in the same cell; every number is rounded once, as is every product and sum."""
    c, t, s = (x.astype(np.float64) for x in (cell, j + 1, m + 1))
    parts = [(c / t, 1 / s), (1 / t, -c / s), (1 / (3 * t * t), 1 / (s * s))]
    a, b, e = ((q.astype(number) * k.astype(number)) for q, k in parts)
    return abs(a + b + e)


def walker() -> Machine:
    """Walks right over 1s; at the first blank it writes a, then b, then c without moving: what it reads must be its last
    write. On "1" * m the look-up of step m+2 is the one that `first_lost` asks for."""
    return Machine.parse(
        """
        name: walker
        start: walk
        halt: done
        walk 1 -> walk 1 R
        walk _ -> stay a N
        stay a -> stay b N
        stay b -> done c N
        """
    )

"""Rows and blocks, the two-edge decoder graph, positional codes, and the slots of a decoder vector (appendix B.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import isqrt


def block(row: int) -> int:
    """g(i) = ⌊(-1 + √(1 + 8i)) / 2⌋ with i = row - 1: the machine step that a row works on, in whole numbers.

    Rows count from 1, as in the edges of appendix B; block j holds the rows j(j+1)/2 + k, k = 1 … j+1.
    Raises ValueError for a row below 1.
    """
    if row < 1:
        raise ValueError(f"row: got {row}, wanted at least 1 (rows count from 1)")
    return (isqrt(1 + 8 * (row - 1)) - 1) // 2


def computes(row: int) -> bool:
    """h(i) = g(i+1) - g(i) = 1: the row is the last of its block and applies δ.

    The paper also says h = 1 at i = k(k+1)/2; the two agree once i counts from 0 and nodes from 1, as here.
    """
    return block(row + 1) > block(row)


def rows_for(steps: int) -> int:
    """T(T+1)/2: what T machine steps cost."""
    return steps * (steps + 1) // 2


def edges(row: int) -> tuple[int, ...]:
    """Row j(j+1)/2 + k sees row k(k+1)/2, and itself or (where k = 1) row j(j+1)/2: at most two rows."""
    j = block(row)
    k = row - rows_for(j)
    own = rows_for(j) if k == 1 and j > 0 else row
    return tuple(dict.fromkeys((rows_for(k), own)))


def position(row: int) -> tuple[Fraction, ...]:
    """pos(i) = (1, g+1, 1/(g+1), 1/(g+1)², h, 0, 0, 0, 0): the last nine slots; u1 … u4 come to stand in the zeros."""
    n = block(row) + 1
    return (
        *map(Fraction, (1, n)),
        Fraction(1, n),
        Fraction(1, n * n),
        Fraction(int(computes(row))),
        *[Fraction(0)] * 4,
    )


@dataclass(frozen=True)
class Layout:
    """Where things stand in a vector of Q^d, d = 2|Q| + 4|Σ| + 16, in the paper's four groups.

    [q1 s1 x1 | q2 s2 x2 … x6 | s3 x7 s4 | x8 … x16]; `at(name)` is the slice of a one-hot block or of a single number.
    The use of x2 … x7 is our own: x2 move, x3 next head, x4 and x5 the ratios of next and old head, x6 hit, x7 β.
    """

    states: tuple[str, ...]
    symbols: tuple[str, ...]
    width: int = field(init=False)
    slots: dict[str, slice] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        q, s = len(self.states), len(self.symbols)
        groups = [("q1", q), ("s1", s), ("x1", 1), ("q2", q), ("s2", s), *((f"x{n}", 1) for n in range(2, 7))]
        groups += [("s3", s), ("x7", 1), ("s4", s), *((f"x{n}", 1) for n in range(8, 17))]
        slots, start = {}, 0
        for name, size in groups:
            slots[name] = slice(start, start + size)
            start += size
        object.__setattr__(self, "slots", slots)
        object.__setattr__(self, "width", start)

    def at(self, name: str) -> slice:
        """The slice of a slot, "q1" … "x16"."""
        return self.slots[name]

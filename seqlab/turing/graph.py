"""Rows and blocks, the two-edge decoder graph, positional codes, and the slots of a decoder vector (appendix B.2)."""

from fractions import Fraction
from itertools import accumulate
from math import isqrt


def block(row: int) -> int:
    """g(i) = ⌊(-1 + √(1 + 8i)) / 2⌋ with i = row - 1: the machine step that a row works on, in whole numbers.

    Rows count from 1, as in the edges of appendix B; block j holds the rows j(j+1)/2 + k, k = 1 … j+1.
    """
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
    n = Fraction(block(row) + 1)
    return (Fraction(1), n, 1 / n, 1 / n**2, Fraction(computes(row)), *[Fraction(0)] * 4)


def layout(states: int, symbols: int) -> dict[str, int | slice]:
    """Where things stand in a vector of Q^d, d = 2|Q| + 4|Σ| + 16, in the paper's four groups.

    [q1 s1 x1 | q2 s2 x2 … x6 | s3 x7 s4 | x8 … x16]: the slice of a one-hot block, the place of a single number; "u" is
    the slice of u1 … u4. The use of x2 … x7 is our own: x2 move, x3 next head, x4 and x5 the ratios of next and old
    head, x6 hit, x7 β.
    """
    names = "q1 s1 x1 q2 s2 x2 x3 x4 x5 x6 s3 x7 s4 x8 x9 x10 x11 x12 x13 x14 x15 x16".split()
    sizes = [{"q": states, "s": symbols, "x": 1}[name[0]] for name in names]
    ends = accumulate(sizes)
    at = {n: end - 1 if n[0] == "x" else slice(end - size, end) for n, size, end in zip(names, sizes, ends)}
    return at | {"u": slice(at["x13"], at["x16"] + 1)}

"""Exact numbers: ints and Fractions one by one, and whole-number matrices that are proved to fit before they multiply.

Many numbers at once are whole numbers over one common denominator, so that fractions cost no more than integers: int64
where a bound on them says that it holds all that is made, Python's integers where it does not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from numbers import Rational
from typing import Any

import numpy as np
import torch
from torch import Tensor

Number = int | Fraction
ROOM, EXACT = 2**63, 2**53  # int64 and float64 hold all whole numbers below


def exact(value: Any, where: Any) -> Number:
    """The same number as an int or a Fraction. Raises TypeError, told `where`, for floats and for what is no number."""
    value = value.item() if hasattr(value, "item") else value  # one element of an array or a tensor
    if not isinstance(value, Rational):
        raise TypeError(f"{where}: got {value!r}, wanted an exact number: an int or a Fraction such as Fraction(1, 2)")
    return int(value.numerator) if value.denominator == 1 else Fraction(value)


def kind(bound: int) -> type:
    """The dtype that holds all whole numbers up to a bound."""
    return np.int64 if bound < ROOM else object


def largest(top: np.ndarray) -> int:
    """The largest |number| of an array."""
    return max(int(top.max()), -int(top.min()))


def whole(given: np.ndarray, bottom: int) -> np.ndarray:
    """`given · bottom`, of integers, or of ints and Fractions that become whole."""
    if given.dtype == object:
        return np.asarray(np.frompyfunc(lambda number: int(number * bottom), 1, 1)(given))
    return given.astype(kind(bottom * largest(given))) * bottom


def numbers(top: np.ndarray, bottom: int) -> np.ndarray:
    """`top / bottom`: whole numbers, or ints and Fractions in an object array."""
    if not (top % bottom).any():
        return top // bottom
    divide = lambda t: t // bottom if t % bottom == 0 else Fraction(t, bottom)
    return np.asarray(np.frompyfunc(divide, 1, 1)(top.astype(object)), dtype=object)


class Matrix:
    """Exact weights {(row, column): number} as whole numbers over `bottom`; no row of them adds up to more than `norm`.

    rows:  for each row the (column, whole number) that are not 0
    """

    def __init__(self, rows: int, columns: int, weights: Mapping[tuple[int, int], Number]):
        self.bottom = math.lcm(*(weight.denominator for weight in weights.values()))
        self.rows = [[] for _ in range(rows)]
        for (row, column), weight in weights.items():
            self.rows[row] += [(column, int(weight * self.bottom))] if weight else []
        self.norm = max((sum(abs(weight) for _, weight in row) for row in self.rows), default=0)
        self.dense = np.zeros((rows, columns), dtype=kind(self.norm))
        for row, entries in enumerate(self.rows):
            for column, weight in entries:
                self.dense[row, column] = weight

    def times(self, top: np.ndarray, bound: int) -> np.ndarray:
        """The matrix times whole numbers "column …"; nothing that is made, nor a sum on its way, is above `bound`."""
        if max(bound, self.norm) < EXACT:  # float64 multiplies faster than int64
            return (self.dense.astype(np.float64) @ top.astype(np.float64)).astype(np.int64)
        top = top.astype(kind(bound), copy=False)
        if top.dtype != object:
            return self.dense @ top
        return np.stack([sum((weight * top[column] for column, weight in row), 0 * top[0]) for row in self.rows])


@dataclass(frozen=True)
class Piecewise:
    """A piecewise-linear function: `pieces[k]` = (slope, value at 0) from `breaks[k - 1]` on, below `breaks[k]`."""

    breaks: tuple[Number, ...]
    pieces: tuple[tuple[Number, Number], ...]

    def __call__(self, t: Tensor) -> Tensor:
        made, *later = (float(slope) * t + float(value) for slope, value in self.pieces)
        for at, piece in zip(self.breaks, later):
            made = torch.where(t >= float(at), piece, made)
        return made

    @property
    def steepest(self) -> Number | float:
        """The largest |slope|; infinite where the function jumps."""
        jumps = any((a - c) * at + b != d for at, (a, b), (c, d) in zip(self.breaks, self.pieces, self.pieces[1:]))
        return math.inf if jumps else max(abs(slope) for slope, _ in self.pieces)

    def exactly(self, top: np.ndarray, bottom: int, bound: int) -> tuple[np.ndarray, int, int]:
        """The function of `top / bottom`, |top| ≤ bound, as (made, over, bound): it is made / (bottom · over)."""
        if self == relu:
            return np.maximum(top, 0), 1, bound
        over = math.lcm(*(number.denominator for piece in self.pieces for number in piece))
        lines = [(int(slope * over), int(value * over) * bottom) for slope, value in self.pieces]
        most = max(abs(slope) * bound + abs(value) for slope, value in lines)
        edges = [(at.denominator, at.numerator * bottom) for at in self.breaks]
        top = top.astype(kind(max(most, *(abs(times) * bound + abs(edge) for times, edge in edges))))
        made, *later = (slope * top + value for slope, value in lines)
        for (times, edge), piece in zip(edges, later):
            made = np.where(times * top >= edge, piece, made)
        return made, over, most


relu = Piecewise((0,), ((0, 0), (1, 0)))

"""Exact numbers: ints and Fractions one by one; many at once are Python's integers over one common denominator, so that
fractions cost no more than integers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from numbers import Rational
from typing import Any

import numpy as np
import torch
from torch import Tensor

Number = int | Fraction


def exact(value: Any, where: Any) -> Number:
    """The same number as an int or a Fraction. Raises TypeError, told `where`, for floats and for what is no number."""
    value = value.item() if hasattr(value, "item") else value  # one element of an array or a tensor
    if not isinstance(value, Rational):
        raise TypeError(f"{where}: got {value!r}, wanted an exact number: an int or a Fraction such as Fraction(1, 2)")
    return int(value.numerator) if value.denominator == 1 else Fraction(value)


def largest(top: np.ndarray) -> int:
    """The largest |number| of an array."""
    return max(int(top.max()), -int(top.min()))


def numbers(top: np.ndarray, bottom: int) -> np.ndarray:
    """`top / bottom`: whole numbers in int64 where that holds them, else ints and Fractions in an object array."""
    if (top % bottom).any():
        return np.asarray(np.frompyfunc(lambda number: exact(Fraction(number, bottom), "numbers"), 1, 1)(top))
    return (top // bottom).astype(np.int64 if largest(top // bottom) < 2**63 else object)


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

    def exactly(self, top: np.ndarray, bottom: int) -> tuple[np.ndarray, int]:
        """The function of `top / bottom`, as (made, over): it is made / over."""
        if self == relu:
            return np.maximum(top, 0), bottom
        over = math.lcm(*(number.denominator for piece in self.pieces for number in piece))
        made, *later = (int(slope * over) * top + int(value * over) * bottom for slope, value in self.pieces)
        for at, piece in zip(self.breaks, later):
            made = np.where(at.denominator * top >= at.numerator * bottom, piece, made)
        return made, over * bottom


relu = Piecewise((0,), ((0, 0), (1, 0)))

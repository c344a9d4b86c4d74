"""Exact numbers in arrays, and attention in them: int64 where it is proved to fit before anything is multiplied.

A `Column` holds whole numbers over one common denominator, so that fractions cost no more than integers. What does not
fit goes on in Python's integers. Only the order (hardmax) or the sign (step) of scores matters, so there denominators
are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from numbers import Rational

import numpy as np
import torch
from torch import Tensor

from seqlab.attention import Exact

Number = int | Fraction
ROOM = 2**63


def exact(value: object, where: str) -> Number:
    """The same number as an int or a Fraction. Raises TypeError for floats, and for what is no number."""
    value = value.item() if hasattr(value, "item") else value  # one element of an array or a tensor
    if not isinstance(value, Rational):
        raise TypeError(f"{where}: got {value!r}, wanted an exact number: an int or a Fraction such as Fraction(1, 2)")
    return int(value) if value.denominator == 1 else Fraction(value)


@dataclass(frozen=True)
class Column:
    """`top / bottom`, "sequence token"; no |top| is above `bound`."""

    top: np.ndarray
    bottom: int
    bound: int

    @cached_property
    def largest(self) -> int:
        """The largest |top| there is."""
        return max(int(self.top.max(initial=0)), -int(self.top.min(initial=0)))

    def tight(self) -> Column:
        """The same with its largest number as the bound."""
        return Column(self.top, self.bottom, self.largest)

    def equals(self, number: Number) -> np.ndarray:
        """Where the value is this number."""
        times, rest = divmod(self.bottom, number.denominator)
        return np.zeros(self.top.shape, dtype=bool) if rest else self.top == number.numerator * times

    def numbers(self) -> np.ndarray:
        """The values: int64, or ints and Fractions in an object array."""
        if self.bottom == 1:
            return self.top
        divide = lambda t: t // self.bottom if t % self.bottom == 0 else Fraction(t, self.bottom)
        return np.frompyfunc(divide, 1, 1)(self.top.astype(object))


def column(top: np.ndarray, bottom: int = 1, bound: int | None = None) -> Column:
    """A column in lowest terms, back in int64 where Python's integers have become small."""
    common = math.gcd(bottom, int(np.gcd.reduce(top, axis=None))) if bottom > 1 else 1
    if common > 1:
        top, bottom, bound = top // common if top.any() else top, bottom // common, None
    if bound is None or top.dtype == object:
        bound = Column(top, bottom, 0).largest
    return Column(top.astype(np.int64) if top.dtype == object and bound < ROOM else top, bottom, bound)


def rational(numbers: np.ndarray) -> Column:
    """A column out of int64, or out of ints and Fractions in an object array."""
    if numbers.dtype != object:
        return column(
            np.asfortranarray(numbers, dtype=np.int64)
        )  # tokens apart, sequences together: reductions are fast
    bottom = math.lcm(*(number.denominator for number in numbers.flat))
    return column(np.asfortranarray(np.frompyfunc(lambda number: int(number * bottom), 1, 1)(numbers)), bottom)


def combine(terms: list[tuple[Number, Column]], constant: Number = 0) -> Column:
    """`Σ weight · column + constant`, at least one term."""
    bottom = math.lcm(constant.denominator, *(weight.denominator * each.bottom for weight, each in terms))
    factors = [weight.numerator * (bottom // (weight.denominator * each.bottom)) for weight, each in terms]
    shift = constant.numerator * (bottom // constant.denominator)
    tops = [each.top for _, each in terms]
    bound = abs(shift) + sum(abs(factor) * (each.bound or 1) for factor, (_, each) in zip(factors, terms))
    if bound >= ROOM:
        bound = abs(shift) + sum(abs(factor) * (each.largest or 1) for factor, (_, each) in zip(factors, terms))
    if bound >= ROOM:
        tops = [top.astype(object) for top in tops]
    parts = [top if factor == 1 else factor * top for factor, top in zip(factors, tops)]
    total = sum(parts[1:], parts[0])
    return column(total + shift if shift else total, bottom, bound)


def where(condition: np.ndarray, yes: Column, no: Column) -> Column:
    """One column or the other, as `np.where`."""
    bottom = yes.bottom
    if no.bottom != bottom:
        bottom = math.lcm(bottom, no.bottom)
        yes, no = combine([(bottom, yes)]), combine([(bottom, no)])
    return Column(np.where(condition, yes.top, no.top), bottom, max(yes.bound, no.bound))


def differ(one: Column, other: Column) -> np.ndarray:
    """Where two columns are not the same."""
    return one.top != other.top if one.bottom == other.bottom else combine([(1, one), (-1, other)]).top != 0


@dataclass(frozen=True)
class Piecewise:
    """A piecewise-linear function: `pieces[k]` = (slope, value at 0) from `breaks[k - 1]` on, below `breaks[k]`.

    Call it with a tensor, or with a column.
    """

    breaks: tuple[Number, ...]
    pieces: tuple[tuple[Number, Number], ...]

    def __call__(self, t: Tensor | Column) -> Tensor | Column:
        if isinstance(t, Column):
            return self._exactly(t)
        made, *later = (float(slope) * t + float(value) for slope, value in self.pieces)
        for at, piece in zip(self.breaks, later):
            made = torch.where(t >= float(at), piece, made)
        return made

    def _exactly(self, t: Column) -> Column:
        if self == relu:
            return column(np.maximum(t.top, 0), t.bottom, t.bound)
        made, *later = (combine([(slope, t)], value) for slope, value in self.pieces)
        for at, piece in zip(self.breaks, later):
            made = where(combine([(1, t)], -at).top >= 0, piece, made)
        return made


relu = Piecewise((0,), ((0, 0), (1, 0)))


def scores(query: list[Column], key: list[Column]) -> Column:
    """`Σ query · key`, "sequence query key"."""
    bottom = math.lcm(*(q.bottom * k.bottom for q, k in zip(query, key)))
    factors = [bottom // (q.bottom * k.bottom) for q, k in zip(query, key)]
    bound = sum(f * max(q.bound, 1) * max(k.bound, 1) for f, q, k in zip(factors, query, key))
    kind = object if bound >= ROOM else np.int64
    tops = [(f, q.top.astype(kind)[:, :, None], k.top.astype(kind)[:, None, :]) for f, q, k in zip(factors, query, key)]
    return Column(sum(f * q * k for f, q, k in tops), bottom, bound)


def attend(
    rule: Exact, query: list[Column], key: list[Column], value: Column, allowed: np.ndarray | None, memo: dict
) -> Column:
    """What every query mixes of the values.

    allowed: boolean "query key", None for everything;  memo: what heads of one layer share
    """
    if allowed is not None or len(query) > 1:
        return mix(*rule.weigh(scores(query, key).top, allowed), value)

    def for_all(sign: int) -> Column:
        at = (id(key[0].top), id(value.top), sign)
        if at not in memo:
            memo[at] = mix(*rule.weigh(sign * key[0].top[:, None, :], None), value)
        return memo[at]

    # Scores are q · k and all look at all: only the sign of q matters, so one query of each sign stands for all.
    top = query[0].top
    mixed = where(top > 0, for_all(1), for_all(-1))
    return where(top == 0, for_all(0), mixed) if (top == 0).any() else mixed


def mix(weights: np.ndarray, divisor: np.ndarray | int, value: Column) -> Column:
    """`Σ_k weights · value / divisor`, weights at most 2."""
    top, bound = value.top, 2 * weights.shape[-1] * value.bound
    if bound >= ROOM:
        bound = 2 * weights.shape[-1] * value.largest
    if bound >= ROOM:
        top = top.astype(object)
    total = (weights * top[:, None, :]).sum(axis=-1)
    if np.max(divisor) == 1:
        return column(total, value.bottom, bound)
    if not (total % divisor).any():
        return column(total // divisor, value.bottom, bound)
    bottom = math.lcm(*np.unique(divisor).tolist())
    if bound * bottom >= ROOM:
        total = total.astype(object)
    return column(total * (bottom // divisor), value.bottom * bottom, bound * bottom)

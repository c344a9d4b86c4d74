"""A program run in exact numbers: int64 where it is proved to fit before anything is multiplied, Python's integers beyond.

All tokens of a batch go through a layer at once. A coordinate of all tokens is a `Column`: whole numbers over one common
denominator, so that fractions cost no more than integers. Where only the order or the sign of scores matters,
denominators are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np
from jaxtyping import Shaped

from seqlab.attention import Exact
from seqlab.written.forms import Form, Number
from seqlab.written.parts import LEVEL, Head, Layer, Piecewise, Sweep, relu

Whole = Shaped[np.ndarray, "sequence token"]
ROOM = 2**63


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

    def numbers(self) -> np.ndarray:
        """The values: int64, or ints and Fractions in an object array."""
        if self.bottom == 1:
            return self.top
        whole = lambda t: t // self.bottom if t % self.bottom == 0 else Fraction(int(t), self.bottom)
        return np.frompyfunc(whole, 1, 1)(self.top.astype(object))

    def equals(self, number: Number) -> np.ndarray:
        """Where the value is this number."""
        times, rest = divmod(self.bottom, number.denominator)
        return self.top == number.numerator * times if not rest else np.zeros(self.top.shape, dtype=bool)

    def differs(self, other: Column) -> np.ndarray:
        """Where the two values are not the same."""
        one, two = (self, other) if self.bottom == other.bottom else (combine([(1, self), (-1, other)]), other)
        return one.top != two.top if one is self else one.top != 0

    def index(self, levels: range) -> np.ndarray:
        """The index of each value in the levels, one apart; their number where it is none of them."""
        index = (self.top - levels.start * self.bottom) * levels.step
        whole = (index >= 0) & (index < len(levels) * self.bottom)
        if self.bottom > 1:
            index, whole = index // self.bottom, whole & (index % self.bottom == 0)
        return np.where(whole, index, len(levels))


def column(top: np.ndarray, bottom: int = 1, bound: int | None = None) -> Column:
    """A column in lowest terms, back in int64 where Python's integers have become small."""
    common = math.gcd(bottom, int(np.gcd.reduce(top, axis=None))) if bottom > 1 else 1
    if common > 1:
        top, bottom, bound = top // common if top.any() else top, bottom // common, None
    made = Column(top, bottom, 0)
    if bound is None or top.dtype == object:
        bound = made.largest
    if top.dtype == object and bound < ROOM:
        top = top.astype(np.int64)
    return Column(top, bottom, bound)


def rational(numbers: np.ndarray) -> Column:
    """A column out of int64, or out of ints and Fractions in an object array."""
    if numbers.dtype != object:
        return column(np.asfortranarray(numbers, dtype=np.int64))
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


def bend(activation: Piecewise, t: Column) -> Column:
    """`activation(t)`."""
    if activation == relu:
        return column(np.maximum(t.top, 0), t.bottom, t.bound)
    made, *pieces = (combine([(slope, t)], value) for slope, value in activation.pieces)
    for at, piece in zip(activation.breaks, pieces):
        made = where(combine([(1, t)], -at).top >= 0, piece, made)
    return made


class Run:
    """One batch on its way through a program: `state` has a column for each coordinate, `steps` what a trace keeps."""

    def __init__(self, normalizer: Exact, state: dict[str, Column]):
        self.normalizer, self.state = normalizer, state
        self.shape = next(iter(state.values())).top.shape
        self.values: dict[Form, Column] = {}
        self.steps: list = []

    def value(self, form: Form) -> Column:
        """A form of every token."""
        if form not in self.values:
            terms = [(weight, self.state[name]) for name, weight in form.weights.items()]
            plain = len(terms) == 1 and terms[0][0] == 1 and not form.constant
            self.values[form] = terms[0][1] if plain else combine(terms or [(0, self.empty)], form.constant)
        return self.values[form]

    @cached_property
    def empty(self) -> Column:
        return Column(np.zeros(self.shape, dtype=np.int64, order="F"), 1, 0)

    def scores(self, head: Head) -> tuple[np.ndarray, int]:
        """Whole numbers "sequence query key" and what they are to be divided by."""
        pairs = [(self.value(q), self.value(k)) for q, k in zip(head.query, head.key)]
        bottom = math.lcm(*(q.bottom * k.bottom for q, k in pairs))
        factors = [bottom // (q.bottom * k.bottom) for q, k in pairs]
        bound = sum(factor * max(q.bound, 1) * max(k.bound, 1) for factor, (q, k) in zip(factors, pairs))
        tops = [(q.top, k.top) for q, k in pairs]
        if bound >= ROOM:
            tops = [(q.astype(object), k.astype(object)) for q, k in tops]
        return sum(f * q[:, :, None] * k[:, None, :] for f, (q, k) in zip(factors, tops)), bottom

    def attend(self, head: Head) -> list[Column]:
        """What the head mixes for every query, a column for each of its values."""
        if head.sees is None and len(head.query) == 1:
            return [self.by_sign(head.query[0], head.key[0], value) for value in head.value]
        weights, divisor = self.normalizer.weigh(self.scores(head)[0], self.allowed(head))
        return [mix(weights, divisor, self.value(value)) for value in head.value]

    def allowed(self, head: Head) -> np.ndarray | None:
        """The head's pattern at this length, None for everybody."""
        return None if head.sees is None else head.sees.at(self.shape[1])

    def by_sign(self, query: Form, key: Form, value: Form) -> Column:
        """The mix where scores are q · k: only the sign of q matters, so a query of each sign stands for all."""
        top = self.value(query).top
        up, down = (self.for_all(key, value, sign) for sign in (1, -1))
        none = self.for_all(key, value, 0) if (top == 0).any() else up
        mixed = where(top > 0, up, down)
        return mixed if none is up else where(top == 0, none, mixed)

    def for_all(self, key: Form, value: Form, sign: int) -> Column:
        """What every query of this sign mixes, "sequence 1"."""
        if (key, value, sign) not in self.values:
            weights, divisor = self.normalizer.weigh(sign * self.value(key).top[:, None, :], None)
            self.values[key, value, sign] = mix(weights, divisor, self.value(value))
        return self.values[key, value, sign]

    def add(self, written: list[tuple[Form, Column]], factors: dict[str, Number] | None = None) -> None:
        """Add columns times the forms that they are written to; `factors` says how much of it, by coordinate."""
        terms: dict[str, list] = {}
        for form, each in written:
            for name, weight in form.weights.items():
                terms.setdefault(name, []).append((weight if factors is None else weight * factors.get(name, 0), each))
        self.state = self.state | {name: combine([(1, self.state[name]), *rest]) for name, rest in terms.items()}
        self.values = {}

    def layer(self, layer: Layer, factors: dict[str, Number] | None = None) -> None:
        """Heads, then units, all exact."""
        if layer.heads:
            self.add([pair for head in layer.heads for pair in zip(head.write, self.attend(head))])
        if layer.units:
            self.add([(unit.write, bend(unit.activation, self.value(unit.read))) for unit in layer.units], factors)

    def sweep(self, sweep: Sweep, factors: dict[str, Number] | None = None) -> None:
        """The layers of all levels that a token holds; of all levels where one moves tokens that do not hold it."""
        start, steps = self.state, len(self.steps)
        many = len(sweep.levels) > 2 * self.shape[1]  # a leap costs more than a level, and there are at most n leaps or so
        if not (many and self.leap(sweep, factors) or self.walk(sweep, factors)):
            self.state, self.values, self.steps[steps:] = start, {}, []
            self.walk(replace(sweep, idle=False), factors)

    def walk(self, sweep: Sweep, factors: dict[str, Number] | None) -> bool:
        """Level by level. False where a layer moves tokens that do not hold its level, and idle levels were left out."""
        at = 0
        while (at := self.held(sweep, at)) < len(sweep.levels):
            before, idle = self.state, ~self.value(sweep.over).equals(sweep.levels[at])
            for layer in sweep.at(at):
                self.layer(layer, factors)
            if sweep.idle and self.moved(before, idle):
                return False
            at += 1
        return True

    def leap(self, sweep: Sweep, factors: dict[str, Number] | None) -> bool:
        """Every sequence at the next level that one of its own tokens holds: the level is a coordinate like any other."""
        layers, end, at = sweep.at_any, len(sweep.levels), 0
        while layers and sweep.idle:
            index = self.value(sweep.over).index(sweep.levels)
            index = np.where(index >= at, index, end)
            first = index.min(axis=1, keepdims=True)
            done, before = first == end, self.state
            if done.all():
                return True
            if not all(sweep.agrees(k) for k in set(first.ravel().tolist()) - {end}):
                break
            level = sweep.levels.start + first * sweep.levels.step
            self.state = before | {str(LEVEL): rational(np.broadcast_to(level, self.shape))}
            for layer in layers:
                self.layer(layer, factors)
            self.state = {name: self.state[name] for name in before}
            if done.any():
                stay = {name for name, each in self.state.items() if each is not before[name]}
                self.state |= {name: where(done, before[name], self.state[name]) for name in stay}
            if self.moved(before, index != first):
                break
            at = first + 1
        return False

    def moved(self, before: dict[str, Column], tokens: np.ndarray) -> bool:
        """Whether one of these tokens is not what it was."""
        changed = [(each, before[name]) for name, each in self.state.items() if each is not before[name]]
        return any((each.differs(old) & tokens).any() for each, old in changed)

    def held(self, sweep: Sweep, at: int) -> int:
        """The first level from index `at` on that some token holds; len(levels) where there is none."""
        over, end = self.value(sweep.over), len(sweep.levels)
        if not sweep.idle:
            return at
        if end - at <= over.top.size:
            return next((k for k in range(at, end) if over.equals(sweep.levels[k]).any()), end)
        rest, values = sweep.levels[at:], set(over.numbers().ravel().tolist())
        return min((at + rest.index(value) for value in values if value in rest), default=end)


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

"""A batch on its way through a program, in exact numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from seqlab.exact import Matrix, Number, kind, largest, numbers, whole
from seqlab.normalizers import Hardmax
from seqlab.written.forms import LEVEL, Form
from seqlab.written.parts import Head, Layer, Sweep

if TYPE_CHECKING:
    from seqlab.written.program import Program

Wholes = tuple[np.ndarray, int, int]  # whole numbers, by how much they are too large, a bound on them
SIGNS = np.array([1, -1, 0])[:, None]


class Plan:
    """A layer as matrices of whole numbers; `at` has the column of each coordinate, the last is that of the constant 1.

    Each row stands for a form times `times`, what makes its weights whole: (form, times) in `reads` for what heads look
    at, in `units` for what units read. `heads` has for each head the rows of its queries, keys and values, and by how
    much its scores are too large.
    """

    def __init__(self, layer: Layer, at: Mapping[str, int]):
        self.layer, self.at, self.add, self.heads, self.reads, written = layer, at, {}, [], [], []
        for head in layer.heads:
            terms = [query.bottom * key.bottom for query, key in zip(head.query, head.key)]
            first, wide, scale = len(self.reads), len(terms), math.lcm(*terms)
            self.reads += [(q, scale // term * q.bottom) for q, term in zip(head.query, terms)]
            self.reads += [(form, form.bottom) for form in (*head.key, *head.value)]
            ends = (first, first + wide, first + 2 * wide, len(self.reads))
            self.heads.append((*map(slice, ends, ends[1:]), scale))
            written += zip(head.write, [form.bottom for form in head.value])
        self.units = [(unit.read, unit.read.bottom) for unit in layer.units]
        self.read, self.read_units = (across(rows, at) for rows in (self.reads, self.units))
        self.mix = down(written, at)

    def adds(self, factors: Mapping[str, Number] | None) -> Matrix:
        """Where units write, and how much of it by coordinate; all of it where nothing is said."""
        if id(factors) not in self.add:
            self.add[id(factors)] = down(
                [(unit.write, unit.read.bottom) for unit in self.layer.units], self.at, factors
            )
        return self.add[id(factors)]


def across(rows: list[tuple[Form, int]], at: Mapping[str, int]) -> Matrix:
    """A row for each (form, times)."""
    weights = {(k, at[name]): times * w for k, (form, times) in enumerate(rows) for name, w in form.weights.items()}
    constants = {(k, len(at) - 1): times * form.constant for k, (form, times) in enumerate(rows)}
    return Matrix(len(rows), len(at), weights | constants)


def down(columns: list[tuple[Form, int]], at: Mapping[str, int], factors: Mapping[str, Number] | None = None) -> Matrix:
    """A column for each form that is written to, of what is `times` too large."""
    much = (lambda name: 1) if factors is None else (lambda name: factors.get(name, 0))
    entries = [(name, k, w, times) for k, (form, times) in enumerate(columns) for name, w in form.weights.items()]
    weights = {(at[name], k): much(name) * w / Fraction(times) for name, k, w, times in entries}
    return Matrix(len(at), len(columns), weights)


class Run:
    """Tokens {coordinate: "sequence token"} after all layers: `top`, whole numbers "name (token sequence)" ≤ `bound`.

    The last row is the constant 1, so it holds the denominator of all; the one before is the level of a sweep.
    """

    apart = True  # sequences may be at levels of their own

    def __init__(self, program: Program, tokens: Mapping[str, np.ndarray], loops: int | None = None):
        self.program = program
        self.rule: Any = program.normalizer
        self.at = {name: k for k, name in enumerate([*program.names, LEVEL, "1"])}
        self.shape = next(iter(tokens.values())).shape[::-1]
        self.enter(tokens)
        for t in range(program.times(self.shape[0], loops)):
            factors = program.clock[t] if isinstance(program.clock, tuple) else None
            for name, weight in getattr(program.clock, "weights", {}).items():
                self.put(name, t * weight.numerator, abs(t * weight.numerator), weight.denominator)
            for part in program.layers:
                run: Any = self.sweep if isinstance(part, Sweep) else self.layer
                run(part, factors)

    def enter(self, tokens: Mapping[str, np.ndarray]) -> None:
        """The state before all layers."""
        program, (length, count) = self.program, self.shape
        places = {name: np.array(program.place(name, length), dtype=object)[:, None] for name in program.positions}
        starts = {name: np.array([[number]], dtype=object) for name, number in program.start.items()}
        given = [*((name, each.T) for name, each in tokens.items()), *places.items(), *starts.items()]
        bottom = math.lcm(*(number.denominator for _, each in given if each.dtype == object for number in each.flat))
        wholes = [(self.at[name], whole(each, bottom)) for name, each in given]
        self.top = np.zeros((len(self.at), length, count), dtype=kind(3 * max(largest(each) for _, each in wholes)))
        for row, each in wholes:
            self.top[row] += each.astype(self.top.dtype)
        self.top[-1] = bottom
        self.top = self.top.reshape(len(self.at), -1)
        self.settle()

    @property
    def bottom(self) -> int:
        """The denominator of the state."""
        return int(self.top[-1, 0])

    def settle(self) -> None:
        """The bound as small as it can be, and int64 where that holds all."""
        self.bound = largest(self.top)
        self.top = self.top.astype(kind(self.bound), copy=False)

    def put(self, name: str, value: np.ndarray | int, most: int, over: int = 1) -> None:
        """Give a coordinate `value / over`, a value for each sequence or one for all; no |value| is above `most`."""
        bottom, self.bound = self.bottom, max(over * self.bound, self.bottom * most)
        self.top = self.top.astype(kind(self.bound)) * over
        self.top[self.at[name]].reshape(self.shape)[:] = value * bottom

    def times(self, matrix: Matrix) -> tuple[np.ndarray, int]:
        """The rows of a matrix times the state, and a bound on them."""
        if kind(matrix.norm * self.bound) is object:
            self.settle()
        bound = matrix.norm * self.bound
        return matrix.times(self.top, bound), bound

    def plus(self, matrix: Matrix, made: list[Wholes]) -> None:
        """Add a matrix times what was made to the state."""
        over = math.lcm(*(each for _, each, _ in made))
        most = max(over // each * bound for _, each, bound in made)
        top = np.stack([top.astype(kind(most), copy=False) * (over // each) for top, each, _ in made])
        by = over * matrix.bottom
        if kind(by * self.bound + matrix.norm * most) is object:
            self.settle()
            most = largest(top)
        self.bound = by * self.bound + matrix.norm * most
        dtype = kind(self.bound)
        added = matrix.times(top.reshape(len(made), -1), self.bound)
        self.top = self.top.astype(dtype, copy=False) * by + added
        if by > 1:
            common = int(np.gcd.reduce(self.top, axis=None))
            self.top, self.bound = self.top // common, self.bound // common
        if dtype is object:
            self.settle()

    def plan(self, layer: Layer) -> Plan:
        """A layer as matrices."""
        plans = self.program.plans
        if id(layer) not in plans or plans[id(layer)].layer is not layer:  # a copied program has layers of its own
            plans[id(layer)] = Plan(layer, self.at)
        return plans[id(layer)]

    def layer(self, layer: Layer, factors: Mapping[str, Number] | None = None) -> None:
        """Heads, then units."""
        plan = self.plan(layer)
        if plan.heads:
            rows, bound = self.times(plan.read)
            rows, memo = rows.reshape(-1, *self.shape), {}
            made = [
                self.attend(head, [rows[k] for k in parts], bound, memo)
                for head, (*parts, _) in zip(layer.heads, plan.heads)
            ]
            self.plus(plan.mix, sum(made, []))
        if plan.units:
            rows, bound = self.times(plan.read_units)
            bends = zip(layer.units, rows, plan.units)
            made = [unit.activation.exactly(row, self.bottom * times, bound) for unit, row, (_, times) in bends]
            self.plus(plan.adds(factors), made)

    def attend(self, head: Head, rows: Sequence[Any], bound: int, memo: dict) -> list[Wholes]:
        """What every query mixes of each value; `rows` are queries, keys and values, "part token sequence" each.

        memo: what heads of one layer share
        """
        (query, key, value), allowed = rows, head.sees and head.sees.at(self.shape[0])
        if len(query) > 1 or allowed is not None:
            return self.mix(scores(query, key, bound), allowed, value, bound)
        # Scores are q · k and all see all: only the sign of q matters, so one query of each sign stands for all.
        (q,), (k,), zero = query, key, not query.all()
        at = (zero, *map(id, (*head.key, *head.value)))
        if at not in memo and type(self.rule) is Hardmax and at[1:2] == at[2:] and not zero:
            memo[at] = [((k.max(axis=0), k.min(axis=0)), 1, bound)]  # the best key is the value
        elif at not in memo:
            memo[at] = self.mix(k.T[:, None, :] * SIGNS[: 2 + zero], None, value, bound)
        made = [(np.where(q > 0, tops[0], tops[1]), tops, over, most) for tops, over, most in memo[at]]
        return [(np.where(q == 0, tops[2], top) if zero else top, over, most) for top, tops, over, most in made]

    def mix(self, scores: np.ndarray, allowed: np.ndarray | None, value: list[np.ndarray], bound: int) -> list[Wholes]:
        """The values mixed by what the normalizer makes of the scores "sequence query key"; "query sequence" each."""
        weights, divisor = self.rule.weigh(scores, allowed)
        most = 2 * weights.shape[-1] * bound
        totals = [(weights * each.astype(kind(most), copy=False).T[:, None, :]).sum(axis=-1) for each in value]
        if not any((total % divisor).any() for total in totals):
            return [((total // divisor).T, 1, most) for total in totals]
        over = math.lcm(*np.unique(divisor).tolist())
        totals = [total.astype(kind(over * most), copy=False) for total in totals]
        return [((total * (over // divisor)).T, over, over * most) for total in totals]

    def sweep(self, sweep: Sweep, factors: Mapping[str, Number] | None = None) -> None:
        """The layers of all levels that a token holds; of all levels where one moves tokens that do not hold it."""
        before = self.__dict__.copy()
        if not (sweep.idle and self.visit(sweep, factors)):
            self.__dict__ = before
            for k in range(len(sweep.levels)):
                for layer in sweep.at(k):
                    self.layer(layer, factors)

    def visit(self, sweep: Sweep, factors: Mapping[str, Number] | None) -> bool:
        """Only levels that a token holds, or one if none does. False where a layer moved a token not at its level.

        Where the layers of all levels are the same text, the level is a coordinate like any other, and every sequence
        is at its own next level; one that is done is at a level that is none of its numbers.
        """
        layers, end, at = self.apart and sweep.at_any, len(sweep.levels), -1
        place, tried = across([(sweep.place, sweep.place.bottom)], self.at), not end
        while True:
            top, bound = self.times(place)
            bottom = self.bottom * sweep.place.bottom
            if bottom > 1 and (top % bottom).any():
                return False  # a token between two levels: a layer may take it for one that holds its level
            held = sweep.index(top.reshape(self.shape) // bottom)
            at = np.where(held > at, held, end).min(axis=0 if layers else None)
            if tried and np.min(at) == end:
                return True
            if layers:
                (first, step), nobody = sweep.scale, bound // bottom + 1
                over, most = step.denominator, int(abs(first)) + abs(step.numerator) * max(nobody, end)
                level = first + step.numerator * sweep.at_place(at, nobody).astype(kind(self.bottom * most))
                self.put(LEVEL, level, most, over)
            before, tried = self.top, True
            for layer in layers or sweep.at(min(int(at), end - 1)):
                self.layer(layer, factors)
            if (self.moved(before) & ((held != at) | (held == end)).ravel()).any():
                return False

    def moved(self, before: np.ndarray) -> np.ndarray:
        """Where a coordinate is not what it was."""
        new, old = self.top[:-2], before[:-2]
        if self.bottom != before[-1, 0]:
            new, old = new.astype(object) * int(before[-1, 0]), old.astype(object) * self.bottom
        return new != old

    def values(self, forms: Sequence[Form]) -> np.ndarray:
        """The forms of every token, "sequence token form": int64, or ints and Fractions."""
        bottom = math.lcm(*(form.bottom for form in forms))
        top, _ = self.times(across([(form, bottom) for form in forms], self.at))
        return numbers(top, bottom * self.bottom).reshape(-1, *self.shape).transpose(2, 1, 0)


def scores(query: list[np.ndarray], key: list[np.ndarray], bound: int) -> np.ndarray:
    """`Σ query · key`, "sequence query key"."""
    dtype = kind(len(query) * bound**2)
    pairs = [(q.astype(dtype, copy=False), k.astype(dtype, copy=False)) for q, k in zip(query, key)]
    return np.asarray(sum(q.T[:, :, None] * k.T[:, None, :] for q, k in pairs))

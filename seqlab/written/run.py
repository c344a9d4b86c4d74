"""A batch on its way through a program, in exact numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from seqlab.exact import Number, numbers
from seqlab.written.forms import Form
from seqlab.written.parts import Head, Layer, Sweep, Unit

if TYPE_CHECKING:
    from seqlab.written.program import Program

Over = tuple[np.ndarray, int]  # whole numbers, and what all of them are divided by
Added = tuple[Mapping[str, Number], np.ndarray, int]  # what is written where, {coordinate: weight}, of which numbers


class Run:
    """Tokens {coordinate: "sequence token"} after all layers: `top / bottom`, whole numbers "name token sequence"."""

    def __init__(self, program: Program, tokens: Mapping[str, np.ndarray], loops: int | None = None):
        self.program = program
        self.rule: Any = program.normalizer
        self.at = {name: k for k, name in enumerate(program.names)}
        self.shape = next(iter(tokens.values())).shape[::-1]
        self.enter(tokens)
        for t in range(program.times(self.shape[0], loops)):
            factors = program.clock[t] if isinstance(program.clock, tuple) else None
            for name, weight in getattr(program.clock, "weights", {}).items():
                self.put(name, t * weight)
            for part in program.layers:
                run: Any = self.sweep if isinstance(part, Sweep) else self.layer
                run(part, factors)

    def enter(self, tokens: Mapping[str, np.ndarray]) -> None:
        """The state before all layers."""
        program, (length, _) = self.program, self.shape
        places = {name: np.array(program.place(name, length), dtype=object)[:, None] for name in program.positions}
        starts = {name: np.array([[number]], dtype=object) for name, number in program.start.items()}
        given = [*((name, each.T) for name, each in tokens.items()), *places.items(), *starts.items()]
        self.bottom = math.lcm(*(number.denominator for _, each in given for number in each.flat))
        self.top = np.zeros((len(self.at), *self.shape), dtype=object)
        for name, each in given:
            self.top[self.at[name]] += np.frompyfunc(lambda number: int(number * self.bottom), 1, 1)(each)

    def put(self, name: str, value: Number) -> None:
        """Give a coordinate of all tokens a number."""
        by = math.lcm(self.bottom, value.denominator) // self.bottom
        self.top, self.bottom = self.top * by, self.bottom * by
        self.top[self.at[name]] = int(value * self.bottom)

    def total(self, terms: Iterable[np.ndarray], over: int) -> np.ndarray:
        """The sum of whole numbers, all of them over one denominator."""
        return sum(terms)  # type: ignore[return-value]

    def read(self, forms: Sequence[Form]) -> Over:
        """The forms of every token, "form token sequence"."""
        scale = math.lcm(*(form.bottom for form in forms))
        tops = []
        for form in forms:
            terms = [int(weight * scale) * self.top[self.at[name]] for name, weight in form.weights.items()]
            constant = int(form.constant * scale) * self.bottom
            terms += [np.full(self.shape, constant, dtype=object)] if constant or not terms else []
            tops.append(self.total(terms, scale * self.bottom))
        return np.stack(tops), scale * self.bottom

    def add(self, made: Sequence[Added]) -> None:
        """Add what was made to the state, over the smallest denominator that serves all."""
        overs = (over * weight.denominator for write, _, over in made for weight in write.values())
        bottom = math.lcm(self.bottom, *overs)
        terms = [[bottom // self.bottom * row] for row in self.top]
        for write, top, over in made:
            for name, weight in write.items():
                terms[self.at[name]].append(int(weight * bottom) // over * top)
        self.top = np.stack([self.total(parts, bottom) for parts in terms])
        common = math.gcd(bottom, int(np.gcd.reduce(self.top, axis=None))) if bottom > self.bottom else 1
        self.top, self.bottom = self.top // common, bottom // common

    def layer(self, layer: Layer, factors: Mapping[str, Number] | None = None) -> None:
        """Heads, then units; `factors` say how much of what units write is added to a coordinate, all where None."""
        if layer.heads:
            self.add([mixed for head in layer.heads for mixed in self.attend(head)])
        if layer.units:
            self.add([self.bend(unit, factors) for unit in layer.units])

    def attend(self, head: Head) -> list[Added]:
        """What every query mixes of each value."""
        (*_, (value, over)), _, weights, divisor = self.look(head)
        whole = math.lcm(*np.unique(divisor).tolist())
        mixed = [self.total(np.moveaxis(weights * v.T[:, None, :], -1, 0), over) for v in value]
        return [
            (write.weights, (total * (whole // divisor)).T, over * whole) for write, total in zip(head.write, mixed)
        ]

    def look(self, head: Head) -> tuple[list[Over], np.ndarray, np.ndarray, Any]:
        """Queries, keys and values of a head; its scores "sequence query key"; its weights, and their divisor."""
        parts = [self.read(forms) for forms in (head.query, head.key, head.value)]
        (query, a), (key, b), _ = parts
        scores = self.total([q.T[:, :, None] * k.T[:, None, :] for q, k in zip(query, key)], a * b)
        return parts, scores, *self.rule.weigh(scores, head.sees and head.sees.at(self.shape[0]))

    def bend(self, unit: Unit, factors: Mapping[str, Number] | None) -> Added:
        """What a unit adds."""
        (top,), bottom = self.read([unit.read])
        much = {
            name: weight * (1 if factors is None else factors.get(name, 0))
            for name, weight in unit.write.weights.items()
        }
        return much, *unit.activation.exactly(top, bottom)

    def sweep(self, sweep: Sweep, factors: Mapping[str, Number] | None = None) -> None:
        """The layers of all levels that a token holds; of all levels where one moves tokens that do not hold it."""
        before = self.__dict__.copy()
        if not (sweep.idle and self.visit(sweep, factors)):
            self.__dict__ = before
            for k in range(len(sweep.levels)):
                for layer in sweep.at(k):
                    self.layer(layer, factors)

    def visit(self, sweep: Sweep, factors: Mapping[str, Number] | None) -> bool:
        """Only levels that a token holds, or one if none does. False where a layer moved a token not at its level."""
        end, at, tried = len(sweep.levels), -1, False
        while end:
            (place,), over = self.read([sweep.over * sweep.bottom])
            if over > 1 and (place % over).any():
                return False  # a token between two levels: a layer may take it for one that holds its level
            held = np.asarray(np.frompyfunc(sweep.index, 1, 1)(place // over), dtype=int)
            at = int(held.min(initial=end, where=held > at))
            if tried and at == end:
                break
            top, bottom, tried = self.top, self.bottom, True
            for layer in sweep.at(min(at, end - 1)):
                self.layer(layer, factors)
            moved = (self.top * bottom != top * self.bottom).any(axis=0)
            if (moved & ((held != at) | (held == end))).any():
                return False
        return True

    def values(self, forms: Sequence[Form]) -> np.ndarray:
        """The forms of every token, "sequence token form": int64, or ints and Fractions."""
        return numbers(*self.read(forms)).transpose(2, 1, 0)

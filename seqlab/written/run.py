"""A batch on its way through a program, in exact numbers; as a trace it keeps what it sees."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from seqlab.attention import Exact
from seqlab.exact import Column, Number, attend, combine, differ, scores
from seqlab.written.forms import Form
from seqlab.written.parts import Layer, Sweep

FEW = 64  # levels that are looked for one by one


@dataclass
class Run:
    """`state` has a column "sequence token" for each coordinate. With `keep`, it is a trace:

    labels, states:  of every layer that was run, the input first; states "sequence token coordinate", in exact numbers
    weights:         of every layer that was run, for each head "sequence query key"
    gap:             the smallest difference of scores that decided anything: of best and second, or from 0 (step)
    largest:         no number that was met, nor a partial sum, is larger (numerators, over the common denominator)
    ties:            (layer, head, sequence, query, key): scores that tie for the best, or are 0 under step
    """

    rule: Exact
    state: dict[str, Column]
    keep: bool = False
    labels: list[str] = field(default_factory=list)
    states: list[np.ndarray] = field(default_factory=list)
    weights: list[list[np.ndarray]] = field(default_factory=list)
    ties: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    gap: Number | float = math.inf
    largest: int = 0
    values: dict[int, Column] = field(default_factory=dict)

    def value(self, form: Form) -> Column:
        """A form of every token."""
        if id(form) not in self.values:
            terms = [(weight, self.state[name]) for name, weight in form.weights.items()]
            plain = len(terms) == 1 and terms[0][0] == 1 and not form.constant
            none = [(0, next(iter(self.state.values())))]
            self.values[id(form)] = self.met(terms[0][1] if plain else combine(terms or none, form.constant))
        return self.values[id(form)]

    def met(self, each: Column) -> Column:
        """Note how large the numbers are that lead to a column."""
        self.largest = max(self.largest, each.bound)
        return each.tight() if self.keep else each

    def add(self, written: list[tuple[Form, Column]], factors: Mapping[str, Number] | None = None) -> None:
        """Add columns times the forms that they are written to; `factors` says how much of it, by coordinate."""
        terms: dict[str, list] = {}
        for form, each in written:
            for name, weight in form.weights.items():
                terms.setdefault(name, []).append((weight if factors is None else weight * factors.get(name, 0), each))
        new = {name: self.met(combine([(1, self.state[name]), *rest])) for name, rest in terms.items()}
        self.state, self.values = self.state | new, {}

    def layer(self, layer: Layer, factors: Mapping[str, Number] | None = None) -> None:
        """Heads, then units."""
        memo, mixed, n = {}, [], next(iter(self.state.values())).top.shape[1]
        grids = [head.sees and head.sees.at(n) for head in layer.heads]
        if self.keep:
            self.look(layer, grids)
        for head, allowed in zip(layer.heads, grids):
            query, key, value = ([self.value(form) for form in forms] for forms in (head.query, head.key, head.value))
            mixed += zip(head.write, [self.met(attend(self.rule, query, key, each, allowed, memo)) for each in value])
        self.add(mixed)
        self.add([(unit.write, unit.activation(self.value(unit.read))) for unit in layer.units], factors)
        if self.keep:
            self.note(layer.label)

    def look(self, layer: Layer, grids: list[np.ndarray | None]) -> None:
        """Keep the weights of a layer's heads, the gap and the ties."""
        self.weights.append([])
        for h, (head, allowed) in enumerate(zip(layer.heads, grids)):
            made = self.met(scores([self.value(q) for q in head.query], [self.value(k) for k in head.key]))
            weights, divisor = self.rule.weigh(made.top, allowed)
            divisor = np.broadcast_to(divisor, weights.shape[:-1])[..., None]
            self.weights[-1].append(
                np.frompyfunc(Fraction, 2, 1)(weights.astype(int).astype(object), divisor.astype(object))
            )
            decided = self.rule.decided_by(made.top, allowed)
            self.gap = min([self.gap, *(Fraction(int(decided.min()), made.bottom) for _ in decided[:1])])
            self.ties += [
                (len(self.weights) - 1, h, *at) for at in np.argwhere(self.rule.ties(weights, divisor)).tolist()
            ]

    def note(self, label: str) -> None:
        """Keep the state."""
        self.labels.append(label)
        self.states.append(np.stack([each.numbers() for each in self.state.values()], axis=-1))

    def sweep(self, sweep: Sweep, factors: Mapping[str, Number] | None = None) -> None:
        """The layers of all levels that a token holds; of all levels where one moves tokens that do not hold it."""
        start, kept, at = self.state, len(self.weights), 0
        while (at := self.next(sweep, at)) < len(sweep.levels):
            before, others = self.state, ~self.value(sweep.over).equals(sweep.levels[at])
            for layer in sweep.at(at):
                self.layer(layer, factors)
            changed = [(each, before[name]) for name, each in self.state.items() if each is not before[name]]
            if sweep.idle and any((differ(new, old) & others).any() for new, old in changed):
                self.state, self.values = start, {}
                self.ties = [tie for tie in self.ties if tie[0] < kept]
                del self.weights[kept:], self.labels[kept + 1 :], self.states[kept + 1 :]
                return self.sweep(replace(sweep, idle=False), factors)
            at += 1

    def next(self, sweep: Sweep, at: int) -> int:
        """The first level from index `at` on that some token holds; the number of levels where there is none."""
        over, end = self.value(sweep.over), len(sweep.levels)
        if not sweep.idle or end - at < FEW:
            return next((k for k in range(at, end) if not sweep.idle or over.equals(sweep.levels[k]).any()), end)
        rest, held = sweep.levels[at:], set(over.numbers().ravel().tolist())
        return min((at + rest.index(level) for level in held if level in rest), default=end)

"""A run that keeps what it sees, and what follows: how steep a softmax has to be, and which dtypes are exact."""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import torch

from seqlab.exact import Number, largest, numbers
from seqlab.written.parts import Head, Layer, Sweep
from seqlab.written.run import Over, Run

DTYPES = (torch.bfloat16, torch.float16, torch.float32, torch.float64)


# What a head met: its gap, its largest queries, keys, values and sum of weights, and how many keys there were.
Met = namedtuple("Met", "gap query key value mass keys")


class Trace(Run):
    """All that a batch went through, layer by layer; of a sweep the levels that some token holds.

    labels, states:  of every layer that was run, the input first; states "sequence token coordinate", in exact numbers
    weights:         of every layer that was run, for each head "sequence query key"
    gap:             the smallest difference of scores that decided anything: of best and second, or from 0 (step)
    largest:         no number that was met, nor a partial sum, is larger (numerators, over the common denominator)
    finest:          a common multiple of all denominators that were met
    ties:            (layer, head, sequence, query, key): scores that tie for the best, or are 0 under step
    """

    gap: Number | float = math.inf
    largest, finest = 0, 1

    def __init__(self, program: Any, tokens: Mapping[str, np.ndarray], loops: int | None = None):
        self.given, self.way = (tokens, loops), []
        self.labels, self.states, self.weights, self.ties = [], [], [], []
        super().__init__(program, tokens, loops)
        self.values(program.answers)

    @cached_property
    def every(self) -> Trace:
        """The same with all levels of all sweeps, as layers in floating point run them."""
        parts = [replace(part, idle=False) if isinstance(part, Sweep) else part for part in self.program.layers]
        idle = any(isinstance(part, Sweep) and part.idle for part in self.program.layers)
        return Trace(replace(self.program, layers=parts), *self.given) if idle else self

    def dtypes(self) -> list[torch.dtype]:
        """Those in which layers give exactly these answers: they hold all numbers that were met, and all sums of them.

        None where a number is no binary fraction, such as 1/3: there answers are as good as rounding lets them be.
        """
        binary, most = self.every.finest.bit_count() == 1, self.every.largest
        return [dtype for dtype in DTYPES if binary and most <= 2 / torch.finfo(dtype).eps]

    def slope(self, tolerance: float = 1e-3) -> float:
        """β so steep that layers with `normalizer.soft(β)` answer all these tokens within `tolerance`.

        An upper bound on the error is followed through all layers: what a weight, a score, a value may be off, given
        the gap and the sizes that were met. Rounding comes on top.
        """
        high = 2.0**-20
        while not self.every.error(high) <= tolerance:
            high *= 2
        low = high / 2
        for _ in range(20):
            middle = (low + high) / 2
            low, high = (low, middle) if self.every.error(middle) <= tolerance else (middle, high)
        return high

    def error(self, beta: float) -> float:
        """How far an answer may be off with `normalizer.soft(beta)`, at most."""
        off = dict.fromkeys(self.at, 0.0)
        reach = lambda form: sum(float(abs(weight)) * off[name] for name, weight in form.weights.items())

        def add(written: list[tuple], factors: Mapping[str, Number] | None = None) -> None:
            for form, error in written:
                for name, weight in form.weights.items():
                    off[name] += float(abs(weight * (factors or {}).get(name, factors is None))) * error

        for layer, heads, factors in self.way:
            made = []
            for head, met in zip(layer.heads, heads):
                pairs = [(q, k, reach(a), reach(b)) for q, k, a, b in zip(met.query, met.key, head.query, head.key)]
                moved = sum(q * key + k * query + query * key for q, k, query, key in pairs)
                weights = self.rule.softened(beta, met.gap, moved, met.keys)
                values = [weights * most + (met.mass + weights) * reach(v) for most, v in zip(met.value, head.value)]
                made += zip(head.write, values)
            add(made)
            reads = [(unit, reach(unit.read)) for unit in layer.units]
            add([(unit.write, unit.activation.steepest * error) for unit, error in reads if error], factors)
        return max(map(reach, self.program.answers))

    def enter(self, tokens: Mapping[str, np.ndarray]) -> None:
        super().enter(tokens)
        for row in self.top:
            self.total([row], self.bottom)
        self.note("start")

    def layer(self, layer: Layer, factors: Mapping[str, Number] | None = None) -> None:
        self.finest = math.lcm(self.finest, *(form.bottom for *_, form in layer.forms()))
        self.weights, self.way = [*self.weights, []], [*self.way, (layer, [], factors)]
        super().layer(layer, factors)
        self.note(layer.label)

    def look(self, head: Head) -> tuple[list[Over], np.ndarray, np.ndarray, Any]:
        found = parts, scores, weights, divisor = super().look(head)
        whole = np.broadcast_to(divisor, weights.shape[:-1])[..., None]
        shares: Any = np.frompyfunc(lambda part, all: Fraction(int(part), int(all)), 2, 1)(weights, whole)
        self.finest = math.lcm(self.finest, *np.unique(whole).tolist())
        ties = np.argwhere(self.rule.ties(weights, whole)).tolist()
        self.ties = [*self.ties, *((len(self.weights) - 1, len(self.weights[-1]), *at) for at in ties)]
        self.weights[-1].append(shares)
        decided = self.rule.decided_by(scores, head.sees and head.sees.at(self.shape[0]))
        gap = Fraction(int(decided.min()), parts[0][1] * parts[1][1]) if decided.size else math.inf
        self.gap, mass = min(self.gap, gap), float(shares.sum(axis=-1).max())
        query, key, value = ([float(Fraction(largest(row), over)) for row in tops] for tops, over in parts)
        self.way[-1][1].append(Met(float(gap), query, key, value, mass, self.shape[0]))
        return found

    def note(self, label: str) -> None:
        """Keep the state."""
        state = numbers(self.top, self.bottom).transpose(2, 1, 0)
        self.labels, self.states = [*self.labels, label], [*self.states, state]

    def total(self, terms: Iterable[np.ndarray], over: int) -> np.ndarray:
        """The sum, of which is kept how large it becomes on its way, and how fine."""
        parts = np.stack([*terms])
        common = math.gcd(over, int(np.gcd.reduce(parts, axis=None)))
        self.largest = max(self.largest, int(abs(parts).sum(axis=0).max()) // common)
        self.finest = math.lcm(self.finest, over // common)
        return super().total(parts, over)

"""What a layer is made of: heads with their patterns, units with their activations, and sweeps of layers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property, lru_cache

import numpy as np
import torch
from torch import Tensor

from seqlab.written.forms import Form, Number, exact, form, forms

LEVEL = Form({"the level": 1})
FEW = 256  # levels of a sweep that are all looked at when a program is made
LONGEST = 32  # up to here a saved pattern is kept, length by length


class ByLength:
    """A rule that gives something for each length n: `.at(n)`. A copy that is saved has it for n ≤ 32, or where it was asked."""

    def __init__(self, rule: Callable[[int], object], name: str = ""):
        self.rule, self.name, self.known = rule, name, {}

    def at(self, n: int) -> object:
        if n not in self.known:
            self.known[n] = self.rule(n)
        return self.known[n]

    def __deepcopy__(self, memo: object) -> ByLength:
        return self

    def __reduce__(self) -> tuple:
        for n in range(1, LONGEST + 1):
            try:
                self.at(n)
            except ValueError:  # a drawn pattern has one length only
                continue
        return _restored, (self.known, self.name)


def _restored(known: dict, name: str) -> ByLength:
    def rule(n: int) -> object:
        raise ValueError(f"{name}: it was saved for up to {LONGEST} tokens, got {n}; make the module anew")

    made = ByLength(rule, name)
    made.known = known
    return made


def pattern(sees: object) -> ByLength | None:
    """Who may look at whom, by length: None for everybody. See `Head` for what is taken."""
    if sees is None or isinstance(sees, ByLength):
        return sees
    if isinstance(sees, (list, np.ndarray, Tensor)):
        sees = tuple(map(tuple, np.asarray(sees).tolist()))
    return _pattern(sees)


@lru_cache(maxsize=256)
def _pattern(sees: object) -> ByLength | None:
    names = {"full": None, "causal": lambda n: np.tri(n, dtype=bool)}
    if isinstance(sees, str) and sees not in names:
        raise ValueError(f"sees: got {sees!r}, wanted {' or '.join(names)}, a pattern, a boolean grid or a function")
    if sees == "full":
        return None

    def rule(n: int) -> np.ndarray:
        if isinstance(sees, str):
            made = names[sees](n)
        elif callable(sees) and len(inspect.signature(sees).parameters) == 2:
            made = [[sees(query, key) for key in range(n)] for query in range(n)]
        else:
            made = sees(n) if callable(sees) else sees.at(n) if hasattr(sees, "at") else sees
        grid = np.asarray(getattr(made, "mask", made))
        if grid.shape != (n, n) or grid.dtype.kind not in "bi":
            raise ValueError(f"sees: got {grid.dtype} of shape {grid.shape}, wanted a boolean grid of {n} × {n} tokens")
        return grid.astype(bool)

    return ByLength(rule, sees if isinstance(sees, str) else getattr(sees, "name", None) or "a drawn pattern")


@dataclass(frozen=True)
class Head:
    """One attention head: scores `query · key`, values, and the coordinates that their mix is written to.

    query, key:    forms or numbers, or equally long tuples of them: the score is the sum of products
    value, write:  what is mixed, and where it is added: a form without constant, or {coordinate: weight}; or tuples
    sees:          None (all), "causal", a pattern of `seqlab.patterns`, a boolean grid "query key", or a function of the
                   length that gives one, or of (query, key) that says whether
    """

    query: object
    key: object
    value: object
    write: object
    sees: object = None

    def __post_init__(self) -> None:
        for name in ("query", "key", "value", "write"):
            object.__setattr__(self, name, forms(getattr(self, name), name))
        object.__setattr__(self, "sees", pattern(self.sees))
        for one, other in (("query", "key"), ("value", "write")):
            a, b = len(getattr(self, one)), len(getattr(self, other))
            if a != b or not a:
                raise ValueError(f"{other}: got {b} forms for the {a} of {one}; wanted as many, at least one")


@dataclass(frozen=True)
class Piecewise:
    """An exact piecewise-linear function: `pieces[k]` = (slope, value at 0), from `breaks[k - 1]` on, below `breaks[k]`."""

    breaks: tuple[Number, ...]
    pieces: tuple[tuple[Number, Number], ...]

    def __call__(self, t: Tensor) -> Tensor:
        values = [float(slope) * t + float(value) for slope, value in self.pieces]
        for at, value in zip(self.breaks, values[1:]):
            values[0] = torch.where(t >= float(at), value, values[0])
        return values[0]


relu = Piecewise((0,), ((0, 0), (1, 0)))


@dataclass(frozen=True)
class Unit:
    """One hidden unit: `write · ReLU(read)`, token by token; `activation` may be another `Piecewise`."""

    read: object
    write: object
    activation: Piecewise = relu

    def __post_init__(self) -> None:
        for name in ("read", "write"):
            object.__setattr__(self, name, form(getattr(self, name), name))


@dataclass(frozen=True)
class Layer:
    """Heads, whose outputs are added to what they read; then units, which read what the heads left."""

    heads: object = ()
    units: object = ()
    label: str = ""

    def __post_init__(self) -> None:
        for name, kind in (("heads", Head), ("units", Unit)):
            parts = tuple(flat(getattr(self, name)))
            if wrong := [part for part in parts if not isinstance(part, kind)]:
                raise TypeError(f"{name}: got {wrong[0]!r}, wanted a {kind.__name__}")
            object.__setattr__(self, name, parts)


@dataclass(frozen=True)
class Sweep:
    """A layer for each level, in their order: `layer(level)` moves tokens at which the form `over` equals the level.

    `layer` returns a `Layer`, or a list of layers for one level. The exact run visits only levels that some token holds. Where it meets a layer that moves other tokens too (a head
    was left out), it runs them all; `idle=False` says so beforehand.
    """

    over: object
    levels: Iterable
    layer: Callable
    idle: bool = True
    made: dict = field(default_factory=dict, init=False, repr=False, compare=False)
    sure: dict = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "over", form(self.over, "over"))
        levels = self.levels if isinstance(self.levels, range) else tuple(exact(v, "levels") for v in self.levels)
        for line in (range(*map(int, (levels[0], levels[-1] + step, step))) for step in (1, -1) if levels):
            levels = line if not isinstance(levels, range) and levels == tuple(line) else levels
        object.__setattr__(self, "levels", levels)

    def at(self, index: int) -> list[Layer]:
        """The layers of the level with this index: one, or as many as `layer` gives."""
        if index not in self.made:
            self.made[index] = flat(self.layer(self.levels[index]))
        return self.made[index]

    @cached_property
    def at_any(self) -> list[Layer] | None:
        """The layers with the level as one more coordinate; None where `layer` does more with it than arithmetic.

        It takes levels that are one apart.
        """
        if not isinstance(self.levels, range) or abs(self.levels.step) > 1:
            return None
        try:
            return flat(self.layer(LEVEL))
        except Exception:  # whatever a function does to which a form is no number
            return None

    def agrees(self, index: int) -> bool:
        """Whether the layers with a coordinate for the level are those of this level."""
        if index not in self.sure:
            put = [[_at(part, self.levels[index]) for part in (*each.heads, *each.units)] for each in self.at_any]
            self.sure[index] = put == [[*each.heads, *each.units] for each in self.at(index)]
        return self.sure[index]


def _at(part: Head | Unit, level: Number) -> Head | Unit:
    changed = {}
    for name in ("query", "key", "value", "read"):
        if part_forms := getattr(part, name, None):
            changed[name] = [f - f.weights.get(str(LEVEL), 0) * (LEVEL - level) for f in flat([part_forms])]
    if isinstance(part, Unit):
        changed["read"] = changed["read"][0]
    return replace(part, **changed)


def flat(parts: object) -> list:
    """The parts of nested lists and tuples, one after another."""
    if not isinstance(parts, (list, tuple)):
        return [parts]
    return [each for part in parts for each in flat(part)]


def near(query: object, key: object, square: object) -> tuple[tuple[Form, Form], tuple[Form, Form]]:
    """Query and key that look for the nearest key: scores 2qk - k², largest where k is nearest to q.

    square: the coordinate that holds k². Use it as `Head(*near(p - 1, p, p2), value=x, write=y)`.
    """
    return (2 * form(query, "query"), Form({}, -1)), (form(key, "key"), form(square, "square"))


def table(read: object, results: Mapping, write: object) -> list[Unit]:
    """Units that add `results[value] · write` where the form `read` equals a value: a line through all of them.

    f(r) = y_0 + Σ_k (change of slope at r_k) ReLU(r - r_k). It is f_0 below the first value.
    """
    read, write = form(read, "read"), form(write, "write")
    points = sorted((exact(a, "table"), exact(b, "table")) for a, b in results.items())
    units, before = [Unit(1, write * points[0][1])] if points[0][1] else [], Fraction(0)
    for (a, b), (later, result) in zip(points, points[1:]):
        slope = Fraction(result - b) / (later - a)
        units += [Unit(read - a, write * (slope - before))] if slope != before else []
        before = slope
    return units

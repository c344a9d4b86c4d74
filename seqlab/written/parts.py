"""What a program is made of: heads, units, layers of both, and sweeps of layers."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

from seqlab.exact import Number, Piecewise, exact, relu
from seqlab.patterns.seen import seen
from seqlab.written.forms import Form, flat, form, forms

PAIRS = (("query", "key"), ("value", "write"))


@dataclass(frozen=True)
class Head:
    """One attention head: scores `query · key`, values, and the coordinates that their mix is added to.

    query, key:    forms or numbers, or equally long tuples of them: the score is the sum of products
    value, write:  what is mixed, and where it goes: a form without constant, or {coordinate: weight}; or tuples of them
    sees:          None (all), "causal", a pattern of `seqlab.patterns`, a boolean grid "query key", or a function: of
                   the length that gives one, or of (query, key) that says whether
    """

    query: Any
    key: Any
    value: Any
    write: Any
    sees: Any = None

    def __post_init__(self) -> None:
        _settle(self, query=forms, key=forms, value=forms, write=forms, sees=seen)


@dataclass(frozen=True)
class Unit:
    """One hidden unit: `write · ReLU(read)`, token by token; `activation` may be another `Piecewise`."""

    read: Any
    write: Any
    activation: Piecewise = relu

    def __post_init__(self) -> None:
        _settle(self, read=form, write=form, activation=_exact)


@dataclass(frozen=True)
class Layer:
    """Heads, whose outputs are added to what they read; then units, which read what the heads left."""

    heads: Any = ()
    units: Any = ()
    label: str = ""

    def __post_init__(self) -> None:
        _settle(self, heads=lambda parts: tuple(flat(parts)), units=lambda parts: tuple(flat(parts)))

    def forms(self) -> Iterator[tuple[str, str, Form]]:
        """(head or unit, role, form) of each. Raises TypeError or ValueError for what is none."""
        for wanted, parts in (Head, self.heads), (Unit, self.units):
            for k, part in enumerate(parts):
                where = f"{wanted.__name__.lower()} {k}"
                if not isinstance(part, wanted):
                    raise TypeError(f"{where}: got {part!r}, wanted a {wanted.__name__}")
                for one, other in PAIRS if wanted is Head else ():
                    a, b = len(getattr(part, one)), len(getattr(part, other))
                    if a != b or not a:
                        told = f"{one} has {a} forms and {other} has {b}"
                        raise ValueError(f"{where}: {told}, wanted as many, at least one")
                for role in ("query", "key", "value", "read", "write"):
                    yield from ((where, role, each) for each in flat(getattr(part, role, ())))


@dataclass(frozen=True)
class Sweep:
    """A layer for each level, in their order: `layer(level)` moves tokens at which the form `over` equals the level.

    `layer` returns a `Layer`, or a list of layers for one level. The exact run visits only levels that some token
    holds. Where it meets a layer that moves other tokens too (a head was left out), it runs them all; `idle=False`
    says so beforehand.
    """

    over: Any
    levels: Any
    layer: Callable
    idle: bool = True
    made: dict = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _settle(self, over=form, levels=_levels)

    def at(self, index: int) -> list[Layer]:
        """The layers of the level with this index: one, or as many as `layer` gives."""
        if index not in self.made:
            self.made[index] = flat(self.layer(self.levels[index]))
        return self.made[index]

    def some(self, most: int) -> list[Layer]:
        """The layers of all levels, or of the first and the last where there are more levels than `most`."""
        count = len(self.levels)
        return flat([self.at(k) for k in (range(count) if count <= most else (0, count - 1))])

    @cached_property
    def bottom(self) -> int:
        """The smallest number times which all levels are whole: those are their places."""
        return 1 if isinstance(self.levels, range) else math.lcm(*(level.denominator for level in self.levels))

    @cached_property
    def places(self) -> dict[int, int]:
        """The place of each level, and its index; not of a range, which may be long."""
        return {int(level * self.bottom): k for k, level in enumerate(self.levels)}

    def index(self, place: int) -> int:
        """The index of the level at a place, the number of levels where none is."""
        if isinstance(self.levels, range):
            return self.levels.index(place) if place in self.levels else len(self.levels)
        return self.places.get(place, len(self.levels))


def near(query: Any, key: Any, square: Any) -> tuple[tuple[Form, Form], tuple[Form, Form]]:
    """Query and key that look for the nearest key: scores 2qk - k², largest where k is nearest to q.

    square: the coordinate that holds k². Use it as `Head(*near(p - 1, p, p2), value=x, write=y)`.
    """
    return (2 * form(query), form(-1)), (form(key), form(square))


def table(read: Any, results: Mapping, write: Any) -> list[Unit]:
    """Units that add `results[value] · write` where the form `read` equals a value: a line from one value to the next.

    f(r) = y_0 + Σ_k (change of slope at r_k) ReLU(r - r_k), so f is y_0 below the first value.
    """
    if not results:
        raise ValueError("table: got no values, wanted at least one {value: result}")
    (first, start), *later = points = sorted((exact(a, "table"), exact(b, "table")) for a, b in results.items())
    slopes = [0, *(Fraction(y - y0) / (x - x0) for (x0, y0), (x, y) in zip(points, later))]
    bends = [(x, after - before) for (x, _), before, after in zip(points, slopes, slopes[1:]) if after != before]
    constant = [Unit(1, start * form(write))] if start else []
    return constant + [Unit(form(read) - x, change * form(write)) for x, change in bends]


def _levels(given: Iterable) -> range | tuple[Number, ...]:
    """Levels in exact numbers."""
    return given if isinstance(given, range) else tuple(exact(level, "levels") for level in given)


def _exact(bend: Any) -> Piecewise:
    """A piecewise-linear function in exact numbers."""
    if not isinstance(bend, Piecewise):
        raise TypeError(f"activation: got {bend!r}, wanted a Piecewise")
    read = lambda number: exact(number, "activation")
    return Piecewise(tuple(map(read, bend.breaks)), tuple((read(slope), read(at_0)) for slope, at_0 in bend.pieces))


def _settle(part: Any, **readers: Callable) -> None:
    """Each field of a frozen part, read into its one form."""
    for name, reader in readers.items():
        object.__setattr__(part, name, reader(getattr(part, name)))

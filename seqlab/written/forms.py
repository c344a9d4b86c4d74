"""Linear forms of a token's coordinates, in exact numbers: what heads look for, what units read, where both write.

x0, x1 = coordinates("x0 x1")
u = x0 + 3 * x1                       # a Form; prints as it reads
y = one_hot("y", 4)                   # y[0], …, y[3]: a tuple of coordinates, of which one is 1
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from seqlab.exact import Number, exact


@dataclass(frozen=True, eq=False)
class Form:
    """`Σ weight · coordinate + constant`. Forms add up, and are multiplied by numbers: `x - y / 2 + 1`.

    A form counts as a row of one, so that `(x,) = coordinates("x")` and `x = coordinates("x")` are both good.
    """

    weights: Mapping[str, Number]
    constant: Number = 0
    __array_ufunc__ = None  # a NumPy integer in front leaves the arithmetic to us

    def __add__(self, other: Any) -> Form:
        other = form(other)
        total = {name: self.weights.get(name, 0) + other.weights.get(name, 0) for name in self.weights | other.weights}
        return Form({name: weight for name, weight in total.items() if weight}, self.constant + other.constant)

    def __mul__(self, by: Any) -> Form:
        by = exact(by, self)
        return Form({name: weight * by for name, weight in self.weights.items() if by}, self.constant * by)

    def __truediv__(self, by: Any) -> Form:
        return self * (1 / Fraction(exact(by, self)))

    def __neg__(self) -> Form:
        return self * -1

    def __sub__(self, other: Any) -> Form:
        return self + form(other) * -1

    def __rsub__(self, other: Any) -> Form:
        return self * -1 + other

    __radd__, __rmul__ = __add__, __mul__

    def __getitem__(self, at: int) -> Form:
        return (self,)[at]

    @cached_property
    def bottom(self) -> int:
        """The smallest number times which all weights are whole."""
        return math.lcm(self.constant.denominator, *(weight.denominator for weight in self.weights.values()))

    def __eq__(self, other: Any) -> bool:
        return self.parts() == (other.parts() if isinstance(other, Form) else other)

    def __hash__(self) -> int:
        return hash(self.parts())

    def __bool__(self) -> bool:
        return bool(self.parts())

    def parts(self) -> tuple[frozenset, Number]:
        """What makes a form."""
        return frozenset(self.weights.items()), self.constant

    def __str__(self) -> str:
        text = ""
        for name, weight in [*self.weights.items(), ("", self.constant)]:
            size = [f"{abs(weight)}"] if abs(weight) != 1 or not name else []
            text += (" - " if weight < 0 else " + ") + " * ".join([*size, name][: 2 if name else 1]) if weight else ""
        return "-" + text[3:] if text.startswith(" -") else text[3:] or "0"

    __repr__ = __str__


ZERO = Form({})  # the number 0, good as a query; a form that cancelled to nothing is another object


class OneHot(tuple):
    """The coordinates `name[0]`, …, `name[size - 1]`, of which one is 1. As a read it takes a number 0 … size - 1."""

    @property
    def number(self) -> Form:
        """The form `Σ k · name[k]`: which of them is 1."""
        return sum((k * coordinate for k, coordinate in enumerate(self)), Form({}))


def coordinates(names: str | Iterable[str]) -> Any:
    """Named coordinates: `coordinates("x p y")` are three forms, `coordinates("x")` is one."""
    names = names.replace(",", " ").split() if isinstance(names, str) else list(names)
    if not names or len(set(names)) < len(names):
        raise ValueError(f"names: got {names}, wanted different names, at least one")
    made = [Form({name: 1}) for name in names]
    return tuple(made) if len(made) > 1 else made[0]


def one_hot(name: str, size: int) -> OneHot:
    """A coordinate for each of the values 0 … size - 1, see `OneHot`."""
    return OneHot(Form({f"{name}[{k}]": 1}) for k in range(size))


def form(value: Any) -> Form:
    """A form out of a form, a number, a coordinate's name, or {coordinate: weight}."""
    if isinstance(value, Mapping):
        return sum((form(name) * weight for name, weight in value.items()), Form({}))
    if isinstance(value, (str, Form)):
        return Form({value: 1}) if isinstance(value, str) else value
    return Form({}, exact(value, "form")) if exact(value, "form") else ZERO


def forms(value: Any) -> tuple[Form, ...]:
    """A tuple of forms out of one, or out of a tuple or list of them, nested or not."""
    return tuple(map(form, flat(value)))


def flat(parts: Any) -> list:
    """The parts of nested lists and tuples, one after another."""
    return [each for part in parts for each in flat(part)] if isinstance(parts, (list, tuple)) else [parts]


def by_name(given: Mapping) -> dict[str, object]:
    """{name: what}, the coordinates given as text or as forms."""
    return {name: what for key, what in given.items() for name in form(key).weights}

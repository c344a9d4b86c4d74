"""What a program looks like: a line for each head and unit, its size, and its weight matrices with their labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqlab.written.forms import Form, Number
from seqlab.written.parts import Head, Layer, Sweep, flat

if TYPE_CHECKING:
    from seqlab.written.program import Program

MANY = 4096  # levels of a sweep that are counted one by one; the layers of more count as the first


@dataclass(frozen=True)
class Size:
    """What a program is made of, a loop counted once. `connections` are those of all heads, None without a length.

    weights: numbers in W_Q, W_K, W_V, W_O, W_1, W_2 and their biases that are not 0
    """

    layers: int
    heads: int
    units: int
    width: int
    connections: int | None
    weights: int

    def __str__(self) -> str:
        parts = [(name, value) for name, value in vars(self).items() if value is not None]
        return " · ".join(f"{name} {value:,}" for name, value in parts).replace("weights", "non-zero weights")


def size(program: Program, length: int | None = None) -> Size:
    """The layers, heads, units, … of a program, for sequences of `length` tokens."""
    layers = heads = units = weights = connections = 0
    for layer, times in _layers(program):
        layers, heads, units = layers + times, heads + times * len(layer.heads), units + times * len(layer.units)
        forms = [each for head in layer.heads for each in (*head.query, *head.key, *head.value, *head.write)]
        forms += [each for unit in layer.units for each in (unit.read, unit.write)]
        weights += times * sum(len(form.weights) + bool(form.constant) for form in forms)
        if length is not None:
            grids = [head.sees.at(length) if head.sees else None for head in layer.heads]
            connections += times * sum(length**2 if grid is None else int(grid.sum()) for grid in grids)
    return Size(layers, heads, units, len(program.names), None if length is None else connections, weights)


def _layers(program: Program) -> Iterator[tuple[Layer, int]]:
    for part in program.layers:
        many = isinstance(part, Sweep) and len(part.levels) > MANY
        levels = range(1 if many else len(part.levels)) if isinstance(part, Sweep) else []
        for each in flat([part.at(k) for k in levels]) if isinstance(part, Sweep) else [part]:
            yield each, len(part.levels) if many else 1


def listing(program: Program) -> str:
    """The program as a text: what is read, a line for each head and unit, what is answered, and the size."""
    given = [", ".join(program.inputs), *(f"{name} = {number}" for name, number in program.start.items() if number)]
    given += [f"{name} from the position" for name in program.positions]
    lines = [f"reads {' · '.join(given)}"]
    for at, part in enumerate(program.layers):
        layers = [part]
        if isinstance(part, Sweep):
            levels = part.levels
            shown = ", ".join(map(str, levels)) if len(levels) < 5 else f"{levels[0]}, {levels[1]}, … {levels[-1]}"
            lines.append(f"layer {at}, for {part.over} = {shown} in turn ({len(levels):,} levels); the first:")
            layers = part.at(0)
        for layer in layers:
            lines.append(f"layer {at}{': ' if layer.label else ''}{layer.label}")
            lines += [f"    head {k}: {_head(head)}" for k, head in enumerate(layer.heads)]
            lines += [f"    unit {k}: {_unit(unit)}" for k, unit in enumerate(layer.units)]
    loops = [] if program.loops == 1 else [f"all of it {program.loops if isinstance(program.loops, int) else 'n-dependent'} times"]
    return "\n".join([*lines, *loops, f"answers {', '.join(map(str, program.answers))}", f"{program.normalizer} · {size(program)}"])


def _head(head: Head) -> str:
    score = " + ".join(f"({q}) · ({k})" for q, k in zip(head.query, head.key))
    mixed = ", ".join(f"{value} to {write}" for value, write in zip(head.value, head.write))
    return f"score {score}; adds {mixed}" + (f"; sees {head.sees.name}" if head.sees else "")


def _unit(unit: object) -> str:
    return f"ReLU({unit.read}) to {unit.write}" if len(unit.activation.breaks) == 1 else f"φ({unit.read}) to {unit.write}"


@dataclass(frozen=True)
class Matrix:
    """A weight matrix with names: `values[row][column]`; the column "1" is the bias."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[Number, ...], ...]

    def __str__(self) -> str:
        lines = [("", *self.columns), *((row, *map(str, line)) for row, line in zip(self.rows, self.values))]
        wide = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
        return "\n".join("  ".join(text.rjust(w) for text, w in zip(line, wide)) for line in lines)


def matrices(layer: Layer, names: list[str]) -> dict[str, Matrix]:
    """W_Q, W_K, W_V, W_O, W_1, W_2 of one layer; heads that need fewer rows than others are filled up with zeros."""
    size = max((max(len(head.query), len(head.value)) for head in layer.heads), default=0)
    slots = tuple(f"head {h}" + (f".{k}" if size > 1 else "") for h in range(len(layer.heads)) for k in range(size))
    units, made = tuple(f"unit {k}" for k in range(len(layer.units))), {}
    for title, part in (("W_Q", "query"), ("W_K", "key"), ("W_V", "value")):
        made[title] = _reading(slots, _filled(layer, part, size), names)
    made["W_O"] = _writing(slots, _filled(layer, "write", size), names)
    made["W_1"] = _reading(units, [unit.read for unit in layer.units], names)
    made["W_2"] = _writing(units, [unit.write for unit in layer.units], names)
    return made


def _filled(layer: Layer, part: str, size: int) -> list[Form]:
    each = [getattr(head, part) for head in layer.heads]
    return [form for forms in each for form in (*forms, *[Form({})] * (size - len(forms)))]


def _reading(rows: tuple[str, ...], forms: list[Form], names: list[str]) -> Matrix:
    values = tuple((*(form.weights.get(name, 0) for name in names), form.constant) for form in forms)
    return Matrix(rows, (*names, "1"), values)


def _writing(columns: tuple[str, ...], forms: list[Form], names: list[str]) -> Matrix:
    return Matrix(tuple(names), columns, tuple(tuple(form.weights.get(name, 0) for form in forms) for name in names))

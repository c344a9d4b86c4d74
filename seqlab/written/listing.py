"""What a program looks like: a line for each head and unit, its size, and its weight matrices with their labels."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from seqlab.exact import Number, relu
from seqlab.written.forms import Form
from seqlab.written.parts import Head, Layer, Sweep

if TYPE_CHECKING:
    from seqlab.written.program import Program

MANY = 4096  # levels of a sweep that are counted one by one; of more, all count as the first


# What a program is made of, a loop counted once: weights are the numbers in its matrices and biases that are not 0.
Size = namedtuple("Size", "layers heads units width connections weights")


def size(program: Program, length: int | None) -> Size:
    """The layers, heads, units, … of a program, for sequences of `length` tokens."""
    total = [0] * 5
    for part in program.layers:
        layers, times = part.some(MANY) if isinstance(part, Sweep) else [part], 1
        if isinstance(part, Sweep) and len(part.levels) > MANY:
            layers, times = part.at(0), len(part.levels)
        for layer in layers:
            grids = [head.sees and head.sees.at(length) for head in layer.heads] if length else []
            seen = sum((length or 0) ** 2 if grid is None else int(grid.sum()) for grid in grids)
            weights = sum(len(form.weights) + bool(form.constant) for _, _, form in layer.forms())
            own = (1, len(layer.heads), len(layer.units), seen, weights)
            total = [before + times * each for before, each in zip(total, own)]
    layers, heads, units, connections, weights = total
    return Size(layers, heads, units, len(program.names), connections if length else None, weights)


def listing(program: Program) -> str:
    """The program as a text: what is read, a line for each head and unit, what is answered, and the size."""
    given = [", ".join(program.inputs), *(f"{name} = {number}" for name, number in program.start.items() if number)]
    lines = [f"reads {' · '.join([*given, *(f'{name} from the position' for name in program.positions)])}"]
    for at, part in enumerate(program.layers):
        layers = [part]
        if isinstance(part, Sweep):
            layers, shown = part.at(0) if part.levels else [], f"{', '.join(map(str, part.levels[:2]))}, …"
            lines.append(f"layer {at} sweeps {part.over} = {shown}: {len(part.levels):,} levels, and this is the first")
        for layer in layers:
            lines.append(f"layer {at} {layer.label}")
            lines += [f"    head {k}: {_head(head)}" for k, head in enumerate(layer.heads)]
            bent = ["ReLU" if unit.activation == relu else "φ" for unit in layer.units]
            lines += [
                f"    unit {k}: adds {b}({u.read}) to {u.write}" for k, (b, u) in enumerate(zip(bent, layer.units))
            ]
    shown = [f"{name} {value:,}" for name, value in program.count()._asdict().items() if value is not None]
    loops = f", {program.loops} loops" if program.loops != 1 else ""
    loops = ", loops by the length" if callable(program.loops) else loops
    answers = f"answers {', '.join(map(str, program.answers))}"
    return "\n".join(
        [*lines, answers, f"{program.normalizer}{loops} · {' · '.join(shown).replace('weights', 'non-zero weights')}"]
    )


def _head(head: Head) -> str:
    score = " + ".join(f"({q}) · ({k})" for q, k in zip(head.query, head.key))
    mixed = ", ".join(f"{value} to {write}" for value, write in zip(head.value, head.write))
    return f"scores {score}, adds {mixed}" + (f", sees {head.sees.name}" if head.sees else "")


def matrices(layer: Layer, names: list[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """W_Q, W_K, W_V, W_O, W_1, W_2 of one layer; the column "1" is the bias, heads of several rows are "head 0.1"."""
    wide = max((max(len(head.query), len(head.value)) for head in layer.heads), default=0)
    slots = [(h, k, f"head {h}" + (f".{k}" if wide > 1 else "")) for h in range(len(layer.heads)) for k in range(wide)]
    made: dict[str, Any] = {}
    for title, part in (("W_Q", "query"), ("W_K", "key"), ("W_V", "value"), ("W_O", "write")):
        made[title] = {name: dict(enumerate(getattr(layer.heads[h], part))).get(k, Form({})) for h, k, name in slots}
    for title, part in (("W_1", "read"), ("W_2", "write")):
        made[title] = {f"unit {k}": getattr(unit, part) for k, unit in enumerate(layer.units)}
    down = lambda rows: {name: {row: form.weights.get(name, 0) for row, form in rows.items()} for name in names}
    return {title: (down(rows) if title in ("W_O", "W_2") else labelled(rows, names)) for title, rows in made.items()}


def labelled(rows: Mapping[str, Form], names: list[str]) -> dict[str, dict[str, Number]]:
    """Forms as the rows of a matrix; the column "1" is the constant."""
    return {
        row: {**{name: form.weights.get(name, 0) for name in names}, "1": form.constant} for row, form in rows.items()
    }

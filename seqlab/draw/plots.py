"""Lines, bars and dots from named rows of numbers; looks, hover text, axes and alt text follow from the data.

A row gives a number for each x, or what several seeds gave there: then their mean is drawn, with bars over their range.
It is a mapping x → value, or a sequence along the common `x`. Each row has a colour of its own, and repeats it as a
dash, a mark or a hatch.

The alt text is `alt` where the whole of it is given. Otherwise it is `lead`, one sentence, and a phrase for each row:
`told(name, x, means)`, or from where to where it goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import cycle
from statistics import fmean
from typing import Any, NamedTuple

import plotly.graph_objects as go

from seqlab.colours import BLACK, BLUE, GREEN, ORANGE, PALETTE, PURPLE, RED
from seqlab.draw.figures import Axis, figure, named, spoken


class Look(NamedTuple):
    """How a row is told apart, in colour and without."""

    colour: str
    dash: str = "solid"
    mark: str = "circle"
    hatch: str = ""


DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
MARKS = ("circle", "diamond", "square", "x", "triangle-up", "cross")
HATCHES = ("", "/", "x", ".", "-", "|")
LOOKS = tuple(map(Look, PALETTE, DASHES, MARKS, HATCHES))
SEEDS = (
    Look(ORANGE, mark="diamond"),
    Look(GREEN, mark="square"),
    Look(PURPLE, mark="triangle-up"),
    Look(RED, mark="x"),
)

Row = Mapping | Sequence
Told = Callable[[str, list, list], str]


def lines(
    title: str,
    across: Axis,
    up: Axis,
    rows: Mapping[str, Row],
    x: Sequence | None = None,
    *,
    alt: str = "",
    lead: str = "",
    told: Told | None = None,
    looks: Iterable[Look] = LOOKS,
    marks: bool = True,
    floor: float | None = None,
    behind: Sequence = (),
    before: Sequence = (),
    **more: Any,
) -> go.Figure:
    """A line for each row.

    floor: what is drawn for smaller values, such as 0 on a logarithmic axis;  behind, before: further traces
    """
    drawn = [line(name, *taken(row, x), look, marks, floor) for (name, row), look in zip(rows.items(), cycle(looks))]
    where = [at for row in rows.values() for at in taken(row, x)[0]]
    span = f" from {spoken(where[0])} to {spoken(where[-1])}" if where else ""
    lead = lead or f"{named(up)} against {named(across)}{span}."
    return figure(title, across, up, alt or words(lead, rows, x, told), *behind, *drawn, *before, **more)


def line(
    name: str,
    x: Iterable,
    values: Iterable,
    look: Look = LOOKS[0],
    marks: bool = True,
    floor: float | None = None,
    **more: Any,
) -> go.Scatter:
    """One row as a line."""
    means, bars = spread(values)
    trace = go.Scatter(
        x=list(x),
        y=means if floor is None else [max(mean, floor) for mean in means],
        name=name,
        mode="lines+markers" if marks else "lines",
        line={"color": look.colour, "dash": look.dash},
        marker={"symbol": look.mark, "size": 8 if len(means) <= 12 else 6},
        error_y=bars,
        hovertemplate="%{x}: %{y:.4g}<extra>" + name + "</extra>",
    )
    return trace.update(more)


def bars(
    title: str,
    across: Axis,
    up: Axis,
    rows: Mapping[str, Row],
    x: Sequence | None = None,
    *,
    alt: str = "",
    lead: str = "",
    told: Told | None = None,
    looks: Iterable[Look] = LOOKS,
    before: Sequence = (),
    barmode: str = "group",
    **more: Any,
) -> go.Figure:
    """For each row bars of one colour and hatch, side by side or as `barmode` says."""
    drawn = []
    for (name, row), look in zip(rows.items(), cycle(looks)):
        places, values = taken(row, x)
        heights, whiskers = spread(values)
        bar = go.Bar(x=places, y=heights, name=name, error_y=whiskers, marker_color=look.colour)
        bar.update(marker_pattern_shape=look.hatch, hovertemplate="%{x}: %{y:.4g}<extra>" + name + "</extra>")
        drawn.append(bar)
    told = told or (lambda name, x, y: f"{name}: " + ", ".join(f"{value:.3g} {at}" for at, value in zip(x, y) if value))
    said = alt or words(lead or f"{named(up)}.", rows, x, told)
    return figure(title, across, up, said, *drawn, *before, barmode=barmode, **more)


def dots(
    title: str,
    across: Axis,
    series: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    best: Mapping[str, Mapping[str, float]] | None = None,
    names: Sequence[str] | None = None,
    lead: str = "",
    **more: Any,
) -> go.Figure:
    """A line of the page for each name: a mark for each seed, a stroke at their mean, a black bar at what is possible.

    series: what is measured → name → the seeds' numbers; several series of one name stand below one another
    best:   series → name → the most that is possible;  names: from top to bottom
    """
    names = list(names or dict.fromkeys(name for row in series.values() for name in row))
    crowded = sum(map(len, series.values())) > len(names)
    shifts = {one: 0.22 * (at - (len(series) - 1) / 2) * crowded for at, one in enumerate(series)}

    def mark(label: str, rows: Mapping[str, Mapping[str, Sequence[float]]], **marker: Any) -> go.Scatter:
        points = [
            (value, names.index(name) + shifts[one], name)
            for one, row in rows.items()
            for name, values in row.items()
            for value in values
        ]
        x, y, where = map(list, zip(*points))
        hover = "%{customdata}: %{x:.4g}<extra>" + label + "</extra>"
        return go.Scatter(x=x, y=y, customdata=where, name=label, mode="markers", marker=marker, hovertemplate=hover)

    each = {one: {name: [fmean(values)] for name, values in row.items()} for one, row in series.items()}
    stroke = {"symbol": "line-ns-open", "line": {"width": 3}}
    drawn = [mark("mean", each, color=BLUE, size=14 if crowded else 22, **stroke)]
    for (one, row), look in zip(series.items(), SEEDS):
        edge = {"width": 1, "color": BLACK}
        drawn.append(
            mark(
                f"{one}, each seed" if one else "each seed",
                {one: row},
                color=look.colour,
                symbol=look.mark,
                size=8,
                line=edge,
            )
        )
    if best:
        most = {one: {name: [value] for name, value in row.items()} for one, row in best.items()}
        drawn.insert(0, mark("possible at best", most, color=BLACK, size=14 if crowded else 26, **stroke))
    down = {"tickvals": list(range(len(names))), "ticktext": names, "range": [len(names) - 0.5, -0.5]}
    told = [
        f"{one}: " * bool(one)
        + "; ".join(_measured(name, row[name], (best or {}).get(one, {}).get(name)) for name in row)
        for one, row in series.items()
    ]
    alt = f"{lead or f'{title}, {named(across)}: mean and range over seeds.'} {'. '.join(told)}."
    rows = {"title": "", "zeroline": False, "automargin": True} | down
    options: dict[str, Any] = {"height": 150 + (42 if crowded else 28) * len(names)} | more
    return figure(title, across, rows, alt, *drawn, **options)


def taken(row: Row, x: Sequence | None) -> tuple[list, list]:
    """A row's places and values."""
    if isinstance(row, Mapping):
        return list(row), list(row.values())
    return list(range(len(row)) if x is None else x), list(row)


def spread(values: Iterable) -> tuple[list, dict | None]:
    """The mean at each place, and bars over the range where one has several seeds; a place may be empty (None)."""
    seeds = [[value] if not isinstance(value, Iterable) else list(value) for value in values]
    means = [at[0] if len(at) == 1 else fmean(at) for at in seeds]
    if all(len(at) == 1 for at in seeds):
        return means, None
    up, down = [max(at) - mean for at, mean in zip(seeds, means)], [mean - min(at) for at, mean in zip(seeds, means)]
    return means, {"type": "data", "symmetric": False, "array": up, "arrayminus": down, "thickness": 1.5}


def words(lead: str, rows: Mapping[str, Row], x: Sequence | None, told: Told | None) -> str:
    """The alt text: a sentence, and a phrase for each row."""
    told = told or (lambda name, _, y: f"{name}: from {y[0]:.3g} to {y[-1]:.3g}")
    phrases = [told(name, at, spread(values)[0]) for name, row in rows.items() for at, values in [taken(row, x)]]
    return f"{lead[:1].upper()}{lead[1:]} {'; '.join(phrases)}."


def each(name: str, x: Sequence, y: Sequence) -> str:
    """A phrase that lists a row's values, for rows of a few places."""
    points = [f"{'none' if value is None else f'{value:.4g}'} at {spoken(at)}" for at, value in zip(x, y)]
    return f"{name}: {', '.join(points)}"


def _measured(name: str, values: Sequence[float], best: float | None) -> str:
    limit = [f"at best {best:.3f}"] if best is not None else []
    wide = [f"{min(values):.3f} to {max(values):.3f}"] if len(values) > 1 else []
    return f"{name.replace('<br>', ', ')} {fmean(values):.3f}" + (
        f" ({'; '.join(wide + limit)})" if wide + limit else ""
    )

"""How counts grow with the length of a sequence; a pure function, as in seqlab.draw.figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log

import plotly.graph_objects as go

from seqlab.colours import PALETTE
from seqlab.draw.figures import figure

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
MARKS = ("circle", "x", "square", "diamond", "triangle-up", "cross")


def told_apart(x: Sequence[float], rows: Mapping[str, Sequence[float]], hover: str) -> list[go.Scatter]:
    """A line with marks for each named row, told apart by colour, dash and mark. hover: plotly's template for a point."""
    return [
        go.Scatter(
            x=list(x),
            y=list(row),
            name=name,
            mode="lines+markers",
            line={"color": colour, "dash": dash},
            marker={"symbol": mark, "size": 8},
            hovertemplate=hover + "<extra>" + name + "</extra>",
        )
        for (name, row), colour, dash, mark in zip(rows.items(), PALETTE, DASHES, MARKS)
    ]


def growth(lengths: Sequence[int], counts: Mapping[str, Sequence[int]], what: str) -> go.Figure:
    """Counts against the number of tokens on two logarithmic axes; the alt text names the last slope of each line."""
    lines = told_apart(lengths, counts, "%{x:,} tokens: %{y:,}")
    slopes = {name: log(v[-1] / v[-2]) / log(lengths[-1] / lengths[-2]) for name, v in counts.items()}
    told = ", ".join(f"{name} like n^{slope:.2f}" for name, slope in slopes.items())
    picture = figure(what.capitalize(), "tokens n", what, f"{what.capitalize()} grow: {told}.", *lines)
    picture.update_xaxes(type="log", tickvals=list(lengths), ticktext=[f"{n:,}" for n in lengths])
    picture.update_yaxes(type="log", tickformat=".1s")
    return picture

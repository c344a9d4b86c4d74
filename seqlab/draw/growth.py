"""How counts grow with the length of a sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, log

import plotly.graph_objects as go

from seqlab.draw import figures
from seqlab.draw.plots import lines


def growth(lengths: Sequence[int], counts: Mapping[str, Sequence[int]], what: str) -> go.Figure:
    """Counts against the number of tokens on two logarithmic axes; the alt text names the last slope of each line."""
    across, up = figures.log("tokens n", lengths), figures.log(what, tickformat=".1s")
    told = lambda name, n, count: f"{name} like n^{last_slope(n, count):.2f}"
    return lines(what.capitalize(), across, up, counts, lengths, lead=f"{what.capitalize()} grow:", told=told)


def last_slope(x: Sequence[float], y: Sequence[float]) -> float:
    """The power of x that y follows between the last two places; nan where y is infinite."""
    return log(y[-1] / y[-2]) / log(x[-1] / x[-2]) if all(map(isfinite, y)) else float("nan")

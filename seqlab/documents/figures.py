"""Pictures of loss as context grows, and of what distant context is worth; pure functions, as in seqlab.draw.figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import fmean

import plotly.graph_objects as go

from seqlab.colours import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, RED
from seqlab.documents.model import ARMS, Result, table
from seqlab.draw.figures import figure

LOOKS = dict(
    zip(
        ARMS,
        (
            (ORANGE, "dash", "square"),
            (GREEN, "dot", "triangle-up"),
            (PURPLE, "dashdot", "triangle-down"),
            (BLUE, "solid", "circle"),
            (RED, "longdash", "x"),
            (BLACK, "longdashdot", "diamond"),
        ),
    )
)


def loss_by_context(
    cells: Iterable[dict | Result],
    *,
    score: str = "loss",
    unit: str,
    title: str,
    levels: Mapping[str, float] | None = None,
) -> go.Figure:
    """A score against context, one line per arm; error bars are the range over seeds.

    levels: name → height of horizontal lines, e.g. baselines that know nothing of context
    """
    values = table(cells, score)
    lines, told = [], []
    contexts = sorted({context for _, context in values})
    arms = [arm for arm in ARMS if any(arm == other for other, _ in values)]
    for at, arm in enumerate(arms):
        colour, dash, symbol = LOOKS[arm]
        x = [context for context in contexts if (arm, context) in values]
        seeds = [values[arm, context] for context in x]
        mean = [fmean(v) for v in seeds]
        lines.append(
            go.Scatter(
                x=[context * 1.04 ** (at - (len(arms) - 1) / 2) for context in x],
                y=mean,
                name=arm,
                mode="lines+markers",
                line={"color": colour, "dash": dash},
                marker={"symbol": symbol, "size": 9},
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [max(v) - m for v, m in zip(seeds, mean)],
                    "arrayminus": [m - min(v) for v, m in zip(seeds, mean)],
                    "color": colour,
                },
                customdata=[[context, min(v), max(v)] for context, v in zip(x, seeds)],
                hovertemplate="%{customdata[0]} tokens: %{y:.3f} (%{customdata[1]:.3f} to %{customdata[2]:.3f})<extra>"
                + arm
                + "</extra>",
            )
        )
        told.append(f"{arm} " + ", ".join(f"{m:.3f} at {context}" for context, m in zip(x, mean)))
    known = "".join(f" {name}: {height:.3f}." for name, height in (levels or {}).items())
    alt = f"{unit.capitalize()}, mean over seeds, by context in tokens: {'; '.join(told)}.{known} Bars show the range over seeds."
    picture = figure(title, "context, tokens", unit, alt, *lines, height=420)
    picture.update_xaxes(type="log", tickvals=contexts, ticktext=[str(context) for context in contexts])
    for name, height in (levels or {}).items():
        picture.add_hline(y=height, line={"color": GREY, "dash": "dot"}, annotation_text=name)
    return picture


def distant_exchanged(
    cells: Iterable[dict | Result], context: int, *, score: str = "loss", unit: str, title: str
) -> go.Figure:
    """The same models twice: with their own distant context, and with that of another place. Bars of mean, range over seeds."""
    cells = list(cells)
    own, other = table(cells, score), table(cells, f"{score}, foreign")
    arms = [arm for arm in ARMS if (arm, context) in other]
    if not arms:
        raise ValueError(
            f"context: got {context}, wanted one at which the distant context was exchanged: "
            f"{sorted({n for _, n in other})}"
        )
    bars, told = [], []
    for name, values, colour, hatch in (("own", own, BLUE, ""), ("of another place", other, ORANGE, "/")):
        seeds = [values[arm, context] for arm in arms]
        mean = [fmean(v) for v in seeds]
        bars.append(
            go.Bar(
                x=arms,
                y=mean,
                name=f"distant context: {name}",
                marker={"color": colour, "pattern": {"shape": hatch}},
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [max(v) - m for v, m in zip(seeds, mean)],
                    "arrayminus": [m - min(v) for v, m in zip(seeds, mean)],
                },
                hovertemplate="%{x}: %{y:.3f}<extra>" + name + "</extra>",
            )
        )
    for arm in arms:
        told.append(f"{arm} {fmean(own[arm, context]):.3f} and {fmean(other[arm, context]):.3f}")
    alt = (
        f"{unit.capitalize()} at {context} tokens, with the distant context of the text itself and with that of another "
        f"place: {'; '.join(told)}. Bars show the range over seeds."
    )
    picture = figure(title, "where the connections go", unit, alt, *bars, height=380)
    picture.update_layout(barmode="group")
    return picture

"""Pictures of loss as context grows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import plotly.graph_objects as go

from seqlab.colours import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED
from seqlab.documents.model import ARMS, Result, table
from seqlab.draw.figures import log
from seqlab.draw.plots import Look, each, lines

LOOKS = dict(
    zip(
        ARMS,
        (
            Look(ORANGE, "dash", "square"),
            Look(GREEN, "dot", "triangle-up"),
            Look(PURPLE, "dashdot", "triangle-down"),
            Look(BLUE, "solid", "circle"),
            Look(RED, "longdash", "x"),
            Look(BLACK, "longdashdot", "diamond"),
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
    contexts = sorted({context for _, context in values})
    arms = [arm for arm in ARMS if any(arm == other for other, _ in values)]
    rows = {arm: {n: values[arm, n] for n in contexts if (arm, n) in values} for arm in arms}
    picture = lines(
        title,
        log("context, tokens", contexts, str),
        unit,
        rows,
        lead=f"{unit}, mean over seeds, bars over their range, by context in tokens.",
        told=each,
        looks=[LOOKS[arm] for arm in arms],
        levels=levels,
        height=420,
    )
    for at, trace in enumerate(picture.data):  # side by side, so that bars of one context do not hide one another
        trace.x = [context * 1.04 ** (at - (len(arms) - 1) / 2) for context in trace.x]
        trace.customdata, trace.hovertemplate = list(rows[trace.name]), "%{customdata} tokens: %{y:.3f}"
    return picture

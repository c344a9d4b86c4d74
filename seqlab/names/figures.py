"""Pictures of lab 01: names on a line, how far apart they are, and how layers move them apart."""

from __future__ import annotations

import html
from collections.abc import Sequence

import plotly.graph_objects as go
from jaxtyping import Float
from torch import Tensor

from seqlab.colours import BLUE, PALETTE, RED, SKY
from seqlab.draw.figures import figure


def separation_curve(betas: Sequence[float], float64: Sequence[float], exact: Sequence[float]) -> go.Figure:
    """Smallest gap between two names against the inverse temperature, as float64 sees it and in exact arithmetic."""
    floor = 1e-42
    seen = [max(gap, floor) for gap in float64]
    gone = next((beta for beta, gap in zip(betas, float64) if beta > 0 and gap == 0), None)
    best = max(range(len(betas)), key=lambda at: exact[at])
    alt = (
        f"The smallest gap between two names is 0 at beta 0, largest ({exact[best]:.2g}) near beta {betas[best]:g}, and falls exponentially after that. "
        + (f"Float64 loses the last difference at beta {gone:g}; the exact gap stays positive." if gone else "")
    )
    return figure(
        "How far apart are the closest two names?",
        "inverse temperature beta",
        "smallest gap (the bottom stands for 0)",
        alt,
        go.Scatter(
            x=betas,
            y=[max(gap, floor) for gap in exact],
            name="exact arithmetic",
            mode="lines",
            line={"color": BLUE, "dash": "dash"},
        ),
        go.Scatter(
            x=betas,
            y=seen,
            name="float64",
            mode="lines+markers",
            line={"color": RED},
            marker={"symbol": "diamond", "size": 7},
        ),
        xaxis={"range": [-0.2, 6.3]},
        yaxis={"type": "log", "exponentformat": "power", "range": [-43, 1], "dtick": 10},
    )


def layer_distances(distances: Float[Tensor, "layer pair"], letter: str) -> go.Figure:
    """Distances between the names of one letter in different contexts, layer by layer (box: quartiles; whiskers: 5–95 %)."""
    quantiles = distances.double().quantile(distances.new_tensor([0.05, 0.25, 0.5, 0.75, 0.95]).double(), dim=1)
    low, q1, median, q3, high = quantiles.tolist()
    layers = ["embedding", *(f"layer {at}" for at in range(1, len(distances)))]
    alt = (
        f"Distance between the names of “{letter}” in different contexts. After the embedding it is {median[0]:.2g}; "
        f"the medians after the layers are {', '.join(f'{m:.2g}' for m in median[1:])}."
    )
    box = go.Box(
        x=layers,
        lowerfence=low,
        q1=q1,
        median=median,
        q3=q3,
        upperfence=high,
        marker_color=BLUE,
        fillcolor=SKY,
        line={"color": BLUE},
    )
    return figure(
        f"One letter, many names: “{letter}” in different contexts",
        "after",
        "distance / typical length of a name",
        alt,
        box,
        showlegend=False,
    )


def number_line(names: Sequence[float], labels: Sequence[str], groups: Sequence[int], *, width: int = 640) -> str:
    """SVG of names on a line; a name shared by several places is a ring with a count. Hover a mark for its label."""
    low, high = min(names), max(names)
    span = (high - low) or 1.0
    low, span = low - 0.05 * span, 1.1 * span
    places: dict[float, list[int]] = {}
    for at, name in enumerate(names):
        places.setdefault(name, []).append(at)
    rows = max(groups) + 1
    height = 26 * rows + 46
    marks = []
    for row in range(rows):
        y = 18 + 26 * row
        marks.append(f'<line x1="60" x2="{width - 10}" y1="{y}" y2="{y}" stroke="currentColor" opacity=".2"/>')
    for name, members in places.items():
        x = 60 + (width - 70) * (name - low) / span
        for at in members:
            y, colour = 18 + 26 * groups[at], PALETTE[groups[at] % len(PALETTE)]
            tip = f"<title>{html.escape(labels[at])}: {name:.15g}{f' (shared by {len(members)})' if len(members) > 1 else ''}</title>"
            ring = (
                f'<circle cx="{x:.1f}" cy="{y}" r="9" fill="none" stroke="{RED}" stroke-width="2"/>'
                if len(members) > 1
                else ""
            )
            marks.append(f'<g>{ring}<circle cx="{x:.1f}" cy="{y}" r="5" fill="{colour}"/>{tip}</g>')
    for row in range(rows):
        marks.append(f'<text x="4" y="{22 + 26 * row}" font-size="12" fill="currentColor">token {row + 1}</text>')
    for share in (0, 0.25, 0.5, 0.75, 1):
        x, value = 60 + (width - 70) * share, low + span * share
        marks.append(
            f'<text x="{x:.0f}" y="{height - 20}" font-size="11" text-anchor="middle" fill="currentColor">{value:.3g}</text>'
        )
    shared = sum(len(members) for members in places.values() if len(members) > 1)
    alt = f"{len(names)} names on a line from {min(names):.3g} to {max(names):.3g}; {shared} of them share their place with another."
    axis = f'<text x="{width / 2:.0f}" y="{height - 4}" font-size="12" text-anchor="middle" fill="currentColor">name (what attention returns for the token)</text>'
    return (
        f'<svg role="img" aria-label="{html.escape(alt)}" viewBox="0 0 {width} {height}" style="max-width:{width}px;width:100%;'
        f'font-family:sans-serif"><title>{html.escape(alt)}</title>{"".join(marks)}{axis}</svg>'
    )

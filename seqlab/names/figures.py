"""Pictures of lab 01: names on a line, how far apart they are, and how layers move them apart."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from jaxtyping import Float
from torch import Tensor

from seqlab.colours import BLUE, PALETTE, RED, SKY
from seqlab.draw.figures import figure, log
from seqlab.draw.plots import Look, lines
from seqlab.draw.svg import Markup, circle, element, line, picture, text


def separation_curve(betas: Sequence[float], float64: Sequence[float], exact: Sequence[float]) -> go.Figure:
    """Smallest gap between two names against the inverse temperature, as float64 sees it and in exact arithmetic."""
    gone = next((beta for beta, gap in zip(betas, float64) if beta > 0 and gap == 0), None)
    best = max(range(len(betas)), key=lambda at: exact[at])
    lost = f" Float64 loses the last difference at beta {gone:g}; the exact gap stays positive." if gone else ""
    alt = (
        f"The smallest gap between two names is 0 at beta 0, largest ({exact[best]:.2g}) near beta {betas[best]:g}, "
        f"and falls exponentially after that.{lost}"
    )
    return lines(
        "How far apart are the closest two names?",
        {"title": "inverse temperature beta", "range": [-0.2, 6.3]},
        log("smallest gap (the bottom stands for 0)", range=[-43, 1], dtick=10),
        {"exact arithmetic": exact, "float64": float64},
        betas,
        alt=alt,
        looks=(Look(BLUE, "dash"), Look(RED, "solid", "diamond")),
        floor=1e-42,
    )


def layer_distances(distances: Float[Tensor, "layer pair"], letter: str) -> go.Figure:
    """Distances between the names of a letter in different contexts, by layer (box: quartiles; whiskers: 5–95 %)."""
    quantiles = distances.double().quantile(distances.new_tensor([0.05, 0.25, 0.5, 0.75, 0.95]).double(), dim=1)
    low, q1, median, q3, high = quantiles.tolist()
    layers = ["embedding", *(f"layer {at}" for at in range(1, len(distances)))]
    alt = (
        f"Distance between the names of “{letter}” in different contexts. After the embedding it is {median[0]:.2g}; "
        f"the medians after the layers are {', '.join(f'{m:.2g}' for m in median[1:])}."
    )
    box = go.Box(x=layers, lowerfence=low, q1=q1, median=median, q3=q3, upperfence=high)
    box.update(marker_color=BLUE, fillcolor=SKY, line_color=BLUE)
    title, unit = f"One letter, many names: “{letter}” in different contexts", "distance / typical length of a name"
    return figure(title, "after", unit, alt, box, showlegend=False)


def number_line(names: Sequence[float], labels: Sequence[str], groups: Sequence[int], *, width: int = 640) -> Markup:
    """SVG of names on a line; a name shared by several places is a ring with a count. Hover a mark for its label."""
    low, span = min(names), max(names) - min(names) or 1.0
    left, wide, height = 60, width - 70, 26 * (max(groups) + 1) + 46
    place = lambda share: left + wide * (share + 0.05) / 1.1
    heights = [18 + 26 * row for row in range(max(groups) + 1)]
    lanes = [line(left, y, width - 10, y, opacity=0.2) for y in heights]
    marks, shared = [], 0
    for name, label, row in zip(names, labels, groups):
        x, y, count = place((name - low) / span), heights[row], list(names).count(name)
        shared += count > 1
        ring = circle(x, y, 9, stroke=RED, stroke_width=2) if count > 1 else ()
        told = f"{label}: {name:.15g}{f' (shared by {count})' * (count > 1)}"
        marks.append(element("g", ring, circle(x, y, 5, fill=PALETTE[row % len(PALETTE)]), tip=told))
    said = [text(4, y + 4, f"token {row}", 12, "start") for row, y in enumerate(heights, 1)]
    for at in range(5):
        share = at / 4 * 1.1 - 0.05
        said.append(text(place(share), height - 20, f"{low + span * share:.3g}", 11))
    said.append(text(width / 2, height - 4, "name (what attention returns for the token)"))
    alt = (
        f"{len(names)} names on a line from {low:.3g} to {max(names):.3g}; {shared} of them share their place with "
        "another."
    )
    return picture(alt, width, height, lanes, marks, said)

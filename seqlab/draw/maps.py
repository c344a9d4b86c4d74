"""Matrices of weights side by side, as a picture that can be read without a kernel."""

from __future__ import annotations

from collections.abc import Mapping

from IPython.display import HTML
from jaxtyping import Float
from torch import Tensor

from seqlab.colours import BLUE, ORANGE
from seqlab.draw.svg import path, picture, rect, text


def weight_maps(weights: Mapping[str, Float[Tensor, "query key"]]) -> HTML:
    """A square for each query and key, with its weight; negative ones are orange, and a cross stands for exactly 0."""
    side, drawn, left = 46, [], 70.0
    largest = max(rows.abs().max().item() for rows in weights.values())
    for name, rows in weights.items():
        n = len(rows)
        drawn.append(text(left + side * n / 2, 16, f"{name}: key →", 13))
        for query, row in enumerate(rows.tolist()):
            y = 26 + side * query
            drawn.append(text(left - 10, y + 28, f"query {query}", 12, "end"))
            for key, weight in enumerate(row):
                x, look = left + side * key, {"fill": ORANGE if weight < 0 else BLUE, "stroke": "currentColor"}
                opacity = round(0.6 * abs(weight) / largest, 3)
                drawn.append(
                    rect(x, y, side, side, tip=f"query {query}, key {key}: {weight:.3f}", fill_opacity=opacity, **look)
                )
                cross = ("M", x + 15, y + 15, "l", 16, 16, "m", 0, -16, "l", -16, 16)
                mark = (
                    path(*cross, stroke="currentColor", opacity=0.5)
                    if weight == 0
                    else text(x + 23, y + 28, f"{weight:.2f}")
                )
                drawn.append(mark)
        left += side * n + 90
    told = "; ".join(f"{name}: {int((rows == 0).sum())} of {rows.numel()} are 0" for name, rows in weights.items())
    height = 36 + side * max(map(len, weights.values()))
    return HTML(picture(f"Weights of each query (row) for each key (column). {told}.", left - 80, height, drawn))

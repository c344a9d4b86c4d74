"""Pictures as pure functions: numbers in, a figure out. Every figure has a title, axes with units, and alt text.

Colours are Okabe and Ito's eight, which the colour-blind tell apart; maps are cividis. Shape or dash repeats what
colour says. `show(figure)` prints the alt text as a caption below, so that nobody has to see the picture to follow.
"""

from __future__ import annotations

import html
import json

import plotly.graph_objects as go
from IPython.display import HTML, display

PLOTLY = "application/vnd.plotly.v1+json"


def figure(title: str, x: str, y: str, alt: str, *traces: object, height: int = 340, **layout: object) -> go.Figure:
    """A plotly figure in the house style; `alt` says in words what it shows."""
    picture = go.Figure(list(traces))
    picture.update_layout(
        title=title,
        xaxis_title=x,
        yaxis_title=y,
        height=height,
        template="plotly_white",
        meta={"alt": alt},
        margin={"l": 70, "r": 20, "t": 50, "b": 55},
        legend={"orientation": "h", "y": -0.25},
        **layout,
    )
    return picture


def show(picture: go.Figure) -> None:
    """Display a figure with its alt text as a caption."""
    display(bundle(picture), raw=True)
    display(
        HTML(
            f"<p style='max-width:60em;opacity:.75;font-size:90%;margin:0'>{html.escape(picture.layout.meta['alt'])}</p>"
        )
    )


ELSEWHERE = ("geo", "polar", "scene", "ternary")  # maps, angles, space and triangles


def bundle(picture: go.Figure) -> dict:
    """What JupyterLab draws, with the alt text beside it; plotly's own way would load nbformat, seconds on a slow disk.

    Of the template stays what this picture's kinds of traces use, in two flat axes: the rest would be most of a notebook's
    size.
    """
    drawn = json.loads(picture.to_json())
    kinds = {trace.get("type", "scatter") for trace in drawn["data"]}
    template = drawn["layout"]["template"]
    template["data"] = {kind: look for kind, look in template["data"].items() if kind in kinds}
    template["layout"] = {part: look for part, look in template["layout"].items() if part not in ELSEWHERE}
    return {PLOTLY: drawn, "text/plain": picture.layout.meta["alt"]}

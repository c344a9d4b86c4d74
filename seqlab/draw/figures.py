"""Pictures in one style: a title, axes with units, alt text in words; numbers in, a figure out.

Colours are Okabe and Ito's eight, which the colour-blind tell apart; maps are cividis. Shape or dash repeats what
colour says. `show(figure)` prints the alt text as a caption below, so that nobody has to see the picture to follow.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import plotly.graph_objects as go
from IPython.display import HTML, display

from seqlab.colours import GREY
from seqlab.draw.svg import element

PLOTLY = "application/vnd.plotly.v1+json"
ELSEWHERE = ("colorscale", "geo", "polar", "scene", "ternary")  # heat without a map of its own, maps, angles, space …
Axis = str | Mapping[str, object]  # its title, or plotly's settings with the title among them


def figure(
    title: str,
    x: Axis,
    y: Axis,
    alt: str,
    *traces: object,
    levels: Mapping[str, float] | None = None,
    at: Mapping[str, float] | None = None,
    height: int = 340,
    **layout: Any,
) -> go.Figure:
    """A plotly figure in the house style; `alt` says in words what it shows.

    levels, at: name → height of a dashed line, or place of an upright one; the alt text names them too
    """
    levels, at = levels or {}, at or {}
    alt += "".join(f" Dashed: {name} ({spoken(value)})." for name, value in {**levels, **at}.items())
    picture = go.Figure(list(traces))
    picture.update_layout(
        title=title,
        xaxis=_axis(x),
        yaxis=_axis(y),
        height=height,
        template="plotly_white",
        meta={"alt": alt},
        margin={"l": 70, "r": 20, "t": 50, "b": 55},
        legend={"orientation": "h", "y": -60 / (height - 105)},  # 60 pixels below the plot
    )
    picture.update_layout(**layout)
    look: Any = {"line": {"color": GREY, "dash": "dash"}}
    for name, value in levels.items():
        picture.add_hline(y=value, annotation_text=name, **look)
    for name, value in at.items():
        picture.add_vline(x=value, annotation_text=name, annotation_position="top", **look)
    return picture


def log(title: str, ticks: Iterable[float] = (), label: Callable[[float], str] = "{:,}".format, **more: Any) -> dict:
    """A logarithmic axis with the given ticks, or at the powers of ten."""
    at = list(ticks)
    where = {"tickvals": at, "ticktext": [label(tick) for tick in at]} if at else {"exponentformat": "power"}
    return {"title": title, "type": "log"} | where | more


def named(axis: Axis) -> str:
    """The title of an axis."""
    return _axis(axis)["title"]


def spoken(number: object) -> str:
    """A number in an alt text: whole ones with separators."""
    return f"{number:,}" if isinstance(number, int) else f"{number:.4g}" if isinstance(number, float) else str(number)


def _axis(axis: Axis) -> Mapping[str, Any]:
    return {"title": axis} if isinstance(axis, str) else axis


def show(picture: go.Figure) -> None:
    """Display a figure with its alt text as a caption."""
    drawn = bundle(picture)
    display(drawn, raw=True)
    display(HTML(element("p", drawn["text/plain"], style="max-width:60em;opacity:.75;font-size:90%;margin:0")))


def bundle(picture: go.Figure) -> dict:
    """What JupyterLab draws, with the alt text beside it; plotly's own way would load nbformat, seconds on a slow disk.

    Of the template stays what this picture's kinds of traces use, in two flat axes: the rest would be most of a
    notebook's size. Numbers have six digits.
    """
    drawn = json.loads(picture.to_json() or "{}", parse_float=lambda number: float(f"{float(number):.6g}"))
    kinds = {trace.get("type", "scatter") for trace in drawn["data"]}
    template = drawn["layout"]["template"]
    template["data"] = {kind: look for kind, look in template["data"].items() if kind in kinds}
    template["layout"] = {part: look for part, look in template["layout"].items() if part not in ELSEWHERE}
    return {PLOTLY: drawn, "text/plain": picture.to_dict()["layout"]["meta"]["alt"]}

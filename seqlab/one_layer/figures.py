"""Pictures of one attention layer: how sets are ordered, who memorises."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import fmean

import plotly.graph_objects as go

from seqlab.colours import BLUE, GREEN, GREY, ORANGE, PURPLE, RED
from seqlab.draw.plots import Look, dots, lines
from seqlab.one_layer.trained import by_arm

SIGNS = tuple(
    Look(colour, "dot", mark)
    for colour, mark in zip((BLUE, ORANGE, GREEN, PURPLE, GREY), ("circle", "diamond", "square", "triangle-up", "x"))
)


def order_of_sets(levels: Sequence[float], values: Mapping[tuple[int, ...], float]) -> go.Figure:
    """Sets of levels as columns of dots, in increasing order of their value; below each step, which entry decides it.

    levels:  the numbers that a set's entries index
    values:  set of indices → its value under the Boltzmann operator; the lowest 20 sets are drawn

    A step is decided by the first entry, largest first, in which two neighbours differ. With levels far enough apart it
    goes up in the largest entry and down in every other one, since an entry far below the largest pulls the mean down
    more the larger it is. Steps that break this are red and marked !.
    """
    ranked = sorted(values, key=values.__getitem__)
    ordered = [tuple(sorted(chosen, reverse=True)) for chosen in ranked]
    steps = [decided_by(a, b) for a, b in pairwise(ordered)]
    good = [(rank == 0) == up for rank, up in steps]
    shown = ordered[:20]
    words = ["".join(map(str, chosen)) for chosen in shown]
    rows = {
        f"entry {rank + 1}: larger is {'earlier ↓' if rank else 'later ↑'}": [levels[chosen[rank]] for chosen in shown]
        for rank in range(len(shown[0]))
    }
    arrows = [
        {
            "x": at + 0.5,
            "y": -0.12,
            "yref": "paper",
            "text": f"{rank + 1}{'↑' if up else '↓'}{'' if well else '!'}",
            "showarrow": False,
            "font": {"color": SIGNS[rank % len(SIGNS)].colour if well else RED, "size": 12},
        }
        for at, ((rank, up), well) in enumerate(zip(steps[: len(shown) - 1], good))
    ]
    first = f"; the first {len(shown)}" if len(shown) < len(ordered) else ""
    alt = (
        f"{len(ordered)} sets of {len(shown[0])} levels in increasing order of boltz{first}: {', '.join(words)}. "
        f"{sum(good)} of {len(steps)} steps follow the rule: up in the largest entry, down in every other."
    )
    picture = lines(
        "Sets in the order of boltz",
        {"title": "", "tickvals": list(range(len(shown))), "ticktext": words, "side": "top"},
        {"title": "level", "tickvals": list(levels)},
        rows,
        alt=alt,
        looks=SIGNS,
        height=420,
        annotations=arrows,
        margin={"t": 90},
        title_y=0.97,
    )
    hover = "set %{customdata[0]}: value %{customdata[1]:.6g}<extra></extra>"
    named = [[word, values[key]] for word, key in zip(words, ranked)]
    return picture.update_traces(customdata=named, hovertemplate=hover, marker_size=11, line_width=1)


def decided_by(a: Sequence[int], b: Sequence[int]) -> tuple[int, bool]:
    """(first place in which two different sets, largest entry first, differ; whether b is larger there)."""
    return next((at, y > x) for at, (x, y) in enumerate(zip(a, b)) if x != y)


def memorised(cells: Iterable[dict | object], title: str, *, test: bool = False) -> go.Figure:
    """Training accuracy by arm: each seed, the mean, the exact ceiling; with `test` the accuracy on unseen data too."""
    cells = list(cells)
    series = {"trained": by_arm(cells)} | ({"never trained on": by_arm(cells, "test")} if test else {})
    best = {"trained": {arm: fmean(limit) for arm, limit in by_arm(cells, "ceiling").items()}}
    return dots(title, {"title": "share of labels right", "range": [0, 1.03]}, series, best=best)

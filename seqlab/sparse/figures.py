"""Pictures of what patterns learn: copying by depth, text at one sparsity."""

from collections.abc import Iterable
from statistics import fmean

import plotly.graph_objects as go
from IPython.display import HTML

from seqlab.draw.plots import dots
from seqlab.draw.svg import table
from seqlab.sparse.copying import SYMBOLS, by_pattern


def copying_accuracy(cells: Iterable[dict | object]) -> go.Figure:
    """Accuracy of each pattern by depth: seeds, their mean, and a bar at what is possible at all."""
    cells = list(cells)
    found, limits = by_pattern(cells), by_pattern(cells, "ceiling")
    series, best = {}, {}
    for (name, depth), values in sorted(found.items(), key=lambda item: item[0][1]):
        series.setdefault(_layers(depth), {})[name] = values
        best.setdefault(_layers(depth), {})[name] = fmean(limits[name, depth])
    return dots(
        "Who can copy?",
        {"title": "share of the second half copied right", "range": [0, 1.03]},
        series,
        best=best,
        names=list(dict.fromkeys(name for name, _ in found)),
        lead=f"Share of the second half copied right, mean and range over seeds, chance {1 / SYMBOLS:.2f}; "
        "at best: what is possible, given who can hear whom.",
        at={"chance": 1 / SYMBOLS},
    )


def text_nats(cells: Iterable[dict | object]) -> go.Figure:
    """Nats per held-out character of each pattern, best first: one mark per seed, and the mean."""
    found = {name: values for (name, _), values in by_pattern(cells, "nats").items()}
    return dots(
        "Which pattern reads best?",
        "nats per character (lower is better)",
        {"": dict(sorted(found.items(), key=lambda item: fmean(item[1])))},
        lead="Nats per held-out character, lower is better, mean and range over seeds:",
    )


def copying_table(cells: Iterable[dict | object]) -> HTML:
    """Mean accuracy (range over seeds) by pattern and depth, with what is possible at best, and the cost of a layer."""
    cells = list(cells)
    found, limits, sparsity, connections = (
        by_pattern(cells, what) for what in ("accuracy", "ceiling", "sparsity", "connections")
    )
    depths, rows = sorted({depth for _, depth in found}), {}
    for name in dict.fromkeys(name for name, _ in found):
        deepest = max(depth for other, depth in found if other == name)
        row = [f"{fmean(connections[name, deepest]) / deepest:,.0f}", f"{fmean(sparsity[name, deepest]):.0%}"]
        for depth in depths:
            values = found.get((name, depth))
            row += (
                [f"{fmean(values):.2f} ({min(values):.2f}–{max(values):.2f})", f"{fmean(limits[name, depth]):.2f}"]
                if values
                else ["–", "–"]
            )
        rows[name] = row
    head = ["pattern", "connections a layer", "left out"]
    head += [word for depth in depths for word in (_layers(depth), "at best")]
    return HTML(table(head, rows, "Share of the second half copied right: mean (range over seeds)"))


def _layers(depth: int) -> str:
    return f"{depth} layer{'s' * (depth > 1)}"

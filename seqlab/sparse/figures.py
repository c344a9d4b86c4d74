"""Pictures of what patterns learn: copying by depth, text at one sparsity; pure functions, as in seqlab.draw.figures."""

from __future__ import annotations

import html
from collections.abc import Iterable
from statistics import fmean

import plotly.graph_objects as go
from IPython.display import HTML

from seqlab.colours import BLACK, BLUE, GREEN, GREY, ORANGE, RED
from seqlab.draw.figures import figure
from seqlab.sparse.copying import SYMBOLS, by_pattern

LOOKS = ((ORANGE, "circle"), (BLUE, "diamond"), (GREEN, "square"), (RED, "triangle-up"))


def copying_accuracy(cells: Iterable[dict | object]) -> go.Figure:
    """Accuracy of each pattern, one mark per depth: mean and range over seeds, and a bar at what is possible at all."""
    cells = list(cells)
    table, limits = by_pattern(cells), by_pattern(cells, "ceiling")
    names = list(dict.fromkeys(name for name, _ in table))
    depths = sorted({depth for _, depth in table})
    marks, told = [], []
    for at, depth in enumerate(depths):
        colour, symbol = LOOKS[at % len(LOOKS)]
        shown = [name for name in names if (name, depth) in table]
        values = [table[name, depth] for name in shown]
        x, y = [fmean(v) for v in values], [names.index(name) + 0.22 * (at - (len(depths) - 1) / 2) for name in shown]
        best = [fmean(limits[name, depth]) for name in shown]
        label = f"{depth} layer{'s' * (depth > 1)}"
        marks.append(
            go.Scatter(
                x=best,
                y=y,
                name="possible at best",
                legendgroup="best",
                showlegend=at == 0,
                mode="markers",
                hoverinfo="skip",
                marker={"symbol": "line-ns-open", "size": 12, "color": BLACK, "line": {"width": 2}},
            )
        )
        marks.append(
            go.Scatter(
                x=x,
                y=y,
                name=label,
                mode="markers",
                marker={"color": colour, "symbol": symbol, "size": 10},
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": [max(v) - m for v, m in zip(values, x)],
                    "arrayminus": [m - min(v) for v, m in zip(values, x)],
                    "color": colour,
                },
                customdata=[[name, min(v), max(v), b] for name, v, b in zip(shown, values, best)],
                hovertemplate="%{customdata[0]}, "
                + label
                + ": %{x:.2f} (%{customdata[1]:.2f} to %{customdata[2]:.2f}), at best %{customdata[3]:.2f}<extra></extra>",
            )
        )
        told.append(f"With {label}: " + "; ".join(f"{name} {m:.2f}" for name, m in zip(shown, x)))
    alt = (
        f"Share of the second half copied right, mean over seeds, chance {1 / SYMBOLS:.2f}. {'. '.join(told)}. Lines show the "
        "range over seeds; black bars what is possible at best, given who can hear whom."
    )
    title, unit = "Who can copy?", "share of the second half copied right"
    picture = figure(title, unit, "pattern", alt, *marks, height=150 + 42 * len(names))
    picture.add_vline(x=1 / SYMBOLS, line={"color": GREY, "dash": "dash"}, annotation_text="chance")
    picture.update_xaxes(range=[0, 1.03])
    picture.update_yaxes(
        tickvals=list(range(len(names))), ticktext=names, range=[len(names) - 0.5, -0.5], zeroline=False
    )
    picture.update_layout(margin={"l": 150}, legend={"y": -0.12 - 0.5 / len(names)})
    return picture


def text_nats(cells: Iterable[dict | object]) -> go.Figure:
    """Nats per held-out character of each pattern, best first: one mark per seed, and the mean."""
    table = {name: values for (name, _), values in by_pattern(cells, "nats").items()}
    names = sorted(table, key=lambda name: fmean(table[name]))
    dots = go.Scatter(
        x=[value for name in names for value in table[name]],
        y=[name for name in names for _ in table[name]],
        mode="markers",
        name="each seed",
        marker={"color": ORANGE, "symbol": "diamond", "size": 9, "line": {"width": 1, "color": BLACK}},
        hovertemplate="%{y}: %{x:.3f}<extra>one seed</extra>",
    )
    means = go.Scatter(
        x=[fmean(table[name]) for name in names],
        y=names,
        mode="markers",
        name="mean",
        marker={"color": BLUE, "symbol": "line-ns-open", "size": 22, "line": {"width": 3}},
        hovertemplate="%{y}: %{x:.3f}<extra>mean</extra>",
    )
    told = ", ".join(
        f"{name} {fmean(table[name]):.3f} ({min(table[name]):.3f} to {max(table[name]):.3f})" for name in names
    )
    alt = f"Nats per held-out character, lower is better, mean and range over seeds: {told}."
    picture = figure("Which pattern reads best?", "nats per character (lower is better)", "pattern", alt, means, dots)
    picture.update_yaxes(autorange="reversed")
    picture.update_layout(margin={"l": 90})
    return picture


def copying_table(cells: Iterable[dict | object]) -> HTML:
    """Mean accuracy (range over seeds) by pattern and depth, with what is possible at best, and the cost of a layer."""
    cells = list(cells)
    table, limits, sparsity = by_pattern(cells), by_pattern(cells, "ceiling"), by_pattern(cells, "sparsity")
    connections = by_pattern(cells, "connections")
    depths = sorted({depth for _, depth in table})
    head = "".join(
        f"<th scope='col'>{depth} layer{'s' * (depth > 1)}</th><th scope='col'>at best</th>" for depth in depths
    )
    rows = []
    for name in dict.fromkeys(name for name, _ in table):
        deepest = max(depth for other, depth in table if other == name)
        entries = [f"<th scope='row' style='text-align:left'>{html.escape(name)}</th>"]
        entries += [
            f"<td>{fmean(connections[name, deepest]) / deepest:,.0f}</td><td>{fmean(sparsity[name, deepest]):.0%}</td>"
        ]
        for depth in depths:
            if values := table.get((name, depth)):
                entries.append(f"<td>{fmean(values):.2f} ({min(values):.2f}–{max(values):.2f})</td>")
                entries.append(f"<td>{fmean(limits[name, depth]):.2f}</td>")
            else:
                entries.append("<td>–</td><td>–</td>")
        rows.append(f"<tr>{''.join(entries)}</tr>")
    return HTML(
        "<table><caption>Share of the second half copied right: mean (range over seeds)</caption><thead><tr><th scope='col'>pattern</th>"
        f"<th scope='col'>connections a layer</th><th scope='col'>left out</th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )

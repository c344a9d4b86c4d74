"""Pictures of sigmoid attention in training: fresh heads, curves, three modalities, other lengths; pure functions."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

import plotly.graph_objects as go
from IPython.display import HTML

from seqlab.colours import BLACK, BLUE, GREY, ORANGE, PALETTE
from seqlab.draw.figures import figure
from seqlab.draw.growth import DASHES, MARKS, told_apart
from seqlab.sigmoid.modalities import by_variant


def fresh_heads(
    lengths: Sequence[int], values: Mapping[str, Sequence[float]], what: str, *, axis: str = "n, keys"
) -> go.Figure:
    """A number of a fresh head against n, both logarithmic, one line a normalizer. what: the name of the y axis."""
    lines = told_apart(lengths, values, "n = %{x}: %{y:.3g}")
    told = "; ".join(f"{name}: from {row[0]:.3g} to {row[-1]:.3g}" for name, row in values.items())
    alt = f"{what.capitalize()} of a fresh head; {axis} from {lengths[0]:,} to {lengths[-1]:,}. {told}."
    picture = figure(f"Before the first step: {what}", axis, what, alt, *lines)
    picture.update_xaxes(type="log", tickvals=list(lengths), ticktext=[str(n) for n in lengths])
    picture.update_yaxes(type="log", exponentformat="power")
    return picture


def training_curves(cells: Iterable[dict], variants: Sequence[str], title: str) -> go.Figure:
    """Smoothed training loss of shipped cells, one line a variant (mean over seeds), its range over seeds on hover."""
    lines, told = [], []
    for at, variant in enumerate(variants):
        curves = [cell["curve"] for cell in cells if cell["variant"] == variant]
        steps = [step for step, _ in curves[0]]
        losses = list(zip(*([loss for _, loss in curve] for curve in curves)))
        means = [fmean(row) for row in losses]
        lines.append(
            go.Scatter(
                x=steps,
                y=means,
                name=variant,
                mode="lines",
                customdata=[[min(row), max(row)] for row in losses],
                line={"color": PALETTE[at % len(PALETTE)], "dash": DASHES[at % len(DASHES)], "width": 2.5},
                hovertemplate="step %{x}: %{y:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f})<extra>"
                + variant
                + "</extra>",
            )
        )
        told.append(f"{variant} ends at {means[-1]:.3f}")
    alt = f"{title}: training loss in nats, mean over seeds. {'; '.join(told)}."
    return figure(title, "step", "loss, nats", alt, *lines)


def variant_scores(cells: Iterable[dict | object], score: str, title: str, reference: str = "softmax") -> go.Figure:
    """One row a variant: a stroke at the mean over seeds, one diamond a seed; the band is the range of the seeds of `reference`."""
    table = by_variant(list(cells), score)
    names, means = list(table), {name: fmean(values) for name, values in table.items()}
    low, high = min(table[reference]), max(table[reference])
    kind = {name: "softmax" if name.startswith("softmax") else "sigmoid" for name in names}
    strokes = [
        go.Scatter(
            x=[means[name] for name in names if kind[name] == which],
            y=[name for name in names if kind[name] == which],
            name=f"{which}, mean",
            mode="markers",
            hovertemplate="%{y}: %{x:.3f}<extra>mean over seeds</extra>",
            marker={"symbol": symbol, "size": 20, "color": colour, "line": {"width": 3, "color": colour}},
        )
        for which, colour, symbol in (("softmax", BLACK, "cross-thin-open"), ("sigmoid", BLUE, "line-ns-open"))
    ]
    dots = go.Scatter(
        x=[value for name in names for value in table[name]],
        y=[name for name in names for _ in table[name]],
        name="each seed",
        mode="markers",
        marker={"color": ORANGE, "symbol": "diamond", "size": 8, "line": {"width": 1, "color": BLACK}},
        hovertemplate="%{y}: %{x:.3f}<extra>one seed</extra>",
    )
    told = ", ".join(f"{name} {means[name]:.3f} ({min(v):.3f} to {max(v):.3f})" for name, v in table.items())
    better = "lower is better" if score == "nats" else "higher is better"
    unit = {"nats": "nats on held-out data", "accuracy": "share right on held-out data"}.get(score, score)
    alt = f"{title}, {unit}, {better}: mean (range over seeds). {told}. The band is the range of {reference}."
    picture = figure(title, f"{unit} ({better})", "", alt, *strokes, dots, height=140 + 26 * len(names))
    picture.add_vrect(x0=low, x1=high, fillcolor=GREY, opacity=0.25, line_width=0, layer="below")
    every = [value for values in table.values() for value in values]
    pad = 0.15 * (max(every) - min(every)) or 0.1
    picture.update_xaxes(range=[max(0, min(every) - pad), max(every) + pad])
    picture.update_yaxes(categoryorder="array", categoryarray=names[::-1])
    picture.update_layout(margin={"l": 150}, legend={"y": -0.35 if len(names) < 8 else -0.22})
    return picture


KINDS = {"alibi": "ALiBi", "rope": "RoPE"}


def length_curves(cells: Sequence[dict], lengths: Sequence[int]) -> go.Figure:
    """Nats of the same characters against how much is seen before them; one line a (model, choice of b)."""
    table: dict[str, list[Sequence[float]]] = {}
    for cell in cells:
        for name, row in cell["nats"].items():
            table.setdefault(name, []).append(row)
    means = {name: [fmean(column) for column in zip(*rows)] for name, rows in table.items()}
    lines = [
        go.Scatter(
            x=list(lengths),
            y=means[name],
            name=name,
            mode="lines+markers",
            line={"color": colour, "dash": dash},
            marker={"symbol": symbol, "size": 8},
            error_y={
                "type": "data",
                "symmetric": False,
                "color": colour,
                "array": [max(c) - m for c, m in zip(zip(*rows), means[name])],
                "arrayminus": [m - min(c) for c, m in zip(zip(*rows), means[name])],
            },
            hovertemplate="n = %{x}: %{y:.3f}<extra>" + name + "</extra>",
        )
        for (name, rows), colour, dash, symbol in zip(table.items(), PALETTE, DASHES, MARKS)
    ]
    told = "; ".join(f"{name}: {', '.join(f'{m:.3f}' for m in row)}" for name, row in means.items())
    alt = f"Nats a character, trained at {lengths[0]}, tested at {', '.join(map(str, lengths))}; mean and range over seeds. {told}."
    positions = " and ".join(dict.fromkeys(KINDS[cell["positions"]] for cell in cells))
    title = f"Trained at {lengths[0]} characters, tested at more: {positions}"
    picture = figure(title, "n, characters seen", "nats of the last 64 characters", alt, *lines, height=380)
    picture.update_xaxes(type="log", tickvals=list(lengths), ticktext=[str(n) for n in lengths])
    return picture


def search_table(cells: Iterable[dict]) -> HTML:
    """The search for a setting that needs the fix: held-out nats (and share right) by setting and variant, one seed."""
    table: dict[str, dict[str, dict]] = {}
    for cell in cells:
        table.setdefault(cell["setting"], {})[cell["variant"]] = cell
    variants = list(dict.fromkeys(variant for row in table.values() for variant in row))
    head = "".join(f"<th scope='col'>{html.escape(variant)}</th>" for variant in variants)
    rows = []
    for setting, row in table.items():
        entries = "".join(
            f"<td>{row[v]['nats']:.3f} ({row[v]['accuracy']:.0%})</td>" if v in row else "<td>–</td>" for v in variants
        )
        rows.append(f"<tr><th scope='row' style='text-align:left'>{html.escape(setting)}</th>{entries}</tr>")
    return HTML(
        "<table><caption>Nats on held-out data (share right), one seed</caption><thead><tr><th scope='col'>setting</th>"
        f"{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )

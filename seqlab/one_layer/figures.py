"""Pictures of one attention layer: where names die, how sets are ordered, who memorises; pure functions, as in seqlab.draw.figures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

import plotly.graph_objects as go

from seqlab.colours import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, RED
from seqlab.draw.figures import figure
from seqlab.one_layer.trained import by_arm

PRECISION_LOOKS = {  # colour, dash, symbol at the death point
    "exact": (BLACK, "solid", "circle"),
    "float64": (BLUE, "dash", "diamond"),
    "float32": (GREEN, "dot", "square"),
    "float16": (ORANGE, "dashdot", "triangle-up"),
    "bfloat16": (PURPLE, "longdash", "x"),
}
SIGNS = (("circle", BLUE), ("diamond", ORANGE), ("square", GREEN), ("triangle-up", PURPLE), ("x", GREY))


def separation_by_precision(
    kappas: Sequence[float], gaps: Mapping[str, Sequence[float]], *, floor: float = -40
) -> go.Figure:
    """log10 of the smallest gap (-∞ = none) against the scale κ, one line per precision, with a mark where it dies.

    The death point is the largest κ with all names different. 0 and ∞ have no place on the axis and are left out.
    """
    lines, told = [], []
    finite = [at for at, kappa in enumerate(kappas) if 0 < kappa < math.inf]
    for name, values in gaps.items():
        colour, dash, symbol = PRECISION_LOOKS[name]
        alive = [at for at in finite if values[at] > -math.inf]
        lines.append(
            go.Scatter(
                x=[kappas[at] for at in finite],
                y=[values[at] if values[at] > -math.inf else None for at in finite],
                mode="lines",
                name=name,
                legendgroup=name,
                line={"color": colour, "dash": dash, "width": 4 if name == "exact" else 2.5},
                hovertemplate="κ = %{x:.3g}: 10^%{y:.1f}<extra>" + name + "</extra>",
            )
        )
        if not alive:
            told.append(f"{name} never has a different name for all")
        elif alive[-1] == finite[-1]:
            told.append(f"{name} keeps all names different to the end, where the gap is 10^{values[alive[-1]]:.0f}")
        else:
            last = kappas[alive[-1]]
            lines.append(
                go.Scatter(
                    x=[last, last],
                    y=[values[alive[-1]], floor],
                    mode="lines+markers",
                    legendgroup=name,
                    showlegend=False,
                    line={"color": colour, "dash": dash, "width": 2.5},
                    marker={"symbol": [f"{symbol}-open", symbol], "size": 11, "color": colour},
                    hovertemplate=f"{name} dies after κ = {last:g}<extra></extra>",
                )
            )
            told.append(f"{name} has all names different for the last time at κ = {last:g}")
    alt = f"The smallest gap between two names against the scale κ, both logarithmic: {'; '.join(told)}."
    title, unit = "Where the names die", "log₁₀ of the smallest gap"
    picture = figure(title, "scale κ", unit, alt, *lines, height=420)
    picture.update_xaxes(type="log")
    picture.update_yaxes(range=[floor - 1.5, 1])
    picture.add_annotation(
        x=0.02, y=0.03, xref="paper", yref="paper", text="filled mark: the gap is 0 from here on", showarrow=False
    )
    return picture


def order_of_sets(levels: Sequence[float], values: Mapping[tuple[int, ...], float], *, most: int = 20) -> go.Figure:
    """Sets of levels as columns of dots, in increasing order of their value; below each step, which entry decides it.

    levels:  the numbers that a set's entries index
    values:  set of indices → its value under the Boltzmann operator; the lowest `most` sets are drawn

    A step is decided by the first entry, largest first, in which two neighbours differ. With levels far enough apart it
    goes up in the largest entry and down in every other one, since an entry far below the largest pulls the mean down
    more the larger it is. Steps that break this are red and marked !.
    """
    ranked = sorted(values, key=values.__getitem__)
    ordered = [tuple(sorted(s, reverse=True)) for s in ranked]
    steps = [decided_by(a, b) for a, b in zip(ordered, ordered[1:])]
    good = sum((rank == 0) == up for rank, up in steps)
    shown = ordered[:most]
    marks = []
    for rank in range(len(shown[0])):
        symbol, colour = SIGNS[rank % len(SIGNS)]
        sign = "larger is later ↑" if rank == 0 else "larger is earlier ↓"
        marks.append(
            go.Scatter(
                x=list(range(len(shown))),
                y=[levels[s[rank]] for s in shown],
                mode="lines+markers",
                name=f"entry {rank + 1}: {sign}",
                line={"color": colour, "width": 1, "dash": "dot"},
                marker={"symbol": symbol, "size": 11, "color": colour},
                customdata=[["".join(map(str, s)), values[key]] for s, key in zip(shown, ranked)],
                hovertemplate="set %{customdata[0]}: value %{customdata[1]:.6g}<extra></extra>",
            )
        )
    arrows = [
        {
            "x": at + 0.5,
            "y": -0.12,
            "yref": "paper",
            "text": f"{rank + 1}{'↑' if up else '↓'}{'' if (rank == 0) == up else '!'}",
            "showarrow": False,
            "font": {"color": SIGNS[rank % len(SIGNS)][1] if (rank == 0) == up else RED, "size": 12},
        }
        for at, (rank, up) in enumerate(steps[: len(shown) - 1])
    ]
    first = f"; the first {len(shown)}" if len(shown) < len(ordered) else ""
    alt = (
        f"{len(ordered)} sets of {len(shown[0])} levels in increasing order of boltz{first}: "
        f"{', '.join(''.join(map(str, s)) for s in shown)}. {good} of {len(steps)} steps follow the rule: up in the largest entry, "
        "down in every other."
    )
    picture = figure("Sets in the order of boltz", "", "level", alt, *marks, height=420, annotations=arrows)
    picture.update_xaxes(tickvals=list(range(len(shown))), ticktext=["".join(map(str, s)) for s in shown], side="top")
    picture.update_yaxes(tickvals=list(levels))
    picture.update_layout(margin={"t": 90}, title={"y": 0.97}, legend={"y": -0.2})
    return picture


def decided_by(a: Sequence[int], b: Sequence[int]) -> tuple[int, bool]:
    """(first place in which two sets, largest entry first, differ; whether b is larger there)."""
    if len(a) != len(b) or tuple(a) == tuple(b):
        raise ValueError(f"a, b: got {tuple(a)} and {tuple(b)}, wanted two different sets of the same size")
    return next((at, y > x) for at, (x, y) in enumerate(zip(a, b)) if x != y)


def memorised(cells: Iterable[dict | object], title: str, *, test: bool = False) -> go.Figure:
    """Training accuracy by arm: each seed, the mean, and the exact ceiling; with `test` the accuracy on unseen data too."""
    cells = list(cells)
    table, limits = by_arm(cells), by_arm(cells, "ceiling")
    names = list(table)
    rows = {name: at for at, name in enumerate(names)}
    marks = [
        go.Scatter(
            x=[fmean(limits[name]) for name in names],
            y=[rows[name] for name in names],
            mode="markers",
            name="possible at best",
            marker={"symbol": "line-ns-open", "size": 26, "color": BLACK, "line": {"width": 2}},
            hovertemplate="possible at best: %{x:.3f}<extra></extra>",
        ),
        _seeds(table, rows, "trained: each seed", ORANGE, "diamond", 0.0),
        go.Scatter(
            x=[fmean(table[name]) for name in names],
            y=[rows[name] for name in names],
            mode="markers",
            name="trained: mean",
            marker={"symbol": "line-ns-open", "size": 16, "color": BLUE, "line": {"width": 4}},
            hovertemplate="mean: %{x:.3f}<extra></extra>",
        ),
    ]
    told = [
        f"{n} {fmean(v):.3f} ({min(v):.3f} to {max(v):.3f}; at best {fmean(limits[n]):.3f})" for n, v in table.items()
    ]
    alt = f"{title}: training accuracy, mean and range over seeds: {'; '.join(told)}."
    if test:
        unseen = by_arm(cells, "test")
        marks.append(_seeds(unseen, rows, "sentences never trained on", GREY, "circle-open", 0.25))
        alt += f" On data never trained on: {'; '.join(f'{name} {fmean(v):.3f}' for name, v in unseen.items())}."
    picture = figure(title, "share of labels right", "", alt, *marks, height=170 + 48 * len(names))
    picture.update_xaxes(range=[0, 1.03])
    picture.update_yaxes(tickvals=list(rows.values()), ticktext=names, range=[len(names) - 0.5, -0.5], zeroline=False)
    picture.update_layout(margin={"l": 180}, legend={"y": -0.15 - 0.5 / len(names)})
    return picture


def _seeds(
    table: Mapping[str, Sequence[float]], rows: Mapping[str, int], name: str, colour: str, symbol: str, below: float
) -> go.Scatter:
    return go.Scatter(
        x=[value for values in table.values() for value in values],
        y=[rows[arm] + below for arm, values in table.items() for _ in values],
        mode="markers",
        name=name,
        marker={"color": colour, "symbol": symbol, "size": 9, "line": {"width": 1.5, "color": colour}},
        hovertemplate="%{x:.3f}<extra>" + name + "</extra>",
    )

"""Pictures of the universal construction: errors, thresholds, costs; pure functions, as in seqlab.draw.figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from seqlab import universal
from seqlab.colours import BLUE, GREY, ORANGE, PALETTE, RED
from seqlab.draw.figures import figure
from seqlab.universal import Budget
from seqlab.universal.budget import LAPTOP_LAYERS

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "solid")
SYMBOLS = ("circle", "diamond", "square", "x", "triangle-up", "cross")


def error_curves(levels: Sequence[int], errors: Mapping[str, Sequence[float]]) -> go.Figure:
    """Error against δ, both axes logarithmic, each curve with its slope in the legend."""
    slopes = {name: universal.loglog_slope(levels, values) for name, values in errors.items()}
    lines = [
        go.Scatter(
            x=[1 / n for n in levels],
            y=list(values),
            name=f"{name}: slope {slopes[name]:.2f}",
            mode="lines+markers",
            line={"color": colour, "dash": dash},
            marker={"symbol": symbol, "size": 8},
            hovertemplate="δ = %{x:.3g}: %{y:.3g}<extra>" + name + "</extra>",
        )
        for (name, values), colour, dash, symbol in zip(errors.items(), PALETTE, DASHES, SYMBOLS)
    ]
    told = "; ".join(
        f"{name}: from {v[0]:.3g} to {v[-1]:.3g}, like δ to the power {slopes[name]:.2f}" for name, v in errors.items()
    )
    alt = f"Distance of f and its table for δ from 1/{levels[0]} to 1/{levels[-1]}. {told}."
    picture = figure("Finer cells, smaller error", "width of a cell, δ", "d₂(f, g)", alt, *lines)
    picture.update_xaxes(type="log", tickvals=[1 / n for n in levels], ticktext=[f"1/{n}" for n in levels])
    picture.update_yaxes(type="log")
    return picture


def softmax_curves(
    betas: Sequence[float], errors: Mapping[str, Sequence[float]], thresholds: Mapping[str, float]
) -> go.Figure:
    """The largest error of a name against softmax's scale λ; the line at half a δ, and where each case passes below."""
    floor = 1e-12
    lines = [
        go.Scatter(
            x=list(betas),
            y=[max(e, floor) for e in values],
            name=f"{name}: λ = {thresholds[name]:.0f}",
            mode="lines+markers",
            line={"color": colour, "dash": dash},
            marker={"symbol": symbol, "size": 7},
            hovertemplate="λ = %{x:.3g}: %{y:.2e} δ<extra>" + name + "</extra>",
        )
        for (name, values), colour, dash, symbol in zip(errors.items(), PALETTE, DASHES, SYMBOLS)
    ]
    told = ", ".join(f"{name} from λ = {value:.0f} on" for name, value in thresholds.items())
    alt = f"Largest error of a name under softmax of scale λ. It falls below half a δ for {told}."
    picture = figure(
        "Softmax becomes hardmax", "scale λ", "largest error of a name, in δ (bottom: 0)", alt, *lines, height=380
    )
    picture.add_hline(y=0.5, line={"color": GREY, "dash": "dash"}, annotation_text="half a δ: still the right name")
    picture.update_xaxes(type="log")
    picture.update_yaxes(type="log", exponentformat="power", dtick=3)
    return picture


def relu_curves(epsilons: Sequence[float], errors: Sequence[tuple[float, float]], delta: float) -> go.Figure:
    """What four ReLUs in place of the rounding activation cost: the largest error, and the area under it."""
    sup, area = zip(*errors)
    lines = [
        go.Scatter(
            x=list(epsilons),
            y=list(sup),
            name="largest error",
            mode="lines+markers",
            line={"color": RED},
            marker={"symbol": "x", "size": 9},
        ),
        go.Scatter(
            x=list(epsilons),
            y=list(area),
            name="area (integral)",
            mode="lines+markers",
            line={"color": BLUE, "dash": "dash"},
        ),
    ]
    alt = (
        f"Four ReLUs for the rounding activation, δ = {delta:g}. As ε falls from {max(epsilons):.2g} to {min(epsilons):.2g} "
        f"the area of the error falls from {max(area):.2g} to {min(area):.2g}, but the largest error stays at {max(sup):.3g}."
    )
    picture = figure("Small in area, not in height", "width ε of a ramp", "error", alt, *lines)
    picture.update_xaxes(type="log", exponentformat="power")
    picture.update_yaxes(type="log", exponentformat="power")
    return picture


def budget_curves(shapes: Sequence[tuple[int, int]], levels: Sequence[int], *, positions: bool = True) -> go.Figure:
    """Layers of the network against 1/δ for several (dim, length); a laptop's limit, and where float32 and float64 end."""
    lines, told, marks = [], [], {"float32": ([], []), "float64": ([], [])}
    for (dim, length), colour, dash in zip(shapes, PALETTE, DASHES):
        budgets = [Budget(n, dim, length, positions) for n in levels]
        shown = [b for b in budgets if b.layers < 1e18]
        lines.append(
            go.Scatter(
                x=[b.levels for b in shown],
                y=[b.layers for b in shown],
                name=f"d = {dim}, n = {length}",
                mode="lines",
                line={"color": colour, "dash": dash},
                hovertemplate="1/δ = %{x}: %{y:,.3s} layers<extra></extra>",
            )
        )
        last = universal.finest(dim, length, lambda b: b.laptop, positions=positions)
        told.append(
            f"d = {dim}, n = {length}: the laptop stops at 1/δ = {last}"
            if last
            else f"d = {dim}, n = {length}: never fits"
        )
        for dtype, (x, y) in marks.items():
            end = universal.finest(dim, length, lambda b: b.fits(dtype), positions=positions)
            if levels[0] <= end + 1 <= levels[-1]:
                x.append(end + 1)
                y.append(Budget(end + 1, dim, length, positions).layers)
    for (dtype, (x, y)), symbol in zip(marks.items(), ("x", "diamond-open")):
        lines.append(
            go.Scatter(
                x=x, y=y, name=f"{dtype} dies", mode="markers", marker={"symbol": symbol, "size": 11, "color": RED}
            )
        )
    alt = f"Layers against 1/δ, both logarithmic, {'with' if positions else 'without'} positions. {'; '.join(told)}."
    picture = figure("The depth explodes", "cells per unit, 1/δ", "layers", alt, *lines, height=420)
    picture.add_hline(
        y=LAPTOP_LAYERS,
        line={"color": GREY, "dash": "dash"},
        annotation_text=f"{LAPTOP_LAYERS:,} layers: the laptop stops",
    )
    picture.update_xaxes(type="log")
    picture.update_yaxes(type="log", exponentformat="power", range=[0, 18])
    return picture


def mixer_scores(
    title: str, unit: str, scores: Mapping[str, Sequence[float]], *, baseline: tuple[str, float] | None = None
) -> go.Figure:
    """One diamond per seed for each mixer, the mean as a stroke; `baseline` is a dashed line with a name."""
    names = list(scores)
    means = {name: sum(values) / len(values) for name, values in scores.items()}
    marks = go.Scatter(
        x=names,
        y=list(means.values()),
        name="mean",
        mode="markers",
        hovertemplate="%{x}: %{y:.3f}<extra>mean</extra>",
        marker={"symbol": "line-ew", "size": 44, "line": {"width": 3, "color": BLUE}},
    )
    dots = go.Scatter(
        x=[name for name in names for _ in scores[name]],
        y=[value for name in names for value in scores[name]],
        name="each seed",
        mode="markers",
        marker={"color": ORANGE, "size": 9, "symbol": "diamond", "line": {"width": 1, "color": "black"}},
        hovertemplate="%{x}: %{y:.3f}<extra>one seed</extra>",
    )
    told = ", ".join(f"{name} {means[name]:.3f} ({min(v):.3f} to {max(v):.3f})" for name, v in scores.items())
    alt = f"{title}, {unit}: {told}." + (f" {baseline[0]}: {baseline[1]:.3f}." if baseline else "")
    picture = figure(title, "", unit, alt, marks, dots)
    if baseline:
        picture.add_hline(y=baseline[1], line={"color": GREY, "dash": "dash"}, annotation_text=baseline[0])
    return picture

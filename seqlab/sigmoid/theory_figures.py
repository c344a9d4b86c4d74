"""Pictures of the theory of sigmoid attention: steep heads, Jacobians against their bound, predicted gains.

Pure functions, as in seqlab.draw.figures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import plotly.graph_objects as go
import torch

from seqlab.colours import BLUE, GREY, ORANGE, PALETTE, RED
from seqlab.draw.figures import figure
from seqlab.sigmoid import universal
from seqlab.sigmoid.kernel import Prediction
from seqlab.sigmoid.universal.shift import HEADS, head_outputs

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "solid")
SYMBOLS = ("circle", "diamond", "square", "x", "triangle-up", "cross")
HATCHES = ("", "/", "x", ".", "-", "|")


def four_heads(ids: Sequence[int], low: float, high: float) -> go.Figure:
    """What each of the four steep heads gives every token, and their sum: Ψ."""
    import numpy as np

    row = np.asarray(ids)
    parts = head_outputs(row, Fraction(low), Fraction(high))
    total = universal.selective_sum(torch.tensor(list(ids)), low, high).tolist()
    labels = [f"token {k + 1}: id {value}" for k, value in enumerate(ids)]
    names = [f"{'+' if sign > 0 else '-'}½ head {h + 1}" for h, (_, _, sign) in enumerate(HEADS)]
    bars = [
        go.Bar(
            name=name,
            x=labels,
            y=[sign * float(value) / 4 for value in part.tolist()],
            marker={"color": colour, "pattern": {"shape": hatch}},
            hovertemplate="%{x}: %{y}<extra>" + name + "</extra>",
        )
        for name, (_, _, sign), part, colour, hatch in zip(names, HEADS, parts, PALETTE, HATCHES)
    ]
    marks = go.Scatter(
        x=labels,
        y=total,
        name="sum",
        mode="markers",
        marker={"color": RED, "symbol": "diamond", "size": 13, "line": {"color": "white", "width": 2}},
    )
    told = ", ".join(f"{label} gets {value:g}" for label, value in zip(labels, total))
    alt = f"Four steep heads for the window from {low:g} to {high:g}. They cancel outside the window; in sum {told}."
    return figure("Four heads, one window", "", "added to the token", alt, *bars, marks, barmode="relative")


def steep_curves(
    scales: Sequence[float], errors: Mapping[str, Sequence[float]], thresholds: Mapping[str, float] | None = None
) -> go.Figure:
    """The largest error of a name against the steepness λ; the line at half a δ, errors of 0 at the bottom."""
    floor = 1e-12
    thresholds = thresholds or {}
    shown = {name: f"{name}: λ = {thresholds[name]:.0f}" if name in thresholds else name for name in errors}
    lines = [
        go.Scatter(
            x=list(scales),
            y=[max(e, floor) for e in values],
            name=shown[name],
            mode="lines+markers",
            line={"color": colour, "dash": dash},
            marker={"symbol": symbol, "size": 7},
            hovertemplate="λ = %{x:.3g}: %{y:.2e} δ<extra>" + name + "</extra>",
        )
        for (name, values), colour, dash, symbol in zip(errors.items(), PALETTE, DASHES, SYMBOLS)
    ]
    last = "; ".join(f"{name}: {values[0]:.2g} at first, {values[-1]:.2g} at last" for name, values in errors.items())
    alt = f"Largest error of a name, in δ, for sigmoids of steepness λ from {scales[0]:g} to {scales[-1]:g}. {last}."
    picture = figure(
        "Steep sigmoids become steps",
        "steepness λ",
        "largest error of a name, in δ (bottom: 0)",
        alt,
        *lines,
        height=380,
    )
    picture.add_hline(y=0.5, line={"color": GREY, "dash": "dash"}, annotation_text="half a δ: still the right name")
    picture.update_xaxes(type="log")
    picture.update_yaxes(type="log", exponentformat="power", dtick=3)
    picture.update_layout(showlegend=True)
    return picture


def norms_and_bounds(groups: Mapping[str, Sequence[tuple[float, float]]]) -> go.Figure:
    """A point for each test: Theorem 3.2's bound across, the Jacobian's norm up; no point lies above the diagonal."""
    every = [pair for pairs in groups.values() for pair in pairs]
    if not every or min(min(pair) for pair in every) <= 0:
        raise ValueError("groups: got no pairs, or numbers ≤ 0; wanted (bound, norm) pairs of positive numbers")
    low, high = min(min(pair) for pair in every), max(max(pair) for pair in every)
    points = [
        go.Scatter(
            x=[b for b, _ in pairs],
            y=[n for _, n in pairs],
            name=name,
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 6},
            hovertemplate="bound %{x:.3g}, norm %{y:.3g}<extra>" + name + "</extra>",
        )
        for (name, pairs), colour, symbol in zip(groups.items(), PALETTE, SYMBOLS)
    ]
    line = go.Scatter(
        x=[low, high], y=[low, high], name="norm = bound", mode="lines", line={"color": GREY, "dash": "dash"}
    )
    above = sum(n > b * (1 + 1e-9) for b, n in every)
    closest = max(n / b for b, n in every)
    alt = f"{len(every)} tests: {above} norms lie above their bound; the closest is {closest:.4g} times its bound."
    picture = figure("The Jacobian and its bound", "bound", "largest singular value", alt, line, *points, height=420)
    picture.update_xaxes(type="log", exponentformat="power")
    picture.update_yaxes(type="log", exponentformat="power")
    return picture


def two_norms(x: Sequence[float], norms: Mapping[str, Sequence[float]], *, title: str, axis: str) -> go.Figure:
    """Jacobian norms of sigmoid and softmax side by side against a radius or a length; both axes logarithmic."""
    lines = [
        go.Scatter(
            x=list(x),
            y=list(values),
            name=name,
            mode="lines+markers",
            line={"color": colour, "dash": dash},
            marker={"symbol": symbol, "size": 8},
            hovertemplate=axis + " %{x}: %{y:.3g}<extra>" + name + "</extra>",
        )
        for (name, values), colour, dash, symbol in zip(norms.items(), (ORANGE, BLUE, *PALETTE[2:]), DASHES, SYMBOLS)
    ]
    told = "; ".join(f"{name} from {values[0]:.3g} to {values[-1]:.3g}" for name, values in norms.items())
    alt = f"{title}. As {axis} goes from {x[0]:g} to {x[-1]:g}: {told}."
    picture = figure(title, axis, "largest singular value", alt, *lines)
    picture.update_xaxes(type="log", tickvals=list(x), ticktext=[f"{value:g}" for value in x])
    picture.update_yaxes(type="log")
    return picture


def ascent(ratios: Sequence[float]) -> go.Figure:
    """Gradient ascent on norm / bound: how close to 1 it comes."""
    best = max(ratios)
    line = go.Scatter(y=list(ratios), name="norm / bound", mode="lines", line={"color": BLUE})
    alt = f"Norm over bound during {len(ratios)} steps of gradient ascent: from {ratios[0]:.3g} up to {best:.5f}, never above 1."
    if best > 1 + 1e-9:
        alt = f"Norm over bound during {len(ratios)} steps of gradient ascent: it reaches {best:.5f}, above 1."
    picture = figure("Trying to break the bound", "step", "norm / bound", alt, line)
    picture.add_hline(y=1, line={"color": RED, "dash": "dash"}, annotation_text="the bound")
    picture.update_yaxes(rangemode="tozero")
    return picture


def gains(predictions: Sequence[Prediction]) -> go.Figure:
    """Predicted share of softmax's time that sigmoid saves, under three readings of the limits, beside the published."""
    names = [f"{p.device}, {p.dim}, {'causal' if p.causal else 'full'}" for p in predictions]
    bars = {
        "speed of light": [p.gain for p in predictions],
        "units one after another": [p.gain_without_overlap for p in predictions],
        "issue slots alone": [p.gains.get("issue slots", math.nan) for p in predictions],
    }
    traces = [
        go.Bar(
            name=name,
            x=names,
            y=[100 * value for value in values],
            marker={"color": colour, "pattern": {"shape": hatch}},
            hovertemplate="%{x}: %{y:.1f} %<extra>" + name + "</extra>",
        )
        for (name, values), colour, hatch in zip(bars.items(), PALETTE, HATCHES)
    ]
    measured = [100 * p.published if p.device == "H100" else None for p in predictions]
    marks = go.Scatter(
        x=names,
        y=measured,
        name="published, H100",
        mode="markers",
        marker={"color": RED, "symbol": "diamond", "size": 12},
    )
    told = "; ".join(
        f"{name}: {100 * p.gain:.1f} %, one after another {100 * p.gain_without_overlap:.1f} %"
        for name, p in zip(names, predictions)
    )
    reported = " and ".join(f"{100 * gain:.2f} %" for gain in sorted({p.published for p in predictions}))
    alt = f"Predicted gains of the {predictions[0].step} pass. {told}. Published for an H100: {reported}."
    title = f"How much time sigmoid saves: {predictions[0].step}"
    picture = figure(title, "", "per cent of softmax's time", alt, *traces, marks, barmode="group", height=420)
    picture.update_xaxes(tickvals=names, ticktext=[name.replace(", ", "<br>") for name in names], tickangle=0)
    picture.update_layout(legend={"y": -0.3})
    return picture

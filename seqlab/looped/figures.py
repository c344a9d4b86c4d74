"""Pictures of the looped construction: states loop by loop, memorisers, digits, moduli, rates; pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from jaxtyping import Float
from torch import Tensor

from seqlab import looped
from seqlab.colours import BLUE, GREY, ORANGE, PALETTE, RED
from seqlab.draw.figures import figure
from seqlab.looped.moduli import Moduli
from seqlab.looped.packed import Packed
from seqlab.looped.rate import Point

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "solid")
SYMBOLS = ("circle", "diamond", "square", "x", "triangle-up", "cross")
STAGES = {"tokens": "token ids", "sequence": "sequence id", "values": "values", "done": "at rest"}


def loop_lines(made: Packed, x: Float[Tensor, "token dim"], coordinate: str, *, at: int | None = None) -> go.Figure:
    """One coordinate of every token of a sequence "token dim", loop by loop; stages stand side by side.

    at: a loop to mark
    """
    if coordinate not in made.program.names:
        raise ValueError(f"coordinate: got {coordinate!r}, wanted one of {', '.join(made.program.names)}")
    frames, k = made.trace(x).states, made.program.names.index(coordinate)
    values = [state[0, :, k].astype(float).tolist() for state in frames]
    lines = [
        go.Scatter(
            x=list(range(len(frames))),
            y=[row[n] for row in values],
            name=f"token {n}",
            mode="lines+markers",
            line={"color": colour, "dash": dash, "shape": "hv"},
            marker={"symbol": symbol, "size": 6},
            hovertemplate="after loop %{x}: %{y:.4g}<extra>token " + str(n) + "</extra>",
        )
        for n, (colour, dash, symbol) in enumerate(zip(PALETTE, DASHES, SYMBOLS))
        if n < len(values[0])
    ]
    told = ", ".join(f"token {n} from {a:.4g} to {b:.4g}" for n, (a, b) in enumerate(zip(values[0], values[-1])))
    parts = ["input", *(made.stage(t) for t in range(1, len(frames)))]
    spans = [(part, parts.index(part), len(parts) - 1 - parts[::-1].index(part)) for part in STAGES if part in parts]
    stages = "; ".join(f"{STAGES[part]} in loops {first} to {last}" for part, first, last in spans)
    alt = f"Coordinate {coordinate} after each of {len(frames) - 1} loops of one block: {told}. Stages: {stages}."
    picture = figure(f"One block, loop after loop: {coordinate}", "loops", coordinate, alt, *lines, height=380)
    for even, (part, first, last) in enumerate(spans):
        picture.add_vrect(
            x0=first - 0.5,
            x1=last + 0.5,
            fillcolor=GREY,
            opacity=0.12 if even % 2 else 0.04,
            line_width=0,
            annotation_text=STAGES[part],
            annotation_position="top left",
            annotation_textangle=-90 if last - first < len(parts) / 4 else 0,
            annotation_yanchor="top",
        )
    if at is not None:
        picture.add_vline(
            x=at, line={"color": RED, "dash": "dot"}, annotation_text=f"loop {at}", annotation_position="bottom right"
        )
    return picture


def recalled_table(labels: Sequence[float], recalled: Mapping[str, Sequence[float]], step: float) -> go.Figure:
    """A table k ↦ y_k, and what memorisers recall of it; the band is one largest step wide on either side."""
    k = list(range(len(labels)))
    band = go.Scatter(
        x=k + k[::-1],
        y=[y + step for y in labels] + [y - step for y in labels[::-1]],
        fill="toself",
        name="± largest step",
        fillcolor="rgba(118,118,118,0.15)",
        line={"width": 0},
        hoverinfo="skip",
        mode="lines",
    )
    marks = go.Scatter(
        x=k, y=list(labels), name="label", mode="markers", marker={"color": GREY, "size": 9, "symbol": "circle-open"}
    )
    lines = [
        go.Scatter(
            x=k,
            y=list(values),
            name=name,
            mode="lines+markers",
            line={"color": colour, "dash": dash},
            marker={"symbol": symbol, "size": 6},
            hovertemplate="k = %{x}: %{y:.4g}<extra>" + name + "</extra>",
        )
        for (name, values), colour, dash, symbol in zip(recalled.items(), PALETTE, DASHES, SYMBOLS)
    ]
    errors = {name: max(abs(a - b) for a, b in zip(values, labels)) for name, values in recalled.items()}
    told = "; ".join(f"{name}: largest error {error:.3g}" for name, error in errors.items())
    alt = f"{len(labels)} labels with largest step {step:.3g}, and what is recalled. {told}."
    return figure("A table, recalled by loops", "k", "y", alt, band, marks, *lines)


def roughness_curves(counts: Sequence[int], errors: Mapping[str, Sequence[tuple[float, float]]]) -> go.Figure:
    """Error of the memoriser without a clock against K, with its bound (dotted); both axes logarithmic."""
    lines = []
    for (name, pairs), colour, symbol in zip(errors.items(), PALETTE, SYMBOLS):
        for values, dash, kind in zip(zip(*pairs), ("solid", "dot"), ("", ", largest step")):
            lines.append(
                go.Scatter(
                    x=list(counts),
                    y=list(values),
                    name=name + kind,
                    mode="lines+markers" if not kind else "lines",
                    line={"color": colour, "dash": dash},
                    marker={"symbol": symbol, "size": 8},
                )
            )
    told = "; ".join(f"{name}: from {pairs[0][0]:.3g} to {pairs[-1][0]:.3g}" for name, pairs in errors.items())
    alt = f"Largest error without a clock for K from {counts[0]} to {counts[-1]} labels. {told}."
    picture = figure("Roughness decides, not the number of labels", "labels, K", "largest error", alt, *lines)
    picture.update_xaxes(type="log", tickvals=list(counts), ticktext=[str(k) for k in counts])
    picture.update_yaxes(type="log", exponentformat="power")
    return picture


def lost_digits(positions: Mapping[str, Sequence[int | None]]) -> go.Figure:
    """Over many numbers: the position of the first ternary digit that a floating-point type reads wrongly.

    None, for a number that is read to its end, is left out; a type that reads all of them is an error.
    """
    positions = {name: [at for at in found if at is not None] for name, found in positions.items()}
    if whole := [name for name, found in positions.items() if not found]:
        raise ValueError(f"positions: {', '.join(whole)} read every number to its end; take longer ones")
    bars = []
    for (name, found), colour, pattern in zip(positions.items(), (BLUE, ORANGE, RED), ("/", "x", ".")):
        counted = sorted(Counter(found).items())
        bars.append(
            go.Bar(
                x=[at for at, _ in counted],
                y=[n for _, n in counted],
                name=name,
                marker={"color": colour, "pattern": {"shape": pattern}},
                hovertemplate="position %{x}: %{y}<extra>" + name + "</extra>",
            )
        )
    told = "; ".join(f"{name}: from position {min(found)} to {max(found)}" for name, found in positions.items())
    alt = f"The first ternary digit that is read wrongly, over random numbers. {told}."
    return figure("How many digits fit into one number", "position of the first wrong digit", "numbers", alt, *bars)


def rate_curves(curves: Mapping[str, Sequence[Point]], dim: int = 1, length: int = 2) -> go.Figure:
    """Measured error and the theorem's bound against r, both logarithmic, with a line of the theorem's slope."""
    lines = []
    for (name, points), colour, dash, symbol in zip(curves.items(), PALETTE, DASHES, SYMBOLS):
        lines.append(
            go.Scatter(
                x=[q.r for q in points],
                y=[q.error for q in points],
                name=name,
                mode="lines+markers",
                line={"color": colour, "dash": dash},
                marker={"symbol": symbol, "size": 8},
                text=[f"1/δ = {q.levels}" for q in points],
                hovertemplate="r = %{x:,}, %{text}: %{y:.3g}<extra>" + name + "</extra>",
            )
        )
    points = next(iter(curves.values()))
    slope = looped.rate(dim, length)
    bounds = [q.bound.total for q in points]
    guide = [bounds[0] * (q.r / points[0].r) ** slope for q in points]
    lines += [
        go.Scatter(
            x=[q.r for q in points],
            y=bounds,
            name="bound",
            mode="lines+markers",
            line={"color": RED, "dash": "dash"},
            marker={"symbol": "x"},
        ),
        go.Scatter(
            x=[q.r for q in points],
            y=guide,
            name=f"r to the power {slope:.3g}",
            mode="lines",
            line={"color": GREY, "dash": "dot"},
        ),
    ]
    told = "; ".join(f"{name} from {q[0].error:.3g} to {q[-1].error:.3g}" for name, q in curves.items())
    alt = f"Error against r from {points[0].r:,} to {points[-1].r:,}: {told}; the bound from {bounds[0]:.3g} to {bounds[-1]:.3g}."
    picture = figure(
        "More loops, smaller error, same weights", "loops r of the theorem", "error in L²", alt, *lines, height=400
    )
    picture.update_xaxes(type="log", tickvals=[q.r for q in points], ticktext=[f"{q.r:,}" for q in points])
    picture.update_yaxes(type="log", dtick="D2")
    return picture


def slope_curve(slopes: Sequence[int], errors: Sequence[float], p: float = 2) -> go.Figure:
    """What the ramps of steps of slope M cost in L^p, and a line that falls like M^(-1/p)."""
    guide = [errors[0] * (slope / slopes[0]) ** (-1 / p) for slope in slopes]
    lines = [
        go.Scatter(
            x=list(slopes),
            y=[max(e, 1e-12) for e in errors],
            name="measured",
            mode="lines+markers",
            line={"color": BLUE},
            marker={"size": 8},
        ),
        go.Scatter(
            x=list(slopes),
            y=guide,
            name=f"M to the power {-1 / p:.2g}",
            mode="lines",
            line={"color": GREY, "dash": "dot"},
        ),
    ]
    alt = f"Distance to perfect steps for slopes M from {slopes[0]:,} to {slopes[-1]:,}: from {errors[0]:.3g} to {errors[-1]:.3g}."
    picture = figure("Steeper steps, smaller error", "slope M", f"distance in L^{p:g}", alt, *lines)
    picture.update_xaxes(type="log", tickvals=list(slopes), ticktext=[f"{m:,}" for m in slopes])
    picture.update_yaxes(type="log", exponentformat="power")
    return picture


def moduli_bars(found: Mapping[str, Moduli]) -> go.Figure:
    """The three moduli of several functions, side by side."""
    kinds = (("sequence", BLUE, ""), ("contextual", ORANGE, "/"), ("token", RED, "x"))
    bars = [
        go.Bar(
            x=list(found),
            y=[getattr(m, kind).value for m in found.values()],
            name=kind,
            marker={"color": colour, "pattern": {"shape": pattern}},
            hovertemplate="%{x}: %{y:.3g}<extra>" + kind + "</extra>",
        )
        for kind, colour, pattern in kinds
    ]
    told = "; ".join(
        f"{name}: sequence {m.sequence.value:.3g}, contextual {m.contextual.value:.3g}, token {m.token.value:.3g}"
        for name, m in found.items()
    )
    delta = next(iter(found.values())).delta
    alt = f"Moduli of continuity at δ = {delta:.3g}. {told}."
    return figure("Whom does the function listen to?", "function", f"modulus at δ = {delta:.3g}", alt, *bars)

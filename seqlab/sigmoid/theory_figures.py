"""Pictures of the theory of sigmoid attention: steep heads, Jacobians against their bound, predicted gains."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import plotly.graph_objects as go

from seqlab.colours import BLUE, GREY, ORANGE, RED
from seqlab.draw.figures import figure, log
from seqlab.draw.plots import LOOKS, Look, bars, line, lines
from seqlab.sigmoid import universal
from seqlab.sigmoid.kernel import Prediction
from seqlab.universal.figures import thresholds as threshold_curves

MARK = {"mode": "markers", "marker": {"color": RED, "size": 13, "line": {"color": "white", "width": 2}}}


def four_heads(ids: Sequence[int], low: float, high: float) -> go.Figure:
    """What each of the four steep heads gives every token, and their sum: Ψ."""
    tokens = [(value, Fraction(low), Fraction(high)) for value in ids]
    alone = [universal.shift_heads({0, 1, 2, 3} - {h}) for h in range(4)]
    total = universal.shift_heads().run(tokens)[:, 0].tolist()
    labels = [f"token {k}: id {value}" for k, value in enumerate(ids, 1)]
    rows = {
        f"{sign}½ head {h}": program.run(tokens)[:, 0].astype(float).tolist()
        for h, (sign, program) in enumerate(zip("+-+-", alone), 1)
    }
    told = ", ".join(f"{label} gets {value:g}" for label, value in zip(labels, total))
    return bars(
        "Four heads, one window",
        "",
        "added to the token",
        rows,
        labels,
        alt=f"Four steep heads for the window from {low:g} to {high:g}. They cancel outside the window; in sum {told}.",
        before=[line("sum", labels, total, Look(RED, mark="diamond"), **MARK)],
        barmode="relative",
    )


def steep_curves(
    scales: Sequence[float], errors: Mapping[str, Sequence[float]], thresholds: Mapping[str, float] | None = None
) -> go.Figure:
    """The largest error of a name against the steepness λ; the line at half a δ, errors of 0 at the bottom."""
    return threshold_curves("Steep sigmoids become steps", "steepness λ", scales, errors, thresholds or {})


def norms_and_bounds(groups: Mapping[str, Sequence[tuple[float, float]]]) -> go.Figure:
    """A point for each test: Theorem 3.2's bound across, the Jacobian's norm up; no point lies above the diagonal."""
    every = [pair for pairs in groups.values() for pair in pairs]
    if not every or min(map(min, every)) <= 0:
        raise ValueError("groups: got no pairs, or numbers ≤ 0; wanted (bound, norm) pairs of positive numbers")
    ends = [min(map(min, every)), max(map(max, every))]
    diagonal = line("norm = bound", ends, ends, Look(GREY, "dash"), False)
    hover = "bound %{x:.3g}, norm %{y:.3g}"
    points = [
        line(name, *zip(*pairs), look, mode="markers", marker_size=6, hovertemplate=hover)
        for (name, pairs), look in zip(groups.items(), LOOKS)
    ]
    above = sum(norm > bound * (1 + 1e-9) for bound, norm in every)
    closest = max(norm / bound for bound, norm in every)
    alt = f"{len(every)} tests: {above} norms lie above their bound; the closest is {closest:.4g} times its bound."
    across, up = log("bound"), log("largest singular value")
    return figure("The Jacobian and its bound", across, up, alt, diagonal, *points, height=420)


def two_norms(x: Sequence[float], norms: Mapping[str, Sequence[float]], *, title: str, axis: str) -> go.Figure:
    """Jacobian norms of sigmoid and softmax side by side against a radius or a length; both axes logarithmic."""
    looks = [LOOKS[0]._replace(colour=ORANGE), LOOKS[1]._replace(colour=BLUE), *LOOKS[2:]]
    across, up = log(axis, x, "{:g}".format), log("largest singular value")
    return lines(title, across, up, norms, x, lead=f"{title}. As {axis} goes from {x[0]:g} to {x[-1]:g}:", looks=looks)


def ascent(ratios: Sequence[float]) -> go.Figure:
    """Gradient ascent on norm / bound: how close to 1 it comes."""
    best = max(ratios)
    end = f"it reaches {best:.5f}, above 1" if best > 1 + 1e-9 else f"up to {best:.5f}, never above 1"
    alt = f"Norm over bound during {len(ratios)} steps of gradient ascent: from {ratios[0]:.3g}, {end}."
    up, rows = {"title": "norm / bound", "rangemode": "tozero"}, {"norm / bound": ratios}
    return lines("Trying to break the bound", "step", up, rows, alt=alt, marks=False, levels={"the bound": 1})


def gains(predictions: Sequence[Prediction]) -> go.Figure:
    """Predicted share of softmax's time that sigmoid saves, by three readings of the limits, beside the published."""
    names = [f"{p.device}, {p.dim}, {'causal' if p.causal else 'full'}" for p in predictions]
    told = "; ".join(
        f"{name}: {100 * p.gain:.1f} %, one after another {100 * p.gain_without_overlap:.1f} %"
        for name, p in zip(names, predictions)
    )
    reported = " and ".join(f"{100 * gain:.2f} %" for gain in sorted({p.published for p in predictions}))
    measured = [100 * p.published if p.device == "H100" else None for p in predictions]
    readings = {
        "speed of light": lambda p: p.gain,
        "units one after another": lambda p: p.gain_without_overlap,
        "issue slots alone": lambda p: p.gains.get("issue slots", math.nan),
    }
    return bars(
        f"How much time sigmoid saves: {predictions[0].step}",
        {"title": "", "tickvals": names, "ticktext": [name.replace(", ", "<br>") for name in names], "tickangle": 0},
        "per cent of softmax's time",
        {reading: [100 * share(p) for p in predictions] for reading, share in readings.items()},
        names,
        alt=f"Predicted gains of the {predictions[0].step} pass. {told}. Published for an H100: {reported}.",
        before=[line("published, H100", names, measured, Look(RED, mark="diamond"), **MARK)],
        height=420,
        legend={"y": -0.3},  # below names of three lines
    )

"""Pictures of the looped construction: loops, memorisers, digits, moduli, rates."""

from collections import Counter
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from seqlab import looped
from seqlab.colours import GREY, RED
from seqlab.draw.figures import log
from seqlab.draw.plots import LOOKS, Look, bars, line, lines
from seqlab.looped.moduli import Moduli
from seqlab.looped.rate import Point

GUIDE = Look(GREY, "dot")


def loops_needed(guaranteed: Mapping[int, int], needed: Mapping[int, int]) -> go.Figure:
    """1/δ → loops: those with which the theorem guarantees cells of width δ, and those that the built block takes."""
    return lines(
        "What the theorem guarantees, and what the construction needs",
        log("cells on each axis, 1/δ", guaranteed, str),
        log("loops r"),
        {"guaranteed by the theorem": guaranteed, "needed by the construction": needed},
        lead=f"Loops for {min(guaranteed)} to {max(guaranteed)} cells, both axes logarithmic.",
        told=lambda name, levels, r: f"{name}: {r[0]:,} to {r[-1]:,}",
    )


def recalled_table(labels: Sequence[float], recalled: Mapping[str, Sequence[float]], step: float) -> go.Figure:
    """A table k ↦ y_k, and what memorisers recall of it; the band is one largest step wide on either side."""
    k = list(range(len(labels)))
    edge = [y + step for y in labels] + [y - step for y in labels[::-1]]
    band = line("± largest step", k + k[::-1], edge, GUIDE, False, fill="toself", line_width=0, hoverinfo="skip")
    band.update(fillcolor="rgba(118,118,118,0.15)", hovertemplate=None)
    label = line("label", k, labels, Look(GREY, mark="circle-open"), mode="markers", marker_size=13)

    def told(name: str, _: Sequence, values: Sequence[float]) -> str:
        return f"{name}: largest error {max(abs(a - b) for a, b in zip(values, labels)):.3g}"

    lead = f"{len(labels)} labels with largest step {step:.3g}, and what is recalled."
    return lines("A table, recalled by loops", "k", "y", recalled, lead=lead, told=told, behind=[band, label])


def roughness_curves(counts: Sequence[int], errors: Mapping[str, Sequence[tuple[float, float]]]) -> go.Figure:
    """Error of the memoriser without a clock against K, with its bound (dotted); both axes logarithmic."""
    bounds = [
        line(f"{name}, largest step", counts, [bound for _, bound in pairs], look._replace(dash="dot"), False)
        for (name, pairs), look in zip(errors.items(), LOOKS)
    ]
    return lines(
        "Roughness decides, not the number of labels",
        log("labels, K", counts, str),
        log("largest error"),
        {name: [error for error, _ in pairs] for name, pairs in errors.items()},
        counts,
        lead=f"Largest error without a clock for K from {counts[0]} to {counts[-1]} labels.",
        looks=[look._replace(dash="solid") for look in LOOKS],
        before=bounds,
    )


def lost_digits(positions: Mapping[str, Sequence[int | None]]) -> go.Figure:
    """Over many numbers: the position of the first ternary digit that a floating-point type reads wrongly.

    None, for a number that is read to its end, is left out; a type that reads all of them is an error.
    """
    counts = {name: Counter(at for at in found if at is not None) for name, found in positions.items()}
    if whole := [name for name, found in counts.items() if not found]:
        raise ValueError(f"positions: {', '.join(whole)} read every number to its end; take longer ones")
    return bars(
        "How many digits fit into one number",
        "position of the first wrong digit",
        "numbers",
        {name: dict(sorted(found.items())) for name, found in counts.items()},
        lead="The first ternary digit that is read wrongly, over random numbers.",
        told=lambda name, at, _: f"{name}: from position {at[0]} to {at[-1]}",
    )


def rate_curves(curves: Mapping[str, Sequence[Point]]) -> go.Figure:
    """Measured error and the theorem's bound against r, both logarithmic, with a line of the theorem's slope."""
    points, slope = next(iter(curves.values())), looped.rate()
    r, bounds = [q.r for q in points], [q.bound.total for q in points]
    guide = [bounds[0] * (each / r[0]) ** slope for each in r]
    picture = lines(
        "More loops, smaller error, same weights",
        log("loops r of the theorem", r),
        log("error in L²", dtick="D2"),
        {name: {q.r: q.error for q in found} for name, found in curves.items()},
        lead=f"Error against r from {r[0]:,} to {r[-1]:,}; the bound from {bounds[0]:.3g} to {bounds[-1]:.3g}.",
        before=[
            line("bound", r, bounds, Look(RED, "dash", "x")),
            line(f"r to the power {slope:.3g}", r, guide, GUIDE, False),
        ],
        height=400,
    )
    return picture.update_traces(
        text=[f"1/δ = {q.levels}" for q in points], hovertemplate="r = %{x:,}, %{text}: %{y:.3g}"
    )


def slope_curve(slopes: Sequence[int], errors: Sequence[float]) -> go.Figure:
    """What the ramps of steps of slope M cost in L², and a line that falls like M^(-1/2)."""
    guide = [errors[0] * (slope / slopes[0]) ** -0.5 for slope in slopes]
    return lines(
        "Steeper steps, smaller error",
        log("slope M", slopes),
        log("distance in L²"),
        {"measured": errors},
        slopes,
        lead=f"Distance to perfect steps for slopes M from {slopes[0]:,} to {slopes[-1]:,};",
        floor=1e-12,
        before=[line("M to the power -0.5", slopes, guide, GUIDE, False)],
    )


def moduli_bars(found: Mapping[str, Moduli]) -> go.Figure:
    """The three moduli of several functions, side by side."""
    unit = f"modulus at δ = {next(iter(found.values())).delta:.3g}"
    kinds = ("sequence", "contextual", "token")
    rows = {kind: {name: getattr(moduli, kind).value for name, moduli in found.items()} for kind in kinds}
    lead = f"Moduli of continuity, {unit}."
    return bars("Whom does the function listen to?", "function", unit, rows, lead=lead)

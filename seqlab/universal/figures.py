"""Pictures of the universal construction: errors, thresholds, costs."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from IPython.display import HTML

from seqlab import universal
from seqlab.colours import BLUE, ORANGE, RED
from seqlab.draw.figures import log
from seqlab.draw.plots import Look, line, lines
from seqlab.draw.svg import element, picture, rect, text
from seqlab.universal import Budget
from seqlab.universal.budget import LAPTOP_LAYERS


def digits(sequences: Sequence[Sequence[int]], base: int) -> HTML:
    """The largest id that the sweep leaves of each sequence, as a number to this base: its places hold the gaps.

    Of increasing ids l_1 … l_n: l_n at the place 1, then l_{n-1} - l_n, …, l_1 - l_2, and l_n - l_1 at the highest.
    """
    side, left, drawn, places = 64, 130, [], len(sequences[0])
    for place in range(places, -1, -1):
        x = left + side * (places - place) + side / 2
        drawn.append(text(x, 18, [f"× {base}", element("tspan", str(place), dy=-6, font_size=10)], 13))
    drawn += [
        text(left - 12, 18, "ids, sorted", 12, "end"),
        text(left + side * (places + 1) + 16, 18, "largest id", 12, "start"),
    ]
    for row, sequence in enumerate(sequences):
        ids, y = sorted(sequence), 30 + 40 * row
        holds = [ids[-1] - ids[0], *(a - b for a, b in zip(ids, ids[1:])), ids[-1]]
        value = sum(digit * base**place for digit, place in zip(holds, range(places, -1, -1)))
        drawn.append(text(left - 12, y + 22, ", ".join(map(str, ids)), 13, "end"))
        for at, digit in enumerate(holds):
            look = {
                "fill": ORANGE if digit < 0 else BLUE,
                "fill_opacity": 0.6 * abs(digit) / base,
                "stroke": "currentColor",
            }
            drawn.append(rect(left + side * at, y, side - 6, 34, **look))
            drawn.append(text(left + side * at + side / 2 - 3, y + 22, f"{digit:+d}".replace("-", "−"), 14))
        drawn.append(text(left + side * (places + 1) + 16, y + 22, f"= {value:,}", 14, "start"))
    alt = f"The largest ids after the sweep of {len(sequences)} sequences, each written as digits to the base {base}"
    return HTML(picture(alt, left + side * (places + 1) + 120, 40 + 40 * len(sequences), drawn))


def error_curves(levels: Sequence[int], errors: Mapping[str, Sequence[float]]) -> go.Figure:
    """Error against δ, both axes logarithmic, each curve with its slope in the legend."""
    widths = [1 / n for n in levels]
    return lines(
        "Finer cells, smaller error",
        log("width of a cell, δ", widths, lambda width: f"1/{round(1 / width)}"),
        log("d₂(f, g)"),
        {f"{name}: slope {universal.loglog_slope(levels, row):.2f}": row for name, row in errors.items()},
        widths,
        lead=f"Distance of f and its table for δ from 1/{levels[0]} to 1/{levels[-1]}; slope is the power of δ.",
    )


def thresholds(
    title: str, across: str, scales: Sequence[float], errors: Mapping[str, Sequence[float]], passed: Mapping[str, float]
) -> go.Figure:
    """The largest error of a name against a scale λ; the line at half a δ, and where each case passes below it."""
    shown = {f"{name}: λ = {passed[name]:.0f}" if name in passed else name: row for name, row in errors.items()}
    told = ", ".join(f"{name} from λ = {scale:.0f} on" for name, scale in passed.items())
    below = f" falls below half a δ for {told}" if told else ""
    return lines(
        title,
        log(across),
        log("largest error of a name, in δ (bottom: 0)", dtick=3),
        shown,
        scales,
        lead=f"The largest error of a name{below}; {across} goes from {scales[0]:.3g} to {scales[-1]:.3g}.",
        floor=1e-12,
        levels={"half a δ: still the right name": 0.5},
        height=380,
        showlegend=True,
    )


def relu_curves(epsilons: Sequence[float], errors: Sequence[tuple[float, float]], delta: float) -> go.Figure:
    """What four ReLUs in place of the rounding activation cost: the largest error, and the area under it."""
    sup, area = zip(*errors)
    alt = (
        f"Four ReLUs for the rounding activation, δ = {delta:g}. As ε falls from {max(epsilons):.2g} to "
        f"{min(epsilons):.2g} the area of the error falls from {max(area):.2g} to {min(area):.2g}, but the largest "
        f"error stays at {max(sup):.3g}."
    )
    rows, looks = {"largest error": sup, "area (integral)": area}, (Look(RED, mark="x"), Look(BLUE, "dash"))
    across, up = log("width ε of a ramp"), log("error")
    return lines("Small in area, not in height", across, up, rows, epsilons, alt=alt, looks=looks)


def budget_curves(shapes: Sequence[tuple[int, int]], levels: Sequence[int]) -> go.Figure:
    """Layers with positions against 1/δ for several (dim, length); a laptop's limit, and where floats end."""
    rows, told, ends = {}, [], {"float32": {}, "float64": {}}
    for dim, length in shapes:
        finest = lambda fits: universal.finest(dim, length, fits, positions=True)
        layers = {n: Budget(n, dim, length, True).layers for n in levels}
        rows[f"d = {dim}, n = {length}"] = {n: count for n, count in layers.items() if count < 1e18}
        last = finest(lambda b: b.laptop)
        told.append(f"d = {dim}, n = {length}: {f'the laptop stops at 1/δ = {last}' if last else 'never fits'}")
        for dtype, marks in ends.items():
            end = finest(lambda b: b.fits(dtype)) + 1
            if levels[0] <= end <= levels[-1]:
                marks[end] = Budget(end, dim, length, True).layers
    marks = [
        line(f"{dtype} dies", list(found), found.values(), Look(RED, mark=mark), mode="markers", marker_size=11)
        for (dtype, found), mark in zip(ends.items(), ("x", "diamond-open"))
    ]
    return lines(
        "The depth explodes",
        log("cells per unit, 1/δ"),
        log("layers", range=[0, 18]),
        rows,
        alt=f"Layers against 1/δ, both logarithmic, with positions. {'; '.join(told)}.",
        marks=False,
        before=marks,
        levels={f"{LAPTOP_LAYERS:,} layers: the laptop stops": LAPTOP_LAYERS},
        height=420,
    )

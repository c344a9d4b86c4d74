"""Pictures of what the instruments of `kernels` find; pure functions, as in seqlab.draw.figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from kernels.instruments.instructions import CLASSES
from kernels.instruments.roofline import Roofline
from kernels.instruments.xray import Xray, XrayError
from seqlab.colours import BLUE, ORANGE, PALETTE
from seqlab.draw.figures import figure

HATCHES = ("", "/", "x", "-", ".", "|")


def instruction_mix(reports: Mapping[str, Xray]) -> go.Figure:
    """Instructions by class in the main loop of each kernel (the whole kernel where one has no matrix loop).

    reports: name in the legend -> report, at most six. Raises XrayError for none or for more than one architecture.
    """
    architectures = sorted({report.arch for report in reports.values()})
    if len(architectures) != 1 or len(reports) > len(PALETTE):
        raise XrayError(
            f"reports: got {len(reports)} for {', '.join(architectures) or 'no architecture'}, wanted 1 to {len(PALETTE)} "
            "of one architecture: instructions of different machines do not compare"
        )
    looped = all(report.loops for report in reports.values())
    counts = {name: report.loop if looped else report.instructions for name, report in reports.items()}
    kinds = [kind for kind in CLASSES if any(counted[kind] for counted in counts.values())]
    bars = [
        go.Bar(
            name=name,
            x=kinds,
            y=[counted[kind] for kind in kinds],
            marker={"color": colour, "pattern": {"shape": hatch}},
            hovertemplate="%{x}: %{y}<extra>" + name + "</extra>",
        )
        for (name, counted), colour, hatch in zip(counts.items(), PALETTE, HATCHES)
    ]
    where = "main loop" if looped else "whole kernel"
    told = "; ".join(
        f"{name}: " + ", ".join(f"{counted[kind]} {kind}" for kind in kinds if counted[kind])
        for name, counted in counts.items()
    )
    alt = f"Instructions in the {where} on {architectures[0]}, by class. {told}."
    return figure(
        f"What the {where} is made of ({architectures[0]})", "class", "instructions", alt, *bars, barmode="group"
    )


def traffic(lengths: Sequence[int], moved: Mapping[str, Sequence[int]]) -> go.Figure:
    """Bytes that each way of computing attention moves, against the number of tokens; both axes logarithmic."""
    lines = [
        go.Scatter(
            x=list(lengths),
            y=list(values),
            name=name,
            mode="lines+markers",
            line={"color": colour, "dash": dash},
            hovertemplate="%{x:,} tokens: %{y:.3s}B<extra>" + name + "</extra>",
        )
        for (name, values), colour, dash in zip(
            moved.items(), PALETTE, ("solid", "dash", "dot", "dashdot", "solid", "dash")
        )
    ]
    last = ", ".join(f"{name} {values[-1]:,} bytes" for name, values in moved.items())
    alt = f"Bytes moved from {lengths[0]:,} to {lengths[-1]:,} tokens. At {lengths[-1]:,}: {last}."
    picture = figure("Bytes that must be moved", "tokens", "bytes", alt, *lines)
    picture.update_xaxes(type="log", tickvals=list(lengths), ticktext=[f"{n:,}" for n in lengths])
    picture.update_yaxes(type="log", tickformat=".1s")
    return picture


def counted(sizes: Sequence[int], measured: Sequence[int], formula: Sequence[int]) -> go.Figure:
    """Bytes that the ledger counted for each tile size, on top of the closed form."""
    marks = [
        go.Scatter(x=list(sizes), y=list(formula), name="closed form", mode="lines", line={"color": ORANGE}),
        go.Scatter(
            x=list(sizes),
            y=list(measured),
            name="counted by the ledger",
            mode="markers",
            marker={"color": BLUE, "size": 11, "symbol": "x"},
        ),
    ]
    same = "exactly on" if list(measured) == list(formula) else "off"
    told = ", ".join(f"{count:,} at tile {size}" for size, count in zip(sizes, measured))
    picture = figure(
        "Larger tiles load fewer bytes",
        "queries in a tile",
        "bytes loaded",
        f"Counted bytes lie {same} the closed form: {told}.",
        *marks,
    )
    picture.update_xaxes(type="log", tickvals=list(sizes), ticktext=[str(size) for size in sizes])
    picture.update_yaxes(rangemode="tozero", tickformat=".2s")
    return picture


def limits(lines: Mapping[str, Roofline]) -> go.Figure:
    """The limits of several kernels side by side, in milliseconds; the longest bar of a kernel is its estimate."""
    kinds = list(dict.fromkeys(kind for line in lines.values() for kind in line.limits))
    bars = [
        go.Bar(
            name=kind,
            x=list(lines),
            y=[1e3 * line.limits.get(kind, 0) for line in lines.values()],
            marker={"color": colour, "pattern": {"shape": hatch}},
            hovertemplate="%{x}: %{y:.3f} ms<extra>" + kind + "</extra>",
        )
        for kind, colour, hatch in zip(kinds, PALETTE, HATCHES)
    ]
    told = "; ".join(f"{name}: {1e3 * line.seconds:.2f} ms, bound by {line.binds}" for name, line in lines.items())
    return figure("At least this long", "", "milliseconds", f"Speed-of-light limits. {told}.", *bars, barmode="group")

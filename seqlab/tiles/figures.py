"""Pictures of what the instruments of `kernels` find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from kernels.instruments.instructions import CLASSES
from kernels.instruments.roofline import Roofline
from kernels.instruments.xray import Xray, XrayError
from seqlab.colours import BLUE, GREY, ORANGE, RED
from seqlab.draw.figures import figure, log
from seqlab.draw.plots import LOOKS, Look, bars, line, lines
from seqlab.tiles.timeline import Step, alone


def instruction_mix(reports: Mapping[str, Xray]) -> go.Figure:
    """Instructions by class in the main loop of each kernel (the whole kernel where one has no matrix loop).

    reports: name in the legend -> report, at most six. Raises XrayError for none or for more than one architecture.
    """
    architectures = sorted({report.arch for report in reports.values()})
    if len(architectures) != 1 or len(reports) > len(LOOKS):
        raise XrayError(
            f"reports: got {len(reports)} for {', '.join(architectures) or 'no architecture'}, wanted 1 to "
            f"{len(LOOKS)} of one architecture: instructions of different machines do not compare"
        )
    looped = all(report.loops for report in reports.values())
    counts = {name: report.loop if looped else report.instructions for name, report in reports.items()}
    kinds = [kind for kind in CLASSES if any(counted[kind] for counted in counts.values())]
    where = "main loop" if looped else "whole kernel"
    return bars(
        f"What the {where} is made of ({architectures[0]})",
        "class",
        "instructions",
        {name: {kind: counted[kind] for kind in kinds} for name, counted in counts.items()},
        lead=f"Instructions in the {where} on {architectures[0]}, by class.",
    )


def traffic(lengths: Sequence[int], moved: Mapping[str, Sequence[int]]) -> go.Figure:
    """Bytes that each way of computing attention moves, against the number of tokens; both axes logarithmic."""
    last = ", ".join(f"{name} {values[-1]:,} bytes" for name, values in moved.items())
    alt = f"Bytes moved from {lengths[0]:,} to {lengths[-1]:,} tokens. At {lengths[-1]:,}: {last}."
    across, up = log("tokens", lengths), log("bytes", tickformat=".1s")
    picture = lines("Bytes that must be moved", across, up, moved, lengths, alt=alt)
    return picture.update_traces(hovertemplate="%{x:,} tokens: %{y:.3s}B")


def counted(sizes: Sequence[int], measured: Sequence[int], formula: Sequence[int]) -> go.Figure:
    """Bytes that the ledger counted for each tile size, on top of the closed form."""
    same = "exactly on" if list(measured) == list(formula) else "off"
    told = ", ".join(f"{count:,} at tile {size}" for size, count in zip(sizes, measured))
    return lines(
        "Larger tiles load fewer bytes",
        log("queries in a tile", sizes, str),
        {"title": "bytes loaded", "rangemode": "tozero", "tickformat": ".2s"},
        {"closed form": formula},
        sizes,
        alt=f"Counted bytes lie {same} the closed form: {told}.",
        looks=(Look(ORANGE),),
        marks=False,
        before=[line("counted by the ledger", sizes, measured, Look(BLUE, mark="x"), mode="markers", marker_size=11)],
    )


def limits(kernels: Mapping[str, Roofline]) -> go.Figure:
    """The limits of several kernels side by side, in milliseconds; the longest bar of a kernel is its estimate."""
    kinds = dict.fromkeys(kind for kernel in kernels.values() for kind in kernel.limits)
    rows = {kind: {name: 1e3 * of.limits.get(kind, 0) for name, of in kernels.items()} for kind in kinds}
    told = "; ".join(f"{name}: {1e3 * of.seconds:.2f} ms, bound by {of.binds}" for name, of in kernels.items())
    return bars("At least this long", "", "milliseconds", rows, alt=f"Speed-of-light limits. {told}.")


UNITS = {  # colour and hatch of each
    "memory": (GREY, "."),
    "matrix units": (BLUE, ""),
    "special functions": (ORANGE, "/"),
    "everything else": (RED, "x"),
}


def timeline(kernels: Mapping[str, Sequence[Step]]) -> go.Figure:
    """One tile of each kernel in clocks: a bar for each step, in the lane of the unit that works on it."""
    traces, told = [], []
    for unit, (colour, hatch) in UNITS.items():
        mine = [(name, step) for name, made in kernels.items() for step in made if step.unit == unit]
        bar = go.Bar(
            orientation="h",
            name=unit,
            y=[f"{name}: {'loads' if unit == 'memory' else 'tile'}" for name, _ in mine],
            base=[step.start for _, step in mine],
            x=[step.end - step.start for _, step in mine],
            text=[step.name for _, step in mine],
            hovertext=[f"{step.name}: {step.end - step.start:.0f} clocks on {unit}" for _, step in mine],
            hoverinfo="text",
            marker={"color": colour, "pattern": {"shape": hatch}},
            insidetextanchor="middle",
        )
        traces.append(bar)
    for name, made in kernels.items():
        parts = ", ".join(f"{step.name} {step.end - step.start:.0f}" for step in made)
        told.append(f"{name}: {alone(list(made)):.0f} clocks ({parts})")
    alt = f"Steps of one tile, one after another, loads of the next beside them. {'; '.join(told)}."
    rows = {"title": "kernel", "autorange": "reversed", "automargin": True}
    return figure("One tile, step by step", "clocks of one multiprocessor", rows, alt, *traces, barmode="overlay")

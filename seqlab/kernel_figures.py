"""Pictures of what `kernels.xray` finds; pure functions, as in seqlab.figures."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from kernels.instruments.instructions import CLASSES
from kernels.instruments.xray import Xray, XrayError
from seqlab.colours import PALETTE
from seqlab.figures import figure

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
            name=name, x=kinds, y=[counted[kind] for kind in kinds], marker={"color": colour, "pattern": {"shape": hatch}},
            hovertemplate="%{x}: %{y}<extra>" + name + "</extra>",
        )
        for (name, counted), colour, hatch in zip(counts.items(), PALETTE, HATCHES)
    ]  # fmt: skip
    where = "main loop" if looped else "whole kernel"
    told = "; ".join(
        f"{name}: " + ", ".join(f"{counted[kind]} {kind}" for kind in kinds if counted[kind])
        for name, counted in counts.items()
    )
    alt = f"Instructions in the {where} on {architectures[0]}, by class. {told}."
    return figure(
        f"What the {where} is made of ({architectures[0]})", "class", "instructions", alt, *bars, barmode="group"
    )

"""The one picture of the capstone: what designs cost and how often they are right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from seqlab.capstone.cost import flop
from seqlab.capstone.design import CONTROLS, PAPERS, Design
from seqlab.capstone.quality import MORE, SHIPPED
from seqlab.draw.figures import figure, log
from seqlab.draw.plots import LOOKS, line

BESIDE = ("bottom right", "top right", "bottom right", "top left", "top right", "bottom center")  # of the six papers
HOVER = "%{hovertext}: %{y:.3f}<extra></extra>"


def plane(found: Mapping[Design, Sequence[float]], alone: float) -> go.Figure:
    """Accuracy against FLOP a token: a mark for the mean, bars from the worst seed to the best. alone: the control."""
    yours = {str(design): design for design in found if design not in SHIPPED.values()}
    groups = {"the papers": PAPERS, "controls": CONTROLS, "others (names under the mouse)": MORE, "yours": yours}
    traces, told = [], []
    for (group, designs), look, beside in zip(groups.items(), LOOKS, (BESIDE, ["middle left"] * 9, (), ())):
        shown = {name: design for name, design in designs.items() if design in found}
        thousands = [flop(design) / 1000 for design in shown.values()]
        drawn = line(group, thousands, [found[design] for design in shown.values()], look, hovertext=[*shown])
        words = (
            dict(mode="markers+text", text=[*shown], textposition=beside[: len(shown)])
            if beside
            else {"mode": "markers"}
        )
        traces.append(drawn.update(marker_size=10, hovertemplate=HOVER, **words))
        told += [f"{name} {at:.0f} thousand, {y:.3f}" for name, at, y in zip(shown, thousands, drawn.y)]
    alt = f"Accuracy on the genome against FLOP a token, mean and range over seeds: {', '.join(told)}."
    across = log("thousand FLOP a token, forward", ticks=(50, 75, 100, 150, 225))
    return figure(
        "Cost and quality", across, "accuracy", alt, *traces[::-1], levels={"every block alone": alone}, height=520
    )

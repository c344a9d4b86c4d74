"""Pictures of Big Bird's graph: paths, clustering, mixing, and where random blocks come from; as in seqlab.draw.figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, log

import plotly.graph_objects as go

from seqlab.big_bird.small_world import SmallWorld
from seqlab.colours import BLACK, BLUE, GREEN, GREY, ORANGE, PALETTE, RED
from seqlab.draw.figures import figure
from seqlab.draw.growth import told_apart

HATCHES = ("", "/", "x", ".", "\\", "+")


def path_lengths(lengths: Sequence[int], paths: Mapping[str, Sequence[float]]) -> go.Figure:
    """Mean path against n on two logarithmic axes, one line a graph; a straight rising line is a power of n."""
    lines = told_apart(lengths, paths, "%{x:,} tokens: %{y:.3g} steps")
    told = []
    for name, values in paths.items():
        whole = all(map(isfinite, values))
        grows = (
            f", like n^{log(values[-1] / values[-2]) / log(lengths[-1] / lengths[-2]):.2f} at the end" if whole else ""
        )
        told.append(f"{name} {values[0]:.3g} to {values[-1]:.3g}{grows}")
    alt = f"Mean path between two tokens for n = {lengths[0]:,} to {lengths[-1]:,}: {'; '.join(told)}."
    picture = figure("How far apart are two tokens?", "tokens n", "mean path (steps)", alt, *lines)
    picture.update_xaxes(type="log", tickvals=list(lengths), ticktext=[f"{n:,}" for n in lengths])
    picture.update_yaxes(type="log", tickvals=[1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 10000])
    return picture


def small_world_plane(
    shares: Sequence[float], rewired: Sequence[SmallWorld], others: Mapping[str, SmallWorld]
) -> go.Figure:
    """Clustering against mean path: Watts–Strogatz from ring to random as the rewired share grows, others as marks."""
    if len(shares) != len(rewired):
        raise ValueError(f"rewired: got {len(rewired)} graphs for {len(shares)} shares, wanted one each")
    line = go.Scatter(
        x=[g.clustering for g in rewired],
        y=[g.mean_path for g in rewired],
        name="Watts–Strogatz, share p rewired",
        mode="lines+markers+text",
        line={"color": BLUE},
        marker={"size": 8},
        text=[f"p = {share:g}" for share in shares],
        textposition="bottom right",
        cliponaxis=False,
        hovertemplate="%{text}: clustering %{x:.3f}, path %{y:.2f}<extra></extra>",
    )
    marks = [
        go.Scatter(
            x=[g.clustering],
            y=[g.mean_path],
            name=name,
            mode="markers",
            cliponaxis=False,
            marker={"color": colour, "symbol": mark, "size": 15, "line": {"width": 1, "color": BLACK}},
            hovertemplate=name + ": clustering %{x:.3f}, path %{y:.2f}<extra></extra>",
        )
        for (name, g), colour, mark in zip(
            others.items(), (ORANGE, GREEN, RED, GREY), ("star", "square", "diamond", "x")
        )
    ]
    first, last = rewired[0], rewired[-1]
    told = "; ".join(
        f"{name} has clustering {g.clustering:.2f} and path {g.mean_path:.2f}" for name, g in others.items()
    )
    alt = (
        f"As the rewired share goes from {shares[0]:g} to {shares[-1]:g}, clustering falls from {first.clustering:.2f} to "
        f"{last.clustering:.2f} and the mean path from {first.mean_path:.1f} to {last.mean_path:.1f}. {told}. "
        "A small world lies at the lower right: clustered and close."
    )
    picture = figure(
        "Clustered and close: the small-world corner", "clustering coefficient", "mean path (steps)", alt, line, *marks
    )
    picture.update_xaxes(range=[-0.03, 1])
    picture.update_yaxes(type="log", tickvals=[1, 2, 3, 5, 10, 20, 50, 100, 200, 500])
    return picture


def spectral_gaps(gaps: Mapping[str, float]) -> go.Figure:
    """A bar for the spectral gap of each graph, on a logarithmic axis, with its number."""
    floor = min([gap for gap in gaps.values() if gap > 0], default=1e-3) / 3
    bars = go.Bar(
        x=list(gaps),
        y=[max(gap, floor) for gap in gaps.values()],
        text=[f"{gap:.2g}" for gap in gaps.values()],
        textposition="outside",
        cliponaxis=False,
        marker={
            "color": [PALETTE[at % len(PALETTE)] for at in range(len(gaps))],
            "pattern": {"shape": [HATCHES[at % len(HATCHES)] for at in range(len(gaps))]},
        },
        hovertemplate="%{x}: %{text}<extra></extra>",
    )
    told = ", ".join(f"{name} {gap:.2g}" for name, gap in gaps.items())
    alt = f"Spectral gap 1 - λ₂ of the normalised adjacency, larger is better mixed: {told}."
    picture = figure("How fast does a random walk mix?", "graph", "spectral gap 1 − λ₂", alt, bars)
    picture.update_yaxes(type="log", exponentformat="power", dtick=1, range=[log(floor / 1.5, 10), 0.2])
    return picture


def random_sources(counts: Mapping[str, Sequence[int]], block: int) -> go.Figure:
    """How often each block of keys was drawn at random, one row of bars a plan; block: tokens of a block."""
    plans = {name: list(values) for name, values in counts.items()}
    if not plans or len({len(values) for values in plans.values()}) > 1 or not all(map(sum, plans.values())):
        raise ValueError("counts: wanted at least one plan, all over the same blocks, each with a draw")
    looks = zip(PALETTE, HATCHES)
    bars = [
        go.Bar(
            x=[at * block for at in range(len(values))],
            y=values,
            width=block,
            offset=0,
            name=name,
            marker={"color": colour, "opacity": 0.75, "pattern": {"shape": hatch}},
            hovertemplate="block from token %{x:,}: drawn %{y} times<extra>" + name + "</extra>",
        )
        for (name, values), (colour, hatch) in zip(plans.items(), looks)
    ]
    told = []
    for name, values in plans.items():
        drawn = [at for at, count in enumerate(values) if count]
        told.append(
            f"{name}: {sum(values):,} draws from tokens {drawn[0] * block:,} to {(drawn[-1] + 1) * block - 1:,}, "
            f"{len(drawn)} of {len(values)} blocks"
        )
    alt = f"How often each block of keys was drawn as a random block. {'; '.join(told)}."
    picture = figure("Where do random blocks come from?", "first token of the block of keys", "times drawn", alt, *bars)
    picture.update_layout(barmode="overlay", xaxis={"range": [0, block * max(map(len, plans.values()))]})
    return picture

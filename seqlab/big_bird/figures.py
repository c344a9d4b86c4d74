"""Pictures of Big Bird's graph: paths, clustering, mixing, and where random blocks come from."""

from collections.abc import Mapping, Sequence
from math import isfinite, log10

import plotly.graph_objects as go

from seqlab.big_bird.plan import Plan
from seqlab.big_bird.small_world import SmallWorld
from seqlab.colours import BLUE, GREEN, GREY, ORANGE, RED
from seqlab.draw.figures import figure, log
from seqlab.draw.growth import last_slope
from seqlab.draw.plots import Look, bars, lines

STEPS = [1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 10000]


def rolls(plan: Plan, n: int) -> go.Figure:
    """What stands below each query block: the global blocks, the keys rolled by -w/2 … w/2 places, the random ones.

    A number is a block of keys; × is one that a roll brings round the end, or that the global blocks show already.
    """
    drawn = plan.at(n)
    count, reach, hubs = drawn.blocks, plan.window // 2, drawn.relays
    rows = {f"global {at}": [(ORANGE, j)] * count for at, j in enumerate(hubs)}
    for shift in range(-reach, reach + 1):
        near = range(shift, count + shift)
        rows[f"rolled by {-shift:+d}" if shift else "not rolled"] = [
            (BLUE, j) if 0 <= j < count and j not in hubs else (GREY, "×") for j in near
        ]
    for at, blocks in enumerate(drawn.random[0].T.tolist()):
        rows[f"random {at}"] = [(GREEN, j) if j >= 0 else (GREY, "×") for j in blocks]
    names = list(rows)
    places = [(i, name, *cell) for name in names for i, cell in enumerate(rows[name])]
    x, y, colours, labels = map(list, zip(*places))
    middle = count // 2
    listed = ", ".join(f"{name}: {rows[name][middle][1]}" for name in names)
    alt = (
        f"A table of {len(names)} rows for {count} query blocks; below block {middle} stand {listed}. × is what a "
        f"roll brings round the end or the global blocks have shown. Query blocks {', '.join(map(str, hubs))} are "
        "global: they see all keys, by a dense product that is not drawn."
    )
    marks = go.Scatter(
        x=x,
        y=y,
        mode="markers+text",
        text=labels,
        textfont={"color": "white"},
        marker={"symbol": "square", "size": 24, "color": colours},
        hovertemplate="query block %{x}, %{y}: %{text}<extra></extra>",
    )
    down = {"title": "", "categoryorder": "array", "categoryarray": names[::-1]}
    across = {"title": "query block", "dtick": 1, "showgrid": False}
    return figure("What each query block attends to", across, down, alt, marks, height=130 + 32 * len(names))


def path_lengths(lengths: Sequence[int], paths: Mapping[str, Sequence[float]]) -> go.Figure:
    """Mean path against n on two logarithmic axes, one line a graph; a straight rising line is a power of n."""

    def told(name: str, n: Sequence[int], far: Sequence[float]) -> str:
        grows = f", like n^{last_slope(n, far):.2f} at the end" if all(map(isfinite, far)) else ""
        return f"{name} {far[0]:.3g} to {far[-1]:.3g}{grows}"

    lead = f"Mean path between two tokens for n = {lengths[0]:,} to {lengths[-1]:,}:"
    across, up = log("tokens n", lengths), log("mean path (steps)", STEPS)
    return lines("How far apart are two tokens?", across, up, paths, lengths, lead=lead, told=told)


def small_world_plane(
    shares: Sequence[float], rewired: Sequence[SmallWorld], others: Mapping[str, SmallWorld]
) -> go.Figure:
    """Clustering against mean path: Watts–Strogatz from ring to random as the rewired share grows, others as marks."""
    first, last, track = rewired[0], rewired[-1], "Watts–Strogatz, share p rewired"
    told = (f"{name} has clustering {g.clustering:.2f} and path {g.mean_path:.2f}" for name, g in others.items())
    alt = (
        f"As the rewired share goes from {shares[0]:g} to {shares[-1]:g}, clustering falls from {first.clustering:.2f} "
        f"to {last.clustering:.2f} and the mean path from {first.mean_path:.1f} to {last.mean_path:.1f}. "
        f"{'; '.join(told)}. A small world lies at the lower right: clustered and close."
    )
    across, up = {"title": "clustering coefficient", "range": [-0.03, 1]}, log("mean path (steps)", STEPS[:10])
    graphs = {track: rewired} | {name: [g] for name, g in others.items()}
    rows = {name: {g.clustering: g.mean_path for g in row} for name, row in graphs.items()}
    looks = (Look(BLUE), Look(ORANGE, mark="star"), Look(GREEN, mark="square"), Look(RED, mark="diamond"))
    picture = lines("Clustered and close: the small-world corner", across, up, rows, alt=alt, looks=looks)
    picture.update_traces(marker_size=15, cliponaxis=False)
    said = {"mode": "lines+markers+text", "text": [f"p = {share:g}" for share in shares], "marker_size": 8}
    return picture.update_traces(said, {"name": track}, textposition="bottom right")


def spectral_gaps(gaps: Mapping[str, float]) -> go.Figure:
    """A bar for the spectral gap of each graph, on a logarithmic axis, with its number."""
    floor = min([gap for gap in gaps.values() if gap > 0], default=1e-3) / 3
    told = ", ".join(f"{name} {gap:.2g}" for name, gap in gaps.items())
    picture = bars(
        "How fast does a random walk mix?",
        "graph",
        log("spectral gap 1 − λ₂", dtick=1, range=[log10(floor / 1.5), 0.2]),
        {"spectral gap": {name: max(gap, floor) for name, gap in gaps.items()}},
        alt=f"Spectral gap 1 - λ₂ of the normalised adjacency, larger is better mixed: {told}.",
    )
    said = {"text": [f"{gap:.2g}" for gap in gaps.values()], "hovertemplate": "%{x}: %{text}<extra></extra>"}
    return picture.update_traces(**said, textposition="outside", cliponaxis=False)


def random_sources(counts: Mapping[str, Sequence[int]], block: int) -> go.Figure:
    """How often each block of keys was drawn at random, one row of bars a plan; block: tokens of a block."""
    first = [at * block for at in range(max(map(len, counts.values())))]

    def told(name: str, _: Sequence[int], drawn: Sequence[int]) -> str:
        some = [at for at, count in zip(first, drawn) if count]
        reach = f"from tokens {some[0]:,} to {some[-1] + block - 1:,}, {len(some)} of {len(drawn)} blocks"
        return f"{name}: {sum(drawn):,} draws {reach}"

    picture = bars(
        "Where do random blocks come from?",
        {"title": "first token of the block of keys", "range": [0, first[-1] + block]},
        "times drawn",
        counts,
        first,
        lead="How often each block of keys was drawn as a random block.",
        told=told,
        barmode="overlay",
    )
    hover = "block from token %{x:,}: drawn %{y} times"
    return picture.update_traces(width=block, offset=0, opacity=0.75, hovertemplate=hover)

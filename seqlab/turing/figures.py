"""Who sees whom among the rows of a decoder."""

from collections.abc import Callable

import plotly.graph_objects as go

from seqlab.colours import BLACK, BLUE, ORANGE
from seqlab.draw.figures import figure
from seqlab.turing.graph import rows_for


def two_edges(edges: Callable[[int], tuple[int, int]], steps: int) -> go.Figure:
    """The rows × rows grid of the first machine steps: a mark for each of the two edges (far, near) of a row."""
    rows = range(1, rows_for(steps) + 1)
    ends = [rows_for(j + 1) for j in range(steps)]
    kinds = (
        ("far: a computing row", BLUE, "square"),
        ("near: itself, or the last computing row", ORANGE, "diamond-open"),
    )
    traces = [
        go.Scatter(
            x=[edges(row)[at] for row in rows],
            y=list(rows),
            mode="markers",
            name=name,
            marker={"color": colour, "symbol": mark, "size": 8, "line": {"width": 2}},
            hovertemplate="row %{y} sees row %{x}<extra></extra>",
        )
        for at, (name, colour, mark) in enumerate(kinds)
    ]
    bounds = [{"type": "line", "x0": 0.5, "x1": end + 0.5, "y0": end + 0.5, "y1": end + 0.5} for end in ends]
    alt = (
        f"Grid of the {len(rows)} decoder rows of {steps} machine steps. Each row has at most two marks: one in the"
        f" column of a computing row ({', '.join(map(str, ends))}), from left to right within a block, and one on the"
        " diagonal, or left of it at the beginning of a block. A line closes each block."
    )
    look = {"color": BLACK, "width": 1, "dash": "dot"}
    down = {"title": "row that asks", "autorange": "reversed", "dtick": 5}
    across = {"title": "row that is seen", "dtick": 5}
    shapes = [{**bound, "line": look} for bound in bounds]
    return figure("Two edges a row", across, down, alt, *traces, shapes=shapes, height=560)

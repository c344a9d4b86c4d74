"""Pictures of lab 13: one number for each head, and how near heads are to other normalizers."""

from __future__ import annotations

import plotly.graph_objects as go
from jaxtyping import Float
from torch import Tensor

from seqlab.colours import BLUE, GREEN, ORANGE
from seqlab.draw.figures import figure


def heads(values: Float[Tensor, "layer head"], title: str, unit: str) -> go.Figure:
    """A square for each head of each layer, with its number."""
    layer, head = divmod(int(values.argmax()), values.shape[1])
    heat = go.Heatmap(
        z=values.tolist(),
        colorscale="Cividis",
        zmin=0,
        zmax=max(1.0, float(values.max())),
        colorbar={"title": unit},
        hovertemplate="layer %{y}, head %{x}: %{z:.3f}<extra></extra>",
    )
    alt = f"{title}, for every layer and head. The largest, {values.max():.2f}, is head {head} of layer {layer}."
    return figure(title, {"title": "head", "dtick": 1}, {"title": "layer", "dtick": 1}, alt, heat, height=380)


def kinds(found: dict[str, Float[Tensor, "layer head 3"]]) -> go.Figure:
    """Every head as a mark: how far from hardmax, and how far from the average; one mark for each model."""
    looks = zip((BLUE, ORANGE, GREEN), ("circle", "x", "diamond"))
    dots = [
        go.Scatter(
            x=far[..., 1].flatten().tolist(),
            y=far[..., 0].flatten().tolist(),
            mode="markers",
            name=name,
            marker={"color": colour, "symbol": symbol, "size": 7},
            customdata=[f"layer {n // far.shape[1]}, head {n % far.shape[1]}" for n in range(far[..., 0].numel())],
            hovertemplate="%{customdata}: %{y:.2f} from hardmax, %{x:.2f} from the average<extra>" + name + "</extra>",
        )
        for (name, far), (colour, symbol) in zip(found.items(), looks)
    ]
    told = (
        f"{name}: {far[..., 0].median():.2f} and {far[..., 1].median():.2f} in the middle"
        for name, far in found.items()
    )
    alt = f"How far each head is from hardmax and from the average. {'; '.join(told)}."
    axes = (
        {"title": f"share of weight to move to be {what}", "range": [-0.02, 1.02]}
        for what in ("the average", "hardmax")
    )
    return figure("Every head, between hardmax and the average", *axes, alt, *dots, height=420)

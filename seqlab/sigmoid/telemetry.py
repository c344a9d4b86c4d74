"""What a forward pass went through, as numbers a layer: norms, row sums, entropy, saturation."""

from __future__ import annotations

import torch
from torch import Tensor

from seqlab.sigmoid.transformer import Batch, Bias, Transformer

MEASURES = {  # name → what it says
    "row sum": "mean sum of a row of weights",
    "attention norm": "mean length of a row of weights",
    "mixed norm": "mean length of weights times values, a head",
    "projected norm": "mean length of what leaves the attention",
    "added norm": "mean length of what is added to the stream: after hybrid-norm and LayerScale",
    "residual norm": "mean length of a token in the stream, after the layer",
    "entropy": "mean entropy of a row scaled to sum 1, in nats",
    "at one": "share of weights above 0.99: P (1 - P) is nearly 0, so nothing is learned there",
    "at zero": "share of weights below a hundredth of 1 / keys",
    "saturated": "both shares together",
}


class Telemetry:
    """A `record` for `Transformer`: pass it along, then read `table`, measure → one number a layer.

    Only rows of real tokens count, and only keys that a row may see. `table["residual norm"]` has one more entry than
    the others, the embedding in front.
    """

    def __init__(self, real: Tensor | None = None):
        self.real = real
        self.table: dict[str, list[float]] = {name: [] for name in MEASURES}
        self.allowed: Tensor | None = None

    @torch.no_grad()
    def __call__(self, layer: int, name: str, value: Tensor) -> None:
        if name == "allowed":
            self.allowed = value
        elif name == "weights":
            self._weights(value)
        elif name in ("mixed", "projected", "added", "residual"):
            self.table[f"{name} norm"].append(self._mean(value.norm(dim=-1)))

    def _weights(self, weights: Tensor) -> None:
        allowed = self.allowed.expand(weights.shape)
        keys, sums = allowed.sum(-1, keepdim=True), weights.sum(-1, keepdim=True)
        share = weights / sums.clamp(min=1e-30)
        at_one, at_zero = (
            (where & allowed).sum(-1) / keys[..., 0] for where in (weights > 0.99, weights < 0.01 / keys)
        )
        for name, row in (
            ("row sum", sums[..., 0]),
            ("attention norm", weights.norm(dim=-1)),
            ("entropy", -torch.xlogy(share, share).sum(-1)),
            ("at one", at_one),
            ("at zero", at_zero),
            ("saturated", at_one + at_zero),
        ):
            self.table[name].append(self._mean(row))

    def _mean(self, rows: Tensor) -> float:
        """Mean over real tokens of "batch token" or "batch head token"."""
        if self.real is None:
            return rows.mean().item()
        real = self.real if rows.ndim == 2 else self.real[:, None].expand(rows.shape)
        return rows[real].mean().item()


@torch.no_grad()
def measure(model: Transformer, batch: Batch, *, bias: Bias | None = None) -> dict[str, list[float]]:
    """All of `MEASURES` on one batch, one number a layer."""
    telemetry = Telemetry(batch.real)
    model(batch.inputs, batch.real, bias=bias, record=telemetry)
    return telemetry.table

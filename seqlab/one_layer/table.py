"""A look-up table as one ReLU layer: a continuous function through sorted (id, label) pairs, flat around every id.

    y(z) = y_1 + Σ_k (y_{k+1} - y_k) [ReLU(s_k (z - lo_k)) - ReLU(s_k (z - hi_k))],   s_k = 1 / (hi_k - lo_k)

lo_k and hi_k lie a quarter and three quarters of the way from id k to id k+1: two hinges per change of label.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class Table:
    """Hinges at `low` and `high`, increasing, with the values before, between and after them: one more value than hinges.

    Positions are floats, or mpmath numbers where floats are too coarse; then only `look_up` works.
    """

    low: tuple
    high: tuple
    values: Float[Tensor, "step out"]

    @property
    def hidden(self) -> int:
        """ReLU units: two per change of label."""
        return 2 * len(self.low)

    def layers(self, direction: Float[Tensor, dim]) -> tuple[nn.Linear, nn.Linear]:
        """W_1, b_1 (reading direction · x) and W_2, b_2, in float64."""
        low, high = (torch.tensor([float(x) for x in side], dtype=torch.float64) for side in (self.low, self.high))
        slope = 1 / (high - low)
        steps = self.values.diff(dim=0).T
        up = _linear(torch.cat([slope, slope])[:, None] * direction, torch.cat([-slope * low, -slope * high]))
        return up, _linear(torch.cat([steps, -steps], dim=1), self.values[0])

    def look_up(self, z: object) -> Float[Tensor, out]:
        """The same function of one number in the arithmetic of the hinges."""
        k = bisect_right(self.low, z) - 1
        if k < 0:
            return self.values[0]
        if z >= self.high[k]:
            return self.values[k + 1]
        share = float((z - self.low[k]) / (self.high[k] - self.low[k]))
        return self.values[k] + share * (self.values[k + 1] - self.values[k])


def table(
    ids: Sequence[object], labels: Sequence[float] | Sequence[Sequence[float]] | Float[Tensor, "id out"]
) -> Table:
    """The table for pairs of an id (a number, floats or mpmath) and a label (one number or a vector).

    Neighbours with equal labels need no hinge between them. Raises ValueError for equal ids with different labels, or none.
    """
    rows = torch.as_tensor(labels, dtype=torch.float64)
    rows = rows[:, None] if rows.ndim == 1 else rows
    if len(ids) != len(rows) or not len(rows):
        raise ValueError(f"labels: got {len(rows)} for {len(ids)} ids, wanted one per id and at least one")
    order = sorted(range(len(ids)), key=ids.__getitem__)
    low, high, values = [], [], [rows[order[0]]]
    for a, b in zip(order, order[1:]):
        if torch.equal(rows[a], rows[b]):
            continue
        gap = ids[b] - ids[a]
        if not gap > 0:
            raise ValueError(
                f"ids: {ids[a]} occurs with the labels {rows[a].tolist()} and {rows[b].tolist()}; a table needs one"
            )
        low.append(ids[a] + gap / 4)
        high.append(ids[b] - gap / 4)
        values.append(rows[b])
    return Table(tuple(low), tuple(high), torch.stack(values))


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(1, 1, device="meta")
    layer.out_features, layer.in_features = weight.shape
    layer.weight = nn.Parameter(weight, requires_grad=False)
    layer.bias = nn.Parameter(bias, requires_grad=False)
    return layer

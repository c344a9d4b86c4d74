"""A look-up table as one ReLU layer: a continuous function through sorted (id, label) pairs, flat around every id.

    y(z) = y_1 + Σ_k (y_{k+1} - y_k) [ReLU(s_k (z - lo_k)) - ReLU(s_k (z - hi_k))],   s_k = 1 / (hi_k - lo_k)

lo_k and hi_k lie a quarter and three quarters of the way from id k to id k+1: two hinges per change of label.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqlab.layers import linear


@dataclass(frozen=True)
class HingeTable:
    """Hinges at `low` and `high`, increasing, with the values before, between and after them: one more value than
    hinges.

    Positions are floats, or mpmath numbers where floats are too coarse; then only `look_up` works.
    """

    low: list
    high: list
    values: Float[Tensor, "step out"]

    def layers(self, direction: Float[Tensor, "dim"]) -> tuple[nn.Linear, nn.Linear]:
        """W_1, b_1 (reading direction · x) and W_2, b_2, in float64."""
        low, high = torch.tensor([self.low, self.high], dtype=torch.float64)
        slope, steps = 1 / (high - low), self.values.diff(dim=0).T
        up = linear(torch.cat([slope, slope])[:, None] * direction, torch.cat([-slope * low, -slope * high]))
        return up, linear(torch.cat([steps, -steps], dim=1), self.values[0])

    def look_up(self, z: object) -> Float[Tensor, "out"]:
        """The same function of one number in the arithmetic of the hinges."""
        k = bisect_right(self.low, z) - 1
        if k < 0:
            return self.values[0]
        share = min(float((z - self.low[k]) / (self.high[k] - self.low[k])), 1.0)
        return torch.lerp(self.values[k], self.values[k + 1], share)


def hinge_table(ids: Sequence[object], labels: Float[Tensor, "id out"]) -> HingeTable:
    """The table for pairs of an id (a number, floats or mpmath) and a label (a row of numbers).

    Neighbours with equal labels need no hinge between them. Raises ValueError for equal ids with different labels.
    """
    order = sorted(range(len(ids)), key=ids.__getitem__)
    changes = [(a, b) for a, b in pairwise(order) if not torch.equal(labels[a], labels[b])]
    for a, b in changes:
        if ids[a] == ids[b]:
            raise ValueError(
                f"ids: {ids[a]} occurs with the labels {labels[a].tolist()} and {labels[b].tolist()}, and a table needs"
                " one; if two names have the same id in float64, take a smaller scale or exact arithmetic"
            )
    low = [ids[a] + (ids[b] - ids[a]) / 4 for a, b in changes]
    high = [ids[b] - (ids[b] - ids[a]) / 4 for a, b in changes]
    return HingeTable(low, high, labels[[order[0], *(b for _, b in changes)]])

"""A look-up table as one ReLU layer: a continuous function through (id, label) pairs, flat around every id.

    y(z) = y_1 + Σ_k (y_{k+1} - y_k) [ReLU(s_k (z - lo_k)) - ReLU(s_k (z - hi_k))],   s_k = 1 / (hi_k - lo_k)

lo_k and hi_k lie a quarter and three quarters of the way from id k to id k+1: two hinges per change of label.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqlab.layers import linear


def hinges(ids: Float[Tensor, "id"], labels: Float[Tensor, "id out"], direction: Float[Tensor, "dim"]) -> nn.Sequential:
    """W_1, b_1 (reading direction · x), ReLU, W_2, b_2: direction · x being one of the ids gives its label.

    Neighbours with equal labels need no hinge between them.
    """
    order = ids.argsort()
    z, y = ids[order], labels[order]
    changes = (y.diff(dim=0) != 0).any(dim=-1)
    left, gap, steps = z[:-1][changes], z.diff()[changes], y.diff(dim=0)[changes].T
    low, high, slope = left + gap / 4, left + 3 * gap / 4, 2 / gap
    up = linear(torch.cat([slope, slope])[:, None] * direction, torch.cat([-slope * low, -slope * high]))
    return nn.Sequential(up, nn.ReLU(), linear(torch.cat([steps, -steps], dim=1), y[0]))

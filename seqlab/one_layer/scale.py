"""The scale whose names a float keeps furthest apart, and the head of a memoriser.

κ = 0 is the plain average, which confuses sets with the same mean; a large κ is hardmax, whose names differ by less
than any float resolves. Between them lies the scale that a machine can use, usually well below the theorem's. Where no
two means agree, as with random vectors, that is often the smallest scale of the grid: the head is then nearly an
average.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seqlab.names.separation import names
from seqlab.one_layer import projection
from seqlab.one_layer.boltzmann import gap
from seqlab.one_layer.head import RankOneHead
from seqlab.one_layer.sequences import Data


def best_scale(data: Data, direction: Float[Tensor, "dim"]) -> float:
    """The κ whose names of one token, in float64, are furthest apart: a grid of scales, then a finer one around the
    best.
    """

    def apart(kappa: float) -> float:
        return data.closest(data.by_context(data.each(lambda x: names(x @ direction, float(kappa)))))

    largest = (data.vectors @ direction).abs().max().item()
    grid = np.geomspace(0.02, 200, 60) * gap(data.length) / 5 / largest**2
    best = max(range(60), key=lambda at: apart(grid[at]))
    return float(max(np.geomspace(grid[max(best - 1, 0)], grid[min(best + 1, 59)], 25), key=apart))


def naming_head(data: Data, *, kappa: float | None = None, seed: int = 0) -> RankOneHead:
    """The head of a memoriser: its ids are read along v, so it moves them by a quarter of the gap of tokens along v."""
    if len(data.vectors) < 2:
        return RankOneHead(data, torch.eye(data.dim, dtype=torch.float64)[0], kappa or 1.0, 0.25)
    v = projection.search(data.vectors, seed=seed)
    t = data.vectors @ v
    shift = (t.sort().values.diff().min() / (4 * t.abs().max())).item()
    return RankOneHead(data, v, best_scale(data, v) if kappa is None else kappa, shift)

"""The scale whose names a float keeps furthest apart, and the head of a memoriser.

κ = 0 is the plain average, which confuses sets with the same mean; a large κ is hardmax, whose names differ by less
than any float resolves. Between them lies the scale that a machine can use, usually well below the theorem's. Where no
two means agree, as with random vectors, that is often the smallest scale of the grid: the head is then nearly an
average.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seqlab.names.separation import names
from seqlab.one_layer import projection
from seqlab.one_layer.boltzmann import gap
from seqlab.one_layer.head import RankOneHead, rank_one_head
from seqlab.one_layer.separated import Data


def naming_head(
    data: Data, *, kappa: float | None = None, size: int = 1, candidates: int = 400, seed: int = 0
) -> tuple[RankOneHead, float]:
    """The head of a memoriser: its ids are read along v, so it moves them by a quarter of the gap of tokens along v.

    Returns it with its headroom: orders of magnitude of the closest two ids above the rounding of float64.
    """
    if len(data.vocabulary) < 2:
        first = torch.eye(data.dim, dtype=torch.float64)[0]
        return RankOneHead(data, first, 1.0 if kappa is None else kappa, 0.25, size), math.inf
    v = projection.search(data.vectors, candidates=candidates, seed=seed)
    t = data.vectors @ v
    shift = (t.sort().values.diff().min() / (4 * t.abs().max())).item()
    kappa = best_scale(data, v) if kappa is None else kappa
    head = rank_one_head(data, kappa, shift=shift, size=size, direction=v)
    ids = (t[data.kinds] + shift * float_names(data, v, kappa)).sort().values
    step = ids.diff().min().item() if len(ids) > 1 else math.inf
    return head, math.log10(step / (ids.abs().max().item() * 2.0**-52)) if step > 0 else -math.inf


def best_scale(data: Data, direction: Float[Tensor, dim]) -> float:
    """The κ whose names of one token, in float64, are furthest apart: a grid of scales, then a finer one around the
    best.
    """
    largest = (data.vectors @ direction).abs().max().item()
    grid = np.geomspace(0.02, 200, 60) * gap(data.length) / 5 / largest**2
    best = _best(data, direction, grid)
    finer = np.geomspace(grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)], 25)
    return float(finer[_best(data, direction, finer)])


def _best(data: Data, direction: Tensor, scales: np.ndarray) -> int:
    return int(np.argmax([data.closest(float_names(data, direction, kappa)) for kappa in scales]))


def float_names(data: Data, direction: Float[Tensor, dim], kappa: float) -> Float[Tensor, context]:
    """m(c, S) of every context in float64: what the head of size one of lab 01 gives to v·x."""
    return data.each(lambda x: names(x @ direction, float(kappa)))[data.first]

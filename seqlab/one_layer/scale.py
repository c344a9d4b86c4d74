"""The scale whose names a float keeps furthest apart, and the head of a memoriser.

κ = 0 is the plain average, which confuses sets with the same mean; a large κ is hardmax, whose names differ by less than
any float resolves. Between them lies the scale that a machine can use, usually well below the theorem's. Where no two means
agree, as with random vectors, that is often the smallest scale of the grid: the head is then nearly an average.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seqlab.one_layer import projection, separated
from seqlab.one_layer.boltzmann import gap
from seqlab.one_layer.head import RankOneHead, rank_one_head
from seqlab.one_layer.separated import Data


def naming_head(
    sequences: Iterable | Data, *, kappa: float | None = None, size: int = 1, candidates: int = 400, seed: int = 0
) -> tuple[RankOneHead, float]:
    """The head of a memoriser: its ids are read along v, so it moves them by a quarter of the gap of tokens along v.

    Returns it with its room: decades of the closest two ids above the rounding of float64.
    """
    known = separated.data(sequences)
    x = known.vectors()
    if len(x) < 2:
        return RankOneHead(known, _unit(known.dim), 1.0 if kappa is None else kappa, 0.25, size), math.inf
    v = projection.search(x, candidates=candidates, seed=seed).direction
    t = torch.sort(x @ v).values
    shift = (t.diff().min() / (4 * t.abs().max())).item()
    kappa = best_scale(known, v) if kappa is None else kappa
    return rank_one_head(known, kappa, shift=shift, size=size, direction=v), _room(known, v, kappa, shift)


def best_scale(known: Data, direction: Float[Tensor, dim]) -> float:
    """The κ whose names of one token, in float64, are furthest apart: a grid of scales, then a finer one around the best."""
    largest = (known.vectors() @ direction).abs().max().item()
    grid = np.geomspace(0.02, 200, 60) * gap(known.length) / 5 / largest**2
    best = _best(known, direction, grid)
    finer = np.geomspace(grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)], 25)
    return float(finer[_best(known, direction, finer)])


def _best(known: Data, direction: Tensor, scales: np.ndarray) -> int:
    return int(np.argmax([_closest_float(known, direction, kappa) for kappa in scales]))


def _closest_float(known: Data, direction: Tensor, kappa: float) -> float:
    """The smallest distance of two names of one token (in different bags) in float64."""
    names = float_names(known, direction, kappa)
    kinds = np.array([token for token, _ in known.places])
    order = np.lexsort((names, kinds))
    steps, same = np.diff(names[order]), np.diff(kinds[order]) == 0
    return float(steps[same].min()) if same.any() else math.inf


def _room(known: Data, direction: Tensor, kappa: float, shift: float) -> float:
    t = (known.vectors() @ direction).numpy()
    ids = np.sort(t[[token for token, _ in known.places]] + shift * float_names(known, direction, kappa))
    step = np.diff(ids).min() if len(ids) > 1 else math.inf
    return math.log10(step / (np.abs(ids).max() * 2.0**-52)) if step > 0 else -math.inf


def float_names(known: Data, direction: torch.Tensor, kappa: float) -> np.ndarray:
    """m(c, S) of every context of `known.places`, in float64 and in that order: vectorised, for scale searches."""
    t = (known.vectors() @ direction).numpy()
    names = np.empty(len(known.places))
    by_length: dict[int, list[int]] = {}
    keys = list(known.places)
    for at, (_, bag) in enumerate(keys):
        by_length.setdefault(len(bag), []).append(at)
    for at in by_length.values():
        values = t[np.array([keys[p][1] for p in at])]
        scores = kappa * t[np.array([keys[p][0] for p in at])][:, None] * values
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        names[at] = (weights * values).sum(axis=1) / weights.sum(axis=1)
    return names


def _unit(dim: int) -> Float[Tensor, dim]:
    return torch.eye(dim, dtype=torch.float64)[0]

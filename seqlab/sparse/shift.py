"""The selective shift, and the shift by the largest id, where each token looks at its own neighbourhood.

| paper symbol (Yun et al. 2020)                  | name                                   |
| ----------------------------------------------- | -------------------------------------- |
| Ψ^l: max - min over A_k^l where b_Q < l_k < b_Q' | sparse_shift(ids, seen, low, high)     |
| Ω^l: c · max over A_k^l                         | all_max_shift(ids, seen, c)            |
| Ψ^l by two heads of size one                    | shift_heads(sees)                      |
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Num
from torch import Tensor

from seqlab import universal
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness, judge
from seqlab.written import Program

SPARSE_SHIFT = Statement(
    "sparse selective shift",
    "Yun et al. 2020, proof of the sparse contextual mapping",
    "Two hardmax heads of size 1 that see A_k only add max(l) - min(l) over A_k where low < l_k < high, and 0"
    " elsewhere.",
    (Hypothesis("restricted", "both heads are restricted to the pattern before hardmax"),),
)


def sparse_shift(
    ids: Num[Tensor, "*batch token"], seen: Bool[Tensor, "token token"], low: float, high: float
) -> Num[Tensor, "*batch token"]:
    """Ψ in closed form: `max - min` of the ids that token k sees where low < ids[k] < high, 0 elsewhere.

    seen: "query key", true = may look. A token that sees nobody gets 0. Raises ValueError unless low < high.
    """
    if not low < high:
        raise ValueError(f"low, high: got {low} and {high}, wanted low < high")
    largest, smallest = _extremes(ids, seen)
    return torch.where((ids > low) & (ids < high), largest - smallest, torch.zeros_like(ids))


def all_max_shift(
    ids: Num[Tensor, "*batch token"], seen: Bool[Tensor, "token token"], c: float
) -> Num[Tensor, "*batch token"]:
    """Ω for positive ids: `ids[k] + c · max` of the ids that token k sees; one head with threshold 0."""
    return ids + c * _extremes(ids, seen)[0]


def _extremes(ids: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    keys = rearrange(ids, "... key -> ... 1 key").expand(*ids.shape[:-1], *seen.shape)
    bound = torch.finfo(ids.dtype).max if ids.is_floating_point() else torch.iinfo(ids.dtype).max
    some = seen.any(dim=-1)
    largest = keys.masked_fill(~seen, -bound).amax(dim=-1).masked_fill(~some, 0)
    smallest = keys.masked_fill(~seen, bound).amin(dim=-1).masked_fill(~some, 0)
    return largest, smallest


def shift_heads(sees: object) -> Program:
    """Ψ^l by two heads of size one, on tokens (id, low, high): `universal.shift_heads` that see a pattern only."""
    program = universal.shift_heads()
    (layer,) = program.layers
    return replace(program, layers=replace(layer, heads=[replace(head, sees=sees) for head in layer.heads]))


def check_sparse_shift(draws: int = 300, seed: int = 0, *, restricted: bool = True) -> Verdict:
    """Closed form = two real heads in float64, exactly, on random ids 0..12 and random patterns of up to 6 tokens.

    restricted=False lets the heads see everything. The margin is 1/2 less the largest difference. The witness carries
    (ids, grid, low, high, got, wanted).
    """
    draw, worst, objects = np.random.default_rng(seed), 0.0, ()
    for _ in range(draws):
        n = int(draw.integers(1, 7))
        ids = torch.tensor(draw.integers(0, 13, n), dtype=torch.float64)
        grid = torch.tensor(draw.random((n, n)) < 0.5)
        low, high = (float(x) / 2 for x in sorted(draw.choice(np.arange(-1, 27, 2), 2, replace=False)))
        heads = shift_heads(grid if restricted else None).module().requires_grad_(False)
        got = heads(torch.tensor([[id, low, high] for id in ids.tolist()], dtype=torch.float64))[:, 0]
        want = sparse_shift(ids, grid, low, high)
        if (error := (got - want).abs().max().item()) > worst:
            worst, objects = error, (ids.tolist(), grid.tolist(), low, high, got.tolist(), want.tolist())
    witness = lambda: Witness("ids {}, seen {}, window ({}, {}): got {}, wanted {}".format(*objects), objects)
    statement, margin = SPARSE_SHIFT.under(restricted=restricted), -worst or 0.5
    return judge(margin, statement, witness=witness, checked=draws, unit="units of delta")

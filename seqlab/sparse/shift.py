"""The selective shift, and the shift by the largest id, where each token looks at its own neighbourhood.

| paper symbol (Yun et al. 2020)                  | name                                   |
| ----------------------------------------------- | -------------------------------------- |
| Ψ^l: max - min over A_k^l where b_Q < l_k < b_Q' | sparse_shift(ids, seen, low, high)     |
| Ω^l: c · max over A_k^l                         | all_max_shift(ids, seen, c)            |
| the same by two heads (or one) of size one      | SparseHeads(pattern, code, …)          |
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Num
from torch import Tensor

from seqlab import patterns
from seqlab.attention import Normalizer, hardmax
from seqlab.patterns.pattern import Instance
from seqlab.stack.blocks import Heads, Row
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness

SPARSE_SHIFT = Statement(
    "sparse selective shift",
    "Yun et al. 2020, proof of the sparse contextual mapping",
    "Two hardmax heads of size 1 that see A_k only add max(l) - min(l) over A_k where low < l_k < high, and 0 elsewhere.",
    (Hypothesis("restricted", "both heads are restricted to the pattern before hardmax"),),
)


class SparseHeads(Heads):
    """`universal.Heads` that see a pattern: every token looks at its own neighbourhood only.

    A token with an empty neighbourhood gets 0.
    """

    def __init__(
        self,
        pattern: Instance,
        code: Row,
        thresholds: Sequence[float],
        gains: Sequence[float],
        *,
        normalizer: Normalizer = hardmax(),
    ):
        super().__init__(code, thresholds, gains, normalizer=normalizer)
        self.pattern = pattern

    def padded(self, heads: int) -> SparseHeads:
        wide = super().padded(heads)
        gains, thresholds = wide.out.weight[0].tolist(), (-wide.query.bias).tolist()
        return SparseHeads(self.pattern, self.key.weight[0], thresholds, gains, normalizer=self.normalizer)


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


def check_sparse_shift(draws: int = 300, seed: int = 0, *, restricted: bool = True) -> Verdict:
    """Closed form = two real heads in float64, exactly, on random ids 0..12 and random patterns of up to 6 tokens.

    restricted=False lets the heads see everything. The margin is 1/2 less the largest difference. The witness carries
    (ids, grid, low, high, got, wanted).
    """
    draw = np.random.default_rng(seed)
    worst, witness = 0.0, None
    one = torch.ones(1, dtype=torch.float64)
    for _ in range(draws):
        n = int(draw.integers(1, 7))
        ids = torch.tensor(draw.integers(0, 13, n), dtype=torch.float64)
        grid = torch.tensor(draw.random((n, n)) < 0.5)
        low, high = (float(x) / 2 for x in sorted(draw.choice(np.arange(-1, 27, 2), 2, replace=False)))
        pattern = (patterns.freehand(grid) if restricted else patterns.full()).at(n)
        heads = SparseHeads(pattern, one, (low, high), (1.0, -1.0))
        got = rearrange(heads(rearrange(ids, "token -> 1 token 1")), "1 token 1 -> token")
        want = sparse_shift(ids, grid, low, high)
        error = (got - want).abs().max().item()
        if error > worst:
            worst = error
            objects = (ids.tolist(), grid.tolist(), low, high, got.tolist(), want.tolist())
            witness = Witness("ids {}, seen {}, window ({}, {}): got {}, wanted {}".format(*objects), objects)
    statement = SPARSE_SHIFT.under(restricted=restricted)
    return Verdict(worst == 0, 0.5 - worst if worst == 0 else -worst, witness, statement, draws, "units of delta")

"""One number per token, and the one thing the proof uses attention for: the selective shift.

| paper symbol (Yun et al. 2019, proof of Lemma 6)     | name                                  |
| ---------------------------------------------------- | ------------------------------------- |
| u = (1, δ^-1, …, δ^-(d-1))                           | code(levels, dim)                     |
| l_j = uᵀ X_j, in units of δ                          | column_ids(tokens, levels)            |
| Ψ(Z; b_Q, b_Q')                                      | selective_shift(ids, low, high)       |
| ψ(Z; b_Q) - ψ(Z; b_Q') by two heads of size one      | shift_heads(code, low, high, gain)    |
| the same in exact rationals                          | exact_heads(ids, low, high)           |
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import numpy as np
import torch
from einops import rearrange, reduce
from jaxtyping import Num, Shaped
from torch import Tensor

from seqlab.attention import Normalizer, hardmax
from seqlab.stack.blocks import Heads, Row
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness
from seqlab.universal.quantiser import sizes

Ties = Literal["average", "first", "sum"]

IDS = Statement(
    "column ids",
    "Yun et al. 2019, proof of Lemma 6",
    "u = (1, δ^-1, …, δ^-(d-1)) maps the δ^-d columns of the grid one to one onto 0, 1, …, δ^-d - 1 (units of δ).",
    (Hypothesis("base", "the base of the digits is 1/δ"),),
)

SHIFT = Statement(
    "selective shift",
    "Yun et al. 2019, proof of Lemma 6",
    "Two hardmax heads of size 1 add max(l) - min(l) where low < l_j < high, and 0 elsewhere.",
    (
        Hypothesis("two_heads", "the second head subtracts what the first adds above the window"),
        Hypothesis("ties", "keys that tie share their weight"),
        Hypothesis("off_threshold", "no id equals a threshold"),
    ),
)


def code(levels: int, dim: int) -> list[int]:
    """u: the digits' weights 1, N, N², … with N = 1/δ."""
    sizes(levels, dim, 1, shortest=1)
    return [levels**i for i in range(dim)]


def column_ids(
    tokens: Shaped[np.ndarray, "*batch token dim"], levels: int, *, base: int | None = None
) -> Shaped[np.ndarray, "*batch token"]:
    """`uᵀ x` in units of δ: the base-N number whose digits are the levels of a token (lowest digit first).

    tokens:  integers in units of δ (int64, or Python ints in an object array)
    base:    N unless given; any other base breaks the one-to-one map
    """
    weights = np.array([(levels if base is None else base) ** i for i in range(tokens.shape[-1])], dtype=tokens.dtype)
    return (tokens * weights).sum(axis=-1)


def check_ids(levels: int, dim: int, *, base: int | None = None) -> Verdict:
    """All δ^-d columns have different ids, next to each other one unit of δ apart.

    The margin is the smallest distance of two ids, less the 0 at which they coincide. Witness: two columns, one id.
    """
    sizes(levels, dim, 1, shortest=1)
    columns = np.array(list(itertools.product(range(levels), repeat=dim)), dtype=np.int64)
    ids = column_ids(columns, levels, base=base)
    order = np.argsort(ids, kind="stable")
    gaps = np.diff(ids[order])
    options = dict(statement=IDS.under(base=base in (None, levels)), checked=len(columns), unit="units of delta")
    smallest = int(gaps.min())
    if smallest > 0:
        return Verdict(True, float(smallest), **options)
    at = int(gaps.argmin())
    a, b = (tuple(columns[order[k]].tolist()) for k in (at, at + 1))
    shared = int(ids[order[at]])
    return Verdict(False, float(smallest), Witness(f"{a} and {b} share the id {shared}", (a, b, shared)), **options)


def selective_shift(ids: Num[Tensor, "*batch token"], low: float, high: float) -> Num[Tensor, "*batch token"]:
    """Ψ in closed form: `max(ids) - min(ids)` where low < id < high, 0 elsewhere.

    Raises ValueError unless low < high.
    """
    if not low < high:
        raise ValueError(f"low, high: got {low} and {high}, wanted low < high")
    spread = reduce(ids, "... token -> ... 1", "max") - reduce(ids, "... token -> ... 1", "min")
    return torch.where((ids > low) & (ids < high), spread, torch.zeros_like(ids))


def shift_heads(code: Row, low: float, high: float, gain: float = 1.0, *, normalizer: Normalizer = hardmax()) -> Heads:
    """`gain · Ψ` by two heads of size one: +gain behind threshold low, -gain behind threshold high."""
    return Heads(code, (low, high), (gain, -gain), normalizer=normalizer)


def exact_heads(
    ids: Sequence[Fraction | int], low: Fraction, high: Fraction, *, heads: int = 2, ties: Ties = "average"
) -> list[Fraction]:
    """The two heads in rationals: scores, hardmax and the mix of values as they stand, for one sequence of ids.

    heads=1 leaves the second head out. ties: "average" is the definition; "first" gives all the weight to the first of
    the tied keys, "sum" gives each of them weight one.
    """
    if ties not in ("average", "first", "sum"):
        raise ValueError(f"ties: got {ties!r}, wanted 'average', 'first' or 'sum'")
    first = [_exact_head(ids, j, low, ties) for j in range(len(ids))]
    if heads == 1:
        return first
    return [a - _exact_head(ids, j, high, ties) for j, a in enumerate(first)]


def _exact_head(ids: Sequence[Fraction | int], query: int, threshold: Fraction, ties: Ties) -> Fraction:
    scores = [key * (ids[query] - threshold) for key in ids]
    winners = [value for value, score in zip(ids, scores) if score == max(scores)]
    if ties == "first":
        return Fraction(winners[0])
    return Fraction(sum(winners), 1 if ties == "sum" else len(winners))


def check_shift(
    draws: int = 2000,
    seed: int = 0,
    *,
    heads: int = 2,
    ties: Ties = "average",
    normalizer: Normalizer = hardmax(),
    on_threshold: bool = False,
) -> Verdict:
    """Closed form = two heads in rationals = two real heads in float64, exactly, on random ids 0..12, up to 5 tokens.

    Thresholds are odd multiples of 1/2, so that no id meets one; on_threshold=True allows all multiples. The margin is
    1/2 (half the distance of ids) less the largest difference. The witness carries (ids, low, high, got, wanted).
    """
    draw = random.Random(seed)
    worst, witness = Fraction(0), None
    built: dict[tuple[Fraction, Fraction], Heads] = {}
    for _ in range(draws):
        ids = [draw.randint(0, 12) for _ in range(draw.randint(1, 5))]
        thresholds = range(-1, 26) if on_threshold else range(-1, 26, 2)
        low, high = (Fraction(t, 2) for t in sorted(draw.sample(thresholds, 2)))
        want = selective_shift(torch.tensor(ids), float(low), float(high)).tolist()
        exact = exact_heads(ids, low, high, heads=heads, ties=ties)
        got = [exact]
        if ties == "average":
            if (low, high) not in built:
                built[low, high] = _on_ids((low, high)[:heads], normalizer)
            x = rearrange(torch.tensor(ids, dtype=torch.float64), "token -> 1 token 1")
            got.append([Fraction(value) for value in rearrange(built[low, high](x), "1 token 1 -> token").tolist()])
        for values in got:
            error = max(abs(a - b) for a, b in zip(values, want))
            if error > worst:
                worst = error
                shown = tuple(float(value) for value in values)
                text = f"ids {ids}, window ({float(low)}, {float(high)}): got {shown}, wanted {tuple(want)}"
                witness = Witness(text, (tuple(ids), float(low), float(high), shown, tuple(want)))
    statement = SHIFT.under(two_heads=heads == 2, ties=ties == "average", off_threshold=not on_threshold)
    options = dict(statement=statement, checked=draws, unit="units of delta")
    return Verdict(worst == 0, float(Fraction(1, 2) - worst) if worst == 0 else -float(worst), witness, **options)


def _on_ids(thresholds: Sequence[Fraction], normalizer: Normalizer) -> Heads:
    """Heads that read the id itself: one coordinate, gains +1 and -1."""
    one = torch.ones(1, dtype=torch.float64)
    return Heads(one, [float(t) for t in thresholds], (1.0, -1.0)[: len(thresholds)], normalizer=normalizer)

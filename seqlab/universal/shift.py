"""The one thing that the proof uses attention for: the selective shift.

| paper symbol (Yun et al. 2019, proof of Lemma 6)     | name                                  |
| ---------------------------------------------------- | ------------------------------------- |
| Ψ(Z; b_Q, b_Q')                                      | selective_shift(ids, low, high)       |
| ψ(Z; b_Q) - ψ(Z; b_Q') by two heads of size one      | shift_heads()                         |
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from einops import reduce
from jaxtyping import Num
from torch import Tensor

from seqlab.attention import hardmax
from seqlab.normalizers import Exact, Hardmax, Normalizer
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness, judge
from seqlab.written import Head, Layer, Program, coordinates
from seqlab.written.program import by_length

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


@dataclass(frozen=True, repr=False)
class Unshared(Hardmax):
    """Hardmax with another rule for ties: weight one to each of them."""

    def weigh(self, scores: np.ndarray, allowed: np.ndarray | None) -> tuple[np.ndarray, int]:
        return super().weigh(scores, allowed)[0], 1


def shift_heads(heads: int = 2, normalizer: Normalizer = hardmax()) -> Program:
    """Ψ by two heads of size one, on tokens (id, low, high): head(low) - head(high). heads=1 leaves the second out."""
    l, low, high, out = coordinates("l low high out")
    both = [Head(l - low, l, value=l, write=out), Head(l - high, l, value=l, write=-out)]
    return Program([l, low, high], out, Layer(both[:heads], label="selective shift"), normalizer=normalizer)


def selective_shift(ids: Num[Tensor, "*batch token"], low: float, high: float) -> Num[Tensor, "*batch token"]:
    """Ψ in closed form: `max(ids) - min(ids)` where low < id < high, 0 elsewhere.

    Raises ValueError unless low < high.
    """
    if not low < high:
        raise ValueError(f"low, high: got {low} and {high}, wanted low < high")
    spread = reduce(ids, "... token -> ... 1", "max") - reduce(ids, "... token -> ... 1", "min")
    return torch.where((ids > low) & (ids < high), spread, torch.zeros_like(ids))


def check_shift(
    draws: int = 2000,
    *,
    heads: int = 2,
    normalizer: Normalizer = hardmax(),
    on_threshold: bool = False,
) -> Verdict:
    """Closed form = two heads in exact numbers = two real heads in float64, on random ids 0..12, up to 5 tokens.

    Thresholds are odd multiples of 1/2, so that no id meets one; on_threshold=True allows all multiples. The margin is
    1/2 (half the distance of ids) less the largest difference. The witness carries (ids, low, high, got, wanted).
    """
    worst, witness = furthest(
        shift_heads(heads, normalizer), selective_shift, random_windows(draws, 0, range(13), 5, on_threshold)
    )
    ties = not isinstance(normalizer, Unshared)
    statement = SHIFT.under(two_heads=heads == 2, ties=ties, off_threshold=not on_threshold)
    more = dict(holds=not worst, checked=draws, unit="units of delta")
    return judge(-worst if worst else 0.5, statement, witness=witness, **more)


def random_windows(draws: int, seed: int, ids: range, longest: int, on_threshold: bool = False) -> list[list[tuple]]:
    """Random sequences of tokens (id, low, high), up to `longest` of them, with low < high halves within `ids`.

    Only odd halves, which no id meets, unless `on_threshold`. Raises ValueError for less than one draw.
    """
    if draws < 1:
        raise ValueError(f"draws: got {draws}, wanted at least 1: nothing would be checked")
    draw, rows = random.Random(seed), []
    for _ in range(draws):
        chosen = [draw.choice(ids) for _ in range(draw.randint(1, longest))]
        halves = range(2 * ids[0] - 1, 2 * ids[-1] + 2, 1 if on_threshold else 2)
        low, high = (Fraction(t, 2) for t in sorted(draw.sample(halves, 2)))
        rows.append([(id, low, high) for id in chosen])
    return rows


def furthest(program: Program, closed_form: Callable, rows: list[list[tuple]]) -> tuple[float, Witness]:
    """How far a program, exact and as float64 layers, is from closed_form(ids, low, high), and where it is furthest.

    rows: as of `random_windows`. The witness carries (ids, low, high, got, wanted).
    """
    module = program.module().requires_grad_(False)
    real = by_length(rows, lambda some: module(np.array(some, dtype=float)).tolist())
    found, worst, objects = [*zip(rows, real)], -1.0, ()
    found += zip(rows, program.run(rows)) if isinstance(program.normalizer, Exact) else []
    for row, answers in found:
        ids, (_, low, high) = tuple(id for id, _, _ in row), map(float, row[0])
        want, got = closed_form(torch.tensor(ids), low, high).tolist(), [float(answer) for (answer,) in answers]
        error = max(abs(a - b) for a, b in zip(got, want))
        if error > worst:
            worst, objects = error, (ids, low, high, tuple(got), tuple(want))
    return worst, Witness.of("ids {}, window ({}, {}): got {}, wanted {}", *objects)

"""A whole table in the ternary digits of one number, and where floating point loses them.

| paper symbol (Xu & Sato 2024, Lemma 4.1, after Zhang et al. 2023) | name here                     |
| ----------------------------------------------------------------- | ----------------------------- |
| y_0, …, y_{K-1}                                                   | `labels`, fractions           |
| ε = max_k |y_k - y_{k-1}|                                         | `largest_step(labels)`        |
| b_t ∈ {-1, 0, 1}                                                  | `greedy_digits(labels)`       |
| θ = Σ_t b_t 3^-t                                                  | `pack(digits)`                |
| one loop: b = [θ > 1/6] - [θ < -1/6], θ ← 3θ - b                  | `unpack(theta, count)`        |
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from numbers import Rational

import torch

from seqlab.theorem import Hypothesis, Statement, Verdict, Witness

Number = Rational | float  # floats count as the fractions they are

DIGITS = Statement(
    "digits of one number",
    "Xu & Sato 2024, Lemma 4.1 (ternary digits after Zhang et al. 2023)",
    "Multiplying by 3 and subtracting the leading digit gives all ternary digits of θ, one a loop.",
    (Hypothesis("exact", "θ is kept exactly, not in floating point"),),
)


def largest_step(labels: Sequence[Number]) -> Fraction:
    """ε = max_k |y_k - y_{k-1}|; 0 for a single label."""
    return max((abs(Fraction(b) - Fraction(a)) for a, b in zip(labels, labels[1:])), default=Fraction(0))


def greedy_digits(labels: Sequence[Number]) -> list[int]:
    """b_1, …, b_{K-1}: each step of ε, nothing or -ε that brings the running value y_0 + ε Σ b nearest to y_t.

    The running value is never further from y_t than ε/2: it was at most ε/2 from y_{t-1}, and y_t is at most ε away.
    """
    epsilon = largest_step(labels)
    value, digits = Fraction(labels[0]), []
    for label in labels[1:]:
        digits.append(min((0, 1, -1), key=lambda b: abs(value + b * epsilon - Fraction(label))))
        value += digits[-1] * epsilon
    return digits


def pack(digits: Sequence[int]) -> Fraction:
    """θ = Σ_t b_t 3^-t, exactly; |θ| < 1/2."""
    theta = Fraction(0)
    for digit in reversed(digits):
        theta = (theta + digit) / 3
    return theta


def unpack(theta: Number, count: int, dtype: torch.dtype | None = None) -> list[int]:
    """The first `count` digits, in exact fractions, or in a floating-point type."""
    if dtype is not None:
        return _unpack_rounded(theta, count, dtype)
    digits = []
    for _ in range(count):
        digit = int(6 * theta > 1) - int(6 * theta < -1)
        digits.append(digit)
        theta = 3 * theta - digit
    return digits


def first_wrong(digits: Sequence[int], dtype: torch.dtype = torch.float64) -> int | None:
    """The position (from 1) of the first digit that `dtype` reads wrongly off θ; None if it reads them all."""
    read = unpack(pack(digits), len(digits), dtype)
    return next((at for at, (a, b) in enumerate(zip(digits, read), 1) if a != b), None)


def check_digits(
    count: int = 32, *, dtype: torch.dtype | None = None, tables: int = 20, seed: int = 0, longest: int = 60
) -> Verdict:
    """Random digits, packed into one number and read back: all of the first `count` come out right.

    dtype: None for exact fractions, or torch.float64, torch.float32 …
    The margin is the first position read wrongly over all tables (of `longest` digits) less `count`, at most
    `longest` + 1 - `count`. The witness carries (digits, position).
    """
    if count < 1 or tables < 1:
        raise ValueError(
            f"count, tables: got {count} and {tables}, wanted at least 1 of each: none would prove nothing"
        )
    draw = torch.Generator().manual_seed(seed)
    worst, lost = max(longest, count) + 1, None
    for _ in range(tables):
        digits = (torch.randint(3, (max(longest, count),), generator=draw) - 1).tolist()
        read = unpack(pack(digits), len(digits), dtype)
        at = next((k for k, (a, b) in enumerate(zip(digits, read), 1) if a != b), worst)
        if at < worst:
            worst, lost = at, digits
    statement = DIGITS.under(exact=dtype is None)
    notes = (f"first wrong digit: {'none' if lost is None else f'position {worst}'}",)
    witness = None
    if worst <= count:
        witness = Witness(
            f"digit {worst} of {count} is read wrongly in {str(dtype).removeprefix('torch.')}", (lost, worst)
        )
    return Verdict(worst > count, worst - count, witness, statement, tables, "digits", notes)


def _unpack_rounded(theta: Number, count: int, dtype: torch.dtype) -> list[int]:
    value = torch.tensor(float(theta), dtype=torch.float64).to(dtype)
    sixth = torch.tensor(1 / 6, dtype=torch.float64).to(dtype)
    digits = []
    for _ in range(count):
        digit = int(value > sixth) - int(value < -sixth)
        digits.append(digit)
        value = 3 * value - digit
    return digits

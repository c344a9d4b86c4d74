"""A whole table in the ternary digits of one number, and where floating point loses them.

| paper symbol (Xu & Sato 2024, Lemma 4.1, after Zhang et al. 2023) | name here                     |
| ----------------------------------------------------------------- | ----------------------------- |
| y_0, …, y_{K-1}                                                   | `labels`, fractions           |
| ε = max_k |y_k - y_{k-1}|                                         | `largest_step(labels)`        |
| b_t ∈ {-1, 0, 1}                                                  | `greedy_digits(labels)`       |
| θ = Σ_t b_t 3^-t                                                  | `pack(digits)`                |
| one loop: b = [θ > 1/6] - [θ < -1/6], θ ← 3θ - b                  | `unpack(theta, count)`        |
"""

import itertools
from collections.abc import Iterable, Sequence
from fractions import Fraction
from numbers import Rational

import torch

Number = Rational | float  # floats count as the fractions they are
Rows = Sequence[Sequence[Fraction]]


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


def pack(digits):
    """All digits -1, 0 or 1 in one Fraction θ: the first digit counts thirds, the next ninths, and so on.

    digits: a list, the first is read first -> a Fraction, exact however long the list is
    """
    return Fraction(sum(digit * 3 ** (len(digits) - 1 - t) for t, digit in enumerate(digits)), 3 ** len(digits))


def unpack(theta: Number, count: int, dtype: torch.dtype | None = None) -> list[int]:
    """The first `count` digits, in exact fractions, or in a floating-point type."""
    sixth, digits = Fraction(1, 6), []
    if dtype:
        theta, sixth = torch.tensor([float(theta), float(sixth)], dtype=torch.float64).to(dtype)
    for _ in range(count):
        digits.append(int(theta > sixth) - int(theta < -sixth))
        theta = 3 * theta - digits[-1]
    return digits


def first_wrong(digits: Sequence[int], dtype: torch.dtype | None = torch.float64) -> int | None:
    """The position (from 1) of the first digit that `dtype` (None: fractions) reads wrongly off θ, or None."""
    read = unpack(pack(digits), len(digits), dtype)
    return next((at for at, (a, b) in enumerate(zip(digits, read), 1) if a != b), None)


def label_rows(labels: Iterable) -> Rows:
    """The labels as fractions, a row for each k."""
    rows = []
    for k, label in enumerate(labels):
        label = label.tolist() if hasattr(label, "tolist") else label
        try:
            rows.append(tuple(map(Fraction, label if isinstance(label, Sequence) else [label])))
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"labels: got {label!r} for k = {k}, wanted a finite number, or as many for all") from None
    wide = sorted(set(map(len, rows)))
    if len(rows) < 2 or len(wide) > 1 or not wide[0]:
        raise ValueError(f"labels: got {len(rows)} with {wide} numbers, wanted at least two, with as many for each k")
    return rows


def approximation(labels: Sequence[Number]) -> list[Fraction]:
    """The running values y_0 + ε Σ b that the block without a clock recalls, without running the block."""
    epsilon, start = largest_step(labels), Fraction(labels[0])
    return list(itertools.accumulate(greedy_digits(labels), lambda value, b: value + b * epsilon, initial=start))


def roughness(labels: Sequence[Number]) -> tuple[float, float]:
    """(largest error without a clock, largest step) of a table of numbers."""
    error = max(abs(a - Fraction(b)) for a, b in zip(approximation(labels), labels))
    return float(error), float(largest_step(labels))

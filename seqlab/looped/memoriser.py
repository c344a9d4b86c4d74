"""A table k ↦ y_k by loops of one tied feed-forward block: without a clock, and with one.

| paper symbol (Xu & Sato 2024)                                 | name here                                        |
| ------------------------------------------------------------- | ------------------------------------------------ |
| K, y_k                                                        | `len(labels)`, `labels`                          |
| L_2 ∘ (id + FF)^(K-1) ∘ L_1 (Lemma 4.1)                       | `Memoriser(labels).program`                      |
| L_2 ∘ (id + η ⊙ FF)^(K-1) ∘ L_1, η: ℕ → ℝ^4d (Theorem 4.2)    | `Memoriser(labels, clock=True).program`          |
| η(t) = y_t - y_{t-1} on the value coordinates                 | `Program.clock`                                  |
| k - t, counted down                                           | coordinate c                                     |
| θ, the running value, y                                       | coordinates theta, run, y                        |

Without a clock each loop is the same, so the table must sit in the state: as digits of one number for each coordinate
of y. In loop t the digit b_t moves the running value by b_t ε; where c = 0, that is t = k, y copies it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from numbers import Rational

import torch

from seqlab.looped.budget import LEMMA_4_1, THEOREM_4_2
from seqlab.looped.digits import Number, greedy_digits, largest_step, pack
from seqlab.looped.program import Program, Row, Unit, as_float, combine, step
from seqlab.looped.stages import coordinates
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness

WITHOUT = Statement(
    "memoriser without a clock",
    "Xu & Sato 2024, Lemma 4.1",
    "K - 1 loops of one tied block recall every y_k up to the largest step max_k |y_k - y_{k-1}|.",
    (
        Hypothesis("loops", "there are K - 1 loops"),
        Hypothesis("exact", "the digits are kept exactly, not in floating point"),
    ),
)

WITH = Statement(
    "memoriser with a clock",
    "Xu & Sato 2024, Theorem 4.2",
    "With η(t) ⊙ FF in place of FF, K - 1 loops of one tied block recall every y_k exactly.",
    (
        Hypothesis("loops", "there are K - 1 loops"),
        Hypothesis("exact", "the labels are kept exactly, not in floating point"),
        Hypothesis("clock", "the block is told the loop index"),
    ),
)


@dataclass(frozen=True)
class Memoriser:
    """The table `labels`, a tuple of d numbers for each k, and the tied block that recalls it. Made by `memoriser`."""

    labels: tuple[tuple[Fraction, ...], ...]
    clock: bool = False

    @property
    def dim(self) -> int:
        return len(self.labels[0])

    @property
    def loops(self) -> int:
        """K - 1."""
        return len(self.labels) - 1

    @cached_property
    def steps(self) -> tuple[Fraction, ...]:
        """The largest step of each coordinate: the bound of Lemma 4.1."""
        return tuple(largest_step(column) for column in zip(*self.labels))

    @cached_property
    def program(self) -> Program:
        """The tied block: k goes in, y_k comes out."""
        value = coordinates("y", self.dim)
        if self.clock:
            units = value_units({"c": 1}, 0, value)
            eta = [{"c": 1, **row} for row in increments(self.labels)]
            start = dict(zip(value, self.labels[0]))
            return Program(
                ("c", *value), ("c",), dict.fromkeys(value, 0), tuple(units), None, start, {"c": -1}, tuple(eta)
            )
        names = ("c", *coordinates("theta", self.dim), *coordinates("run", self.dim), *value)
        units, start = digit_units(self.labels, {"c": 1}, -1)
        return Program(names, ("c",), dict.fromkeys(value, 0), tuple(units), None, start, {"c": -1})

    def recall(
        self, ids: Sequence[int] | None = None, *, loops: int | None = None, dtype: torch.dtype | None = None
    ) -> list[tuple[Number, ...]]:
        """What the block recalls for each k: in exact fractions, or in a floating-point type."""
        ids = range(len(self.labels)) if ids is None else ids
        if unknown := [k for k in ids if k not in range(len(self.labels))]:
            raise ValueError(f"ids: got {unknown[0]}, wanted whole numbers from 0 to {self.loops}")
        loops = self.loops if loops is None else loops
        if dtype is None:
            return [tuple(row) for row in self.program.exact([[int(k)] for k in ids], loops)]
        x = torch.tensor([int(k) for k in ids], dtype=dtype)[None, :, None]
        return [tuple(row) for row in self.program.module(dtype)(x, loops)[0].tolist()]

    def check(self, *, loops: int | None = None, dtype: torch.dtype | None = None, clock: bool = True) -> Verdict:
        """Every label against what is recalled: within the largest step without a clock, exactly with it.

        clock=False stops the clock: every loop is given the factors of the first.
        The margin is the bound less the largest error; for the exact claim it is 1e-12 less the error.
        """
        made = self if clock or not self.clock else _Stopped(self.labels, True)
        got = made.recall(loops=loops, dtype=dtype)
        errors = [max(_distance(a, b) for a, b in zip(row, want)) for row, want in zip(got, self.labels)]
        worst = max(range(len(errors)), key=errors.__getitem__)
        bound = Fraction(1e-12) if self.clock else max(self.steps)
        statement = WITH.under(clock=clock) if self.clock else WITHOUT
        statement = statement.under(loops=loops is None or loops >= self.loops, exact=dtype is None)
        holds = errors[worst] <= bound
        witness = None
        if not holds:
            mine, label = ([as_float(v) for v in row] for row in (got[worst], self.labels[worst]))
            witness = Witness(
                f"k = {worst}: recalled {_round(mine)}, the label is {_round(label)}", (worst, mine, label)
            )
        notes = (
            f"largest error {as_float(errors[worst]):.3g}, largest step {as_float(max(self.steps)):.3g}, "
            f"K = {len(self.labels)}",
        )
        margin = -math.inf if errors[worst] == math.inf else as_float(bound - errors[worst])
        return Verdict(holds, margin, witness, statement, len(errors), "", notes)

    def check_size(self) -> Verdict:
        """Embedding dimension and width against what the paper states. Margin: the smaller of what is left, plus 1."""
        return check_size(self.program, THEOREM_4_2 if self.clock else LEMMA_4_1, self.dim)


class _Stopped(Memoriser):
    """The same with a clock that stands still."""

    @cached_property
    def program(self) -> Program:
        made = super().program
        return Program(**{**made.__dict__, "clock": (made.clock[0],) * len(made.clock)})


def memoriser(labels: Iterable, *, clock: bool = False) -> Memoriser:
    """The memoriser of a table: a number, or d numbers, for each k = 0 … K-1. Floats count as the fractions they are.

    labels: a list of numbers or of lists, or a tensor or array "k" or "k d"
    Raises ValueError on fewer than two labels, on NaN or infinities, or where the labels differ in length.
    """
    rows = [_label(k, label) for k, label in enumerate(labels)]
    if len(rows) < 2:
        raise ValueError(f"labels: got {len(rows)}, wanted at least two")
    if len({len(row) for row in rows}) > 1 or not rows[0]:
        raise ValueError(
            f"labels: got rows of {sorted({len(row) for row in rows})} numbers, wanted the same for every k, at least one"
        )
    return Memoriser(tuple(rows), clock)


def approximation(labels: Sequence[Number]) -> list[Fraction]:
    """The running values y_0 + ε Σ b that the block without a clock recalls, without running the block."""
    epsilon, values = largest_step(labels), [Fraction(labels[0])]
    for digit in greedy_digits(labels):
        values.append(values[-1] + digit * epsilon)
    return values


def roughness(labels: Sequence[Number]) -> tuple[float, float]:
    """(largest error without a clock, largest step) of a table of numbers."""
    error = max(abs(a - Fraction(b)) for a, b in zip(approximation(labels), labels))
    return float(error), float(largest_step(labels))


def increments(labels: Sequence[Sequence[Fraction]]) -> list[Row]:
    """η(t) on the value coordinates for t = 1 … K-1: y_t - y_{t-1}."""
    names = coordinates("y", len(labels[0]))
    return [dict(zip(names, (b - a for a, b in zip(*pair)))) for pair in zip(labels, labels[1:])]


def value_units(counter: Row, shift: Rational, into: tuple[str, ...]) -> list[Unit]:
    """1{counter ≥ 1} for integers, added to the coordinates `into`: η(t) turns it into the right step."""
    return step(counter, shift, dict.fromkeys(into, 1), "values")


def digit_units(
    labels: Sequence[Sequence[Fraction]], counter: Row, shift: Rational, *, flag: str | None = None
) -> tuple[list[Unit], dict[str, Rational]]:
    """The loop of Lemma 4.1, and where it starts: y copies the running value in the loop in which counter + shift = 0.

    flag: a coordinate that is 1 in this stage and 0 before; None when there is nothing before

    In one hidden layer, with p = min(1, ReLU(M(±θ - 1/6) + 1/2)), the digit: p · 1{c = 0} is
    min(1, ReLU(M(±θ - 1/6) + 1/2 + M c)) less 1{c ≥ 1}, which the two signs of the digit cancel.
    """
    units: list[Unit] = []
    start: dict[str, Rational] = {}
    steep = 3 ** len(labels)
    farthest = max(abs(label - column[0]) for column in zip(*labels) for label in column)
    reach, far = 4 * int(farthest + 1), 4 * steep
    gate, off, below = {}, 0, counter
    if flag:
        gate, off, below, shift = {flag: far}, -far, combine(counter, {flag: -2}), shift + 2
    for i, column in enumerate(zip(*labels)):
        theta, run, y = (f"{name}{i}" for name in ("theta", "run", "y"))
        epsilon = largest_step(column)
        start |= {theta: pack(greedy_digits(column)), run: 0, y: column[0]}
        for sign in (1, -1):
            units.append(Unit(combine({theta: 2 * sign}, gate), off, {theta: sign}, "digits"))
            read, at = {theta: sign * steep}, Fraction(1, 2) - Fraction(steep, 6)
            write = {theta: -sign, run: sign * epsilon}
            units += step(read, at, write, "digits", gate=gate, off=off)
            here = combine(below, times=far)
            units += step(read, at, {y: sign * epsilon}, "values", gate=here, off=shift * far)
        for later, sign in ((0, 1), (1, -1)):
            read = combine({run: 1}, combine(below, times=-reach))
            units.append(Unit(read, -reach * (shift + later) + Fraction(reach, 2), {y: sign}, "values"))
    values = [f"y{i}" for i in range(len(labels[0]))]
    for later, sign in ((0, -1), (1, 1)):
        read = combine(below, times=-reach)
        units.append(Unit(read, -reach * (shift + later) + Fraction(reach, 2), dict.fromkeys(values, sign), "values"))
    return units, start


def check_size(program: Program, size, dim: int) -> Verdict:
    """Embedding dimension, width and heads of a block against a theorem's. Margin: the smaller of what is left, plus 1."""
    m, q = size.embedding(dim), size.width(dim)
    left = min(m - program.embedding, q - program.width)
    text = f"embedding {program.embedding} of {m}, width {program.width} of {q}"
    statement = Statement("size of the block", size.source, f"Embedding {m} and width {q} are enough for d = {dim}.")
    return Verdict(left >= 0, left + 1, None if left >= 0 else Witness(text), statement, 1, "coordinates", (text,))


def _label(k: int, label: object) -> tuple[Fraction, ...]:
    label = label.tolist() if hasattr(label, "tolist") else label
    try:
        return tuple(Fraction(value) for value in (label if isinstance(label, Sequence) else (label,)))
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"labels: got {label!r} for k = {k}, wanted a finite number, or as many for every k") from None


def _distance(a: Number, b: Fraction) -> Number:
    return math.inf if isinstance(a, float) and not math.isfinite(a) else abs(Fraction(a) - b)


def _round(values: list[float]) -> list[float] | float:
    rounded = [round(value, 4) for value in values]
    return rounded[0] if len(rounded) == 1 else rounded

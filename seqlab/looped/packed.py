"""The three stages in one block: flags in the state, or a clock, say which of them is at work.

| paper symbol (Xu & Sato 2024, Theorem 3.6)          | name here                                                  |
| --------------------------------------------------- | ---------------------------------------------------------- |
| L_2 ∘ TF^∘r ∘ L_1                                   | `Packed.program`, `.network()`, `.exact(cells)`            |
| q, m                                                | `Packed.program.width`, `.embedding`                       |
| M                                                   | `slope`                                                    |
| δ^-1 - 1 + N + (K - 1) loops                        | `Packed.stages`, a `StageLoops`                            |
| (not in the summary of the proof)                   | tau: loops so far; in2, in3: 1 in and after stages 2 and 3 |
| η(t) ⊙ FF(X)                                        | `clock=True`: tau, in2, in3 and the digits fall away       |

The packing is a reconstruction: the theorem's own needs m = 17d + 9 and q = 49d + 25, this one m = 4d + 8 and
q = 14d + 12 without a clock, m = 2d + 6 and q = 2d + 6 with it. Neither grows with N, with 1/δ or with f.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from numbers import Rational

import torch
from torch import Tensor

from seqlab.layers import Tokens
from seqlab.looped.budget import THEOREM_3_6, StageLoops
from seqlab.looped.memoriser import approximation, check_size, digit_units, increments, value_units
from seqlab.looped.program import LoopedTransformer, Program, Unit, combine
from seqlab.looped.stages import HEAD, STEEP, clear_units, coordinates, floor_ids, floor_units, sequence_units
from seqlab.looped.table import Function, Table, table
from seqlab.stack.blocks import Frame
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness

PACKED = Statement(
    "one block, three stages",
    "Xu & Sato 2024, Theorem 3.6 and its proof",
    "One tied block maps every set of different cells to f at their centres: without a clock up to the largest step of "
    "the labels (for d = 1 and N ≤ 2 at most ω_tok(δ√d) + ω_cont(δ√(Nd))); with a clock exactly.",
    (
        Hypothesis("loops", "there are enough loops for the largest contextual id"),
        Hypothesis("flags", "flags or a clock keep the stages apart"),
        Hypothesis("exact", "digits and steps are kept exactly, not in floating point"),
        Hypothesis("slope", "the steps are steep: M is many times 1/δ"),
        Hypothesis("distinct", "no two tokens of a sequence share a cell"),
        Hypothesis("labels", "neighbouring ids have neighbouring values: the labels are not shuffled"),
        Hypothesis("clock", "the clock runs, or there is none to run"),
    ),
)

PROBES = (Fraction(1, 2), Fraction(0), Fraction(63, 64))


@dataclass(frozen=True)
class Packed:
    """The one block for the labels of `table`. Made by `packed`.

    ordered_step: the largest step of the labels before they were shuffled; None where they are not
    """

    table: Table
    clock: bool = False
    flags: bool = True
    slope: Rational = STEEP
    stopped: bool = False
    ordered_step: float | None = None

    @property
    def stages(self) -> StageLoops:
        """The loops of the three stages; the last one up to the largest id that an input has."""
        return StageLoops(self.table.levels - 1, self.table.length, len(self.table.labels) - 1)

    @property
    def loops(self) -> int:
        return self.stages.total

    def stage(self, loop: int) -> str:
        """Which stage is at work in loop 1, 2, …: tokens, sequence, values, or done."""
        ends = itertools.accumulate((self.stages.tokens, self.stages.sequence, self.stages.values))
        return next((name for name, end in zip(("tokens", "sequence", "values"), ends) if loop <= end), "done")

    @cached_property
    def program(self) -> Program:
        """The weights: one head, and the units of all stages side by side."""
        return self._with_clock() if self.clock else self._with_flags()

    def network(self, dtype: torch.dtype = torch.float64) -> LoopedTransformer:
        """The network of real layers; call it as `network(x, loops)`."""
        return self.program.module(dtype)

    def exact(self, tokens, loops: int | None = None) -> list[list[Rational]]:
        """What comes out for one sequence of tokens (rows of fractions), nothing rounded."""
        return self.program.exact(tokens, self.loops if loops is None else loops)

    def trace(self, x: Tokens, loops: int | None = None, dtype: torch.dtype = torch.float64) -> list[Frame]:
        """The whole state "batch token coordinate" after every loop; `part` is the stage. For slider and pictures."""
        loops = self.loops if loops is None else loops
        states = self.network(dtype).states(x.to(dtype), loops)
        parts = ["input", *(self.stage(t) for t in range(1, loops + 1))]
        return [Frame(part, f"loop {t}: {part}" if t else "input", s) for t, (part, s) in enumerate(zip(parts, states))]

    @cached_property
    def operator(self) -> Tensor:
        """What the exact network gives for all cells, "cell … cell token dim", without running it.

        The running value of Lemma 4.1 (with a clock: the label itself) at the contextual id that stage 2 arrives at,
        repeated cells included. Inside the ramps of stage 1 the network differs.
        """
        t = self.table
        labels = [tuple(map(float, y)) for y in t.labels]
        if not self.clock:
            labels = list(zip(*([float(v) for v in approximation(column)] for column in zip(*t.labels))))
        rows = []
        for cells in itertools.product(range(t.columns), repeat=t.length):
            acc = _arrives(cells, t.columns)
            ids = [t.id(z, acc) for z in cells]
            last = len(labels) - 1
            rows.append([labels[k if k <= last else last if self.clock else 0] for k in ids])
        return torch.tensor(rows, dtype=torch.float64).reshape(*[t.columns] * t.length, t.length, t.dim)

    def lookup(self, x: Tokens) -> Tensor:
        """`operator` at the cells of any inputs."""
        return self.operator[tuple(floor_ids(x, self.table.levels).unbind(1))]

    def check(
        self,
        bound: float | None = None,
        *,
        loops: int | None = None,
        dtype: torch.dtype | None = None,
        repeated: bool = False,
    ) -> Verdict:
        """Every set of cells, at three points of each cell and in two orders, against f at the centres.

        bound:     without a clock, the largest step of the labels in their order unless given (`check_steps` says
                   that for d = 1 and N ≤ 2 it is at most ω_tok + ω_cont); with a clock 1e-12, in floating point 1e-5
        dtype:     None for exact arithmetic, or torch.float64, torch.float32: the module of real layers
        repeated:  sequences of one cell repeated too, which the theorem leaves out

        The margin is the bound less the largest error.
        """
        t, loops = self.table, self.loops if loops is None else loops
        shuffled = self.ordered_step is not None
        if bound is None:
            bound = self.ordered_step if shuffled else t.largest_step
        if self.clock:
            bound = 1e-12 if dtype is None else 1e-5
        cases = self._cases(repeated)
        worst, witness = -1.0, None
        for (cells, share, want), got in zip(cases, self._run(cases, loops, dtype)):
            error = max(abs(a - b) if math.isfinite(a) else math.inf for p, q in zip(got, want) for a, b in zip(p, q))
            if error > worst:
                worst, objects = error, (cells, [list(p) for p in got], [list(q) for q in want])
                text = (
                    f"cells {cells} (at {share} of their width): the network gives {_short(got)}, wanted {_short(want)}"
                )
                witness = Witness(text, objects)
        statement = PACKED.under(
            loops=loops >= self.loops,
            flags=self.flags,
            exact=dtype is None,
            slope=self.slope >= 64 * t.levels,
            distinct=not repeated,
            labels=not shuffled,
            clock=not self.stopped,
        )
        holds = worst <= bound
        notes = (
            f"largest error {worst:.3g}, bound {bound:.3g}, largest step of the labels {t.largest_step:.3g}",
            f"{loops} loops of one block; embedding {self.program.embedding}, width {self.program.width}",
        )
        return Verdict(holds, bound - worst, None if holds else witness, statement, len(cases), "", notes)

    def check_size(self) -> Verdict:
        """Embedding dimension and width against m = 17d + 9 and q = 49d + 25."""
        return check_size(self.program, THEOREM_3_6, self.table.dim)

    def _cases(self, repeated: bool):
        t, cases = self.table, []
        for cells in t.sets:
            for share, order in zip(PROBES, (cells, cells[::-1], cells)):
                cases.append((order, share, [tuple(map(float, t.values[cells, z])) for z in order]))
        if repeated:
            same = [(z,) * t.length for z in range(t.columns)]
            cases += [(cells, Fraction(1, 2), t.at_centres(cells)) for cells in same]
        return cases

    def _run(self, cases, loops: int, dtype: torch.dtype | None):
        points = [[self.table.point(z, share) for z in cells] for cells, share, _ in cases]
        if dtype is None:
            return [[[float(v) for v in row] for row in self.exact(tokens, loops)] for tokens in points]
        x = torch.tensor([[[float(v) for v in token] for token in tokens] for tokens in points], dtype=torch.float64)
        return self.network(dtype)(x.to(dtype), loops).tolist()

    def _with_flags(self) -> Program:
        t = self.table
        x, value = coordinates("x", t.dim), coordinates("y", t.dim)
        first, second = self.stages.tokens, self.stages.tokens + self.stages.sequence
        hard, high = 2 * self.slope + 2, 4 * t.columns ** (t.length + 1)
        before = ({"in2": -hard}, 0) if self.flags else ({}, 0)
        during = ({"in2": high, "in3": -high}, -high) if self.flags else ({}, 0)
        units = floor_units(t.levels, t.dim, self.slope, gate=before[0], off=before[1])
        units += sequence_units(t.columns, gate=during[0], off=during[1]) + clear_units()
        units += _switch(first - 1, {"in2": 1}) + _switch(second - 1, {"in3": 1})
        counter = {"z": 2 * t.columns**t.length, "acc": 1, "tau": -1}
        memory, start = digit_units(t.labels, counter, second - 1, flag="in3" if self.flags else None)
        names = (*x, "z", "used", "found", "acc", "one", "tau", "in2", "in3")
        names += (*coordinates("theta", t.dim), *coordinates("run", t.dim), *value)
        start |= {"one": 1}
        return Program(names, x, dict.fromkeys(value, 0), tuple(units + memory), HEAD, start, {"tau": 1})

    def _with_clock(self) -> Program:
        t = self.table
        x, value = coordinates("x", t.dim), coordinates("y", t.dim)
        units = floor_units(t.levels, t.dim, self.slope) + sequence_units(t.columns) + clear_units()
        units += value_units({"z": 2 * t.columns**t.length, "acc": 1, "t": -1}, 0, value)
        eta = [dict.fromkeys((*x, "z", "found"), 1)] * self.stages.tokens
        eta += [dict.fromkeys(("used", "acc", "found"), 1)] * self.stages.sequence
        eta += [{"found": 1, "t": 1, **row} for row in increments(t.labels)]
        if not self.flags:
            eta = [{**dict.fromkeys((*x, "z", "used", "acc", "t"), 1), **row} for row in eta]
        if self.stopped:
            eta = [eta[0]] * len(eta)
        start = {"one": 1, **dict(zip(value, t.labels[0]))}
        names = (*x, "z", "used", "found", "acc", "one", "t", *value)
        return Program(names, x, dict.fromkeys(value, 0), tuple(units), HEAD, start, {"t": 1}, tuple(eta))


def packed(
    f: Function,
    levels: int,
    dim: int = 1,
    length: int = 2,
    *,
    clock: bool = False,
    flags: bool = True,
    slope: Rational = STEEP,
    shuffle: int | None = None,
    stopped: bool = False,
) -> Packed:
    """The one block for a permutation-equivariant f on [0, 1]^(N × d): "batch token dim" to the same.

    clock:    η(t) ⊙ FF (Theorem 4.2) in place of flags and digits (Lemma 4.1)
    flags:    False lets all stages work in every loop
    slope:    M, the slope of the steps of stage 1
    shuffle:  a seed to deal the labels out anew;  stopped: every loop is given the clock of the first
    """
    if slope < levels:
        raise ValueError(f"slope: got {slope}, wanted at least 1/δ = {levels}: a flatter step is wider than a cell")
    if stopped and not clock:
        raise ValueError("stopped: there is no clock to stop; wanted clock=True")
    made = table(f, levels, dim, length, shuffle=shuffle)
    step = None if shuffle is None else table(f, levels, dim, length).largest_step
    return Packed(made, clock, flags, slope, stopped, step)


def times_mean(x: Tokens) -> Tensor:
    """f_n = x_n · mean of all tokens: continuous and permutation equivariant."""
    return x * x.mean(1, keepdim=True)


def below_largest(x: Tokens) -> Tensor:
    """f_n = the largest token less x_n, coordinate by coordinate: continuous and permutation equivariant."""
    return x.amax(1, keepdim=True) - x


def _arrives(cells, columns: int) -> int:
    """The sequence id that stage 2 arrives at, in plain integers; uᵀz where the cells are different."""
    keys, acc = list(cells), 0
    for _ in cells:
        found = max(keys)
        acc += max(0, (columns - 1) * acc + found)
        keys = [key - columns * max(0, key - found + 1) for key in keys]
    return acc


def _switch(loop: int, write) -> list[Unit]:
    """Adds `write` in the loop in which tau equals `loop`, and only there: three units."""
    shape = ((1, 1), (0, -2), (-1, 1))
    return [Unit({"tau": 1}, shift - loop, combine(write, times=weight), "flags") for shift, weight in shape]


def _short(rows) -> list:
    return [[round(float(v), 4) for v in row] if len(row) > 1 else round(float(row[0]), 4) for row in rows]

"""The stages, and the block of all of them, run on all that they are for: verdicts, and the hypotheses as switches."""

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction
from functools import cache, partial
from numbers import Rational

import numpy as np
import torch
from einops import rearrange

from seqlab.looped.blocks import STEEP, sequence_id, token_ids, walk
from seqlab.looped.digits import label_rows, largest_step
from seqlab.looped.packed import Packed, below_largest, packed, times_mean
from seqlab.looped.table import floor_ids
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness, judge
from seqlab.universal.quantiser import inputs
from seqlab.universal.values import evaluate, in_strips

FLOOR = Statement(
    "loop quantiser",
    "Xu & Sato 2024, proof of Theorem 3.6, stage 1",
    "δ^-1 - 1 loops of one tied feed-forward block turn every token into its id Σ_i δ^-i ⌊x_i/δ⌋.",
    (
        Hypothesis("loops", "there are δ^-1 - 1 loops"),
        Hypothesis("slope", "the steps are steep: M is many times 1/δ"),
    ),
)

SEQUENCE = Statement(
    "sequence id",
    "Xu & Sato 2024, proof of Theorem 3.6, stage 2",
    "N loops that fetch the largest id not yet used give different sets of tokens sequence ids at least 1 apart.",
    (
        Hypothesis("loops", "there are N loops, one for each token"),
        Hypothesis("base", "the ids are digits in base δ^-d"),
        Hypothesis("mark", "a token that was fetched is marked as used"),
        Hypothesis("distinct", "the tokens of a sequence have different ids"),
    ),
)

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


@torch.no_grad()
def check_floor(levels: int = 8, dim: int = 1, *, loops: int | None = None, slope: Rational = STEEP) -> Verdict:
    """Stage 1 on random points and on all edges of cells: exactly the floor, but inside the ramps.

    A ramp is the last 1/M below an edge kδ, where the step is not yet a step. The margin is half an id less the largest
    error outside the ramps. With a slope below 16/δ the ramps count too.
    """
    loops, steep = levels - 1 if loops is None else loops, slope >= 16 * levels
    x = rearrange(inputs(levels, dim, 2000), "1 case dim -> case 1 dim")
    got, want = token_ids(levels, dim, slope=slope).module()(x, loops)[:, 0, 0], floor_ids(x, levels)[:, 0]
    error = (got - want).abs().masked_fill(in_strips(x, levels, 1 / slope) & steep, 0.0)
    at = int(error.argmax())
    why = Witness.of("x = {} becomes {:.4g}, its id is {}", x[at, 0].tolist(), got[at].item(), want[at].item())
    statement = FLOOR.under(loops=loops >= levels - 1, slope=steep)
    return judge(0.5 - error.max().item(), statement, witness=why, checked=len(x), unit="ids")


def check_sequence(
    columns: int = 6,
    length: int = 3,
    *,
    loops: int | None = None,
    base: int | None = None,
    mark: bool = True,
    repeated: bool = False,
) -> Verdict:
    """Stage 2 on every set of `length` of the ids 0 … columns - 1, in two orders, in exact integers.

    The margin is the smallest gap between the sequence ids of different sets, less the 1 that is wanted, plus 1/2.
    repeated=True also lists sequences in which an id appears more than once.
    """
    if not repeated and length > columns:
        raise ValueError(f"length: {length} different ids wanted, there are {columns}")
    loops = length if loops is None else loops
    choose = itertools.combinations_with_replacement if repeated else itertools.combinations
    sets, program = list(choose(range(columns), length)), sequence_id(columns, base=base, mark=mark)
    ids = program.run([order for each in sets for order in (each, each[::-1])], loops).reshape(len(sets), -1)
    order = ids[:, 0].argsort(kind="stable").tolist()
    pairs = [*itertools.pairwise(order), *((a, a) for a in order if len(set(ids[a])) > 1)]  # not the same for all
    gap, a, b = min(((int(ids[b].min() - ids[a].max()), a, b) for a, b in pairs), default=(1, 0, 0))
    known = dict(loops=loops == length, base=base is None or base >= columns, mark=mark, distinct=not repeated)
    note = f"{len(set(ids[:, 0]))} ids for {len(sets)} sequences, smallest gap {gap}"
    why = Witness.of("{} and {} share the sequence id {}", sets[a], sets[b], ids[a, 0])
    return judge(gap - 0.5, SEQUENCE.under(**known), witness=why, checked=len(sets), unit="ids", notes=(note,))


@torch.no_grad()
def check_walk(
    labels: Iterable,
    *,
    clock: bool = False,
    loops: int | None = None,
    dtype: torch.dtype | None = None,
    stopped: bool = False,
) -> Verdict:
    """Every label against what is recalled: within the largest step without a clock, exactly with it.

    dtype:    None for exact fractions, or torch.float64, torch.float32: the module of real layers
    stopped:  every loop is given the factors of the first
    The margin is the bound less the largest error; for the exact claim it is 1e-12 less the error.
    """
    rows = label_rows(labels)
    program, ids = walk(rows, clock=clock), np.arange(len(rows))
    program = replace(program, clock=program.clock[:1] * program.loops) if stopped else program
    got = (program.module(dtype=dtype)(ids, loops) if dtype else program.run(ids, loops)).tolist()
    off = lambda a, b: abs(Fraction(a) - b) if abs(a) < math.inf else math.inf
    errors = [max(map(off, *pair)) for pair in zip(got, rows)]
    error, step = max(errors), max(map(largest_step, zip(*rows)))
    k = errors.index(error)
    shown = ([round(float(value), 4) for value in row[k]] for row in (got, rows))
    why = Witness.of("k = {}: recalled {}, the label is {}", k, *shown)
    bound, statement = (Fraction(1e-12), WITH.under(clock=not stopped)) if clock else (step, WITHOUT)
    statement = statement.under(loops=loops is None or loops >= program.loops, exact=dtype is None)
    note = f"largest error {float(error):.3g}, largest step {float(step):.3g}, K = {len(rows)}"
    holds = error <= bound
    return judge(bound - error, statement, witness=why, holds=holds, checked=len(rows), notes=(note,))


@torch.no_grad()
def check_packed(
    made: Packed, *, loops: int | None = None, dtype: torch.dtype | None = None, repeated: bool = False
) -> Verdict:
    """Every set of cells, at three points of each cell and in two orders, against f at the centres.

    dtype:     None for exact arithmetic, or torch.float64, torch.float32: the module of real layers
    repeated:  sequences of one cell repeated too, which the theorem leaves out

    The margin is the bound less the largest error. The bound is the largest step of the labels in their order without a
    clock (`check_steps` says that for d = 1 and N ≤ 2 it is at most ω_tok + ω_cont); with a clock it is 1e-12, in
    floating point 1e-5.
    """
    t, program, loops = made.table, made.program, made.program.loops if loops is None else loops
    bound = (1e-5 if dtype else 1e-12) if program.clock else made.step
    cases = [(order, share) for each in t.sets for share, order in zip(PROBES, (each, each[::-1], each))]
    wanted = [[t.values[tuple(sorted(cells)), cell] for cell in cells] for cells, _ in cases]
    if repeated:
        same = [(cell,) * t.length for cell in range(t.columns)]
        wanted += evaluate(t.f, t.centres(same)).tolist()
        cases += [(cells, PROBES[0]) for cells in same]
    points = np.array([[t.point(cell, share) for cell in cells] for cells, share in cases])
    got = program.module(dtype=dtype)(points.astype(float), loops) if dtype else program.run(points, loops)
    got, wanted = np.array(got.tolist(), dtype=float), np.array(wanted, dtype=float)
    errors = np.nan_to_num(abs(got - wanted), nan=np.inf).max(axis=(1, 2))
    worst, at = float(errors.max()), int(errors.argmax())
    shown = (rows[at].squeeze().round(4).tolist() for rows in (got, wanted))
    why = Witness.of("cells {} (at {} of their width): the network gives {}, wanted {}", *cases[at], *shown)
    known = made.holds | dict(loops=loops >= program.loops, exact=dtype is None, distinct=not repeated)
    statement, holds = PACKED.under(**known), worst <= bound
    note = f"largest error {worst:.3g}, bound {bound:.3g}, largest step of the labels {t.largest_step:.3g}"
    return judge(bound - worst, statement, witness=why, holds=holds, checked=len(cases), notes=(note,))


WITHOUT_CLOCK = {
    "short": "one loop too few",
    "flags": "no flags: all stages work in every loop",
    "digits": "the digits in float64",
    "slope": "steps of slope 8",
    "labels": "labels shuffled",
    "repeated": "repeated tokens too",
}
WITH_CLOCK = {name: label for name, label in WITHOUT_CLOCK.items() if name != "digits"} | {
    "flags": "the clock does not separate the stages",
    "clock": "the clock stands still",
}
BUILT = {"flags": ("flags", False), "slope": ("slope", 8), "labels": ("shuffle", 2), "clock": ("stopped", True)}


def switches(*, clock: bool = False) -> tuple[Callable[..., Verdict], dict[str, str]]:
    """A check of a packed block, `check(**{switch: broken})`, and a label for each: `TheoremView(*switches())`.

    The function is `below_largest`, with a clock `times_mean`: every switch but "labels" under a clock breaks those.
    """
    block = cache(partial(packed, times_mean if clock else below_largest, 3, clock=clock))

    def check(**broken: bool) -> Verdict:
        chosen = [name for name, on in broken.items() if on]
        made = block(**dict(BUILT[name] for name in chosen if name in BUILT))
        dtype, loops = torch.float64 if "digits" in chosen else None, made.program.loops - ("short" in chosen)
        return check_packed(made, loops=loops, dtype=dtype, repeated="repeated" in chosen)

    return check, WITH_CLOCK if clock else WITHOUT_CLOCK

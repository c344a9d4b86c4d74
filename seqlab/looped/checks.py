"""What the paper states about these blocks, checked: verdicts, and the hypotheses as switches."""

import itertools
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from numbers import Rational

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seqlab.looped.blocks import STEEP, sequence_id, token_ids, walk
from seqlab.looped.budget import Limits, StageLoops, loops_for, sizes, stage_loops
from seqlab.looped.digits import Number, first_wrong, label_rows, largest_step
from seqlab.looped.moduli import Moduli, moduli
from seqlab.looped.packed import Packed, below_largest, packed, times_mean
from seqlab.looped.rate import Point
from seqlab.looped.table import ContextualTable, Function, floor_ids
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness
from seqlab.written import Program

LOOPS = Statement(
    "loops of the stages",
    "Xu & Sato 2024, proof of Theorem 3.6",
    "The three stages take δ^-1 - 1, N and at most 2 δ^-(N+1)d - 1 loops, together less than N + 2 δ^-(N+1)d-1.",
    (Hypothesis("counted", "the loops are those the built block needs"),),
)

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

DIGITS = Statement(
    "digits of one number",
    "Xu & Sato 2024, Lemma 4.1 (ternary digits after Zhang et al. 2023)",
    "Multiplying by 3 and subtracting the leading digit gives all ternary digits of θ, one a loop.",
    (Hypothesis("exact", "θ is kept exactly, not in floating point"),),
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

STEPS = Statement(
    "neighbouring ids, neighbouring labels",
    "Xu & Sato 2024, proof of Theorem 3.6, stage 3",
    "The largest step between the labels of neighbouring contextual ids is at most ω_tok(δ√d) + ω_cont(δ√(Nd)).",
    (
        Hypothesis("order", "the ids are ordered by token, then by context: the labels are not shuffled"),
        Hypothesis("fill", "ids that no input has are filled in a straight line"),
        Hypothesis("neighbours", "consecutive ids are neighbouring cells: d = 1 and N ≤ 2, else a carry leaps"),
    ),
)

RATE = Statement(
    "rate of looped transformers",
    "Xu & Sato 2024, Theorem 3.6",
    "With r loops one tied block comes within the sum of the five terms at δ(r) of f, in L^p.",
)

SMALLER = Statement(
    "moduli",
    "follows from the definitions of Xu & Sato 2024, section 3",
    "The contextual and the token modulus are at most the modulus of the sequence.",
)

PROBES = (Fraction(1, 2), Fraction(0), Fraction(63, 64))
MOST = int(sys.float_info.max)


def judged(
    holds: bool, margin: float, why: tuple, statement: Statement, checked: int, unit: str = "", note: str = ""
) -> Verdict:
    """A verdict; `why` = (sentence, objects) is its witness where it fails."""
    return Verdict(bool(holds), margin, None if holds else Witness(*why), statement, checked, unit, (note,))


def check_loops(used: StageLoops, levels: int, dim: int = 1, length: int = 2) -> Verdict:
    """The loops a built block uses, stage by stage, against the proof's count, and that against r. Margin in loops."""
    allowed, r = stage_loops(levels, dim, length), loops_for(levels, dim, length)
    slack = [(allowed.total, r - 1, "all stages of the proof")]
    slack += zip(used, allowed, (f"stage {name}" for name in used._fields))
    loops, limit, what = min(slack, key=lambda s: s[1] - s[0])
    why = f"{what}: {loops} loops, at most {limit} were wanted", (loops, limit)
    note = f"built {used.total} loops, proof {allowed.total}, r = {r:,} for 1/δ = {levels}"
    return judged(loops <= limit, limit - loops + 1, why, LOOPS, len(slack), "loops", note)


def check_size(program: Program, limits: Limits) -> Verdict:
    """Embedding dimension and width of a block against a theorem's. Margin: the smaller of what is left, plus 1."""
    dim, (embedding, width) = len(program.answers), sizes(program)
    m, q = limits.embedding(dim), limits.width(dim)
    left, text = min(m - embedding, q - width), f"embedding {embedding} of {m}, width {width} of {q}"
    statement = Statement("size of the block", limits.source, f"Embedding {m} and width {q} are enough for d = {dim}.")
    return judged(left >= 0, left + 1, (text,), statement, 1, "coordinates", text)


def in_ramps(x: Float[Tensor, "*batch dim"], levels: int, slope: Rational) -> Tensor:
    """Whether some coordinate lies within 1/M below an edge kδ, 1 ≤ k < 1/δ: where the step is not yet a step."""
    up = torch.floor(x * levels) + 1
    return ((up / levels - x < 1 / slope) & (up < levels)).any(-1)


@torch.no_grad()
def check_floor(
    levels: int = 8,
    dim: int = 1,
    *,
    loops: int | None = None,
    slope: Rational = STEEP,
    samples: int = 2000,
    seed: int = 0,
) -> Verdict:
    """Stage 1 on random points and on all corners of the grid: exactly the floor, but inside the ramps.

    The margin is half an id less the largest error outside the ramps. With a slope below 16/δ the ramps count too.
    """
    loops, steep = levels - 1 if loops is None else loops, slope >= 16 * levels
    x = torch.rand(samples, 1, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    if levels & (levels - 1) == 0:  # the corners of other grids are no float64
        edges = torch.arange(levels, dtype=torch.float64) / levels
        x = torch.cat([x, edges[:, None, None].expand(levels, 1, dim)])
    got, want = token_ids(levels, dim, slope=slope).module()(x, loops)[..., 0], floor_ids(x, levels)
    ramps = in_ramps(x, levels, slope)
    error = (got - want).abs().masked_fill(ramps & steep, 0.0)
    worst, at = error.max().item(), int(error.flatten().argmax())
    point, mine = x[at, 0].tolist(), got[at].item()
    why = f"x = {point} becomes {mine:.4g}, its id is {want[at].item()}", (point, mine)
    statement = FLOOR.under(loops=loops >= levels - 1, slope=steep)
    note = f"{int((error > 0).sum())} wrong, {int(ramps.sum())} points in the ramps, {loops} loops"
    return judged(worst < 0.5, 0.5 - worst, why, statement, len(x), "ids", note)


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
    why = f"{sets[a]} and {sets[b]} share the sequence id {ids[a, 0]}", (sets[a], sets[b])
    return judged(gap >= 1, gap - 0.5, why, SEQUENCE.under(**known), len(sets), "ids", note)


def check_digits(
    count: int = 32, *, dtype: torch.dtype | None = None, tables: int = 20, seed: int = 0, longest: int = 60
) -> Verdict:
    """Random digits, packed into one number and read back: all of the first `count` come out right.

    dtype: None for exact fractions, or torch.float64, torch.float32 …
    The margin is the first position read wrongly over all tables (of `longest` digits) less `count`, at most
    `longest` + 1 - `count`. The witness carries (digits, position).
    """
    if count < 1 or tables < 1:
        raise ValueError(f"count, tables: got {count}, {tables}, wanted at least 1 of each: none would prove nothing")
    draw, longest = torch.Generator().manual_seed(seed), max(longest, count)
    drawn = [(torch.randint(3, (longest,), generator=draw) - 1).tolist() for _ in range(tables)]
    found = [(first_wrong(digits, dtype) or longest + 1, digits) for digits in drawn]
    worst, lost = min(found, key=lambda pair: pair[0])
    why = f"digit {worst} of {count} is read wrongly in {str(dtype).removeprefix('torch.')}", (lost, worst)
    note = f"first wrong digit: {'none' if worst > longest else f'position {worst}'}"
    return judged(worst > count, worst - count, why, DIGITS.under(exact=dtype is None), tables, "digits", note)


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
    error, k = max((max(map(off, *pair)), -k) for k, pair in enumerate(zip(got, rows)))
    mine, label = ([round(as_float(value), 4) for value in row[-k]] for row in (got, rows))
    mine, label = (mine, label) if len(label) > 1 else (*mine, *label)
    why = f"k = {-k}: recalled {mine}, the label is {label}", (-k, mine, label)
    step = max(map(largest_step, zip(*rows)))
    bound, statement = (Fraction(1e-12), WITH.under(clock=not stopped)) if clock else (step, WITHOUT)
    statement = statement.under(loops=loops is None or loops >= program.loops, exact=dtype is None)
    note = f"largest error {as_float(error):.3g}, largest step {as_float(step):.3g}, K = {len(rows)}"
    return judged(error <= bound, as_float(bound - error), why, statement, len(rows), "", note)


def as_float(value: Number) -> float:
    """The nearest float64; the largest where there is none so large."""
    return float(value if isinstance(value, float) else max(-MOST, min(value, MOST)))


@torch.no_grad()
def check_packed(
    made: Packed,
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
    t, program, loops = made.table, made.program, made.program.loops if loops is None else loops
    bound = (1e-5 if dtype else 1e-12) if program.clock else bound or made.step
    cases = [(order, share) for each in t.sets for share, order in zip(PROBES, (each, each[::-1], each))]
    wanted = [[t.values[tuple(sorted(cells)), cell] for cell in cells] for cells, _ in cases]
    if repeated:
        same = [(cell,) * t.length for cell in range(t.columns)]
        cases, wanted = cases + [(cells, PROBES[0]) for cells in same], wanted + t.at_centres(same).tolist()
    points = np.array([[t.point(cell, share) for cell in cells] for cells, share in cases])
    got = program.module(dtype=dtype)(points.astype(float), loops) if dtype else program.run(points, loops)
    got, wanted = np.array(got.tolist(), dtype=float), np.array(wanted, dtype=float)
    errors = np.nan_to_num(abs(got - wanted), nan=np.inf).max(axis=(1, 2))
    worst, at = float(errors.max()), int(errors.argmax())
    (cells, share), shown = cases[at], [rows[at].round(4).squeeze(-1 if t.dim == 1 else ()) for rows in (got, wanted)]
    text = "cells {} (at {} of their width): the network gives {}, wanted {}"
    why = text.format(cells, share, *(rows.tolist() for rows in shown)), (cells, got[at].tolist(), wanted[at].tolist())
    known = made.holds | dict(loops=loops >= program.loops, exact=dtype is None, distinct=not repeated)
    steps = f"bound {bound:.3g}, largest step of the labels {t.largest_step:.3g}"
    note = f"largest error {worst:.3g}, {steps}"
    return judged(worst <= bound, bound - worst, why, PACKED.under(**known), len(cases), "", note)


def check_steps(made: ContextualTable, *, points: int | None = None) -> Verdict:
    """The largest step of the labels of a table against the two moduli, found by program. Margin: the difference.

    With d ≥ 2 or N ≥ 3 some consecutive ids are far apart, as 09 and 10 are: a digit is carried over, and a token or
    one of the others leaps from one end of a coordinate to its other end, in fewer ids than it passes cells.
    """
    terms = dict(length=made.length, dim=made.dim, points=points or 4 * made.levels + 1, p=float("inf"))
    token = moduli(made.f, math.sqrt(made.dim) / made.levels, **terms).token.value
    context = moduli(made.f, math.sqrt(made.length * made.dim) / made.levels, **terms).contextual.value
    limit, step, moves = token + context, made.largest_step, made.moves
    k = moves.index(max(moves)) + 1
    why = f"from id {k - 1} to id {k} the label moves by {step:.4g}, more than {limit:.4g}", (k - 1, k)
    note = f"largest step {step:.4g}, token modulus {token:.4g}, contextual modulus {context:.4g}"
    neighbours = made.dim == 1 and made.length <= 2
    statement = STEPS.under(order=not made.shuffled, fill=made.fill == "line", neighbours=neighbours)
    return judged(step <= limit, limit - step, why, statement, len(moves), "", note)


def check_rate(points: Sequence[Point], *, clock: bool = False) -> Verdict:
    """The error is within the bound at every δ. The margin is the smallest difference."""
    worst = min(points, key=lambda point: point.bound.total - point.error)
    margin = worst.bound.total - worst.error
    why = (f"1/δ = {worst.levels}: the error is {worst.error:.4g}, the bound {worst.bound.total:.4g}",)
    note = "; ".join(f"1/δ = {q.levels}: {q.error:.4g} ≤ {q.bound.total:.4g}, r = {q.r:,}" for q in points)
    kind = Hypothesis("clock", "with a clock (Theorem 4.2)" if clock else "without a clock (Lemma 4.1)")
    return judged(margin >= 0, margin, why, replace(RATE, hypotheses=(kind,)), len(points), "", note)


def check_moduli(found: Moduli) -> Verdict:
    """ω_cont ≤ ω and ω_tok ≤ ω. The margin is the smaller difference (0 where one attains the whole)."""
    whole, larger = found.sequence.value, max(found.contextual, found.token, key=lambda modulus: modulus.value)
    margin = whole - larger.value
    text = f"token {larger.token} moves by {larger.value:.4g}, the whole sequence by at most {whole:.4g}"
    return judged(margin >= -1e-12 * max(1.0, whole), margin, (text, (larger.x, larger.other)), SMALLER, found.pairs)


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


def switches(
    f: Function | None = None, levels: int = 3, *, clock: bool = False, shuffle: int = 2
) -> tuple[Callable[..., Verdict], dict[str, str]]:
    """A check of the packed block for f, `check(**{switch: broken})`, and a label for each: `TheoremView(*switches())`.

    f: `below_largest` unless given, with a clock `times_mean`: every switch but "labels" under a clock breaks those
    """
    f = f or (times_mean if clock else below_largest)

    @cache
    def block(flags: bool, slope: bool, labels: bool, stopped: bool) -> Packed:
        broken = dict(flags=not flags, slope=8 if slope else STEEP, shuffle=shuffle if labels else None)
        return packed(f, levels, clock=clock, stopped=stopped, **broken)

    def check(**broken: bool) -> Verdict:
        made = block(*(broken.get(name, False) for name in ("flags", "slope", "labels", "clock")))
        dtype = torch.float64 if broken.get("digits") else None
        loops = made.program.loops - broken.get("short", False)
        return check_packed(made, loops=loops, dtype=dtype, repeated=broken.get("repeated", False))

    return check, dict(WITH_CLOCK if clock else WITHOUT_CLOCK)

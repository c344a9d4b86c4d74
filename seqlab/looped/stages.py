"""The first two stages, each as loops of one tied block: token ids, and the id of the whole sequence.

| paper symbol (Xu & Sato 2024, proof of Theorem 3.6)   | name here                                         |
| ----------------------------------------------------- | ------------------------------------------------- |
| X_:,n ∈ [0,1]^d → z_n ∈ {0, …, δ^-d - 1}              | `token_ids`: coordinates x, z                     |
| if x ≥ δ then c += 1, x -= δ                          | one step of slope M = `slope` for each coordinate |
| uᵀz with u = (δ^-d(N-1), …, δ^-d, 1), z sorted        | `sequence_id`: coordinate acc                     |
| the largest id not yet used                           | coordinate found, written by one hardmax head     |

The loop bodies are reconstructed from the summary of the proof. One of the two heads that the theorem allows is enough.
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from numbers import Rational

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqlab.looped.budget import check_sizes
from seqlab.looped.program import Head, Program, Row, Unit, combine, step
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness

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

STEEP = 2**20


def coordinates(name: str, dim: int) -> tuple[str, ...]:
    """name0, name1, …: one coordinate of the state for each of the d entries of a token."""
    return tuple(f"{name}{i}" for i in range(dim))


def floor_units(levels: int, dim: int, slope: Rational, *, gate: Row | None = None, off: Rational = 0) -> list[Unit]:
    """Where x_i ≥ δ: x_i -= δ and z += δ^-i. Two units for each entry."""
    units, width = [], Fraction(1, levels)
    for i, x in enumerate(coordinates("x", dim)):
        write = {x: -width, "z": levels**i}
        units += step({x: slope}, 1 - slope * width, write, "token ids", gate=gate, off=off)
    return units


def sequence_units(
    columns: int, *, base: int | None = None, mark: bool = True, gate: Row | None = None, off: Rational = 0
) -> list[Unit]:
    """acc ← base · acc + found, and the token that was found is marked: `used` takes it below all ids. Two units."""
    gate, base = gate or {}, base or columns
    shift = Unit(combine({"acc": base - 1, "found": 1}, gate), off, {"acc": 1}, "sequence id")
    used = Unit(combine({"z": 1, "used": 1, "found": -1}, gate), off + 1, {"used": -columns}, "sequence id")
    return [shift, used] if mark else [shift]


def clear_units() -> list[Unit]:
    """found ← 0, so that the head can write it anew."""
    return [Unit({"found": sign}, 0, {"found": -sign}, "clear") for sign in (1, -1)]


HEAD = Head(query={"one": 1}, key={"z": 1, "used": 1}, write="found")


def token_ids(levels: int, dim: int = 1, *, slope: Rational = STEEP) -> Program:
    """Stage 1: "token dim" in [0, 1]^d to the id of each token, in levels - 1 loops of one feed-forward block."""
    check_sizes(levels, dim, 1)
    if slope < levels:
        raise ValueError(f"slope: got {slope}, wanted at least 1/δ = {levels}: a flatter step is wider than a cell")
    x = coordinates("x", dim)
    return Program((*x, "z"), x, {"z": 0}, tuple(floor_units(levels, dim, slope)))


def sequence_id(columns: int, *, base: int | None = None, mark: bool = True) -> Program:
    """Stage 2: token ids 0 … columns - 1 to the id of their set, the same at every token, a loop for each token.

    base: `columns` = δ^-d unless given;  mark=False: nothing is marked as used
    """
    check_sizes(columns, 1, 1)
    units = sequence_units(columns, base=base, mark=mark) + clear_units()
    names = ("z", "used", "found", "acc", "one")
    return Program(names, ("z",), {"acc": 0}, tuple(units), HEAD, start={"one": 1})


def floor_ids(x: Float[Tensor, "*batch dim"], levels: int) -> Int[Tensor, "*batch"]:
    """What stage 1 is to compute: Σ_i δ^-i ⌊x_i/δ⌋, and the last cell for x_i = 1."""
    cells = torch.floor(x * levels).clamp(max=levels - 1).long()
    return (cells * levels ** torch.arange(x.shape[-1])).sum(-1)


def in_ramps(x: Float[Tensor, "*batch dim"], levels: int, slope: Rational) -> Tensor:
    """Whether some coordinate lies within 1/M below an edge kδ, 1 ≤ k < 1/δ: where the step is not yet a step."""
    up = torch.floor(x * levels) + 1
    return ((up / levels - x < 1 / slope) & (up < levels)).any(-1)


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
    loops = levels - 1 if loops is None else loops
    draw = torch.Generator().manual_seed(seed)
    x = torch.rand(samples, 1, dim, generator=draw, dtype=torch.float64)
    edges = torch.arange(levels, dtype=torch.float64) / levels
    x = torch.cat([x, edges[:, None, None].expand(levels, 1, dim)]) if _power_of_two(levels) else x
    got = token_ids(levels, dim, slope=slope).module()(x, loops)[..., 0]
    want = floor_ids(x, levels)
    steep = slope >= 16 * levels
    ramps = in_ramps(x, levels, slope)
    error = (got - want).abs()
    if steep:
        error = error.masked_fill(ramps, 0.0)
    worst = error.max().item()
    at = int(error.flatten().argmax())
    point, mine, wanted = x[at, 0].tolist(), got[at].item(), int(want[at])
    witness = None if worst < 0.5 else Witness(f"x = {point} becomes {mine:.4g}, its id is {wanted}", (point, mine))
    statement = FLOOR.under(loops=loops >= levels - 1, slope=steep)
    notes = (f"{int((error > 0).sum())} wrong, {int(ramps.sum())} points in the ramps, {loops} loops",)
    return Verdict(worst < 0.5, 0.5 - worst, witness, statement, len(x), "ids", notes)


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
    program, named = sequence_id(columns, base=base, mark=mark), {}
    for ids in choose(range(columns), length):
        outs = [[int(y) for (y,) in program.exact([[k] for k in order], loops)] for order in (ids, ids[::-1])]
        named[ids] = outs[0][0]
        if len({*outs[0], *outs[1]}) > 1:
            return _sequence_verdict(named, loops, length, columns, base, mark, repeated, (ids, ids))
    return _sequence_verdict(named, loops, length, columns, base, mark, repeated)


def _sequence_verdict(named, loops, length, columns, base, mark, repeated, split=None) -> Verdict:
    ordered = sorted(named, key=named.get)
    pairs = [(named[b] - named[a], a, b) for a, b in itertools.pairwise(ordered)]
    gap, a, b = min(pairs, default=(1, None, None))
    if split:
        gap, (a, b) = 0, split
    statement = SEQUENCE.under(
        loops=loops == length, base=base is None or base >= columns, mark=mark, distinct=not repeated
    )
    notes = (f"{len(set(named.values()))} ids for {len(named)} sequences, smallest gap {gap}",)
    witness = None
    if gap < 1:
        witness = Witness(f"{a} and {b} share the sequence id {named[a]}", (a, b))
    return Verdict(gap >= 1, gap - 0.5, witness, statement, len(named), "ids", notes)


def _power_of_two(levels: int) -> bool:
    return levels & (levels - 1) == 0

"""What r loops buy: δ(r), the loops of the three stages, and the sizes that the theorems state.

| paper symbol (Xu & Sato 2024)                            | name here                         |
| -------------------------------------------------------- | --------------------------------- |
| N, d, 1/δ                                                | `length`, `dim`, `levels`         |
| r with δ = ((r - N) / 2)^(-1 / ((N+1)d + 1))             | `loops_for`, `delta`              |
| δ^-1 - 1, N, 2 δ^-(N+1)d - 1                             | `StageLoops`                      |
| m, q of a block                                          | `sizes(program)`                  |
| q = 49d + 25, m = 17d + 9, two heads of size one         | `THEOREM_3_6`                     |
| 12d, 18d (Lemma 4.1) and 4d, 6d (Theorem 4.2)            | `LEMMA_4_1`, `THEOREM_4_2`        |
"""

from collections import namedtuple
from fractions import Fraction

from seqlab.theorem import Statement, Verdict, judge
from seqlab.universal.quantiser import sizes as sizes_fit
from seqlab.written import Program

LOOPS = Statement(
    "loops of the stages",
    "Xu & Sato 2024, proof of Theorem 3.6",
    "The three stages take δ^-1 - 1, N and at most 2 δ^-(N+1)d - 1 loops, together less than N + 2 δ^-(N+1)d-1.",
)

# Embedding dimension m and width q of a block as functions of d.
Limits = namedtuple("Limits", "source embedding width")

THEOREM_3_6 = Limits("Xu & Sato 2024, Theorem 3.6", lambda d: 17 * d + 9, lambda d: 49 * d + 25)
LEMMA_4_1 = Limits("Xu & Sato 2024, Lemma 4.1", lambda d: 12 * d, lambda d: 18 * d)
THEOREM_4_2 = Limits("Xu & Sato 2024, Theorem 4.2", lambda d: 4 * d, lambda d: 6 * d)


class StageLoops(namedtuple("StageLoops", "tokens sequence values")):
    """The loops of the three stages: token ids, sequence id, values."""

    @property
    def total(self) -> int:
        return sum(self)


def stage_loops(levels: int, dim: int = 1, length: int = 2) -> StageLoops:
    """The loops the proof allows for: δ^-1 - 1, N and 2 δ^-(N+1)d - 1."""
    sizes_fit(levels, dim, length, shortest=1)
    return StageLoops(levels - 1, length, 2 * levels ** ((length + 1) * dim) - 1)


def loops_for(levels: int, dim: int = 1, length: int = 2) -> int:
    """r = N + 2 δ^-((N+1)d + 1): the loops at which the theorem has this δ."""
    return length + 2 * levels ** ((length + 1) * dim + 1)


def delta(loops: int, dim: int = 1, length: int = 2) -> float:
    """δ(r) = ((r - N) / 2)^(-1 / ((N+1)d + 1)); Theorem 3.6 wants r > N."""
    if loops <= length:
        raise ValueError(f"loops: got {loops} for {length} tokens, wanted more loops than tokens")
    return (Fraction(loops - length) / 2) ** (-1 / ((length + 1) * dim + 1))


def sizes(program: Program) -> tuple[int, int]:
    """m and q: coordinates of a token, and hidden units; units that read nothing are the second bias, not counted."""
    units = [unit for layer in program.layers for unit in layer.units if unit.read.weights]
    return len(program.names), len(units)


def check_loops(used: StageLoops, levels: int, dim: int = 1, length: int = 2) -> Verdict:
    """The loops a built block uses, stage by stage, against the proof's count, and that against r. Margin in loops."""
    allowed, r = stage_loops(levels, dim, length), loops_for(levels, dim, length)
    names, most = (*used._fields, "all stages of the proof"), (*allowed, r - 1)
    left, name = min((b - a, name) for a, b, name in zip((*used, allowed.total), most, names))
    why = f"{name}: {-left} loops more than were wanted"
    return judge(left + 1, LOOPS, witness=why, checked=len(names), unit="loops")


def check_size(program: Program, limits: Limits) -> Verdict:
    """Embedding dimension and width of a block against a theorem's. Margin: the smaller of what is left, plus 1."""
    dim, (embedding, width) = len(program.answers), sizes(program)
    m, q = limits.embedding(dim), limits.width(dim)
    text = f"embedding {embedding} of {m}, width {width} of {q}"
    statement = Statement("size of the block", limits.source, f"Embedding {m} and width {q} are enough for d = {dim}.")
    left = min(m - embedding, q - width)
    return judge(left + 1, statement, witness=text, checked=1, unit="coordinates", notes=(text,))

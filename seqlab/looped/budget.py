"""What r loops buy: δ(r), the loops of the three stages, and the sizes that the theorems state.

| paper symbol (Xu & Sato 2024)                            | name here                         |
| -------------------------------------------------------- | --------------------------------- |
| N, d, 1/δ                                                | `length`, `dim`, `levels`         |
| r with δ = ((r - N) / 2)^(-1 / ((N+1)d + 1))             | `loops_for`, `delta`              |
| δ^-1 - 1, N, 2 δ^-(N+1)d - 1                             | `StageLoops`                      |
| q = 49d + 25, m = 17d + 9, two heads of size one         | `THEOREM_3_6`                     |
| 12d, 18d (Lemma 4.1) and 4d, 6d (Theorem 4.2)            | `LEMMA_4_1`, `THEOREM_4_2`        |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from seqlab.theorem import Hypothesis, Statement, Verdict, Witness


@dataclass(frozen=True)
class Size:
    """Embedding dimension and width of a block as functions of d."""

    source: str
    embedding: Callable[[int], int]
    width: Callable[[int], int]


THEOREM_3_6 = Size("Xu & Sato 2024, Theorem 3.6", lambda d: 17 * d + 9, lambda d: 49 * d + 25)
LEMMA_4_1 = Size("Xu & Sato 2024, Lemma 4.1", lambda d: 12 * d, lambda d: 18 * d)
THEOREM_4_2 = Size("Xu & Sato 2024, Theorem 4.2", lambda d: 4 * d, lambda d: 6 * d)

LOOPS = Statement(
    "loops of the stages",
    "Xu & Sato 2024, proof of Theorem 3.6",
    "The three stages take δ^-1 - 1, N and at most 2 δ^-(N+1)d - 1 loops, together less than N + 2 δ^-(N+1)d-1.",
    (Hypothesis("counted", "the loops are those the built block needs"),),
)


@dataclass(frozen=True)
class StageLoops:
    """The loops of the three stages: token ids, sequence id, values."""

    tokens: int
    sequence: int
    values: int

    @property
    def total(self) -> int:
        return self.tokens + self.sequence + self.values


def stage_loops(levels: int, dim: int = 1, length: int = 2) -> StageLoops:
    """The loops the proof allows for: δ^-1 - 1, N and 2 δ^-(N+1)d - 1."""
    check_sizes(levels, dim, length)
    return StageLoops(levels - 1, length, 2 * levels ** ((length + 1) * dim) - 1)


def loops_for(levels: int, dim: int = 1, length: int = 2) -> int:
    """r = N + 2 δ^-((N+1)d + 1): the loops at which the theorem has this δ."""
    check_sizes(levels, dim, length, least=1)
    return length + 2 * levels ** ((length + 1) * dim + 1)


def delta(loops: int, dim: int = 1, length: int = 2) -> float:
    """δ(r) = ((r - N) / 2)^(-1 / ((N+1)d + 1)); Theorem 3.6 wants r > N."""
    check_sizes(1, dim, length, least=1)
    if loops <= length:
        raise ValueError(f"loops: got {loops} for {length} tokens, wanted more loops than tokens")
    return (Fraction(loops - length) / 2) ** (-1 / ((length + 1) * dim + 1))


def finest(loops: int, dim: int = 1, length: int = 2) -> int:
    """The largest whole 1/δ that r loops pay for."""
    levels = max(1, int(1 / delta(loops, dim, length)))
    while loops_for(levels + 1, dim, length) <= loops:
        levels += 1
    while levels > 1 and loops_for(levels, dim, length) > loops:
        levels -= 1
    return levels


def check_loops(used: StageLoops, levels: int, dim: int = 1, length: int = 2) -> Verdict:
    """The loops a built block uses, stage by stage, against the proof's count, and that against r. Margin in loops."""
    allowed, r = stage_loops(levels, dim, length), loops_for(levels, dim, length)
    slack = [(allowed.total, r - 1, "all stages of the proof")]
    slack += [(getattr(used, s), getattr(allowed, s), f"stage {s}") for s in ("tokens", "sequence", "values")]
    margin = min(limit - loops for loops, limit, _ in slack)
    loops, limit, what = min(slack, key=lambda s: s[1] - s[0])
    witness = None if margin >= 0 else Witness(f"{what}: {loops} loops, at most {limit} were wanted", (loops, limit))
    notes = (f"built {used.total} loops, proof {allowed.total}, r = {r:,} for 1/δ = {levels}",)
    return Verdict(margin >= 0, margin + 1, witness, LOOPS, len(slack), "loops", notes)


def check_sizes(levels: int, dim: int, length: int, *, least: int = 2) -> None:
    """Raises ValueError unless levels ≥ `least`, dim ≥ 1 and length ≥ 1."""
    for name, got, wanted in (("levels", levels, least), ("dim", dim, 1), ("length", length, 1)):
        if got < wanted:
            raise ValueError(f"{name}: got {got}, wanted at least {wanted}")

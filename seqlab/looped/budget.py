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

from seqlab.written import Program

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


def sizes(program: Program) -> tuple[int, int]:
    """m and q: coordinates of a token, and hidden units; units that read nothing are the second bias, not counted."""
    units = [unit for layer in program.layers for unit in layer.units if unit.read.weights]
    return len(program.names), len(units)


def check_sizes(levels: int, dim: int, length: int, *, least: int = 2) -> None:
    """Raises ValueError unless levels ≥ `least`, dim ≥ 1 and length ≥ 1."""
    for name, got, wanted in (("levels", levels, least), ("dim", dim, 1), ("length", length, 1)):
        if got < wanted:
            raise ValueError(f"{name}: got {got}, wanted at least {wanted}")

"""The sweep and the global shift: attention gives every token of every sequence a name of its own.

| paper symbol (Yun et al. 2019, Lemma 6 and its proof)              | name                                     |
| ------------------------------------------------------------------ | ---------------------------------------- |
| δ                                                                  | delta; 1 in the exact whole numbers      |
| E, row k of which is k                                             | the coordinate p                         |
| u = (1, δ^-1, …, δ^-(d-1)), l = uᵀX                                | u, a form; `ids`                         |
| Z + δ^-d Ψ(Z; l - δ/2, l + δ/2), l = 0, δ, …                       | one level of the sweep, gain = δ^-d      |
| l̃                                                                  | swept(sequences)                         |
| Z + δ^-(n+1)d-1 ψ(Z; 0)                                            | the global shift, spread = δ^-(n+1)d-1   |
| q(L) = uᵀ g_c(L)                                                   | names(sequences)                         |
| δ^-d + 1, with positions n δ^-d + 1                                | formula                                  |

Names are whole numbers in units of δ, exact at any size: `program()`. The same as real attention heads, on tokens in
[0, 1), is `program(Fraction(1, levels)).module()`.
"""

import itertools
import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Shaped

from seqlab import contextual
from seqlab.attention import average, hardmax
from seqlab.exact import Number
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness
from seqlab.universal.quantiser import sizes
from seqlab.written import Form, Head, Layer, Program, Sweep, coordinates

Mixing = Literal["two heads", "one head", "average", "none"]
Sequences = Shaped[np.ndarray, "sequence token dim"]
Names = Shaped[np.ndarray, "sequence token"]

LEMMA_6 = Statement(
    "contextual mapping",
    "Yun et al. 2019, Lemma 6",
    "δ^-d layers of selective shifts and one global shift give every token of every sequence its own name.",
    (
        Hypothesis("gain", "each shift is multiplied by δ^-d"),
        Hypothesis("spread", "the global shift is multiplied by δ^-(n+1)d-1 (n times that with positions)"),
        Hypothesis("levels", "the sweep visits every level in increasing order"),
        Hypothesis("mixing", "two hardmax heads mix the tokens"),
        Hypothesis("distinct", "the columns of a sequence are different"),
        Hypothesis("order", "sequences that are reorderings count as one, or positions are added"),
    ),
)

LARGEST = 20_000  # sequences that `sequences()` lists


@dataclass(frozen=True)
class ContextualMapping:
    """The attention part of the construction for 1/δ = levels, d = dim, n = length. Made by `contextual_mapping`."""

    levels: int
    dim: int
    length: int
    positions: bool
    gain: int
    spread: int
    descending: bool = False
    skip: tuple[int, ...] = ()
    mixing: Mixing = "two heads"

    def program(self, delta: Number = 1) -> Program:
        """Lemma 6 as a text, for tokens that are multiples of delta."""
        normalizer = average() if self.mixing == "average" else hardmax()
        layers = [] if self.mixing == "none" else self.layers(delta)
        return Program(self.x, self.u, layers, normalizer=normalizer, positions=self.places(delta))

    @cached_property
    def exact(self) -> Program:
        """The text in units of δ."""
        return self.program()

    def layers(self, delta: Number) -> list[Sweep | Layer]:
        """Only the token with id v moves, by gain (max - min), v in turn; then spread times the largest id, to all."""
        x, u, half = self.x, self.u, Fraction(delta) / 2

        def jump(v: Number | Form) -> Layer:
            up = Head(u - v * delta + half, u, value=u, write=self.gain * x[0])
            down = Head(u - v * delta - half, u, value=u, write=-self.gain * x[0])
            return Layer([up] if self.mixing == "one head" else [up, down], label=f"id {v} jumps")

        sweep = Sweep(u / delta, self.targets(), jump)
        largest = lambda: Layer([Head(u, u, value=u, write=self.spread * x[0])], label="the largest id, to all")
        return [sweep, largest()] if self.spread else [sweep]

    @property
    def x(self) -> list[Form]:
        """The d coordinates of a token."""
        return [*coordinates([f"x{i}" for i in range(self.dim)])]

    @property
    def u(self) -> Form:
        """The id of a token: the number whose base-N digits are its coordinates, each moved by the position."""
        place = coordinates("p") if self.positions else 0
        return sum(self.levels**i * (each + place) for i, each in enumerate(self.x))

    def places(self, delta: Number) -> object:
        """E: token k has p = k, which is k N in units of δ."""
        return {coordinates("p"): [self.levels * delta * k for k in range(self.length)]} if self.positions else None

    @property
    def columns(self) -> int:
        """δ^-d, the number of different tokens."""
        return self.levels**self.dim

    @property
    def box(self) -> int:
        """What one position adds to an id, in units of δ."""
        return self.levels * sum(self.levels**i for i in range(self.dim))

    @property
    def formula(self) -> int:
        """Attention layers of Lemma 6: δ^-d + 1, and n δ^-d + 1 with positions."""
        return self.columns * (self.length if self.positions else 1) + 1

    @property
    def marker(self) -> int:
        """J in units of δ: δ^-nd, and n + 3n δ^-nd with positions."""
        whole = self.columns**self.length
        return self.levels * (self.length + 3 * self.length * whole if self.positions else whole)

    def targets(self) -> list[int]:
        """The levels l that the sweep visits, in its order, in units of δ."""
        boxes = self.length if self.positions else 1
        levels = [j * self.box + k for j in range(boxes) for k in range(self.columns)]
        levels = [level for k, level in enumerate(levels) if k not in self.skip]
        return levels[::-1] if self.descending else levels

    def sequences(self, *, repeated: bool = False) -> Sequences:
        """All sequences of grid tokens, entries 0 … 1/δ - 1; without positions those with different columns only.

        repeated=True lists those with equal columns too. Raises ValueError where there are more than 20,000.
        """
        everything = self.positions or repeated
        size = self.columns**self.length if everything else math.perm(self.columns, self.length)
        if not 0 < size <= LARGEST:
            raise ValueError(
                f"levels, dim, length: {size:,} sequences for ({self.levels}, {self.dim}, {self.length}), wanted 1 to "
                f"{LARGEST:,}, of different tokens without positions (the grid has {self.columns}); choose other sizes"
            )
        columns = list(itertools.product(range(self.levels), repeat=self.dim))
        every = itertools.product(columns, repeat=self.length) if everything else None
        return np.array(list(every or itertools.permutations(columns, self.length)), dtype=np.int64)

    def names(self, sequences: Sequences) -> Names:
        """q(L): the names of all tokens, exact, in units of δ. `sequences` has entries in units of δ."""
        if sequences.shape[1:] != (self.length, self.dim):
            got = tuple(sequences.shape[1:])
            raise ValueError(f"sequences: got (token, dim) = {got}, wanted {(self.length, self.dim)}")
        return self.exact.run(sequences)[..., 0]

    def swept(self, sequences: Sequences) -> Names:
        """l̃: the ids after the sweep, before the global shift."""
        return replace(self, spread=0).names(sequences)

    def ids(self, sequences: Sequences) -> Names:
        """l = uᵀX after the positions are added, in units of δ."""
        return replace(self, mixing="none").names(sequences)

    def check(self, equivalence: contextual.Equivalence | None = None, *, repeated: bool = False) -> Verdict:
        """Lemma 6 on all sequences of `sequences(repeated=…)`, in exact arithmetic.

        equivalence:  "identity" with positions and "permutation" without, unless given: "identity" without positions
                      asks for what the construction cannot do

        The margin is the smallest distance of two names that must differ. The witness carries
        ((sequence, k), (sequence, l)): two tokens that share a name. The notes compare the layers counted on the built
        network with the formula.
        """
        equivalence = equivalence or ("identity" if self.positions else "permutation")
        sequences = self.sequences(repeated=repeated)
        spoken = speak(sequences)
        verdict = contextual.contextual_mapping(self.names(sequences).tolist(), spoken, equivalence)
        witness = verdict.witness
        if witness:
            (i, k), (j, l) = witness.objects
            # equal tokens are no excuse where positions tell them apart
            text = witness.text.split(". They are equal tokens")[0] if self.positions else witness.text
            witness = Witness(text, ((spoken[i], k), (spoken[j], l)))
        built = self.program().count().layers
        statement = LEMMA_6.under(
            gain=self.gain == self.columns,
            spread=self.spread >= _spread(self.levels, self.dim, self.length, self.positions),
            levels=not (self.skip or self.descending),
            mixing=self.mixing == "two heads",
            distinct=self.positions or not repeated,
            order=self.positions or equivalence != "identity",
        )
        return replace(
            verdict,
            witness=witness,
            statement=statement,
            checked=len(sequences),
            unit="units of delta",
            notes=(f"{built} attention layers, the formula says {self.formula}",),
        )


def contextual_mapping(
    levels: int,
    dim: int = 1,
    length: int = 3,
    *,
    positions: bool = False,
    gain: int | None = None,
    spread: int | None = None,
    descending: bool = False,
    skip: tuple[int, ...] = (),
    mixing: Mixing = "two heads",
) -> ContextualMapping:
    """The construction of Lemma 6, with a switch for each of its hypotheses.

    gain:        δ^-d unless given
    spread:      coefficient of the global shift, δ^-(n+1)d-1 (n times that with positions) unless given; 0 leaves the
                 global shift out
    descending:  sweep from the highest level down;  skip: indices of levels that the sweep leaves out
    mixing:      "two heads"; "one head" (the subtracting one removed); "average" in place of hardmax; "none"

    Raises ValueError unless levels ≥ 2, dim ≥ 1, length ≥ 2, gain ≥ 1 and spread ≥ 0.
    """
    sizes(levels, dim, length)
    for name, got, least in (("gain", gain, 1), ("spread", spread, 0)):
        if got is not None and got < least:
            raise ValueError(f"{name}: got {got}, wanted an integer ≥ {least}")
    if mixing not in ("two heads", "one head", "average", "none"):
        raise ValueError(f"mixing: got {mixing!r}, wanted 'two heads', 'one head', 'average' or 'none'")
    gain = levels**dim if gain is None else gain
    spread = _spread(levels, dim, length, positions) if spread is None else spread
    return ContextualMapping(levels, dim, length, positions, gain, spread, descending, tuple(skip), mixing)


def speak(sequences: Sequences) -> list[tuple]:
    """Sequences as tuples of tokens; a token is an int for d = 1 and a tuple of ints beyond."""
    rows = sequences.tolist()
    return [tuple(token[0] if len(token) == 1 else tuple(token) for token in row) for row in rows]


def _spread(levels: int, dim: int, length: int, positions: bool) -> int:
    return (length if positions else 1) * levels ** ((length + 1) * dim + 1)

"""The sweep and the global shift: attention gives every token of every sequence a name of its own.

| paper symbol (Yun et al. 2019, Lemma 6 and its proof)              | name                                     |
| ------------------------------------------------------------------ | ---------------------------------------- |
| Z + δ^-d Ψ(Z; l - δ/2, l + δ/2), l = 0, δ, …                       | one level of the sweep, gain = δ^-d      |
| l̃                                                                  | swept(sequences)                         |
| Z + δ^-(n+1)d-1 ψ(Z; 0)                                            | the global shift, spread = δ^-(n+1)d-1   |
| q(L) = uᵀ g_c(L)                                                   | names(sequences)                         |
| δ^-d + 1, with positions n δ^-d + 1                                | formula                                  |

Everything here is an integer in units of δ: int64 while it fits, Python's integers beyond. `stack` builds the same out
of real attention heads in floating point.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

import numpy as np
import torch
from jaxtyping import Shaped

from seqlab import contextual
from seqlab.attention import Normalizer, average, hardmax
from seqlab.layers import count
from seqlab.stack.blocks import Heads, Positions, Residual, Stack
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness
from seqlab.universal.quantiser import sizes
from seqlab.universal.shift import code, column_ids

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

    @property
    def columns(self) -> int:
        """δ^-d, the number of different tokens."""
        return self.levels**self.dim

    @property
    def formula(self) -> int:
        """Attention layers of Lemma 6: δ^-d + 1, and n δ^-d + 1 with positions."""
        return self.columns * (self.length if self.positions else 1) + 1

    @property
    def marker(self) -> int:
        """J in units of δ: δ^-nd, and n + 3n δ^-nd with positions."""
        whole = self.levels ** (self.length * self.dim)
        return self.levels * (self.length + 3 * self.length * whole if self.positions else whole)

    def targets(self) -> list[int]:
        """The levels l that the sweep visits, in its order, in units of δ."""
        moved = self.levels * sum(code(self.levels, self.dim))  # what one position adds to an id
        boxes = self.length if self.positions else 1
        levels = [j * moved + k for j in range(boxes) for k in range(self.columns)]
        levels = [level for k, level in enumerate(levels) if k not in self.skip]
        return levels[::-1] if self.descending else levels

    def sequences(self, *, repeated: bool = False) -> Sequences:
        """All sequences of grid tokens, entries 0 … 1/δ - 1; without positions those with different columns only.

        repeated=True lists those with equal columns too. Raises ValueError where there are more than 20,000.
        """
        everything = self.positions or repeated
        size = self.columns**self.length if everything else _falling(self.columns, self.length)
        if size > LARGEST:
            raise ValueError(
                f"levels, dim, length: {size:,} sequences for ({self.levels}, {self.dim}, {self.length}), wanted at "
                f"most {LARGEST:,}; choose smaller ones, or give your own to names()"
            )
        if size == 0:
            raise ValueError(
                f"length: {self.length} different tokens wanted, the grid has {self.columns}; raise levels or dim"
            )
        columns = list(itertools.product(range(self.levels), repeat=self.dim))
        chosen = itertools.product(columns, repeat=self.length) if everything else None
        return np.array(list(chosen or itertools.permutations(columns, self.length)), dtype=np.int64)

    def ids(self, sequences: Sequences) -> Names:
        """l_j = uᵀ x_j after the positions are added, in units of δ."""
        if sequences.shape[1:] != (self.length, self.dim):
            got = tuple(sequences.shape[1:])
            raise ValueError(f"sequences: got (token, dim) = {got}, wanted {(self.length, self.dim)}")
        if self.positions:
            sequences = sequences + self.levels * np.arange(self.length)[:, None]
        return column_ids(sequences, self.levels)

    def sweep(self, ids: Names) -> Iterator[tuple[int, Names]]:
        """The ids after each level of the sweep, with the level."""
        for level in self.targets():
            ids = self._step(ids, level)
            yield level, ids

    def _step(self, ids: Names, level: int) -> Names:
        """One level: two heads move the ids equal to it; one head moves all, upwards of it by max and below by min."""
        if self.mixing in ("average", "none"):
            return ids
        ids = _room(ids, 2 * self.gain + 1)
        high, low = ids.max(axis=1, keepdims=True), ids.min(axis=1, keepdims=True)
        if self.mixing == "one head":
            return ids + self.gain * np.where(ids >= level, high, low)
        return np.where(ids == level, ids + self.gain * (high - low), ids)

    def swept(self, sequences: Sequences) -> Names:
        """l̃: the ids after the sweep, before the global shift."""
        ids = self.ids(sequences)
        for level in self.targets():
            ids = self._step(ids, level)
        return ids

    def global_shift(self, ids: Names) -> Names:
        """ids + spread · ψ(ids; 0): the largest id for those above 0, the smallest for those below, the mean at 0."""
        ids = _room(ids, self.spread + 1)
        if self.mixing == "none" or self.spread == 0:
            return ids
        mean = None
        if self.mixing == "average" or (ids == 0).any():
            mean = _mean(ids)
        if self.mixing == "average":
            return ids + self.spread * mean
        high, low = ids.max(axis=1, keepdims=True), ids.min(axis=1, keepdims=True)
        mixed = np.where(ids > 0, high, low) if mean is None else np.where(ids == 0, mean, np.where(ids > 0, high, low))
        return ids + self.spread * mixed

    def names(self, sequences: Sequences) -> Names:
        """q(L): the names of all tokens, exact, in units of δ. `sequences` has entries in units of δ."""
        return self.global_shift(self.swept(sequences))

    def layers(self, normalizer: Normalizer | None = None, dtype: torch.dtype = torch.float64) -> list[Residual]:
        """The same in real numbers: an attention layer per level, and the global one (a single head)."""
        if self.mixing == "none":
            return []
        normalizer = normalizer or (average() if self.mixing == "average" else hardmax())
        u = torch.tensor(code(self.levels, self.dim), dtype=dtype)
        gains = (float(self.gain), -float(self.gain))[: 1 if self.mixing == "one head" else 2]
        layers = []
        for level in self.targets():
            thresholds = ((level - 0.5) / self.levels, (level + 0.5) / self.levels)[: len(gains)]
            heads = Heads(u, thresholds, gains, normalizer=normalizer)
            layers.append(Residual(heads, "sweep", f"id {level}/{self.levels} jumps"))
        if self.spread:
            heads = Heads(u, (0.0,), (float(self.spread),), normalizer=normalizer)
            layers.append(Residual(heads, "global", f"{self.spread:,} times the largest id is added to all"))
        return layers

    def stack(self, normalizer: Normalizer | None = None, dtype: torch.dtype = torch.float64) -> Stack:
        """The layers as a network on quantised tokens in [0, 1)^d; with positions it adds them first."""
        first = [Positions(self.length, self.dim, dtype)] if self.positions else []
        return Stack(first + self.layers(normalizer, dtype))

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
            witness = Witness(witness.text, ((spoken[i], k), (spoken[j], l)))
        built = count(self.stack(), self.length).layers
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

    Raises ValueError unless levels ≥ 2, dim ≥ 1, length ≥ 2, gain ≥ 0 and spread ≥ 0.
    """
    sizes(levels, dim, length)
    for name, got in (("gain", gain), ("spread", spread)):
        if got is not None and got < 0:
            raise ValueError(f"{name}: got {got}, wanted an integer ≥ 0")
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


def _falling(n: int, k: int) -> int:
    size = 1
    for i in range(k):
        size *= max(n - i, 0)
    return size


def _room(ids: Names, factor: int) -> Names:
    """int64 as long as `factor` times the largest id fits, Python's integers beyond."""
    if ids.dtype != object and int(np.abs(ids).max(initial=0)) * max(factor, 1) >= 2**61:
        return ids.astype(object)
    return ids


def _mean(ids: Names) -> Shaped[np.ndarray, "sequence 1"]:
    total = ids.astype(object).sum(axis=1, keepdims=True)
    return np.frompyfunc(lambda t: Fraction(t, ids.shape[1]), 1, 1)(total)

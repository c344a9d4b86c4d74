"""The sweep of sums and one global sum: sigmoid attention gives every token of every sequence a name of its own.

| paper symbol (Ramapuram et al. 2024, proof of Theorem 3.1)  | name                                             |
| ----------------------------------------------------------- | ------------------------------------------------ |
| Z + c Ψ_σ(Z; l - δ/2, l + δ/2), l = δ, 2δ, …, c ≥ δ^-d      | one level of the sweep, `gain` = c               |
| ids kept positive                                           | `lowest` = 1: ids are 1 … δ^-d in units of δ     |
| l̃                                                          | swept(sequences)                                 |
| the global sum, one head                                    | `spread` times the sum of all l̃ (derived here)  |
| δ^-d + 1 layers of four heads of size one                   | formula                                          |

Write S for the sum of all tokens of a sequence. Each level multiplies S by 1 + c and takes c l_j away, so at the end

    S = (1 + c)^n Σ_j l_j - c Σ_j (1 + c)^(n-j) l_j        l_1 < … < l_n

which leaves l_n as its remainder modulo 1 + c. (S + c l_n) / (1 + c) is the sum before the last jump and leaves
l_(n-1), and so on down to l_1, as long as c ≥ δ^-d: the sum alone tells the sequence.
Everything here is an integer in units of δ: int64 while it fits, Python's integers beyond.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from seqlab import contextual
from seqlab.attention import Normalizer, hardmax, sigmoid, softmax
from seqlab.layers import count
from seqlab.sigmoid.universal.shift import (
    HEADS,
    Kind,
    SteepHeads,
    exact_heads,
    four_heads,
    heaviside,
    known_heads,
    room,
    step_mix,
)
from seqlab.stack.blocks import Frame, Residual, Stack
from seqlab.theorem import Hypothesis, Statement, Verdict
from seqlab.universal.mapping import speak
from seqlab.universal.quantiser import sizes
from seqlab.universal.shift import code, column_ids

Sequences = Shaped[np.ndarray, "sequence token dim"]
Names = Shaped[np.ndarray, "sequence token"]

THEOREM = Statement(
    "sigmoid contextual mapping",
    "Ramapuram et al. 2024, proof of Theorem 3.1",
    "δ^-d layers of four steep sigmoid heads and one global sum give every token of every sequence its own name.",
    (
        Hypothesis("four_heads", "all four heads are there"),
        Hypothesis("sigmoid", "each weight depends on its own score alone"),
        Hypothesis("gain", "each shift is multiplied by δ^-d or more"),
        Hypothesis("global_sum", "a last layer adds the sum of all tokens, times more than any token"),
        Hypothesis("positive", "all ids are positive"),
        Hypothesis("distinct", "the columns of a sequence are different"),
        Hypothesis("order", "sequences that are reorderings count as one"),
    ),
)

LARGEST = 20_000  # sequences that `sequences()` lists


class Lift(nn.Module):
    """Adds a constant to the first coordinate, so that every id is positive."""

    part, label = "positions", "ids are made positive"

    def __init__(self, amount: float):
        super().__init__()
        self.amount = amount

    def forward(self, x: Float[Tensor, "batch token dim"]) -> Float[Tensor, "batch token dim"]:
        return torch.cat([x[..., :1] + self.amount, x[..., 1:]], dim=-1)


@dataclass(frozen=True)
class SigmoidMapping:
    """The attention part of the construction for 1/δ = levels, d = dim, n = length. Made by `contextual_mapping`."""

    levels: int
    dim: int
    length: int
    gain: int
    spread: int
    lowest: int = 1
    removed: tuple[int, ...] = ()
    kind: Kind = "sigmoid"

    @property
    def columns(self) -> int:
        """δ^-d, the number of different tokens."""
        return self.levels**self.dim

    @property
    def formula(self) -> int:
        """Attention layers: δ^-d + 1, as many as with two hardmax heads."""
        return self.columns + 1

    def targets(self) -> list[int]:
        """The levels l that the sweep visits, in increasing order, in units of δ."""
        return list(range(self.lowest, self.lowest + self.columns))

    def sequences(self, *, repeated: bool = False) -> Sequences:
        """All sequences of different grid tokens, entries 0 … 1/δ - 1; repeated=True lists those with equal ones too.

        Raises ValueError where there are more than 20,000, or none.
        """
        pick = itertools.product if repeated else itertools.permutations
        columns = list(itertools.product(range(self.levels), repeat=self.dim))
        chosen = pick(columns, repeat=self.length) if repeated else pick(columns, self.length)
        listed = list(itertools.islice(chosen, LARGEST + 1))
        if not 0 < len(listed) <= LARGEST:
            raise ValueError(
                f"levels, dim, length: {'more than 20,000' if listed else 'no'} sequences of {self.length} tokens out"
                f" of {self.columns}; choose {'smaller' if listed else 'larger'} ones, or give your own to names()"
            )
        return np.array(listed, dtype=np.int64)

    def ids(self, sequences: Sequences) -> Names:
        """`lowest + uᵀ x_j`, in units of δ. Raises ValueError for what is not made of this grid's tokens."""
        sequences = np.asarray(sequences)
        if sequences.ndim != 3 or sequences.shape[1:] != (self.length, self.dim):
            wanted = f"(sequence, token, dim) = (…, {self.length}, {self.dim})"
            raise ValueError(f"sequences: got shape {sequences.shape}, wanted {wanted}")
        if sequences.dtype.kind not in "iu" or ((sequences < 0) | (sequences >= self.levels)).any():
            raise ValueError(f"sequences: wanted integers from 0 to {self.levels - 1}, the levels in units of δ")
        return column_ids(sequences, self.levels) + self.lowest

    def sweep(self, ids: Names) -> Iterator[tuple[int, Names]]:
        """The ids after each level of the sweep, with the level."""
        half = Fraction(1, 2)
        for level in self.targets():
            ids = room(ids, 8 * self.length * max(self.gain, 1))
            shift = exact_heads(ids, level - half, level + half, removed=self.removed, kind=self.kind)
            ids = ids + self.gain * shift
            yield level, ids

    def swept(self, sequences: Sequences) -> Names:
        """l̃: the ids after the whole sweep."""
        *_, (_, swept) = self.sweep(self.ids(sequences))
        return swept

    def global_sum(self, ids: Names) -> Names:
        """One steep head, scores x_i x_k: with positive ids every weight is 1, and all get `spread` times their sum."""
        ids = room(ids, 8 * self.length * max(self.spread, 1))
        mixed = step_mix(ids[..., :, None], ids[..., None, :], ids, self.kind)  # twice the mix, so even where integers
        halved = mixed // 2 if np.all(mixed % 2 == 0) else np.frompyfunc(lambda t: Fraction(t) / 2, 1, 1)(mixed)
        return ids + self.spread * halved

    def names(self, sequences: Sequences) -> Names:
        """The names of all tokens, exact, in units of δ. `sequences` has entries in units of δ."""
        return self.global_sum(self.swept(sequences))

    def stack(self, scale: float | None = None, normalizer: Normalizer | None = None) -> Stack:
        """The same by real attention heads in float64, on tokens in units of δ: four heads a level, one at the end.

        scale:       λ in front of every score; None takes the limit λ → ∞: steps (hardmax for kind="softmax")
        normalizer:  sigmoid(0) unless given (softmax() for kind="softmax"), such as sigmoid() with b = -log n
        """
        u = torch.tensor(code(self.levels, self.dim), dtype=torch.float64)
        if normalizer is None and self.kind == "softmax":
            normalizer = hardmax() if scale is None else softmax()
        elif normalizer is None:
            normalizer = heaviside() if scale is None else sigmoid(0.0)
        options = dict(scale=1.0 if scale is None else scale, normalizer=normalizer)
        layers: list[nn.Module] = [Lift(float(self.lowest))]
        for level in self.targets():
            if len(self.removed) < len(HEADS):
                heads = four_heads(u, level - 0.5, level + 0.5, float(self.gain), removed=self.removed, **options)
                layers.append(Residual(heads, "sweep", f"id {level} takes {self.gain} times the sum of all above it"))
        if self.spread:
            head = SteepHeads(u, [(0.0, 0.0, float(self.spread))], **options)
            layers.append(Residual(head, "global", f"{self.spread:,} times the sum of all is added to all"))
        return Stack(layers)

    def trace(self, tokens: Sequences | Tensor, scale: float | None = None) -> list[Frame]:
        """The tokens after every layer of `stack(scale)`, the input first: what a stepper shows, in units of δ."""
        with torch.no_grad():
            return self.stack(scale).trace(torch.as_tensor(tokens).double())

    def check(self, equivalence: contextual.Equivalence = "permutation", *, repeated: bool = False) -> Verdict:
        """Conditions 1 and 2 on all sequences of `sequences(repeated=…)`, in exact arithmetic.

        The margin is the smallest distance of two names that must differ. The witness carries
        ((sequence, k), (sequence, l)): two tokens that share a name. The note compares the layers counted on the built
        network with the formula.
        """
        sequences = self.sequences(repeated=repeated)
        spoken = speak(sequences)
        verdict = contextual.contextual_mapping(self.names(sequences).tolist(), spoken, equivalence)
        witness = verdict.witness
        if witness:
            (i, k), (j, l) = witness.objects
            witness = replace(witness, objects=((spoken[i], k), (spoken[j], l)))
        statement = THEOREM.under(
            four_heads=not self.removed,
            sigmoid=self.kind == "sigmoid",
            gain=self.gain >= self.columns,
            global_sum=self.spread >= _spread(self.columns, self.length, self.gain),
            positive=self.lowest > 0,
            distinct=not repeated,
            order=equivalence != "identity",
        )
        built = count(self.stack(), self.length).layers
        notes = (f"{built} attention layers, the formula says {self.formula}",)
        return replace(
            verdict, witness=witness, statement=statement, checked=len(sequences), unit="units of delta", notes=notes
        )


def contextual_mapping(
    levels: int,
    dim: int = 1,
    length: int = 3,
    *,
    gain: int | None = None,
    spread: int | None = None,
    lowest: int = 1,
    removed: tuple[int, ...] = (),
    kind: Kind = "sigmoid",
) -> SigmoidMapping:
    """The construction, with a switch for each of its hypotheses. The ids number D = levels^dim.

    gain:     δ^-d unless given
    spread:   coefficient of the global sum, n δ^-d (1 + gain)^n unless given, which no l̃ reaches; 0 leaves it out
    lowest:   the smallest id
    removed:  which of the four heads (0 … 3) are left out;  kind: "softmax" puts softmax into the same heads

    Raises ValueError unless levels ≥ 2, dim ≥ 1, length ≥ 2, gain ≥ 0, spread ≥ 0, and for heads that are not there.
    """
    sizes(levels, dim, length)
    for name, got in (("gain", gain), ("spread", spread)):
        if got is not None and (got < 0 or got != int(got)):
            raise ValueError(f"{name}: got {got}, wanted an integer ≥ 0")
    known_heads(removed)
    if kind not in ("sigmoid", "softmax"):
        raise ValueError(f"kind: got {kind!r}, wanted 'sigmoid' or 'softmax'")
    gain = levels**dim if gain is None else gain
    spread = _spread(levels**dim, length, gain) if spread is None else spread
    return SigmoidMapping(levels, dim, length, gain, spread, lowest, tuple(removed), kind)


def _spread(columns: int, length: int, gain: int) -> int:
    return length * columns * (1 + gain) ** length

"""The sweep along a chain and s all-max-shifts: sparse attention gives every token of every sequence its own name.

| paper symbol (Yun et al. 2020)                                       | name                                   |
| -------------------------------------------------------------------- | -------------------------------------- |
| E_γ(1) = n-1, E_γ(i) = i-2                                           | positions_along(order)                 |
| Z + δ^-d Ψ^l(Z; v - δ/2, v + δ/2) for v in the buckets of γ(2), …, γ(n) | one level of the sweep, gain = δ^-d |
| Z + c Ω^l(Z), s times                                                | all-max-shifts, coefficient = c        |
| q(L) = uᵀ g_c(L)                                                     | names(sequences)                       |

The token that is swept sees its predecessor in the chain, which holds the largest id of all, and itself, the smallest
of all that are still unswept: so max and min over its few neighbours are the max and min of everything not yet done.
Every level takes p layers, one per set; all but the one that holds the chain's connection add nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np
import torch

from seqlab.attention import Normalizer, hardmax
from seqlab.patterns.connectivity import Assumption, assumption_1
from seqlab.patterns.pattern import Instance, Pattern
from seqlab.sparse.shift import SparseHeads
from seqlab.stack.blocks import Positions, Residual, Stack
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness
from seqlab.universal.mapping import ContextualMapping, Names, Sequences, _room
from seqlab.universal.quantiser import sizes
from seqlab.universal.shift import code, column_ids

SPARSE_LEMMA = Statement(
    "sparse contextual mapping",
    "Yun et al. 2020, proof of Theorem 1",
    "p(n-1)δ^-d layers of sparse selective shifts along a chain and s all-max-shifts give every token of every sequence "
    "its own name.",
    (
        Hypothesis("self_loops", "every token sees itself in every set"),
        Hypothesis("chain", "positions follow a chain in which each token is seen by the next"),
        Hypothesis("reachability", "the all-max-shifts are as many as it takes for every token to hear every token"),
        Hypothesis("gain", "each shift is multiplied by δ^-d"),
        Hypothesis("coefficient", "the all-max-shifts are multiplied by at least 2 s n δ^-nd-1"),
    ),
)


def positions_along(order: Sequence[int]) -> list[int]:
    """E per token: n-1 for the first of the chain, then 0, 1, …, n-2."""
    at = [0] * len(order)
    for i, token in enumerate(order):
        at[token] = i - 1 if i else len(order) - 1
    return at


class ChainPositions(Positions):
    """`x + E`, E along the chain, the same in every coordinate."""

    def __init__(self, order: Sequence[int], dim: int, dtype: torch.dtype = torch.float64):
        super().__init__(len(order), dim, dtype)
        steps = torch.tensor(positions_along(order), dtype=dtype)
        self.code = torch.nn.Parameter(steps[:, None].repeat(1, dim), requires_grad=False)


@dataclass(frozen=True)
class SparseMapping(ContextualMapping):
    """The attention part of the sparse construction. Made by `contextual_mapping`; `spread` is the coefficient c.

    order: the chain;  steps: how many all-max-shifts;  assumption: what is known about the pattern at this length.
    """

    pattern: Pattern | None = None
    order: tuple[int, ...] = ()
    steps: int = 0
    assumption: Assumption | None = None

    @property
    def p(self) -> int:
        return self.pattern.p

    @property
    def coefficient(self) -> int:
        return self.spread

    @property
    def formula(self) -> int:
        """Attention layers: p(n-1)δ^-d + s."""
        return self.p * (self.length - 1) * self.columns + self.steps

    @cached_property
    def sets(self) -> tuple[Instance, ...]:
        """The p sets at this length."""
        return tuple(self.pattern.layer(layer).at(self.length) for layer in range(self.p))

    @cached_property
    def seen(self) -> list[list[list[int]]]:
        """seen[set][token]: the keys A_k^l."""
        return [[each.keys(k) for k in range(self.length)] for each in self.sets]

    def active(self, token: int) -> int:
        """The first set in which the token sees its predecessor in the chain (the first of all where none does)."""
        before = self.order[self.order.index(token) - 1]
        return next((layer for layer in range(self.p) if before in self.seen[layer][token]), 0)

    def targets(self) -> list[int]:
        """The levels that the sweep visits, in units of δ: the buckets of γ(2), …, γ(n) in turn."""
        moved = self.levels * sum(code(self.levels, self.dim))
        return [bucket * moved + k for bucket in range(self.length - 1) for k in range(self.columns)]

    def schedule(self) -> list[tuple[int, int]]:
        """(level, set) per level of the sweep: the set whose layer is not the identity."""
        sets = [self.active(token) for token in self.order[1:] for _ in range(self.columns)]
        return list(zip(self.targets(), sets))

    def sequences(self, *, repeated: bool = True) -> Sequences:
        """All D^n sequences of grid tokens, entries 0 … 1/δ - 1."""
        return super().sequences(repeated=True)

    def ids(self, sequences: Sequences) -> Names:
        """l_k = uᵀ x_k after the positions are added, in units of δ."""
        if sequences.shape[1:] != (self.length, self.dim):
            got = tuple(sequences.shape[1:])
            raise ValueError(f"sequences: got (token, dim) = {got}, wanted {(self.length, self.dim)}")
        return column_ids(sequences + self.levels * np.array(positions_along(self.order))[:, None], self.levels)

    def sweep(self, ids: Names) -> Iterator[tuple[int, Names]]:
        """The ids after each level of the sweep, with the level."""
        for level, layer in self.schedule():
            ids = _room(ids, 2 * self.gain + 1)
            hit = ids == level
            if hit.any():
                moved = ids.copy()
                for k in np.flatnonzero(hit.any(axis=0)).tolist():
                    if keys := self.seen[layer][k]:
                        jump = ids[:, keys].max(axis=1) - ids[:, keys].min(axis=1)
                        moved[:, k] = np.where(hit[:, k], ids[:, k] + self.gain * jump, ids[:, k])
                ids = moved
            yield level, ids

    def swept(self, sequences: Sequences) -> Names:
        """l̃: the ids after the sweep, before the all-max-shifts."""
        return list(self.sweep(self.ids(sequences)))[-1][1]

    def global_shift(self, ids: Names) -> Names:
        """`steps` all-max-shifts, the sets in turn."""
        for step in range(self.steps):
            ids = _room(ids, self.spread + 1)
            mixed = [_largest(ids, k, keys) for k, keys in enumerate(self.seen[step % self.p])]
            ids = ids + self.spread * np.stack(mixed, axis=1)
        return ids

    def layers(self, normalizer: Normalizer | None = None, dtype: torch.dtype = torch.float64) -> list[Residual]:
        """The same in real numbers: p attention layers per level, and one per all-max-shift."""
        options = dict(normalizer=normalizer or hardmax())
        u = torch.tensor(code(self.levels, self.dim), dtype=dtype)
        layers = []
        for level, active in self.schedule():
            thresholds = ((level - 0.5) / self.levels, (level + 0.5) / self.levels)
            for layer, each in enumerate(self.sets):
                gain = float(self.gain) if layer == active else 0.0
                label = f"id {level}/{self.levels} jumps" if gain else "another set has its turn: nothing moves"
                layers.append(Residual(SparseHeads(each, u, thresholds, (gain, -gain), **options), "sweep", label))
        for step in range(self.steps):
            heads = SparseHeads(self.sets[step % self.p], u, (0.0,), (float(self.spread),), **options)
            layers.append(Residual(heads, "global", f"{self.spread:,} times the largest id in sight, step {step + 1}"))
        return layers

    def stack(self, normalizer: Normalizer | None = None, dtype: torch.dtype = torch.float64) -> Stack:
        """The layers as a network on quantised tokens in [0, 1)^d; it adds the positions first."""
        return Stack([ChainPositions(self.order, self.dim, dtype), *self.layers(normalizer, dtype)])

    def check(self, equivalence: str | None = None, *, repeated: bool = True) -> Verdict:
        """The contextual mapping on all D^n sequences, in exact integers; see `universal.ContextualMapping.check`.

        The statement lists which hypotheses are broken; the witness carries ((sequence, k), (sequence, l)).
        """
        verdict = super().check("identity", repeated=True)
        known = self.assumption
        enough = known.s is not None and self.steps >= known.s
        edges = zip(self.order, self.order[1:])
        statement = SPARSE_LEMMA.under(
            self_loops=known.self_loops.holds,
            chain=all(any(a in seen[b] for seen in self.seen) for a, b in edges),
            reachability=enough,
            gain=self.gain == self.columns,
            coefficient=self.spread >= coefficient(self.levels, self.dim, self.length, self.steps),
        )
        witness = verdict.witness  # positions are there: equal tokens are no excuse
        if witness:
            witness = Witness(witness.text.split(". They are equal tokens")[0], witness.objects)
        return replace(verdict, statement=statement, witness=witness)


def coefficient(levels: int, dim: int, length: int, steps: int) -> int:
    """c = 2 s n δ^-nd-1, an integer."""
    return 2 * steps * length * levels ** (length * dim + 1)


def contextual_mapping(
    pattern: Pattern,
    levels: int = 2,
    dim: int = 1,
    length: int = 4,
    *,
    order: Sequence[int] | None = None,
    steps: int | None = None,
    gain: int | None = None,
    c: int | None = None,
) -> SparseMapping:
    """The sparse construction on a pattern, for 1/δ = levels, d = dim, n = length, with a switch per hypothesis.

    pattern:  heads that differ are joined; a pattern that breaks Assumption 1 is welcome: the verdict shows what then fails
    order:    the chain; found by `connectivity.hamiltonian_chain` unless given, the tokens as they stand where there is none
    steps:    all-max-shifts; s unless given, n p where the pattern never lets all hear all
    gain:     δ^-d unless given;  c: coefficient of the all-max-shifts, 2 s n δ^-nd-1 unless given

    Raises ValueError unless levels ≥ 2, dim ≥ 1, length ≥ 2, an order lists every token once, the others are ≥ 0.
    """
    sizes(levels, dim, length)
    for name, got in (("steps", steps), ("gain", gain), ("c", c)):
        if got is not None and got < 0:
            raise ValueError(f"{name}: got {got}, wanted an integer ≥ 0")
    pattern = pattern.merged_heads()
    known = assumption_1(pattern.at(length), order=None if order is None else np.asarray(order))
    if order is None:
        order = known.chain.order if known.chain.status == "found" else range(length)
    order = tuple(int(token) for token in order)
    if steps is None:
        steps = known.s or length * pattern.p
    return SparseMapping(
        levels,
        dim,
        length,
        positions=True,
        gain=levels**dim if gain is None else gain,
        spread=coefficient(levels, dim, length, steps) if c is None else c,
        pattern=pattern,
        order=order,
        steps=steps,
        assumption=known,
    )


def _largest(ids: Names, token: int, keys: list[int]) -> np.ndarray:
    """What one hardmax head with threshold 0 returns: max where the id is positive, min below 0, the mean at 0."""
    own = ids[:, token]
    if not keys:
        return np.zeros_like(own)
    near = ids[:, keys]
    mixed = np.where(own > 0, near.max(axis=1), near.min(axis=1))
    if (own == 0).any():
        total = near.astype(object).sum(axis=1)
        mixed = np.where(own == 0, np.frompyfunc(lambda t: Fraction(t, len(keys)), 1, 1)(total), mixed.astype(object))
    return mixed

"""The sweep along a chain and s all-max-shifts: sparse attention gives every token of every sequence its own name.

| paper symbol (Yun et al. 2020)                                       | name                                   |
| -------------------------------------------------------------------- | -------------------------------------- |
| γ                                                                    | order                                  |
| A_k^l, l = 0 … p - 1                                                 | sets                                   |
| E_γ(1) = n-1, E_γ(i) = i-2                                           | positions_along(order)                 |
| Z + δ^-d Ψ^l(Z; v - δ/2, v + δ/2) for v in the buckets of γ(2), …, γ(n) | one level of the sweep, gain = δ^-d |
| Z + c Ω^l(Z), s times                                                | all-max-shifts, coefficient = c        |
| q(L) = uᵀ g_c(L)                                                     | names(sequences)                       |

The token that is swept sees its predecessor in the chain, which holds the largest id of all, and itself, the smallest
of all that are still unswept: so max and min over its few neighbours are the max and min of everything not yet done.
Every level takes p layers, one per set; all but the one that holds the chain's connection add nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from seqlab.exact import Number
from seqlab.patterns.connectivity import Assumption, assumption_1
from seqlab.patterns.pattern import Pattern
from seqlab.theorem import Hypothesis, Statement, Verdict
from seqlab.universal.mapping import ContextualMapping
from seqlab.universal.quantiser import sizes
from seqlab.written import Form, Head, Layer, Sweep, coordinates

SPARSE_LEMMA = Statement(
    "sparse contextual mapping",
    "Yun et al. 2020, proof of Theorem 1",
    "p(n-1)δ^-d layers of sparse selective shifts along a chain and s all-max-shifts give every token of every sequence"
    " its own name.",
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
    return [(list(order).index(token) - 1) % len(order) for token in range(len(order))]


@dataclass(frozen=True)
class SparseMapping(ContextualMapping):
    """The attention part of the sparse construction. Made by `contextual_mapping`; `spread` is the coefficient c.

    order: the chain;  steps: how many all-max-shifts;  assumption: what is known about the pattern at this length.

    Real layers (`universal.blocks`) hold names up to 2^53 units of δ. c^s passes that early: at n = 4, δ = 1/3,
    d = 2, and for the window, whose s is n - 1, at n = 9 with δ = 1/2, d = 1.
    """

    pattern: Pattern | None = None
    order: tuple[int, ...] = ()
    steps: int = 0
    assumption: Assumption | None = None

    def layers(self, delta: Number) -> list[Sweep | Layer]:
        """Along the chain, only the token with id v moves, by gain (max - min) in sight; then s all-max-shifts."""
        x, u, half = self.x, self.u, Fraction(delta) / 2
        sets = [self.pattern.layer(l) for l in range(self.pattern.p)]

        def sweep(bucket: int) -> Sweep:
            before, token = self.order[bucket], self.order[bucket + 1]
            active = next((l for l, keys in enumerate(self.seen) if before in keys[token]), 0)

            def jump(v: Number | Form) -> list[Layer]:
                up = Head(u - v * delta + half, u, value=u, write=self.gain * x[0], sees=sets[active])
                down = Head(u - v * delta - half, u, value=u, write=-self.gain * x[0], sees=sets[active])
                idle = [Layer(label="another set has its turn: nothing moves")] * len(sets)
                return [*idle[:active], Layer([up, down], label=f"id {v} jumps"), *idle[active + 1 :]]

            return Sweep(u / delta, range(bucket * self.box, bucket * self.box + self.columns), jump)

        def all_max(step: int) -> Layer:
            head = Head(u, u, value=u, write=self.spread * x[0], sees=sets[step % len(sets)])
            return Layer(head, label=f"the largest id in sight, step {step + 1}")

        shifts = range(self.steps) if self.spread else []
        return [*map(sweep, range(self.length - 1)), *map(all_max, shifts)]

    def places(self, delta: Number) -> object:
        """E along the chain, in every coordinate."""
        return {coordinates("p"): [self.levels * delta * k for k in positions_along(self.order)]}

    @property
    def formula(self) -> int:
        """Attention layers: p(n-1)δ^-d + s."""
        return self.pattern.p * (self.length - 1) * self.columns + self.steps

    @property
    def seen(self) -> list[list[list[int]]]:
        """seen[set][token]: the keys A_k^l at this length."""
        sets = [self.pattern.layer(layer).at(self.length) for layer in range(self.pattern.p)]
        return [[each.keys(k) for k in range(self.length)] for each in sets]

    def check(self, equivalence: str | None = None, *, repeated: bool = True) -> Verdict:
        """The contextual mapping on all D^n sequences, in exact integers; see `universal.ContextualMapping.check`.

        The statement lists which hypotheses are broken; the witness carries ((sequence, k), (sequence, l)).
        """
        verdict = super().check("identity", repeated=True)
        known = self.assumption
        statement = SPARSE_LEMMA.under(
            self_loops=known.self_loops.holds,
            chain=known.chain.check().holds,
            reachability=known.s is not None and self.steps >= known.s,
            gain=self.gain == self.columns,
            coefficient=self.spread >= coefficient(self.levels, self.dim, self.length, self.steps),
        )
        return replace(verdict, statement=statement)


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

    pattern:  heads that differ are joined; a pattern that breaks Assumption 1 is welcome: the verdict shows what then
              fails
    order:    the chain; found by `connectivity.hamiltonian_chain` unless given, the tokens as they stand where there is
              none
    steps:    all-max-shifts; s unless given, n p where the pattern never lets all hear all
    gain:     δ^-d unless given;  c: coefficient of the all-max-shifts, 2 s n δ^-nd-1 unless given

    Raises ValueError unless levels ≥ 2, dim ≥ 1, length ≥ 2, gain ≥ 1, an order lists every token once, the others are
    ≥ 0.
    """
    sizes(levels, dim, length)
    for name, got, least in (("steps", steps, 0), ("gain", gain, 1), ("c", c, 0)):
        if got is not None and got < least:
            raise ValueError(f"{name}: got {got}, wanted an integer ≥ {least}")
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

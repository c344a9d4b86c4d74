"""Gather, scatter, n times: the contextual mapping on a star, in exact integers (units of δ, N = 1/δ).

    low shift, phase k    l_k   → f_k  = l_k + N^d (f̃_0 - l_k)          token k reads the relay
    high shift, phase k   f̃_0   → f̃_0 + N^nd (f_k - l_k+1)              the relay reads (f_1 in place of l_n+1)
    broadcast             f_k   → f_k + N^n²d (f̃_0 - f_k)               every token reads the relay

Each line is a sweep: for every level v of a range, the tokens whose id is v add gain · (max - min over what they see).
`StarMapping` visits only levels that some token holds. A level that nobody holds moves nobody, so that is the same map
as all the layers of the paper; `layers` has those, one by one.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Bool
from torch import Tensor

from seqlab import contextual
from seqlab.patterns.pattern import Pattern
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness
from seqlab.universal.quantiser import sizes

LARGEST = 20_000  # sequences that `sequences()` lists
KINDS = ("low", "high", "broadcast")
Ids = list[int]

STAR_LEMMA = Statement(
    "contextual mapping on a star",
    "Zaheer et al. 2020, appendix A",
    "n phases of low and high shift through one relay token, and a broadcast, give every token of every sequence its"
    " own name.",
    (
        Hypothesis("star", "the relay and every token see each other, and every token sees itself"),
        Hypothesis("low", "low shifts: in phase k, token k reads the relay"),
        Hypothesis("high", "high shifts: in phase k, the relay reads token k"),
        Hypothesis("broadcast", "the broadcast is multiplied by δ^-n²d"),
        Hypothesis("range", "the broadcast reaches down to f_1, the smallest id of all"),
    ),
)


def code(levels: int, dim: int, length: int) -> list[int]:
    """u: 1, N, …, N^(d-1) for a token's coordinates and N^nd for the extra one, which only the relay has."""
    return [*(levels**i for i in range(dim)), levels ** (length * dim)]


def places(levels: int, dim: int, length: int) -> list[int]:
    """E per token 0 … n in whole numbers, first coordinate: N^(k-1)d for token k ≥ 2, 0 for token 1 and the relay."""
    return [0, 0, *(levels ** ((k - 1) * dim) for k in range(2, length + 1))]


def star_graph(length: int) -> Bool[Tensor, "query key"]:
    """N(0) = {1, …, n} and N(k) = {0, k}: n + 1 tokens, 3n connections."""
    grid = torch.eye(length + 1, dtype=torch.bool)
    grid[0], grid[:, 0] = True, True
    grid[0, 0] = False
    return grid


@dataclass(frozen=True)
class Sweep:
    """One sweep: for v = first, …, last - 1 in turn, ids equal to v add gain · (max - min of what their token sees)."""

    kind: Literal["low", "high", "broadcast"]
    phase: int
    first: int
    last: int
    gain: int

    def __len__(self) -> int:
        return self.last - self.first


@dataclass(frozen=True)
class Move:
    """One move of a trace: `token` reads the tokens with the largest and the smallest id it sees, and jumps.

    kind, phase:  of the sweep;  ids: those of all tokens after the move, relay first
    """

    kind: Literal["low", "high", "broadcast"]
    phase: int
    token: int
    largest: int
    smallest: int
    before: int
    after: int
    ids: tuple[int, ...]


@dataclass(frozen=True)
class StarMapping:
    """The construction for 1/δ = levels, d = dim, n = length. Made by `contextual_mapping`.

    seen:       seen[token]: the tokens that it sees; token 0 is the relay
    low, high:  whether the phases hold their low and high shifts
    broadcast:  gain of the last sweep;  late: it starts at S_1 instead of at T_0
    """

    levels: int
    dim: int
    length: int
    seen: tuple[tuple[int, ...], ...]
    low: bool = True
    high: bool = True
    broadcast: int = 0
    late: bool = False

    @property
    def columns(self) -> int:
        """δ^-d, how many different tokens there are, and the gain of the low shift."""
        return self.levels**self.dim

    @property
    def gain(self) -> int:
        """δ^-nd, the gain of the high shift."""
        return self.columns**self.length

    def bucket(self, token: int) -> tuple[int, int]:
        """[first, last): the δ^-d ids that token 1 … n can start with."""
        first = self.levels * places(self.levels, self.dim, self.length)[token]
        return first, first + self.columns

    @cached_property
    def bounds(self) -> list[tuple[int, int]]:
        """(S_k, T_k) for k = 0 … n: f̃_0^k takes S_k and T_k - 1 as its smallest and largest value on a star.

        From f̃_0^k = (1 + N^(n+1)d) f̃_0^(k-1) - (N^(n+1)d - N^nd) l_k - N^nd l_(k+1), which falls in every id it
        reads. In the last phase f_1 stands for l_(n+1); the bound then takes f_1 at its own extremes.
        """
        d, n, big = self.columns, self.length, self.gain
        ranges = {k: (self.bucket(k)[0], self.bucket(k)[1] - 1) for k in range(1, n + 1)}
        start = self.levels * big
        ranges[n + 1] = tuple(l + d * (start - l) for l in reversed(ranges[1]))  # f_1
        bounds = [(start, start)]
        for k in range(1, n + 1):
            (least, most), own, other = bounds[-1], ranges[k], ranges[k + 1]
            fall = lambda f, at: (1 + d * big) * f - (d * big - big) * own[at] - big * other[at]
            bounds.append((fall(least, 1), fall(most, 0)))
        return [(least, most + 1) for least, most in bounds]

    @cached_property
    def sweeps(self) -> list[Sweep]:
        """All sweeps in order. One level of one sweep is one attention layer with two heads."""
        made = []
        for k in range(1, self.length + 1):
            if self.low:
                made.append(Sweep("low", k, *self.bucket(k), self.columns))
            if self.high:
                made.append(Sweep("high", k, *self.bounds[k - 1], self.gain))
        start = self.bounds[1][0] if self.late else self.bounds[0][1]
        return [*made, Sweep("broadcast", self.length + 1, start, self.bounds[-1][1], self.broadcast)]

    def layer_count(self, kind: str | None = None) -> int:
        """How many attention layers the sweeps of a kind take ("low", "high", "broadcast"), or all of them."""
        return sum(sweep.last - sweep.first for sweep in self.sweeps if kind in (None, sweep.kind))

    def sequences(self) -> list[tuple]:
        """All D^n sequences of grid tokens: ints 0 … N-1 for d = 1, tuples of them beyond."""
        size = self.columns**self.length
        if size > LARGEST:
            raise ValueError(
                f"levels, dim, length: {size:,} sequences, wanted at most {LARGEST:,}; choose smaller ones"
            )
        tokens = itertools.product(range(self.levels), repeat=self.dim)
        tokens = [token[0] if self.dim == 1 else token for token in tokens]
        return list(itertools.product(tokens, repeat=self.length))

    def ids(self, sequence: Sequence) -> Ids:
        """l_0, l_1, …, l_n in units of δ. Raises ValueError unless the sequence is n tokens of d levels each."""
        try:
            digits = [[operator.index(x) for x in _tuple(token)] for token in sequence]
        except TypeError:
            wanted = f"{self.length} tokens of whole numbers 0 to {self.levels - 1}"
            raise ValueError(f"sequence: got {sequence!r}, wanted {wanted}") from None
        if len(digits) != self.length or any(len(token) != self.dim for token in digits):
            raise ValueError(f"sequence: got {sequence!r}, wanted {self.length} tokens of {self.dim} numbers each")
        if any(not 0 <= x < self.levels for token in digits for x in token):
            raise ValueError(f"sequence: got {sequence!r}, wanted whole numbers 0 to {self.levels - 1}")
        u = code(self.levels, self.dim, self.length)
        own = [sum(x * weight for x, weight in zip(token, u)) for token in digits]
        return [self.levels * u[-1], *(self.bucket(k)[0] + l for k, l in enumerate(own, start=1))]

    def moves(self, sequence: Sequence, kinds: Sequence[str] = KINDS) -> Iterator[Move]:
        """Every jump of every token, in order; at most one token holds a level where the hypotheses are kept.

        kinds: the sweeps that are run; ("low", "high") stops before the broadcast.
        """
        ids = self.ids(sequence)
        for sweep in (sweep for sweep in self.sweeps if sweep.kind in kinds):
            level = sweep.first
            while held := [l for l in ids if level <= l < sweep.last]:
                level, old = min(held), ids
                hit = [k for k, l in enumerate(old) if l == level and self.seen[k]]
                ends = [(max(self.seen[k], key=old.__getitem__), min(self.seen[k], key=old.__getitem__)) for k in hit]
                ids = list(old)
                for k, (largest, smallest) in zip(hit, ends):
                    ids[k] = old[k] + sweep.gain * (old[largest] - old[smallest])
                for k, (largest, smallest) in zip(hit, ends):
                    yield Move(sweep.kind, sweep.phase, k, largest, smallest, old[k], ids[k], tuple(ids))
                level += 1

    def trace(self, sequence: Sequence) -> list[Move]:
        """`moves` as a list: who is read, who moves, and all ids after it. Its picture is a stepper's."""
        return list(self.moves(sequence))

    def codes(self, sequence: Sequence, kinds: Sequence[str] = KINDS) -> Ids:
        """The ids of the relay and of all tokens behind the sweeps of these kinds."""
        ids = self.ids(sequence)
        for move in self.moves(sequence, kinds):
            ids = list(move.ids)
        return ids

    def names(self, sequence: Sequence) -> Ids:
        """The names of tokens 1 … n; the relay is dropped."""
        return self.codes(sequence)[1:]

    def check(self) -> Verdict:
        """Both conditions of a contextual mapping on all D^n sequences, in exact integers.

        The margin is the smallest distance of two names; the witness carries ((sequence, k), (sequence, l)), tokens
        counted from 0. The notes give the layers.
        """
        sequences = self.sequences()
        verdict = contextual.contextual_mapping([self.names(s) for s in sequences], sequences, "identity")
        witness = verdict.witness
        if witness:
            (i, k), (j, l) = witness.objects
            text = witness.text.split(". They are equal tokens")[0]  # positions are there: equal tokens are no excuse
            witness = Witness(text, ((sequences[i], k), (sequences[j], l)))
        sees = lambda k, *others: all(other in self.seen[k] for other in others)
        statement = STAR_LEMMA.under(
            star=sees(0, *range(1, self.length + 1)) and all(sees(k, 0, k) for k in range(1, self.length + 1)),
            low=self.low,
            high=self.high,
            broadcast=self.broadcast >= self.columns ** (self.length**2),
            range=not self.late,
        )
        counts = ", ".join(f"{kind} {self.layer_count(kind):,}" for kind in ("low", "high", "broadcast"))
        return replace(
            verdict,
            witness=witness,
            statement=statement,
            checked=len(sequences),
            unit="units of delta",
            notes=(f"one attention layer a level: {counts}, together {self.layer_count():,}",),
        )


def contextual_mapping(
    levels: int = 2,
    dim: int = 1,
    length: int = 3,
    *,
    edges: Pattern | Bool[Tensor, "query key"] | None = None,
    low: bool = True,
    high: bool = True,
    broadcast: int | None = None,
    late: bool = False,
) -> StarMapping:
    """The star's construction for 1/δ = levels, d = dim, n = length, with a switch per hypothesis.

    edges:      who sees whom among n + 1 tokens, the relay first; the star unless given
    low, high:  False leaves these shifts out
    broadcast:  gain of the last sweep, δ^-n²d unless given;  late: start it at S_1, above f_1, instead of at T_0

    Raises ValueError unless levels ≥ 2, dim ≥ 1, length ≥ 2, broadcast ≥ 0 and edges are for n + 1 tokens.
    """
    sizes(levels, dim, length)
    if broadcast is not None and (not isinstance(broadcast, int) or broadcast < 0):
        raise ValueError(f"broadcast: got {broadcast}, wanted an integer ≥ 0")
    if edges is None:
        edges = star_graph(length)
    grid = edges.union().merged_heads().at(length + 1).mask if isinstance(edges, Pattern) else torch.as_tensor(edges)
    if grid.shape != (length + 1, length + 1):
        raise ValueError(
            f"edges: got shape {tuple(grid.shape)}, wanted {length + 1} × {length + 1}: the relay comes first"
        )
    seen = tuple(tuple(row.nonzero().flatten().tolist()) for row in grid)
    spread = levels ** (length**2 * dim) if broadcast is None else broadcast
    return StarMapping(levels, dim, length, seen, low, high, spread, late)


def check(
    levels: int = 2,
    dim: int = 1,
    length: int = 3,
    *,
    no_relay: bool = False,
    no_low: bool = False,
    no_high: bool = False,
    weak_broadcast: bool = False,
    late: bool = False,
    more_edges: bool = False,
    relay_sees_itself: bool = False,
) -> Verdict:
    """`StarMapping.check` with a switch for each hypothesis; for a `TheoremView`.

    no_relay:           token 0 sees nobody and nobody sees it
    no_low, no_high:    leave these shifts out;  weak_broadcast: gain 1;  late: the broadcast starts at S_1
    more_edges:         all tokens see each other, the star is still inside;  relay_sees_itself: 0 ∈ N(0) as well, as in
                        a pattern whose global rows are full. Neither breaks a hypothesis: see `order` for what changes
    """
    grid = star_graph(length)
    if more_edges:
        grid[1:] = True
    grid[0, 0] = relay_sees_itself
    if no_relay:
        grid[0], grid[:, 0] = False, False
    options = dict(edges=grid, low=not no_low, high=not no_high, late=late)
    return contextual_mapping(levels, dim, length, broadcast=1 if weak_broadcast else None, **options).check()


def _tuple(token: object) -> Sequence:
    return token if isinstance(token, (tuple, list)) else (token,)

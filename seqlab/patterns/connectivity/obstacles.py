"""Obstacles: small objects that prove, after a check in O(n) or so, that something never happens.

| obstacle | what it says                                                          | what follows                 |
| -------- | --------------------------------------------------------------------- | ---------------------------- |
| Residues | all connections stay inside a residue class mod m                     | no reachability, no chain    |
| Isolated | a token hears nobody else, or is heard by nobody else                 | no reachability              |
| Cover    | fewer than n - 1 tokens meet all connections (as keys, or as queries) | no chain                     |

`.check(instance)` returns True, or None where the obstacle is not there; it uses nothing but the instance and the
numbers in the object. `find_…` propose, and may miss.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from seqlab.patterns.pattern import Instance
from seqlab.patterns.runs import Runs, expand, union_of, without_self


@dataclass(frozen=True)
class Residues:
    """No connection leads from one residue class mod `modulus` to another."""

    modulus: int

    def check(self, instance: Instance) -> bool | None:
        if not 2 <= self.modulus <= instance.n:
            return None
        for rows in _every(instance):
            if ((rows.first - rows.query) % self.modulus).any():
                return None
            if ((rows.last > rows.first) & (rows.step % self.modulus != 0)).any():
                return None
        return True

    def __str__(self) -> str:
        return f"all connections stay inside a residue class mod {self.modulus}: token 0 never hears token 1"


def find_residues(instance: Instance) -> Residues | None:
    """The greatest common divisor of all distances."""
    modulus = 0
    for rows in _every(instance):
        for part in (slice(0, 1000), slice(1000, None)):  # a few usually decide
            first, steps = (rows.first - rows.query)[part], np.where(rows.last > rows.first, rows.step, 0)[part]
            modulus = int(np.gcd.reduce(np.concatenate([[modulus], first, steps])))
            if modulus == 1:
                return None
    modulus = modulus or instance.n
    return Residues(modulus) if modulus > 1 else None


@dataclass(frozen=True)
class Isolated:
    """`token` hears nobody else (hears=True), or is heard by nobody else, in any set. n ≥ 2."""

    token: int
    hears: bool

    def check(self, instance: Instance) -> bool | None:
        if instance.n < 2:
            return None
        if self.hears:
            rows = [instance.rows(layer, np.array([self.token])) for layer in range(instance.p)]
            return True if not any(len(without_self(r)) for r in rows) else None
        return None if any(union_of(without_self(rows), instance.n)[self.token] for rows in _every(instance)) else True

    def pair(self, n: int) -> tuple[int, int]:
        """(query, key) that never meet."""
        other = 1 if self.token == 0 else 0
        return (self.token, other) if self.hears else (other, self.token)

    def __str__(self) -> str:
        return f"token {self.token} {'hears nobody' if self.hears else 'is heard by nobody'} but itself"


def isolated(instance: Instance) -> tuple[list[int], list[int]]:
    """(tokens that hear nobody else, tokens that nobody else hears), over all sets."""
    deaf, unheard = np.ones(instance.n, dtype=bool), np.ones(instance.n, dtype=bool)
    for rows in _every(instance):
        others = without_self(rows)
        deaf[others.query] = False
        unheard &= ~union_of(others, instance.n)
    return np.flatnonzero(deaf).tolist(), np.flatnonzero(unheard).tolist()


@dataclass(frozen=True)
class Cover:
    """Every connection of two tokens has its key in `keys` or its query in `queries`; together fewer than n - 1.

    A chain has n - 1 connections, with different keys and different queries, so that it needs n - 1 of these tokens.
    """

    keys: frozenset[int]
    queries: frozenset[int]

    def check(self, instance: Instance) -> bool | None:
        if len(self.keys) + len(self.queries) >= instance.n - 1:
            return None
        by_key, by_query = np.zeros(instance.n, dtype=bool), np.zeros(instance.n, dtype=bool)
        by_key[list(self.keys)] = True
        by_query[list(self.queries)] = True
        for rows in _every(instance):
            rest = without_self(rows.where(~by_query[rows.query]))
            if rest.lengths.sum() > 50_000_000 or not by_key[expand(rest, once=False)[1]].all():
                return None
        return True

    def __str__(self) -> str:
        short = [f"{len(x):,} {name}{_few(x)}" for x, name in ((self.keys, "keys"), (self.queries, "queries")) if x]
        return f"{' and '.join(short) or 'no token'} meet every connection, a chain needs more"


def find_cover(instance: Instance) -> Cover | None:
    """Tokens that see at least half of the sequence, if these are few; or all but the unheard (or the deaf) tokens."""
    n = instance.n
    deaf, unheard = isolated(instance)
    if len(unheard) > 1:
        return Cover(frozenset(range(n)) - frozenset(unheard), frozenset())
    if len(deaf) > 1:
        return Cover(frozenset(), frozenset(range(n)) - frozenset(deaf))
    hubs: set[int] = set()
    for rows in _every(instance):
        hubs.update(rows.query[rows.lengths >= max(2, n // 2)].tolist())
        if 2 * len(hubs) >= n - 1:
            return None
    cover = Cover(frozenset(hubs), frozenset(hubs))
    return cover if hubs and cover.check(instance) else None


def _every(instance: Instance) -> Iterator[Runs]:
    for layer in range(instance.p):
        yield from instance.chunks(layer)


def _few(tokens: frozenset[int]) -> str:
    return f" ({', '.join(map(str, sorted(tokens)))})" if len(tokens) <= 4 else ""

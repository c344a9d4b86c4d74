"""Certificates: small objects from which bounds on s follow after a check in O(n) or so (`obstacles`: never, no chain).

| certificate | what it says                                                              | what follows                       |
| ----------- | ------------------------------------------------------------------------- | ---------------------------------- |
| Hub         | token h hears all in `gather` steps, all hear h `scatter` steps later     | s ≤ gather + scatter               |
| Relays      | each token sees a run of relays whose rows, together, are everything      | s ≤ 2                              |
| Intervals   | all rows are intervals round their query whose ends never step back       | s exactly: follow the two ends     |
| Unheard     | in `steps` steps `query` has not heard `key`                              | s > steps                          |

`.check(instance)` returns what follows (a number of steps, True) or None where the certificate is wrong; it uses
nothing but the instance and the numbers in the certificate. `find_…` propose, and may miss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from seqlab.patterns.pattern import CHUNK, Instance
from seqlab.patterns.runs import Runs, expand, hearers, union_of

Set = Bool[np.ndarray, "n"]


def heard(instance: Instance, query: int, steps: int) -> Set:
    """S_k^t: whom a token has heard after `steps` layers, the first of which uses set 0; one token, O(steps · n)."""
    members = np.zeros(instance.n, dtype=bool)
    members[query] = True
    for step in range(steps, 0, -1):
        members = _seen_by(instance, step - 1, members)
    return members


def _seen_by(instance: Instance, layer: int, members: Set) -> Set:
    at, seen = np.flatnonzero(members), np.zeros(instance.n, dtype=bool)
    for start in range(0, len(at), CHUNK):
        seen |= union_of(instance.rows(layer, at[start : start + CHUNK]), instance.n)
    return seen


@dataclass(frozen=True)
class Hub:
    """Everyone speaks to `token` in the first `gather` steps, and it speaks to everyone in the next `scatter`."""

    token: int
    gather: int
    scatter: int

    def check(self, instance: Instance) -> int | None:
        if not heard(instance, self.token, self.gather).all():
            return None
        told = np.zeros(instance.n, dtype=bool)
        told[self.token] = True
        for step in range(self.gather, self.gather + self.scatter):
            told = np.any([hearers(rows, told) for rows in instance.chunks(step)], axis=0)
        return self.gather + self.scatter if told.all() else None

    def __str__(self) -> str:
        return f"token {self.token} hears all in {self.gather} steps and is heard by all {self.scatter} steps later"


def find_hub(instance: Instance, limit: int = 64) -> Hub | None:
    """The token with the longest row, if it gathers and scatters within `limit` steps each."""
    token, longest = 0, -1
    for rows in instance.chunks(0):
        lengths = np.bincount(rows.query - rows.query[0], weights=rows.lengths) if len(rows) else np.zeros(1)
        if lengths.max() > longest:
            token, longest = int(rows.query[0] + lengths.argmax()), lengths.max()
    gather = eccentricity(instance, token, limit)
    if gather is None:
        return None
    told = np.zeros(instance.n, dtype=bool)
    told[token] = True
    for scatter in range(1, limit + 1):
        step = gather + scatter - 1
        told = np.any([hearers(rows, told) for rows in instance.chunks(step)], axis=0)
        if told.all():
            return Hub(token, gather, scatter)
    return None


@dataclass(frozen=True)
class Relays:
    """In step 2 every token sees one of the runs listed in `relays`; in step 1 each run's members see all together."""

    relays: Runs  # .query numbers the runs; first, last, step are the tokens of each

    def check(self, instance: Instance) -> int | None:
        n, kinds = instance.n, self.relays
        mine = np.zeros(n, dtype=bool)
        codes = kinds.first * (n + 1) + kinds.last
        order = np.argsort(codes, kind="stable")
        for rows in instance.chunks(1):  # the row of each token has one of the runs
            code = rows.first * (n + 1) + rows.last
            at = order[np.minimum(np.searchsorted(codes[order], code), len(order) - 1)]
            mine[rows.query[(codes[at] == code) & (kinds.step[at] == rows.step)]] = True
        if not mine.all():
            return None
        kind, member = expand(kinds)  # the longest interval of each member's row in step 1
        first, last = _interval_of(instance, 0)
        first, last = first[member], last[member]
        order = np.lexsort((first, kind))
        kind, first, last = kind[order], first[order], last[order]
        reached = np.maximum.accumulate(kind * (n + 1) + last) - kind * (n + 1)
        new = np.diff(kind, prepend=-1) != 0
        touching = first <= np.concatenate([[-1], reached[:-1]]) + 1
        ends = np.append(new[1:], True)
        whole = (np.where(new, first == 0, touching)).all() and (reached[ends] == n - 1).all()
        return 2 if whole else None

    def __str__(self) -> str:
        return f"every token sees one of {len(self.relays):,} runs of relays, and the rows of each run cover everything"


def _interval_of(instance: Instance, layer: int) -> tuple[np.ndarray, np.ndarray]:
    """The longest contiguous run of each row (first > last where there is none)."""
    first, last = np.full(instance.n, instance.n), np.full(instance.n, -1)
    for rows in instance.chunks(layer):
        rows = rows.where(rows.step == 1)
        order = np.argsort(rows.last - rows.first, kind="stable")  # the longest is written last
        first[rows.query[order]], last[rows.query[order]] = rows.first[order], rows.last[order]
    return first, last


def find_relays(instance: Instance, most: int = 20_000_000) -> Relays | None:
    """For each token the run of its second row that spans most; None where these have too many members in all."""
    found: list[np.ndarray] = []
    for rows in instance.chunks(1):
        order = np.argsort(rows.last - rows.first, kind="stable")
        at = np.full(int(rows.query.max(initial=0)) + 1, -1)
        at[rows.query[order]] = order
        at = at[at >= 0]
        found.append(np.unique(np.stack([rows.first[at], rows.last[at], rows.step[at]], axis=1), axis=0))
        if sum(((f[:, 1] - f[:, 0]) // f[:, 2] + 1).sum() for f in found) > most:
            return None
    kinds = np.unique(np.concatenate(found), axis=0)
    return Relays(Runs(np.arange(len(kinds)), *kinds.T.copy()))


@dataclass(frozen=True)
class Intervals:
    """Row k of every set is one interval that contains k, with first and last that never decrease in k."""

    def check(self, instance: Instance) -> int | None:
        """s: then S_k^t is an interval, and tokens 0 and n - 1 are the last to hear everything."""
        n, ends = instance.n, []
        for layer in range(instance.p):
            parts = []
            for rows in instance.chunks(layer):
                start = sum(len(part[0]) for part in parts)
                expected = np.arange(start, min(start + CHUNK, n))
                if len(rows) != len(expected) or (rows.query != expected).any() or (rows.step != 1).any():
                    return None
                if ((rows.first > rows.query) | (rows.last < rows.query)).any():
                    return None
                parts.append((rows.first, rows.last))
            first, last = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
            if (np.diff(first) < 0).any() or (np.diff(last) < 0).any():
                return None
            ends.append((first.tolist(), last.tolist()))
        low, high = 1, 1
        while not self._all(ends, n, high):
            low, high = high + 1, 2 * high
            if high > 4 * n * instance.p:
                return None
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self._all(ends, n, middle) else (middle + 1, high)
        return low

    @staticmethod
    def _all(ends: list, n: int, steps: int) -> bool:
        right, left = 0, n - 1
        for step in range(steps, 0, -1):
            first, last = ends[(step - 1) % len(ends)]
            right, left = last[right], first[left]
        return right == n - 1 and left == 0

    def __str__(self) -> str:
        return "rows are intervals whose ends never step back, so that tokens 0 and n - 1 are the last to hear all"


@dataclass(frozen=True)
class Unheard:
    """After `steps` steps `query` has not heard `key`."""

    query: int
    key: int
    steps: int

    def check(self, instance: Instance) -> bool | None:
        return None if heard(instance, self.query, self.steps)[self.key] else True

    def __str__(self) -> str:
        return f"token {self.query} has not heard token {self.key} after {self.steps} step{'s' * (self.steps != 1)}"


def find_unheard(instance: Instance, limit: int) -> Unheard | None:
    """The latest of a few tokens (the ends, the middle) to hear everything, and what it lacked a step earlier."""
    n, latest = instance.n, (1, 0)
    for query in dict.fromkeys([0, n - 1, n // 2]):
        latest = max(latest, (eccentricity(instance, query, limit) or 0, query))
    steps, query = latest[0] - 1, latest[1]
    missing = np.flatnonzero(~heard(instance, query, steps)) if steps else []
    return Unheard(query, int(missing[np.abs(missing - query).argmax()]), steps) if len(missing) else None


def eccentricity(instance: Instance, query: int, limit: int) -> int | None:
    """The least t ≤ limit with S_query^t = [n], for patterns with self-loops."""
    if instance.p > 1:
        return next((t for t in range(1, limit + 1) if heard(instance, query, t).all()), None)
    members = np.zeros(instance.n, dtype=bool)
    members[query] = True
    new = members
    for step in range(1, limit + 1):  # with self-loops only the new members have news
        new = _seen_by(instance, 0, new) & ~members
        members = members | new
        if members.all():
            return step
        if not new.any():
            return None
    return None

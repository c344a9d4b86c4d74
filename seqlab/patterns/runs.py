"""Connections stored as runs: `query` sees the keys first, first + step, …, last.

A window is one run per query, so are a stride, a block and the whole sequence; what is drawn by hand or at random is a
run per key. A few runs describe rows of any length, so that a sequence of 1,000,000 tokens takes a few megabytes, and
membership, counts and unions of rows are arithmetic on the ends of runs. Runs of one query may overlap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

Ints = Int[np.ndarray, "..."]
PerRun, RunFlags = Int[np.ndarray, "runs"], Bool[np.ndarray, "runs"]
PerPair, PairFlags = Int[np.ndarray, "pairs"], Bool[np.ndarray, "pairs"]
Connected = Int[np.ndarray, "connections"]
Tokens = Bool[np.ndarray, "n"]


@dataclass(frozen=True, eq=False)
class Runs:
    """Arrays of equal length, sorted by `query`; first ≤ last, last - first a multiple of step, step ≥ 1."""

    query: PerRun
    first: PerRun
    last: PerRun
    step: PerRun

    def __len__(self) -> int:
        return len(self.query)

    @property
    def lengths(self) -> PerRun:
        return (self.last - self.first) // self.step + 1

    def where(self, chosen: RunFlags) -> Runs:
        return Runs(self.query[chosen], self.first[chosen], self.last[chosen], self.step[chosen])


def runs(query: Ints, first: Ints | int, last: Ints | int, step: Ints | int = 1) -> Runs:
    """Runs from ends that may be empty (first > last, dropped) or not a multiple of step apart (last is lowered)."""
    plain = np.ndim(step) == 0 and step == 1
    query, first, last, step = (np.asarray(x, dtype=np.int64) for x in np.broadcast_arrays(query, first, last, step))
    some = first <= last
    if not some.all():
        query, first, last, step = query[some], first[some], last[some], step[some]
    if plain or (step == 1).all():
        return Runs(query, first, last, step)
    last = last - (last - first) % step
    return Runs(query, first, last, np.where(first == last, 1, step))


def join(parts: Sequence[Runs]) -> Runs:
    """The union: all runs of all parts, sorted by query."""
    if len(parts) == 1:
        return parts[0]
    query = np.concatenate([part.query for part in parts])
    order = np.argsort(query, kind="stable")
    others = (np.concatenate([getattr(part, name) for part in parts])[order] for name in ("first", "last", "step"))
    return Runs(query[order], *others)


def clipped(rows: Runs, low: Ints | int, high: Ints | int) -> Runs:
    """Only the keys from low to high, ends included (one pair for all runs or one per run)."""
    if (rows.step == 1).all():
        return runs(rows.query, np.maximum(rows.first, low), np.minimum(rows.last, high))
    first = rows.first + np.maximum(0, -(-(low - rows.first) // rows.step)) * rows.step
    return runs(rows.query, first, np.minimum(rows.last, high), rows.step)


def without_self(rows: Runs) -> Runs:
    """The same without the connection of a query to itself: a run that contains it is split in two."""
    return join([clipped(rows, 0, rows.query - 1), clipped(rows, rows.query + 1, np.iinfo(np.int64).max)])


def expand(rows: Runs, *, once: bool = True) -> tuple[Connected, Connected]:
    """All connections as (query, key): sorted and each once, or with once=False run by run as they come."""
    lengths = rows.lengths
    run = np.repeat(np.arange(len(rows)), lengths)
    within = np.arange(len(run)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    query, key = rows.query[run], rows.first[run] + within * rows.step[run]
    if once and len(key) and not ((np.diff(query) > 0) | (np.diff(key) > 0)).all():
        width = int(key.max()) + 1
        code = np.unique(query * width + key)
        query, key = code // width, code % width
    return query, key


def contains(rows: Runs, query: PerPair, key: PerPair) -> PairFlags:
    """Per pair, whether query sees key."""
    start = np.searchsorted(rows.query, query)
    stop = np.searchsorted(rows.query, query, side="right")
    found = np.zeros(len(query), dtype=bool)
    left = np.flatnonzero(start < stop)
    at = start[left]
    while len(left):  # the next run of each pair that is still open
        first, last, step = rows.first[at], rows.last[at], rows.step[at]
        hit = (first <= key[left]) & (key[left] <= last) & ((key[left] - first) % step == 0)
        found[left[hit]] = True
        on = ~hit & (at + 1 < stop[left])
        left, at = left[on], at[on] + 1
    return found


def count(rows: Runs, n: int) -> int:
    """How many connections, each once. Arithmetic on ends; expands only queries with several overlapping strides."""
    if len(rows) < 2 or (np.diff(rows.query) > 0).all():
        return int(rows.lengths.sum())
    strides = rows.where(rows.step > 1)
    if len(strides) and not (np.diff(strides.query) > 0).all():
        return len(expand(rows)[0])
    merged = _merged(rows.where(rows.step == 1), n)
    total = int(merged.lengths.sum() + strides.lengths.sum())
    if len(strides) and len(merged):  # less what strides share with intervals
        at = np.searchsorted(strides.query, merged.query)
        same = at < len(strides)
        same[same] = strides.query[at[same]] == merged.query[same]
        at, low, high = at[same], merged.first[same], merged.last[same]
        inside = clipped(Runs(strides.query[at], strides.first[at], strides.last[at], strides.step[at]), low, high)
        total -= int(inside.lengths.sum())
    return total


def _merged(intervals: Runs, n: int) -> Runs:
    """Intervals of one query cut so that they do not overlap."""
    order = np.lexsort((intervals.first, intervals.query))
    query, first, last = intervals.query[order], intervals.first[order], intervals.last[order]
    reach = np.maximum.accumulate(query * (n + 1) + last)
    before = np.concatenate([[-1], reach[:-1]]) - query * (n + 1)
    return runs(query, np.maximum(first, before + 1), last)


def by_step(rows: Runs) -> Iterator[tuple[int, Runs]]:
    """The runs in groups of equal step."""
    if (rows.step == 1).all():
        yield 1, rows
        return
    for step in np.unique(rows.step).tolist():
        yield step, rows.where(rows.step == step)


def union_of(rows: Runs, n: int) -> Tokens:
    """The keys that at least one query of `rows` sees: per step, a sum over marked ends; O(n + runs)."""
    seen = np.zeros(n, dtype=bool)
    for step, of in by_step(rows):
        size = -(-n // step) * step + step
        ends = np.bincount(of.first, minlength=size) - np.bincount(of.last + step, minlength=size)
        seen |= ends.reshape(-1, step).cumsum(axis=0).ravel()[:n] > 0
    return seen


def hearers(rows: Runs, heard: Tokens) -> Tokens:
    """The queries that see at least one key of `heard`."""
    n = len(heard)
    result = np.zeros(n, dtype=bool)
    for step, of in by_step(rows):
        size = -(-n // step) * step
        sums = np.zeros((size // step + 1, step), dtype=np.int64)  # a row of zeros first
        sums[1:] = np.pad(heard, (0, size - n)).reshape(-1, step).cumsum(axis=0)
        sums = sums.ravel()
        result[of.query[sums[of.last + step] > sums[of.first]]] = True
    return result

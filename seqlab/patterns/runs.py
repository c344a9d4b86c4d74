"""Connections stored as runs: `query` sees the keys first, first + step, …, last.

A window is one run per query, so are a stride, a block and the whole sequence; what is drawn by hand or at random is a
run per key. A few runs describe rows of any length, so that a sequence of 1,000,000 tokens takes a few megabytes, and
membership, counts and unions of rows are arithmetic on the ends of runs. Runs of one query may overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

Ints = Int[np.ndarray, "..."]
PerRun = Int[np.ndarray, "runs"]
PerPair = Int[np.ndarray, "pairs"]
Flags = Bool[np.ndarray, "pairs"]
Connected = Int[np.ndarray, "connections"]


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

    def where(self, chosen: np.ndarray) -> Runs:
        """Some of the runs, by flags or by places."""
        return Runs(self.query[chosen], self.first[chosen], self.last[chosen], self.step[chosen])


def runs(query: Ints, first: Ints | int, last: Ints | int, step: Ints | int = 1) -> Runs:
    """Runs from ends that may be empty (first > last, dropped) or not a multiple of step apart (last is lowered)."""
    each = np.broadcast_arrays(query, first, last, step)
    some = each[1] <= each[2]
    query, first, last, step = (np.asarray(x[some], dtype=np.int64) for x in each)
    last = last - (last - first) % step
    return Runs(query, first, last, np.where(first == last, 1, step))


def packed(query: PerPair, key: PerPair) -> Runs:
    """Runs from single connections, sorted by query, then key: keys that follow one another make one run."""
    starts = np.flatnonzero((np.diff(query, prepend=-1) != 0) | (np.diff(key, prepend=-2) != 1))
    return runs(query[starts], key[starts], key[np.append(starts, len(key))[1:] - 1])


def join(parts: Sequence[Runs]) -> Runs:
    """The union: all runs of all parts, sorted by query."""
    if len(parts) == 1:
        return parts[0]
    order = np.argsort(np.concatenate([part.query for part in parts]), kind="stable")
    names = ("query", "first", "last", "step")
    return Runs(*(np.concatenate([getattr(part, name) for part in parts])[order] for name in names))


def clipped(rows: Runs, low: Ints | int, high: Ints | int) -> Runs:
    """Only the keys from low to high, ends included (one pair for all runs or one per run)."""
    first = rows.first + np.maximum(0, -(-(low - rows.first) // rows.step)) * rows.step
    return runs(rows.query, first, np.minimum(rows.last, high), rows.step)


def without_self(rows: Runs) -> Runs:
    """The same without the connection of a query to itself: a run that contains it is split in two."""
    return join([clipped(rows, 0, rows.query - 1), clipped(rows, rows.query + 1, np.iinfo(np.int64).max)])


def up_to_self(rows: Runs) -> Runs:
    """Only keys up to the query: causal."""
    return clipped(rows, 0, rows.query)


def expand(rows: Runs) -> tuple[Connected, Connected]:
    """All connections as (query, key), sorted and each once."""
    lengths = rows.lengths
    run = np.repeat(np.arange(len(rows)), lengths)
    within = np.arange(len(run)) - np.repeat(lengths.cumsum() - lengths, lengths)
    query, key = rows.query[run], rows.first[run] + within * rows.step[run]
    if not ((np.diff(query) > 0) | (np.diff(key) > 0)).all():
        width = int(key.max()) + 1
        code = np.sort(query * width + key)  # ten times as fast as np.unique, which hashes
        query, key = np.divmod(code[np.diff(code, prepend=-1) > 0], width)
    return query, key


def contains(rows: Runs, query: PerPair, key: PerPair) -> Flags:
    """Per pair, whether query sees key; `query` ascends, each once, and `rows` are the rows of these queries."""
    at = np.searchsorted(query, rows.query)
    hit = (rows.first <= key[at]) & (key[at] <= rows.last) & ((key[at] - rows.first) % rows.step == 0)
    found = np.zeros(len(query), dtype=bool)
    found[at[hit]] = True
    return found


def count(rows: Runs, n: int) -> int:
    """How many connections, each once: arithmetic on ends, where no query has two strides.

    Intervals (runs of step 1) are cut so that those of a query do not overlap: sorted by their first keys, each begins
    behind the furthest key that the ones before it reach. That is a running maximum, and adding query · (n + 1) to the
    keys lets one maximum serve all queries, because whatever a query reaches then lies below all keys of the next. A
    stride counts as it is, less the keys that it shares with the cut intervals of its query.
    """
    strides, intervals = rows.where(rows.step > 1), rows.where(rows.step == 1)
    if not np.diff(strides.query).all():
        return len(expand(rows)[0])
    intervals = intervals.where(np.lexsort((intervals.first, intervals.query)))
    base = intervals.query * (n + 1)
    reached = np.maximum.accumulate(base + intervals.last)
    before = np.concatenate([[-1], reached[:-1]]) - base
    cut = runs(intervals.query, np.maximum(intervals.first, before + 1), intervals.last)
    stride_of = np.full(n, -1)
    stride_of[strides.query] = np.arange(len(strides))
    beside = cut.where(stride_of[cut.query] >= 0)
    shared = clipped(strides.where(stride_of[beside.query]), beside.first, beside.last)
    return int(cut.lengths.sum() + strides.lengths.sum() - shared.lengths.sum())

"""How far a memory budget reaches, dense against Big Bird, and how time grows.

One head of width 64, forward and backward. Memory is the peak of a fresh process over what it held before.
"""

import math
import subprocess
import sys
import time
from collections.abc import Iterator
from timeit import timeit

from ci.bench import rows
from ci.bench.rows import Row, in_child, left_out, row
from seqlab.big_bird import budget

STARTS = {"dense": 4096, "blocked": 32768, "kernel": 131072}  # where the search begins, for a budget of 1 GiB
NAMES = {"dense": "dense, scores stored", "sdpa": "PyTorch SDPA, dense"}
KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 33), "MALLOC_TRIM_THRESHOLD_": str(1 << 34)}
"""A process that keeps the memory it has had. glibc gives large blocks back, and the system then clears them anew at
every call: above 16,384 tokens that is much of the readable version's time, and no part of attention."""


def measure(quick: bool) -> Iterator[Row]:
    """quick: a quarter of the budget, shorter sequences."""
    yield from memory(2**28 if quick else 2**30)
    lengths = (2048, 4096, 8192) if quick else (4096, 8192, 16384, 32768, 65536)
    for kind in ("kernel", "blocked"):
        yield growth(kind, lengths, 3)
    if sys.platform == "linux":
        kept = in_child(growth, "blocked", lengths, 3, **KEPT_MEMORY)
        yield kept | {"what": f"{kept['what']}, memory kept"}


def memory(bytes_: int) -> Iterator[Row]:
    """The longest sequence within the budget, and its ratio to the dense one's."""
    what = f"longest sequence in {bytes_ >> 20} MiB, with backward"
    if sys.platform != "linux":
        yield left_out(what, "dense attention", "the peak of memory is read from /proc")
        return
    dense = 1
    for kind, start in STARTS.items():
        start = max(round(start * (bytes_ / 2**30) ** (0.5 if kind == "dense" else 1) / 64), 4) * 64
        found = longest(kind, bytes_, start)
        if kind == "dense":
            dense = max(found["tokens"], 1)
        yield reach(what, kind, found, dense)
    yield reach(what, "sdpa", sdpa(bytes_), dense, " (memory by its slope, time by n²)")


def reach(what: str, kind: str, found: dict, dense: int, how: str = "") -> Row:
    ratio = found["tokens"] / dense
    took = f"{found['tokens']:9,} tokens in {found['seconds']:7.1f} s   {ratio:6.1f} × dense{how}"
    return row(what, f"{NAMES.get(kind, f'Big Bird {kind}'):22} {took}", kind=kind, **found, times_dense=ratio)


def sdpa(bytes_: int) -> dict:
    """Dense attention that stores no scores: its memory grows like n, so the slope tells; its time grows like n²."""
    short, long = 4096, 8192
    low, high = (used("sdpa", n)[0] for n in (short, long))
    tokens = round(long + (bytes_ - high) * (long - short) / max(high - low, 1))
    took = growth("sdpa", (short, long), 2)["seconds"]
    return {"tokens": tokens, "seconds": took[str(long)] * (tokens / long) ** 2}


def longest(kind: str, bytes_: int, start: int, step: float = 2**0.25) -> dict:
    """{"tokens", "bytes", "seconds"} of the longest sequence whose measured peak fits.

    It climbs the ladder start, start · step, … in whole blocks until one does not fit; 0 tokens if the first does not.
    """
    found, length = {"tokens": 0, "bytes": 0, "seconds": 0.0}, float(start)
    while True:
        n = max(round(length / budget.PLAN.block), 1) * budget.PLAN.block
        try:
            peak, seconds = used(kind, n)
        except subprocess.CalledProcessError as error:
            if error.returncode >= 0:
                raise
            return found  # killed: out of memory
        if peak > bytes_:
            return found
        found, length = {"tokens": n, "bytes": peak, "seconds": seconds}, step * length


def used(kind: str, n: int) -> tuple[int, float]:
    """(bytes by which a fresh process grew at its highest, seconds) of one run, forward and backward.

    What is freed goes back to the system: otherwise the run could use it again unseen.
    """
    return in_child(_used, kind, n, MALLOC_MMAP_THRESHOLD_="65536")


def _used(kind: str, n: int) -> tuple[int, float]:
    budget.run(kind, 1024)  # what is loaded on first use is no part of it
    budget.PLAN.at(n)  # drawn once
    return rows.grown(lambda: timeit(lambda: budget.run(kind, n), number=1))


def growth(kind: str, lengths: tuple[int, ...], repeats: int) -> Row:
    """The exponent of time over length, by the fastest of the repeats, lengths taking turns."""
    seconds = dict.fromkeys(lengths, math.inf)
    for n in lengths:
        _ = budget.PLAN.at(n).layout  # drawn once, not timed
    budget.run(kind, lengths[0])
    for _ in range(repeats):
        for n in lengths:
            started = time.perf_counter()
            budget.run(kind, n)
            seconds[n] = min(seconds[n], time.perf_counter() - started)
    what = f"Big Bird {kind}, {lengths[0]} to {lengths[-1]} tokens, with backward"
    return rows.growth(what, seconds, kind=kind)

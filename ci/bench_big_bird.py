"""How far a memory budget reaches, dense against Big Bird, and how time grows. `python -m ci.bench_big_bird [--quick]`

One head of width 64, forward and backward, one thread. Memory is the peak of a fresh process over what it held before.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time

import torch

from ci.bench import Row
from seqlab.big_bird import budget

STARTS = {"dense": 4096, "blocked": 32768, "kernel": 131072}  # where the search begins, for a budget of 1 GiB


def memory(bytes_: int) -> list[Row]:
    """The longest sequence within the budget, and its ratio to the dense one's."""
    what = f"longest sequence in {bytes_ >> 20} MiB, with backward"
    if sys.platform != "linux":
        return [{"what": what, "peer": "dense attention", "left_out": "the peak of memory is read from /proc"}]
    rows: list[Row] = []
    for kind, start in STARTS.items():
        start = max(round(start * (bytes_ / 2**30) ** (0.5 if kind == "dense" else 1) / 64), 4) * 64
        rows.append({"what": what, "kind": kind, **budget.longest_measured(kind, bytes_, start=start)})
        rows[-1]["times_dense"] = rows[-1]["tokens"] / max(rows[0]["tokens"], 1)
    return [*rows, sdpa(what, bytes_, rows[0]["tokens"])]


def sdpa(what: str, bytes_: int, dense: int) -> Row:
    """Dense attention that stores no scores: memory grows like n too, so the slope tells; the time is what grows like n²."""
    short, long = 4096, 8192
    low, high = budget.peaks("sdpa", (short, long))
    tokens = round(long + (bytes_ - high) * (long - short) / max(high - low, 1))
    took = growth("sdpa", (short, long), 2)["seconds"]
    seconds = took[str(long)] * (tokens / long) ** 2
    return {
        "what": what,
        "kind": "sdpa",
        "tokens": tokens,
        "seconds": seconds,
        "times_dense": tokens / dense,
        "by_slope": True,
    }


def growth(kind: str, lengths: tuple[int, ...], repeats: int) -> Row:
    """The exponent of time over length: least squares on logarithms, the fastest of the repeats, lengths taking turns."""
    seconds = dict.fromkeys(lengths, math.inf)
    for n in lengths:
        _ = budget.PLAN.at(n).layout  # drawn once, not timed
    budget.run(kind, lengths[0])
    for _ in range(repeats):
        for n in lengths:
            started = time.perf_counter()
            budget.run(kind, n)
            seconds[n] = min(seconds[n], time.perf_counter() - started)
    x, y = (torch.tensor(list(values), dtype=torch.float64).log() for values in (seconds.keys(), seconds.values()))
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
    what = f"{kind}, {lengths[0]} to {lengths[-1]} tokens, with backward"
    return {"what": what, "kind": kind, "time_exponent": slope, "seconds": {str(n): seconds[n] for n in lengths}}


def growth_with_kept_memory(kind: str, lengths: tuple[int, ...], repeats: int) -> Row:
    """The same in a process that keeps the memory it has had. glibc gives large blocks back, and the system then clears
    them anew at every call: above 16,384 tokens that is much of the readable version's time, and no part of attention.
    """
    kept = {"MALLOC_MMAP_THRESHOLD_": str(1 << 33), "MALLOC_TRIM_THRESHOLD_": str(1 << 34)}
    program = (
        "import json, torch; from ci import bench_big_bird; torch.set_num_threads(1); "
        f"print(json.dumps(bench_big_bird.growth({kind!r}, {lengths!r}, {repeats})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | kept, capture_output=True, text=True, check=True
    )
    row = json.loads(done.stdout)
    return row | {"what": f"{row['what']}, memory kept"}


def measure(quick: bool = False) -> list[Row]:
    """All rows, printed as they come. quick: a quarter of the budget, shorter sequences."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    rows: list[Row] = []
    try:
        for new in memory(2**28 if quick else 2**30):
            rows.append(new)
            print(words(new), flush=True)
        lengths = (2048, 4096, 8192) if quick else (4096, 8192, 16384, 32768, 65536)
        for kind in ("kernel", "blocked"):
            rows.append(growth(kind, lengths, 3))
            print(words(rows[-1]), flush=True)
        if sys.platform == "linux":
            rows.append(growth_with_kept_memory("blocked", lengths, 3))
            print(words(rows[-1]), flush=True)
    finally:
        torch.set_num_threads(before)
    return rows


def words(r: Row) -> str:
    """One row as a line."""
    name = {"dense": "dense, scores stored", "sdpa": "PyTorch SDPA, dense"}.get(
        r.get("kind"), f"Big Bird {r.get('kind')}"
    )
    if "left_out" in r:
        return f"{r['what']:62} against {r['peer']}: left out, {r['left_out']}"
    if "time_exponent" in r:
        took = ", ".join(f"{n}: {1e3 * s:.0f} ms" for n, s in r["seconds"].items())
        return f"{'Big Bird ' + r['what']:62} time ~ n^{r['time_exponent']:.2f} ({took})"
    by = " (memory by its slope, time by n²)" if r.get("by_slope") else ""
    return f"{r['what']:62} {name:22} {r['tokens']:9,} tokens in {r['seconds']:7.1f} s   {r['times_dense']:6.1f} × dense{by}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ci.bench_big_bird", description="Memory and time of Big Bird.")
    parser.add_argument("--quick", action="store_true", help="a quarter of the budget, shorter sequences")
    measure(parser.parse_args().quick)


if __name__ == "__main__":
    main()

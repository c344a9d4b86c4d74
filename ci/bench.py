"""`make bench`: speed as a ratio against a peer in the same run, never as a bare number.

    python -m ci.bench [--no-browser] [--quick]

Writes build/report/bench.json. Timings are medians on one thread; other load on the machine shows up in both columns.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F

from ci import latency
from ci.jupyter_browser import INSTALL, chromium
from seqlab.attention import attention
from seqlab.contextual import contextual_mapping

TARGET = Path("build/report/bench.json")
Row = dict[str, object]


def seconds(run: Callable[[], object], repeats: int = 9) -> float:
    """Median wall time of `run`, after one call that warms up."""
    run()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def row(what: str, ours: float, peer_name: str, peer: float) -> Row:
    return {"what": what, "ours_ms": 1e3 * ours, "peer": peer_name, "peer_ms": 1e3 * peer, "ratio": ours / peer}


def imports() -> Row:
    """`import seqlab` on top of `import torch`, in fresh processes."""

    def run(code: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True)

    bare = seconds(run("import torch"), 3)
    full = seconds(run("import torch, seqlab.attention, seqlab.layers, seqlab.contextual, seqlab.course"), 3)
    return row("import torch and seqlab's core", full, "import torch", bare)


def oracle(length: int, causal: bool) -> Row:
    """The readable attention, forward and backward, against PyTorch's fused one."""
    q, k, v = (torch.randn(1, 4, length, 64, requires_grad=True) for _ in range(3))

    def run(function: Callable) -> Callable[[], object]:
        return lambda: function().sum().backward()

    ours = seconds(run(lambda: attention(q, k, v, causal=causal)))
    peer = seconds(run(lambda: F.scaled_dot_product_attention(q, k, v, is_causal=causal)))
    return row(
        f"attention(), 4 heads, {length} tokens{', causal' if causal else ''}, with backward",
        ours,
        "PyTorch SDPA",
        peer,
    )


def tester(count: int) -> Row:
    """The contextual-mapping tester against looking at every pair."""
    draw = random.Random(0)
    sequences = [tuple(draw.sample(range(50), 4)) for _ in range(count)]
    names = [[draw.random() for _ in s] for s in sequences]

    def pairs() -> bool:
        places = [(frozenset(s), name) for s, row_ in zip(sequences, names) for name in row_]
        return all(a[1] != b[1] for a, b in itertools.combinations(places, 2) if a[0] != b[0])

    return row(
        f"contextual_mapping(), {count} sequences",
        seconds(lambda: contextual_mapping(names, sequences), 3),
        "every pair",
        seconds(pairs, 3),
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description="Measure against peers in the same run.")
    parser.add_argument("--no-browser", action="store_true", help="leave out the widget latencies")
    parser.add_argument("--quick", action="store_true", help="shorter sequences for the kernels, no FlexAttention")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows = []
    for measure in (
        imports,
        lambda: oracle(128, True),
        lambda: oracle(1024, False),
        lambda: oracle(1024, True),
        lambda: tester(300),
    ):
        rows.append(measure())
        r = rows[-1]
        print(
            f"{r['what']:62} {r['ours_ms']:9.2f} ms   {r['peer']:14} {r['peer_ms']:9.2f} ms   ratio {r['ratio']:.2f}",
            flush=True,
        )
    from ci import bench_big_bird, bench_kernels  # which take their rows from here

    rows += bench_kernels.measure(arguments.quick)
    rows += bench_big_bird.measure(arguments.quick)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    fresh = TARGET.with_suffix(".new")
    fresh.write_text(json.dumps(rows, indent=1) + "\n")
    fresh.replace(TARGET)
    if arguments.no_browser:
        return
    if chromium() is None:
        print(f"Widget latencies left out. {INSTALL}")
        return
    latency.main()


if __name__ == "__main__":
    main()

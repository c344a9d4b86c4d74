"""Speed of `kernels.attention` on this CPU against peers in the same run. `python -m ci.bench_kernels [--quick]`

8 heads, dim 64, batch 1. Peers take turns with ours, and medians are compared, so that other load on the machine meets
both. `share` is the speed-up over the ratio of multiplications: 1 when nothing is lost to sparsity.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from inspect import signature
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

import kernels
from ci.bench import Row, row
from kernels import BlockLayout, native

HEADS, DIM = 8, 64
GROWTH = r"""
import json, pathlib, re, sys, time, torch, kernels
torch.set_num_threads(1)
n = int(sys.argv[1])
q, k, v = (torch.randn(1, 8, n, 64) for _ in range(3))
layout = kernels.BlockLayout.bigbird(n, block=64)
times = []
for _ in range(4):
    started = time.perf_counter()
    with torch.no_grad():
        kernels.attention(q, k, v, normalizer="sigmoid", layout=layout)
    times.append(time.perf_counter() - started)
peak = re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path("/proc/self/status").read_text())  # ru_maxrss would be the parent's
print(json.dumps([sorted(times)[1], 1024 * int(peak[1])]))
"""


def interleaved(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each, taking turns, after one call that warms up."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(repeats):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(t) for name, t in times.items()}


def inputs(n: int, dtype: torch.dtype = torch.float32, grad: bool = False) -> list[Tensor]:
    return [torch.randn(1, HEADS, n, DIM, dtype=dtype).requires_grad_(grad) for _ in range(3)]


def dense(n: int, dtype: torch.dtype, backward: bool, repeats: int) -> list[Row]:
    """Softmax and sigmoid against SDPA, and the matrix products alone as the limit."""
    q, k, v = inputs(n, dtype, backward)
    weight = torch.randn(1, HEADS, n, DIM, dtype=dtype)

    def run(function: Callable[..., Tensor], **options: object) -> Callable[[], object]:
        if backward:
            return lambda: function(q, k, v, **options).backward(weight)
        return torch.no_grad()(lambda: function(q, k, v, **options))

    square = torch.randn(2048, 2048, dtype=dtype)
    median = interleaved(
        {
            "SDPA": run(F.scaled_dot_product_attention),
            "softmax": run(kernels.attention),
            "sigmoid": run(kernels.attention, normalizer="sigmoid"),
            "product": lambda: square @ square,
        },
        repeats,
    )
    products = (7 if backward else 2) * HEADS * n * n * DIM / 2048**3
    what = (
        f"{str(dtype)[6:]}, {n} tokens, {'with backward' if backward else 'forward'}, {torch.get_num_threads()} threads"
    )
    rows = [
        row(f"{name} attention, {what}", median[name], "PyTorch SDPA", median["SDPA"])
        for name in ("softmax", "sigmoid")
    ]
    limit = products * median["product"]
    return [*rows, row(f"sigmoid attention, {what}", median["sigmoid"], "torch.mm of that size", limit)]


def sparse(n: int, repeats: int) -> list[Row]:
    """BigBird blocks against dense SDPA."""
    q, k, v = inputs(n)
    layout = BlockLayout.bigbird(n, block=64)
    runs = {"SDPA": lambda: F.scaled_dot_product_attention(q, k, v)}
    for name in ("softmax", "sigmoid"):
        runs[name] = lambda name=name: kernels.attention(q, k, v, normalizer=name, layout=layout)
    with torch.no_grad():
        median = interleaved(runs, repeats)
    what = f"{n} tokens, density {layout.density:.3f}, {torch.get_num_threads()} threads"
    rows = []
    for name in ("softmax", "sigmoid"):
        rows.append(row(f"BigBird {name}, {what}", median[name], "dense SDPA", median["SDPA"]))
        rows[-1]["share"] = median["SDPA"] * layout.density / median[name]
    return rows


def flex(n: int, repeats: int) -> list[Row]:
    """The same blocks in compiled FlexAttention."""
    q, k, v = inputs(n)
    layout = BlockLayout.bigbird(n, block=64)
    grid = layout.blocks()[0]

    def listed(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return grid[query // 64, key // 64]

    mask = create_block_mask(listed, None, None, n, n, device="cpu", BLOCK_SIZE=64)
    compiled = torch.compile(flex_attention)
    runs = {
        "peer": lambda: compiled(q, k, v, block_mask=mask),
        "ours": lambda: kernels.attention(q, k, v, layout=layout),
    }
    with torch.no_grad():
        median = interleaved(runs, repeats)
    what = f"BigBird softmax, {n} tokens, {torch.get_num_threads()} threads"
    return [row(what, median["ours"], "compiled FlexAttention", median["peer"])]


def transformers_bigbird(n: int, repeats: int) -> list[Row]:
    """The block-sparse core of transformers' BigBird, its own pattern of 3 random blocks per row."""
    what = f"BigBird softmax, {n} tokens, {torch.get_num_threads()} threads"
    try:
        from transformers.models.big_bird.modeling_big_bird import BigBirdBlockSparseAttention
    except ImportError:
        return [{"what": what, "peer": "transformers", "left_out": "transformers is not installed"}]
    config = {"max_position_embeddings": n, "num_attention_heads": HEADS, "num_random_blocks": 3, "block_size": 64}
    config |= {"hidden_size": HEADS * DIM, "use_bias": False}
    core = BigBirdBlockSparseAttention(SimpleNamespace(**config), seed=0).eval()
    q, k, v = inputs(n)
    ones = torch.ones(1, n)
    blocks = ones.view(1, n // 64, 64)
    band = torch.ones(1, 1, n // 64 - 4, 64, 3 * 64)
    rows, columns = ones.view(1, 1, n, 1), ones.view(1, 1, 1, n)
    layout = BlockLayout.bigbird(n, block=64)

    run = core.bigbird_block_sparse_attention
    options = {"seed": 0, "plan_from_length": None, "plan_num_rand_blocks": None, "output_attentions": False}
    options = {name: option for name, option in options.items() if name in signature(run).parameters}  # of its version

    def peer() -> object:
        return run(q, k, v, band, rows, columns, blocks, blocks, HEADS, 3, DIM, 64, 64, 1, n, n, **options)

    with torch.no_grad():
        median = interleaved({"peer": peer, "ours": lambda: kernels.attention(q, k, v, layout=layout)}, repeats)
    return [row(what, median["ours"], "transformers BigBird", median["peer"])]


def growth(lengths: tuple[int, ...]) -> list[Row]:
    """Exponents of time and memory of BigBird sigmoid attention over the length, each length in a process of its own."""
    what = f"BigBird sigmoid from {lengths[0]} to {lengths[-1]} tokens"
    if sys.platform != "linux":
        return [{"what": what, "peer": "itself", "left_out": "the peak of memory is read from /proc"}]
    seconds, peak = {}, {}
    for n in (64, *lengths):
        done = subprocess.run([sys.executable, "-c", GROWTH, str(n)], capture_output=True, text=True, check=True)
        seconds[n], peak[n] = json.loads(done.stdout)
    first, last = lengths[0], lengths[-1]

    def exponent(values: dict[int, float], start: float = 0) -> float:
        return math.log((values[last] - start) / (values[first] - start)) / math.log(last / first)

    return [
        {
            "what": what,
            "time_exponent": exponent(seconds),
            "memory_exponent": exponent(peak, peak[64]),
            "seconds": {str(n): seconds[n] for n in lengths},
            "peak_gb": {str(n): peak[n] / 1e9 for n in lengths},
        }
    ]


def measure(quick: bool = False) -> list[Row]:
    """All rows; printed as they come. quick: shorter sequences, one thread, no FlexAttention to compile."""
    before = torch.get_num_threads()
    n, long, repeats = (1024, 4096, 3) if quick else (4096, 16384, 7)
    rows: list[Row] = []

    def add(new: list[Row]) -> None:
        rows.extend(new)
        for r in new:
            print(words(r), flush=True)

    try:
        for threads in (1,) if quick else (1, 2):
            torch.set_num_threads(threads)
            add(dense(n, torch.float32, False, repeats))
            add(dense(n, torch.bfloat16, False, repeats))
            add(dense(n, torch.float32, True, repeats))
            add(sparse(long, 3))
            for length in (n, long):
                add(transformers_bigbird(length, 3))
            if not quick:
                add(flex(n, repeats))
        add(growth((1024, 4096) if quick else (4096, 16384, 65536)))
    finally:
        torch.set_num_threads(before)
    return rows


def words(r: Row) -> str:
    """One row as a line."""
    if "left_out" in r:
        return f"{r['what']:62} against {r['peer']}: left out, {r['left_out']}"
    if "time_exponent" in r:
        peaks = ", ".join(f"{n} tokens {gb:.2f} GB" for n, gb in r["peak_gb"].items())
        return (
            f"{r['what']:62} time ~ n^{r['time_exponent']:.2f}, memory ~ n^{r['memory_exponent']:.2f} (peak: {peaks})"
        )
    share = f"   share {r['share']:.2f}" if "share" in r else ""
    return (
        f"{r['what']:62} {r['ours_ms']:9.1f} ms   {r['peer']:22} {r['peer_ms']:9.1f} ms   ratio {r['ratio']:.3f}"
        f" ({1 / r['ratio']:.2f} × as fast){share}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ci.bench_kernels", description="Measure kernels against peers.")
    parser.add_argument("--quick", action="store_true", help="shorter sequences, one thread, no FlexAttention")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    kernels.attention(*inputs(64))
    print(native.status())
    measure(arguments.quick)


if __name__ == "__main__":
    main()

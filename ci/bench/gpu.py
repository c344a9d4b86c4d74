"""`make bench-gpu`: the Triton kernels on a GPU. First they must be right, then they are timed against their peers.

    python -m ci.bench.gpu [--quick] [--dry-run]

The question: FlashSigmoid's forward pass is reported 17.4 % (causal 18.8 %) faster than a softmax flash kernel on an
H100 (Ramapuram et al. 2024). Is that gain here? Times are CUDA events around single calls, each after a flush of the L2
cache; the median and the quartiles of many. Writes ci/results/gpu-<device>.json, and plots to build/report/. --dry-run
goes the same way on the CPU, in Triton's interpreter at tiny sizes, and writes to build/report/ alone.
"""

import argparse
import importlib.util
import itertools
import json
import platform
import statistics
import sys
import timeit
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

import kernels
from ci.result import write_text
from kernels.compare import TANH_ERROR, check
from kernels.flash import versions
from kernels.layout import BlockLayout
from seqlab.draw.figures import figure, log
from seqlab.draw.plots import LOOKS, line

PUBLISHED = {"forward": {False: 17.39, True: 18.76}, "backward": {False: 2.7, True: 6.19}}  # percent less time, H100
SEED = 0
HEADS = {True: 2, False: 4}  # of a case, tiny or not
Run = Callable[[], object]


def cases(tiny: bool) -> Iterator[tuple[str, dict, dict]]:
    """What must be right before anything is timed: name, shape, options."""
    lengths = ((1, 1), (7, 33)) if tiny else ((1, 1), (7, 63), (63, 111), (257, 257), (512, 512), (1000, 2048))
    dims = (16,) if tiny else (16, 40, 64, 80, 128, 256)
    for (n_query, n_key), dim, causal in itertools.product(lengths, dims, (False, True)):
        shape = {"n_query": n_query, "n_key": n_key, "dim": dim}
        yield f"{n_query} × {n_key}, dim {dim}{', causal' if causal else ''}", shape, {"causal": causal}
    n, dim = (21, 20) if tiny else (300, 64)
    shape = {"n_query": n, "n_key": n, "dim": dim}
    yield "padded", shape, {"key_padding": torch.arange(n)[None] < torch.tensor([[n // 2], [0]])}
    yield "alibi", shape, {"alibi": torch.tensor([0.5, 0.25, 0.125, 0.0625][: HEADS[tiny]])}
    yield "trained bias", shape, {"bias": torch.randn(HEADS[tiny], n, n, generator=torch.Generator().manual_seed(SEED))}
    yield "grouped queries", shape | {"kv_heads": 1}, {}
    for block in (16,) if tiny else (16, 64):
        layout = BlockLayout.bigbird(n, block=block, seed=SEED)
        yield f"block-sparse, blocks of {block}", shape, {"layout": layout}
        yield f"block-sparse, blocks of {block}, causal", shape, {"layout": layout, "causal": True}


def verify(device: str, impl: str, tiny: bool) -> list[str]:
    """Every case in every dtype, forward and each gradient; the failures in words."""
    failures = []
    dtypes = (torch.float32, torch.float16) if impl == "interpret" else (torch.float32, torch.float16, torch.bfloat16)
    for normalizer, dtype, (name, shape, options) in itertools.product(("softmax", "sigmoid"), dtypes, cases(tiny)):
        coarse = TANH_ERROR / 2 if normalizer == "sigmoid" and impl == "triton" and dtype != torch.float32 else 0.0
        draw = torch.Generator().manual_seed(SEED)
        sizes = [(HEADS[tiny], shape["n_query"]), *[(shape.get("kv_heads", HEADS[tiny]), shape["n_key"])] * 2]
        q, k, v = (
            torch.randn(2, heads, length, shape["dim"], generator=draw).to(device, dtype) for heads, length in sizes
        )
        moved = {key: x.to(device) if hasattr(x, "to") else x for key, x in options.items()}
        try:
            check(q, k, v, impl=impl, normalizer=normalizer, weight_error=coarse, **moved)
        except Exception as error:
            failures.append(f"{normalizer}, {dtype}, {name}: {type(error).__name__}: {error}")
    return failures


def timed(run: Run, device: str, quick: bool) -> dict[str, float]:
    """Median and quartiles in milliseconds: CUDA events after an L2 flush, or a wall clock where no GPU is."""
    if device == "cuda":
        import triton

        low, median, high = triton.testing.do_bench(run, rep=200 if quick else 1000, quantiles=(0.25, 0.5, 0.75))
    else:
        low, median, high = statistics.quantiles([1e3 * took for took in timeit.repeat(run, number=1, repeat=3)])
    return {"median_ms": median, "low_ms": low, "high_ms": high}


def contestants(q, k, v, causal: bool, layout: BlockLayout | None, impl: str) -> Iterator[tuple[str, Callable]]:
    """Name and forward function of everyone who computes this problem."""
    for normalizer in ("softmax", "sigmoid"):
        yield (
            f"seqlab {normalizer}",
            lambda q, k, v, normalizer=normalizer: kernels.attention(
                q, k, v, normalizer=normalizer, causal=causal, layout=layout, impl=impl
            ),
        )
    if layout is None:
        backends = {"SDPA FlashAttention": SDPBackend.FLASH_ATTENTION, "SDPA cuDNN": SDPBackend.CUDNN_ATTENTION}
        for name, backend in backends.items() if q.is_cuda else {"SDPA": SDPBackend.MATH}.items():

            def fused(q, k, v, backend=backend):
                with sdpa_kernel(backend):
                    return F.scaled_dot_product_attention(q, k, v, is_causal=causal)

            yield name, fused
        if q.is_cuda and importlib.util.find_spec("triton_sigmoid"):
            yield "triton-sigmoid", _triton_sigmoid(causal)
    if q.is_cuda:
        yield "FlexAttention compiled", _flex(q, causal, layout)


def _triton_sigmoid(causal: bool) -> Callable:
    from triton_sigmoid import sigmoid_attention

    def run(q, k, v):  # it wants (batch, token, head, dim), and gets it without a copy inside the timing
        return sigmoid_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=causal)

    return run


def _flex(q, causal: bool, layout: BlockLayout | None) -> Callable:
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    n, mask = q.shape[2], None
    if layout is not None:
        grid, block = layout.blocks()[0].to(q.device), layout.block
        mask = create_block_mask(lambda b, h, i, j: grid[i // block, j // block], None, None, n, n, device=q.device)
    elif causal:
        mask = create_block_mask(lambda b, h, i, j: i >= j, None, None, n, n, device=q.device)
    compiled = torch.compile(flex_attention, dynamic=False)
    return lambda q, k, v: compiled(q, k, v, block_mask=mask)


def problems(tiny: bool, quick: bool) -> Iterator[dict]:
    """16 k tokens in a batch whatever the length, so that the device is full and memory stays in bounds."""
    lengths = (32,) if tiny else (1024, 8192) if quick else (512, 1024, 2048, 4096, 8192, 16384, 32768)
    for dim, n, pattern in itertools.product((16,) if tiny else (64, 128), lengths, ("full", "causal", "bigbird")):
        batch, heads = (1, 1) if tiny else (max(16384 // n, 1), 2048 // dim)
        yield {"n": n, "dim": dim, "pattern": pattern, "batch": batch, "heads": heads}


def measure(device: str, impl: str, tiny: bool, quick: bool) -> Iterator[dict]:
    for problem in problems(tiny, quick):
        torch.manual_seed(SEED)
        shape = (problem["batch"], problem["heads"], problem["n"], problem["dim"])
        q, k, v, grad = (torch.randn(shape, device=device, dtype=torch.float16) for _ in range(4))
        blocks = BlockLayout.bigbird(problem["n"], block=16 if tiny else 64, seed=SEED).to(device)
        layout = blocks if problem["pattern"] == "bigbird" else None
        for name, run in contestants(q, k, v, problem["pattern"] == "causal", layout, impl):
            row = problem | {"who": name}
            try:
                with torch.no_grad():
                    row["forward"] = timed(lambda: run(q, k, v), device, quick)
                inputs = [x.detach().requires_grad_() for x in (q, k, v)]
                out = run(*inputs)
                backward = lambda: torch.autograd.grad(out, inputs, grad, retain_graph=True)
                row["backward"] = timed(backward, device, quick)
            except Exception as error:  # a peer that cannot: its reason is part of the result
                row["left_out"] = f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}"
            print(_line(row), flush=True)
            yield row


def _line(row: dict) -> str:
    head = f"{row['pattern']:8} n {row['n']:6,} dim {row['dim']:3}  {row['who']:24}"
    if "left_out" in row:
        return f"{head} left out: {row['left_out']}"
    return head + "".join(
        f"  {step} {row[step]['median_ms']:9.3f} ms ({row[step]['low_ms']:.3f} to {row[step]['high_ms']:.3f})"
        for step in ("forward", "backward")
    )


def answer(rows: list[dict]) -> list[str]:
    """How much less time sigmoid takes than softmax in our own kernels, beside the published numbers."""
    times = {(r["n"], r["dim"], r["pattern"], r["who"]): r for r in rows if "left_out" not in r}
    lines = []
    for (n, dim, pattern, who), row in times.items():
        other = times.get((n, dim, pattern, "seqlab softmax"))
        if who != "seqlab sigmoid" or other is None:
            continue
        for step in ("forward", "backward"):
            gain = 100 * (1 - row[step]["median_ms"] / other[step]["median_ms"])
            published = PUBLISHED[step].get(pattern == "causal") if pattern != "bigbird" else None
            beside = f" (published for an H100: {published} %)" if published else ""
            lines.append(
                f"{pattern}, n {n:,}, dim {dim}, {step}: sigmoid takes {gain:.1f} % less time than softmax{beside}"
            )
    return lines


def about(device: str) -> dict:
    """Device, driver and versions."""
    found = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "triton": versions.installed(),
        "seed": SEED,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if device != "cuda":
        return found | {"device": "Triton's interpreter"}
    properties = torch.cuda.get_device_properties(0)
    return found | {
        "device": properties.name,
        "memory_GiB": round(properties.total_memory / 2**30, 1),
        "cuda": torch.version.cuda,
        "capability": list(torch.cuda.get_device_capability()),
        "driver": torch._C._cuda_getDriverVersion() if torch.version.cuda else None,
    }


def plots(rows: list[dict], path: Path) -> None:
    """One page: time against length, for each pattern, dim and step; bars from quartile to quartile."""
    parts = []
    for step, (pattern, dim) in itertools.product(("forward", "backward"), {(r["pattern"], r["dim"]): 0 for r in rows}):
        times: dict[str, dict[int, dict]] = {}
        for r in rows:
            if (r["pattern"], r["dim"]) == (pattern, dim) and step in r:
                times.setdefault(r["who"], {})[r["n"]] = r[step]
        drawn = []
        for (who, at), look in zip(times.items(), itertools.cycle(LOOKS)):
            medians = [t["median_ms"] for t in at.values()]
            up, down = (
                [t["high_ms"] - t["median_ms"] for t in at.values()],
                [t["median_ms"] - t["low_ms"] for t in at.values()],
            )
            bars = {"type": "data", "symmetric": False, "array": up, "arrayminus": down}
            drawn.append(line(who, at, medians, look, error_y=bars))
        title = f"{step}, {pattern}, dim {dim}"
        shown = figure(title, log("tokens"), log("milliseconds"), f"Median time, {title}.", *drawn)
        parts.append(shown.to_html(full_html=False, include_plotlyjs=not parts))
    write_text(path, "<!doctype html><meta charset='utf-8'><title>GPU kernels</title>" + "".join(parts))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="make bench-gpu", description="The Triton kernels on a GPU: right first, then timed."
    )
    parser.add_argument("--quick", action="store_true", help="two lengths and fewer repeats: a few minutes")
    parser.add_argument(
        "--dry-run", action="store_true", help="the same way on the CPU, in the interpreter, at tiny sizes"
    )
    options = parser.parse_args(arguments)
    device, impl = ("cpu", "interpret") if options.dry_run else ("cuda", "triton")
    if device == "cuda":
        if trouble := versions.trouble(torch.device("cuda")) if torch.cuda.is_available() else "no GPU is here":
            cure = "`make bench-gpu BENCH_ARGS=--dry-run` goes the same way on the CPU"
            print(f"The kernels cannot run on a GPU: {trouble}. {cure}.")
            return 2
    if failures := verify(device, impl, tiny=options.dry_run):
        print(f"{len(failures)} checks failed, so nothing is timed:", *failures, sep="\n  ")
        return 1
    print("All kernels agree with float64. Timing:")
    rows = list(measure(device, impl, options.dry_run, options.quick))
    result = {"about": about(device), "rows": rows, "answer": answer(rows)}
    print(*result["answer"], sep="\n")
    name = "dry-run" if options.dry_run else result["about"]["device"].replace(" ", "-").lower()
    numbers = Path("build/report" if options.dry_run else "ci/results", f"gpu-{name}.json")
    write_text(numbers, json.dumps(result, indent=1) + "\n")
    page = Path("build/report", f"gpu-{name}.html")
    plots(rows, page)
    print(f"Written to {numbers}, plots to {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

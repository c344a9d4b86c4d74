"""The longest sequence that fits a budget of memory: one head of width 64, forward and backward, dense and Big Bird.

Two ways to know. `stored(kind, n)` counts, to the byte, what autograd keeps between forward and backward; it is exact
and the same everywhere. `measured(kind, n)` lets a fresh process run that length and reads how much memory it took at
most.

    python -m seqlab.big_bird.budget dense 1024        [bytes, seconds]
"""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from seqlab.attention import attention
from seqlab.big_bird.blocked import blocked_attention, kernel_attention
from seqlab.big_bird.plan import Plan

DIM = 64
PLAN = Plan(block=64, window=3, global_blocks=(0, -1), random_blocks=3)
KINDS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "dense": lambda q, k, v: attention(q, k, v),
    "sdpa": lambda q, k, v: F.scaled_dot_product_attention(q, k, v),
    "blocked": lambda q, k, v: blocked_attention(q, k, v, PLAN),
    "kernel": lambda q, k, v: kernel_attention(q, k, v, PLAN),
}
"""dense stores the scores, as the paper's rival does; sdpa is dense too, but keeps no scores."""


def stored(kind: str, n: int) -> int:
    """Bytes that the backward pass needs of the forward pass: distinct memory of all saved tensors, inputs included."""
    kept: dict[int, Tensor] = {}

    def keep(x: Tensor) -> Tensor:
        kept[x.untyped_storage().data_ptr()] = x  # holding it, so that no address is used twice
        return x

    q, k, v = inputs(n)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        out = _kind(kind)(q, k, v)
    del out
    return sum(x.untyped_storage().nbytes() for x in kept.values())


def largest(fits: Callable[[int], bool]) -> int:
    """The largest k ≥ 1 that fits, 0 if 1 does not: doubled until one does not fit, then halved between. fits falls."""
    low, high = 0, 1
    while fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def longest_stored(kind: str, budget: int, *, small: int = 1024) -> int:
    """The longest whole number of blocks whose stored bytes fit, from three exact counts.

    Bytes are a polynomial of n at multiples of the block: of degree 2 where scores are stored, 1 elsewhere. A fourth
    count checks that; RuntimeError if it does not agree.
    """
    at = [small, 2 * small, 3 * small, 4 * small]
    counts = [stored(kind, n) for n in at]
    by = np.polynomial.Polynomial.fit(at[:3], counts[:3], 2).convert()
    if abs(by(at[3]) - counts[3]) > 1e-6 * counts[3]:
        raise RuntimeError(f"{kind}: {counts[3]} bytes at {at[3]} tokens, the polynomial says {by(at[3]):.0f}")
    return PLAN.block * largest(lambda blocks: by(PLAN.block * blocks) <= budget)


def peaks(kind: str, lengths: Sequence[int]) -> list[int]:
    """Bytes by which a fresh process grows at its highest while it runs forward and backward, per length (Linux)."""
    return [measured(kind, n)[0] for n in lengths]


def longest_measured(kind: str, budget: int, *, start: int = 1024, step: float = 2**0.25) -> dict[str, float]:
    """{"tokens", "bytes", "seconds"} of the longest sequence whose measured peak fits. Linux only.

    It climbs the ladder start, start · step, … in whole blocks until one does not fit; 0 tokens if the first does not.
    """
    found, length = {"tokens": 0, "bytes": 0, "seconds": 0.0}, float(start)
    while True:
        n = max(round(length / PLAN.block), 1) * PLAN.block
        bytes_, seconds = measured(kind, n)
        if bytes_ > budget:
            return found
        found, length = {"tokens": n, "bytes": bytes_, "seconds": seconds}, step * length


def measured(kind: str, n: int) -> tuple[float, float]:
    """(bytes, seconds) of one run in a fresh process, which has run a short one only. Out of memory is infinite."""
    _kind(kind)
    if sys.platform != "linux":
        raise RuntimeError(
            "the peak of memory is read from /proc, which only Linux has; stored(kind, n) counts everywhere"
        )
    command = [sys.executable, "-m", "seqlab.big_bird.budget", kind, str(n)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode < 0:  # killed
        return math.inf, math.inf
    if done.returncode:
        last = (done.stderr.strip() or "no output").splitlines()[-1]
        raise RuntimeError(f"{' '.join(command[1:])}: {last}")
    return tuple(json.loads(done.stdout))


def inputs(n: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(1, 1, n, DIM, generator=generator).requires_grad_() for _ in range(3)]


def run(kind: str, n: int) -> None:
    _kind(kind)(*inputs(n)).sum().backward()


def _kind(kind: str) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    if kind not in KINDS:
        raise ValueError(f"kind: got {kind!r}, wanted one of {', '.join(KINDS)}")
    return KINDS[kind]


def _status(field: str) -> int:
    """VmHWM is the peak of this process alone; ru_maxrss would be its parent's."""
    return 1024 * int(re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])


def main(kind: str, n: int) -> None:
    torch.set_num_threads(1)
    run(kind, 1024)  # what is loaded on first use is no part of it
    PLAN.at(n)  # drawn once
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts here
    started = time.perf_counter()
    run(kind, n)
    print(json.dumps([max(_status("VmHWM") - before, 0), time.perf_counter() - started]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

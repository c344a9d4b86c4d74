"""The longest sequence that fits a budget of memory: one head of width 64, forward and backward, dense against Big Bird.

Two ways to know. `stored(kind, n)` counts, to the byte, what autograd keeps between forward and backward; it is exact and
the same everywhere. `peaks(kind, lengths)` lets a fresh process run each length and reads how much memory it took at most.

    python -m seqlab.big_bird.budget peaks dense 1024 2048        [bytes, bytes]
    python -m seqlab.big_bird.budget longest kernel 536870912 1024     the longest sequence, its peak and its seconds
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

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


def longest(
    size: Callable[[int], float], budget: float, *, step: float = 2**0.25, start: int = 1024, block: int = 64
) -> int:
    """The largest length of the ladder `start · stepᵏ` (in whole blocks) whose size is within the budget; 0 if none is.

    It doubles the length until something does not fit, then halves the rungs between. `size` must grow with n.
    """

    def rung(k: int) -> int:
        return max(round(start * step**k / block), 1) * block

    if size(rung(0)) > budget:
        return 0
    low, double = 0, max(round(math.log(2) / math.log(step)), 1)
    while size(rung(low + double)) <= budget:
        low += double
    high = low + double
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if size(rung(middle)) <= budget else (low, middle)
    return rung(low)


def longest_stored(kind: str, budget: int, *, small: int = 1024) -> int:
    """The longest whole number of blocks whose stored bytes fit, from two or three exact counts.

    Bytes are a polynomial of n at multiples of the block: of degree 2 where scores are stored, 1 elsewhere. A fourth count
    checks that; RuntimeError if it does not agree.
    """
    import numpy as np

    at = [small, 2 * small, 3 * small, 4 * small]
    counts = [stored(kind, n) for n in at]
    by = np.polynomial.Polynomial.fit(at[:3], counts[:3], 2).convert()
    if abs(by(at[3]) - counts[3]) > 1e-6 * counts[3]:
        raise RuntimeError(f"{kind}: {counts[3]} bytes at {at[3]} tokens, the polynomial says {by(at[3]):.0f}")
    low, high = 0, 1
    while by(64 * high) <= budget:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if by(64 * middle) <= budget else (low, middle)
    return 64 * low


def peaks(kind: str, lengths: Sequence[int]) -> list[int]:
    """Bytes by which a fresh process grows at its highest while it runs forward and backward, per length. Linux only."""
    _kind(kind)
    return _ask("peaks", kind, *lengths)


def longest_measured(kind: str, budget: int, *, start: int = 1024) -> dict[str, float]:
    """{"tokens", "bytes", "seconds"} of the longest sequence whose measured peak fits, to a factor of 2^(1/4). Linux only."""
    _kind(kind)
    return _ask("longest", kind, budget, start)


def _ask(*arguments: object) -> object:
    if sys.platform != "linux":
        raise RuntimeError(
            "the peak of memory is read from /proc, which only Linux has; stored(kind, n) counts everywhere"
        )
    command = [sys.executable, "-m", "seqlab.big_bird.budget", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[1:])}: {(done.stderr.strip() or 'no output').splitlines()[-1]}")
    return json.loads(done.stdout)


def inputs(n: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(1, 1, n, DIM, generator=generator).requires_grad_() for _ in range(3)]


def run(kind: str, n: int) -> None:
    _kind(kind)(*inputs(n)).sum().backward()


def _kind(kind: str) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    if kind not in KINDS:
        raise ValueError(f"kind: got {kind!r}, wanted one of {', '.join(KINDS)}")
    return KINDS[kind]


def _fresh(kind: str, n: int) -> tuple[float, float]:
    """(bytes, seconds) of one run in a fork of this process, which has run a short one only. Out of memory is infinite."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _ = PLAN.at(n).layout
            before = _status("VmRSS")
            Path("/proc/self/clear_refs").write_text("5")  # the peak starts here
            started = time.perf_counter()
            run(kind, n)
            took = time.perf_counter() - started
            os.write(writing, json.dumps([max(_status("VmHWM") - before, 0), took]).encode())
            os._exit(0)
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return math.inf, math.inf
    if not said:
        raise RuntimeError(f"{kind} at {n} tokens failed")
    return tuple(json.loads(said))


def _status(field: str) -> int:
    """VmHWM is the peak of this process alone; ru_maxrss would be its parent's."""
    return 1024 * int(re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])


def main(what: str, kind: str, *numbers: str) -> None:
    torch.set_num_threads(1)
    run(kind, 1024)  # what is loaded on first use is no part of it
    if what == "peaks":
        print(json.dumps([_fresh(kind, int(n))[0] for n in numbers]))
        return
    budget, start = map(int, numbers)
    seen: dict[int, tuple[float, float]] = {}

    def size(n: int) -> float:
        seen[n] = _fresh(kind, n)
        return seen[n][0]

    n = longest(size, budget, start=start)
    size_, seconds = seen.get(n, (0, 0.0))
    print(json.dumps({"tokens": n, "bytes": size_, "seconds": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])

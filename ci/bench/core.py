"""The readable core: what importing it costs, attention against PyTorch's own, the tester against every pair."""

import itertools
import random
import subprocess
import sys
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F

from ci.bench.rows import Row, Run, versus
from seqlab.attention import attention
from seqlab.contextual import contextual_mapping


def measure(quick: bool) -> Iterator[Row]:
    yield imports()
    for length, causal in ((128, True), (1024, False), (1024, True)):
        yield oracle(length, causal)
    yield tester(300)


def imports() -> Row:
    """`import seqlab` on top of `import torch`, in fresh processes."""

    def run(code: str) -> Run:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True)

    core = "import torch, seqlab.attention, seqlab.layers, seqlab.contextual, seqlab.course"
    return versus("import torch and seqlab's core", run(core), "import torch", run("import torch"), 3)


def oracle(length: int, causal: bool) -> Row:
    """The readable attention, forward and backward, against PyTorch's fused one."""
    q, k, v = (torch.randn(1, 4, length, 64, requires_grad=True) for _ in range(3))

    def run(function: Callable, **options: bool) -> Run:
        return lambda: function(q, k, v, **options).sum().backward()

    what = f"attention(), 4 heads, {length} tokens{', causal' if causal else ''}, with backward"
    peer = run(F.scaled_dot_product_attention, is_causal=causal)
    return versus(what, run(attention, causal=causal), "PyTorch SDPA", peer)


def tester(count: int) -> Row:
    """The contextual-mapping tester against looking at every pair."""
    draw = random.Random(0)
    sequences = [tuple(draw.sample(range(50), 4)) for _ in range(count)]
    names = [[draw.random() for _ in s] for s in sequences]

    def pairs() -> bool:
        places = [(frozenset(s), name) for s, own in zip(sequences, names) for name in own]
        return all(a[1] != b[1] for a, b in itertools.combinations(places, 2) if a[0] != b[0])

    ours = lambda: contextual_mapping(names, sequences)
    return versus(f"contextual_mapping(), {count} sequences", ours, "every pair", pairs, 3)

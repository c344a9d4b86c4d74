"""The longest sequence that fits a budget of memory: one head of width 64, forward and backward, dense and Big Bird.

`stored(kind, n)` counts, to the byte, what autograd keeps between forward and backward; it is exact and the same
everywhere. What a process takes at most is measured by `make bench`.
"""

from bisect import bisect_right
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from seqlab.attention import attention
from seqlab.big_bird.blocked import blocked_attention, kernel_attention
from seqlab.big_bird.plan import Plan

DIM, MOST = 64, 2**24  # MOST: blocks, no budget holds as many
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

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        attend(kind, n)
    return sum(x.untyped_storage().nbytes() for x in kept.values())


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
    return PLAN.block * (bisect_right(range(MOST), budget, key=lambda blocks: by(PLAN.block * blocks)) - 1)


def attend(kind: str, n: int) -> Tensor:
    """The output of one head for n tokens."""
    generator = torch.Generator().manual_seed(0)
    return KINDS[kind](*(torch.randn(1, 1, n, DIM, generator=generator).requires_grad_() for _ in range(3)))


def run(kind: str, n: int) -> None:
    """Forward and backward."""
    attend(kind, n).sum().backward()

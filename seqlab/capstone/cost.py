"""Cost: what one sequence takes, forward: FLOP, bytes, the time of light on two machines, the kernel, the time here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial

import torch

import kernels
from kernels.instruments.ledger import Counts, closed_form
from kernels.instruments.roofline import Roofline, roofline, seconds, this_cpu
from seqlab.capstone.design import Design
from seqlab.capstone.model import BLOCK, Core
from seqlab.layers import Tokens, parameters

LENGTH, SIZE = 256, 4  # tokens of the genome's sequences; bytes of a number


@dataclass(frozen=True)
class Cost:
    """One sequence of n tokens.

    flop:  of matrix products, a token, by formula;  keys: that a token sees, the mean over layers
    work:  what the tiles of the kernels compute, heads padded to 16 numbers, and move if no cache helped
    here:  seconds on this machine, None where that was not asked for
    """

    n: int
    flop: float
    keys: float
    work: Counts
    parameters: int
    kernel: str
    lights: tuple[Roofline, ...]
    here: float | None = None


@cache
def flop(design: Design, n: int = LENGTH) -> float:
    """Matrix FLOP a token, by formula: 2 · (4 + 8) · width² for the matrices of a layer, 4 · width for every key."""
    keys = [count / n for count in design.who(n, BLOCK).at(n).connections()]
    return sum(24 * design.width**2 + 4 * design.width * keys[at % len(keys)] for at in range(design.depth))


def attention_work(design: Design, core: Core, n: int, at: int) -> Counts:
    """What attention of layer `at` moves and computes, for all heads.

    With a kernel, tile by tile; without one all n² scores are made, stored and masked, however sparse the pattern is.
    """
    count = partial(closed_form, "forward", batch=1, n_query=n, n_key=n, heads=design.heads)
    dim, scores = design.width // design.heads, 2 * SIZE * design.heads * n * n  # scores and weights, there and back
    if core.fast:
        return count(normalizer=design.normalizer, layout=core.seen[at], dim=dim)
    return count(normalizer="softmax", dim=dim) + Counts(scores, scores)


@torch.no_grad()
def cost(design: Design, n: int = LENGTH, *, timed: bool = False) -> Cost:
    """The cost of the layers of a design for one sequence of n tokens. timed: run them, too."""
    core, w, x = Core(design, n, BLOCK), design.width, torch.randn(1, n, design.width)
    matrices = Counts(SIZE * (12 * w * w + 3 * n * w), SIZE * 9 * n * w, 24 * n * w * w, 6)
    work = sum((matrices + attention_work(design, core, n, at % design.sets) for at in range(design.depth)), Counts())
    least = SIZE * (parameters(core) + 2 * n * w)  # weights once, the tokens in and out
    lights = tuple(roofline(None, work, device, compulsory=least) for device in (this_cpu(), "H100"))
    here = seconds(lambda: core(x)) if timed else None
    keys = sum(core.keys) / len(core.keys)
    return Cost(n, flop(design, n), keys, work, parameters(core), kernel(design, core, x), lights, here)


def kernel(design: Design, core: Core, x: Tokens) -> str:
    """Which kernel runs, and why; or why none."""
    try:
        name = design.weigh(x.shape[1]).kernel(x.shape[1])[0]
    except ValueError as none:
        return f"none: {none}"
    return f"{name}, {kernels.choose(x.unflatten(-1, (design.heads, -1)).transpose(1, 2), layout=core.seen[0])}"

"""A trained memoriser: one number in, one number out, a tied feed-forward part looped r times. Random labels against
smooth ones.

| paper symbol (Xu & Sato 2024, Lemma 4.1, Theorem 4.2) | here                                             |
| ----------------------------------------------------- | ------------------------------------------------ |
| k ↦ y_k, k = 0 … K-1                                  | `table`: (k, y), both scaled to -1 … 1            |
| L2 ∘ (id + FF)^r ∘ L1                                 | `Memoriser(clock=False)`                         |
| L2 ∘ (id + η(t) ⊙ FF)^r ∘ L1, η(t) learned freely     | `Memoriser(clock=True)`: η starts at 1           |

The theorems build weights; this trains them. What training finds need not be what a construction reaches.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqlab.layers import FeedForward


class Memoriser(nn.Module):
    """R → R by `loops` loops of x ← x + η(t) ⊙ FF(x) in `dim` coordinates."""

    def __init__(self, loops: int, dim: int = 16, hidden: int = 32, clock: bool = False):
        super().__init__()
        self.loops = loops
        self.enter, self.feed_forward, self.leave = nn.Linear(1, dim), FeedForward(dim, hidden), nn.Linear(dim, 1)
        self.eta = nn.Parameter(torch.ones(loops, dim)) if clock else None

    def forward(self, k: Float[Tensor, "point"]) -> Float[Tensor, "point"]:
        x = self.enter(k[None, :, None])
        for t in range(self.loops):
            added = self.feed_forward(x)
            x = x + (added if self.eta is None else self.eta[t] * added)
        return self.leave(x)[0, :, 0]

    def loss(self, batch: tuple[Tensor, Tensor]) -> Float[Tensor, ""]:
        """Mean squared error."""
        k, y = batch
        return (self(k) - y).square().mean()


def table(labels: str, points: int, seed: int) -> tuple[Tensor, Tensor]:
    """k in -1 … 1 and y: uniform in -1 … 1, or one period of a sine with a random phase."""
    if labels not in ("random", "smooth"):
        raise ValueError(f"labels: got {labels!r}, wanted 'random' or 'smooth'")
    draw = torch.Generator().manual_seed(seed)
    k = torch.linspace(-1, 1, points)
    if labels == "random":
        return k, 2 * torch.rand(points, generator=draw) - 1
    return k, torch.sin(math.pi * (k + 2 * torch.rand(1, generator=draw)))

"""Where the random blocks come from: the published draw beside one from everywhere."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Int
from torch import Tensor

from seqlab.big_bird.plan import Plan

Counts = Int[Tensor, "blocks"]


@dataclass(frozen=True)
class Choices:
    """How often each key block was drawn, all heads and query blocks together."""

    plan: Plan
    n: int
    counts: Counts

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    def share(self, tokens: int = 1024) -> float:
        """The share of random connections that land in the first `tokens` positions, whole blocks of them."""
        return int(self.counts[: tokens // self.plan.block].sum()) / max(self.total, 1)

    @property
    def never(self) -> int:
        """Blocks that nobody drew although no global block needs drawing."""
        drawn = self.plan.at(self.n)
        wanted = [j - drawn.front for j in range(drawn.front, drawn.blocks) if j not in drawn.relays]
        return int((self.counts[wanted] == 0).sum())


def choices(plan: Plan, n: int = 4096) -> Choices:
    """Count what a plan drew at n tokens."""
    drawn = plan.at(n)
    chosen = drawn.random[drawn.random >= 0] - drawn.front
    return Choices(plan, n, torch.bincount(chosen, minlength=drawn.blocks - drawn.front))


def published_and_everywhere(n: int = 4096, *, heads: int = 12, seed: int = 0) -> tuple[Choices, Choices]:
    """The plan of the authors' code, and the same plan with its random blocks drawn from the whole sequence."""
    plan = Plan.published(heads=heads, seed=seed)
    return choices(plan, n), choices(replace(plan, random_from=None), n)

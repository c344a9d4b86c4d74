"""Names: is an untrained design a contextual mapping of all short sequences, and what do float32 and bfloat16 leave?

Every short sequence goes through the design's layers with random weights; the tester of lab 01 compares the names.

| here       | what it is                                                                                         |
| ---------- | -------------------------------------------------------------------------------------------------- |
| separation | the smallest distance of two names that must differ                                                |
| headroom   | binary digits between the separation and the rounding of a name, its length times 2^-bits          |
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cache

import torch

from seqlab.capstone.design import Design
from seqlab.capstone.model import Core
from seqlab.contextual import contextual_mapping
from seqlab.theorem import Verdict
from seqlab.train.fit import fresh

LENGTH, LETTERS = 4, 3
DTYPES = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16}
BITS = {"float64": 53, "float32": 24, "bfloat16": 8}  # of a significand


@dataclass(frozen=True)
class Named:
    """The verdict in one precision; `separation` and the `longest` name are those of float64."""

    verdict: Verdict
    separation: float
    longest: float
    headroom: float


def sequences(design: Design) -> tuple[list[tuple[int, ...]], str]:
    """All that the design should tell apart, and up to what: order counts where positions do.

    Without positions a layer cannot tell equal tokens apart, nor an order: then sets of different letters.
    """
    if design.positions == "none" and design.pattern in ("full", "alone"):
        return list(itertools.combinations(range(LENGTH + LETTERS), LENGTH)), "permutation"
    return list(itertools.product(range(LETTERS), repeat=LENGTH)), "identity"


@cache
@torch.no_grad()
def names(design: Design, seed: int = 0) -> dict[str, Named]:
    """precision → what the tester says of the names that fresh layers give in it."""
    told, equivalence = sequences(design)
    core = fresh(lambda: Core(design, LENGTH, oracle=True).double(), seed)
    letters = torch.randn(
        LENGTH + LETTERS, design.width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )
    x, found = letters[torch.tensor(told)], {}
    for name, dtype in DTYPES.items():
        given = core.to(dtype)(x.to(dtype))
        verdict = contextual_mapping(given.double(), told, equivalence)
        if name == "float64":
            exact, longest = verdict.margin, given.norm(dim=-1).max().item()
        found[name] = Named(verdict, exact, longest, headroom(exact, longest, BITS[name]))
    return found


def headroom(separation: float, longest: float, bits: int) -> float:
    """log2(separation / (longest · 2^-bits)): below 0 the closest names are within one rounding of each other."""
    return math.log2(separation / longest) + bits if separation > 0 else -math.inf

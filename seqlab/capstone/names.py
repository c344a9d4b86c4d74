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
    for name, bits in BITS.items():
        given = core.to(dtype := getattr(torch, name))(x.to(dtype))
        verdict = contextual_mapping(given.double(), told, equivalence)
        if name == "float64":
            exact, longest = verdict.margin, given.norm(dim=-1).max().item()
        found[name] = Named(verdict, exact, longest, headroom(exact, longest, bits) if exact else -math.inf)
    return found


def headroom(separation, longest, bits):
    """How many binary digits lie between the closest names and the rounding: below 0 rounding merges them. -> number

    separation: the smallest distance of two names that must differ, > 0;  longest: the length of the longest name
    bits: of a significand: a number of size a is rounded by about a / 2^bits. bfloat16 has 8, float32 has 24
    """
    rounding = longest / 2.0**bits
    return math.log2(separation / rounding)

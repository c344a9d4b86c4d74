"""Patterns: who may look at whom, for any length, as an algebra.

| module       | what it holds                                                              |
| ------------ | -------------------------------------------------------------------------- |
| runs         | rows of connections as arithmetic progressions, and their arithmetic       |
| rules        | what patterns are made of: a length and queries give runs                  |
| pattern      | `Pattern` (p sets used in turn, per head or shared) and `Instance` at an n |
| catalogue    | full, window, strided, fixed, star, random, BigBird, free-hand, …          |
| connectivity | Assumption 1 of Yun et al. 2020 as verdicts with witnesses                 |
"""

from seqlab.patterns.catalogue import (
    axial,
    bigbird,
    bigbird_etc,
    blocks,
    dilated,
    extended,
    fixed,
    freehand,
    full,
    laid_out,
    own,
    pure_star,
    random,
    relays,
    star,
    stride,
    strided,
    summaries,
    window,
)
from seqlab.patterns.pattern import Instance, Pattern, per_head, per_layer

__all__ = [
    "Instance",
    "Pattern",
    "axial",
    "bigbird",
    "bigbird_etc",
    "blocks",
    "dilated",
    "extended",
    "fixed",
    "freehand",
    "full",
    "laid_out",
    "own",
    "per_head",
    "per_layer",
    "pure_star",
    "random",
    "relays",
    "star",
    "stride",
    "strided",
    "summaries",
    "window",
]

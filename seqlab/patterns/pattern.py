"""Who may look at whom: a pattern is p sets of connections that the layers use in turn.

| paper symbol (Yun et al. 2020, section 2)       | name                                                   |
| ----------------------------------------------- | ------------------------------------------------------ |
| p, A_k^l                                        | `Pattern.p`, `pattern.at(n).keys(k, layer)`            |
| layer t uses pattern (t-1) mod p + 1            | `pattern.layer(l)`: set l mod p, counted from 0        |
| UNION, MULTIHEAD, SEQUENTIAL                    | `a | b` or `.union()`, `per_head`, `per_layer`         |

A `Pattern` says what happens at every length; `pattern.at(n)` is the pattern at one length (an `Instance`), and
`attention(q, k, v, pattern=pattern)` takes either. Nothing is stored as an n × n matrix unless `.mask` is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from kernels.layout import BlockLayout
from seqlab.patterns import rules
from seqlab.patterns.rules import Rule
from seqlab.patterns.runs import Runs, contains, count, expand, join, up_to_self, without_self

Queries = Int[np.ndarray, "queries"]
PerQuery = Bool[np.ndarray, "queries"]


@dataclass(frozen=True, eq=False)
class Pattern:
    """Immutable. `sets[layer][head]` are rules: (n, queries) → the runs of these queries at length n.

    One head in a set stands for all heads. Build one from the catalogue (`window(1)`, `strided(8)`, …), then combine:

        a | b                  union                        every head sees both
        per_head(a, b)         some heads see a, others b   (MULTIHEAD)
        per_layer(a, b)        layers alternate             (SEQUENTIAL)
        a.causal()             keys up to the query only
    """

    name: str
    sets: tuple[tuple[Rule, ...], ...]

    @property
    def p(self) -> int:
        """How many sets the layers cycle through."""
        return len(self.sets)

    @property
    def heads(self) -> int:
        """1 when all heads share one set."""
        return len(self.sets[0])

    def at(self, n: int) -> Instance:
        """The pattern for a sequence of n tokens."""
        return Instance(self, n)

    def layer(self, layer: int) -> Pattern:
        """The set that this layer uses (layer mod p), as a pattern with p = 1."""
        at = layer % self.p
        return Pattern(self.name if self.p == 1 else f"{self.name}[{at}]", (self.sets[at],))

    def union(self) -> Pattern:
        """All sets of all layers and heads at once, p = 1: UNION."""
        every = rules.union([rule for heads in self.sets for rule in heads])
        return Pattern(f"{self.name}.union()", ((every,),))

    def merged_heads(self) -> Pattern:
        """Layer by layer, what the heads see together."""
        return Pattern(self.name, tuple((rules.union(heads),) for heads in self.sets))

    def __or__(self, other: Pattern) -> Pattern:
        p, heads = math.lcm(self.p, other.p), math.lcm(self.heads, other.heads)
        sets = tuple(
            tuple(rules.union([x.sets[layer % x.p][head % x.heads] for x in (self, other)]) for head in range(heads))
            for layer in range(p)
        )
        return Pattern(f"{self.name} | {other.name}", sets)

    def causal(self) -> Pattern:
        """Only keys up to the query. No causal pattern lets every token reach every other: condition 3 fails."""
        return self._each("causal()", up_to_self)

    def without_self(self) -> Pattern:
        """No token sees itself: breaks condition 1."""
        return self._each("without_self()", without_self)

    def __repr__(self) -> str:
        return self.name

    def _each(self, what: str, change: Callable[[Runs], Runs]) -> Pattern:
        sets = tuple(tuple(partial(rules.changed, change, rule) for rule in heads) for heads in self.sets)
        return Pattern(f"({self.name}).{what}", sets)


def per_layer(first: Pattern, *others: Pattern) -> Pattern:
    """Layers use the patterns in turn (SEQUENTIAL); a pattern with p > 1 contributes its p sets in order."""
    patterns = (first, *others)
    heads = math.lcm(*(x.heads for x in patterns))
    sets = [tuple(each[head % len(each)] for head in range(heads)) for x in patterns for each in x.sets]
    return Pattern(f"per_layer({', '.join(x.name for x in patterns)})", tuple(sets))


def per_head(first: Pattern, *others: Pattern, heads: int | None = None) -> Pattern:
    """Heads use different patterns (MULTIHEAD): equal groups of consecutive heads, one group per pattern.

    heads: the model's number of heads, a multiple of the number of patterns; one head per pattern unless given.
    Raises ValueError where that does not divide, or a pattern has heads of its own.
    """
    patterns = (first, *others)
    heads = len(patterns) if heads is None else heads
    if heads < 1 or heads % len(patterns):
        raise ValueError(f"heads: got {heads} for {len(patterns)} patterns, wanted a multiple of {len(patterns)}")
    if several := [x.name for x in patterns if x.heads > 1]:
        raise ValueError(
            f"per_head: {several[0]} already has heads of its own; give patterns with one set for all heads"
        )
    p, group = math.lcm(*(x.p for x in patterns)), heads // len(patterns)
    sets = tuple(tuple(x.sets[layer % x.p][0] for x in patterns for _ in range(group)) for layer in range(p))
    return Pattern(f"per_head({', '.join(x.name for x in patterns)})", sets)


@dataclass(frozen=True, eq=False)
class Instance:
    """A pattern at length n. Made by `pattern.at(n)`."""

    pattern: Pattern
    n: int

    def __post_init__(self) -> None:
        if isinstance(self.n, bool) or not isinstance(self.n, int) or self.n < 1:
            raise ValueError(f"n: got {self.n!r}, wanted a whole number of tokens, at least 1")

    @property
    def p(self) -> int:
        return self.pattern.p

    @property
    def heads(self) -> int:
        return self.pattern.heads

    def rows(self, layer: int = 0, queries: Queries | None = None, head: int | None = None) -> Runs:
        """The runs of some queries (ascending; all unless given) in a layer; head=None joins the heads."""
        chosen = np.arange(self.n) if queries is None else queries
        heads = self.pattern.sets[layer % self.p]
        return join([rule(self.n, chosen) for rule in (heads if head is None else [heads[head % len(heads)]])])

    def sees(self, layer: int, queries: Queries, keys: Queries) -> PerQuery:
        """Per query (ascending, each once), whether it sees its key, in any head."""
        return contains(self.rows(layer, queries), queries, keys)

    def keys(self, query: int, layer: int = 0, head: int | None = None) -> list[int]:
        """A_k^l: the keys that a query sees, ascending."""
        if not 0 <= query < self.n:
            raise ValueError(f"query: got {query}, wanted 0 to {self.n - 1}")
        return expand(self.rows(layer, np.array([query]), head))[1].tolist()

    @cached_property
    def _grid(self) -> Bool[np.ndarray, "layer head query key"]:
        """The masks as numbers that no mode of PyTorch (inference, tracing) can spoil for later calls."""
        grid = np.zeros((self.p, self.heads, self.n, self.n), dtype=bool)
        for layer, head in np.ndindex(self.p, self.heads):
            grid[layer, head][expand(self.rows(layer, head=head))] = True
        return grid

    @property
    def mask(self) -> Bool[Tensor, "*head query key"]:
        """True where the query may look: "query key", or "head query key" when heads differ. n × n: for small n.

        Raises ValueError for p > 1: one layer of attention uses one set.
        """
        if self.p > 1:
            raise ValueError(
                f"pattern: {self.pattern.name} alternates between {self.p} sets, an attention layer uses one; "
                "give pattern.layer(l) for layer l, or pattern.union()"
            )
        masks = self.masks(by_head=True)[0]
        return masks if self.heads > 1 else masks[0]

    def masks(self, *, by_head: bool = False) -> Bool[Tensor, "layer *head query key"]:
        """All p sets as masks, heads joined; by_head=True keeps "layer head query key"."""
        return torch.from_numpy(self._grid if by_head else self._grid.any(axis=1))

    def connections(self) -> tuple[int, ...]:
        """Σ_k |A_k^l| per set l, summed over the pattern's heads (one where all heads share a set)."""
        each = [[count(self.rows(layer, head=head), self.n) for head in range(self.heads)] for layer in range(self.p)]
        return tuple(map(sum, each))

    def layout(self, block: int, layer: int | None = None, *, exact: bool = False) -> BlockLayout:
        """The blocks for the kernels: every block of keys with at least one connection, per block of queries.

        This is the pattern itself when the pattern is made of whole blocks, and a superset otherwise. exact=True raises
        ValueError then, and names a block that is not whole.
        """
        rules.whole("block", block)
        if layer is None and self.p > 1:
            raise ValueError(
                f"layer: {self.pattern.name} alternates between {self.p} sets, a layout is one of them; say which "
                "layer, or take pattern.union()"
            )
        tokens = np.split(np.arange(self.n), range(block, self.n, block))
        sizes = list(map(len, tokens))
        keys = [[expand(self.rows(layer or 0, each, head))[1] for each in tokens] for head in range(self.heads)]
        counts = np.array([[np.bincount(each // block, minlength=len(tokens)) for each in rows] for rows in keys])
        broken = np.argwhere((counts > 0) & (counts < np.outer(sizes, sizes))).tolist()
        if exact and broken:
            head, i, j = broken[0]
            raise ValueError(
                f"block: {self!r} is not made of whole blocks of {block}: queries of block {i} have "
                f"{counts[head, i, j]} of {sizes[i] * sizes[j]} connections with keys of block {j}; take exact=False "
                "for the superset, or a block that divides the pattern"
            )
        return BlockLayout.from_mask(torch.from_numpy(counts > 0), block, n_query=self.n, n_key=self.n)

    def __repr__(self) -> str:
        return f"{self.pattern.name} at n = {self.n:,}"

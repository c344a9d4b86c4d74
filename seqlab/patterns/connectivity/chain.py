"""Condition 2: a chain γ(1), …, γ(n) through all tokens in which each token is seen by the next, in some set.

In graph words a directed Hamiltonian path of the union, connections drawn from key to query. An order is easy to verify
and hard to find (NP-hard), so that the answer is one of

    "found"         an order, verified connection by connection, at any n
    "none exists"   proved: by a checked obstacle, or because the search was exhausted
    "not found"     the search gave up after `seconds`; there may be one
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
from jaxtyping import Int
from scipy.sparse.csgraph import maximum_bipartite_matching

from seqlab.patterns.connectivity.reach import Flags, find_closed, graph, named
from seqlab.patterns.connectivity.search import search
from seqlab.patterns.pattern import Instance
from seqlab.patterns.runs import expand
from seqlab.theorem import Statement, Verdict, Witness, judge

Order = Int[np.ndarray, "n"]

SEARCHED = 512  # tokens up to which a chain is searched for

CHAIN = Statement(
    "chain",
    "Yun et al. 2020, Assumption 1, condition 2",
    "The union of the sets has a directed Hamiltonian path: each token of some order is seen by the next one.",
)


@dataclass(frozen=True, eq=False)
class Chain:
    """What is known about a chain; `order` where found, `proof` (an obstacle or a sentence) where none exists."""

    instance: Instance
    status: Literal["found", "none exists", "not found"]
    how: str
    order: Order | None = None
    proof: Any | None = None

    def check(self) -> Verdict:
        """Condition 2. An order is verified anew; the margin is 1, or 0 less what the witness lacks."""
        if self.order is not None:
            return check_chain(self.instance, self.order)
        witness = Witness(f"{self.status}: {self.how}", (self.status, self.proof))
        return judge(-1, CHAIN, witness=witness, checked=self.instance.n, unit="connections")


def check_chain(instance: Instance, order: Sequence[int] | Order) -> Verdict:
    """Whether order[i+1] sees order[i] for all i. Witness: (key, query) of the first connection that is missing.

    Raises ValueError unless `order` lists every token once.
    """
    order, n = np.asarray(order, dtype=np.int64), instance.n
    if order.shape != (n,) or (np.sort(order) != np.arange(n)).any():
        raise ValueError(f"order: wanted each of the tokens 0 to {n - 1} once, got {order[:8].tolist()} …")
    place = np.argsort(order[1:])  # by query
    key, query = order[:-1][place], order[1:][place]
    seen = np.any([instance.sees(layer, query, key) for layer in range(instance.p)], axis=0)
    lacking = np.sort(place[~seen])

    def first() -> Witness:
        pair = tuple(order[lacking[0] : lacking[0] + 2].tolist())
        return Witness("token {1} does not see token {0}, its predecessor in the order, in any set".format(*pair), pair)

    notes = [] if len(lacking) else ["every connection of the order was verified"]
    return judge(-len(lacking) or 1, CHAIN, witness=first, checked=n - 1, unit="connections", notes=notes)


def hamiltonian_chain(instance: Instance, order: Sequence[int] | Order | None = None, *, seconds: float = 2.0) -> Chain:
    """A chain: the given order, or the tokens as they stand, forwards or backwards, or what a search finds.

    order:    an order to verify; what it lacks is the witness of `.check()`
    seconds:  time for the search (up to 512 tokens; beyond, only the orders and the obstacles are tried)
    """
    if order is not None:
        return Chain(instance, "found" if check_chain(instance, order) else "not found", "given", np.asarray(order))
    n = instance.n
    tried = [("the tokens as they stand", np.arange(n)), ("the tokens backwards", np.arange(n)[::-1].copy())]
    for how, known in tried:
        if check_chain(instance, known):
            return Chain(instance, "found", how, known)
    seen = graph(instance)
    if seen is not None:
        if (apart := find_closed(seen + seen.T)) and apart.check(instance):  # closed in both directions
            return Chain(instance, "none exists", f"{apart}, and nobody else sees them", proof=apart)
        if (cover := find_cover(seen)) and cover.check(instance):
            return Chain(instance, "none exists", str(cover), proof=cover)
    if seen is None or n > SEARCHED:
        how = f"simple orders tried; no search beyond {SEARCHED:,} tokens, so there may be one"
        return Chain(instance, "not found", how)
    found, finished, states = search(seen.toarray() > 0, seconds)
    if found:
        return Chain(instance, "found", f"search, {states:,} partial chains", np.array(found))
    if finished:
        how = f"the search tried all, {states:,} partial chains"
        return Chain(instance, "none exists", how, proof=how)
    return Chain(instance, "not found", f"{states:,} partial chains in {seconds:g} s, so there may be one")


@dataclass(frozen=True, eq=False)
class Cover:
    """Every connection of two tokens has its key in `keys` or its query in `queries`; together fewer than n - 1.

    A chain has n - 1 connections, with different keys and different queries, so that it needs n - 1 of these tokens.
    """

    keys: Flags
    queries: Flags

    def check(self, instance: Instance) -> bool:
        rest = np.flatnonzero(~self.queries)
        pairs = [expand(instance.rows(layer, rest)) for layer in range(instance.p)]
        met = all((self.keys[key] | (query == key)).all() for query, key in pairs)
        return bool(met and self.keys.sum() + self.queries.sum() < instance.n - 1)

    def __str__(self) -> str:
        sides = [named(x.nonzero()[0], name) for x, name in ((self.keys, "key"), (self.queries, "query")) if x.any()]
        return f"{' and '.join(sides) or 'no token'} meet every connection, a chain needs more"


def find_cover(seen: sp.csr_array) -> Cover | None:
    """A cover smaller than n - 1, where keys and queries cannot be matched in n - 1 pairs.

    König: from the keys without a partner go to all queries that see them, from these to their partners, and so on. The
    queries that are reached and the keys that are not meet every connection, and they are as many as the pairs.
    """
    partner = maximum_bipartite_matching(seen, perm_type="row")  # of each key
    keys = free = partner < 0
    if free.sum() < 2:
        return None
    while True:
        queries = seen @ keys > 0
        more = free | queries[partner] & ~free
        if (more == keys).all():
            return Cover(~keys, queries)
        keys = more

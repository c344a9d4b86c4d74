"""Condition 2: a chain γ(1), …, γ(n) through all tokens in which each token is seen by the next, in some set.

In graph words a directed Hamiltonian path of the union, connections drawn from key to query. An order is easy to verify
and hard to find (NP-hard), so that the answer is one of

    "found"         an order, verified connection by connection, at any n
    "none exists"   proved: by a checked certificate, or because the search was exhausted
    "not found"     the search gave up after `seconds`; there may be one
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int

from seqlab.patterns.connectivity import obstacles as by
from seqlab.patterns.connectivity.search import LARGEST, matching_cover, search, successors
from seqlab.patterns.pattern import CHUNK, Instance
from seqlab.patterns.runs import contains
from seqlab.theorem import Statement, Verdict, Witness

Order = Int[np.ndarray, "n"]

CHAIN = Statement(
    "chain",
    "Yun et al. 2020, Assumption 1, condition 2",
    "The union of the sets has a directed Hamiltonian path: each token of some order is seen by the next one.",
)


@dataclass(frozen=True, eq=False)
class Chain:
    """What is known about a chain; `order` where found, `proof` (a certificate or a sentence) where none exists."""

    instance: Instance
    status: Literal["found", "none exists", "not found"]
    how: str
    order: Order | None = None
    proof: object | None = None

    def check(self) -> Verdict:
        """Condition 2. An order is verified anew; the margin is 1, or 0 less what the witness lacks."""
        if self.order is not None:
            return check_chain(self.instance, self.order)
        text = f"{self.status}: {self.how}"
        return Verdict(False, -1.0, Witness(text, (self.status, self.proof)), CHAIN, self.instance.n, "connections")


def check_chain(instance: Instance, order: Sequence[int] | Order) -> Verdict:
    """Whether order[i+1] sees order[i] for all i. Witness: (key, query) of the first connection that is missing.

    Raises ValueError unless `order` lists every token once.
    """
    order = np.asarray(order, dtype=np.int64)
    n = instance.n
    if order.shape != (n,) or (np.sort(order) != np.arange(n)).any():
        raise ValueError(f"order: wanted each of the tokens 0 to {n - 1} once, got {order[:8].tolist()} …")
    key, query = order[:-1], order[1:]
    sorting = np.argsort(query, kind="stable")
    key, query = key[sorting], query[sorting]
    seen = np.zeros(n - 1, dtype=bool)
    for start in range(0, n - 1, CHUNK):
        part = slice(start, start + CHUNK)
        for layer in range(instance.p):
            seen[part] |= contains(instance.rows(layer, query[part]), query[part], key[part])
    missing = sorting[~seen]
    if not len(missing):
        return Verdict(True, 1.0, None, CHAIN, n - 1, "connections", ("every connection of the order was verified",))
    at = int(missing.min())
    pair = int(order[at]), int(order[at + 1])
    text = f"token {pair[1]} does not see token {pair[0]}, its predecessor in the order, in any set"
    return Verdict(False, -float(len(missing)), Witness(text, pair), CHAIN, n - 1, "connections")


def hamiltonian_chain(instance: Instance, order: Sequence[int] | Order | None = None, *, seconds: float = 2.0) -> Chain:
    """A chain: the given order, or the tokens as they stand, forwards or backwards, or what a search finds.

    order:    an order to verify; what it lacks is the witness of `.check()`
    seconds:  time for the search (up to 2,048 tokens; beyond, only the orders and the certificates are tried)
    """
    if order is not None:
        return Chain(instance, "found" if check_chain(instance, order) else "not found", "given", np.asarray(order))
    n = instance.n
    tried = [("the tokens as they stand", np.arange(n)), ("the tokens backwards", np.arange(n)[::-1].copy())]
    if instance.pattern.chain:
        tried.insert(0, ("the order that comes with the pattern", instance.pattern.chain(n)))
    for how, order in tried:
        if check_chain(instance, order):
            return Chain(instance, "found", how, order)
    for proof in (by.find_residues(instance), by.find_cover(instance)):
        if proof and proof.check(instance):
            return Chain(instance, "none exists", str(proof), proof=proof)
    if n > LARGEST:
        return Chain(
            instance, "not found", f"simple orders tried; no search beyond {LARGEST:,} tokens, so there may be one"
        )
    heard_by = successors(instance)
    if (cover := matching_cover(heard_by)) and cover.check(instance):
        return Chain(instance, "none exists", str(cover), proof=cover)
    found, finished, states = search(heard_by, seconds)
    if found is not None:
        return Chain(instance, "found", f"search, {states:,} partial chains", np.array(found))
    if finished:
        how = f"the search tried all, {states:,} partial chains"
        return Chain(instance, "none exists", how, proof=how)
    return Chain(instance, "not found", f"{states:,} partial chains in {seconds:g} s, so there may be one")

"""Searching a directed Hamiltonian path: backtracking that remembers dead ends, so that finishing is a proof.

Sets of tokens are Python integers, bit k for token k. `heard_by[k]` are the queries that see k, k left out.
"""

from __future__ import annotations

import time
from collections import deque

import numpy as np

from seqlab.patterns.connectivity.obstacles import Cover
from seqlab.patterns.pattern import Instance
from seqlab.patterns.runs import expand

LARGEST = 2048
REMEMBERED = 1_000_000  # dead ends


def successors(instance: Instance) -> list[int]:
    """heard_by: per token the set of queries that see it in some set."""
    result = [0] * instance.n
    for layer in range(instance.p):
        query, key = expand(instance.rows(layer))
        order = np.argsort(key, kind="stable")
        ends = np.searchsorted(key[order], np.arange(instance.n + 1))
        for token in range(instance.n):
            bits = np.zeros(-(-instance.n // 8) * 8, dtype=np.uint8)
            bits[query[order[ends[token] : ends[token + 1]]]] = 1
            result[token] |= int.from_bytes(np.packbits(bits, bitorder="little").tobytes(), "little")
    return [queries & ~(1 << token) for token, queries in enumerate(result)]


def matching_cover(heard_by: list[int]) -> Cover | None:
    """Where keys and queries cannot be matched in n - 1 pairs: König's cover, smaller than n - 1."""
    n = len(heard_by)
    owner: dict[int, int] = {}  # query -> key

    def augment(root: int) -> bool:
        came, queue, seen = {root: None}, deque([root]), 0
        via: dict[int, int] = {}
        while queue:
            key = queue.popleft()
            fresh = heard_by[key] & ~seen
            seen |= fresh
            for query in bits(fresh):
                via[query] = key
                if query not in owner:
                    while query is not None:
                        key = via[query]
                        before = came[key]
                        owner[query] = key
                        query = before
                    return True
                if owner[query] not in came:
                    came[owner[query]] = query
                    queue.append(owner[query])
        return False

    matched = sum(augment(key) for key in range(n))
    if matched >= n - 1:
        return None
    busy = set(owner.values())
    keys, queries = {key for key in range(n) if key not in busy}, 0
    queue = deque(keys)
    while queue:  # alternating paths from the keys without a partner
        key = queue.popleft()
        fresh = heard_by[key] & ~queries
        queries |= fresh
        for query in bits(fresh):
            if owner[query] not in keys:
                keys.add(owner[query])
                queue.append(owner[query])
    return Cover(frozenset(range(n)) - frozenset(keys), frozenset(bits(queries)))


def search(heard_by: list[int], seconds: float) -> tuple[list[int] | None, bool, int]:
    """(order or None, whether the search is complete, partial chains tried).

    Goes on to the token with the fewest ways on. A partial chain is dropped when the tokens left cannot all be reached
    from its end, or when two of them have no way on; the pair (tokens left, end) is remembered as a dead end.
    """
    n, deadline, states = len(heard_by), time.monotonic() + seconds, 0
    sees = [0] * n
    for key, queries in enumerate(heard_by):
        for query in bits(queries):
            sees[query] |= 1 << key
    everything = (1 << n) - 1
    first = [k for k in range(n) if not sees[k]]
    starts = first if first else sorted(range(n), key=lambda k: sees[k].bit_count())
    if len(first) > 1:
        return None, True, 0
    dead: set[tuple[int, int]] = set()
    for start in starts:
        order, left = [start], everything & ~(1 << start)
        choices = [_choices(heard_by, sees, left, start)]
        while order:
            if not left:
                return order, True, states
            states += 1
            if states % 64 == 0 and time.monotonic() > deadline:
                return None, False, states
            token = choices[-1].pop() if choices[-1] else None
            if token is None:
                if len(dead) < REMEMBERED:
                    dead.add((left, order[-1]))
                left |= 1 << order.pop()
                choices.pop()
                continue
            if (left & ~(1 << token), token) in dead:
                continue
            order.append(token)
            left &= ~(1 << token)
            choices.append(_choices(heard_by, sees, left, token) if left else [])
    return None, True, states


def _choices(heard_by: list[int], sees: list[int], left: int, end: int) -> list[int]:
    """Ways on from `end`, the best last; none where some token left cannot be reached or entered."""
    on = heard_by[end] & left
    reached, frontier = on, on
    while frontier:
        token = frontier & -frontier
        frontier ^= token
        new = heard_by[token.bit_length() - 1] & left & ~reached
        reached |= new
        frontier |= new
    if reached != left:
        return []
    last = sum(1 for token in bits(left) if not heard_by[token] & left)
    if last > 1:  # two tokens that can only come last
        return []
    return sorted(bits(on), key=lambda token: -(heard_by[token] & left).bit_count())


def bits(tokens: int) -> list[int]:
    """The members of a set, ascending."""
    result = []
    while tokens:
        lowest = tokens & -tokens
        result.append(lowest.bit_length() - 1)
        tokens ^= lowest
    return result

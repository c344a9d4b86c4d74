"""Searching a directed Hamiltonian path: backtracking that remembers dead ends, so that finishing is a proof.

Sets of tokens are Python integers, bit k for token k. `heard_by[k]` are the queries that see k, `sees[k]` its keys.
"""

import time

import numpy as np
from jaxtyping import Bool


def search(seen: Bool[np.ndarray, "query key"], seconds: float) -> tuple[list[int] | None, bool, int]:
    """(order or None, whether the search is complete, partial chains tried); no token may see itself.

    Goes on to the token with the fewest ways on. A partial chain is dropped when the tokens left cannot all be reached
    from its end, or when two of them have no way on; the pair (tokens left, end) is remembered as a dead end, because
    what can follow depends on nothing else.
    """
    deadline, dead, states = time.monotonic() + seconds, set(), 0
    sees, heard_by = _sets(seen), _sets(seen.T)

    def extended(order: list[int], left: int) -> list[int] | None:
        nonlocal states
        states += 1
        if time.monotonic() > deadline:
            raise TimeoutError
        if not left or (left, order[-1]) in dead:
            return None if left else order
        for token in _ways(heard_by, left, order[-1]):
            if found := extended([*order, token], left & ~(1 << token)):
                return found
        dead.add((left, order[-1]))
        return None

    first = [k for k, keys in enumerate(sees) if not keys]  # who sees nobody has no predecessor
    try:
        for start in first or sorted(range(len(sees)), key=lambda k: sees[k].bit_count()):
            if found := extended([start], (1 << len(sees)) - 1 & ~(1 << start)):
                return found, True, states
    except TimeoutError:
        return None, False, states
    return None, True, states


def _ways(heard_by: list[int], left: int, end: int) -> list[int]:
    """Ways on from `end`, the best first; none where some token left cannot be reached, or two can only come last."""
    reached = frontier = heard_by[end] & left
    while frontier:
        token = frontier & -frontier
        new = heard_by[token.bit_length() - 1] & left & ~reached
        reached |= new
        frontier = frontier ^ token | new
    if reached != left or sum(not heard_by[token] & left for token in _members(left)) > 1:
        return []
    return sorted(_members(heard_by[end] & left), key=lambda token: (heard_by[token] & left).bit_count())


def _sets(rows: Bool[np.ndarray, "token other"]) -> list[int]:
    return [int.from_bytes(np.packbits(row, bitorder="little").tobytes(), "little") for row in rows]


def _members(tokens: int) -> list[int]:
    """The members of a set, ascending."""
    return [token for token in range(tokens.bit_length()) if tokens >> token & 1]

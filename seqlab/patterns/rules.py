"""Rules, of which patterns are made: at length n, the runs of some queries (ascending).

A rule is a plain function whose first arguments are bound by `partial`, so that a pattern can be copied, pickled and
sent to another process.
"""

from collections.abc import Callable, Sequence
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np

from seqlab.patterns.runs import Runs, join, packed, runs

Rule = Callable[[int, np.ndarray], Runs]


def own(n: int, q: np.ndarray) -> Runs:
    """Every query sees itself."""
    return runs(q, q, q)


def union(rules: Sequence[Rule]) -> Rule:
    return rules[0] if len(rules) == 1 else partial(_union, tuple(rules))


def _union(rules: tuple[Rule, ...], n: int, q: np.ndarray) -> Runs:
    return join([rule(n, q) for rule in rules])


def changed(change: Callable[[Runs], Runs], rule: Rule, n: int, q: np.ndarray) -> Runs:
    """The runs of another rule after a change."""
    return change(rule(n, q))


def relays(tokens: Sequence[int], n: int, q: np.ndarray) -> Runs:
    """Some tokens see all and are seen by all, the others see nothing else; a range is cut at n."""
    at = np.unique([position(t, n) for t in tokens if t < n or not isinstance(tokens, range)]).astype(np.int64)
    seen = np.isin(q, at)
    them = packed(np.zeros_like(at), at)
    parts = [runs(q[~seen], first, last) for first, last in zip(them.first.tolist(), them.last.tolist())]
    return join([runs(q[seen], 0, n - 1), *parts])


def random(keys: int, seed: int, n: int, q: np.ndarray) -> Runs:
    """k and `keys` of the n - 1 others: Floyd's sampling without repetition, all queries at once.

    Draw i is from 0 … top with top = n - 1 - keys + i. Where an earlier draw took that key, top is taken instead, which
    no earlier draw can have reached; so every subset is as likely as every other.
    """
    keys = min(keys, n - 1)
    chosen: list[np.ndarray] = []
    for i in range(keys):
        top = n - 1 - keys + i
        drawn = (_hash(q, i, seed) % np.uint64(top + 1)).astype(np.int64)
        chosen.append(np.where(np.any([drawn == before for before in chosen], axis=0), top, drawn))
    return join([own(n, q)] + [runs(q, key + (key >= q), key + (key >= q)) for key in chosen])


def _hash(q: np.ndarray, i: int, seed: int) -> np.ndarray:
    """64 well-mixed bits per (seed, query, draw): splitmix64."""
    with np.errstate(over="ignore"):
        start = (seed * 0x9E3779B97F4A7C15 + i * 0xD1B54A32D192ED03 + 0x632BE59BD9B4E019) % 2**64
        x = q.astype(np.uint64) * np.uint64(0x2545F4914F6CDD1D) + np.uint64(start)
        for _ in range(2):
            x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            x = x ^ (x >> np.uint64(31))
    return x


def position(at: int, n: int, name: str = "relay", what: str = "tokens") -> int:
    """A place in the sequence, counted from its start; negative ones count from the end."""
    if not -n <= at < n:
        raise ValueError(f"{name}: got position {at}, the sequence has {n} {what}; take a longer one")
    return at % n


def whole(name: str, got: Any, least: int | None = 1) -> int:
    """A whole number of Python's, checked, whatever library it came from."""
    if isinstance(got, bool) or not isinstance(got, Integral) or (least is not None and got < least):
        wanted = "a whole number" if least is None else f"a whole number, at least {least}"
        raise ValueError(f"{name}: got {got!r}, wanted {wanted}")
    return int(got)

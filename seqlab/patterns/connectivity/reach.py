"""Condition 3: in how many steps every token has heard every token.

    S_k^1 = A_k^1,   S_k^t = ∪_{j in A_k^t} S_j^(t-1)  (sets in turn),   s = min{u : S_k^u = [n] for all k}

By computation: S^t is a bit matrix, 64 tokens a word, a block of words at a time; a step is one `or` per connection. By
certificate: an upper and a lower bound, each checked (see `certificates`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int

from seqlab.patterns.connectivity import certificates as by
from seqlab.patterns.connectivity import obstacles
from seqlab.patterns.pattern import Instance
from seqlab.patterns.runs import contains, count
from seqlab.theorem import Statement, Verdict, Witness

COMPUTED = 4096  # tokens up to which "auto" computes
WORDS = 32
Hops, PerKey = Int[np.ndarray, "query key"], Int[np.ndarray, "key"]

Method = Literal["auto", "computation", "certificate"]

REACHABILITY = Statement(
    "reachability",
    "Yun et al. 2020, Assumption 1, condition 3",
    "After s layers, their sets in turn, every token has heard, directly or not, every token.",
)


@dataclass(frozen=True)
class Reach:
    """lower ≤ s ≤ upper; upper is None where some token never hears another, and `pair` = (query, key) shows it.

    how: "computation" (exact), or "certificate"; `certificates` are the objects, already checked against the instance.
    repeats: without self-loops sets may shrink; from this step on they go round in circles, and `pair` is missing there.
    """

    instance: Instance
    lower: int
    upper: int | None
    how: Literal["computation", "certificate"]
    pair: tuple[int, int] | None = None
    certificates: tuple[object, ...] = ()
    repeats: int | None = None

    @property
    def s(self) -> int | None:
        """The number of steps, where it is known exactly."""
        return self.upper if self.lower == self.upper else None

    def check(self) -> Verdict:
        """Condition 3. Margin: 1, or minus the number of tokens that the witness's query never hears."""
        notes = [str(certificate) for certificate in self.certificates]
        options = dict(statement=REACHABILITY, checked=self.instance.n, unit="tokens")
        if self.upper is None:
            query, key = self.pair
            text = f"token {query} never hears token {key}"
            if self.repeats is not None:
                text = f"from step {self.repeats} on the sets repeat, never all full; there {query} has not heard {key}"
            witness = Witness(text, self.pair)
            return Verdict(False, -1.0, witness, notes=[f"by {self.how}", *notes], **options)
        s = f"s = {self.upper:,}" if self.s else f"{self.lower:,} ≤ s ≤ {self.upper:,}"
        return Verdict(True, 1.0, notes=[f"{s}, by {self.how}", *notes], **options)


def reachability(instance: Instance, method: Method = "auto") -> Reach:
    """s of condition 3, or the pair that never meets.

    method:  "computation" is exact at any n that time allows (seconds up to 4,096); "certificate" bounds s for patterns
             that have one; "auto" computes up to n = 4,096 and certifies beyond

    Raises ValueError where no certificate is found.
    """
    if method not in ("auto", "computation", "certificate"):
        raise ValueError(f"method: got {method!r}, wanted 'auto', 'computation' or 'certificate'")
    if method == "computation" or (method == "auto" and instance.n <= COMPUTED):
        s, pair, repeats = _compute(instance)
        return Reach(instance, s or 0, s, "computation", pair, (), repeats)
    return _certify(instance)


def hops(instance: Instance, query: int | None = None) -> Hops | PerKey:
    """Per pair the least t with key in S_query^t, -1 where there is none: what an animation of hops shows.

    One row of it for a given query. The largest entry of a pattern with self-loops is s, unless one is -1. n × n:
    raises ValueError beyond 1,024 tokens.
    """
    n, p = instance.n, instance.p
    if n > 1024:
        raise ValueError(f"n: got {n:,}, wanted at most 1,024; reachability(instance) gives s at any n")
    masks = [mask.numpy().astype(np.float32) for mask in instance.masks()]
    result, now = np.full((n, n), -1), np.eye(n, dtype=np.float32)
    for step in range(1, n * p + 1):  # a first hit is a shortest walk through (token, set)
        now = (masks[(step - 1) % p] @ now > 0).astype(np.float32)
        result[(now > 0) & (result < 0)] = step
        if (result > 0).all() or not now.any():
            break
    return result if query is None else result[query]


def _compute(instance: Instance) -> tuple[int | None, tuple[int, int] | None, int | None]:
    n, p = instance.n, instance.p
    if sum(count(rows, n) for rows in instance.chunks(0)) == n * n:
        return 1, None, None
    tables = [_columns(*instance.csr(layer)) for layer in range(p)]
    loops = all(
        contains(rows, np.arange(n), np.arange(n)).all() for rows in (instance.rows(layer) for layer in range(p))
    )
    words = -(-n // 64)
    if not loops:
        return _simultaneous(n, tables)
    s = 1
    for start in range(0, words, WORDS):  # with self-loops sets only grow: blocks of sources are independent
        steps, pair = _grow(n, tables, start, min(start + WORDS, words))
        if pair is not None:
            return None, pair, None
        s = max(s, steps)
    return s, None, None


def _columns(offsets: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray | None, list[np.ndarray]]:
    """Per c the c-th key of all queries that have one: queries by falling degree, or padded (None) where rows are short."""
    degree = np.diff(offsets)
    if 0 < degree.min() and degree.max() <= 8:
        return None, [keys[offsets[:-1] + np.minimum(c, degree - 1)] for c in range(degree.max())]
    order = np.argsort(-degree, kind="stable")
    some = len(degree) - np.searchsorted(np.sort(degree), np.arange(degree.max(initial=0)), side="right")
    return order, [keys[offsets[order[:m]] + c] for c, m in enumerate(some)]


def _bits(n: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """(S^0, everything) for the sources of words start … stop: each token has heard itself."""
    sets = np.zeros((n, stop - start), dtype=np.uint64)
    token = np.arange(start * 64, min(stop * 64, n))
    sets[token, token // 64 - start] = np.uint64(1) << (token % 64).astype(np.uint64)
    full = np.full(stop - start, ~np.uint64(0))
    if stop * 64 > n:
        full[-1] = (np.uint64(1) << np.uint64(n % 64)) - np.uint64(1)
    return sets, full


def _step(
    table: tuple[np.ndarray | None, list[np.ndarray]], sets: np.ndarray, out: np.ndarray, room: np.ndarray
) -> None:
    """out[k] = the union of sets[j] over the keys j of k. `room` is scratch; nothing is allocated."""
    order, columns = table
    if order is None:
        np.take(sets, columns[0], axis=0, out=out, mode="clip")
        for keys in columns[1:]:
            np.take(sets, keys, axis=0, out=room, mode="clip")
            np.bitwise_or(out, room, out=out)
        return
    sums = np.zeros_like(sets)
    for keys in columns:
        m = len(keys)
        np.take(sets, keys, axis=0, out=room[:m], mode="clip")
        np.bitwise_or(sums[:m], room[:m], out=sums[:m])
    out[order] = sums


def _grow(n: int, tables: list, start: int, stop: int) -> tuple[int, tuple[int, int] | None]:
    sets, full = _bits(n, start, stop)
    after, room = np.empty_like(sets), np.empty_like(sets)
    step, still, row = 0, 0, 0
    while True:
        _step(tables[step % len(tables)], sets, after, room)
        step += 1
        if (after[row] == full).all():
            short = np.flatnonzero((after != full).any(axis=1))
            if not len(short):
                return step, None
            row = int(short[0])
        still = still + 1 if (after[row] == sets[row]).all() and np.array_equal(after, sets) else 0
        sets, after = after, sets
        if still >= len(tables):
            return step, _missing(sets, full, row, start)


def _missing(sets: np.ndarray, full: np.ndarray, row: int, start: int) -> tuple[int, int]:
    lacking = sets[row] ^ full
    word = int(np.flatnonzero(lacking)[0])
    bits = int(lacking[word])
    return row, (start + word) * 64 + (bits & -bits).bit_length() - 1


def _simultaneous(n: int, tables: list) -> tuple[int | None, tuple[int, int] | None, int | None]:
    """Without self-loops sets may shrink: all sources together, until they are full or come back to an earlier state."""
    sets, full = _bits(n, 0, -(-n // 64))
    after, room = np.empty_like(sets), np.empty_like(sets)
    seen: set[tuple[int, bytes]] = set()
    step = 0
    while True:
        _step(tables[step % len(tables)], sets, after, room)
        sets, after = after, sets
        step += 1
        if (sets == full).all():
            return step, None, None
        state = (step % len(tables), hashlib.blake2b(sets.tobytes(), digest_size=32).digest())
        if state in seen:
            return None, _missing(sets, full, int(np.flatnonzero((sets != full).any(axis=1))[0]), 0), step
        seen.add(state)


def _certify(instance: Instance) -> Reach:
    if residues := obstacles.find_residues(instance):
        if residues.check(instance):
            return Reach(instance, 0, None, "certificate", (0, 1), (residues,))
    deaf, unheard = obstacles.isolated(instance)
    for tokens, hears in ((deaf, True), (unheard, False)):
        if tokens and (alone := obstacles.Isolated(tokens[0], hears)).check(instance):
            return Reach(instance, 0, None, "certificate", alone.pair(instance.n), (alone,))
    if exact := by.Intervals().check(instance):
        return Reach(instance, exact, exact, "certificate", None, (by.Intervals(),))
    best: tuple[int, by.Relays | by.Hub] | None = None
    for find in (by.find_hub, by.find_relays) if instance.p == 1 else (by.find_relays, by.find_hub):
        certificate = find(instance)
        upper = certificate.check(instance) if certificate else None
        if upper and (best is None or upper < best[0]):
            best = upper, certificate
        if best and best[0] <= 2:
            break
    if best:
        return _with_lower(instance, best[1], best[0])
    raise ValueError(
        f"instance: no certificate found for {instance!r}; compute at a smaller n, or take method='computation' (exact, "
        "its time grows like n² connections per token and step)"
    )


def _with_lower(instance: Instance, certificate: by.Relays | by.Hub, upper: int) -> Reach:
    unheard = by.find_unheard(instance, upper)
    if unheard and unheard.check(instance):
        return Reach(instance, unheard.steps + 1, upper, "certificate", None, (certificate, unheard))
    return Reach(instance, 1, upper, "certificate", None, (certificate,))

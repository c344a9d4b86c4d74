"""Condition 3: in how many steps every token has heard every token.

    S_k^1 = A_k^1,   S_k^t = ∪_{j in A_k^t} S_j^(t-1)  (sets in turn),   s = min{u : S_k^u = [n] for all k}

As Boolean matrices, row k of A^t ⋯ A^1 is S_k^t, and s is the least t at which this product is all true. Where n² is
too much to hold, s follows from a certificate: a property of the rows that is checked on all of them, and gives s
exactly.

| certificate | what it says                                                             | what follows               |
| ----------- | ------------------------------------------------------------------------ | -------------------------- |
| intervals   | all rows are intervals round their query whose ends never step back      | s: follow two ends         |
| hub         | a token sees all in set 1 and is seen by all in set 2                    | s = 2                      |
| relays      | each token sees relays in set 2 that, together, see all in set 1         | s = 2                      |
| `Closed`    | some tokens see only one another                                         | never                      |
"""

from dataclasses import dataclass
from functools import reduce
from itertools import count as counting
from operator import or_
from typing import Literal

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Int
from scipy.sparse.csgraph import connected_components

from seqlab.patterns.pattern import Instance
from seqlab.patterns.runs import Runs, count, expand, runs
from seqlab.theorem import Statement, Verdict, Witness, judge

MATRICES, LARGEST = 256, 4096  # tokens up to which matrices are the first choice, and the last resort
MOST = 20_000_000  # connections that are listed one by one
SHOWN = 8  # tokens named in a sentence
Ends = Int[np.ndarray, "query"]
Flags = Bool[np.ndarray, "token"]

REACHABILITY = Statement(
    "reachability",
    "Yun et al. 2020, Assumption 1, condition 3",
    "After s layers, their sets in turn, every token has heard, directly or not, every token.",
)


@dataclass(frozen=True)
class Reach:
    """s, or None where the sets never are everything; then `pair` = (query, key) shows it, and `reason` says how."""

    instance: Instance
    s: int | None
    how: Literal["computation", "certificate"]
    reason: str = ""
    pair: tuple[int, int] | None = None

    def check(self) -> Verdict:
        """Condition 3. Margin: 1, or -1 where it fails."""
        told = [f"by {self.how}" if self.s is None else f"s = {self.s:,}, by {self.how}", self.reason]
        notes, witness = [each for each in told if each], Witness(self.reason, self.pair or ())
        margin, checked = 1 if self.s else -1, self.instance.n
        return judge(margin, REACHABILITY, witness=witness, checked=checked, unit="tokens", notes=notes)


def reachability(instance: Instance) -> Reach:
    """s of condition 3, or a pair that never meets: by matrices up to 256 tokens, beyond by a certificate.

    Matrices stand in up to 4,096 tokens where no certificate is found, in up to a minute. Raises ValueError beyond.
    """
    known = None if instance.n <= MATRICES else by_certificate(instance)
    if known is None and instance.n > LARGEST:
        raise ValueError(f"instance: no certificate found for {instance!r}; matrices reach n = {LARGEST:,}")
    return known or by_matrices(instance)


def by_matrices(instance: Instance) -> Reach:
    """Exact, for any pattern, step by step; a row of the Boolean matrix is one number, bit j for token j.

    What is not full when the matrices begin to repeat never is: a matrix kept after 1, 2, 4, … rounds comes again.
    """
    n, p, heard, kept = instance.n, instance.p, [1 << k for k in range(instance.n)], None
    sets = [[instance.keys(k, layer) for k in range(n)] for layer in range(p)]
    for step in counting(1):
        heard = [reduce(or_, (heard[j] for j in keys), 0) for keys in sets[(step - 1) % p]]
        lacking = [((1 << n) - 1) ^ row for row in heard]
        if not any(lacking):
            return Reach(instance, step, "computation")
        if step % p == 0 and heard == kept:
            break
        if step % p == 0 and (step // p).bit_count() == 1:
            kept = heard
    query = next(k for k, missing in enumerate(lacking) if missing)
    pair = query, (lacking[query] & -lacking[query]).bit_length() - 1
    loops = all(k in keys for each in sets for k, keys in enumerate(each))
    text = "token {} never hears token {}" if loops else "at no step has each heard all; token {} often lacks token {}"
    return Reach(instance, None, "computation", text.format(*pair), pair)


def by_certificate(instance: Instance) -> Reach | None:
    """s by the first certificate that holds, None where none does."""
    n, rows = instance.n, instance.rows(0)
    if rows.lengths.sum() >= n * n == count(rows, n):
        return Reach(instance, 1, "certificate", "every token sees all in set 1")
    if steps := _interval_steps(instance):
        text = "rows are intervals whose ends never step back, so that tokens 0 and n - 1 are the last that all hear"
        return Reach(instance, steps, "certificate", text)
    first, last = _longest_intervals(rows, n)
    hub = int((last - first).argmax())
    if last[hub] - first[hub] == n - 1 and instance.sees(1, np.arange(n), np.full(n, hub)).all():
        return Reach(instance, 2, "certificate", f"token {hub:,} sees all and is seen by all, so two steps are enough")
    seen = graph(instance)
    if seen is not None and (closed := find_closed(seen)) and closed.check(instance):
        text = "{}: token {} never hears token {}".format(closed, *closed.pair)
        return Reach(instance, None, "certificate", text, closed.pair)
    if _relays(instance, first, last):
        text = "each token sees relays whose rows, together, are everything"
        return Reach(instance, 2, "certificate", text)
    return None


def _interval_steps(instance: Instance) -> int | None:
    """s, if row k of every set is one interval that contains k, with ends that never decrease in k.

    Then those who have heard a token are an interval too: key b is seen by the queries whose rows begin at or before b
    and do not end before it. The interval of token 0 has the lowest upper end of all, that of token n - 1 the highest
    lower end, so that everybody has heard everybody as soon as everybody has heard these two.
    """
    n, ends = instance.n, []
    every = np.arange(n)
    for layer in range(instance.p):
        rows = instance.rows(layer)
        single = np.array_equal(rows.query, every) and (rows.step == 1).all()
        round_it = single and ((rows.first <= every) & (every <= rows.last)).all()
        if not round_it or min(np.diff(rows.first, append=n).min(), np.diff(rows.last, append=n).min()) < 0:
            return None
        down, up = np.searchsorted(rows.last, every), np.searchsorted(rows.first, every, side="right") - 1
        ends.append((down.tolist(), up.tolist()))
    low, high = n - 1, 0
    for step in range(n * instance.p):
        down, up = ends[step % instance.p]
        low, high = down[low], up[high]
        if low == 0 and high == n - 1:
            return step + 1
    return None


def _longest_intervals(rows: Runs, n: int) -> tuple[Ends, Ends]:
    """First and last key of the longest run of neighbours in each row (n and -1 where there is none)."""
    rows = rows.where(rows.step == 1)
    rows = rows.where(np.argsort(rows.lengths, kind="stable"))  # the longest is written last
    first, last = np.full(n, n), np.full(n, -1)
    first[rows.query], last[rows.query] = rows.first, rows.last
    return first, last


def _relays(instance: Instance, first: Ends, last: Ends) -> bool:
    """Whether each token sees, in set 2, runs of relays that have, together, seen everything in set 1.

    Where no row begins more than one token behind the end of the row a step before it, the rows along a run cover all
    from the first one's first key to the last one's last key: by induction on its length. What the runs of a token
    cover is then a union of intervals, and all tokens cover everything if these hold n² keys.
    """
    rows = instance.rows(1)
    linked = [step for step in np.unique(rows.step).tolist() if (first[step:] <= last[:-step] + 1).all()]
    rows = rows.where((rows.first == rows.last) | np.isin(rows.step, linked))
    return count(runs(rows.query, first[rows.first], last[rows.last]), instance.n) == instance.n**2


def graph(instance: Instance) -> sp.csr_array | None:
    """The union of the sets without self-loops, [query, key] nonzero where query sees key; None beyond MOST."""
    rows = [instance.rows(layer) for layer in range(instance.p)]
    if sum(int(each.lengths.sum()) for each in rows) > MOST:
        return None
    query, key = np.concatenate([expand(each) for each in rows], axis=1)
    other = query != key
    ends = query[other], key[other]
    return sp.csr_array((np.ones(len(ends[0]), np.int32), ends), shape=(instance.n, instance.n))


@dataclass(frozen=True, eq=False)
class Closed:
    """`members` see only one another, so that none of them ever hears any other token."""

    members: Flags

    def check(self, instance: Instance) -> bool:
        inside = np.flatnonzero(self.members)
        rows = [instance.rows(layer, inside) for layer in range(instance.p)]
        return 0 < len(inside) < instance.n and all(self.members[expand(each)[1]].all() for each in rows)

    @property
    def pair(self) -> tuple[int, int]:
        """(query, key) that never meet."""
        return int(self.members.argmax()), int((~self.members).argmax())

    def __str__(self) -> str:
        tokens = np.flatnonzero(self.members)
        whom = "itself" if len(tokens) == 1 else "one another"
        return f"{named(tokens, 'token')} see{'s' * (len(tokens) == 1)} only {whom}"


def find_closed(seen: sp.csr_array) -> Closed | None:
    """A strongly connected component that no connection leaves; there is one wherever there are several components."""
    components, label = connected_components(seen, connection="strong")
    query, key = seen.nonzero()
    left = np.zeros(components, dtype=bool)
    left[label[query[label[query] != label[key]]]] = True
    return Closed(label == label[left[label].argmin()]) if components > 1 else None


def named(tokens: np.ndarray, what: str) -> str:
    """ "token 3", "tokens 0, 2, 4", or "500 tokens (0, 2, 4, …)"."""
    names = ", ".join(map(str, tokens[:SHOWN].tolist()))
    many = {"query": "queries"}.get(what, f"{what}s")
    few = f"{what if len(tokens) == 1 else many} {names}"
    return few if len(tokens) <= SHOWN else f"{len(tokens):,} {many} ({names}, …)"

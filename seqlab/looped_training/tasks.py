"""Questions that want several steps, with exact answers: pointer chasing, longest common subsequence, edit distance.

Each task draws `ids` "batch token", whose last token asks, and the answer as a class. Training and test never share a
question.

| paper (Xu & Sato 2024, experiments)    | here                                                                   |
| -------------------------------------- | ---------------------------------------------------------------------- |
| edit: insert, delete 2, substitute 3   | `edit_distance`; `border` says what a letter at the border costs       |
| the published border: 1 a letter       | `border=1`. Ours is 2, the cost of inserting or deleting that letter   |
| 40 % independent pairs, 60 % mutated   | `pairs`; our copies keep their length: as many insertions as deletions |
| LCS: random strings, at most 8 letters | `Strings("lcs")`                                                       |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

HELD_OUT = 11  # one question in 11 is for testing


@dataclass(frozen=True)
class Pointers:
    """f: nodes → nodes at random, s a node: where do `hops` applications of f lead from s? Tokens: f(0) … f(n-1), s."""

    hops: int
    nodes: int = 6

    def __post_init__(self):
        if self.hops < 1 or not 3 <= self.nodes <= 14:  # so that 64 bits number all questions
            raise ValueError(f"nodes, hops: got {self.nodes} and {self.hops}, wanted 3 to 14 nodes and 1 hop or more")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(tokens in the vocabulary, tokens in a question, answers)."""
        return self.nodes, self.nodes + 1, self.nodes

    def draw(self, count: int, generator: torch.Generator, test: bool = False) -> tuple[Tensor, Tensor]:
        """(ids, answers). All n^(n+1) questions are numbered; those divisible by 11 are for testing."""
        total = self.nodes ** (self.nodes + 1)
        if test:
            number = HELD_OUT * torch.randint(-(-total // HELD_OUT), (count,), generator=generator)
        else:
            block = torch.randint(total // HELD_OUT, (count,), generator=generator)
            number = HELD_OUT * block + torch.randint(1, HELD_OUT, (count,), generator=generator)
        ids = number[:, None] // self.nodes ** torch.arange(self.nodes + 1) % self.nodes
        return ids, self.chase(ids, self.hops)

    def chase(self, ids: Int[Tensor, "batch token"], hops: int) -> Int[Tensor, "batch"]:
        """f applied `hops` times to s."""
        at = ids[:, -1]
        for _ in range(hops):
            at = ids[:, :-1].gather(1, at[:, None])[:, 0]
        return at

    def baseline(self, count: int = 20_000) -> float:
        """How often an answer of fewer hops happens to be right, at best over their number."""
        ids, wanted = self.draw(count, torch.Generator().manual_seed(0), test=True)
        return max((self.chase(ids, h) == wanted).double().mean().item() for h in range(self.hops))


@dataclass(frozen=True)
class Strings:
    """Two strings of `size` letters: how long is their longest common subsequence, or what is their edit distance?

    Tokens: the first string, a separator, the second, a question mark; ids 0 to letters - 1, letters, letters + 1.
    """

    kind: str
    size: int
    letters: int = 4

    def __post_init__(self):
        if self.kind not in ("lcs", "edit"):
            raise ValueError(f"kind: got {self.kind!r}, wanted 'lcs' or 'edit'")
        if self.size < 1 or self.letters < 2 or self.letters ** (2 * self.size) < 9:
            raise ValueError(
                f"size, letters: got {self.size} and {self.letters}, wanted at least 1 and 2, and at least 9 pairs of "
                "strings"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(tokens in the vocabulary, tokens in a question, answers)."""
        return self.letters + 2, 2 * self.size + 2, (1 if self.kind == "lcs" else 3) * self.size + 1

    def draw(self, count: int, generator: torch.Generator, test: bool = False) -> tuple[Tensor, Tensor]:
        """(ids, answers). A pair is for testing when a hash of its letters is divisible by 11."""
        kept: list[tuple[Tensor, Tensor]] = []
        while not kept or sum(len(a) for a, _ in kept) < count:
            a, b = pairs((14 if test else 2) * count, self.size, self.letters, generator, self.kind == "edit")
            chosen = (_hash(torch.cat([a, b], 1)) % HELD_OUT == 0) == test
            kept.append((a[chosen], b[chosen]))
        a, b = (torch.cat(parts)[:count] for parts in zip(*kept))
        mark = lambda token: torch.full((count, 1), token)
        ids = torch.cat([a, mark(self.letters), b, mark(self.letters + 1)], 1)
        return ids, lcs(a, b) if self.kind == "lcs" else edit_distance(a, b)

    def baseline(self, count: int = 20_000) -> float:
        """The share of the most frequent answer."""
        _, wanted = self.draw(count, torch.Generator().manual_seed(0), test=True)
        return wanted.bincount().max().item() / count


def lcs(a: Int[Tensor, "batch m"], b: Int[Tensor, "batch n"]) -> Int[Tensor, "batch"]:
    """Length of the longest common subsequence, by the table T[i, j] = T[i-1, j-1] + 1 or max(T[i-1, j], T[i, j-1])."""
    best = lambda same, both, one, other: torch.where(same, both + 1, torch.maximum(one, other))
    return _last_entry(a, b, 0, best)


def edit_distance(
    a: Int[Tensor, "batch m"], b: Int[Tensor, "batch n"], *, substitute: int = 3, border: int = 2
) -> Int[Tensor, "batch"]:
    """Least cost of turning a into b: 2 for each letter put in or taken out, `substitute` for each exchanged.

    T[i, 0] = T[0, i] = i · border. Only border = 2 makes this the distance; the published data have border 1.
    """
    best = lambda same, both, one, other: torch.minimum(both + substitute * ~same, torch.minimum(one, other) + 2)
    return _last_entry(a, b, border, best)


def _last_entry(a: Tensor, b: Tensor, border: int, best: Callable[..., Tensor]) -> Int[Tensor, "batch"]:
    """T[m, n]; T[i, j] = best(a_i = b_j, T[i-1, j-1], T[i-1, j], T[i, j-1]) and T[i, 0] = T[0, i] = i · border."""
    row = [torch.full((len(a),), border * j) for j in range(b.shape[1] + 1)]
    for i, letter in enumerate(a.unbind(1), 1):
        above, row = row, [torch.full((len(a),), border * i)]
        for j, other in enumerate(b.unbind(1)):
            row.append(best(letter == other, above[j], above[j + 1], row[j]))
    return row[-1]


def pairs(
    count: int, size: int, letters: int, generator: torch.Generator, copies: bool
) -> tuple[Int[Tensor, "count size"], Int[Tensor, "count size"]]:
    """Random strings; with `copies`, 60 % of the second ones are the first after 1 to size/2 edits of equal length.

    An edit exchanges a letter, or takes one out and puts one in elsewhere.
    """
    draw = lambda *shape, high=letters: torch.randint(high, shape, generator=generator)
    a, b = draw(count, size), draw(count, size)
    if not copies:
        return a, b
    rows, at = torch.arange(count), torch.arange(size)
    edits, copied = draw(count, high=max(1, size // 2)) + 1, a.clone()
    for edit in range(max(1, size // 2)):
        gone, come, letter = draw(count, high=size), draw(count, high=size), draw(count)
        moves = draw(count, high=2) == 1
        exchanged = copied.clone()
        exchanged[rows, gone] = letter
        source = at + (at >= gone[:, None]).long()  # the string without letter `gone`; the last entry is not read
        without = copied.gather(1, source.clamp(max=size - 1))
        shifted = without.gather(1, (at - (at > come[:, None]).long()).clamp(min=0))
        shifted[rows, come] = letter
        fresh = torch.where(moves[:, None], shifted, exchanged)
        copied = torch.where((edit < edits)[:, None], fresh, copied)
    copy = torch.rand(count, generator=generator) < 0.6
    return a, torch.where(copy[:, None], copied, b)


def _hash(ids: Int[Tensor, "batch token"]) -> Int[Tensor, "batch"]:
    value = torch.zeros(len(ids), dtype=torch.long)
    for token in ids.unbind(1):
        value = (value * 1_000_003 + token + 1) % 2_147_483_647
    return value

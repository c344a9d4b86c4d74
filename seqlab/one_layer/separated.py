"""The data of the theorem: sequences of vectors, and how far apart their tokens are.

| symbol (Kajitsuka & Sato 2023, section 4)      | name                                             |
| ---------------------------------------------- | ------------------------------------------------ |
| X^(1), …, X^(N) ∈ R^(d × n)                    | Data.sequences: tuples of tokens, a token a tuple |
| V^(i), V                                       | Data.sets, Data.vocabulary                       |
| r_min, r_max, ε of Definition 1                | Separation                                       |
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from seqlab.theorem import Hypothesis, Statement, Verdict, Witness

Token = tuple  # of d numbers: ints, floats or Fractions
Bag = tuple[int, ...]  # the tokens of a sequence as indices into the vocabulary, sorted, with repeats

DEFINITION_1 = Statement(
    "tokenwise separated",
    "Kajitsuka & Sato 2023, Definition 1",
    "Every token has a norm between r_min and r_max, different tokens are more than ε apart, none repeats in a sequence.",
    (
        Hypothesis("nonzero", "no token is zero"),
        Hypothesis("distinct", "no token is repeated inside a sequence"),
        Hypothesis("length", "all sequences have the same length"),
    ),
)


@dataclass(frozen=True)
class Data:
    """Sequences of tokens. Made by `data`."""

    sequences: tuple[tuple[Token, ...], ...]

    @cached_property
    def vocabulary(self) -> list[Token]:
        """The different tokens, in lexicographic order."""
        return sorted({token for sequence in self.sequences for token in sequence})

    @cached_property
    def coded(self) -> list[tuple[int, ...]]:
        """The sequences as indices into the vocabulary."""
        index = {token: at for at, token in enumerate(self.vocabulary)}
        return [tuple(index[token] for token in sequence) for sequence in self.sequences]

    @cached_property
    def bags(self) -> list[Bag]:
        """Each sequence up to order."""
        return [tuple(sorted(sequence)) for sequence in self.coded]

    @cached_property
    def sets(self) -> list[frozenset[int]]:
        """Each sequence up to order and repetition."""
        return [frozenset(sequence) for sequence in self.coded]

    @cached_property
    def places(self) -> dict[tuple[int, Bag], list[tuple[int, int]]]:
        """(token, bag) to all (sequence, position) where it occurs: what a layer without positions can tell apart."""
        found: dict = {}
        for i, (sequence, bag) in enumerate(zip(self.coded, self.bags)):
            for k, token in enumerate(sequence):
                found.setdefault((token, bag), []).append((i, k))
        return found

    @property
    def dim(self) -> int:
        return len(self.vocabulary[0])

    @property
    def length(self) -> int:
        """n, the length of the longest sequence."""
        return max(map(len, self.sequences))

    @property
    def tokens(self) -> int:
        """How many tokens there are in all: nN where all lengths agree."""
        return sum(map(len, self.sequences))

    def vectors(self) -> Float[Tensor, "token dim"]:
        """The vocabulary in float64."""
        return torch.tensor([[float(x) for x in token] for token in self.vocabulary], dtype=torch.float64)

    def show(self, i: int) -> str:
        """Sequence i in words."""
        return f"({', '.join(show(token) for token in self.sequences[i])})"


@dataclass(frozen=True)
class Separation:
    """The best constants of Definition 1 for a data set: the definition's strict inequalities hold below, above, below.

    A vocabulary of one token has epsilon = inf.
    """

    r_min: float
    r_max: float
    epsilon: float
    size: int  # |V|
    length: int  # n
    dim: int  # d


def data(sequences: Iterable | Data) -> Data:
    """Sequences of tokens as `Data`. A token is a number, or d numbers (tuple, list, tensor); lengths may differ.

    Raises ValueError on empty sequences, tokens of different dimension, or numbers that are not finite.
    """
    if isinstance(sequences, Data):
        return sequences
    if not isinstance(sequences, Iterable):
        raise ValueError(f"sequences: got {sequences!r}, wanted a list of sequences of tokens")
    rows = tuple(tuple(_token(token, i, k) for k, token in enumerate(_row(s, i))) for i, s in enumerate(sequences))
    if not rows or not all(rows):
        which = rows.index(()) if rows else None
        raise ValueError(
            "sequences: got none" if which is None else f"sequences[{which}]: got no tokens, wanted at least one"
        )
    dims = {len(token) for row in rows for token in row}
    if len(dims) > 1:
        raise ValueError(f"sequences: got tokens of {sorted(dims)} numbers, wanted one dimension for all")
    return Data(rows)


def measure(sequences: Iterable | Data) -> Separation:
    """r_min, r_max and ε as measured."""
    known = data(sequences)
    x = known.vectors()
    norms = x.norm(dim=-1)
    epsilon = torch.pdist(x).min().item() if len(x) > 1 else math.inf
    return Separation(norms.min().item(), norms.max().item(), epsilon, len(x), known.length, known.dim)


def check(
    sequences: Iterable | Data, *, r_min: float | None = None, r_max: float | None = None, epsilon: float | None = None
) -> Verdict:
    """Definition 1 with given constants, or with the measured ones where none is given.

    The margin is the smallest of: norm less r_min (0 unless given), r_max less norm, distance less ε (0 unless given);
    0 where a token repeats. The witness carries the tokens, or (sequence, position, position) of a repeated token.
    """
    known, found = data(sequences), measure(sequences)
    words = known.vocabulary
    x = known.vectors()
    norms = x.norm(dim=-1)
    repeated = next(((i, *pair) for i, row in enumerate(known.coded) if (pair := _repeat(row))), None)
    statement = DEFINITION_1.under(
        nonzero=found.r_min > 0, distinct=repeated is None, length=len(set(map(len, known.sequences))) == 1
    )
    slack = [(found.r_min - (r_min or 0), f"its norm is not above {r_min or 0:g}", (words[int(norms.argmin())],))]
    if r_max is not None:
        slack.append((r_max - found.r_max, f"its norm is not below {r_max:g}", (words[int(norms.argmax())],)))
    if len(words) > 1:
        pair = torch.combinations(torch.arange(len(words)))[torch.pdist(x).argmin()].tolist()
        text = f"they are {found.epsilon:.4g} apart, not more than {epsilon or 0:g}"
        slack.append((found.epsilon - (epsilon or 0), text, tuple(words[at] for at in pair)))
    margin, text, objects = min(slack, key=lambda entry: entry[0])
    witness = None if margin > 0 else Witness(f"{' and '.join(map(show, objects))}: {text}", objects)
    if witness is None and repeated:
        i, k, l = repeated
        margin, objects = 0.0, repeated
        witness = Witness(
            f"sequence {i}, {known.show(i)}, has {show(known.sequences[i][k])} at positions {k} and {l}", repeated
        )
    notes = [f"r_min = {found.r_min:.4g}, r_max = {found.r_max:.4g}, ε = {found.epsilon:.4g}, |V| = {found.size}"]
    return Verdict(witness is None, float(margin), witness, statement, len(words), notes=notes)


def show(token: Token) -> str:
    """A token in words: a number for d = 1."""
    numbers_ = [f"{float(x):.6g}" for x in token]
    return numbers_[0] if len(numbers_) == 1 else f"({', '.join(numbers_)})"


def tensor(
    known: Data, dtype: torch.dtype = torch.float64
) -> dict[int, tuple[list[int], Float[Tensor, "sequence token dim"]]]:
    """The sequences of each length: their indices and one tensor."""
    groups: dict[int, list[int]] = {}
    for i, sequence in enumerate(known.coded):
        groups.setdefault(len(sequence), []).append(i)
    x = known.vectors().to(dtype)
    return {n: (at, x[torch.tensor([known.coded[i] for i in at])]) for n, at in groups.items()}


def scatter(known: Data, groups: dict[int, tuple[list[int], Tensor]]) -> list[list[Tensor]]:
    """The inverse of `tensor`: per sequence a list of its tokens' entries."""
    rows: list = [None] * len(known.sequences)
    for at, block in groups.values():
        for i, row in zip(at, rearrange(block, "sequence token ... -> sequence token ...")):
            rows[i] = list(row)
    return rows


def plain(x: object) -> object:
    """x, or the Python numbers of a tensor or an array."""
    return x.tolist() if hasattr(x, "tolist") else x


def _row(sequence: object, i: int) -> Iterable:
    sequence = plain(sequence)
    if not isinstance(sequence, Iterable):
        raise ValueError(f"sequences[{i}]: got {sequence!r}, wanted a sequence of tokens, even if there is only one")
    return sequence


def _token(token: object, i: int, k: int) -> Token:
    token = plain(token)
    entries = tuple(token) if isinstance(token, Iterable) else (token,)
    for x in entries:
        if isinstance(x, bool) or not isinstance(x, numbers.Real) or not math.isfinite(x):
            raise ValueError(f"sequences[{i}][{k}]: got {token!r}, wanted a finite number or a tuple of them")
    if not entries:
        raise ValueError(f"sequences[{i}][{k}]: got an empty token, wanted at least one number")
    return entries


def _repeat(row: tuple[int, ...]) -> tuple[int, int] | None:
    seen: dict[int, int] = {}
    for k, token in enumerate(row):
        if token in seen:
            return seen[token], k
        seen[token] = k
    return None

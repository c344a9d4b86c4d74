"""The data of the theorem, read once: sequences of vectors, how far apart their tokens are, a label for every token.

| symbol (Kajitsuka & Sato 2023, section 4)            | name                                              |
| ---------------------------------------------------- | ------------------------------------------------- |
| X^(1), …, X^(N) ∈ R^(d × n)                          | Data.sequences: tuples of tokens, a token a tuple |
| V^(i), V                                             | Data.bags (with repeats), Data.vocabulary         |
| r_min, r_max, ε of Definition 1                      | Data.r_min, .r_max, .epsilon                      |
| Y: equal tokens in equal sets have equal labels      | inconsistency                                     |
"""

from __future__ import annotations

import math
import numbers
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seqlab.names.exact import Bag, Context
from seqlab.theorem import Witness

Token = tuple  # of d numbers: ints, floats or Fractions
Place = tuple[int, int]  # (sequence, position)
Label = Hashable  # all numbers, or all tuples of as many numbers, or anything else as classes
Labels = list[tuple[Label, ...]]  # one label per token


@dataclass(frozen=True)
class Data:
    """Sequences of tokens. Made by `read`."""

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
    def places(self) -> list[Place]:
        """All tokens, sequence after sequence."""
        return [(i, k) for i, sequence in enumerate(self.sequences) for k in range(len(sequence))]

    @cached_property
    def contexts(self) -> dict[Context, int]:
        """What a layer without positions can tell apart, (token, bag), and which of `places` is its first."""
        found: dict[Context, int] = {}
        for at, (i, k) in enumerate(self.places):
            found.setdefault((self.coded[i][k], self.bags[i]), at)
        return found

    @cached_property
    def vectors(self) -> Float[Tensor, "token dim"]:
        """The vocabulary in float64."""
        return torch.tensor([[float(x) for x in token] for token in self.vocabulary], dtype=torch.float64)

    @property
    def dim(self) -> int:
        return len(self.vocabulary[0])

    @property
    def length(self) -> int:
        """n, the length of the longest sequence."""
        return max(map(len, self.sequences))

    @property
    def r_min(self) -> float:
        return self.vectors.norm(dim=-1).min().item()

    @property
    def r_max(self) -> float:
        return self.vectors.norm(dim=-1).max().item()

    @property
    def epsilon(self) -> float:
        """The smallest distance of two different tokens; inf where there is only one."""
        return torch.pdist(self.vectors).min().item() if len(self.vectors) > 1 else math.inf

    @property
    def repeats(self) -> list[int]:
        """The sequences in which a token is repeated."""
        return [i for i, bag in enumerate(self.bags) if len(set(bag)) < len(bag)]

    @property
    def hypotheses(self) -> dict[str, bool]:
        """Which hypotheses of the theorems hold: no token is zero, none is repeated, and all lengths agree."""
        return dict(nonzero=self.r_min > 0, distinct=not self.repeats, length=len(set(map(len, self.sequences))) == 1)

    def each(self, layer: Callable[[Tensor], Tensor], dtype: torch.dtype = torch.float64) -> list[Tensor]:
        """What `layer` ("sequence token dim" to "sequence token …") gives for each sequence, those of one length at
        once.
        """
        x, found = self.vectors.to(dtype), {}
        for n in set(map(len, self.coded)):
            rows = {i: row for i, row in enumerate(self.coded) if len(row) == n}
            found |= zip(rows, layer(x[torch.tensor([*rows.values()])]))
        return [found[i] for i in range(len(self.coded))]

    def by_context(self, rows: list[Tensor]) -> Float[Tensor, "context ..."]:
        """One entry for each context, out of what `each` gives."""
        return torch.cat(rows)[torch.tensor([*self.contexts.values()])]

    def closest(self, values: Float[Tensor, context]) -> float:
        """The smallest distance of two numbers, one for each context, of one token; inf where each token has one."""
        kinds, values = np.array([token for token, _ in self.contexts]), values.numpy()
        order = np.lexsort((values, kinds))
        return np.diff(values[order])[np.diff(kinds[order]) == 0].min(initial=math.inf).item()

    def clash(
        self, same: Callable[[int, int], Hashable], other: Callable[[int, int], object]
    ) -> tuple[Place, Place] | None:
        """The first two places that agree in `same(i, k)` and differ in `other(i, k)`."""
        first: dict[Hashable, Place] = {}
        for place in self.places:
            before = first.setdefault(same(*place), place)
            if other(*before) != other(*place):
                return before, place
        return None

    def show(self, i: int, k: int | None = None) -> str:
        """Sequence i in words, or its token k."""
        return _listed(map(_show, self.sequences[i])) if k is None else _show(self.sequences[i][k])


def read(sequences: Iterable | Data) -> Data:
    """Sequences of tokens as `Data`. A token is a number, or d numbers (tuple, list, tensor); lengths may differ.

    Raises ValueError on empty sequences, tokens of different dimension, or numbers that are not finite.
    """
    if isinstance(sequences, Data):
        return sequences
    rows = tuple(
        tuple(_token(token, f"sequences[{i}][{k}]") for k, token in enumerate(_items(row, f"sequences[{i}]")))
        for i, row in enumerate(_items(sequences, "sequences"))
    )
    dims = {len(token) for row in rows for token in row}
    if len(dims) > 1:
        raise ValueError(f"sequences: got tokens of {sorted(dims)} numbers, wanted one dimension for all")
    return Data(rows)


def _items(several: object, name: str) -> list:
    """What a list, a tuple, a tensor or an array holds; at least one thing."""
    several = _plain(several)
    if not isinstance(several, Iterable) or not (items := list(several)):
        raise ValueError(f"{name}: got {several!r}, wanted a list, even if it has one entry only")
    return items


def _token(token: object, name: str) -> Token:
    token = _plain(token)
    entries = tuple(_items(token, name)) if isinstance(token, Iterable) else (token,)
    if any(isinstance(x, bool) or not isinstance(x, numbers.Real) or not math.isfinite(x) for x in entries):
        raise ValueError(f"{name}: got {token!r}, wanted a finite number or a tuple of them")
    return entries


def _plain(x: object) -> object:
    """x, or the Python numbers of a tensor or an array."""
    return x.tolist() if hasattr(x, "tolist") else x


def _show(token: Token) -> str:
    """A token in words: a number for d = 1."""
    entries = [f"{float(x):.6g}" for x in token]
    return entries[0] if len(entries) == 1 else _listed(entries)


def _listed(words: Iterable[str]) -> str:
    return f"({', '.join(words)})"


def read_labels(data: Data, labels: Iterable[Iterable[object]]) -> Labels:
    """The labels as plain Python objects, one per token; tensors and arrays are read as numbers.

    Raises ValueError where their number is not that of the tokens, or one is not finite or cannot be compared.
    """
    rows = [tuple(tuple(x) if isinstance(x, list) else x for x in _plain(row)) for row in _plain(labels)]
    for i, (row, sequence) in enumerate(zip_longest(rows, data.sequences, fillvalue=())):
        if len(row) != len(sequence):
            raise ValueError(f"labels[{i}]: got {len(row)} labels for {len(sequence)} tokens; one label per token")
    for label in (label for row in rows for label in row):
        if not isinstance(label, Hashable) or any(isinstance(x, float) and not math.isfinite(x) for x in _row(label)):
            raise ValueError(f"labels: got {label!r}, wanted a finite number, several, or a class; is a label missing?")
    return rows


def targets(labels: Labels) -> tuple[tuple[Label, ...] | None, Float[Tensor, "place out"]]:
    """The classes, most frequent first, and what a network should return for every token: the index of its class.

    Where all labels are numbers, or tuples of as many, there are no classes: they are returned themselves.
    """
    flat = [label for row in labels for label in row]
    numeric = all(isinstance(x, numbers.Real) and not isinstance(x, bool) for label in flat for x in _row(label))
    if numeric and len({len(_row(label)) for label in flat}) == 1:
        return None, torch.tensor([[float(x) for x in _row(label)] for label in flat], dtype=torch.float64)
    index = {label: at for at, (label, _) in enumerate(Counter(flat).most_common())}
    return tuple(index), torch.tensor([[index[label]] for label in flat], dtype=torch.float64)


def _row(label: Label) -> tuple:
    return label if isinstance(label, tuple) else (label,)


def inconsistency(sequences: Iterable | Data, labels: Iterable[Iterable[object]]) -> Witness | None:
    """Two places with equal tokens in equal sets and different labels; None if there are none.

    Where tokens are repeated, sets are compared with their repetitions. The witness carries ((sequence, position),
    (sequence, position)).
    """
    data = read(sequences)
    labels = read_labels(data, labels)
    pair = data.clash(lambda i, k: (data.coded[i][k], data.bags[i]), lambda i, k: labels[i][k])
    if pair is None:
        return None
    (j, l), (i, k) = pair
    text = (
        f"token {data.show(i, k)} is labelled {labels[j][l]!r} in sequence {j}, {data.show(j)}, and "
        f"{labels[i][k]!r} in sequence {i}, {data.show(i)}: the same token in the same "
        f"{'multiset' if data.repeats else 'set'}. A layer without positions cannot see what distinguishes them"
    )
    return Witness(text, pair)

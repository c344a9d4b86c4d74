"""The data of the theorem, read once: sequences of vectors, how far apart their tokens are, a label for every token.

| symbol (Kajitsuka & Sato 2023, section 4)            | name                                                    |
| ---------------------------------------------------- | ------------------------------------------------------- |
| V, X^(1), …, X^(N) ∈ R^(d × n)                       | Data.vectors; Data.coded, the sequences as indices of V |
| V^(i)                                                | Data.bags (with repeats)                                |
| r_min, r_max, ε of Definition 1                      | Data.r_min, .r_max, .epsilon                            |
| Y: equal tokens in equal sets have equal labels      | inconsistency                                           |
"""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seqlab.names.exact import Bag, Context
from seqlab.theorem import Witness

Place = tuple[int, int]  # (sequence, position)
Labels = list[list]  # one label per token: all numbers, or all tuples of as many numbers, or anything else as classes


@dataclass(frozen=True)
class Data:
    """Different tokens, and sequences of them. Made by `read`.

    words: what the tokens are called; their numbers unless given
    """

    vectors: Float[Tensor, "token dim"]
    coded: list[tuple[int, ...]]
    words: Sequence[str] = ()

    @cached_property
    def bags(self) -> list[Bag]:
        """Each sequence up to order."""
        return [tuple(sorted(sequence)) for sequence in self.coded]

    @cached_property
    def places(self) -> list[Place]:
        """All tokens, sequence after sequence."""
        return [(i, k) for i, sequence in enumerate(self.coded) for k in range(len(sequence))]

    def context(self, i: int, k: int) -> Context:
        """All that a layer without positions knows of a place: its token and the bag around it."""
        return self.coded[i][k], self.bags[i]

    @cached_property
    def contexts(self) -> dict[Context, int]:
        """The different contexts, and which of `places` is the first of each."""
        found: dict[Context, int] = {}
        for at, place in enumerate(self.places):
            found.setdefault(self.context(*place), at)
        return found

    @property
    def dim(self) -> int:
        return self.vectors.shape[1]

    @property
    def length(self) -> int:
        """n, the length of the longest sequence."""
        return max(map(len, self.coded))

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
    def hypotheses(self) -> dict[str, bool]:
        """Which hypotheses of the theorems hold: no token is zero, none is repeated, and all lengths agree."""
        distinct = all(len(set(bag)) == len(bag) for bag in self.bags)
        return dict(nonzero=self.r_min > 0, distinct=distinct, length=len(set(map(len, self.coded))) == 1)

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

    def closest(self, values: Float[Tensor, "context"]) -> float:
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
        if k is None:
            return f"({', '.join(self.show(i, k) for k in range(len(self.coded[i])))})"
        at = self.coded[i][k]
        if self.words:
            return self.words[at]
        entries = ", ".join(f"{x:.6g}" for x in self.vectors[at].tolist())
        return entries if self.dim == 1 else f"({entries})"


def read(sequences: Iterable | Data) -> Data:
    """Sequences of tokens as `Data`. A token is a number, or d numbers; the sequences' lengths may differ.

    Raises ValueError on no or empty sequences, tokens of different dimension, or what is no finite number.
    """
    if isinstance(sequences, Data):
        return sequences
    rows: list[Tensor] = []
    for i, row in enumerate(sequences):
        try:
            x = torch.as_tensor(row, dtype=torch.float64)
        except (TypeError, ValueError):
            x = torch.tensor(math.nan)
        if x.ndim not in (1, 2) or not x.numel() or not x.isfinite().all():
            raise ValueError(f"sequences[{i}]: got {row!r}, wanted finite numbers, or vectors of one dimension")
        rows.append(x.reshape(len(x), -1))
    if len(dims := {x.shape[1] for x in rows}) != 1:
        raise ValueError(f"sequences: got tokens of {sorted(dims)} numbers, wanted one dimension for all")
    vectors, codes = torch.cat(rows).unique(dim=0, return_inverse=True)
    return Data(vectors, [tuple(part.tolist()) for part in codes.split([*map(len, rows)])])


def read_labels(data: Data, labels: Iterable[Iterable[object]]) -> Labels:
    """The labels as plain Python objects, one per token; tensors and arrays are read as numbers.

    Raises ValueError where their number is not that of the tokens.
    """
    rows = [list(row.tolist() if hasattr(row, "tolist") else row) for row in labels]
    for i, (row, sequence) in enumerate(zip_longest(rows, data.coded, fillvalue=())):
        if len(row) != len(sequence):
            raise ValueError(f"labels[{i}]: got {len(row)} labels for {len(sequence)} tokens; one label per token")
    return rows


def targets(labels: Labels) -> tuple[list | None, Float[Tensor, "place out"]]:
    """The classes, most frequent first, and what a network should return for every token: the index of its class.

    Where all labels are numbers, or tuples of as many, there are no classes: they are returned themselves. Raises
    ValueError for one that is not finite.
    """
    flat = [label for row in labels for label in row]
    try:
        wanted = torch.tensor(flat, dtype=torch.float64).reshape(len(flat), -1)
    except (TypeError, ValueError):
        classes = [label for label, _ in Counter(flat).most_common()]
        return classes, torch.tensor([[classes.index(label)] for label in flat], dtype=torch.float64)
    if not wanted.isfinite().all():
        raise ValueError("labels: got a number that is not finite; is a label missing?")
    return None, wanted


def inconsistency(sequences: Iterable | Data, labels: Iterable[Iterable[object]]) -> Witness | None:
    """Two places with equal tokens in equal sets and different labels; None if there are none.

    Where tokens are repeated, sets are compared with their repetitions. The witness carries ((sequence, position),
    (sequence, position)).
    """
    data = read(sequences)
    labels = read_labels(data, labels)
    pair = data.clash(data.context, lambda i, k: labels[i][k])
    if pair is None:
        return None
    one, other = (f"{labels[i][k]!r} in {data.show(i)}" for i, k in pair)
    told = "the same token among the same tokens. A layer without positions cannot see what distinguishes them"
    return Witness(f"token {data.show(*pair[0])} is labelled {one} and {other}: {told}", pair)

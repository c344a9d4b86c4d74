"""The data of the theorem, read once: sequences of vectors, and how far apart their tokens are.

| symbol (Kajitsuka & Sato 2023, section 4)      | name                                              |
| ---------------------------------------------- | ------------------------------------------------- |
| X^(1), …, X^(N) ∈ R^(d × n)                    | Data.sequences: tuples of tokens, a token a tuple |
| V^(i), V                                       | Data.bags (with repeats), Data.vocabulary         |
| r_min, r_max, ε of Definition 1                | Data.r_min, .r_max, .epsilon                      |
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqlab.names.exact import Bag, Context

Token = tuple  # of d numbers: ints, floats or Fractions
Place = tuple[int, int]  # (sequence, position)


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
    def contexts(self) -> dict[Context, Place]:
        """What a layer without positions can tell apart, (token, bag), with the first place where it occurs."""
        found: dict[Context, Place] = {}
        for i, (sequence, bag) in enumerate(zip(self.coded, self.bags)):
            for k, token in enumerate(sequence):
                found.setdefault((token, bag), (i, k))
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
    def tokens(self) -> int:
        """How many tokens there are in all: nN where all lengths agree."""
        return sum(map(len, self.sequences))

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

    @cached_property
    def starts(self) -> list[int]:
        """Where each sequence starts when all tokens are counted through, and where the last one ends."""
        return list(accumulate(map(len, self.sequences), initial=0))

    @cached_property
    def blocks(self) -> tuple[list[Int[Tensor, "sequence token"]], Int[Tensor, place]]:
        """The coded sequences of each length, and where in these the tokens of one sequence after another stand."""
        starts, lengths = torch.tensor(self.starts[:-1]), torch.tensor(self.starts).diff()
        places = [starts[lengths == n][:, None] + torch.arange(n) for n in lengths.unique().tolist()]
        flat = torch.tensor([token for row in self.coded for token in row])
        return [flat[block] for block in places], torch.cat([block.flatten() for block in places]).argsort()

    def each(self, layer: Callable[[Tensor], Tensor], dtype: torch.dtype = torch.float64) -> Float[Tensor, "place ..."]:
        """What `layer` ("sequence token dim" to "sequence token …") gives for all tokens, sequence after sequence."""
        blocks, order = self.blocks
        x = self.vectors.to(dtype)
        return torch.cat([layer(x[block]).flatten(0, 1) for block in blocks])[order]

    def rows(self, entries: Tensor | list) -> list:
        """One entry for each token, as `each` gives them, cut into sequences."""
        return [entries[start:end] for start, end in pairwise(self.starts)]

    @cached_property
    def first(self) -> Int[Tensor, context]:
        """Where among all tokens the contexts stand first."""
        return torch.tensor([self.starts[i] + k for i, k in self.contexts.values()])

    @cached_property
    def kinds(self) -> Int[Tensor, context]:
        """The tokens of the contexts."""
        return torch.tensor([token for token, _ in self.contexts])

    def show(self, i: int, k: int | None = None) -> str:
        """Sequence i in words, or its token k."""
        return f"({', '.join(map(_show, self.sequences[i]))})" if k is None else _show(self.sequences[i][k])

    def closest(self, values: Float[Tensor, context]) -> float:
        """The smallest distance of two numbers, one for each context, of one token; inf where each token has one."""
        by_value = values.argsort()
        order = by_value[self.kinds[by_value].argsort(stable=True)]
        steps = values[order].diff()[self.kinds[order].diff() == 0]
        return steps.min().item() if len(steps) else math.inf


def read(sequences: Iterable | Data) -> Data:
    """Sequences of tokens as `Data`. A token is a number, or d numbers (tuple, list, tensor); lengths may differ.

    Raises ValueError on empty sequences, tokens of different dimension, or numbers that are not finite.
    """
    if isinstance(sequences, Data):
        return sequences
    if not isinstance(sequences, Iterable):
        raise ValueError(f"sequences: got {sequences!r}, wanted a list of sequences of tokens")
    rows = tuple(tuple(_token(token, i, k) for k, token in enumerate(_row(s, i))) for i, s in enumerate(sequences))
    if not rows:
        raise ValueError("sequences: got none")
    if () in rows:
        raise ValueError(f"sequences[{rows.index(())}]: got no tokens, wanted at least one")
    dims = {len(token) for row in rows for token in row}
    if len(dims) > 1:
        raise ValueError(f"sequences: got tokens of {sorted(dims)} numbers, wanted one dimension for all")
    return Data(rows)


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
    if not entries:
        raise ValueError(f"sequences[{i}][{k}]: got an empty token, wanted at least one number")
    if any(isinstance(x, bool) or not isinstance(x, numbers.Real) or not math.isfinite(x) for x in entries):
        raise ValueError(f"sequences[{i}][{k}]: got {token!r}, wanted a finite number or a tuple of them")
    return entries


def _show(token: Token) -> str:
    """A token in words: a number for d = 1."""
    entries = [f"{float(x):.6g}" for x in token]
    return entries[0] if len(entries) == 1 else f"({', '.join(entries)})"

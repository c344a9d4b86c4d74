"""Labels of tokens: numbers or classes, and whether they depend on (token, set) only."""

from __future__ import annotations

import math
import numbers
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from seqlab.one_layer.separated import Data, plain, read
from seqlab.theorem import Witness

Label = Hashable  # all numbers, or all tuples of numbers, or anything else as classes
Labels = tuple[tuple[Label, ...], ...]  # one label per token
Around = Literal["set", "multiset"]


def inconsistency(
    sequences: Iterable | Data, labels: Iterable[Iterable[object]], context: Around = "set"
) -> Witness | None:
    """Two places with equal tokens in equal sets (or multisets) and different labels; None if there are none.

    The witness carries ((sequence, position), (sequence, position)).
    """
    data = read(sequences)
    return clash(data, read_labels(data, labels), context)


def clash(data: Data, labels: Labels, context: Around) -> Witness | None:
    """The same for data and labels that have been read."""
    first: dict = {}
    for i, (row, bag) in enumerate(zip(data.coded, data.bags)):
        around = frozenset(bag) if context == "set" else bag
        for k, token in enumerate(row):
            j, l = first.setdefault((token, around), (i, k))
            if labels[j][l] != labels[i][k]:
                text = (
                    f"token {data.show(i, k)} is labelled {labels[j][l]!r} in sequence {j}, {data.show(j)}, and "
                    f"{labels[i][k]!r} in sequence {i}, {data.show(i)}: the same token in the same {context}. "
                    "A layer without positions cannot see what distinguishes them"
                )
                return Witness(text, ((j, l), (i, k)))
    return None


def read_labels(data: Data, labels: Iterable[Iterable[object]]) -> Labels:
    """The labels as plain Python objects, one per token; tensors and arrays are read as numbers.

    Raises ValueError where their number is not that of the tokens, or one is not finite or cannot be compared.
    """
    labels = plain(labels)
    if not isinstance(labels, Sequence):
        raise ValueError(f"labels: got {labels!r}, wanted a list with the labels of every sequence")
    if len(labels) != len(data.sequences):
        raise ValueError(f"labels: got labels of {len(labels)} sequences, wanted {len(data.sequences)}")
    rows = tuple(tuple(tuple(x) if isinstance(x, list) else x for x in plain(row) or ()) for row in labels)
    for i, (row, sequence) in enumerate(zip(rows, data.sequences)):
        if len(row) != len(sequence):
            raise ValueError(f"labels[{i}]: got {len(row)} labels for {len(sequence)} tokens; one label per token")
        for k, label in enumerate(row):
            if not isinstance(label, Hashable):
                raise ValueError(f"labels[{i}][{k}]: got {label!r}, wanted a number, a class or a tuple of numbers")
            if any(isinstance(x, float) and not math.isfinite(x) for x in _entries(label)):
                raise ValueError(f"labels[{i}][{k}]: got {label!r}, wanted finite numbers; is a label missing?")
    if len({len(label) for row in rows for label in row if isinstance(label, tuple)}) > 1:
        raise ValueError("labels: got tuples of different lengths, wanted one length for all")
    return rows


def classes_of(labels: Labels) -> tuple[Label, ...] | None:
    """The different labels, most frequent first, unless they are numbers or tuples of numbers."""
    flat = [label for row in labels for label in row]
    entries = [x for label in flat for x in _entries(label) or (None,)]
    kinds = {isinstance(label, tuple) for label in flat}
    if len(kinds) == 1 and all(isinstance(x, numbers.Real) and not isinstance(x, bool) for x in entries):
        return None
    return tuple(label for label, _ in Counter(flat).most_common())


def targets(labels: Labels, classes: tuple[Label, ...] | None) -> Float[Tensor, "place out"]:
    """What a network should return for every token: its label's numbers, or the index of its class."""
    flat = [label for row in labels for label in row]
    if classes is not None:
        index = {label: at for at, label in enumerate(classes)}
        flat = [index[label] for label in flat]
    return torch.tensor([[float(x) for x in _entries(label)] for label in flat], dtype=torch.float64)


def _entries(label: Label) -> tuple:
    return label if isinstance(label, tuple) else (label,)

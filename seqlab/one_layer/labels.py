"""Labels of tokens: numbers or classes, and whether they depend on (token, set) only."""

from __future__ import annotations

import math
import numbers
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import Literal

from seqlab.one_layer import separated
from seqlab.one_layer.separated import Data
from seqlab.theorem import Witness

Label = Hashable  # all numbers, or all tuples of numbers, or anything else as classes
Context = Literal["set", "multiset"]


def inconsistency(
    sequences: Iterable | Data, labels: Iterable[Iterable[object]], context: Context = "set"
) -> Witness | None:
    """Two places with equal tokens in equal sets (or multisets) and different labels; None if there are none.

    The witness carries ((sequence, position), (sequence, position)).
    """
    known = separated.data(sequences)
    labels = label_rows(known, labels)
    first: dict = {}
    for i, row in enumerate(known.coded):
        around = known.sets[i] if context == "set" else known.bags[i]
        for k, token in enumerate(row):
            j, l = first.setdefault((token, around), (i, k))
            if labels[j][l] != labels[i][k]:
                text = (
                    f"token {separated.show(known.sequences[i][k])} is labelled {labels[j][l]!r} in sequence {j}, {known.show(j)}, and "
                    f"{labels[i][k]!r} in sequence {i}, {known.show(i)}: the same token in the same {context}. "
                    "A layer without positions cannot see what distinguishes them"
                )
                return Witness(text, ((j, l), (i, k)))
    return None


def label_rows(known: Data, labels: Iterable[Iterable[object]]) -> tuple[tuple[Label, ...], ...]:
    """The labels as plain Python objects, one per token; tensors and arrays are read as numbers.

    Raises ValueError where their number is not that of the tokens, or one is not finite or cannot be compared.
    """
    labels = separated.plain(labels)
    if not isinstance(labels, Sequence):
        raise ValueError(f"labels: got {labels!r}, wanted a list with the labels of every sequence")
    if len(labels) != len(known.sequences):
        raise ValueError(f"labels: got labels of {len(labels)} sequences, wanted {len(known.sequences)}")
    labels = [[tuple(x) if isinstance(x, list) else x for x in separated.plain(row) or ()] for row in labels]
    for i, (row, sequence) in enumerate(zip(labels, known.sequences)):
        if len(row) != len(sequence):
            raise ValueError(f"labels[{i}]: got {len(row)} labels for {len(sequence)} tokens; one label per token")
        for k, label in enumerate(row):
            entries = label if isinstance(label, tuple) else (label,)
            if not isinstance(label, Hashable):
                raise ValueError(f"labels[{i}][{k}]: got {label!r}, wanted a number, a class or a tuple of numbers")
            if any(isinstance(x, float) and not math.isfinite(x) for x in entries):
                raise ValueError(f"labels[{i}][{k}]: got {label!r}, wanted finite numbers; is a label missing?")
    if len({len(label) for row in labels for label in row if isinstance(label, tuple)}) > 1:
        raise ValueError("labels: got tuples of different lengths, wanted one length for all")
    return tuple(map(tuple, labels))


def classes_of(labels: tuple) -> tuple | None:
    """The different labels, most frequent first, unless they are numbers or tuples of numbers."""
    flat = [label for row in labels for label in row]
    if all(map(_is_number, flat)) or all(isinstance(x, tuple) and x and all(map(_is_number, x)) for x in flat):
        return None
    return tuple(label for label, _ in Counter(flat).most_common())


def targets(labels: list, classes: tuple | None) -> list[list[float]]:
    if classes is not None:
        index = {label: at for at, label in enumerate(classes)}
        return [[float(index[label])] for label in labels]
    return [[float(x) for x in label] if isinstance(label, tuple) else [float(label)] for label in labels]


def _is_number(x: object) -> bool:
    return isinstance(x, numbers.Real) and not isinstance(x, bool) and math.isfinite(x)

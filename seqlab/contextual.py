"""The contextual mapping, and the tester that decides whether one is at hand.

A contextual mapping gives every token of every distinct sequence a name of its own (Yun et al. 2019, Definition 3.1):

    1. the n names of one sequence are pairwise different;
    2. two different sequences have no name in common.

What counts as *different* is the equivalence:

    identity      the ordered sequence                       Yun et al. 2019, with positional codes
    permutation   the sequence up to order                   Yun et al. 2019, without them
    set           (token, set of tokens of its sequence)     Kajitsuka & Sato 2023, Definition 2

Under `set`, names must differ where the sets differ or the tokens do; condition 1 then concerns different tokens only.
"""

from __future__ import annotations

import math
import numbers
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from fractions import Fraction
from typing import Any, Literal

import torch
from torch import Tensor

from seqlab.theorem import Statement, Verdict, Witness

Equivalence = Literal["identity", "permutation", "set"]
Place = tuple[int, int]  # (sequence, token position)

STATEMENTS = {
    "identity": Statement(
        "contextual mapping",
        "Yun et al. 2019, Definition 3.1",
        "Every token of every ordered sequence has its own name.",
    ),
    "permutation": Statement(
        "contextual mapping",
        "Yun et al. 2019, Definition 3.1, up to order",
        "Every token of every sequence, up to order, has its own name.",
    ),
    "set": Statement(
        "contextual mapping",
        "Kajitsuka & Sato 2023, Definition 2",
        "Every pair (token, set of tokens around it) has its own name.",
    ),
}


def contextual_mapping(
    names: Tensor | Sequence[Sequence[object]],
    sequences: Sequence[Sequence[Hashable]],
    equivalence: Equivalence = "permutation",
    margin: float | int | Fraction = 0,
) -> Verdict:
    """Decide whether `names` is a contextual mapping of `sequences`; if not, the witness is the first violating pair.

    names:      per sequence one name per token: numbers ("sequence token") or vectors ("sequence token dim").
                ints and Fractions are compared exactly; vectors by Euclidean distance in float64
    sequences:  the tokens, any hashable values; a string is a sequence of letters
    margin:     names count as different when their distance is greater than this

    The verdict's margin is the smallest distance between two names that must differ, less `margin`. Its witness
    carries ((i, k), (j, l)): token k of sequence i and token l of sequence j. Pairs inside one sequence come first.

    Raises ValueError on unequal lengths, NaN or infinite names, a negative margin or an unknown equivalence.
    """
    if equivalence not in STATEMENTS:
        raise ValueError(f"equivalence: got {equivalence!r}, wanted one of {', '.join(STATEMENTS)}")
    if not margin >= 0:
        raise ValueError(f"margin: got {margin}, wanted a number ≥ 0")
    flat, places = _flatten(names, sequences)
    inside = _inside_labels(sequences, equivalence)
    across = _across_labels(sequences, equivalence)
    order = _ByVector(flat) if isinstance(flat, Tensor) else _ByNumber(flat)

    smallest: Any = math.inf
    violations = []
    for labels, groups in ((inside, _by_sequence(places)), (across, [range(len(places))])):
        for group in groups:
            distance, pair = order.closest([labels[p] for p in group], group, margin)
            smallest = min(smallest, distance)
            if pair is not None:
                violations.append((places[pair[0]], places[pair[1]]))
        if violations:
            break
    checked = len(places)
    if not violations:
        return Verdict(True, float(smallest - margin), None, STATEMENTS[equivalence], checked)
    (i, k), (j, l) = first = min(violations)
    witness = Witness(_explain(sequences, first, equivalence, margin, order.show(places, first)), first)
    return Verdict(False, float(smallest - margin), witness, STATEMENTS[equivalence], checked)


class _ByNumber:
    """Names that are numbers: sorted once, the closest pair with different labels is a pair of neighbours."""

    def __init__(self, names: list):
        self.names = names

    def closest(self, labels: list, group: Sequence[int], margin: Any) -> tuple[Any, tuple[int, int] | None]:
        order = sorted(range(len(group)), key=lambda at: self.names[group[at]])
        names = [self.names[group[at]] for at in order]
        gaps = (names[r + 1] - names[r] for r in range(len(order) - 1) if labels[order[r]] != labels[order[r + 1]])
        smallest = min(gaps, default=math.inf)
        if smallest > margin:
            return smallest, None
        rank = {at: r for r, at in enumerate(order)}
        for at in range(len(group)):
            near = [order[r] for r in self._around(names, rank[at], margin) if labels[order[r]] != labels[at]]
            if near:
                return smallest, (group[at], group[min(near)])
        raise AssertionError("a gap within the margin has two ends")

    @staticmethod
    def _around(names: list, r: int, margin: Any) -> Iterator[int]:
        """Ranks of the names within `margin` of the one at rank r."""
        low = r - 1
        while low >= 0 and names[r] - names[low] <= margin:
            yield low
            low -= 1
        high = r + 1
        while high < len(names) and names[high] - names[r] <= margin:
            yield high
            high += 1

    def show(self, places: list[Place], pair: tuple[Place, Place]) -> str:
        a, b = (self.names[places.index(place)] for place in pair)
        return f"both {a}" if a == b else f"{a} and {b}"


class _ByVector:
    """Names that are vectors: all distances, a slice of rows at a time."""

    def __init__(self, names: Tensor):
        self.names = names

    def closest(self, labels: list, group: Sequence[int], margin: Any) -> tuple[float, tuple[int, int] | None]:
        codes = {label: code for code, label in enumerate(dict.fromkeys(labels))}
        code = torch.tensor([codes[label] for label in labels])
        names = self.names[torch.tensor(group)]
        smallest, first = math.inf, None
        for start in range(0, len(names), 1024):
            rows = slice(start, start + 1024)
            distance = torch.cdist(names[rows], names, compute_mode="donot_use_mm_for_euclid_dist")
            distance = distance.masked_fill(code[rows, None] == code[None, :], math.inf)
            smallest = min(smallest, distance.min().item())
            if first is None and (clash := (distance <= float(margin)).nonzero()).numel():
                first = (group[start + int(clash[0, 0])], group[int(clash[0, 1])])
        return smallest, first

    def show(self, places: list[Place], pair: tuple[Place, Place]) -> str:
        a, b = (self.names[places.index(place)] for place in pair)
        return f"two vectors at distance {torch.dist(a, b).item():.3g}"


def _flatten(
    names: Tensor | Sequence[Sequence[object]], sequences: Sequence[Sequence[Hashable]]
) -> tuple[list | Tensor, list[Place]]:
    """All names in one list (numbers) or one tensor (vectors, float64), and the place of each."""
    if len(names) != len(sequences):
        raise ValueError(f"names: got names of {len(names)} sequences, wanted {len(sequences)}, as many as sequences")
    flat: Any = []
    places = []
    for i, (row, sequence) in enumerate(zip(names, sequences)):
        if len(row) != len(sequence):
            raise ValueError(f"names[{i}]: got {len(row)} names for {len(sequence)} tokens; one name per token")
        if isinstance(row, Tensor) and row.ndim == 1:
            row = row.tolist()
        flat += list(row)
        places += [(i, k) for k in range(len(sequence))]
    if not flat:
        raise ValueError("sequences: got no tokens at all, wanted at least one")
    if all(isinstance(name, numbers.Real) for name in flat):
        bad = next((at for at, name in enumerate(flat) if not math.isfinite(name)), None)
    else:
        flat = torch.stack([torch.as_tensor(name, dtype=torch.float64).detach().flatten() for name in flat])
        finite = flat.isfinite().all(dim=-1)
        bad = None if finite.all() else (~finite).nonzero()[0].item()
    if bad is not None:
        raise ValueError(
            f"names{list(places[bad])}: got {flat[bad]}, wanted finite names; "
            "look for an overflow or a division by zero"
        )
    return flat, places


def _by_sequence(places: list[Place]) -> list[list[int]]:
    groups: dict[int, list[int]] = {}
    for at, (i, _) in enumerate(places):
        groups.setdefault(i, []).append(at)
    return list(groups.values())


def _inside_labels(sequences: Sequence[Sequence[Hashable]], equivalence: str) -> list:
    """Inside one sequence names must differ where these labels do: positions, or under `set` the tokens."""
    return [token if equivalence == "set" else k for sequence in sequences for k, token in enumerate(sequence)]


def _across_labels(sequences: Sequence[Sequence[Hashable]], equivalence: str) -> list:
    """Between sequences names must differ where these labels do."""
    labels = []
    for sequence in sequences:
        if equivalence == "set":
            context = frozenset(sequence)
            labels += [(context, token) for token in sequence]
        else:
            context = tuple(sequence) if equivalence == "identity" else frozenset(Counter(sequence).items())
            labels += [context] * len(sequence)
    return labels


def _explain(sequences: Sequence, pair: tuple[Place, Place], equivalence: str, margin: Any, shown: str) -> str:
    (i, k), (j, l) = pair
    a, b = (f"token {at} ({sequences[row][at]!r}) of {_short(sequences[row])}" for row, at in pair)
    close = "share a name" if margin == 0 else f"have names no further apart than {margin}"
    text = f"{a} and {b} {close}: {shown}"
    if i == j and sequences[i][k] == sequences[i][l]:
        text += ". They are equal tokens: a map without positions cannot tell them apart"
    return text


def _short(sequence: Sequence[Hashable]) -> str:
    text = repr(sequence) if isinstance(sequence, str) else f"({', '.join(map(str, sequence))})"
    return text if len(text) <= 60 else f"{text[:28]} … {text[-28:]}"

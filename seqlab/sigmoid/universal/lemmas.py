"""What the proof says on the way, each as a verdict: closed form of the sweep, what the sum tells, layer counts.

| statement (derived here; T_j = the sum of all ids after the j-th jump, c = gain) | name                          |
| -------------------------------------------------------------------------------- | ----------------------------- |
| l̃_j = l_j + c (T_(j-1) - l_j),  T_j = (1 + c) T_(j-1) - c l_j                    | closed_form(mapping)          |
| l_j = T_j modulo 1 + c, from l_n down to l_1                                     | read_back(), remainders()     |
| δ^-d + 1 layers, four heads of size one                                          | layer_count(mapping)          |
"""

from __future__ import annotations

import numpy as np

from seqlab.layers import count
from seqlab.sigmoid.universal.mapping import Names, SigmoidMapping
from seqlab.sigmoid.universal.shift import HEADS
from seqlab.theorem import Statement, Verdict, Witness
from seqlab.universal.mapping import speak

CLOSED_FORM = Statement(
    "closed form of the sweep",
    "derived after Ramapuram et al. 2024, proof of Theorem 3.1",
    "In increasing order each id grows by gain times the sum of all the other tokens as they then are.",
)
REMAINDERS = Statement(
    "the sum alone tells the sequence",
    "derived after Ramapuram et al. 2024, proof of Theorem 3.1",
    "After the sweep the sum of all tokens gives back the ids of the sequence, one remainder modulo 1 + gain at a"
    " time.",
)
LAYERS = Statement(
    "layers of the sigmoid construction",
    "Ramapuram et al. 2024, Theorem 3.1",
    "δ^-d + 1 attention layers with four heads of size one.",
)


def swept_in_closed_form(ids: Names, gain: int) -> Names:
    """l̃ for rows of positive ids, all different: one jump after another, smallest first. Python integers."""
    swept = np.empty(ids.shape, dtype=object)
    for row, order in enumerate(np.argsort(ids, axis=1)):
        total = sum(int(l) for l in ids[row])
        for j in order:
            others = total - int(ids[row, j])
            swept[row, j] = int(ids[row, j]) + gain * others
            total += gain * others
    return swept


def closed_form(mapping: SigmoidMapping) -> Verdict:
    """The sweep by heads gives what the closed form says, on all sequences.

    The margin is 1/2 less the largest difference.
    """
    sequences = mapping.sequences()
    got, want = mapping.swept(sequences).astype(object), swept_in_closed_form(mapping.ids(sequences), mapping.gain)
    error = np.abs(got - want)
    options = dict(statement=CLOSED_FORM, checked=len(sequences), unit="units of delta")
    if not (error > 0).any():
        return Verdict(True, 0.5, **options)
    row = int((error > 0).any(axis=1).argmax())
    spoken = speak(sequences[row : row + 1])[0]
    text = f"{spoken} becomes {got[row].tolist()}, the closed form says {want[row].tolist()}"
    return Verdict(
        False, 0.5 - float(error.max()), Witness(text, (spoken, got[row].tolist(), want[row].tolist())), **options
    )


def read_back(total: int, gain: int, length: int) -> list[int]:
    """The ids l_1 < … < l_n out of the sum of all tokens after the sweep, as remainders from 1 to 1 + gain.

    T_j = (1 + c) T_(j-1) - c l_j is l_j modulo 1 + c, and (T_j + c l_j) / (1 + c) = T_(j-1) carries the tokens before
    it.
    """
    base, ids = gain + 1, []
    for _ in range(length):
        remainder = (total - 1) % base + 1
        ids.append(int(remainder))
        total = (total + gain * remainder) // base
    return ids[::-1]


def remainders(mapping: SigmoidMapping) -> Verdict:
    """Every sequence, up to order, is read back from one number.

    The margin counts the values a remainder has to spare.
    """
    sequences = mapping.sequences()
    totals, ids = mapping.swept(sequences).sum(axis=1), mapping.ids(sequences)
    options = dict(statement=REMAINDERS, checked=len(sequences), unit="values of a remainder")
    for row, total in enumerate(totals.tolist()):
        if (got := read_back(total, mapping.gain, mapping.length)) != (want := sorted(ids[row].tolist())):
            text = f"the sum {total}, by remainders modulo {mapping.gain + 1}, gives {got}; the ids are {want}"
            return Verdict(
                False, float(min(0, mapping.gain - mapping.columns)), Witness(text, (total, got, want)), **options
            )
    return Verdict(True, float(mapping.gain + 1 - mapping.columns), **options)


def layer_count(mapping: SigmoidMapping) -> Verdict:
    """Layers, heads and head size of the built network. The margin is 0.5 less the difference from the formula."""
    built = count(mapping.stack(), mapping.length)
    got, want = (built.layers, built.heads, built.head_dim), (mapping.formula, len(HEADS), 1)
    options = dict(statement=LAYERS, checked=built.layers, unit="layers")
    if got == want:
        return Verdict(True, 0.5, **options)
    text = f"(layers, heads, size) are {got}, wanted {want}"
    return Verdict(False, 0.5 - max(abs(a - b) for a, b in zip(got, want)), Witness(text, (got, want)), **options)

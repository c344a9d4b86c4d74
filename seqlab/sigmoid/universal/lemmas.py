"""What the proof says on the way, each as a verdict: closed form of the sweep, what the sum tells, layer counts.

| statement (derived here; T_j = the sum of all ids after the j-th jump, c = gain) | name                          |
| -------------------------------------------------------------------------------- | ----------------------------- |
| l̃_j = l_j + c (T_(j-1) - l_j),  T_j = (1 + c) T_(j-1) - c l_j                    | closed_form(mapping)          |
| l_j = T_j modulo 1 + c, from l_n down to l_1                                     | read_back(), remainders()     |
| δ^-d + 1 layers, four heads of size one                                          | layer_count(mapping)          |
"""

from seqlab.layers import count
from seqlab.sigmoid.universal.mapping import SigmoidMapping
from seqlab.theorem import Statement, Verdict, Witness, judge
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


def swept_in_closed_form(ids: list[int], gain: int) -> list[int]:
    """l̃ for positive ids, all different: one jump after another, smallest first."""
    swept = list(ids)
    for j in sorted(range(len(ids)), key=ids.__getitem__):
        swept[j] += gain * (sum(swept) - swept[j])
    return swept


def closed_form(mapping: SigmoidMapping) -> Verdict:
    """The sweep by heads gives what the closed form says, on all sequences.

    The margin is 1/2 less the largest difference. The witness carries (sequence, swept, closed form).
    """
    sequences = mapping.sequences()
    found = zip(speak(sequences), mapping.ids(sequences).tolist(), mapping.swept(sequences).tolist())
    rows = [(spoken, swept, swept_in_closed_form(ids, mapping.gain)) for spoken, ids, swept in found]
    error = lambda row: max(abs(a - b) for a, b in zip(*row[1:]))
    worst = max(rows, key=error)
    witness = Witness.of("{} becomes {}, the closed form says {}", *worst)
    return judge(0.5 - error(worst), CLOSED_FORM, witness=witness, checked=len(rows), unit="units of delta")


def read_back(total: int, gain: int, length: int) -> list[int]:
    """The ids l_1 < … < l_n of a sequence out of the sum of all its tokens after the sweep.
    gain is at least as large as every id; ids are 1, 2, …
    """
    # T_j = (1 + c) T_(j-1) - c l_j is l_j modulo 1 + c; (T_j + c l_j) / (1 + c) = T_(j-1) has the tokens before it
    base, ids = gain + 1, []
    for _ in range(length):
        remainder = (total - 1) % base + 1
        ids.append(remainder)
        total = (total + gain * remainder) // base
    return ids[::-1]


def remainders(mapping: SigmoidMapping) -> Verdict:
    """Every sequence, up to order, is read back from one number.

    The margin counts the values a remainder has to spare. The witness carries (sum, read back, ids).
    """
    sequences, spare = mapping.sequences(), mapping.gain + 1 - mapping.columns
    rows = zip(mapping.swept(sequences).sum(axis=1).tolist(), mapping.ids(sequences).tolist())
    found = [(total, read_back(int(total), mapping.gain, mapping.length), sorted(ids)) for total, ids in rows]
    wrong = next((row for row in found if row[1] != row[2]), None)
    return judge(
        min(0, spare - 1) if wrong else spare,
        REMAINDERS,
        holds=not wrong,
        witness=lambda: Witness.of("the sum {}, by remainders modulo 1 + gain, gives {}; the ids are {}", *wrong),
        checked=len(found),
        unit="values of a remainder",
    )


def layer_count(mapping: SigmoidMapping) -> Verdict:
    """Layers, heads and head size of the real network. The margin is 0.5 less the difference from the formula."""
    built = count(mapping.program().module(), mapping.length)
    got, want = (built.layers, built.heads, built.head_dim), (mapping.formula, 4, 1)
    witness = Witness.of("(layers, heads, size) are {}, wanted {}", got, want)
    off = max(abs(a - b) for a, b in zip(got, want))
    return judge(0.5 - off, LAYERS, witness=witness, checked=built.layers, unit="layers")

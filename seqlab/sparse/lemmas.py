"""What the proof says on the way, each as a verdict on a `SparseMapping`.

| paper (Yun et al. 2020)                                            | name         |
| ------------------------------------------------------------------ | ------------ |
| l̃_γ(i+1) = l_γ(i+1) + δ^-d (l̃_γ(i) - l_γ(i+1)), largest of all    | chain_steps  |
| p(n-1)δ^-d + s attention layers, 2 heads of size 1                 | layer_count  |
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from seqlab import universal
from seqlab.sparse.mapping import SparseMapping
from seqlab.theorem import Statement, Verdict, Witness, judge
from seqlab.universal.mapping import speak

STEPS = Statement(
    "steps along the chain",
    "Yun et al. 2020, proof of Theorem 1",
    "l̃_γ(2) = l_γ(2) + δ^-d (l_γ(1) - l_γ(2)), l̃_γ(i+1) = l_γ(i+1) + δ^-d (l̃_γ(i) - l_γ(i+1)); the last is the"
    " largest id and differs between any two sequences.",
)
COUNT = Statement(
    "depth of the sparse attention part",
    "Yun et al. 2020, proof of Theorem 1",
    "p(n-1)δ^-d + s attention layers with at most two heads of size one.",
)


def chain_steps(mapping: SparseMapping) -> Verdict:
    """The swept ids of all sequences follow the recursion, the last token's is the largest, and is injective.

    The margin is 1/2 unit less the largest difference from the recursion, at most 1/2; minus the number of clashes of
    the last id where only those fail. The witness carries (sequence, swept, wanted), or the two sequences that clash.
    """
    sequences = mapping.sequences()
    ids, swept = mapping.ids(sequences).astype(object), mapping.swept(sequences).astype(object)
    want, spoken, options = ids.copy(), speak(sequences), dict(checked=len(sequences), unit="units of delta")
    for before, token in zip(mapping.order, mapping.order[1:]):
        want[:, token] = ids[:, token] + mapping.columns * (want[:, before] - ids[:, token])
    if (swept != want).any():
        at = int(abs(swept - want).max(axis=1).argmax())
        objects = spoken[at], tuple(swept[at]), tuple(want[at])
        witness = Witness("{}: the sweep gives {}, the recursion {}".format(*objects), objects)
        return judge(0.5 - abs(swept - want).max(), STEPS, witness=witness, **options)
    last = swept[:, mapping.order[-1]]
    order = np.argsort(last, kind="stable")
    same = np.flatnonzero(np.diff(last[order]) == 0)
    pair = lambda: tuple(spoken[i] for i in order[same[0] : same[0] + 2])
    clash = lambda: Witness("{} and {} share their last id".format(*pair()), pair())
    return judge(-len(same) or 0.5, STEPS, witness=clash, **options)


def layer_count(mapping: SparseMapping) -> Verdict:
    """Layers, heads and head size counted on the built network, against p(n-1)δ^-d + s. See `universal.layer_count`."""
    return replace(universal.layer_count(mapping), statement=COUNT)

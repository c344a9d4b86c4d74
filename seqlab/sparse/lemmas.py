"""What the proof says on the way, each as a verdict on a `SparseMapping`.

| paper (Yun et al. 2020)                                            | name         |
| ------------------------------------------------------------------ | ------------ |
| l̃_γ(i+1) = l_γ(i+1) + δ^-d (l̃_γ(i) - l_γ(i+1)), largest of all    | chain_steps  |
| p(n-1)δ^-d + s attention layers, 2 heads of size 1                 | layer_count  |
| real attention heads give the same names                           | blocks       |
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from seqlab import universal
from seqlab.attention import Normalizer
from seqlab.sparse.mapping import SparseMapping
from seqlab.theorem import Statement, Verdict, Witness
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
BLOCKS = Statement(
    "real sparse heads give the exact names",
    "Yun et al. 2020, proof of Theorem 1",
    "Every name that the sparse attention stack computes is within δ/2 of the exact one.",
)


def chain_steps(mapping: SparseMapping) -> Verdict:
    """The swept ids of all sequences follow the recursion, the last token's is the largest, and is injective.

    The margin is 1/2 unit less the largest difference from the recursion, at most 1/2; minus the number of clashes of
    the last id where only those fail. The witness carries (sequence, swept, wanted), or the two sequences that clash.
    """
    sequences = mapping.sequences()
    ids, swept = mapping.ids(sequences).astype(object), mapping.swept(sequences).astype(object)
    want = ids.copy()
    for before, token in zip(mapping.order, mapping.order[1:]):
        want[:, token] = ids[:, token] + mapping.columns * (want[:, before] - ids[:, token])
    worst, last = abs(swept - want).max(axis=1), swept[:, mapping.order[-1]]
    order = np.argsort(last, kind="stable")
    same = np.flatnonzero(np.diff(last[order]) == 0)
    margin, witness, at = 0.5, None, int(worst.argmax())
    if worst.any():
        margin, objects = 0.5 - float(worst[at]), (speak(sequences)[at], tuple(swept[at]), tuple(want[at]))
        witness = Witness("{}: the sweep gives {}, the recursion {}".format(*objects), objects)
    elif len(same):
        margin, objects = -float(len(same)), tuple(speak(sequences)[i] for i in order[same[0] : same[0] + 2].tolist())
        witness = Witness("{} and {} share their last id".format(*objects), objects)
    return Verdict(not witness, margin, witness, STEPS, len(sequences), "units of delta")


def layer_count(mapping: SparseMapping) -> Verdict:
    """Layers, heads and head size counted on the built network, against p(n-1)δ^-d + s. See `universal.layer_count`."""
    return replace(universal.layer_count(mapping), statement=COUNT)


def blocks(
    mapping: SparseMapping, normalizer: Normalizer | None = None, *, dtype: torch.dtype = torch.float64
) -> Verdict:
    """Names of the real sparse heads against the exact ones. See `universal.blocks`.

    float64 holds names up to 2^53 units of δ. c^s passes that early: at n = 4, δ = 1/3, d = 2, and for the window,
    whose s is n - 1, at n = 9 with δ = 1/2, d = 1.
    """
    return replace(universal.blocks(mapping, normalizer, dtype=dtype), statement=BLOCKS)

"""What the proof says on the way, each as a verdict on a `StarMapping`.

| paper (Zaheer et al. 2020, appendix A)                                         | name       |
| ------------------------------------------------------------------------------ | ---------- |
| T_(k-1) ≤ f_k < S_k ≤ f̃_0^k < T_k, l_(k+1) < … < l_n < f_1 < … < f_k < f̃_0^k  | order      |
| f̃_0^n names the sequence ("for δ small enough")                                | relay_code |
"""

from __future__ import annotations

from math import inf

import numpy as np

from seqlab.big_bird.star.mapping import StarMapping
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness, judge
from seqlab.universal.mapping import speak

ORDER = Statement(
    "order along the phases",
    "Zaheer et al. 2020, appendix A",
    "Only the token whose turn it is moves, once: f_k = l_k + δ^-d (f̃_0 - l_k), f̃_0 += δ^-nd (f_k - l_(k+1)). After"
    " phase k, l_(k+1) < … < l_n < f_1 < … < f_k < f̃_0^k, T_(k-1) ≤ f_k < S_k and S_k ≤ f̃_0^k < T_k.",
)
RELAY = Statement(
    "the relay's code names the sequence",
    "Zaheer et al. 2020, appendix A",
    "Different sequences leave different ids f̃_0^n with the relay.",
    (Hypothesis("fine", "δ is small enough: not δ = 1/2 with d = 1 and three tokens or more"),),
)


def order(mapping: StarMapping) -> Verdict:
    """Every invariant of the n phases, on all sequences.

    The margin is the smallest difference between two ids that the order keeps apart, in units of δ. The witness carries
    (sequence, phase), at the first invariant that breaks.
    """
    n, sequences, smallest = mapping.length, mapping.sequences(), inf
    options = dict(checked=len(sequences), unit="units of delta")
    start, *swept = (mapping.codes(sequences, sweeps).astype(object) for sweeps in range(2 * n + 1))
    for k, (low, high) in enumerate(zip(swept[::2], swept[1::2]), start=1):
        told, heard = start.copy(), low.copy()
        told[:, k] += mapping.gain * (start[:, 0] - start[:, k])
        heard[:, 0] += mapping.columns**n * (low[:, k] - low[:, k % n + 1])  # in the last phase f_1
        f, relay, before, (least, most) = low[:, k], high[:, 0], mapping.bounds[k - 1][1], mapping.bounds[k]
        gaps = np.diff(high[:, [*range(k + 1, n + 1), *range(1, k + 1), 0]]).min(axis=1)
        smallest = min(smallest, gaps.min())
        invariants = {
            f"in the low shift token {k} did not move alone, by δ^-d (f̃_0 - l_{k})": (low == told).all(axis=1),
            "in the high shift the relay did not move alone, by δ^-nd (max - min)": (high == heard).all(axis=1),
            "the ids do not increase": gaps > 0,
            f"f_{k} is not from T_{k - 1} = {before:,} to below S_{k} = {least:,}": (before <= f) & (f < least),
            f"f̃_0 is not from S_{k} = {least:,} to below T_{k} = {most:,}": (least <= relay) & (relay < most),
        }
        for text, holds in invariants.items():
            if not holds.all():
                at = int(holds.argmin())
                sequence = speak(sequences[at : at + 1])[0]
                told = f"{sequence}, phase {k}: {text}; the ids are {tuple(high[at])}, before {tuple(start[at])}"
                return judge(min(smallest, 0), ORDER, witness=Witness(told, (sequence, k)), **options)
        start = high
    return judge(smallest, ORDER, **options)


def relay_code(mapping: StarMapping) -> Verdict:
    """Whether f̃_0^n alone tells all sequences apart: a stronger claim than the mapping, which needs it not.

    The margin is the smallest distance of two codes; the witness carries the two sequences that share one.
    """
    sequences = mapping.sequences()
    codes = mapping.codes(sequences, 2 * mapping.length)[:, 0]
    order = np.argsort(codes, kind="stable")
    at = int(np.diff(codes[order]).argmin())
    pair = tuple(speak(sequences[order[at : at + 2]]))
    return judge(
        np.diff(codes[order])[at],
        RELAY.under(fine=not (mapping.columns == 2 and mapping.length >= 3)),
        witness=Witness(f"{pair[0]} and {pair[1]} both leave {codes[order[at]]:,} with the relay", pair),
        checked=len(sequences),
        unit="units of delta",
        notes=[f"{len(set(codes.tolist()))} different codes of {len(sequences)} sequences"],
    )

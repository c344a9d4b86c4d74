"""What the proof of Lemma 6 says on the way, each as a verdict on a `ContextualMapping`.

| paper (Yun et al. 2019)                                       | name              |
| ------------------------------------------------------------- | ----------------- |
| closed form of l̃_j                                            | closed_form       |
| Lemma 10: bounds on l̃_n                                       | bounds            |
| Lemma 6, properties 3 and 4: [t_l, t_r] separates good names  | range_of_names    |
| δ^-d + 1 and n δ^-d + 1 attention layers, 2 heads of size 1   | layer_count       |
| real attention heads give the same names                      | blocks            |
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seqlab.attention import Normalizer
from seqlab.layers import count
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness
from seqlab.universal.mapping import LARGEST, ContextualMapping, Sequences, speak
from seqlab.universal.shift import code, column_ids

CLOSED_FORM = Statement(
    "closed form of the sweep",
    "Yun et al. 2019, proof of Lemma 6",
    "With l_1 < … < l_n: l̃_j = l_j + Σ_{k<j} δ^-kd (l_{j-k} - l_{j-k+1}) + δ^-jd (l_n - l_1).",
    (Hypothesis("once", "no token that has jumped is met again by the sweep"),),
)
BOUNDS = Statement(
    "bounds on the largest id",
    "Yun et al. 2019, Lemma 10",
    "δ^-(n-1)d+1 (δ^-d - 1) ≤ l̃_n ≤ δ^-nd+1 (δ^-d - 1) - δ (δ^-d - 1)² < δ^-(n+1)d.",
    (
        Hypothesis("gain", "each shift is multiplied by δ^-d"),
        Hypothesis("no_positions", "the ids lie in 0 … δ^-d - 1 (units of δ)"),
    ),
)
RANGE = Statement(
    "good names have a range of their own",
    "Yun et al. 2019, Lemma 6, properties 3 and 4",
    "Sequences with an out-of-range or (without positions) a repeated column have no name between good names.",
    (Hypothesis("marker", "J is δ^-nd, or n + 3n δ^-nd with positions"),),
)
COUNT = Statement(
    "depth of the attention part",
    "Yun et al. 2019, Lemma 6",
    "δ^-d + 1 attention layers (n δ^-d + 1 with positions) with at most two heads of size one.",
)
BLOCKS = Statement(
    "real heads give the exact names",
    "Yun et al. 2019, Lemma 6 and Lemma 9",
    "Every name that the attention stack computes is within δ/2 of the exact one.",
    (
        Hypothesis("hard", "hardmax in every head (softmax does from some scale on: Lemma 9)"),
        Hypothesis("precise", "float64"),
    ),
)


def closed_form(mapping: ContextualMapping) -> Verdict:
    """The swept ids of all sequences equal the closed form, exactly.

    The margin is 1/2 unit less the largest difference. Witness: (sequence, swept, closed form), sorted.
    """
    sequences = mapping.sequences()
    ids = np.sort(mapping.ids(sequences), axis=1).astype(object)
    met, before = 0, mapping.ids(sequences)
    for _, after in mapping.sweep(before):
        met, before = met + (after != before), after
    swept = np.sort(before, axis=1).astype(object)
    n, gain = mapping.length, mapping.gain
    expected = []
    for j in range(n):
        steps = sum((gain**k * (ids[:, j - k] - ids[:, j - k + 1]) for k in range(1, j + 1)), start=ids[:, j])
        expected.append(steps + gain ** (j + 1) * (ids[:, n - 1] - ids[:, 0]))
    want = np.stack(expected, axis=1)
    worst = abs(swept - want).max(axis=1)
    options = dict(
        statement=CLOSED_FORM.under(once=bool((met <= 1).all())), checked=len(sequences), unit="units of delta"
    )
    if not worst.any():
        return Verdict(True, 0.5, **options)
    at = int(worst.argmax())
    objects = (speak(sequences)[at], tuple(swept[at]), tuple(want[at]))
    text = "{}: the sweep gives {}, the closed form {}".format(*objects)
    return Verdict(False, float(-worst[at]), Witness(text, objects), **options)


def bounds(mapping: ContextualMapping) -> Verdict:
    """Lemma 10 on the largest id after the sweep of all sequences.

    The margin is the smallest slack of the three inequalities, plus 1 as equality is allowed in the first two. The
    witness carries (sequence, l̃_n, lower, upper), in units of δ.
    """
    lower, upper = lemma_10(mapping)
    sequences = mapping.sequences()
    largest = mapping.swept(sequences).max(axis=1)
    strict = mapping.levels * mapping.columns ** (mapping.length + 1)
    low, high = int(largest.min()), int(largest.max())
    slack = min(low - lower + 1, upper - high + 1, strict - high)
    options = dict(
        statement=BOUNDS.under(gain=mapping.gain == mapping.columns, no_positions=not mapping.positions),
        checked=len(sequences),
        unit="units of delta",
        notes=[f"{lower:,} ≤ observed {low:,} … {high:,} ≤ {upper:,} < {strict:,}"],
    )
    if slack > 0:
        return Verdict(True, float(slack), **options)
    at = int(largest.argmin() if low < lower else largest.argmax())
    objects = (speak(sequences)[at], int(largest[at]), lower, upper)
    text = "{} reaches {:,}, wanted {:,} to {:,}".format(*objects)
    return Verdict(False, float(slack), Witness(text, objects), **options)


def lemma_10(mapping: ContextualMapping) -> tuple[int, int]:
    """The lower and the upper bound on l̃_n, in units of δ."""
    columns, n = mapping.columns, mapping.length
    return columns ** (n - 1) * (columns - 1), columns**n * (columns - 1) - (columns - 1) ** 2


def range_of_names(mapping: ContextualMapping, *, marker: int | None = None) -> Verdict:
    """Properties 3 and 4: no bad sequence of G_δ^+ has a name between the smallest and the largest good name.

    marker: J in units of δ, the paper's unless given; a small one breaks the statement. The margin is the smallest
    distance of a bad name from the range of good ones. The witness carries (sequence, token, name, smallest, largest).
    """
    marker = mapping.marker if marker is None else marker
    good = mapping.names(mapping.sequences())
    smallest, largest = good.min(), good.max()
    bad = _bad_sequences(mapping, marker)
    if not len(bad):
        raise ValueError("mapping: got no bad sequence at all, wanted a grid with markers")
    names = mapping.names(bad)
    distance = np.where(names < smallest, smallest - names, names - largest)
    nearest = distance.min()
    options = dict(
        statement=RANGE.under(marker=marker == mapping.marker),
        checked=len(bad),
        unit="units of delta",
        notes=[f"good names lie in {smallest:,} … {largest:,}"],
    )
    if nearest > 0:
        return Verdict(True, float(nearest), **options)
    i, k = (int(at) for at in np.argwhere(distance == nearest)[0])
    objects = (speak(bad[i : i + 1])[0], k, names[i, k], smallest, largest)
    text = "token {1} of {0} is named {2:,}, good names lie in {3:,} … {4:,}".format(*objects)
    return Verdict(False, float(nearest), Witness(text, objects), **options)


def layer_count(mapping: ContextualMapping) -> Verdict:
    """Layers, heads and head size counted on the built network, against the formula.

    The margin is 1/2 layer less the difference. The witness carries (counted, formula).
    """
    counts = count(mapping.stack(), mapping.length)
    off = abs(counts.layers - mapping.formula) + max(counts.heads - 2, 0) + max(counts.head_dim - 1, 0)
    objects = (counts, mapping.formula)
    witness = Witness(f"counted {counts}, the formula says {mapping.formula} layers", objects) if off else None
    return Verdict(not off, 0.5 - off, witness, COUNT, 1, "layers", [str(counts)])


def blocks(
    mapping: ContextualMapping,
    normalizer: Normalizer | None = None,
    *,
    dtype: torch.dtype = torch.float64,
    sequences: Sequences | None = None,
) -> Verdict:
    """Names of the real attention stack against the exact ones: within half a unit of δ for all sequences.

    normalizer: hardmax unless given, such as softmax(λ).

    The margin is 1/2 less the largest difference, in units of δ. The witness carries (sequence, token, got, exact).
    """
    sequences = mapping.sequences() if sequences is None else sequences
    got = block_names(mapping, sequences, normalizer, dtype=dtype)
    exact = mapping.names(sequences)
    error = (got - torch.tensor(exact.astype(np.float64))).abs().nan_to_num(torch.inf)
    worst = error.max().item()
    hard = normalizer is None or normalizer.name.startswith("hardmax")
    statement = BLOCKS.under(hard=hard, precise=dtype == torch.float64)
    options = dict(statement=statement, checked=len(sequences), unit="units of delta")
    if worst < 0.5:
        return Verdict(True, 0.5 - worst, **options)
    i, k = (error == worst).nonzero()[0].tolist()
    objects = (speak(sequences[i : i + 1])[0], k, got[i, k].item(), int(exact[i, k]))
    text = "token {1} of {0} is named {2:,.1f}, exactly {3:,}".format(*objects)
    return Verdict(False, 0.5 - worst, Witness(text, objects), **options)


def block_names(
    mapping: ContextualMapping,
    sequences: Sequences,
    normalizer: Normalizer | None = None,
    *,
    dtype: torch.dtype = torch.float64,
) -> Float[Tensor, "sequence token"]:
    """The names that the real attention stack computes, in units of δ, as float64.

    sequences: integers in units of δ. The ids are read off with uᵀ in `dtype`, then scaled in float64.
    """
    x = torch.tensor(sequences.astype(np.float64)) / mapping.levels
    u = torch.tensor(code(mapping.levels, mapping.dim), dtype=dtype)
    out = mapping.stack(normalizer, dtype)(x.to(dtype))
    return (out @ u).double() * mapping.levels


def _bad_sequences(mapping: ContextualMapping, marker: int) -> Sequences:
    """All sequences over {-J, 0, …, 1/δ - 1} that are out of range somewhere or (without positions) repeat a column."""
    columns = list(itertools.product((-marker, *range(mapping.levels)), repeat=mapping.dim))
    size = len(columns) ** mapping.length
    if size > 4 * LARGEST:
        raise ValueError(f"levels, dim, length: {size:,} sequences with markers, wanted at most {4 * LARGEST:,}")
    if mapping.positions:
        every = itertools.product(columns, repeat=mapping.length)
    else:
        every = itertools.combinations_with_replacement(columns, mapping.length)
    sequences = np.array(list(every), dtype=object)
    outside = (sequences < 0).any(axis=(1, 2))
    if mapping.positions:
        return sequences[outside]
    ids = np.sort(column_ids(sequences, mapping.levels), axis=1)
    return sequences[outside | (ids[:, 1:] == ids[:, :-1]).any(axis=1)]

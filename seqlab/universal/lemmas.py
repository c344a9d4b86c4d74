"""What the proof of Lemma 6 says on the way, each as a verdict on a `ContextualMapping`.

| paper (Yun et al. 2019)                                       | name              |
| ------------------------------------------------------------- | ----------------- |
| closed form of l̃_j                                            | closed_form       |
| Lemma 10: bounds on l̃_n                                       | bounds            |
| Lemma 6, properties 3 and 4: [t_l, t_r] separates good names  | range_of_names    |
| δ^-d + 1 and n δ^-d + 1 attention layers, 2 heads of size 1   | layer_count       |
| real attention heads give the same names                      | blocks            |
"""

import itertools
from fractions import Fraction

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seqlab.exact import Number
from seqlab.layers import count
from seqlab.normalizers import Hardmax, Normalizer
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness, judge
from seqlab.universal.mapping import LARGEST, ContextualMapping, Sequences, speak

UNIT = "units of delta"

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
        Hypothesis("hard", "hardmax in every head, or a softmax steep enough for that in float64 (Lemma 9)"),
        Hypothesis("precise", "float64"),
    ),
)


def closed_form(mapping: ContextualMapping) -> Verdict:
    """The swept ids of all sequences equal the closed form, exactly.

    The margin is 1/2 unit less the largest difference. Witness: (sequence, swept, closed form), sorted.
    """
    sequences, n, gain = mapping.sequences(), mapping.length, mapping.gain
    ids = np.sort(mapping.ids(sequences), axis=1).astype(object)
    swept = np.sort(mapping.swept(sequences), axis=1).astype(object)
    steps = lambda j: sum(gain**k * (ids[:, j - k] - ids[:, j - k + 1]) for k in range(1, j + 1))
    want = np.stack([ids[:, j] + steps(j) + gain ** (j + 1) * (ids[:, n - 1] - ids[:, 0]) for j in range(n)], axis=1)
    worst = abs(swept - want).max(axis=1)
    at = int(worst.argmax())
    witness = Witness.of(
        "{}: the sweep gives {}, the closed form {}", speak(sequences)[at], tuple(swept[at]), tuple(want[at])
    )
    states = np.stack(mapping.program().trace(sequences[at : at + 1]).states[: -1 if mapping.spread else None])
    once = bool(((np.diff(states, axis=0) != 0).any(axis=-1).sum(axis=0) <= 1).all())
    statement = CLOSED_FORM.under(once=once)
    return judge(0.5 - worst[at], statement, witness=witness, checked=len(sequences), unit=UNIT)


def bounds(mapping: ContextualMapping) -> Verdict:
    """Lemma 10 on the largest id after the sweep of all sequences.

    The margin is the smallest slack of the three inequalities, plus 1 as equality is allowed in the first two. The
    witness carries (sequence, l̃_n, lower, upper), in units of δ.
    """
    columns, n, sequences = mapping.columns, mapping.length, mapping.sequences()
    lower, upper = columns ** (n - 1) * (columns - 1), columns**n * (columns - 1) - (columns - 1) ** 2
    largest = mapping.swept(sequences).max(axis=1)
    strict = mapping.levels * columns ** (n + 1)
    low, high = int(largest.min()), int(largest.max())
    slack = min(low - lower + 1, upper - high + 1, strict - high)
    at = int(largest.argmin() if low < lower else largest.argmax())
    witness = Witness.of("{} reaches {:,}, wanted {:,} to {:,}", speak(sequences)[at], int(largest[at]), lower, upper)
    statement = BOUNDS.under(gain=mapping.gain == columns, no_positions=not mapping.positions)
    notes = (f"{lower:,} ≤ observed {low:,} … {high:,} ≤ {upper:,} < {strict:,}",)
    return judge(slack, statement, witness=witness, checked=len(sequences), unit=UNIT, notes=notes)


def range_of_names(mapping: ContextualMapping, *, marker: int | None = None) -> Verdict:
    """Properties 3 and 4: no bad sequence of G_δ^+ has a name between the smallest and the largest good name.

    marker: J in units of δ, the paper's unless given; a small one breaks the statement. The margin is the smallest
    distance of a bad name from the range of good ones. The witness carries (sequence, token, name, smallest, largest).
    """
    marker = mapping.marker if marker is None else marker
    good, bad = mapping.names(mapping.sequences()), _bad_sequences(mapping, marker)
    smallest, largest, names = good.min(), good.max(), mapping.names(bad)
    distance = np.where(names < smallest, smallest - names, names - largest)
    nearest = int(distance.min())
    i, k = np.argwhere(distance == nearest)[0].tolist()
    witness = Witness.of(
        "token {1} of {0} is named {2:,}, good names lie in {3:,} … {4:,}",
        speak(bad[i : i + 1])[0],
        k,
        names[i, k],
        smallest,
        largest,
    )
    statement = RANGE.under(marker=marker == mapping.marker)
    return judge(nearest, statement, witness=witness, checked=len(bad), unit=UNIT)


def layer_count(mapping: ContextualMapping) -> Verdict:
    """Layers, heads and head size counted on the program and its module, against the formula.

    The margin is 1/2 layer less the difference. The witness carries (counted, formula).
    """
    size, real = mapping.program().count(mapping.length), count(mapping.program().module(), mapping.length)
    off = abs(size.layers - mapping.formula) + max(real.heads - 2, 0) + max(real.head_dim - 1, 0)
    witness = Witness(f"counted {size}, the formula says {mapping.formula} layers", (size, mapping.formula))
    return judge(0.5 - off, COUNT, witness=witness, checked=1, unit="layers", notes=(str(size),))


def blocks(
    mapping: ContextualMapping,
    normalizer: Normalizer | None = None,
    *,
    dtype: torch.dtype = torch.float64,
    delta: Number | None = None,
) -> Verdict:
    """Names of the real attention heads against the exact ones: within half a unit of δ for all sequences.

    normalizer: hardmax unless given, such as softmax(λ);  delta: see `block_names`

    The margin is 1/2 less the largest difference, in units of δ. The witness carries (sequence, token, got, exact).
    """
    sequences = mapping.sequences()
    exact = mapping.names(sequences)

    def named(dtype: torch.dtype) -> tuple[Float[Tensor, "sequence token"], Float[Tensor, "sequence token"]]:
        got = block_names(mapping, sequences, normalizer, dtype=dtype, delta=delta)
        return got, (got - torch.tensor(exact.astype(np.float64))).abs().nan_to_num(torch.inf)

    got, error = named(dtype)
    worst = error.max().item()
    i, k = (error == worst).nonzero()[0].tolist()
    witness = Witness.of(
        "token {1} of {0} is named {2:,.1f}, exactly {3:,}",
        speak(sequences[i : i + 1])[0],
        k,
        got[i, k].item(),
        exact[i, k],
    )
    hard = isinstance(normalizer, Hardmax | None) or bool(named(torch.float64)[1].max() < 0.5)
    statement = BLOCKS.under(hard=hard, precise=dtype == torch.float64)
    return judge(0.5 - worst, statement, witness=witness, checked=len(sequences), unit=UNIT)


def block_names(
    mapping: ContextualMapping,
    sequences: Sequences,
    normalizer: Normalizer | None = None,
    *,
    dtype: torch.dtype = torch.float64,
    delta: Number | None = None,
) -> Float[Tensor, "sequence token"]:
    """The names that real attention heads compute from tokens in [0, 1), in units of δ, as float64.

    sequences: integers in units of δ. The ids are read off with uᵀ in `dtype`, then scaled in float64.
    delta:     1 / levels unless given; 1 takes the tokens as they are
    """
    delta = Fraction(1, mapping.levels) if delta is None else delta
    module = mapping.program(delta).module(normalizer, dtype).requires_grad_(False)
    return module(torch.tensor(sequences.astype(np.float64)) * float(delta))[..., 0].double() / float(delta)


def _bad_sequences(mapping: ContextualMapping, marker: int) -> Sequences:
    """All sequences over {-J, 0, …, 1/δ - 1} that are out of range somewhere or (without positions) repeat a column."""
    columns = list(itertools.product((-marker, *range(mapping.levels)), repeat=mapping.dim))
    size = len(columns) ** mapping.length
    if size > 4 * LARGEST:
        raise ValueError(f"levels, dim, length: {size:,} sequences with markers, wanted at most {4 * LARGEST:,}")
    every = itertools.product(columns, repeat=mapping.length)
    if not mapping.positions:  # one of each reordering
        every = itertools.combinations_with_replacement(columns, mapping.length)
    bad = [row for row in every if min(map(min, row)) < 0 or not mapping.positions and len(set(row)) < len(row)]
    return np.array(bad, dtype=object)

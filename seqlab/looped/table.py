"""The table of the third stage: contextual token ids, and a value for each of them.

| paper symbol (Xu & Sato 2024, proof of Theorem 3.6)     | name here                                  |
| ------------------------------------------------------- | ------------------------------------------ |
| contextual token id k = (token id, sequence id)         | 2 δ^-Nd z + acc: `ContextualTable.id`      |
| y_k                                                     | `ContextualTable.labels`                   |
| K ≤ 2 δ^-(N+1)d                                         | `len(….labels)`, `StageLoops.values`       |

Between the contexts of one token and those of the next lie δ^-Nd ids that no input has (our reading of the factor 2).
There, and at sequence ids that no set of tokens has, the labels run in a straight line from one used id to the next:
so a large step between two used ids is cut into as many small ones as there are ids between them.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqlab.layers import Tokens
from seqlab.looped.digits import Rows, label_rows
from seqlab.looped.moduli import moduli
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness, judge
from seqlab.universal.quantiser import sizes
from seqlab.universal.values import Function, evaluate, symmetric

STEPS = Statement(
    "neighbouring ids, neighbouring labels",
    "Xu & Sato 2024, proof of Theorem 3.6, stage 3",
    "The largest step between the labels of neighbouring contextual ids is at most ω_tok(δ√d) + ω_cont(δ√(Nd)).",
    (
        Hypothesis("order", "the ids are ordered by token, then by context: the labels are not shuffled"),
        Hypothesis("neighbours", "consecutive ids are neighbouring cells: d = 1 and N ≤ 2, else a carry leaps"),
    ),
)

LARGEST = 5_000  # sets of tokens that a table lists


@dataclass(frozen=True)
class ContextualTable:
    """Labels of all contextual ids up to the last used one. Made by `contextual_table`.

    sets:    the sets of `length` different cells, as token ids in increasing order
    values:  (set, token) → y: f at the centres of the cells of the set
    f:       the function itself
    """

    levels: int
    dim: int
    length: int
    sets: tuple[tuple[int, ...], ...]
    values: dict[tuple[tuple[int, ...], int], tuple[float, ...]]
    f: Function
    shuffled: bool = False

    @property
    def columns(self) -> int:
        """δ^-d: different tokens."""
        return self.levels**self.dim

    def sequence_id(self, cells: tuple[int, ...]) -> int:
        """uᵀz over the ids in decreasing order."""
        return sum(z * self.columns**k for k, z in enumerate(sorted(cells)))

    def id(self, z: int | np.ndarray, sequence: int | np.ndarray) -> int | np.ndarray:
        """The contextual id of token z in a sequence, or of many."""
        return 2 * self.columns**self.length * z + sequence

    @cached_property
    def used(self) -> dict[int, tuple[float, ...]]:
        """Contextual id → label, for the ids that some input has."""
        found = {self.id(z, self.sequence_id(cells)): y for (cells, z), y in self.values.items()}
        return dict(sorted(found.items()))

    @cached_property
    def labels(self) -> Rows:
        """y_0, …, y_{K-1}, the ids that no input has filled in."""
        ids, values = zip(*self.used.items())
        every = np.arange(ids[-1] + 1)
        return label_rows(np.stack([np.interp(every, ids, column) for column in zip(*values)], axis=-1))

    @cached_property
    def moves(self) -> list[Fraction]:
        """|y_k - y_{k-1}|, the largest of the coordinates."""
        return [max(abs(b - a) for a, b in zip(*pair)) for pair in itertools.pairwise(self.labels)]

    @property
    def largest_step(self) -> float:
        """max_k |y_k - y_{k-1}|, the bound of Lemma 4.1 for this table."""
        return float(max(self.moves, default=0))

    def point(self, z: int, share: Fraction) -> list[Fraction]:
        """The point of cell z at this share of its width, in every coordinate."""
        return [(z // self.levels**i % self.levels + share) / self.levels for i in range(self.dim)]

    def centres(self, many: Iterable[Sequence[int]]) -> Tokens:
        """The centres of cells, repeated or not: "sequence token dim"."""
        points = [[[float(v) for v in self.point(z, Fraction(1, 2))] for z in cells] for cells in many]
        return torch.tensor(points, dtype=torch.float64)


def contextual_table(
    f: Function, levels: int, dim: int = 1, length: int = 2, *, shuffle: int | None = None
) -> ContextualTable:
    """f at the centre of every set of different cells.

    shuffle: a seed; the labels are dealt out anew, so that neighbouring ids no longer have neighbouring labels
    Raises ValueError on bad sizes, on more than 5,000 sets, and where f returns another shape, numbers that are not
    finite, or something else for the same tokens in another order.
    """
    sizes(levels, dim, length, shortest=1)
    columns = levels**dim
    if length > columns:
        raise ValueError(f"length: {length} different tokens wanted, the grid has {columns}; raise levels or dim")
    if math.comb(columns, length) > LARGEST:
        raise ValueError(
            f"levels, dim, length: {math.comb(columns, length):,} sets of tokens, wanted at most {LARGEST:,}"
        )
    sets = tuple(itertools.combinations(range(columns), length))
    made = ContextualTable(levels, dim, length, sets, {}, f, shuffle is not None)
    y = evaluate(f, made.centres(sets))
    if not symmetric(f, made.centres(sets)):
        raise ValueError(
            "f: not permutation equivariant, the centres of cells in another order get other values; wanted a function "
            "in which a token's value goes with the token"
        )
    labels = [tuple(token) for row in y.tolist() for token in row]
    if made.shuffled:
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(shuffle)).tolist()
        labels = [labels[k] for k in order]
    return replace(made, values=dict(zip([(cells, z) for cells in sets for z in cells], labels)))


def check_steps(made: ContextualTable, *, points: int | None = None) -> Verdict:
    """The largest step of the labels of a table against the two moduli, found by program. Margin: the difference.

    With d ≥ 2 or N ≥ 3 some consecutive ids are far apart, as 09 and 10 are: a digit is carried over, and a token or
    one of the others leaps from one end of a coordinate to its other end, in fewer ids than it passes cells.
    """
    terms = dict(length=made.length, dim=made.dim, points=points or 4 * made.levels + 1, p=math.inf)
    token = moduli(made.f, math.sqrt(made.dim) / made.levels, **terms).token.value
    context = moduli(made.f, math.sqrt(made.length * made.dim) / made.levels, **terms).contextual.value
    limit, step, k = token + context, made.largest_step, made.moves.index(max(made.moves)) + 1
    why = Witness(f"from id {k - 1} to id {k} the label moves by {step:.4g}, more than {limit:.4g}", (k - 1, k))
    note = f"largest step {step:.4g}, token modulus {token:.4g}, contextual modulus {context:.4g}"
    statement = STEPS.under(order=not made.shuffled, neighbours=made.dim == 1 and made.length <= 2)
    holds, checked = step <= limit, len(made.moves)
    return judge(limit - step, statement, witness=why, holds=holds, checked=checked, notes=(note,))


def floor_ids(x: Float[Tensor, "*batch dim"], levels: int) -> Int[Tensor, "*batch"]:
    """What stage 1 is to compute: Σ_i δ^-i ⌊x_i/δ⌋, and the last cell for x_i = 1."""
    cells = torch.floor(x * levels).clamp(max=levels - 1).long()
    return (cells * levels ** torch.arange(x.shape[-1])).sum(-1)

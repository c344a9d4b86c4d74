"""Attention names, a table answers: one head of rank one and one ReLU layer that fit any consistent labelling.

| symbol (Kajitsuka & Sato 2023, Corollary 1)                        | name                              |
| ------------------------------------------------------------------ | --------------------------------- |
| Y: equal tokens in equal sets have equal labels                    | sequences.inconsistency           |
| F_FF, and F_FF ∘ F_SA                                              | hinges, OneLayerMemoriser.network |
| 4(s + d) + d(2nN + d) parameters                                   | Parameters.corollary              |

The scale κ is the one whose names float64 keeps furthest apart, which is well below the theorem's: smaller separations
than the theorem's κ gives cannot be stored in a float. Where no scale is good enough, names are compared in exact
arithmetic, and the table reads their ranks.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqlab.layers import ResidualBlock, linear
from seqlab.one_layer import mapping
from seqlab.one_layer.head import RankOneHead
from seqlab.one_layer.sequences import Data, Labels, inconsistency, read, read_labels, targets
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness, judge

LARGEST = 5000  # tokens in all sequences together
HEADROOM = 3.0  # orders of magnitude that ids must lie above the rounding of float64

COROLLARY_1 = Statement(
    "Corollary 1",
    "Kajitsuka & Sato 2023, Corollary 1",
    "One softmax head of rank one and one ReLU layer fit every labelling that depends on (token, set) only.",
    (
        Hypothesis("consistent", "equal tokens in equal sets have equal labels"),
        Hypothesis("distinct", "no token is repeated inside a sequence"),
        Hypothesis("nonzero", "no token is zero"),
        Hypothesis("length", "all sequences have the same length"),
    ),
)


def hinges(ids: Float[Tensor, "id"], labels: Float[Tensor, "id out"], direction: Float[Tensor, "dim"]) -> nn.Sequential:
    """A look-up table as W_1, b_1, ReLU, W_2, b_2: at every id, z = direction · x, its label, and flat around it.

        y(z) = y_1 + Σ_k (y_{k+1} - y_k) [ReLU(s_k (z - lo_k)) - ReLU(s_k (z - hi_k))],   s_k = 1 / (hi_k - lo_k)

    lo_k and hi_k lie a quarter and three quarters of the way from id k to id k+1: two hinges per change of label, none
    between neighbours with equal ones.
    """
    order = ids.argsort()
    z, y = ids[order], labels[order]
    changes = (y.diff(dim=0) != 0).any(dim=-1)
    left, gap, steps = z[:-1][changes], z.diff()[changes], y.diff(dim=0)[changes].T
    low, high, slope = left + gap / 4, left + 3 * gap / 4, 2 / gap
    up = linear(torch.cat([slope, slope])[:, None] * direction, torch.cat([-slope * low, -slope * high]))
    return nn.Sequential(up, nn.ReLU(), linear(torch.cat([steps, -steps], dim=1), y[0]))


@dataclass(frozen=True)
class Parameters:
    """The size of a memoriser: numbers in its matrices, by formula, and what the corollary says."""

    counted: int
    formula: int
    corollary: int
    hidden: int

    def __str__(self) -> str:
        return (
            f"{self.counted:,} numbers in the matrices; formula 4sd + hidden (d + out + 1) + out = {self.formula:,}; "
            f"{self.hidden:,} ReLUs, two for each of {self.hidden // 2:,} changes of label; "
            f"the corollary's 4(s+d) + d(2nN+d) = {self.corollary:,}"
        )


@dataclass(frozen=True)
class OneLayerMemoriser:
    """The network that knows a labelled data set by heart. Made by `memorise`.

    classes:  None where labels are numbers;  wanted: what the network should return for each token
    table:    reads ids along v, or where float64 is too coarse the ranks that they have in exact arithmetic
    """

    head: RankOneHead
    labels: Labels
    classes: list | None
    wanted: Float[Tensor, "place out"]
    table: nn.Sequential
    arithmetic: Literal["float64", "exact"]

    @cached_property
    def network(self) -> nn.Sequential:
        """`W_2 ReLU(W_1 z + b_1) + b_2`, z = x + attention(x), in float64. Raises ValueError where the table is exact.

        The read-out has no residual: it need not be cancelled.
        """
        if self.arithmetic == "exact":
            raise ValueError(
                "arithmetic: the ids are closer than float64 can hold, so there are no float64 layers; use predict"
            )
        return nn.Sequential(ResidualBlock(self.head.module(), None), *self.table).requires_grad_(False)

    def outputs(self, data: Data) -> list[Float[Tensor, "token out"]]:
        """What the network returns for every sequence; in exact arithmetic for the memorised data only."""
        if self.arithmetic == "float64":
            return data.each(self.network)
        if data is not self.head.data:
            raise ValueError(
                "sequences: in exact arithmetic only the memorised sequences can be looked up; leave it out"
            )
        ranks = [
            [[self.head.exact_ranks[data.context(i, k)]] for k in range(len(row))] for i, row in enumerate(data.coded)
        ]
        return [self.table(torch.tensor(row, dtype=torch.float64)).detach() for row in ranks]

    def predict(self, sequences: Iterable | Data | None = None) -> Labels:
        """The label of every token: the number itself, or the nearest class; None where a network returns no number."""
        data = self.head.data if sequences is None else read(sequences)
        return [[self._label(y) for y in rows] for rows in self.outputs(data)]

    def _label(self, y: Float[Tensor, "out"]) -> object:
        if self.classes is None:
            return y.item() if len(y) == 1 else tuple(y.tolist())
        return self.classes[min(max(round(y.item()), 0), len(self.classes) - 1)] if y.isfinite().all() else None

    @property
    def slack(self) -> Float[Tensor, "place"]:
        """How far every memorised token's output is from being wrong, its error subtracted; -inf for no number.

        An error is allowed to be half the distance of classes, or for numbers a millionth of the label (at least of 1)
        or of the range of all labels, whichever is smaller.
        """
        want = self.wanted
        error = (torch.cat(self.outputs(self.head.data)) - want).abs().amax(dim=-1).nan_to_num(math.inf)
        if self.classes is not None:
            return 0.5 - error
        whole = (want.amax(dim=0) - want.amin(dim=0)).max().item() or 1.0
        return 1e-6 * want.abs().amax(dim=-1).clamp(1.0, whole) - error

    @property
    def fit(self) -> float:
        """The share of memorised tokens that get their label (see `slack`)."""
        return (self.slack > 0).double().mean().item()

    @property
    def parameters(self) -> Parameters:
        """Counted on the layers (in exact arithmetic: by their sizes)."""
        data, out, hidden = self.head.data, self.wanted.shape[1], self.table[0].out_features
        formula = 4 * data.dim + hidden * (data.dim + out + 1) + out
        counted = formula if self.arithmetic == "exact" else sum(p.numel() for p in self.network.parameters())
        return Parameters(counted, formula, 4 * (1 + data.dim) + data.dim * (2 * len(self.wanted) + data.dim), hidden)

    def check(self) -> Verdict:
        """Corollary 1 on this data set: every label is right.

        The margin is the smallest `slack`. The witness carries (sequence, position, output, label).
        """
        data, slack = self.head.data, self.slack

        def worst() -> Witness:
            i, k = data.places[slack.argmin()]
            y, want = self.outputs(data)[i][k].tolist(), self.labels[i][k]
            return Witness(f"token {k} of sequence {i}: the network gives {y}, the label is {want}", (i, k, y, want))

        headroom = f"{self.head.headroom:.1f} orders of magnitude of headroom in float64"
        notes = [f"κ = {self.head.kappa:.4g}, {self.arithmetic} arithmetic, {headroom}", str(self.parameters)]
        if not data.hypotheses["distinct"]:
            notes.append(
                "tokens are repeated: the table lists multisets, which the theorem does not cover; it works here"
            )
        statement = COROLLARY_1.under(**data.hypotheses)
        return judge(slack.min().item(), statement, witness=worst, checked=len(slack), notes=notes)


def memorise(
    sequences: Iterable | Data,
    labels: Iterable[Iterable[object]],
    *,
    kappa: float | None = None,
    seed: int = 0,
    watch: Callable[[int], object] = lambda names: None,
) -> OneLayerMemoriser:
    """The network that gives every token of every sequence its label.

    labels:  per sequence one label per token: all numbers (or tuples of numbers), or classes of any other kind
    kappa:   the scale; the best one for float64 unless given (`best_scale`)
    watch:   called with the number of all names before each exact one that is computed; it may raise, to stop that

    The arithmetic is float64 where the ids are HEADROOM above its rounding and all labels come out right, else exact.
    Where a token is repeated in a sequence, which the theorem excludes, labels may depend on how often it occurs.

    Raises ValueError for inconsistent labels (naming the two places), a token at zero of which nothing is seen, or more
    than 5,000 tokens.
    """
    data = read(sequences)
    labels = read_labels(data, labels)
    if len(data.places) > LARGEST:
        raise ValueError(f"sequences: got {len(data.places):,} tokens, wanted at most {LARGEST:,}")
    classes, wanted = targets(labels)
    if witness := inconsistency(data, labels):
        raise ValueError(f"labels: {witness}")
    head = mapping.naming_head(data, kappa=kappa, seed=seed)
    head.names.watch = partial(watch, len(data.contexts))
    each = wanted[[*data.contexts.values()]]
    if head.headroom >= HEADROOM:
        table = hinges(head.along, each, head.direction)
        made = OneLayerMemoriser(head, labels, classes, wanted, table, "float64")
        if made.fit == 1:
            return made
    near, places = mapping.closest(head)
    if near == -math.inf:
        both = " and ".join(f"token {k} of {data.show(i)}" for i, k in places)
        raise ValueError(
            f"sequences: {both} have exactly the same id at every digit; "
            "is the token zero? It sees the average of its sequence only"
        )
    ranks = torch.tensor([head.exact_ranks[context] for context in data.contexts], dtype=torch.float64)
    table = hinges(ranks, each, torch.ones(1, dtype=torch.float64))
    return OneLayerMemoriser(head, labels, classes, wanted, table, "exact")

"""Attention names, a table answers: one head of rank one and one ReLU layer that fit any consistent labelling.

| symbol (Kajitsuka & Sato 2023, Corollary 1)                        | name                            |
| ------------------------------------------------------------------ | ------------------------------- |
| Y: equal tokens in equal sets have equal labels                    | labels.inconsistency            |
| F_FF ∘ F_SA                                                        | OneLayerMemoriser.network       |
| 4(s + d) + d(2nN + d) parameters                                   | Parameters.corollary            |

The scale κ is the one whose names float64 keeps furthest apart, which is well below the theorem's: smaller separations
than the theorem's κ gives cannot be stored in a float. Where no scale is good enough, the table is kept in exact
arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqlab.layers import SelfAttention, Tokens
from seqlab.one_layer import mapping
from seqlab.one_layer.head import RankOneHead
from seqlab.one_layer.hinges import HingeTable, hinge_table
from seqlab.one_layer.labels import Around, Label, Labels, clash, classes_of, read_labels, targets
from seqlab.one_layer.scale import naming_head
from seqlab.one_layer.separated import Data, read
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness, judge

Arithmetic = Literal["auto", "float64", "exact"]

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


class Network(nn.Module):
    """`W_2 ReLU(W_1 z + b_1) + b_2`, z = x + attention(x). The read-out has no residual: it need not be cancelled."""

    def __init__(self, attention: SelfAttention, up: nn.Linear, down: nn.Linear):
        super().__init__()
        self.attention, self.up, self.down = attention, up, down

    def forward(self, x: Tokens) -> Float[Tensor, "batch token out"]:
        return self.down(torch.relu(self.up(x + self.attention(x))))


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
    """The network that knows a labelled data set by heart. Made by `memorise`."""

    head: RankOneHead
    labels: Labels
    classes: tuple[Label, ...] | None
    table: HingeTable
    arithmetic: Literal["float64", "exact"]
    context: Around
    headroom: float  # orders of magnitude of the closest two ids above the rounding of float64

    @cached_property
    def network(self) -> Network:
        """The layers in float64. Raises ValueError where the table is exact."""
        if self.arithmetic == "exact":
            raise ValueError(
                "arithmetic: the ids are closer than float64 can hold, so there are no float64 layers; use predict"
            )
        return Network(self.head.module(), *self.table.layers(self.head.direction))

    def outputs(self, data: Data) -> Float[Tensor, "place out"]:
        """What the network returns for every token; in exact arithmetic for the memorised data only."""
        if self.arithmetic == "float64":
            return data.each(self.network)
        if data is not self.head.data:
            raise ValueError(
                "sequences: in exact arithmetic only the memorised sequences can be looked up; leave it out"
            )
        ids = self.head.exact_ids(self.table.low[0].context.dps if self.table.low else 40)
        found = {context: self.table.look_up(z) for context, z in ids.items()}
        return torch.stack([found[token, bag] for row, bag in zip(data.coded, data.bags) for token in row])

    def predict(self, sequences: Iterable | Data | None = None) -> list[list[Label]]:
        """The label of every token: the number itself, or the nearest class; None where a network returns no number."""
        data = self.head.data if sequences is None else read(sequences)
        return data.rows([self._label(y) for y in self.outputs(data)])

    @property
    def slack(self) -> Float[Tensor, place]:
        """How far every memorised token's output is from being wrong, its error subtracted; -inf for no number.

        An error is allowed to be half the distance of classes, or for numbers a millionth of the label (at least of 1)
        or of the range of all labels, whichever is smaller.
        """
        want = targets(self.labels, self.classes)
        error = (self.outputs(self.head.data) - want).abs().amax(dim=-1).nan_to_num(math.inf)
        if self.classes is not None:
            return 0.5 - error
        whole = (self.table.values.amax(dim=0) - self.table.values.amin(dim=0)).max().item() or 1.0
        return 1e-6 * want.abs().amax(dim=-1).clamp(min=1.0).clamp(max=whole) - error

    @property
    def fit(self) -> float:
        """The share of memorised tokens that get their label (see `slack`)."""
        return (self.slack > 0).double().mean().item()

    @property
    def parameters(self) -> Parameters:
        """Counted on the layers (in exact arithmetic: by their sizes)."""
        data, s, d = self.head.data, self.head.size, self.head.data.dim
        hidden, out = self.table.hidden, self.table.values.shape[1]
        formula = 4 * s * d + hidden * (d + out + 1) + out
        counted = formula if self.arithmetic == "exact" else sum(p.numel() for p in self.network.parameters())
        return Parameters(counted, formula, 4 * (s + d) + d * (2 * data.tokens + d), hidden)

    def check(self) -> Verdict:
        """Corollary 1 on this data set: every label is right.

        The margin is the smallest `slack`. The witness carries (sequence, position, output, label).
        """
        data, slack = self.head.data, self.slack

        def worst() -> Witness:
            at = int(slack.argmin())
            i, k = [(i, k) for i, row in enumerate(data.coded) for k in range(len(row))][at]
            y, want = self.outputs(data)[at].tolist(), self.labels[i][k]
            return Witness(f"token {k} of sequence {i}: the network gives {y}, the label is {want}", (i, k, y, want))

        notes = [
            (
                f"κ = {self.head.kappa:.4g}, {self.arithmetic} arithmetic, "
                f"{self.headroom:.1f} orders of magnitude of headroom in float64"
            ),
            str(self.parameters),
        ]
        if self.context == "multiset":
            notes.append(
                "tokens are repeated: the table lists multisets, which the theorem does not cover; it works here"
            )
        statement = COROLLARY_1.under(**data.hypotheses)
        return judge(slack.min().item(), statement, witness=worst, checked=data.tokens, notes=notes)

    def _label(self, y: Float[Tensor, out]) -> Label:
        if self.classes is None:
            return y.item() if len(y) == 1 else tuple(y.tolist())
        return self.classes[min(max(round(y.item()), 0), len(self.classes) - 1)] if y.isfinite().all() else None


def memorise(
    sequences: Iterable | Data,
    labels: Iterable[Iterable[object]],
    *,
    kappa: float | None = None,
    arithmetic: Arithmetic = "auto",
    context: Around = "set",
    size: int = 1,
    candidates: int = 400,
    seed: int = 0,
) -> OneLayerMemoriser:
    """The network that gives every token of every sequence its label.

    labels:      per sequence one label per token: all numbers (or tuples of numbers), or classes of any other kind
    kappa:       the scale; the best one for float64 unless given (`best_scale`)
    arithmetic:  "auto" takes float64 where the ids are HEADROOM above its rounding and all labels come out right
    context:     "multiset" allows repeated tokens, and lets labels depend on how often a token occurs

    Raises ValueError for inconsistent labels (naming the two places), repeated tokens under "set", a token at zero of
    which nothing is seen, two ids that coincide in the arithmetic, or more than 5,000 tokens.
    """
    for name, got, wanted in (
        ("arithmetic", arithmetic, ("auto", "float64", "exact")),
        ("context", context, ("set", "multiset")),
    ):
        if got not in wanted:
            raise ValueError(f"{name}: got {got!r}, wanted one of {', '.join(wanted)}")
    data = read(sequences)
    labels = read_labels(data, labels)
    if data.tokens > LARGEST:
        raise ValueError(f"sequences: got {data.tokens:,} tokens, wanted at most {LARGEST:,}")
    if context == "set" and data.repeats:
        at = data.repeats[0]
        raise ValueError(
            f"sequences[{at}]: {data.show(at)} repeats a token, which the theorem excludes (its names depend on how "
            "often a token occurs); context='multiset' tries it all the same"
        )
    if witness := clash(data, labels, context):
        raise ValueError(f"labels: {witness}")
    head, headroom = naming_head(data, kappa=kappa, size=size, candidates=candidates, seed=seed)
    classes = classes_of(labels)
    wanted = targets(labels, classes)[data.first]
    options = dict(head=head, labels=labels, classes=classes, context=context, headroom=headroom)
    if arithmetic == "float64" or (arithmetic == "auto" and headroom >= HEADROOM):
        ids = (head.context_ids() @ head.direction).tolist()
        made = OneLayerMemoriser(table=hinge_table(ids, wanted), arithmetic="float64", **options)
        if arithmetic == "float64" or made.fit == 1:
            return made
    ids = head.exact_ids(_digits(head, context))
    return OneLayerMemoriser(table=hinge_table([*ids.values()], wanted), arithmetic="exact", **options)


def _digits(head: RankOneHead, context: Around) -> int:
    """Enough for the closest two ids, and 30 more."""
    near = mapping.closest(head, multiset=context == "multiset")
    if near.log10 == -math.inf:
        places = " and ".join(f"token {k} of {head.data.show(i)}" for i, k in near.places)
        raise ValueError(
            f"sequences: {places} have exactly the same id at every digit; "
            "is the token zero? It sees the average of its sequence only"
        )
    return 30 + max(0, math.ceil(-near.log10)) if math.isfinite(near.log10) else 40

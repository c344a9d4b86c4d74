"""Attention names, a table answers: one head of rank one and one ReLU layer that fit any consistent labelling.

| symbol (Kajitsuka & Sato 2023, Corollary 1)                        | name                            |
| ------------------------------------------------------------------ | ------------------------------- |
| Y: equal tokens in equal sets have equal labels                    | inconsistency                   |
| F_FF ∘ F_SA                                                        | Memoriser.network               |
| 4(s + d) + d(2nN + d) parameters                                   | corollary; Memoriser.parameters |

The scale κ is the one whose names float64 keeps furthest apart, which is well below the theorem's: smaller separations
than the theorem's κ gives cannot be stored in a float. Where no scale is good enough, the table is kept in exact arithmetic.
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
from seqlab.one_layer import mapping, separated
from seqlab.one_layer.head import RankOneHead
from seqlab.one_layer.labels import Context, Label, classes_of, inconsistency, label_rows, targets
from seqlab.one_layer.logspace import Names
from seqlab.one_layer.scale import naming_head
from seqlab.one_layer.separated import Data
from seqlab.one_layer.table import Table, table
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness

Arithmetic = Literal["auto", "float64", "exact"]

LARGEST = 5000  # tokens in all sequences together
ROOM = 3.0  # decades that ids must lie above the rounding of float64

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
    changes: int

    def __str__(self) -> str:
        return (
            f"{self.counted:,} numbers in the matrices; formula 4sd + hidden (d + out + 1) + out = {self.formula:,}; "
            f"{self.hidden:,} ReLUs, two for each of {self.changes:,} changes of label; the corollary's 4(s+d) + d(2nN+d) = {self.corollary:,}"
        )


@dataclass(frozen=True)
class Memoriser:
    """The network that knows a labelled data set by heart. Made by `memorise`."""

    head: RankOneHead
    labels: tuple[tuple[Label, ...], ...]
    classes: tuple[Label, ...] | None
    table: Table
    arithmetic: Literal["float64", "exact"]
    context: Context
    room: float  # decades of the closest two ids above the rounding of float64

    @cached_property
    def network(self) -> Network:
        """The layers in float64. Raises ValueError where the table is exact."""
        if self.arithmetic == "exact":
            raise ValueError(
                "arithmetic: the ids are closer than float64 can hold, so there are no float64 layers; use predict"
            )
        return Network(self.head.module(), *self.table.layers(self.head.direction))

    def outputs(self, sequences: Iterable | Data | None = None) -> list[list[Tensor]]:
        """What the network returns for every token; in exact arithmetic for the memorised sequences only."""
        if self.arithmetic == "float64":
            known = self.head.data if sequences is None else separated.data(sequences)
            blocks = separated.tensor(known)
            return separated.scatter(known, {n: (at, self.network(x)) for n, (at, x) in blocks.items()})
        if sequences is not None:
            raise ValueError(
                "sequences: in exact arithmetic only the memorised sequences can be looked up; leave it out"
            )
        known = self.head.data
        ids = _exact_ids(self.head, self.table.low[0].context.dps if self.table.low else 40)
        found = {key: self.table.look_up(z) for key, z in zip(known.places, ids)}
        return [[found[token, bag] for token in row] for row, bag in zip(known.coded, known.bags)]

    def predict(self, sequences: Iterable | Data | None = None) -> list[list[Label]]:
        """The label of every token: the number itself, or the nearest class."""
        return [[self._label(y) for y in row] for row in self.outputs(sequences)]

    @property
    def fit(self) -> float:
        """The share of memorised tokens that get their label (numbers: to a millionth, see `check`)."""
        right = [self._right(y, want) for row, wants in zip(self.outputs(), self.labels) for y, want in zip(row, wants)]
        return sum(right) / len(right)

    @property
    def parameters(self) -> Parameters:
        """Counted on the layers (in exact arithmetic: by their sizes)."""
        known, s, d = self.head.data, self.head.size, self.head.data.dim
        hidden, out = self.table.hidden, self.table.values.shape[1]
        formula = 4 * s * d + hidden * (d + out + 1) + out
        counted = formula if self.arithmetic == "exact" else sum(p.numel() for p in self.network.parameters())
        return Parameters(counted, formula, corollary(known, s), hidden, hidden // 2)

    def check(self) -> Verdict:
        """Corollary 1 on this data set: every label is right.

        The margin is how far the worst output is from being wrong, its error subtracted: half the distance of classes,
        for numbers a millionth of the label (at least of 1) or of the range of all labels, whichever is smaller. The
        witness carries (sequence, position, output, label).
        """
        known = self.head.data
        statement = COROLLARY_1.under(
            distinct=all(len(s) == len(row) for s, row in zip(known.sets, known.coded)),
            nonzero=self.head.separation.r_min > 0,
            length=len({len(row) for row in known.coded}) == 1,
        )
        margin, at = min(
            (self._slack(y, want), (i, k, y.tolist(), want))
            for i, (row, wants) in enumerate(zip(self.outputs(), self.labels))
            for k, (y, want) in enumerate(zip(row, wants))
        )
        witness = (
            None
            if margin > 0
            else Witness("token {1} of sequence {0}: the network gives {2}, the label is {3}".format(*at), at)
        )
        notes = [
            f"κ = {self.head.kappa:.4g}, {self.arithmetic} arithmetic, {self.room:.1f} decades of room in float64",
            str(self.parameters),
        ]
        if self.context == "multiset":
            notes.append(
                "tokens are repeated: the table lists multisets, which the theorem does not cover; it works here"
            )
        return Verdict(witness is None, margin, witness, statement, known.tokens, notes=notes)

    def _target(self, label: Label) -> list[float]:
        return targets([label], self.classes)[0]

    def _error(self, y: Tensor, want: Label) -> float:
        return (y - torch.tensor(self._target(want), dtype=torch.float64)).abs().max().item()

    def _allowed(self, want: Label) -> float:
        if self.classes is not None:
            return 0.5
        spread = (self.table.values.amax(0) - self.table.values.amin(0)).max().item()
        return 1e-6 * min(spread or 1.0, max(1.0, *map(abs, self._target(want))))

    def _slack(self, y: Tensor, want: Label) -> float:
        error = self._error(y, want)
        return self._allowed(want) - error if math.isfinite(error) else -math.inf

    def _right(self, y: Tensor, want: Label) -> bool:
        return self._slack(y, want) > 0

    def _label(self, y: Tensor) -> Label:
        if self.classes is None:
            return y.item() if len(y) == 1 else tuple(y.tolist())
        return self.classes[min(max(round(y.item()), 0), len(self.classes) - 1)] if y.isfinite().all() else None


def corollary(known: Data, size: int = 1) -> int:
    """4(s + d) + d(2nN + d), nN the number of labels."""
    return 4 * (size + known.dim) + known.dim * (2 * known.tokens + known.dim)


def memorise(
    sequences: Iterable | Data,
    labels: Iterable[Iterable[object]],
    *,
    kappa: float | None = None,
    arithmetic: Arithmetic = "auto",
    context: Context = "set",
    size: int = 1,
    candidates: int = 400,
    seed: int = 0,
) -> Memoriser:
    """The network that gives every token of every sequence its label.

    labels:      per sequence one label per token: all numbers (or tuples of numbers), or classes of any other kind
    kappa:       the scale; the best one for float64 unless given (`best_scale`)
    arithmetic:  "auto" takes float64 where the ids are ROOM decades above its rounding and all labels come out right
    context:     "multiset" allows repeated tokens, and lets labels depend on how often a token occurs

    Raises ValueError for inconsistent labels (naming the two places), repeated tokens under "set", a token at zero of
    which nothing is seen, two ids that coincide exactly, or more than 5,000 tokens.
    """
    known = separated.data(sequences)
    for name, got, wanted in (
        ("arithmetic", arithmetic, ("auto", "float64", "exact")),
        ("context", context, ("set", "multiset")),
    ):
        if got not in wanted:
            raise ValueError(f"{name}: got {got!r}, wanted one of {', '.join(wanted)}")
    labels = label_rows(known, labels)
    if known.tokens > LARGEST:
        raise ValueError(f"sequences: got {known.tokens:,} tokens, wanted at most {LARGEST:,}")
    repeated = next((i for i, row in enumerate(known.coded) if len(set(row)) < len(row)), None)
    if context == "set" and repeated is not None:
        raise ValueError(
            f"sequences[{repeated}]: {known.show(repeated)} repeats a token, which the theorem excludes (its names depend on how "
            "often a token occurs); context='multiset' tries it all the same"
        )
    if clash := inconsistency(known, labels, context):
        raise ValueError(f"labels: {clash}")
    head, room = naming_head(known, kappa=kappa, size=size, candidates=candidates, seed=seed)
    classes = classes_of(labels)
    options = dict(head=head, labels=labels, classes=classes, context=context, room=room)
    if arithmetic == "float64" or (arithmetic == "auto" and room >= ROOM):
        made = Memoriser(table=_table(head, labels, classes, None), arithmetic="float64", **options)
        if arithmetic == "float64" or made.fit == 1:
            return made
    return Memoriser(table=_table(head, labels, classes, _digits(head, context)), arithmetic="exact", **options)


def _table(head: RankOneHead, labels: tuple, classes: tuple | None, digits: int | None) -> Table:
    known = head.data
    wanted = targets([labels[i][k] for [(i, k), *_] in known.places.values()], classes)
    if digits is not None:
        return table(_exact_ids(head, digits), wanted)
    rows = head.ids()
    places = [first for first, *_ in known.places.values()]
    ids = [(rows[i][k] @ head.direction).item() for i, k in places]
    holder: dict = {}
    for at, z in enumerate(ids):
        if wanted[before := holder.setdefault(z, at)] != wanted[at]:
            (i, k), (j, l) = places[before], places[at]
            raise ValueError(
                f"kappa: at {head.kappa:.4g} token {k} of {known.show(i)} and token {l} of {known.show(j)} have the same id in "
                "float64 and different labels; take a smaller scale, or arithmetic='exact'"
            )
    return table(ids, wanted)


def _digits(head: RankOneHead, context: Context) -> int:
    """Enough for the closest two ids, and 30 more."""
    nearest = mapping.closest(head, multiset=context == "multiset")
    near = nearest.log10
    if near == -math.inf:
        (i, k), (j, l) = nearest.places
        known = head.data
        raise ValueError(
            f"sequences: token {k} of {known.show(i)} and token {l} of {known.show(j)} have exactly the same id at every digit; "
            "is the token zero? It sees the average of its sequence only"
        )
    return 30 + max(0, math.ceil(-near)) if math.isfinite(near) else 40


def _exact_ids(head: RankOneHead, digits: int) -> list:
    """v·id of every context, in so many digits."""
    names = Names(head.projected, head.kappa, digits=digits)
    context = names.context
    tokens = [context.mpf(t.numerator) / t.denominator for t in head.projected]
    return [tokens[token] + context.mpf(head.shift) * names.name(token, bag) for token, bag in head.data.places]

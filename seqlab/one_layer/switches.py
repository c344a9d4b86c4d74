"""The whole theorem on one small data set, with a switch that breaks each of its hypotheses."""

from __future__ import annotations

import itertools
import math
import random

import torch

from seqlab.one_layer import mapping
from seqlab.one_layer.hardmax import summary
from seqlab.one_layer.head import RankOneHead, rank_one_head
from seqlab.one_layer.labels import clash, read_labels
from seqlab.one_layer.memoriser import memorise
from seqlab.one_layer.scale import best_scale
from seqlab.one_layer.separated import Data, read
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness, judge

STATEMENT = Statement(
    "one layer memorises",
    "Kajitsuka & Sato 2023, Theorem 2 and Corollary 1",
    "One head of rank one gives every (token, set) a name of its own, the same wherever they recur, and a ReLU layer"
    " turns names into labels.",
    (
        Hypothesis("softmax", "the head normalises with softmax"),
        Hypothesis("distinct", "no token is repeated inside a sequence"),
        Hypothesis("nonzero", "no token is zero"),
        Hypothesis("moderate", "the names differ by more than float64 rounds"),
        Hypothesis("consistent", "a label depends on (token, set) only"),
    ),
)
SWITCHES = {
    "hardmax": "hardmax heads, as many as you like",
    "repeated": "a token repeated in a sequence",
    "zero": "a token at zero",
    "hot": "the theorem's scale in float64",
    "order": "labels that depend on the order",
}


def check_one_layer(
    *,
    hardmax: bool = False,
    repeated: bool = False,
    zero: bool = False,
    hot: bool = False,
    order: bool = False,
    seed: int = 0,
) -> Verdict:
    """All sets of four of six numbers, random labels for every (token, set), one head, one table; each switch breaks
    one thing.

    hardmax:   the names are (smallest, largest, mean): all that any number of hardmax heads can know of a set of
               numbers
    repeated:  two more sequences, (1, 1, 2, 5) and (1, 2, 5, 5)
    zero:      the numbers 0 … 5 in place of 1 … 6
    hot:       the theorem's κ, evaluated in float64 (exact arithmetic still separates: see the notes)
    order:     one sequence more, a known one turned round, its labels by position

    The margin is in orders of magnitude: how far the closest two names that must differ lie above the rounding of
    float64; 0 where something else is wrong. The witness carries the two places ((sequence, position), (sequence,
    position)).
    """
    sequences = [list(s) for s in itertools.combinations(range(0 if zero else 1, 6 if zero else 7), 4)]
    sequences += [[1, 1, 2, 5], [1, 2, 5, 5]] if repeated else []
    sequences += [sequences[0][::-1]] if order else []
    data = read(sequences)
    draw, book = random.Random(seed), {}
    labels = [
        [book.setdefault((t, frozenset(bag)), draw.choice("abc")) for t in row]
        for row, bag in zip(data.coded, data.bags)
    ]
    if order:
        labels[-1] = [f"place {k}" for k in range(4)]
    best = best_scale(data, torch.ones(1, dtype=torch.float64))
    head = rank_one_head(data, best if not hot else 50.0 if zero else "theorem")
    near = mapping.closest(head)
    margin = near.log10 - math.log10(head.shift) - math.log10(data.r_max * 2.0**-52)
    notes = [
        f"κ = {head.kappa:.4g}: closest names 10^{near.log10 - math.log10(head.shift):.1f} apart; "
        f"float64 loses {mapping.collisions(head)} of {len(data.contexts)} names"
    ]
    if hardmax and (witness := _same_summary(data)):
        margin = -math.inf
        notes = ["the names of hardmax heads are (smallest, largest, mean) at most, whatever the scale"]
    elif margin <= 0:
        witness = _too_close(data, near, margin)
    elif not (witness := _two_names(head) or clash(data, read_labels(data, labels), "set")):
        made = memorise(data, labels, kappa=head.kappa, context="multiset" if repeated else "set")
        notes.append(f"{made.fit:.0%} of {data.tokens} labels right, {made.table.hidden} ReLUs")
        witness = made.check().witness
    return judge(
        0.0 if witness and margin > 0 else margin,
        STATEMENT.under(
            softmax=not hardmax, distinct=not repeated, nonzero=not zero, moderate=not hot, consistent=not order
        ),
        witness=witness,
        checked=len(data.contexts),
        unit="orders of magnitude above float64 rounding",
        notes=notes,
    )


def _same_summary(data: Data) -> Witness | None:
    """Two sets that hardmax heads cannot tell apart for a token of both."""
    seen: dict = {}
    for (token, bag), (i, k) in data.contexts.items():
        name = token, summary([data.vocabulary[b][0] for b in bag])
        before, (j, l) = seen.setdefault(name, (set(bag), (i, k)))
        if before != set(bag):
            text = f"token {data.show(i, k)} cannot tell {data.show(j)} from {data.show(i)}"
            return Witness(f"{text}: same smallest, largest and mean", ((j, l), (i, k)))
    return None


def _two_names(head: RankOneHead) -> Witness | None:
    """One token in one set with two names: what repeating does."""
    data, seen = head.data, {}
    for (token, bag), (i, k) in data.contexts.items():
        before, (j, l) = seen.setdefault((token, frozenset(bag)), (bag, (i, k)))
        if before != bag and head.names.difference((token, before), (token, bag)):
            text = f"token {data.show(i, k)} has one name in {data.show(j)} and another in {data.show(i)}"
            return Witness(f"{text}, though the sets are equal: boltz counts repetitions", ((j, l), (i, k)))
    return None


def _too_close(data: Data, near: mapping.Closest, margin: float) -> Witness:
    (i, k), (j, _) = near.places
    how = "exactly equal" if margin == -math.inf else f"10^{margin:.1f} of the rounding of float64 apart"
    text = f"token {data.show(i, k)} in {data.show(i)} and in {data.show(j)}: the names are {how}"
    if data.sequences[i][k] == (0,):
        text += ". Its scores are all zero, so it sees the average only"
    return Witness(text, near.places)

"""The whole theorem on one small data set, with a switch that breaks each of its hypotheses."""

from __future__ import annotations

import itertools
import math
import random

import torch

from seqlab.one_layer import hardmax as hard
from seqlab.one_layer import mapping, memoriser, separated
from seqlab.one_layer.head import RankOneHead, rank_one_head
from seqlab.one_layer.labels import inconsistency
from seqlab.one_layer.scale import best_scale
from seqlab.one_layer.separated import Data
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness

STATEMENT = Statement(
    "one layer memorises",
    "Kajitsuka & Sato 2023, Theorem 2 and Corollary 1",
    "One head of rank one gives every (token, set) a name of its own, the same wherever they recur, and a ReLU layer turns "
    "names into labels.",
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


def check(
    *,
    hardmax: bool = False,
    repeated: bool = False,
    zero: bool = False,
    hot: bool = False,
    order: bool = False,
    seed: int = 0,
) -> Verdict:
    """All sets of four of six numbers, random labels for every (token, set), one head, one table; each switch breaks one thing.

    hardmax:   the names are (smallest, largest, mean): all that any number of hardmax heads can know of a set of numbers
    repeated:  two more sequences, (1, 1, 2, 5) and (1, 2, 5, 5)
    zero:      the numbers 0 … 5 in place of 1 … 6
    hot:       the theorem's κ, evaluated in float64 (exact arithmetic still separates: see the notes)
    order:     one sequence more, a known one turned round, its labels by position

    The margin is in decades: how far the closest two names that must differ lie above the rounding of float64; 0 where
    something else is wrong. The witness carries the two places ((sequence, position), (sequence, position)).
    """
    sequences = [list(s) for s in itertools.combinations(range(0 if zero else 1, 6 if zero else 7), 4)]
    sequences += [[1, 1, 2, 5], [1, 2, 5, 5]] if repeated else []
    sequences += [sequences[0][::-1]] if order else []
    known = separated.data(sequences)
    draw, book = random.Random(seed), {}
    labels = [[book.setdefault((t, s), draw.choice("abc")) for t in row] for row, s in zip(known.coded, known.sets)]
    if order:
        labels[-1] = [f"place {k}" for k in range(4)]
    statement = STATEMENT.under(
        softmax=not hardmax, distinct=not repeated, nonzero=not zero, moderate=not hot, consistent=not order
    )
    head = rank_one_head(
        known,
        "theorem" if hot and not zero else 50.0 if hot else best_scale(known, torch.ones(1, dtype=torch.float64)),
    )
    margin, notes = _room(head)
    witness = _same_name_twice(known) if hardmax else None
    if witness:
        margin, notes = (
            -math.inf,
            ["the names of hardmax heads are (smallest, largest, mean) at most, whatever the scale"],
        )
    elif margin <= 0:
        witness = _too_close(head, margin)
    else:
        witness = _two_names(head) or inconsistency(known, labels)
        if witness is None:
            made = memoriser.memorise(known, labels, kappa=head.kappa, context="multiset" if repeated else "set")
            notes = [*notes, f"{made.fit:.0%} of {known.tokens} labels right, {made.table.hidden} ReLUs"]
            witness = None if made.fit == 1 else made.check().witness
        margin = margin if witness is None else 0.0
    return Verdict(
        witness is None, margin, witness, statement, len(known.places), "decades above float64 rounding", notes
    )


def _room(head: RankOneHead) -> tuple[float, list[str]]:
    """log10 of (closest two names / rounding of the largest), exactly, and what to say about it."""
    near = mapping.closest(head).log10 - math.log10(head.shift)
    rounding = math.log10(head.separation.r_max * 2.0**-52)
    lost = mapping.collisions(head)
    return near - rounding, [
        f"κ = {head.kappa:.4g}: closest names 10^{near:.1f} apart; float64 loses {lost} of {len(head.data.places)} names"
    ]


def _same_name_twice(known: Data) -> Witness | None:
    """Two sets that hardmax heads cannot tell apart for a token of both."""
    seen: dict = {}
    for (token, bag), [place, *_] in known.places.items():
        name = token, hard.summary(token, [known.vocabulary[b][0] for b in bag])
        (before, where) = seen.setdefault(name, (frozenset(bag), place))
        if before != frozenset(bag):
            (i, k), (j, _) = where, place
            text = f"token {separated.show(known.sequences[i][k])} cannot tell {known.show(i)} from {known.show(j)}: same smallest, largest and mean"
            return Witness(text, (where, place))
    return None


def _two_names(head: RankOneHead) -> Witness | None:
    """One token in one set with two names: what repeating does."""
    known, seen = head.data, {}
    for (token, bag), [place, *_] in known.places.items():
        before, where = seen.setdefault((token, frozenset(bag)), (bag, place))
        if before != bag and head.names.difference(token, before, bag):
            (i, k), (j, _) = where, place
            text = (
                f"token {separated.show(known.sequences[i][k])} has one name in {known.show(i)} and another in {known.show(j)}, "
                "though the sets are equal: boltz counts repetitions"
            )
            return Witness(text, (where, place))
    return None


def _too_close(head: RankOneHead, margin: float) -> Witness:
    known, near = head.data, mapping.closest(head)
    (i, k), (j, l) = near.places
    how = "exactly equal" if margin == -math.inf else f"10^{margin:.1f} of the rounding of float64 apart"
    text = (
        f"token {separated.show(known.sequences[i][k])} in {known.show(i)} and in {known.show(j)}: the names are {how}"
    )
    if float(known.sequences[i][k][0]) == 0:
        text += ". Its scores are all zero, so it sees the average only"
    return Witness(text, near.places)

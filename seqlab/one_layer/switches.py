"""The whole theorem on one small data set, with a switch that breaks each of its hypotheses."""

import itertools
import math
import random
from collections.abc import Iterator

from seqlab.one_layer import mapping
from seqlab.one_layer.hardmax import summary
from seqlab.one_layer.head import theorem_kappa
from seqlab.one_layer.memoriser import memorise
from seqlab.one_layer.sequences import inconsistency, read
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
    "sharp": "the theorem's scale in float64",
    "order": "labels that depend on the order",
}


def check_one_layer(
    *, hardmax: bool = False, repeated: bool = False, zero: bool = False, sharp: bool = False, order: bool = False
) -> Verdict:
    """All sets of four of six numbers, random labels for every (token, set), one head, one table; each switch breaks
    one thing.

    hardmax:   the names are (smallest, largest, mean): all that any number of hardmax heads can know of a set of
               numbers
    repeated:  two more sequences, (1, 1, 2, 5) and (1, 2, 5, 5)
    zero:      the numbers 0 … 5 in place of 1 … 6
    sharp:     the theorem's κ, evaluated in float64 (exact arithmetic still separates: see the notes)
    order:     one sequence more, a known one turned round, its labels by position

    The margin is in orders of magnitude: how far the closest two names that must differ lie above the rounding of
    float64; 0 where something else is wrong. The witness carries the two places ((sequence, position), (sequence,
    position)).
    """
    sequences = [*itertools.combinations(range(0 if zero else 1, 6 if zero else 7), 4)]
    sequences += [(1, 1, 2, 5), (1, 2, 5, 5)] * repeated
    data = read(sequences + [sequences[0][::-1]] * order)
    draw, book = random.Random(0), {}
    labels = [[book.setdefault((t, frozenset(row)), draw.choice("abc")) for t in row] for row in data.coded]
    if order:
        labels[-1] = [f"place {k}" for k in range(4)]
    head = mapping.naming_head(data, kappa=(50.0 if zero else theorem_kappa(data)) if sharp else None)
    near, places = mapping.closest(head)
    near -= math.log10(head.shift)  # names, not ids
    margin = near - math.log10(data.r_max * 2.0**-52)
    notes = [
        f"κ = {head.kappa:.4g}: closest names 10^{near:.1f} apart; "
        f"float64 loses {mapping.collisions(head)} of {len(data.contexts)} names"
    ]

    def told(pair: tuple | None, text: str) -> Witness | None:
        if pair:
            (i, k), (j, _) = pair
            return Witness(text.format(data.show(i, k), data.show(i), data.show(j)), pair)

    def refutations() -> Iterator[tuple[float, Witness | None]]:
        """What is wrong, if anything, with the margin that goes with it."""
        if hardmax:
            seen = lambda i, k: (data.coded[i][k], summary(data.vectors[list(data.coded[i]), 0].tolist()))
            text = "token {} cannot tell {} from {}: same smallest, largest and mean, and no hardmax head knows more"
            yield -math.inf, told(data.clash(seen, lambda i, k: set(data.bags[i])), text)
        if margin <= 0:
            how = "exactly equal" if margin == -math.inf else f"10^{margin:.1f} of the rounding of float64 apart"
            flat = ". The scores of 0 are all zero, so it sees the average only" if zero else ""
            yield margin, told(places, f"token {{}} in {{}} and in {{}}: the names are {how}{flat}")
        context = lambda i, k: (data.coded[i][k], frozenset(data.bags[i]))
        name = lambda i, k: head.names.name(data.context(i, k))
        text = "token {} has one name in {} and another in {}, though the sets are equal: boltz counts repetitions"
        yield 0.0, told(data.clash(context, name), text)
        yield 0.0, inconsistency(data, labels)
        made = memorise(data, labels, kappa=head.kappa)
        notes.append(f"{made.fit:.0%} of {len(data.places)} labels right, {made.parameters.hidden} ReLUs")
        yield 0.0, made.check().witness

    margin, witness = next(((m, w) for m, w in refutations() if w), (margin, None))
    return judge(
        margin,
        STATEMENT.under(
            softmax=not hardmax, distinct=not repeated, nonzero=not zero, moderate=not sharp, consistent=not order
        ),
        witness=witness,
        checked=len(data.contexts),
        unit="orders of magnitude above float64 rounding",
        notes=notes,
    )

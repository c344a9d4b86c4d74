"""The exercise of lab 07 on whom a function listens to: the contextual modulus of continuity."""

import torch

from seqlab.course.cases import double, drawn
from seqlab.course.check import Exercise, Mutant


def contextual_modulus(x, y, delta):
    """How far f of a token can move at most, if the token itself stands still and the sequence moves by at most δ.

    x, y: (sequence, token), the inputs on a grid, and f of them; distances of sequences are Euclidean -> a number
    """
    worst = 0.0
    for a in range(len(x)):
        for b in range(len(x)):
            if torch.linalg.vector_norm(x[a] - x[b]) <= delta:
                for n in range(x.shape[1]):
                    if x[a, n] == x[b, n]:
                        worst = max(worst, (y[a, n] - y[b, n]).abs().item())
    return worst


def _five():
    """Sequences of three tokens, from the first at distance 1, 5, √2 and more: the norms disagree about who is near."""
    return double([0, 0, 0], [0, 0.6, 0.8], [3, 0, 4], [1, 0, 1], [1, 0, 1.5])


def _modulus_cases():
    grids = {n: torch.cartesian_prod(*2 * [torch.linspace(0, 1, n, dtype=torch.float64)]) for n in (2, 3, 4)}
    deaf, listens, both = lambda x: 3 * x, lambda x: x.flip(1) ** 2, lambda x: x * x.mean(1, keepdim=True)
    plan = ((2, deaf, 1.0), (3, listens, 0.5), (3, both, 0.5), (4, listens, 0.7), (4, both, 0.8))
    return [
        *((grids[n], function(grids[n]), delta) for n, function, delta in plan),
        (double([0, 0], [0, 0.6], [0.8, 0.6]), double([0, 0], [1, 9], [9, 2]), 0.9),
        *(
            (_five(), double([0, 7, 1], [2, 3, 1], [0, -4, 3], [0, 8, -9], [0.8, 9, -9]), delta)
            for delta in (0.9, 1.1, 5.0)
        ),
    ]


def _own_token_still(result, x, y, delta):
    want = contextual_modulus(x, y, delta)
    if result > want + 1e-9:
        return (
            f"your pair gives {result:.4g}, but then the token itself has moved "
            f"or the sequences are more than δ = {delta:g} apart; with the token fixed it is {want:.4g}."
        )


def _largest(result, x, y, delta):
    want = contextual_modulus(x, y, delta)
    if result < want - 1e-9:
        return f"some pair gives {want:.4g}, yours says {result:.4g} is the largest."


MODULI = Exercise(
    id="looped.moduli",
    title="The contextual modulus, by looking at all pairs.",
    mark="•",
    reference=contextual_modulus,
    cases=_modulus_cases,
    properties=(
        ("keeps the token itself fixed and the sequences close", _own_token_still),
        ("finds the largest change", _largest),
    ),
    draw=lambda random: (
        x := random.choice((_five(), torch.cartesian_prod(*2 * [torch.linspace(0, 1, 3, dtype=torch.float64)]))),
        drawn(random, *x.shape),
        random.choice((0.5, 0.9, 1.1, 3.0)),
    ),
    hints=(
        "Three loops: over a, over b, over the token n. Two conditions decide whether a triple counts.",
        "The whole sequences are at most δ apart: torch.linalg.vector_norm(x[a] - x[b]) <= delta. "
        "And x[a, n] == x[b, n].",
        "Of all triples that pass both conditions keep the largest (y[a, n] - y[b, n]).abs().item(), "
        "starting from 0.0.",
    ),
    mutants=(
        Mutant(
            {"x[a, n] == x[b, n]": "True"},
            "keeps the token itself fixed and the sequences close",
            "The token itself may move here. That mixes in how much it listens to itself.",
        ),
        Mutant(
            {"torch.linalg.vector_norm(x[a] - x[b]) <= delta": "True"},
            "keeps the token itself fixed and the sequences close",
            "The distance of the sequences is never compared with δ.",
        ),
        Mutant(
            {"x[a, n] == x[b, n]": "x[a, n] != x[b, n]"},
            "keeps the token itself fixed and the sequences close",
            "Only pairs in which the token moves are looked at: == became !=.",
        ),
        Mutant(
            {"<= delta": "< delta"},
            "finds the largest change",
            "At most δ apart includes exactly δ: <= in place of <.",
        ),
        Mutant(
            {"x[a] - x[b])": "x[a] - x[b], torch.inf)"},
            "keeps the token itself fixed and the sequences close",
            "This distance is the largest difference of a token. Euclid's is the root of the sum of squares.",
        ),
        Mutant(
            {"x[a] - x[b])": "x[a] - x[b], 1)"},
            "finds the largest change",
            "This distance is the sum of the differences. Euclid's is the root of the sum of squares.",
        ),
    ),
)

"""The exercise of lab 07 on whom a function listens to: the contextual modulus of continuity."""

import torch

from seqlab.course.check import Exercise, Mutant


def contextual_modulus(x, y, delta):
    """The largest |y[a, n] - y[b, n]| over pairs of sequences a, b at most δ apart (Euclidean) in which token n is the same.

    x, y: (sequence, token), the inputs and f of them
    """
    worst = 0.0
    for a in range(len(x)):
        for b in range(len(x)):
            if torch.linalg.vector_norm(x[a] - x[b]) <= delta:
                for n in range(x.shape[1]):
                    if x[a, n] == x[b, n]:
                        worst = max(worst, (y[a, n] - y[b, n]).abs().item())
    return worst


def _grid(points, function):
    axis = torch.linspace(0, 1, points, dtype=torch.float64)
    x = torch.cartesian_prod(axis, axis)
    return x, function(x)


def _listens(x):
    return x.flip(1) ** 2


def _deaf(x):
    return 3 * x


def _both(x):
    return x * x.mean(1, keepdim=True)


def _modulus_cases():
    return [
        (*_grid(2, _deaf), 1.0),
        (*_grid(3, _listens), 0.5),
        (*_grid(3, _both), 0.5),
        (*_grid(4, _listens), 0.7),
        (*_grid(4, _both), 0.8),
        (
            torch.tensor([[0.0, 0.0], [0.0, 0.6], [0.8, 0.6]]).double(),
            torch.tensor([[0.0, 0.0], [1.0, 9.0], [9.0, 2.0]]).double(),
            0.9,
        ),
    ]


def _own_token_still(arguments, result):
    x, y, delta = arguments
    want = contextual_modulus(x, y, delta)
    if result > want + 1e-9:
        return f"your pair gives {result:.4g}, but then the token itself has moved or the sequences are more than δ = {delta:g} apart; with the token fixed it is {want:.4g}."


def _largest(arguments, result):
    want = contextual_modulus(*arguments)
    if result < want - 1e-9:
        return f"some pair gives {want:.4g}, yours says {result:.4g} is the largest."


def _pairs(condition, change=lambda u, v, n: (u[n] - v[n]).abs().item(), join=max):
    def run(x, y, delta):
        found = 0.0
        for a in range(len(x)):
            for b in range(len(x)):
                for n in range(x.shape[1]):
                    if condition(x[a], x[b], n, delta):
                        found = join(found, change(y[a], y[b], n))
        return found

    return run


def _near(u, v, delta):
    return bool(torch.linalg.vector_norm(u - v) <= delta)


MODULI = Exercise(
    id="looped.moduli",
    title="The contextual modulus, by looking at all pairs.",
    reference=contextual_modulus,
    cases=_modulus_cases,
    properties=(
        ("keeps the token itself fixed and the sequences close", _own_token_still),
        ("finds the largest change", _largest),
    ),
    hints=(
        "Three loops: over a, over b, over the token n. Two conditions decide whether a triple counts.",
        "The whole sequences are at most δ apart: torch.linalg.vector_norm(x[a] - x[b]) <= delta. And x[a, n] == x[b, n].",
        "Of all triples that pass both conditions keep the largest (y[a, n] - y[b, n]).abs().item(), starting from 0.0.",
    ),
    mutants=(
        Mutant(
            _pairs(lambda u, v, n, delta: _near(u, v, delta)),
            "keeps the token itself fixed and the sequences close",
            "The token itself may move here. That mixes in how much it listens to itself.",
        ),
        Mutant(
            _pairs(lambda u, v, n, delta: bool(u[n] == v[n])),
            "keeps the token itself fixed and the sequences close",
            "The distance of the sequences is never compared with δ.",
        ),
        Mutant(
            _pairs(
                lambda u, v, n, delta: bool((u - v).abs().max() <= delta) and bool(u[n] != v[n]) and _near(u, v, delta)
            ),
            "keeps the token itself fixed and the sequences close",
            "Only pairs in which the token moves are looked at: == became !=.",
        ),
        Mutant(
            _pairs(lambda u, v, n, delta: bool(torch.linalg.vector_norm(u - v) < delta) and bool(u[n] == v[n])),
            "finds the largest change",
            "At most δ apart includes exactly δ: <= in place of <.",
        ),
    ),
)


EXERCISES = (MODULI,)

"""The exercises of lab 01 on weights: softmax over scores, hardmax, and how close the two are."""

import math

import torch
from einops import einsum, reduce

from seqlab.course.cases import double, drawn, normal
from seqlab.course.check import Exercise, Mutant


def attention_weights(q, k):
    """The weights that each query gives to the keys.    q: (query, dim), k: (key, dim) -> (query, key)"""
    scores = einsum(q, k, "query dim, key dim -> query key") / math.sqrt(q.shape[-1])
    scores = scores - reduce(scores, "query key -> query 1", "max")
    weights = torch.exp(scores)
    return weights / reduce(weights, "query key -> query 1", "sum")


def hardmax(scores):
    """All weight on the largest score of each row; ties share it equally.
    scores: (query, key) -> (query, key)
    """
    winners = (scores == reduce(scores, "query key -> query 1", "max")).to(scores.dtype)
    return winners / reduce(winners, "query key -> query 1", "sum")


def sharp_enough(gap, keys, error):
    """A beta at which no weight of softmax is further than `error` from hardmax's, and no larger than it need be.

    In every row one key wins, and its score leads each of the other keys - 1 scores by at least `gap`.
    """
    return math.log((keys - 1) * (1 - error) / error) / gap


def _rows_sum_to_one(result, q, k):
    for i, row in enumerate(result):
        if abs(row.sum() - 1) > (1e-4 if row.dtype == torch.float32 else 1e-9):
            return f"row {i} sums to {row.sum():.4g}."
    if (result < 0).any():
        return "some weights are negative."


def _ratio(result, q, k):
    scores = q @ k.T / math.sqrt(q.shape[-1])
    for i, (weights, row) in enumerate(zip(result, scores)):
        want, got = row[0] - row[1], (weights[0] / weights[1]).log()
        if want.abs() < 20 and not torch.isclose(got, want, atol=1e-3 if q.dtype == torch.float32 else 1e-6):
            return f"log(w[{i},0] / w[{i},1]) must be the difference of two scores, {want:.5g}; it is {got:.5g}."


WEIGHTS = Exercise(
    id="names.weights",
    title="Score, then softmax over the keys.",
    reference=attention_weights,
    cases=lambda: [
        (torch.tensor([[1.0]]), torch.tensor([[0.0], [2.0]])),
        (torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[3.0, 0.0], [0.0, 2.0]])),
        (torch.tensor([[1.0]]), torch.tensor([[500.0], [0.0]])),
        (torch.tensor([[1.0], [-1.0]]), torch.tensor([[100.0], [99.0]])),
        (normal(3, 4), normal(5, 4, seed=1)),
        (double([1e4], [-1e4]), double([1.0], [1.0001])),
        (normal(2, 3).double().requires_grad_(), normal(4, 3, seed=1).double().requires_grad_()),
    ],
    properties=(
        ("gives rows that sum to 1", _rows_sum_to_one),
        ("keeps the score differences as log ratios", _ratio),
    ),
    draw=lambda random: (
        (size := random.choice((1, 1000))) * drawn(random, 3, dim := random.randint(2, 5)),
        drawn(random, 2 if size > 1 else random.randint(2, 6), dim),
    ),
    hints=(
        "Two steps: a score for every (query, key) pair, then each row of scores becomes weights that sum to 1.",
        "The score is the inner product of query and key over √dim. "
        "The weights are exp(score), divided by the sum of their row.",
        "exp(500) overflows. Softmax does not change when the same number is taken from a whole row: "
        "subtract the row's maximum first.",
    ),
    mutants=(
        Mutant(
            {'query 1", "max"': '1 key", "max"', 'query 1", "sum"': '1 key", "sum"'},
            "gives rows that sum to 1",
            "The softmax runs over the queries. "
            "Each query shares its weight among the keys: normalize along the last axis.",
        ),
        Mutant(
            {" / math.sqrt(q.shape[-1])": ""},
            "keeps the score differences as log ratios",
            "The division by √dim is missing; without it scores grow with dim and softmax saturates.",
        ),
        Mutant(
            {"math.sqrt(q.shape[-1])": "q.shape[-1]"},
            "keeps the score differences as log ratios",
            "The scores are divided by dim; it is its square root.",
        ),
        Mutant(
            {' - reduce(scores, "query key -> query 1", "max")': ""},
            "is never NaN",
            "exp overflows for large scores, and ∞/∞ is NaN. Subtract each row's maximum before exp.",
        ),
        Mutant(
            {
                ' - reduce(scores, "query key -> query 1", "max")': "",
                ' / reduce(weights, "query key -> query 1", "sum")': "",
            },
            "gives rows that sum to 1",
            "The exponentials are there; what is missing is the division by the sum of their row.",
        ),
        Mutant(
            {'reduce(scores, "query key -> query 1", "max")': "scores.max()"},
            "is never NaN",
            "One maximum for the whole matrix leaves a row far below it with nothing but zeros. Each row has its own.",
        ),
        Mutant(
            {'scores = scores - reduce(scores, "query key -> query 1", "max")': "scores = scores.clamp(-80, 80)"},
            "keeps the score differences as log ratios",
            "Cutting large scores off makes different scores equal. Subtract each row's maximum instead.",
        ),
    ),
)


def _ties_share(result, scores):
    for i, row in enumerate(scores):
        winners = row == row.max()
        if (result[i][~winners] != 0).any():
            return f"row {i}: only the largest score gets weight, every other exactly 0."
        if not torch.allclose(result[i][winners], (1 / winners.sum()).to(result)):
            return f"row {i}: {winners.sum()} scores tie for the largest, so each gets {1 / winners.sum():.3g}."


HARDMAX = Exercise(
    id="names.hardmax",
    title="Put all weight on the largest score; ties share it.",
    reference=hardmax,
    cases=lambda: [
        (torch.tensor([[0.0, 1.0]]),),
        (torch.tensor([[2.0, 2.0]]),),
        (torch.tensor([[1.0, 3.0, 3.0], [5.0, 4.0, 0.0]]),),
        (torch.tensor([[0.0, -1e-3, 0.0, -7.0]]),),
        (torch.zeros(2, 4),),
        (torch.tensor([[-1e4, -2e4], [1e4, 1e4]]),),
        (torch.tensor([[0.0, -1e-9, -1e-30], [-7.0, -8.0, -7.0]]),),
        (double([1.0, 1.0 - 1e-9, 1.0]),),
        (double([-3.0, 2.0, 2.0], [2.0, 5.0, 5.0 - 1e-14]),),
    ],
    properties=(("shares the weight equally among the winners of a row", _ties_share),),
    draw=lambda random: (double(*([random.randint(0, 4) / 64 for _ in range(4)] for _ in range(3))),),
    hints=(
        "Softmax at temperature zero: which entries of a row survive, and what do two equal survivors get?",
        "Mark the winners with scores == (the row's maximum), as numbers 0 and 1.",
        "Divide the marks by their row sum: one winner gets 1, two get 1/2 each.",
    ),
    mutants=(
        Mutant(
            {
                'scores == reduce(scores, "query key -> query 1", "max")': (
                    "torch.arange(scores.shape[-1]) == scores.argmax(-1, keepdim=True)"
                )
            },
            "shares the weight equally among the winners of a row",
            "argmax picks one winner. When scores tie, every winner gets an equal share: the theorems count on it.",
        ),
        Mutant(
            {' / reduce(winners, "query key -> query 1", "sum")': ""},
            "shares the weight equally among the winners of a row",
            "The winners are found; now divide, so that a row with ties still sums to 1.",
        ),
        Mutant(
            {'winners / reduce(winners, "query key -> query 1", "sum")': "torch.softmax(100 * scores, dim=-1)"},
            "shares the weight equally among the winners of a row",
            "A steep softmax comes close but not there: scores that nearly tie still share. "
            "Compare with the maximum instead.",
        ),
        Mutant(
            {'reduce(scores, "query key -> query 1", "max")': "scores.max()", '"sum")': '"sum").clamp(min=1)'},
            "shares the weight equally among the winners of a row",
            "The maximum is taken over the whole matrix; each row has its own.",
        ),
    ),
)


def _worst(beta, gap, keys):
    """What the losers get together where all of them trail by just the gap: the largest error that there is."""
    return (keys - 1) / (keys - 1 + math.exp(min(float(beta) * gap, 700)))


def _is_sharp(result, gap, keys, error):
    if _worst(result, gap, keys) > error * (1 + 1e-6):
        return (
            f"let all {keys - 1} losers trail by {gap:g}: at your beta, {float(result):.4g}, hardmax's weight on"
            f" the winner is missed by {_worst(result, gap, keys):.3g}, and only {error:g} is allowed."
        )


def _is_needed(result, gap, keys, error):
    enough = math.log((keys - 1) / error) / gap
    if float(result) > enough * (1 + 1e-6):
        return f"{enough:.4g} is enough, and yours is {float(result):.4g}."


SHARP = Exercise(
    id="names.sharp",
    title="Find the beta from which on softmax is hardmax, up to an error.",
    reference=sharp_enough,
    cases=lambda: [
        (1.0, 2, 0.1),
        (1.0, 11, 0.1),
        (0.25, 5, 1e-3),
        (4.0, 1000, 1e-6),
        (1e-3, 100, 0.01),
        (2.0, 3, 1e-12),
    ],
    properties=(
        ("reaches the error that is asked for", _is_sharp),
        ("is no larger than it need be", _is_needed),
    ),
    draw=lambda random: (random.uniform(0.01, 5), random.randint(3, 500), 10 ** random.uniform(-9, -1)),
    hints=(
        "Which scores are worst? Those where every loser trails the winner by just the gap and no more.",
        "Then a loser gets e^(-βg) / (1 + (n - 1) e^(-βg)), with g the gap and n the number of keys. The winner is"
        " furthest from hardmax, which gives it 1: it misses what all n - 1 losers get together.",
        "(n - 1) e^(-βg) ≤ error is enough: the denominator is larger than 1. Take the logarithm, and solve for β.",
    ),
    mutants=(
        Mutant(
            {"(keys - 1) * ": ""},
            "reaches the error that is asked for",
            "This is right for a single loser. All n - 1 losers take weight from the winner, and their shares add up.",
        ),
        Mutant(
            {"/ gap": "* gap"},
            "reaches the error that is asked for",
            "A wider gap needs a smaller beta: divide by the gap.",
        ),
        Mutant(
            {"/ gap": ""},
            "reaches the error that is asked for",
            "The gap is missing: scores that lie close together need a larger beta.",
        ),
        Mutant(
            {"math.log((keys - 1) * (1 - error) / error)": "(keys - 1) * (1 - error) / error"},
            "is no larger than it need be",
            "The logarithm is missing: weights fall exponentially with beta.",
        ),
        Mutant(
            {"math.log(": "math.log10("},
            "reaches the error that is asked for",
            "Softmax uses e^x, so the logarithm is the natural one, math.log.",
        ),
        Mutant(
            {"math.log(": "math.log2("},
            "is no larger than it need be",
            "A logarithm to the base 2 asks for half again too much: softmax uses e^x, so take math.log.",
        ),
        Mutant(
            {"/ error)": "/ error**2)"},
            "is no larger than it need be",
            "The error enters once: (n - 1) e^(-βg) is to be no larger than it.",
        ),
    ),
    tolerance=0.2,
    mark="••",
)

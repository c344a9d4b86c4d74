"""The exercises of lab 01 on weights: softmax over scores, and hardmax."""

import math

import torch
from einops import einsum, reduce

from seqlab.course.check import Exercise, Mutant


def attention_weights(q, k):
    """Softmax over the keys of q kᵀ / √dim.    q: (query, dim), k: (key, dim) -> (query, key)"""
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


def _weight_cases():
    draw = torch.Generator().manual_seed(1)
    return [
        (torch.tensor([[1.0]]), torch.tensor([[0.0], [2.0]])),
        (torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[3.0, 0.0], [0.0, 2.0]])),
        (torch.tensor([[1.0]]), torch.tensor([[500.0], [0.0]])),
        (torch.randn(3, 4, generator=draw), torch.randn(5, 4, generator=draw)),
    ]


def _rows_sum_to_one(arguments, result):
    sums = result.sum(-1)
    if bad := [i for i, s in enumerate(sums.tolist()) if abs(s - 1) > 1e-4]:
        return f"row {bad[0]} sums to {sums[bad[0]]:.4g}."
    if (result < 0).any():
        return "some weights are negative."


def _ratio(arguments, result):
    q, k = arguments
    scores = q @ k.T / math.sqrt(q.shape[-1])
    want = scores[0, 0] - scores[0, 1]
    if want.abs() < 20 and not torch.isclose((result[0, 0] / result[0, 1]).log(), want, atol=1e-3):
        return f"log(w[0,0] / w[0,1]) must be the difference of the two scores, {want:.3f}; it is {(result[0, 0] / result[0, 1]).log():.3f}."


WEIGHTS = Exercise(
    id="names.weights",
    title="Score, then softmax over the keys.",
    reference=attention_weights,
    cases=_weight_cases,
    properties=(
        ("gives rows that sum to 1", _rows_sum_to_one),
        ("keeps the score differences as log ratios", _ratio),
    ),
    hints=(
        "Two steps: a score for every (query, key) pair, then each row of scores becomes weights that sum to 1.",
        "The score is the inner product of query and key over √dim. The weights are exp(score), divided by the sum of their row.",
        "exp(500) overflows. Softmax does not change when the same number is taken from a whole row: subtract the row's maximum first.",
    ),
    mutants=(
        Mutant(
            lambda q, k: torch.softmax(q @ k.T / math.sqrt(q.shape[-1]), dim=0),
            "gives rows that sum to 1",
            "The softmax runs over the queries. Each query shares its weight among the keys: normalize along the last axis.",
        ),
        Mutant(
            lambda q, k: torch.softmax(q @ k.T, dim=-1),
            "keeps the score differences as log ratios",
            "The division by √dim is missing; without it scores grow with dim and softmax saturates.",
        ),
        Mutant(
            lambda q, k: torch.softmax(q @ k.T / q.shape[-1], dim=-1),
            "keeps the score differences as log ratios",
            "The scores are divided by dim; it is its square root.",
        ),
        Mutant(
            lambda q, k: (e := torch.exp(q @ k.T / math.sqrt(q.shape[-1]))) / e.sum(-1, keepdim=True),
            "is never NaN",
            "exp overflows for large scores, and ∞/∞ is NaN. Subtract each row's maximum before exp.",
        ),
        Mutant(
            lambda q, k: torch.exp(q @ k.T / math.sqrt(q.shape[-1])),
            "gives rows that sum to 1",
            "The exponentials are there; what is missing is the division by the sum of their row.",
        ),
    ),
)


def _hardmax_cases():
    return [
        (torch.tensor([[0.0, 1.0]]),),
        (torch.tensor([[2.0, 2.0]]),),
        (torch.tensor([[1.0, 3.0, 3.0], [5.0, 4.0, 0.0]]),),
        (torch.tensor([[0.0, -1e-3, 0.0, -7.0]]),),
        (torch.zeros(2, 4),),
    ]


def _ties_share(arguments, result):
    scores = arguments[0]
    for i, row in enumerate(scores):
        winners = row == row.max()
        if (result[i][~winners] != 0).any():
            return f"row {i}: only the largest score gets weight, every other exactly 0."
        if not torch.allclose(result[i][winners], torch.full((int(winners.sum()),), 1 / winners.sum())):
            return f"row {i}: {int(winners.sum())} scores tie for the largest, so each gets {1 / winners.sum():.3g}."


def _first_winner(scores):
    return torch.nn.functional.one_hot(scores.argmax(-1), scores.shape[-1]).to(scores.dtype)


HARDMAX = Exercise(
    id="names.hardmax",
    title="Put all weight on the largest score; ties share it.",
    reference=hardmax,
    cases=_hardmax_cases,
    properties=(("shares the weight equally among the winners of a row", _ties_share),),
    hints=(
        "Softmax at temperature zero: which entries of a row survive, and what do two equal survivors get?",
        "Mark the winners with scores == (the row's maximum), as numbers 0 and 1.",
        "Divide the marks by their row sum: one winner gets 1, two get 1/2 each.",
    ),
    mutants=(
        Mutant(
            _first_winner,
            "shares the weight equally among the winners of a row",
            "argmax picks one winner. When scores tie, every winner gets an equal share: the theorems count on it.",
        ),
        Mutant(
            lambda scores: (scores == scores.max(-1, keepdim=True).values).to(scores.dtype),
            "shares the weight equally among the winners of a row",
            "The winners are found; now divide, so that a row with ties still sums to 1.",
        ),
        Mutant(
            lambda scores: torch.softmax(100 * scores, dim=-1),
            "shares the weight equally among the winners of a row",
            "A steep softmax comes close but not there: scores that nearly tie still share. Compare with the maximum instead.",
        ),
        Mutant(
            lambda scores: (w := (scores == scores.max()).to(scores.dtype)) / w.sum(-1, keepdim=True).clamp(min=1),
            "shares the weight equally among the winners of a row",
            "The maximum is taken over the whole matrix; each row has its own.",
        ),
    ),
)


EXERCISES = (WEIGHTS, HARDMAX)

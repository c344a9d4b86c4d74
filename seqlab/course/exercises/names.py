"""The exercises of lab 01: weights, hardmax, equivariance, and the tester of contextual mappings."""

import itertools
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
    """All weight on the largest score of each row; ties share it equally.    scores: (query, key) -> (query, key)"""
    winners = (scores == reduce(scores, "query key -> query 1", "max")).to(scores.dtype)
    return winners / reduce(winners, "query key -> query 1", "sum")


def equivariance_gap(f, x, order):
    """How far f is from commuting with the reordering `order` of the tokens of x: the largest |f(x[order]) - f(x)[order]|."""
    return (f(x[order]) - f(x)[order]).abs().max().item()


def first_clash(names, sequences):
    """The first two places ((i, k), (j, l)), in reading order, that share a name and must not; None if there are none.

    names[i][k] is the name of token k of sequence i. Sequences that are reorderings of each other count as the same.
    """
    places = [(i, k) for i, row in enumerate(names) for k in range(len(row))]
    for (i, k), (j, l) in itertools.combinations(places, 2):
        must_differ = i == j or sorted(sequences[i]) != sorted(sequences[j])
        if must_differ and names[i][k] == names[j][l]:
            return (i, k), (j, l)
    return None




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



def doubled(x):
    return 2 * x


def running_sum(x):
    return torch.cumsum(x, 0)


def first_token_everywhere(x):
    return x[:1].expand_as(x)


def minus_running_sum(x):
    return -torch.cumsum(x, 0)


def sum_everywhere(x):
    return x.sum(0, keepdim=True).expand_as(x)


def _equivariance_cases():
    swap, turn = torch.tensor([1, 0]), torch.tensor([1, 2, 0])
    x = torch.tensor([[1.0], [2.0], [5.0]])
    return [
        (doubled, x[:2], swap),
        (first_token_everywhere, x[:2], swap),
        (sum_everywhere, x, turn),
        (doubled, x, turn),
        (running_sum, x, turn),
        (minus_running_sum, x, turn),
        (running_sum, torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 4.0]]), turn),
    ]


def _zero_when_equivariant(arguments, result):
    f, x, order = arguments
    if f in (doubled, sum_everywhere) and result != 0:
        return f"{f.__name__} treats every token alike, so its gap is 0; yours is {float(result):.3g}."


def _positive_otherwise(arguments, result):
    f, x, order = arguments
    if f not in (doubled, sum_everywhere) and not result > 0:
        return f"{f.__name__} depends on the order, so its gap is positive; yours is {float(result):.3g}."


def _covers_every_token(arguments, result):
    f, x, order = arguments
    moved = (f(x[order]) - f(x)[order]).abs().amax(-1)
    if moved.max() > result + 1e-6:
        return f"token {int(moved.argmax())} differs by {moved.max():.3g}, and your gap is only {float(result):.3g}."


EQUIVARIANCE = Exercise(
    id="names.equivariance",
    title="Measure how far a map is from commuting with a reordering.",
    reference=equivariance_gap,
    cases=_equivariance_cases,
    properties=(
        ("is 0 for a map that treats all tokens alike", _zero_when_equivariant),
        ("is positive for a map that depends on the order", _positive_otherwise),
        ("is no smaller than the difference at any one token", _covers_every_token),
    ),
    hints=(
        "Equivariant means: reorder first and apply f, or apply f first and reorder; the result is the same.",
        "x[order] reorders the tokens. Compare f(x[order]) with f(x)[order], entry by entry.",
        "Take the absolute value of the difference, its max(), and .item() to make it a number.",
    ),
    mutants=(
        Mutant(
            lambda f, x, order: (f(x[order]) - f(x)).abs().max().item(),
            "is 0 for a map that treats all tokens alike",
            "This tests invariance (the output does not move). Equivariance lets the output move along: reorder f(x) too.",
        ),
        Mutant(
            lambda f, x, order: (f(x[order]) - f(x)[torch.argsort(order)]).abs().max().item(),
            "is 0 for a map that treats all tokens alike",
            "The output is reordered the other way round: use the same `order` on both sides.",
        ),
        Mutant(
            lambda f, x, order: (f(x[order]) - f(x)[order]).max().item(),
            "is no smaller than the difference at any one token",
            "Without the absolute value a large negative difference goes unseen.",
        ),
        Mutant(
            lambda f, x, order: (f(x[order]) - f(x)[order]).abs().mean().item(),
            "is no smaller than the difference at any one token",
            "The mean hides a single bad token; the gap is the largest difference.",
        ),
        Mutant(
            lambda f, x, order: (x[order] - x[order]).abs().max().item(),
            "is positive for a map that depends on the order",
            "f is never applied here, so nothing about f is measured.",
        ),
    ),
)



def _clash_cases():
    return [
        ([[1, 2]], ["ab"]),
        ([[3, 3]], ["ab"]),
        ([[1, 2], [3, 2]], ["ab", "ac"]),
        ([[1, 2], [2, 1]], ["ab", "ba"]),
        ([[1, 2, 3], [4, 5, 3]], ["aab", "abb"]),
        ([[1, 2], [2, 1], [7, 7]], ["ab", "ba", "cd"]),
        ([[1, 2], [3, 4], [5, 6], [4, 8]], ["ab", "ac", "bc", "bd"]),
    ]


def _finds(arguments, result):
    names, sequences = arguments
    want = first_clash(names, sequences)
    if want is None and result is not None:
        return f"no name is shared that must not be, so the answer is None; yours is {result}."
    if want is not None and result is None:
        (i, k), (j, l) = want
        where = "inside one sequence" if i == j else "between two different sequences"
        return f"{want} share the name {names[i][k]} {where}, and your tester does not see it."


def _is_first(arguments, result):
    want = first_clash(*arguments)
    if want is not None and tuple(map(tuple, result)) != want:
        return f"the first clash in reading order is {want}; yours is {result}."


def _only_inside(names, sequences):
    return next((((i, k), (i, l)) for i, row in enumerate(names) for k, l in itertools.combinations(range(len(row)), 2) if row[k] == row[l]), None)


def _only_between(names, sequences):
    places = [(i, k) for i, row in enumerate(names) for k in range(len(row))]
    for (i, k), (j, l) in itertools.combinations(places, 2):
        if sorted(sequences[i]) != sorted(sequences[j]) and names[i][k] == names[j][l]:
            return (i, k), (j, l)


def _by(key):
    def tester(names, sequences):
        places = [(i, k) for i, row in enumerate(names) for k in range(len(row))]
        for (i, k), (j, l) in itertools.combinations(places, 2):
            if (i == j or key(sequences[i]) != key(sequences[j])) and names[i][k] == names[j][l]:
                return (i, k), (j, l)

    return tester


TESTER = Exercise(
    id="names.tester",
    title="Find the first two places that share a name and must not.",
    reference=first_clash,
    cases=_clash_cases,
    properties=(
        ("sees every forbidden clash, and no other", _finds),
        ("returns the first clash in reading order", _is_first),
    ),
    hints=(
        "Two rules: inside one sequence all names differ; two different sequences share none.",
        "List all places (i, k) and look at every pair of them once: itertools.combinations does that in reading order.",
        "A pair must differ when i == j, or when sorted(sequences[i]) != sorted(sequences[j]): reorderings are the same sequence.",
    ),
    mutants=(
        Mutant(
            _only_inside,
            "sees every forbidden clash, and no other",
            "Only names inside one sequence are compared. Two different sequences must not share a name either.",
        ),
        Mutant(
            _only_between,
            "sees every forbidden clash, and no other",
            "Only different sequences are compared. Inside one sequence the names must differ as well.",
        ),
        Mutant(
            _by(tuple),
            "sees every forbidden clash, and no other",
            "Reorderings are compared as if they were different sequences; a map without positions cannot, and need not, tell them apart.",
        ),
        Mutant(
            _by(frozenset),
            "sees every forbidden clash, and no other",
            "Sequences are compared as sets, and aab and abb have the same set. How often a token occurs counts: compare sorted(…).",
        ),
    ),
)

EXERCISES = (WEIGHTS, HARDMAX, EQUIVARIANCE, TESTER)

"""The one small exercise of lab 00."""

import torch
from einops import einsum

from seqlab.course.cases import double, drawn
from seqlab.course.check import Exercise, Mutant


def mix(weights, values):
    """Each query's mix of the values.    weights: (query, key), values: (key, dim) -> (query, dim)"""
    return einsum(weights, values, "query key, key dim -> query dim")


def _follows_weights(result, weights, values):
    for i, row in enumerate(weights):
        if row.max() == 1 and not torch.allclose(result[i], values[row.argmax()]):
            return f"query {i} puts all its weight on key {row.argmax()}, so its result must be that key's value."


def _takes_weights_as_they_are(result, weights, values):
    want = weights @ values
    if not torch.allclose(result, want) and torch.allclose(result * weights.sum(1, keepdim=True), want):
        return "weights that do not sum to 1 are taken as they are: no division by their sum."


MIX = Exercise(
    id="start.mix",
    title="Mix the values with the weights.",
    reference=mix,
    cases=lambda: [
        (torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.tensor([[1.0], [2.0]])),
        (torch.tensor([[1.0, 0.0], [0.5, 0.5]]), torch.tensor([[1.0], [3.0]])),
        (torch.tensor([[0.2, 0.8]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])),
        (torch.tensor([[0.1, 0.2, 0.7], [0.0, 1.0, 0.0]]), torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])),
        (torch.tensor([[0.5, 0.25, 0.5]]), torch.tensor([[4.0], [-8.0], [2.0]])),
        (torch.tensor([[-0.5, 2.0], [0.0, 0.5]]), torch.tensor([[4.0, 0.0, 1.0], [-8.0, 2.0, 3.0]])),
        (double([0.5, 0.5], [0.25, 0.75]), double([1e9 + 2], [-1e9])),
    ],
    properties=(
        ("gives the value itself where one weight is 1", _follows_weights),
        ("takes the weights as they are", _takes_weights_as_they_are),
    ),
    draw=lambda random: (drawn(random, random.randint(1, 4), n := random.randint(2, 5)), drawn(random, n, 3)),
    hints=(
        "A query's result is a weighted sum of all values. Which axis is summed away?",
        "Row i of the result is Σ_j weights[i, j] · values[j]: the key axis goes.",
        'With einops: einsum(weights, values, "query key, key dim -> query dim"). '
        "A plain weights @ values is the same.",
    ),
    mutants=(
        Mutant(
            {"query key, key dim": "key query, key dim"},
            "gives the value itself where one weight is 1",
            "The weights look transposed: rows belong to queries, columns to keys. Sum over the columns.",
        ),
        Mutant(
            {'einsum(weights, values, "query key, key dim -> query dim")': "values.mean(0).expand(len(weights), -1)"},
            "gives the value itself where one weight is 1",
            "This averages the values and never looks at the weights.",
        ),
        Mutant(
            {"query key, key dim": "query key, other dim"},
            "gives the value itself where one weight is 1",
            "Multiply each weight with its own value first, then sum; here both are summed before they meet.",
        ),
        Mutant(
            {"einsum(weights,": "einsum(weights / weights.sum(1, keepdim=True),"},
            "takes the weights as they are",
            "The weights are normalized once more. Whoever made them has decided that; sigmoid's need not sum to 1.",
        ),
    ),
)

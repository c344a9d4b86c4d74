"""The exercises of lab 04 on the softmax: one over several lists of keys, and what is left of each list alone."""

import torch
from einops import einsum

from seqlab.course.cases import drawn
from seqlab.course.check import Exercise, Mutant


def one_softmax(q, keys, values, counts):
    """The attention of each query block to all keys that its parts bring: one softmax over them together.
    q: (block, token, dim); keys, values: lists of (block, key, dim), a part each: global, window, random, …
    counts: list of bool (block, key), false where a key does not count -> (block, token, dim)

    Scores are q · k / √dim. Each query block has a key that counts; a part may have none.
    """
    k, v, counted = (torch.cat(part, dim=1) for part in (keys, values, counts))
    scores = einsum(q, k, "block query dim, block key dim -> block query key") / q.shape[-1] ** 0.5
    weights = scores.masked_fill(~counted[:, None], float("-inf")).softmax(dim=-1)
    return einsum(weights, v, "block query key, block key dim -> block query dim")


def merge(outs, logs):
    """The one softmax over several lists of keys, from what a softmax over each list alone has left.
    outs: (part, query, dim), the mix of each part's values;
    logs: (part, query), the logarithm of each part's sum of e^score -> (query, dim)

    logs may be ±1,000, and -inf where a part has no key for a query. Each query has a key in some part.
    """
    return einsum(logs.softmax(dim=0), outs, "part query, part query dim -> query dim")


def _parts_of(parts, blocks, token, dim, seed=0, size=1.0):
    """q, keys, values and counts of so many blocks; for each part how many keys it has and how many of them count."""
    draw = torch.Generator().manual_seed(seed)
    make = lambda *shape: torch.randn(*shape, generator=draw, dtype=torch.float64)
    place = torch.arange(blocks)[:, None]  # each block counts other keys
    counts = [(torch.arange(keys) + place) % keys < counted for keys, counted in parts]
    keys, values = ([make(blocks, count, dim) for count, _ in parts] for _ in range(2))
    return size * make(blocks, token, dim), keys, values, counts


def _flat(values, *, q=0.0, seen=None):
    """One query block of one token with scores q for all keys; `values` of two parts, `seen` which count."""
    keys = [torch.ones(1, len(part), 1).double() for part in values]
    counts = seen or [[True] * len(part) for part in values]
    numbers = [torch.tensor(part).double().view(1, -1, 1) for part in values]
    return torch.full((1, 1, 1), q).double(), keys, numbers, [torch.tensor([part]) for part in counts]


def _one_distribution(result, q, keys, values, counts):
    if all((part == 1).all() for part in values) and not torch.allclose(result, torch.ones_like(result)):
        return f"all values are 1, so any mix of them is 1; yours is {result.flatten()[0].item():.4g}."


def _hides(result, q, keys, values, counts):
    if all((v[c] == 0).all() for v, c in zip(values, counts)) and result.any():
        return "all keys that count have the value 0, so another key had a weight."


def _alone(q, keys, values, counts):
    return sum(one_softmax(q, *([part] for part in each)) for each in zip(keys, values, counts)) / len(keys)


ONE = Exercise(
    id="big_bird.one_softmax",
    title="Window, global and random keys meet in one softmax.",
    mark="••",
    reference=one_softmax,
    cases=lambda: [
        _flat([[0.0], [4.0, 4.0, 4.0]]),
        _flat([[1.0, 1.0], [1.0]], seen=[[True, True], [False]]),
        _flat([[0.0, 7.0], [0.0, 9.0]], q=2.0, seen=[[True, False], [True, False]]),
        _flat([[0.0, 7.0], [0.0]], q=-3e4, seen=[[True, False], [True]]),
        _parts_of([(2, 2), (3, 3)], 2, 2, 4),
        _parts_of([(2, 2), (6, 3), (4, 0)], 3, 3, 5, seed=1),
        _parts_of([(5, 4)], 2, 1, 9, seed=2),
        _parts_of([(2, 1), (3, 2), (2, 2)], 2, 2, 3, seed=3, size=1e4),
        (
            torch.tensor([[[1.0, -2.0, 3.0, 0.5]]]),
            [torch.eye(4)[None]],
            [torch.eye(4)[None, :, :2]],
            [torch.tensor([[True] * 3 + [False]])],
        ),
    ],
    properties=(
        ("weighs with one distribution", _one_distribution),
        ("gives no weight to keys that do not count", _hides),
    ),
    draw=lambda random: _parts_of(
        [(random.randint(2, 5), 1), (random.randint(2, 5), 2), (random.randint(1, 4), random.randint(0, 1))],
        *(random.randint(2, 3) for _ in range(3)),
        seed=random.randint(9, 10**9),
        size=random.choice((1.0, 1e3)),
    ),
    hints=(
        "A weight compares a key with all others of its query. Which keys must therefore lie in one row of scores?",
        "Concatenate keys, values and counts along the axis of keys; scores, then -inf where a key does not count.",
        "k, v, counted = (torch.cat(part, dim=1) for part in (keys, values, counts)); the scores of a block are"
        " q @ k.mT / q.shape[-1] ** 0.5; .masked_fill(~counted[:, None], float('-inf')).softmax(-1) @ v.",
    ),
    mutants=(
        Mutant(
            _alone,
            "equals the reference",
            "Each part has a softmax of its own, and the outputs are averaged: a part of one key then weighs as much as"
            " a part of a hundred. All keys of a query belong into one softmax.",
        ),
        Mutant(
            {'float("-inf")': "0.0"},
            "gives no weight to keys that do not count",
            "A score of 0 is a score like any other, and e⁰ = 1. What must not count gets -∞.",
        ),
        Mutant(
            {
                '.masked_fill(~counted[:, None], float("-inf")).softmax(dim=-1)': ".softmax(dim=-1)"
                " * counted[:, None].to(v.dtype)"
            },
            "weighs with one distribution",
            "The keys that do not count are taken out after the softmax: what is left no longer sums to 1.",
        ),
        Mutant(
            {" / q.shape[-1] ** 0.5": ""},
            "equals the reference",
            "The scores are not divided by √dim.",
        ),
        Mutant(
            {"softmax(dim=-1)": "softmax(dim=-2)"},
            "equals the reference",
            "The softmax runs over the queries; the weights of one query sum to 1 over its keys.",
        ),
    ),
)


def _between(result, outs, logs):
    seen = logs > -torch.inf
    low = outs.masked_fill(~seen[..., None], torch.inf).amin(0) - 1e-9
    high = outs.masked_fill(~seen[..., None], -torch.inf).amax(0) + 1e-9
    if not ((result >= low) & (result <= high)).all():
        return "a mix of the parts lies between them; yours does not, so its weights do not sum to 1."


def _merged(logs, seed=0):
    logs = torch.tensor(logs, dtype=torch.float64)
    outs = torch.randn(*logs.shape, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return outs.masked_fill(logs.isinf()[..., None], 0), logs


MERGE = Exercise(
    id="big_bird.merge",
    title="Several softmaxes made one, afterwards.",
    mark="•••",
    reference=merge,
    cases=lambda: [
        (torch.tensor([[[1.0]], [[4.0]]]).double(), torch.tensor([[0.0], [3.0]]).double().log1p()),
        _merged([[0.0, 1.0], [2.0, -1.0]]),
        _merged([[0.5, -torch.inf], [-torch.inf, 2.0], [1.5, 1.0]], 1),
        _merged([[1000.0, -1000.0], [1001.0, -1002.0]], 2),
        _merged([[3.0, -2.0, 0.0]], 3),
        _merged([[0.5, -1.0], [0.25, 3.0], [0.0, 2.5], [1.0, 3.0]], 4),
    ],
    properties=(("mixes the parts", _between),),
    draw=lambda random: _merged(
        (random.choice((1, 900)) * drawn(random, random.randint(2, 4), random.randint(2, 3))).tolist(),
        random.randint(9, 10**9),
    ),
    hints=(
        "A part's softmax has divided by its own sum of e^score. What must each output be multiplied with to undo that,"
        " and what must all be divided by then?",
        "With z_p = e^logs[p], the sum of part p, the answer is Σ z_p outs[p] / Σ z_p. But e^1000 is infinite: what may"
        " be subtracted from all logs without changing the quotient?",
        "Those weights are a softmax over the parts: (logs.softmax(0)[..., None] * outs).sum(0).",
    ),
    mutants=(
        Mutant(
            {"logs.softmax(dim=0)": "torch.ones_like(logs) / len(logs)"},
            "equals the reference",
            "The parts are averaged, however many keys stand behind them. A part weighs as much as its sum of e^score.",
        ),
        Mutant(
            {"logs.softmax(dim=0)": "logs.exp() / logs.exp().sum(0)"},
            "is never NaN",
            "e^1000 is infinite, and ∞/∞ is NaN. Subtract the largest log first: the quotient stays the same.",
        ),
        Mutant(
            {"logs.softmax(dim=0)": "logs / logs.sum(0)"},
            "equals the reference",
            "The logarithms themselves are no weights: take e to them.",
        ),
        Mutant(
            {"logs.softmax(dim=0)": "logs.softmax(dim=-1)"},
            "mixes the parts",
            "The weights of one query sum to 1 over the parts, not over the queries.",
        ),
    ),
)

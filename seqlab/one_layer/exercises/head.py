"""The exercises of lab 05 on the head of rank one: its direction, and what it adds."""

import torch

from seqlab.course.cases import double, drawn, normal
from seqlab.course.check import Exercise, Mutant


def score_gap(tokens, candidates):
    """For every candidate v the smallest distance between two scores of one query, at κ = 1.
    (token, dim), (candidate, dim) -> (candidate,)

    The query c gives the key a the score (v·c)(v·a). Every token is a query, and every two tokens are keys.
    """
    t = candidates @ tokens.T
    gaps = torch.sort(t, dim=-1).values.diff(dim=-1)
    return t.abs().amin(dim=-1) * gaps.amin(dim=-1)


def rank_one_head(x, v, kappa, shift):
    """x and what one softmax head adds to it, all of whose matrices are multiples of v.
    x: (token, dim), v: (dim,) -> (token, dim)

    Queries, keys and values are v·x; kappa multiplies the scores; what comes out is written along v, times shift.
    """
    t = x @ v
    weights = torch.softmax(kappa * torch.outer(t, t), dim=-1)
    return x + shift * torch.outer(weights @ t, v)


def _along(wrong, text):
    """A test of each candidate: wrong(whether a token lies at zero, whether two coincide, the result)."""

    def test(result, tokens, candidates):
        t = torch.sort(candidates @ tokens.T, dim=-1).values
        zero, shared = (t.abs() < 1e-12).any(-1), (t.diff(dim=-1) < 1e-12).any(-1)
        for k, case in enumerate(zip(zero, shared, result)):
            if wrong(*case):
                return f"along candidate {k} {text}; yours says {case[-1]:.4g}."

    return test


PROJECTION = Exercise(
    id="one_layer.projection",
    title="How far apart a direction keeps the scores.",
    reference=score_gap,
    cases=lambda: [
        (double([1], [2]), double([1])),
        (double([2, 1], [3, 0]), double([1, 0], [0, 1])),
        (double([1, 2], [3, 1], [1, 4]), double([1, 0], [0, 1], [0.6, 0.8])),
        (double([-1, 2], [1, 5], [4, 3]), double([1, 0], [0, 1], [0.6, 0.8])),
        (double([3, 1], [-1, 4], [5, -2], [9, -4]), double([1, 0], [0, -1])),
        (normal(6, 3).double(), torch.nn.functional.normalize(normal(5, 3, seed=1).double(), dim=-1)),
    ],
    tolerance=1e-10,
    properties=(
        (
            "is zero where a token lies at zero",
            _along(lambda zero, shared, got: zero and abs(got) > 1e-9, "a token has v·c = 0, so all its scores are 0"),
        ),
        (
            "is zero where two tokens coincide",
            _along(
                lambda zero, shared, got: shared and abs(got) > 1e-9,
                "two tokens have the same v·x, so two scores agree",
            ),
        ),
        (
            "is positive everywhere else",
            _along(
                lambda zero, shared, got: not zero and not shared and not got > 0,
                "all tokens are apart and none is at 0, so the gap is positive",
            ),
        ),
    ),
    draw=lambda random: (
        drawn(random, random.randint(3, 6), dim := random.randint(2, 4)),
        torch.nn.functional.normalize(drawn(random, 3, dim), dim=-1),
    ),
    hints=(
        "Two scores of the query c differ by |v·c| · |v·(a − b)|. When is each of the two factors smallest?",
        "t = candidates @ tokens.T has a row per candidate. "
        "The closest two numbers of a row are neighbours once it is sorted.",
        "torch.sort(t, dim=-1).values.diff(dim=-1).amin(dim=-1) is the smallest gap; multiply by t.abs().amin(dim=-1).",
    ),
    mutants=(
        Mutant(
            {"t.abs().amin(dim=-1) * ": ""},
            "is zero where a token lies at zero",
            "Only the tokens' distances count here. The query's own v·c multiplies them: at 0 it sees nothing.",
        ),
        Mutant(
            {" * gaps.amin(dim=-1)": ""},
            "is zero where two tokens coincide",
            "Only the distance from zero counts here. The scores of two keys must differ too.",
        ),
        Mutant(
            {"torch.sort(t, dim=-1).values.diff(dim=-1)": "(t[:, :, None] - t[:, None]).abs().flatten(1)"},
            "is positive everywhere else",
            "Every token is compared with itself as well, and that distance is always 0.",
        ),
        Mutant(
            {"torch.sort(t, dim=-1).values.diff(dim=-1)": "t.diff(dim=-1).abs()"},
            "is zero where two tokens coincide",
            "Only tokens that follow each other in the list are compared. Sort each row first.",
        ),
        Mutant(
            {"t.abs()": "t"},
            "is positive everywhere else",
            "v·c may be negative: take its absolute value before the minimum.",
        ),
    ),
)


def _along_v(result, x, v, kappa, shift):
    moved = result - x
    if (moved - torch.outer(moved @ v, v)).abs().max() > 1e-9:
        return "W_O writes along v, so result − x is a multiple of v; yours has a part across v."


def _within(result, x, v, kappa, shift):
    t = x @ v
    for k, m in enumerate((result - x) @ v / shift):
        if not t.min() - 1e-9 <= m <= t.max() + 1e-9:
            return (
                f"m is an average of the v·x, which run from {t.min():.3g} to {t.max():.3g}; "
                f"for token {k} yours is {m:.3g}."
            )


HEAD = Exercise(
    id="one_layer.head",
    title="A head in which every matrix has rank one.",
    reference=rank_one_head,
    cases=lambda: [
        (double([1], [3]), double(1), 1.0, 0.25),
        (double([1], [2], [4]), double(1), 0.5, 1.0),
        (double([1, 2], [3, 1]), double(0.6, 0.8), 0.0, 0.5),
        (double([1, 2], [3, -1], [-2, 2]), double(0.6, 0.8), 1.0, 0.5),
        (normal(5, 3).double(), double(0.48, 0.6, 0.64), 2.0, 0.1),
        (double([1, 2], [3, -1], [-2, 2], [0, -5]), double(0.6, 0.8), 1e4, 0.5),
        (double([20, 10], [14, 18], [15, 17]), double(0.6, 0.8), 1.0, 0.5),
    ],
    tolerance=1e-10,
    properties=(
        ("moves tokens along v only", _along_v),
        ("moves them by an average of the v·x", _within),
    ),
    draw=lambda random: (
        drawn(random, random.randint(2, 6), dim := random.randint(2, 4)),
        torch.nn.functional.normalize(drawn(random, dim), dim=-1),
        random.choice((0.5, 3.0, 1e4)),
        random.uniform(0.1, 1),
    ),
    hints=(
        "W_K, W_Q and W_V all read v·x and nothing else. What is left of a token is one number t.",
        "Scores: the outer product of t with itself, times κ. Weights: softmax over the keys, the last axis. "
        "Values: t again.",
        "t = x @ v; weights = torch.softmax(kappa * torch.outer(t, t), dim=-1); "
        "return x + shift * torch.outer(weights @ t, v)",
    ),
    mutants=(
        Mutant(
            {"x + ": ""},
            "moves them by an average of the v·x",
            "The residual is missing: the id is the token plus what the head adds.",
        ),
        Mutant(
            {"dim=-1": "dim=0"},
            "moves them by an average of the v·x",
            "softmax runs over the queries. Each query's weights sum to 1 over the keys: dim=-1.",
        ),
        Mutant(
            {"weights @ t": "(weights * kappa * torch.outer(t, t)).sum(-1)"},
            "moves them by an average of the v·x",
            "The scores are averaged, which is boltz of the scores. The values are t: boltz divided by κ t_k.",
        ),
        Mutant(
            {"kappa *": "1e9 * kappa *"},
            "equals the reference",
            "These are hardmax weights. They keep the winner alone, and with it no trace of the rest of the set.",
        ),
        Mutant(
            {"kappa * ": ""},
            "equals the reference",
            "κ is not used. It is the scale that puts the scores far enough apart.",
        ),
        Mutant(
            {"torch.outer(weights @ t, v)": "(weights @ t)[:, None]"},
            "moves tokens along v only",
            "m is added to every coordinate. W_O writes along v: torch.outer(m, v).",
        ),
        Mutant(
            {
                "torch.softmax(kappa * torch.outer(t, t), dim=-1)": (
                    "(lambda e: e / e.sum(-1, keepdim=True))(torch.exp(kappa * torch.outer(t, t)))"
                )
            },
            "is never NaN",
            "exp overflows for large scores. torch.softmax subtracts the maximum of each row first.",
        ),
    ),
)

"""The exercises of lab 05 on the Boltzmann operator: its value, its gradient, and the order in which sets come."""

import math

import torch

from seqlab.course.cases import double, drawn, normal, plain
from seqlab.course.check import DERIVES, Exercise, Mutant


def boltz(a):
    """Σ a_i p_i, p = softmax(a): one number for a whole set of numbers.    a: (n,) -> ()"""
    return torch.softmax(a, dim=-1) @ a


def boltz_gradient(a):
    """How boltz(a) moves with each of its entries: ∂ boltz(a) / ∂ a_i for every i, in closed form.    a: (n,) -> (n,)

    No machine takes the derivative, and no difference: use boltz.
    """
    return torch.softmax(a, dim=-1) * (1 + a - boltz(a))


def is_larger(first, second):
    """Whether the set `first` has the larger boltz, without an exponential.
    two tuples of n levels -> True or False

    The levels are far apart. A set is not larger than itself.
    """
    first, second = sorted(first, reverse=True), sorted(second, reverse=True)
    for place, (a, b) in enumerate(zip(first, second)):
        if a != b:
            return a > b if place == 0 else a < b
    return False


def _numbers():
    sets = ((0, 5), (3, 1), (1, 2, 4), (-3, 0, 2, 2), 3 * normal(6))
    return [(double(*numbers),) for numbers in sets]


def _between(result, a):
    low, high = a.max() - math.log(len(a)), a.max()
    if not low - 1e-9 <= result <= high + 1e-9:
        return f"for ({plain(a)}) boltz lies between max − log n = {low:.4g} and max = {high:g}; yours is {result:.4g}."


def _below_the_maximum(result, a):
    if a.min() < a.max() and not result < a.max() - 1e-9:
        return (
            f"({plain(a)}) has entries below its maximum, {a.max():g}, and they pull boltz below it; "
            f"yours is {result:.6g}."
        )


BOLTZ = Exercise(
    id="one_layer.boltz",
    title="The Boltzmann operator: one number for a set.",
    reference=boltz,
    cases=lambda: [*_numbers(), (double(800, 790, 795),), (double(-800, -790, -795),), (double(1e4, -1e4, 1e4 - 1),)],
    tolerance=1e-10,  # the numbers are float64, and float32 inside shows
    properties=(
        ("lies between max − log n and max", _between),
        ("is not the maximum itself", _below_the_maximum),
    ),
    draw=lambda random: (random.choice((0, 800, -800)) + 2 * drawn(random, random.randint(2, 6)),),
    hints=(
        "It is an average of the numbers. Which numbers should weigh most?",
        "The weights are softmax(a); the average is their inner product with a.",
        "return torch.softmax(a, dim=-1) @ a",
    ),
    mutants=(
        Mutant(
            {"torch.softmax(a, dim=-1) @ a": "a.max()"},
            "is not the maximum itself",
            "This is hardmax: only the winner is left, and everything below it is lost. "
            "Softmax weights keep a trace of all.",
        ),
        Mutant(
            {"torch.softmax(a, dim=-1) @ a": "a.mean()"},
            "lies between max − log n and max",
            "This is the plain average, the head at temperature ∞. The weights are softmax(a), not 1/n.",
        ),
        Mutant(
            {"torch.softmax(a, dim=-1) @ a": "torch.logsumexp(a, dim=-1)"},
            "lies between max − log n and max",
            "This is log Σ exp(a_i), the softened maximum from above. boltz averages the a_i themselves.",
        ),
        Mutant(
            {"torch.softmax(a, dim=-1)": "torch.exp(a)"},
            "lies between max − log n and max",
            "The weights exp(a_i) are not divided by their sum.",
        ),
        Mutant(
            {"torch.softmax(a, dim=-1)": "(torch.exp(a) / torch.exp(a).sum())"},
            "is never NaN",
            "exp(800) overflows. torch.softmax subtracts the maximum first, which changes nothing but that.",
        ),
    ),
)


def _sums_to_one(result, a):
    if abs(result.sum() - 1) > 1e-6:
        return f"adding c to all numbers adds c to boltz, so the derivatives sum to 1; yours sum to {result.sum():.4g}."


def _negative_far_below(result, a):
    for value, got in zip(a, result):
        if a.max() - value > math.log(len(a)) + 1 and not got < 0:
            return (
                f"{value:g} lies more than log n + 1 below {a.max():g}: "
                f"raising it gives it weight and lowers boltz; yours says {got:.3g}."
            )


GRADIENT = Exercise(
    id="one_layer.gradient",
    title="How boltz moves when one number does.",
    mark="••",
    reference=boltz_gradient,
    differentiable=False,  # it is a gradient
    cases=lambda: [*_numbers(), (double(800, 790, 795),), (double(-800, -790, -795, -790.5),)],
    tolerance=1e-10,  # what differences of boltz cannot reach
    bars=dict.fromkeys(DERIVES, "a machine takes the derivative here. The formula is asked for: its sign says it all."),
    properties=(
        ("sums to one", _sums_to_one),
        ("is negative far below the maximum", _negative_far_below),
    ),
    draw=lambda random: (random.choice((0, 800, -800)) + 2 * drawn(random, random.randint(2, 6)),),
    hints=(
        "Raising a_i does two things: it raises the i-th number, and it moves weight to it from all the others.",
        "The first gives p_i. The second gives p_i (a_i − boltz(a)): weight flows to a_i from the average.",
        "p = torch.softmax(a, dim=-1); return p * (1 + a - boltz(a))",
    ),
    mutants=(
        Mutant(
            {" * (1 + a - boltz(a))": ""},
            "is negative far below the maximum",
            "The weights are held fixed here. They move too: that is the second term, p_i (a_i − boltz(a)).",
        ),
        Mutant(
            {"1 + a": "a"},
            "sums to one",
            "Only the weights move here. The number itself moves as well, which adds p_i.",
        ),
        Mutant(
            {"1 + a - boltz(a)": "1 - a + boltz(a)"},
            "is negative far below the maximum",
            "The sign of a_i − boltz(a) is turned round: more weight on a number below the average lowers the average.",
        ),
        Mutant(
            {"boltz(a)": "a.max()"},
            "sums to one",
            "a_i is compared with the maximum. Compare it with the average, boltz(a).",
        ),
        Mutant(
            {"torch.softmax(a, dim=-1) * ": ""},
            "sums to one",
            "The factor p_i is missing: a number without weight moves nothing.",
        ),
        Mutant(
            {
                "torch.softmax(a, dim=-1) * (1 + a - boltz(a))": (
                    "torch.stack([(boltz(a + e) - boltz(a - e)) / 2e-6 for e in 1e-6 * torch.eye(len(a)).double()])"
                )
            },
            "equals the reference",
            "These are differences of boltz over a small step, right to some ten digits. The formula is right to all.",
        ),
    ),
)


def _decided(places, text):
    """A test of the sets whose first difference lies at one of these places."""

    def test(result, first, second):
        pairs = enumerate(zip(sorted(first, reverse=True), sorted(second, reverse=True)))
        place, a, b = next(((place, a, b) for place, (a, b) in pairs if a != b), (None, None, None))
        if place in places and bool(result) != is_larger(first, second):
            return f"{first} and {second} first differ with {a} against {b}, {text}; yours says {bool(result)}."

    return test


def _itself(result, first, second):
    if sorted(first) == sorted(second) and result:
        return f"{first} and {second} are the same set; yours says that the first is larger."


def _by_softmax(first, second):
    first, second = (boltz(double(*numbers)).item() for numbers in (first, second))
    return first > second


ORDER = Exercise(
    id="one_layer.order",
    title="Which of two sets has the larger boltz?",
    mark="••",
    reference=is_larger,
    cases=lambda: [
        ((3, 0), (2, 1)),
        ((2, 1), (3, 1)),
        ((3, 1), (2, 0)),
        ((3, 1), (3, 0)),
        ((0, 3), (3, 1)),
        ((4, 2, 1), (4, 2, 0)),
        ((4, 2, 0), (4, 2, 1)),
        ((4, 2, 0), (4, 1, 3)),
        ((2, 1, 0), (0, 1, 2)),
        ((9, 5, 4, 0), (9, 5, 4, 2)),
        ((9, 5, 0), (9, 4, 3)),
        ((8, 5, 4, 3, 1), (8, 5, 4, 3, 2)),
        ((0, 5000, 9000), (9000, 3000, 5000)),  # the difference is too small for any exp
        ((-7000, -9000, -6000), (-6000, -8000, -7000)),
    ],
    properties=(
        ("lets the larger maximum win", _decided((0,), "at the maximum, where the larger one wins")),
        ("lets the larger second entry lose", _decided((1,), "at the second entry, where the larger one loses")),
        (
            "lets the larger of all further entries lose",
            _decided((2, 3, 4), "below the second entry, where the larger one loses too"),
        ),
        ("is False for equal sets", _itself),
    ),
    draw=lambda random: (
        first := tuple(random.sample(range(0, 24 * (by := random.choice((1, 1000))), 2 * by), random.randint(3, 5))),
        tuple(random.sample([first[0] + random.choice((0, by, -by, 24 * by)), *first[1:]], len(first))),
    ),
    hints=(
        "Look at the gradient: which entries raise boltz when they grow, and which lower it?",
        "Sort both sets downwards and walk along them together, to the first place where they differ.",
        "At place 0 return a > b, at any other place return a < b, and False if the loop finds no difference.",
    ),
    mutants=(
        Mutant(
            {"a > b if place == 0 else a < b": "a > b"},
            "lets the larger second entry lose",
            "This is the order of a dictionary. Below the maximum it is turned round: those entries pull boltz down.",
        ),
        Mutant(
            {"place == 0": "place % 2 == 0"},
            "lets the larger of all further entries lose",
            "The sign alternates here. It changes only once: every entry below the maximum lowers boltz when it grows.",
        ),
        Mutant(
            {"sorted(first, reverse=True), sorted(second, reverse=True)": "[sum(first)], [sum(second)]"},
            "lets the larger maximum win",
            "Sums are compared: that is the plain average. The maximum alone decides first.",
        ),
        Mutant(
            {"sorted(first, reverse=True), sorted(second, reverse=True)": "first, second"},
            "lets the larger second entry lose",
            "The tuples are compared as they stand. A set has no order: sort both downwards first.",
        ),
        Mutant(
            {"return False": "return True"},
            "is False for equal sets",
            "Equal sets have equal boltz, so neither is larger.",
        ),
        Mutant(
            _by_softmax,
            "lets the larger of all further entries lose",
            "boltz itself is compared. Far below the maximum its exponentials are 0, and different sets look alike. "
            "Compare the levels, one place after the other.",
        ),
    ),
)

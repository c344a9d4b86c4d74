"""The exercise of lab 02 on Lemma 9: a jumping activation from four ReLUs."""

import torch

from seqlab.course.check import Exercise, Mutant


def four_relus(a, b, low, high, epsilon):
    """ReLUs that make φ(t) = a t + b on [low, high) and 0 elsewhere: pairs (place, weight), four of them.

    Their sum, weight · ReLU(t - place), is φ but on a ramp of width epsilon just below low, and one just below high.
    """
    up = (a * low + b) / epsilon
    down = (a * (high - epsilon) + b) / epsilon
    return [(low - epsilon, up), (low, a - up), (high - epsilon, -a - down), (high, down)]


def _summed(pairs, t):
    return sum(weight * torch.relu(t - place) for place, weight in pairs) + 0 * t


def _points(low, high, epsilon):
    """Before, on, and behind each ramp, and far out on both sides."""
    inside = [low, low + 0.1 * (high - low), high - 1.5 * epsilon, high - epsilon]
    ramps = [edge - share * epsilon for edge in (low, high) for share in (0.75, 0.25)]
    outside = [
        low - 100 * (high - low),
        low - 2 * epsilon,
        low - epsilon,
        high,
        high + epsilon,
        high + 10 * (high - low),
    ]
    return [torch.tensor(points, dtype=torch.float64) for points in (inside, ramps, outside)]


def _look(pairs, a, b, low, high, epsilon):
    return _summed(pairs, torch.cat(_points(low, high, epsilon)))


def _four(pairs, a, b, low, high, epsilon):
    if len(pairs) > 4:
        return f"yours are {len(pairs)}."


def _is_phi(pairs, a, b, low, high, epsilon):
    for t in _points(low, high, epsilon)[0]:
        got, want = _summed(pairs, t).item(), a * t.item() + b
        if abs(got - want) > 1e-6:
            return f"at t = {t:.6g} it must be {a:g} t + {b:g} = {want:.6g}; yours is {got:.6g}."


def _is_zero(pairs, a, b, low, high, epsilon):
    for t in _points(low, high, epsilon)[2]:
        if abs(got := _summed(pairs, t).item()) > 1e-6:
            return f"at t = {t:.6g} it must be 0; yours is {got:.6g}."


FOUR_RELUS = Exercise(
    id="universal.four_relus",
    title="Put four ReLUs in the place of an activation that jumps.",
    reference=four_relus,
    cases=lambda: [
        (0, 1, 0.0, 1.0, 0.25),
        (0, 2, 1.0, 3.0, 0.5),
        (-1, 0, 0.0, 1.0, 0.25),
        (-1, 0, 0.0, 0.25, 2.0**-7),
        (2, -1, -1.0, 2.0, 0.125),
        (0, 1, -0.125, 0.125, 2.0**-9),
    ],
    properties=(
        ("takes four ReLUs at most", _four),
        ("is a t + b inside", _is_phi),
        ("is 0 outside", _is_zero),
    ),
    draw=lambda random: (
        random.choice((-3, -2, 2, 3)),
        random.randint(-3, 3),
        low := random.randint(-6, 6) / 2,
        low + (width := random.choice((0.5, 1.0, 2.0))),
        width / random.choice((4, 8, 16)),
    ),
    hints=(
        "Walk along the line: how does the slope change, and where? There are four such places: the two ends of each of"
        " the two ramps. A ReLU with weight w at place c adds w to the slope from c on.",
        "The first ramp climbs from 0 to a·low + b within epsilon: its slope is (a·low + b) / epsilon. Then the slope"
        " must be a. The second falls to 0 from what φ is at high − epsilon.",
        "With up = (a·low + b) / ε and down = (a·(high − ε) + b) / ε, the slopes are up, a, −down and 0; the weights"
        " are their differences: up, a − up, −down − a, down.",
    ),
    mutants=(
        Mutant(
            {"(low - epsilon, up), (low, a - up)": "(low, up), (low + epsilon, a - up)"},
            "is a t + b inside",
            "The first ramp stands above low, inside the interval. It must be over where the interval begins.",
        ),
        Mutant(
            {"(high - epsilon, -a - down), (high, down)": "(high, -a - down), (high + epsilon, down)"},
            "is 0 outside",
            "The second ramp stands above high. At high the activation is 0 already.",
        ),
        Mutant(
            {", (high, down)]": "]"},
            "is 0 outside",
            "After the second ramp the slope stays. A fourth ReLU must stop it at high.",
        ),
        Mutant(
            {"(low, a - up)": "(low, -up)", "-a - down": "-down"},
            "is a t + b inside",
            "Between the ramps the slope must be a; yours is flat there.",
        ),
        Mutant(
            {"(a * (high - epsilon) + b)": "(a * high + b)"},
            "is 0 outside",
            "The second ramp begins at high − epsilon, where φ is a·(high − epsilon) + b, not a·high + b.",
        ),
        Mutant(
            {
                "(a * low + b) / epsilon": "a * low + b",
                "(a * (high - epsilon) + b) / epsilon": "a * (high - epsilon) + b",
            },
            "is a t + b inside",
            "A weight is a change of slope: how far the ramp climbs, divided by its width epsilon.",
        ),
        Mutant(
            {"-a - down": "a - down"},
            "is 0 outside",
            "The slope a must be taken away again: before the second ramp it is a, on it −down.",
        ),
    ),
    tolerance=1e-6,
    look=_look,
    mark="••",
)

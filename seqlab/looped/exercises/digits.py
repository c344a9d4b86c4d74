"""The exercises of lab 07 on a table in the digits of one number: packed, unpacked, chosen."""

import itertools
from fractions import Fraction

from seqlab.course.check import Exercise, Mutant
from seqlab.looped.digits import pack


def unpack_loop(theta):
    """One loop, the same in every turn: read the first digit of θ, and make the next one the first. -> [digit, θ]

    theta: a Fraction that holds digits -1, 0 or 1, as `pack` makes it; after the last digit it is 0
    A layer may compare θ with fixed numbers (steep ReLUs), multiply it by a number, and add.
    """
    digit = (theta > Fraction(1, 6)) - (theta < -Fraction(1, 6))
    return [digit, 3 * theta - digit]


def follow(labels, m):
    """Digits -m … m, so many steps of ε/m, that keep a running value within ε/(2m) of every label. -> a list

    labels: y_0, …, y_{K-1}, Fractions; the running value starts at y_0, digit t moves it towards y_t (K - 1 digits)
    ε is the largest step |y_t - y_{t-1}| of the labels; m = 1 are the digits of Lemma 4.1
    """
    step = max(abs(b - a) for a, b in zip(labels, labels[1:])) / m
    value, digits = labels[0], []
    for label in labels[1:]:
        digits.append(min(range(-m, m + 1), key=lambda digit: abs(value + digit * step - label)))
        value += digits[-1] * step
    return digits


LISTS = (
    [1],
    [-1],
    [0, 1],
    [1, -1],
    [1, 0, -1],
    [0, 1, 1, 1, 1],
    [0, -1, -1, -1, -1],
    [1, -1, -1, -1],
    [-1, 1, 1, 1],
    30 * [0, 1, -1, 1],
)


def _exactly(result, digits):
    if result != pack(digits):
        if isinstance(result, float):
            return "it returned a float, which has 53 bits and no more; a Fraction keeps every digit."
        return f"the digits {digits} are {pack(digits)} in thirds, ninths, …; yours is {result}."


def _first(result, theta):
    if result[0] != unpack_loop(theta)[0]:
        return f"the first digit of θ = {float(theta):.4g} is {unpack_loop(theta)[0]}, yours is {result[0]}."


def _rest(result, theta):
    if result[1] != unpack_loop(theta)[1]:
        rest = unpack_loop(theta)[1]
        return f"behind the first digit θ = {theta} has the rest {rest}, one place up; yours is {result[1]}."


def _as_many(result, labels, m):
    if len(result) != len(labels) - 1 or any(digit not in range(-m, m + 1) for digit in result):
        return f"wanted are {len(labels) - 1} whole numbers from {-m} to {m}, got {result}."


def _beyond(result, labels, m):
    """How much further than ε/(2m) the running value is from each label: 0 everywhere for right answers, of many."""
    step = max(abs(b - a) for a, b in zip(labels, labels[1:])) / m
    places = itertools.accumulate(result, lambda value, digit: value + digit * step, initial=labels[0])
    return [max(0, abs(value - label) - step / 2) for value, label in zip(places, labels)]


def _near(result, labels, m):
    for t, (beyond, label) in enumerate(zip(_beyond(result, labels, m), labels)):
        if beyond:
            return f"after digit {t} the running value is {float(beyond):.4g} further from y_{t} = {label} than ε/(2m)."


PACK = Exercise(
    id="looped.pack",
    title="A table's digits in one number.",
    reference=pack,
    mark="•",
    cases=lambda: [(list(digits),) for digits in LISTS],
    properties=(("keeps every digit in its place", _exactly),),
    draw=lambda random: (random.choices((-1, 0, 1), k=random.randint(4, 40)),),
    hints=(
        "As in 0.25 = 2/10 + 5/100, but with thirds, and digits that may be negative.",
        "Digit t, counted from 1, is worth 3^-t. Sum them up as Fractions.",
        "sum((Fraction(digit, 3**t) for t, digit in enumerate(digits, 1)), Fraction(0)).",
    ),
    mutants=(
        Mutant(
            {"len(digits) - 1 - t": "t"},
            "keeps every digit in its place",
            "The digits stand in reverse: a loop reads the first of them first, so it has to weigh most.",
        ),
        Mutant(
            {"3 ** (": "2 ** (", "3 ** len": "2 ** len"},
            "keeps every digit in its place",
            "In base 2 the digits -1, 0, 1 collide: 1, -1 and 0, 1 are both 1/4.",
        ),
        Mutant(
            {", 3 ** len(digits))": ")"},
            "keeps every digit in its place",
            "That is a whole number, which grows with the table. Its first digit should count thirds.",
        ),
        Mutant(
            {"Fraction(sum": "float(sum", ", 3 ** len(digits))": ") / 3 ** len(digits)"},
            "keeps every digit in its place",
            "A float has 53 bits; section 4 shows what becomes of the digits beyond.",
        ),
    ),
)

UNPACK = Exercise(
    id="looped.unpack",
    title="The loop that reads a digit.",
    reference=unpack_loop,
    mark="••",
    cases=lambda: [(pack(digits),) for digits in ([0], *LISTS)],
    properties=(("reads the first digit", _first), ("keeps the others, one place up", _rest)),
    draw=lambda random: (pack(random.choices((-1, 0, 1), k=random.randint(2, 40))),),
    hints=(
        "How large can all that stands behind the first digit be? Between which numbers does θ lie if that digit is 0?",
        "Behind it stands less than 1/9 + 1/27 + … = 1/6: θ > 1/6 means 1, θ < -1/6 means -1. Then move up: times 3.",
        "digit = (theta > Fraction(1, 6)) - (theta < -Fraction(1, 6)); return [digit, 3 * theta - digit].",
    ),
    mutants=(
        Mutant(
            {
                "theta > Fraction(1, 6)": "theta >= Fraction(1, 3)",
                "theta < -Fraction(1, 6)": "theta <= -Fraction(1, 3)",
            },
            "reads the first digit",
            "1, -1 is 1/3 - 1/9, less than 1/3: what stands behind may pull either way. How far?",
        ),
        Mutant(
            {"theta > Fraction(1, 6)": "theta > 0", "theta < -Fraction(1, 6)": "theta < 0"},
            "reads the first digit",
            "That is the sign. If the first digit is 0, the sign belongs to one behind it.",
        ),
        Mutant(
            {"3 * theta - digit": "theta - Fraction(digit, 3)"},
            "keeps the others, one place up",
            "The digit is off, but the next one still counts ninths. The same comparison comes again: move it up.",
        ),
        Mutant(
            {"3 * theta - digit": "3 * theta"},
            "keeps the others, one place up",
            "The digit that was read is still in θ, now as a whole. Take it off.",
        ),
        Mutant(
            {"3 * theta - digit": "3 * (theta - digit)"},
            "keeps the others, one place up",
            "The first digit counts thirds: move up first, then take it off.",
        ),
        Mutant(
            {
                "theta > Fraction(1, 6)": "-theta > Fraction(1, 6)",
                "theta < -Fraction(1, 6)": "-theta < -Fraction(1, 6)",
            },
            "reads the first digit",
            "The sign of the digit is turned round.",
        ),
    ),
)

FOLLOW = Exercise(
    id="looped.follow",
    title="Digits that follow a table.",
    reference=follow,
    mark="•••",
    cases=lambda: [
        ([Fraction(0), Fraction(1)], 1),
        ([Fraction(0), Fraction(1), Fraction(1), Fraction(0)], 1),
        ([Fraction(0), Fraction(1), Fraction(3, 5), Fraction(1, 5), Fraction(-1, 5)], 1),
        ([Fraction(0), Fraction(1), Fraction(3, 5), Fraction(1, 5), Fraction(-1, 5)], 2),
        ([Fraction(7 * k * k % 31, 31) for k in range(12)], 1),
        ([Fraction(11 * k * k % 37, 37) for k in range(12)], 5),
        ([Fraction(k * k % 19, -19) for k in range(12)], 3),
        ([Fraction(5, 2), Fraction(3), Fraction(11, 4)], 1),
        ([10**20 + Fraction(k * k % 7, 7) for k in range(8)], 2),
    ],
    properties=(("gives a digit for each step", _as_many), ("stays close to every label", _near)),
    look=lambda result, labels, m: result if _as_many(result, labels, m) else _beyond(result, labels, m),
    draw=lambda random: (
        [Fraction(random.randint(-40, 40), 41) for _ in range(random.randint(5, 15))],
        random.randint(1, 5),
    ),
    hints=(
        "Errors add up if each step is rounded for itself. Which number should be rounded instead?",
        "Keep the running value. The next digit is the one that brings it nearest to the next label.",
        "The digit is min(range(-m, m + 1), key=lambda d: abs(value + d * step - label)); then value += digit * step.",
    ),
    mutants=(
        Mutant(
            {"value += digits[-1] * step": "value = label"},
            "stays close to every label",
            "Each step is rounded for itself, and the roundings add up. Go on from where the running value is.",
        ),
        Mutant(
            {" / m": ""},
            "stays close to every label",
            "The step is ε: with digits up to m it should be ε/m.",
        ),
        Mutant(
            {"range(-m, m + 1)": "range(-1, 2)"},
            "stays close to every label",
            "Only -1, 0 and 1 are tried, whatever m is.",
        ),
        Mutant(
            {"range(-m, m + 1)": "range(m + 1)"},
            "stays close to every label",
            "The running value can only go up.",
        ),
        Mutant(
            {"labels[1:]:": "labels:"},
            "gives a digit for each step",
            "There is a digit for y_0 too. The running value starts there: K labels have K - 1 steps.",
        ),
    ),
)

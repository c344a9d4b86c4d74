"""The puzzles of lab 14, each against a few lines of Python of its own; programs of any shape are accepted."""

import itertools
import random
from collections import Counter, deque
from fractions import Fraction

import pytest

from seqlab import patterns
from seqlab.attention import softmax, step
from seqlab.contextual import contextual_mapping
from seqlab.course.check import judge
from seqlab.course.gate import exercises
from seqlab.written import Head, Layer, Program, Unit, coordinates, one_hot
from seqlab.written.exercises import PLACES, c, counts, further, looks, names, p, p2, x, y, z
from seqlab.written.puzzle import ANSWERS, BUDGET, Outcome, different, sequences

HALF = Fraction(1, 2)
PUZZLES = {id: exercise for id, exercise in exercises().items() if id.startswith("written.")}


def drawn(values, longest, count=60, shortest=1):
    draw = random.Random(0)
    return [[draw.randrange(values) for _ in range(draw.randint(shortest, longest))] for _ in range(count)]


def shifted(tokens):
    line = deque(tokens)
    first = line[0]
    line.rotate(1)
    line[0] = first
    return list(line)


def stack(tokens):
    depth = []
    for token in tokens:
        if token:
            depth.append(token)
        elif not depth or not depth.pop():
            return [0] * len(tokens)
    return [int(not depth)] * len(tokens)


def by_digits(pairs):
    digits, carry = [], 0
    for a, b in pairs:
        carry, digit = divmod(a + b + carry, 3)
        digits.append(digit)
    return digits


def running(tokens):
    return [sorted(tokens[: k + 1])[-1] for k in range(len(tokens))]


ORACLES = {
    "largest": (looks.largest(), lambda s: [sorted(s)[-1]] * len(s), drawn(9, 12)),
    "left": (looks.left(), shifted, drawn(9, 12)),
    "reverse": (looks.reverse(), lambda s: list(reversed(s)), drawn(9, 12)),
    "prefix_maximum": (looks.prefix_maximum(), running, drawn(9, 12)),
    "occurrences": (counts.occurrences(), lambda s: [Counter(s)[a] for a in s], drawn(3, 12)),
    "first": (counts.first_of_its_kind(), lambda s: [int(s.index(a) == k) for k, a in enumerate(s)], drawn(3, 12)),
    "in_order": (counts.in_order(), lambda s: sorted(s), drawn(9, 9)),
    "parity": (counts.parity(12), lambda s: [s.count(1) % 2] * len(s), drawn(2, 12)),
    "rising": (further.rising(), lambda s: [int(k > 0 and s[k] > s[k - 1]) for k in range(len(s))], drawn(5, 12)),
    "second": (
        further.second_largest(),
        lambda s: [max(set(s) - {max(s)})] * len(s),
        [random.Random(k).sample(range(20), 5) for k in range(40)],
    ),
    "balanced": (further.balanced(), stack, drawn(2, 14, 300)),
    "addition": (
        further.addition(),
        by_digits,
        [[divmod(token, 3) for token in row] for row in drawn(9, 14)],
    ),
    "jump": (names.jump(3, 7), lambda s: [3 + 7 * (max(s) - min(s)) if a == 3 else a for a in s], drawn(9, 12)),
    "relay": (names.relay(3, 4), lambda s: [s[0]] * len(s), drawn(9, 13)),
}


@pytest.mark.parametrize("name", ORACLES)
def test_references_are_right_on_long_sequences_too(name):
    program, oracle, inputs = ORACLES[name]
    for got, tokens in zip(program.run(inputs), inputs):
        assert got[:, 0].tolist() == oracle(tokens), tokens


@pytest.mark.parametrize("length, levels", [(4, 6), (4, 8)])
def test_names_by_hand(length, levels):
    found = {}
    for chosen in itertools.combinations(range(levels), length):
        for token, name in zip(chosen, names.names(levels).run([chosen])[0, :, 0].tolist()):
            assert found.setdefault(name, (token, chosen)) == (token, chosen)
    assert names.clash(names.names(levels), levels) is None and len(found) == length * len(
        list(itertools.combinations(range(levels), length))
    )


def right(id, function):
    judgement = judge(PUZZLES[f"written.{id}"], function)
    return judgement.right or str(judgement.diagnosis)


def test_other_shapes_are_accepted():
    a, b, e = *coordinates("a b"), one_hot("e", 3)
    shapes = {
        "largest": lambda: Program([a], [b + 1], [Layer([Head(3, 2 * a - 1, a - 1, b)])]),
        "left": lambda: Program(
            [x], [y], [Layer([Head((6 * p, 1, -3), (p, -6 * p, p2), 2 * x, HALF * y)])], positions=PLACES
        ),
        "occurrences": lambda: Program(
            [e], [c], [Layer([Head((*e, 1), (*e, -HALF / 2), HALF, 2 * c)])], normalizer=step()
        ),
        "parity": lambda longest: Program(
            [x],
            [c + y],
            [Layer([Head(1, x - HALF, 1, c)], [Unit(c - k, 2 * (-1) ** k * y) for k in range(1, longest)])],
            normalizer=step(),
        ),
        "names": lambda levels: Program(
            [x],
            [8 * levels * y + x],
            [Layer([Head(1, x - k + HALF, 1, 2**k * y) for k in range(levels)])],
            normalizer=step(),
        ),
    }
    assert {id: right(id, function) for id, function in shapes.items()} == dict.fromkeys(shapes, True)


def test_a_budget_and_a_pattern_are_kept():
    wide = lambda: Program([x], [y], [Layer([Head(1, x, x, y)], [Unit(-1, z)])])
    assert BUDGET in right("largest", wide) and "1 units, the budget is 0" in right("largest", wide)
    star = lambda radius, layers: Program([x], [y], [Layer([Head(-1, p, x, y, sees=patterns.star())])], positions=p)
    assert "looks through the window only" in right("relay", star)


def test_what_is_no_program_or_does_not_run():
    assert "returns a Program" in right("largest", lambda: 3)
    assert "misspelt" in right("largest", lambda: Program([x], [coordinates("misspelt")], []))
    soft = lambda: Program([x], [y], [Layer([Head(1, x, x, y)])], normalizer=softmax())
    assert "no exact rule; run it with hardmax()" in right("largest", soft)
    missing = lambda: Program([x], [x], [])
    assert ANSWERS in right("largest", missing) and "token 0 of (0, 1) is answered 0, wanted 1" in right(
        "largest", missing
    )


def test_a_known_mistake_in_another_shape_gets_its_message():
    averaged = lambda: Program([x], [y], [Layer([Head(-1, 5, x, y)])])
    assert "All keys tie, and every token gets the mean" in right("largest", averaged)


def test_outcomes_are_shown_by_their_size_and_compared_by_what_they_do():
    one, other = Outcome([1], {}, "layers 1"), Outcome([1], {}, "layers 2")
    assert one == other and repr(other) == "layers 2" and one != Outcome([2], {}, "layers 1")
    assert len(sequences(3, 3)) == 39 and len(different(5, 1, 2, 3, 4, 5)) == 325
    assert contextual_mapping([[1, 2]], [(0, 1)])

"""Small programs that a person would write, each against a few lines of Python: exactly, and as float64 layers."""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

import pytest

from seqlab import patterns
from seqlab.attention import average, step
from seqlab.written import Head, Layer, Program, Sweep, Unit, coordinates, judge, near, one_hot, table

HALF = Fraction(1, 2)
x, y, z, p, p2, n, c, t, m = coordinates("x y z p p2 n c t m")
e = one_hot("e", 3)
SQUARES = {p: range, p2: lambda length: [k * k for k in range(length)]}
LENGTH = {n: lambda length: [length] * length}


def all_sequences(values, longest, shortest=1):
    return [s for length in range(shortest, longest + 1) for s in itertools.product(range(values), repeat=length)]


def all_powers():
    return [*itertools.product((0, 2**30, -(2**30), 2**70), repeat=2)]


@dataclass
class Task:
    program: Program
    want: Callable
    inputs: Iterable = tuple(all_sequences(3, 4))
    budget: dict | None = None
    fits: bool = True  # in float64


def first_of_its_kind():
    """The first place that holds what I hold, and whether that is mine."""
    first = Head((*(20 * each for each in e), 1), (*e, -p), value=p, write=c)
    return Program([e], [y], [Layer([first], [Unit(1, y), Unit(p - c, -y), Unit(p - c - 1, y)])], positions=True)


def parity_in_loops():
    turn = Layer([Head(*near(t, p, p2), x, c)], [Unit(c, y), Unit(y + c - 1, -2 * y), Unit(c, -c)])
    return Program([x], [y], [turn], positions=SQUARES, clock=t, loops=lambda length: length)


def sort():
    """Rank by value, then place; then the k-th takes what has rank k: as many as reach up to k, less those below."""
    rank = Layer([Head((1, 10 * x + p), (-10 * x - p, 1), 1, c)], [Unit(2 * c - 1, z)])
    up_to, below = Head((1, 2 * p + 1), (-z, 1), x, y), Head((1, 2 * p - 1), (-z, 1), x, -y)
    return Program([x], [y], [rank, Layer([up_to, below])], normalizer=step(), positions=p)


def brackets():
    """1 opens and 0 closes: how far a prefix falls below level, and how far the whole is off it; both must be 0."""
    height = Head(1, 1, value=2 * x - 1, write=c, sees="causal")
    whole = Head(1, 1, value=2 * x - 1, write=z)
    fall = Layer([height, whole], [Unit(-c, m), Unit(z, m), Unit(-z, m)])
    bad = Layer([Head(1, 1, value=m, write=y)], [Unit(y, t), Unit(y - 1, -t)])
    return Program([x], [1 - t], [fall, bad], normalizer=step())


def balanced(s):
    heights = [*itertools.accumulate(2 * a - 1 for a in s)]
    return int(min(heights) >= 0 and heights[-1] == 0)


def addition():
    """Pairs of binary digits, lowest first: the nearest pair below that is no (0, 1) or (1, 0) makes the carry."""
    a, b, made = coordinates("a b made")
    kinds = Layer(units=[*table(a + b, {0: 0, 1: 0, 2: 1}, made), *table(a + b, {0: 0, 1: 1, 2: 0}, m)])
    carry = Head(1, p - 100 * m, value=made, write=c, sees=lambda query, key: key < query)
    return Program([a, b], [y], [kinds, Layer(carry, table(a + b + c, {0: 0, 1: 1, 2: 0, 3: 1}, y))], positions=p)


def added(s):
    carry, out = 0, []
    for a, b in s:
        out.append((a + b + carry) % 2)
        carry = (a + b + carry) // 2
    return out


def copy_over_window(length):
    """The first token to all with window(1): one step to the right in each of n - 1 layers, as few as there can be."""
    step_right = Head(*near(p - 1, p, p2), value=x, write=z, sees=patterns.window(1))
    layer = Layer(step_right, [Unit(z, x - z), Unit(x, -x)], "x is what the left neighbour had")
    return Program([x], [x], [layer] * (length - 1), positions=SQUARES)


def jump(levels, gain=9):
    """Yun et al. 2019: the token with id v moves by gain (max - min)."""

    def layer(v):
        up, down = x - v + HALF, x - v - HALF
        heads = [Head(up, x, value=x, write=gain * x), Head(down, x, value=x, write=-gain * x)]
        return Layer(heads, label=f"id {v} jumps")

    return Program([x], [x], [Sweep(x, levels, layer)])


def jumped(s, levels=range(4), gain=9):
    s = list(s)
    for v in levels:
        s = [a + gain * (max(s) - min(s)) if a == v else a for a in s]
    return s


TASKS = {
    "the largest to all": lambda: Task(Program(x, y, Layer(Head(1, x, x, y))), max, budget={"layers": 1, "heads": 1}),
    "the smallest to all": lambda: Task(Program(x, y, Layer(Head(-1, x, x, y))), min),
    "one to the left": lambda: Task(
        Program([x], [y], [Layer([Head(*near(p - 1, p, p2), value=x, write=y)])], positions=SQUARES),
        lambda s: [s[0], *s[:-1]],
        budget={"layers": 1, "heads": 1, "units": 0},
    ),
    "one to the right, by a pattern": lambda: Task(
        Program([x], [y], [Layer([Head(0, 0, x, y, sees=lambda query, key: key == query + 1)])]),
        lambda s: [*s[1:], 0],
    ),
    "reverse": lambda: Task(
        Program([x], [y], [Layer([Head(*near(n - 1 - p, p, p2), x, y)])], positions=SQUARES | LENGTH),
        lambda s: s[::-1],
    ),
    "reverse, length unknown": lambda: Task(
        Program([x], [y], [Layer([Head(1, p, p, c)]), Layer([Head(*near(c - p, p, p2), x, y)])], positions=SQUARES),
        lambda s: s[::-1],
        budget={"layers": 2, "heads": 2},
    ),
    "larger than its left neighbour": lambda: Task(
        Program(
            [x],
            [y],
            [Layer([Head(*near(p - 1, p, p2), x, z)], [Unit(x - z, y), Unit(x - z - 1, -y)])],
            positions=SQUARES,
        ),
        lambda s: [0, *(int(a < b) for a, b in zip(s, s[1:]))],
    ),
    "the second largest": lambda: Task(
        Program([x], [y], [Layer([Head(1, x, x, z)], [Unit(x - z + 1, -100 * c)]), Layer([Head(1, x + c, x, y)])]),
        lambda s: sorted(set(s))[-2],
        [s for s in all_sequences(4, 4, 2) if len(set(s)) > 1],
    ),
    "how often, step": lambda: Task(
        Program([e], [y], [Layer([Head((*e, 1), (*e, -HALF), 1, y)])], normalizer=step()),
        lambda s: [s.count(a) for a in s],
        budget={"layers": 1, "heads": 1, "units": 0},
    ),
    "how often, as a share": lambda: Task(share_of_my_kind(), lambda s: [Fraction(s.count(a), len(s)) for a in s]),
    "how often, with a helper token": lambda: Task(
        helper_count(),
        lambda s: [Fraction(1, 1 + s[1:].count(a)) if a < 3 else 1 for a in s],
        [(3, *s) for s in all_sequences(3, 4)],
    ),
    "first of its kind": lambda: Task(first_of_its_kind(), lambda s: [int(a not in s[:k]) for k, a in enumerate(s)]),
    "prefix maximum": lambda: Task(
        Program([x], [y], [Layer([Head(1, x, x, y, sees="causal")])]), lambda s: [*itertools.accumulate(s, max)]
    ),
    "prefix sum": lambda: Task(
        Program([x], [y], [Layer([Head(1, 1, x, y, sees="causal")])], normalizer=step()),
        lambda s: [*itertools.accumulate(s)],
    ),
    "only the 2s jump, by a table": lambda: Task(
        Program([x], [x], [Layer([], table(x, {1: 0, 2: 10, 3: 0}, x))]), lambda s: [12 if a == 2 else a for a in s]
    ),
    "only the 2s jump, by heads": lambda: Task(
        Program([x], [x], [jump([2]).layers]), lambda s: jumped(s, [2]), all_sequences(4, 4)
    ),
    "all jump in turn": lambda: Task(jump(range(4)), jumped, all_sequences(4, 4)),
    "all jump, from the top": lambda: Task(
        jump(range(3, -1, -1)), lambda s: jumped(s, range(3, -1, -1)), all_sequences(4, 3)
    ),
    "some jump": lambda: Task(jump((0, 3, 1)), lambda s: jumped(s, (0, 3, 1)), all_sequences(4, 3)),
    "parity, one head": lambda: Task(
        Program(
            [x],
            [y],
            [Layer([Head(1, x - HALF, 1, c)], table(c, {k: k % 2 for k in range(6)}, y))],
            normalizer=step(),
        ),
        lambda s: sum(s) % 2,
        all_sequences(2, 5),
        {"layers": 1, "heads": 1, "units": 5},
    ),
    "parity, in loops": lambda: Task(parity_in_loops(), lambda s: sum(s) % 2, all_sequences(2, 5), {"layers": 1}),
    "sort with ties": lambda: Task(sort(), sorted, budget={"layers": 2, "heads": 3, "units": 1}),
    "balanced brackets": lambda: Task(brackets(), balanced, all_sequences(2, 6), {"layers": 2, "heads": 3}),
    "addition with carry": lambda: Task(
        addition(), added, [*itertools.product(itertools.product(range(2), repeat=2), repeat=4)], {"layers": 2}
    ),
    "copy over a window": lambda: Task(
        copy_over_window(4), lambda s: s[0], all_sequences(3, 4, 4), {"layers": 3, "heads": 3, "units": 6}
    ),
    "one-hot in, number out": lambda: Task(Program([e], [e.number, e[1]], []), lambda s: [(a, a == 1) for a in s]),
    "a one-hot of one": lambda: Task(
        Program([one_hot("o", 1)], [coordinates("o[0]"), y], [Layer(Head(1, 1, 1, y))], normalizer=step()),
        lambda s: [(1, len(s))] * len(s),
        all_sequences(1, 4),
    ),
    "a finite map": lambda: Task(
        Program([x], [y], [Layer(units=table(x, {0: 5, 1: -1, 2: HALF}, 2 * y))]), lambda s: [(10, -2, 1)[a] for a in s]
    ),
    "start and constants": lambda: Task(
        Program([x], [y - 1, 7], [Layer(units=[Unit(3, y)])], start={y: -HALF}),
        lambda s: [(Fraction(3, 2), 7)] * len(s),
    ),
    "two values of one head": lambda: Task(
        Program([x], [y, z], [Layer([Head(1, x, (x, p), (y, z))])], positions=True),
        lambda s: [(max(s), Fraction(sum(k for k, a in enumerate(s) if a == max(s)), s.count(max(s))))] * len(s),
    ),
    "heads with patterns of their own": lambda: Task(
        Program(
            [x],
            [y - z],
            [Layer([Head(1, x, x, y, sees="causal"), Head(1, x, x, z, sees=lambda query, key: key >= query)])],
        ),
        lambda s: [max(s[: k + 1]) - max(s[k:]) for k in range(len(s))],
    ),
    "mean of the window": lambda: Task(
        Program([x], [y], [Layer([Head(0, 0, x, y, sees=patterns.window(1))])], normalizer=average()),
        lambda s: [Fraction(sum(s[max(k - 1, 0) : k + 2]), len(s[max(k - 1, 0) : k + 2])) for k in range(len(s))],
    ),
    "fractions in, fractions out": lambda: Task(
        Program([x], [y], [Layer([Head(1, x - Fraction(1, 3), x / 3, y)])]),
        lambda s: max(s) / 3,
        [s for k in (1, 2, 3) for s in itertools.product((Fraction(-1, 3), Fraction(2, 7), 1), repeat=k)],
    ),
    "a clock that is a number": lambda: Task(
        Program([x], [y], [Layer(units=[Unit(x - t, y)])], clock=t, loops=3),
        lambda s: [sum(max(a - k, 0) for k in range(3)) for a in s],
    ),
    "a clock of factors": lambda: Task(
        Program([x], [y, z], [Layer(units=[Unit(x, y + z)])], clock=[{y: 1}, {y: 2, z: HALF}], loops=2),
        lambda s: [(3 * a, a * HALF) for a in s],
    ),
    "large weights": lambda: Task(
        Program([x], [y], [Layer([Head(2**41 * x + 1, 2**41 * x, 2**30 * x, 2**41 * y)], [Unit(2**41 * y, z)])]),
        lambda s: 2**71 * max(s),
    ),
    "large states": lambda: Task(
        Program([x], [y - 2**70], [Layer([Head(x, x - 1, x, y)], [Unit(2**41 * x, y), Unit(2**41 * x - 1, -y)])]),
        lambda s: [(max(s) if a > 0 else min(s) if a < 0 else Fraction(sum(s), len(s))) + (a > 0) - 2**70 for a in s],
        all_powers(),
        fits=False,
    ),
}


def share_of_my_kind():
    """How much of all is of kind k, and then, where e[k] = 1, that."""
    shares = coordinates("m0 m1 m2")
    return Program(
        [e],
        [y],
        [Layer([Head(0, 0, e, shares)], [Unit(share + mine - 1, y) for share, mine in zip(shares, e)])],
        normalizer=average(),
    )


def helper_count():
    """Token 3 in front is nobody's kind: what is equal to me, and it, share my weight."""
    kinds = one_hot("k", 4)
    key = (*kinds, kinds[3])
    return Program([kinds], [y], [Layer([Head((*kinds, 1), key, kinds[3], y)])])


@pytest.mark.parametrize("name", TASKS)
def test_program(name):
    task = TASKS[name]()
    verdict = judge(task.program, task.want, task.inputs, task.budget)
    assert verdict.holds == task.fits and (task.fits or "as float64 layers" in str(verdict)), str(verdict)
    assert str(task.program)

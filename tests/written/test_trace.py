"""What a trace promises of softmax and of dtypes is what is measured."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch

from seqlab import universal
from seqlab.attention import average, step
from seqlab.written import Head, Layer, Piecewise, Program, Sweep, Unit, coordinates
from tests.written.test_programs import TASKS

x, y, z, p = coordinates("x y z p")
DTYPES = (torch.bfloat16, torch.float16, torch.float32, torch.float64)
NAMES = ["the largest to all", "reverse, length unknown", "the second largest", "parity, one head", "sort with ties"]
NAMES += ["balanced brackets", "all jump in turn", "how often, as a share", "parity, in loops", "copy over a window"]


def rows(task):
    longest = max(map(len, task.inputs))
    return [s for s in task.inputs if len(s) == longest][:200]


def largest_error(program, tokens, module):
    with torch.no_grad():
        got = module(torch.tensor(np.asarray(tokens).astype(float)))
    return (got.double() - torch.tensor(program.run(tokens).astype(float))).abs().max().item()


@pytest.mark.parametrize("name", NAMES)
def test_softmax_of_the_slope_is_near_enough(name):
    task = TASKS[name]()
    trace, program = task.program.trace(rows(task)), task.program
    steep, steeper = trace.slope(0.25), trace.slope(1e-6)
    assert 0 < steep <= steeper
    for tolerance, slope in ((0.25, steep), (1e-6, steeper)):
        error = largest_error(program, rows(task), program.module(program.normalizer.soft(slope)))
        assert error <= tolerance and error <= trace.error(slope) + 1e-9


@pytest.mark.parametrize("size", [(3, 1, 2), (4, 1, 3)])
def test_slope_of_a_construction_counts_all_levels(size):
    mapping = universal.contextual_mapping(*size)
    program, tokens = mapping.program(), mapping.sequences()
    trace = program.trace(tokens)
    assert len(trace.every.labels) == program.count().layers + 1
    soft = program.module(program.normalizer.soft(trace.slope(0.5)))
    assert largest_error(program, tokens, soft) <= 0.5
    measured = universal.softmax_threshold(mapping) / size[0] ** 2  # its tokens are multiples of δ
    assert measured <= trace.slope(0.5) < 20 * measured


def test_where_an_activation_jumps_the_slope_leaves_no_error():
    jump = Piecewise((1,), ((0, 0), (0, 5)))
    program = Program([x], [y], [Layer([Head(1, x, x, z)], [Unit(z, y, jump)])])
    slope = program.trace([[0, 1]]).slope(0.1)
    assert slope > 600 and largest_error(program, [[0, 1]], program.module(program.normalizer.soft(slope))) == 0
    assert largest_error(program, [[0, 1]], program.module(program.normalizer.soft(5.0))) == 5


@pytest.mark.parametrize("name", [*NAMES, "large weights", "large states", "fractions in, fractions out"])
def test_dtypes_that_are_told_are_exact(name):
    task = TASKS[name]()
    program, tokens = task.program, rows(task)
    for dtype in program.trace(tokens).dtypes():
        assert largest_error(program, tokens, program.module(dtype=dtype)) == 0, dtype


def test_dtypes_follow_the_size_of_the_numbers():
    """x + 2^k - 2^k: exact up to the dtype's digits, and wrong from there on."""
    for k, count in ((3, 4), (9, 3), (14, 2), (30, 1), (60, 0)):
        program = Program([x], [y], [Layer(units=[Unit(x + 2**k, y), Unit(2**k, -y)])])
        good = program.trace([[1, 3]]).dtypes()
        errors = {dtype: largest_error(program, [[1, 3]], program.module(dtype=dtype)) for dtype in DTYPES}
        assert len(good) == count and good == [dtype for dtype in DTYPES if errors[dtype] == 0]
    thirds = Program([x], [y], [Layer([Head(0, 0, x, y)])], normalizer=average())
    assert thirds.trace([[0, 0, 1]]).dtypes() == [] and len(thirds.trace([[0, 0, 1, 1]]).dtypes()) == 4


def test_largest_and_finest_are_no_larger_than_need_be():
    trace = Program([x], [y], [Layer([Head(1, x, x / 4, y)])]).trace([[1, 2], [3, 8]])
    assert trace.largest == 8 and trace.finest == 4
    trace = Program([x], [y], [Layer(units=[Unit(3 * x - 5, 2 * y)])]).trace([[1, 2]])
    assert trace.largest == 11


def test_sequences_at_levels_of_their_own_give_what_all_layers_give():
    """Jumps with a hole, a head too few, a half between two levels: the short way and the long way agree."""
    half = Fraction(1, 2)

    def layer(v):
        up, down = x - v + half / 2, x - v - half / 2
        return Layer([Head(up, x, x, 3 * x), Head(down, x, x, -3 * x)])

    for change in (lambda layer: layer, lambda layer: Layer(layer.heads[:1]), lambda layer: Layer(layer.heads[1:])):
        for levels in (range(4), range(4, -1, -1), range(0, 9, 2), (3, 1, 5, 2), (0, half, 1, 3)):
            for rule in ({}, {"normalizer": step()}):
                programs = [
                    Program([x], [x], [Sweep(x, levels, lambda v: change(layer(v)), idle)], **rule)
                    for idle in (True, False)
                ]
                for values in ((0, 1, 2, 3), (half, 1, 2), (0, 7, -1)):
                    tokens = [*itertools.product(values, repeat=3)]
                    short, long = (program.run(tokens) for program in programs)
                    assert (short == long).all()


@pytest.mark.parametrize(
    "layer",
    [
        lambda v: Layer([], [Unit(x - 1, x)] if v == 2 else []),
        lambda v: Layer([], [Unit(x - 1, x)] if v in (2, 3) else []),
        lambda v: Layer([], [Unit(x - 1, {0: x, 1: 2 * x, 2: 3 * x, 3: x}[v])]),
        lambda v: Layer([], [Unit(x - 1, x)] if v else []),
        lambda v: Layer([], [Unit(x - 1, x)] * v),
        lambda v: [Layer([], [Unit(x - v, x)]) for _ in range(v)],
        lambda v: Layer([], [Unit(v * v - x, x)]),
        lambda v: Layer([Head(1, x, v - x, x)], label=f"{v:04d}"),
        lambda v: Layer([Head(v - x, x / 3 - v, 2 - v - x, x / 5)]),
    ],
)
def test_a_layer_may_do_with_a_level_what_it_likes(layer):
    short, long = (Program([x], [x], [Sweep(x, range(4), layer, idle)]) for idle in (True, False))
    tokens = [[0, 2, 5], [3, 3, 1], [7, 8, 9], [2, 2, 2]]
    assert (short.run(tokens) == long.run(tokens)).all()

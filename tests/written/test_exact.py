"""Exact is exact: nothing overflows, nothing is rounded, nothing is zero in silence."""

import copy
import pickle
from fractions import Fraction

import numpy as np
import pytest
import torch

from seqlab import patterns
from seqlab.attention import average, hardmax, sigmoid, softmax, step
from seqlab.universal import contextual_mapping
from seqlab.written import Form, Head, Layer, Piecewise, Program, Sweep, Unit, coordinates, judge, one_hot, table

x, y, z, p = coordinates("x y z p")
HALF = Fraction(1, 2)


def test_forms_print_as_they_read():
    x0, x1 = coordinates("x0 x1")
    assert str(x0 + 3 * x1) == "x0 + 3 * x1" and str(-x0 / 2 - 1) == "-1/2 * x0 - 1" and str(x0 - x0) == "0"
    assert x0 + x1 == x1 + x0 and hash(x0 + x1) == hash(x1 + x0) and np.int64(3) * x0 == 3 * x0 == x0 * 3
    (only,) = coordinates("only")
    assert only == coordinates("only") and 1 - only == -only + 1
    assert len(one_hot("e", 4)) == 4 and [*one_hot("e", 2)] == [Form({"e[0]": 1}), Form({"e[1]": 1})]


@pytest.mark.parametrize("size", [3, 2**30, 2**41, 2**62, 2**70])
def test_products_that_do_not_fit_go_on_in_integers(size):
    tokens = [[0, 2**30, -(2**30)], [1, 2, 3]]
    unit = Program([x], [y], [Layer(units=[Unit(size * x + 1, size * y)])])
    want = [[size * max(size * value + 1, 0) for value in row] for row in tokens]
    assert unit.run(tokens)[..., 0].tolist() == want
    head = Program([x], [y], [Layer([Head(size * x, size * x + 1, value=size * x, write=size * y)])])
    want = []
    for row in tokens:
        scores = [[size * a * (size * b + 1) for b in row] for a in row]
        best = [[b for b, score in zip(row, line) if score == max(line)] for line in scores]
        want.append([Fraction(sum(size * size * b for b in winners), len(winners)) for winners in best])
    assert head.run(tokens)[..., 0].tolist() == want
    steps = Program([x], [y], head.layers, normalizer=step())
    sign = lambda s: Fraction((s > 0) + (s >= 0), 2)
    want = [[sum(sign(a * (size * b + 1)) * size * size * b for b in row) for a in row] for row in tokens]
    assert steps.run(tokens)[..., 0].tolist() == want
    tuples = Program([x], [y], [Layer([Head((size * x, 1), (x, 1), value=x, write=y)])])
    assert tuples.run(tokens)[..., 0].tolist() == [[Fraction(0), 2**30, -(2**30)], [3, 3, 3]]


def test_small_answers_are_int64_and_fractions_stay_fractions():
    program = Program([x], [y, y / 3], [Layer([Head(0, 0, x, y)])], normalizer=average())
    assert program.run([[1, 3]]).tolist() == [[[2, Fraction(2, 3)]] * 2]
    assert Program([x], [x], []).run([[1, 3]]).dtype == np.int64
    assert program.run([[Fraction(1, 2), 1, 2**70]])[0, 0, 0] == (2**70 + Fraction(3, 2)) / 3


def test_tokens_in_any_natural_form():
    program, want = Program([x], [y], [Layer([Head(1, x, x, y)])]), [[[3]] * 3]
    for tokens in (
        [[1, 2, 3]],
        np.array([[1, 2, 3]]),
        torch.tensor([[1, 2, 3]]),
        [[[1], [2], [3]]],
        [(1, 2, 3)],
        ((1, 2, 3),),
    ):
        assert program.run(tokens).tolist() == want
    assert program.run([1, 2, 3]).tolist() == want[0] and program.run((1, 2, 3)).shape == (3, 1)
    assert [row.tolist() for row in program.run([[1, 2, 3], [5], (7, 6)])] == [want[0], [[5]], [[7], [7]]]
    pairs = Program([x, z], [x + z], [])
    assert pairs.run([[(1, 2), (3, 4)]]).tolist() == [[[3], [7]]] and pairs.run([(1, 2), (3, 4)]).shape == (2, 1)
    assert program.run([[-1, 2**63, 2**70]]).tolist() == [[[2**70]] * 3]
    for tokens in ([[0.9, 1]], [[1.0, 2.0]], torch.tensor([[0.5]]), [[None]], ["ab"]):
        with pytest.raises(TypeError, match="exact number"):
            program.run(tokens)
    for tokens in ([], [[]], [[(1, 2)]]):
        with pytest.raises(ValueError, match="tokens"):
            program.run(tokens)


def test_patterns_in_any_natural_form():
    tri = np.tri(4, dtype=bool)
    same = [
        "causal",
        tri,
        tri.tolist(),
        torch.tensor(tri),
        patterns.full().causal(),
        patterns.freehand(tri),
        lambda n: np.tri(n, dtype=bool),
        lambda query, key: key <= query,
        patterns.full().causal().at(4),
    ]
    for sees in same:
        program = Program([x], [y], [Layer([Head(1, x, x, y, sees=sees), Head(1, -x, x, -y)])])
        assert program.run([[1, 0, 2, 1]])[0, :, 0].tolist() == [1, 1, 2, 2]
        assert program.count(4).connections == 10 + 16
    with pytest.raises(ValueError, match="causal"):
        Head(1, x, x, y, sees="casual")
    with pytest.raises(ValueError, match="4 × 4|drawn for 4|wanted a boolean grid of 3 × 3"):
        Program([x], [y], [Layer([Head(1, x, x, y, sees=tri)])]).run([[1, 2, 3]])


@pytest.mark.parametrize(
    "make, told",
    [
        (
            lambda: Program([x], [y], [Layer([Head(1, z, x, y)], label="look")]),
            "layer 0 “look”, head 0: key has the coordinate 'z'",
        ),
        (
            lambda: Program(["count"], [y], [Layer(), Layer(units=[Unit("cuont", y)])]),
            "layer 1 “”, unit 0: read .*nearest is 'count'",
        ),
        (lambda: Program([x], [z], [Layer([Head(1, x, x, y)])]), "answers: form has the coordinate 'z'"),
        (lambda: Program([x], [y], [Layer([Head(x - x, x, x, y)])]), "head 0: query is an empty form"),
        (lambda: Program([x], [y], [Layer([Head(x, {}, x, y)])]), "head 0: key is an empty form"),
        (lambda: Program([x], [x], [Layer([Head(1, x, x, {})])]), "head 0: write is an empty form"),
        (lambda: Program([x], [x], [Layer([Head(1, x, x, 0 * x)])]), "head 0: write is an empty form"),
        (lambda: Program([x], [y], [Layer([Head(1, x, x, y + 1)])]), "without constant"),
        (
            lambda: Program([x], [y], [Layer([Head((1, x), x, x, y)])]),
            "layer 0 “”: head 0: query has 2 forms and key has 1",
        ),
        (lambda: Program([x], [y], [Layer([Head((), (), x, y)])]), "at least one"),
        (lambda: Program([], [y], [Layer(units=[Unit(1, y)])]), "reads: got .*wanted coordinates, each once"),
        (lambda: Program([2 * x], [x], []), "reads: got 2 . x, wanted coordinates"),
        (lambda: Program([x + y], [x], []), "reads: got x . y, wanted coordinates"),
        (lambda: Program([x, x], [x], []), "reads: got x, x, wanted coordinates, each once"),
        (lambda: Program([x], [], []), "answers: got none"),
        (lambda: Program([x], [x], [], positions=5), "positions: got 5, wanted a coordinate"),
        (lambda: Program([x], [x], [], clock=[{"z": 1}]), "clock: loop has the coordinate 'z'.*nearest is 'x'"),
        (lambda: Program([x], [x], [], loops=-1).run([1]), "loops: got -1"),
        (lambda: table(x, {}, y), "table: got no values"),
        (lambda: judge(Program([x], [x], []), max, []), "inputs: got none"),
        (lambda: judge(Program([x], [x], []), max, [(1,)], {"layer": 1}), "budget: got layer, wanted some of layers"),
        (lambda: Program([x], [y], [Sweep(z, range(3), lambda v: Layer([Head(1, x, x, y)]))]), "sweep: over has .*'z'"),
        (
            lambda: Program([x], [y], [Sweep(x, range(3), lambda v: Layer([Head(1, x + (z if v == 2 else x), x, y)]))]),
            "'z'",
        ),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(make, told):
    with pytest.raises(ValueError, match=told):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: 0.5 * x,
        lambda: x + 0.1,
        lambda: x * y,
        lambda: Head(0.5, x, x, y),
        lambda: Unit(x, {"y": 0.5}),
        lambda: Unit(x, y, Piecewise((0.5,), ((0, 0), (1, 0)))),
        lambda: Unit(x, y, torch.relu),
        lambda: Sweep(x, [0.5], lambda v: Layer()),
        lambda: Program([x], [x], [], start={y: 0.0}),
        lambda: Program([x], [x], [], normalizer=hardmax),
        lambda: Program([x], [x], [], loops=1.5).run([1]),
        lambda: Program([x], [x], [Head(1, x, x, x)]),
        lambda: Program([x], [x], [Layer([Unit(x, x)])]),
        lambda: Program([x], [x], [], normalizer=softmax(3.0)).run([[1]]),
        lambda: Program([x], [x], [], normalizer=sigmoid()).run([[1]]),
    ],
)
def test_floats_and_wrong_parts_are_refused(make):
    with pytest.raises(TypeError):
        make()


def test_a_sweep_visits_held_levels_and_notices_when_that_is_wrong():
    visited = []

    def jump(v):
        visited.append(v)
        up, down = x - v + HALF, x - v - HALF
        return Layer([Head(up, 1, 1, 100 * x), Head(down, 1, 1, -100 * x)])

    program = Program([x], [x], [Sweep(x, range(1000), jump)], normalizer=step())
    assert program.run([[3, 700]])[0, :, 0].tolist() == [1003, 1100] and len(visited) < 10
    assert program.count().layers == 1000 and len(program.trace([[3, 700]]).labels) == 8


def test_trace_has_all_there_is():
    program = Program([x], [y], [Layer([Head(1, x, x, y)], label="look")])
    trace = program.trace([[1, 3, 3], [0, 5, 2]])
    assert trace.labels == ["start", "look"] and trace.states[1][0].tolist() == [[1, 3], [3, 3], [3, 3]]
    assert trace.weights[0][0][0][0].tolist() == [0, HALF, HALF] and trace.gap == 2 and trace.largest >= 5
    assert (0, 0, 0, 0, 1) in trace.ties and all(sequence == 0 for _, _, sequence, _, _ in trace.ties)
    steps = Program([x], [y], [Layer([Head(x, x - HALF, 1, y)])], normalizer=step()).trace([[0, 1]])
    assert steps.gap == HALF and (0, 0, 0, 0, 0) in steps.ties


def test_largest_says_which_dtype_holds_it():
    small, large = (contextual_mapping(*size).program() for size in ((3, 1, 2), (6, 1, 5)))
    tokens = {small: [[0, 2], [2, 1]], large: [[0, 5, 3, 2, 1], [5, 4, 3, 1, 2]]}
    for program, rows in tokens.items():
        for dtype, bits in ((torch.bfloat16, 8), (torch.float32, 24), (torch.float64, 53)):
            got = program.module(dtype=dtype)(torch.tensor(rows)).double()
            same = torch.equal(got, torch.tensor(program.run(rows).astype(float)))
            assert same or program.trace(rows).largest > 2**bits
    assert small.trace(tokens[small]).largest < 2**24 < large.trace(tokens[large]).largest < 2**53


def test_listing_and_matrices():
    program = contextual_mapping(3, 2, 2).program()
    text = str(program)
    assert "head 0: scores (x0 + 3 * x1 + 1/2) · (x0 + 3 * x1), adds x0 + 3 * x1 to 9 * x0" in text
    assert "9 levels" in text and "layers 10 · heads 19 · units 0 · width 2" in text
    made = program.matrix(0)
    assert made["W_Q"]["head 1"] == {"x0": 1, "x1": 3, "1": -HALF} and made["W_O"]["x0"] == {"head 0": 9, "head 1": -9}


def test_normalizers_are_values():
    for each in (softmax(2.0), hardmax(), hardmax(0.5), sigmoid(), sigmoid(0.0, 3.0), average(), step()):
        assert pickle.loads(pickle.dumps(each)) == each == copy.deepcopy(each) and "(" in repr(each)
    assert softmax(2.0) != softmax(3.0) and hardmax().soft(7.0) == softmax(7.0) and softmax(7.0).limit == hardmax()
    assert step().soft(7.0) == sigmoid(0, 7.0) and sigmoid(0).limit == step() and softmax(0).limit == average()
    scores = torch.tensor([[0.0, 1.0, -2.0]], dtype=torch.float64)
    assert step()(scores).tolist() == [[0.5, 1.0, 0.0]]
    torch.testing.assert_close(step().soft(1000.0)(scores), step()(scores), rtol=0, atol=1e-12)


def test_long_sweeps_are_counted():
    jump = lambda v: [Layer([Head(x - v + HALF, x, x, x), Head(x - v - HALF, x, x, -x)]), Layer()]
    size = Program([x], [x], [Sweep(x, range(10_001), jump), Layer()]).count(3)
    assert size.layers == 20_003 and size.heads == 20_002 and size.connections == 9 * 20_002
    assert Program([x], [x], [Sweep(x, [], jump)]).run([[1]]).tolist() == [[[1]]]
    assert "0 levels" in str(Program([x], [x], [Sweep(x, [], jump)]))

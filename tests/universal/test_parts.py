"""Activations, quantiser, ids and the selective shift."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch

from seqlab import universal
from seqlab.attention import softmax
from seqlab.layers import count
from seqlab.written import Layer, Piecewise, Program, Unit, coordinates

ACTIVATIONS = {
    "rounding": universal.rounding_activation(0.25),
    "marker": universal.marker_activation(64),
    "window": universal.window_activation(-Fraction(1, 8), Fraction(1, 8)),
    "outside": universal.window_activation(1, 2, inside=0, outside=1),
    "last constant": Piecewise((0, 1), ((2, 1), (-3, Fraction(1, 2)), (0, 0))),
}


def relus(phi, epsilon, t):
    return sum(float(w) * torch.relu(sign * (t - float(c))) for sign, c, w in universal.hinges(phi, epsilon))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_four_relus_agree_outside_the_ramps(name):
    phi, epsilon = ACTIVATIONS[name], 2**-6
    t = torch.linspace(-3, 4, 7001, dtype=torch.float64)
    first, second = map(float, phi.breaks)
    ramp = ((t >= first - epsilon) & (t < first)) | ((t >= second - epsilon) & (t < second))
    torch.testing.assert_close(relus(phi, epsilon, t)[~ramp], phi(t)[~ramp], rtol=0, atol=1e-9)
    assert len(universal.hinges(phi, epsilon)) == (3 if name == "rounding" else 4)  # where φ is continuous: no jump


def test_first_piece_zero_is_the_printed_formula():
    c1, c2, (a2, b2), (a3, b3), e = Fraction(-3, 10), Fraction(9, 10), (2, 1), (-1, Fraction(1, 2)), Fraction(1, 100)
    k1 = (a2 * c1 + b2) / e
    k2 = (a3 * c2 + b3 - a2 * (c2 - e) - b2) / e
    parts = universal.hinges(Piecewise((c1, c2), ((0, 0), (a2, b2), (a3, b3))), e)
    assert [sign for sign, _, _ in parts] == [1] * 4
    assert [kink for _, kink, _ in parts] == [c1 - e, c1, c2 - e, c2]
    assert [weight for _, _, weight in parts] == [k1, a2 - k1, k2 - a2, a3 - k2]


def test_the_supremum_stays_and_the_integral_vanishes():
    epsilons = [0.1, 0.01, 0.001, 0.0001]
    errors = universal.relu_errors(ACTIVATIONS["rounding"], epsilons)
    assert all(sup == pytest.approx(0.25, rel=1e-6) for sup, _ in errors)
    assert [area for _, area in errors] == pytest.approx([0.125 * epsilon for epsilon in epsilons], rel=1e-3)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: universal.hinges(Piecewise((0, 1), ((1, 0),) * 3), 0.1), ["pieces", "one that is 0"]),
        (lambda: universal.hinges(ACTIVATIONS["rounding"], 0.25), ["epsilon", "0.25"]),
        (lambda: universal.quantiser(1), ["levels", "at least 2"]),
        (lambda: universal.quantiser(4, 0), ["dim", "at least 1"]),
        (lambda: universal.quantiser(4, skip=(4,)), ["skip", "level 4"]),
        (lambda: universal.selective_shift(torch.tensor([1, 2]), 2.0, 1.0), ["low", "high"]),
    ],
)
def test_errors(make, words):
    with pytest.raises(ValueError) as caught:
        make()
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_relu_layer_is_the_layer_with_the_replaced_activation():
    x, y = coordinates("x y")
    phi = universal.window_activation(1, 2, inside=0, outside=1)
    program = Program([x, y], [x, y], Layer(units=Unit(x + 2 * y - Fraction(3, 10), x / 2 - y, phi)))
    tokens = torch.randn(50, 3, 2, dtype=torch.float64)
    t, write = tokens @ torch.tensor([1.0, 2.0]).double() - 0.3, torch.tensor([0.5, -1.0]).double()
    got = universal.with_relu(program, 0.01).module()(tokens) - tokens
    torch.testing.assert_close(got, relus(phi, 0.01, t)[..., None] * write, rtol=0, atol=1e-10)


def test_building_draws_no_random_numbers():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    universal.contextual_mapping(3, 1, 3).program().module()
    assert torch.equal(before, torch.get_rng_state())


def test_network_runs_exactly_and_as_layers():
    made = universal.approximate(lambda x: torch.sin(x) + x.mean(1, keepdim=True), 2, 2, 2, positions=True)
    tokens = [[[Fraction(3, 5), Fraction(1, 7)], [Fraction(3, 4), 0]], [[Fraction(6, 5), 0], [Fraction(1, 2), 0]]]
    exact = made.program().run(tokens).astype(float)
    x = torch.tensor(np.array(tokens, dtype=float))
    torch.testing.assert_close(torch.tensor(exact), made.reference(x))
    torch.testing.assert_close(torch.tensor(exact), made.stack()(x))
    size = count(made.stack(softmax(500.0), 2**-8), 2)
    assert (size.heads, size.head_dim, size.hidden) == (2, 1, 4)


@pytest.mark.parametrize("levels, dim, length", [(4, 1, 3), (3, 2, 2), (2, 3, 3), (8, 2, 2), (5, 1, 4)])
def test_quantiser(levels, dim, length):
    made = universal.quantiser(levels, dim, length)
    verdict = made.check()
    assert verdict, verdict
    size = made.program().count(length)
    assert size.layers == size.units == dim + dim * levels and size.heads == 0
    assert count(made.stack(), length).hidden == 1
    assert made.marker == levels ** (dim * length)


def test_quantiser_is_exact_on_a_power_of_two():
    made = universal.quantiser(8, 1)
    x = torch.rand(2000, 1, 1, dtype=torch.float64)
    assert torch.equal(made.stack()(x), torch.floor(x * 8) / 8)


def test_quantiser_switches_fail():
    unmarked = universal.quantiser(4, 1, 3, marked=False).check()
    x, got, want = unmarked.witness.objects
    assert not unmarked and not 0 <= x < 1 and got == x and want == -64
    skipped = universal.quantiser(4, 2, 3, skip=(2,)).check()
    x, got, want = skipped.witness.objects
    assert not skipped and 0.5 <= x < 0.75 and got == x and want == 0.5


@pytest.mark.parametrize("levels, dim", [(2, 1), (4, 1), (3, 2), (2, 4), (5, 3)])
def test_ids_are_one_to_one(levels, dim):
    columns = np.array(list(itertools.product(range(levels), repeat=dim)))
    ids = universal.contextual_mapping(levels, dim, 2).ids(np.stack([columns, columns], axis=1))
    assert sorted(ids[:, 0].tolist()) == list(range(levels**dim))


def test_two_heads_are_the_selective_shift():
    verdict = universal.check_shift()
    assert verdict and verdict.checked == 2000 and verdict.margin == 0.5


@pytest.mark.parametrize(
    "switch",
    [dict(heads=1), dict(normalizer=universal.Unshared()), dict(on_threshold=True), dict(normalizer=softmax(1))],
)
def test_shift_switches_fail(switch):
    verdict = universal.check_shift(300, **switch)
    ids, low, high, got, want = verdict.witness.objects
    assert not verdict
    assert want == tuple(max(ids) - min(ids) if low < l < high else 0 for l in ids) and got != want


def test_exact_heads_with_rational_ids():
    ids = [Fraction(1, 3), Fraction(7, 5), Fraction(-2, 7)]
    got = universal.shift_heads().run([[(id, Fraction(0), Fraction(1)) for id in ids]])
    assert got.ravel().tolist() == [max(ids) - min(ids), 0, 0]


def test_a_layer_writes_the_first_coordinate_only():
    program = universal.contextual_mapping(3, 2, 3).program()
    tokens = [[[0, 1], [2, 2], [1, 0]]]  # ids 3, 8, 1
    states = program.trace(tokens).states
    assert (states[1] - states[0]).tolist() == [[[0, 0], [0, 0], [9 * (8 - 1), 0]]] and program.names == ["x0", "x1"]

"""Activations, blocks, quantiser, ids and the selective shift."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch

from seqlab import universal
from seqlab.attention import softmax
from seqlab.layers import YunBlock, count
from seqlab.universal import Heads, Piecewise, PiecewiseFeedForward, Residual, Stack

ACTIVATIONS = {
    "rounding": universal.rounding_activation(0.25),
    "marker": universal.marker_activation(64.0),
    "window": universal.window_activation(-0.125, 0.125),
    "outside": universal.window_activation(1.0, 2.0, inside=0.0, outside=1.0),
    "negative": universal.negative_part(),
    "last constant": Piecewise((0.0, 1.0), ((2, 1.0), (-3, 0.5), (0, 7.0))),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_four_relus_agree_outside_the_ramps(name):
    phi, epsilon = ACTIVATIONS[name], 2**-6
    t = torch.linspace(-3, 4, 7001, dtype=torch.float64)
    ramp = ((t >= phi.breaks[0] - epsilon) & (t < phi.breaks[0])) | (
        (t >= phi.breaks[1] - epsilon) & (t < phi.breaks[1])
    )
    torch.testing.assert_close(phi.relu(epsilon)(t)[~ramp], phi(t)[~ramp], rtol=0, atol=1e-9)
    assert len(phi.hinges(epsilon)[1]) == 4


def test_first_piece_constant_is_the_printed_formula():
    c1, c2, b1, (a2, b2), (a3, b3), e = -0.3, 0.9, 0.0, (2.0, 1.0), (-1.0, 0.5), 0.01
    k1 = (a2 * c1 + b2 - b1) / e
    k2 = (a3 * c2 + b3 - a2 * (c2 - e) - b2) / e
    constant, parts = Piecewise((c1, c2), ((0, b1), (a2, b2), (a3, b3))).hinges(e)
    assert constant == b1 and [sign for sign, _, _ in parts] == [1] * 4
    assert [kink for _, kink, _ in parts] == pytest.approx([c1 - e, c1, c2 - e, c2])
    assert [weight for _, _, weight in parts] == pytest.approx([k1, a2 - k1, k2 - a2, a3 - k2])


def test_the_supremum_stays_and_the_integral_vanishes():
    epsilons = [0.1, 0.01, 0.001, 0.0001]
    errors = universal.relu_errors(ACTIVATIONS["rounding"], epsilons)
    assert all(sup == pytest.approx(0.25, rel=1e-6) for sup, _ in errors)
    assert [area for _, area in errors] == pytest.approx([0.125 * epsilon for epsilon in epsilons], rel=1e-3)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: Piecewise((1.0, 0.0), ((0, 0.0),) * 3), ["breaks", "1.0"]),
        (lambda: Piecewise((0.0, 1.0), ((1, 0.0),) * 3), ["pieces", "slope 0"]),
        (lambda: ACTIVATIONS["rounding"].relu(0.25), ["epsilon", "0.25"]),
        (lambda: Heads(torch.ones(1), (0.0,), (1.0, -1.0)), ["gains", "one per head"]),
        (lambda: universal.quantiser(1), ["levels", "at least 2"]),
        (lambda: universal.quantiser(4, 0), ["dim", "at least 1"]),
        (lambda: universal.quantiser(4, skip=(4,)), ["skip", "level 4"]),
        (lambda: universal.selective_shift(torch.tensor([1, 2]), 2.0, 1.0), ["low", "high"]),
        (lambda: universal.check_ids(1, 1), ["levels"]),
    ],
)
def test_errors(make, words):
    with pytest.raises(ValueError) as caught:
        make()
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_relu_layer_is_the_layer_with_the_replaced_activation():
    read, write = torch.tensor([1.0, 2.0]).double(), torch.tensor([0.5, -1.0]).double()
    layer = PiecewiseFeedForward(read, -0.3, write, ACTIVATIONS["outside"])
    x = torch.randn(50, 3, 2, dtype=torch.float64)
    t = x @ read - 0.3
    torch.testing.assert_close(layer(x), ACTIVATIONS["outside"](t)[..., None] * write)
    torch.testing.assert_close(
        layer.with_relu(0.01)(x), ACTIVATIONS["outside"].relu(0.01)(t)[..., None] * write, rtol=0, atol=1e-10
    )


def test_building_draws_no_random_numbers():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    universal.contextual_mapping(3, 1, 3).stack()
    assert torch.equal(before, torch.get_rng_state())


def test_whole_blocks_agree_with_single_layers():
    made = universal.approximate(lambda x: torch.sin(x) + x.mean(1, keepdim=True), 2, 2, 2, positions=True).stack()
    x = torch.rand(100, 2, 2, dtype=torch.float64)
    blocks = made.blocks()
    torch.testing.assert_close(blocks(x), made(x), rtol=0, atol=0)
    assert sum(isinstance(layer, YunBlock) for layer in blocks.layers) == len(made) - 1  # the positions are no block
    size = count(made.with_relu(2**-8).with_normalizer(softmax(500.0)).blocks(), 2)
    assert (size.heads, size.head_dim, size.hidden) == (2, 1, 4)


def test_trace_starts_with_the_input_and_ends_with_the_output():
    stack = universal.quantiser(4, 1).stack()
    x = torch.tensor([[[0.8], [0.3]]], dtype=torch.float64)
    frames = stack.trace(x)
    assert len(frames) == len(stack) + 1 and frames[0].tokens is x
    assert frames[-1].tokens.flatten().tolist() == [0.75, 0.25] and frames[-1].part == "quantise"


@pytest.mark.parametrize("levels, dim, length", [(4, 1, 3), (3, 2, 2), (2, 3, 3), (8, 2, 2), (5, 1, 4)])
def test_quantiser(levels, dim, length):
    made = universal.quantiser(levels, dim, length)
    verdict = made.check()
    assert verdict, verdict
    stack = made.stack()
    assert len(stack) == stack.feed_forward_layers() == made.formula == dim + dim * levels
    size = count(stack, length)
    assert (size.layers, size.hidden) == (0, 1)
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
    assert universal.check_ids(levels, dim).margin == 1
    columns = np.array(list(itertools.product(range(levels), repeat=dim)))
    assert sorted(universal.column_ids(columns, levels).tolist()) == list(range(levels**dim))


@pytest.mark.parametrize("base", [1, 2])
def test_another_base_makes_ids_collide(base):
    verdict = universal.check_ids(3, 2, base=base)
    a, b, shared = verdict.witness.objects
    assert not verdict and a != b
    assert a[0] + base * a[1] == b[0] + base * b[1] == shared


def test_two_heads_are_the_selective_shift():
    verdict = universal.check_shift()
    assert verdict and verdict.checked == 2000 and verdict.margin == 0.5


@pytest.mark.parametrize(
    "switch", [dict(heads=1), dict(ties="sum"), dict(on_threshold=True), dict(normalizer=softmax(1))]
)
def test_shift_switches_fail(switch):
    verdict = universal.check_shift(300, **switch)
    ids, low, high, got, want = verdict.witness.objects
    assert not verdict
    assert want == tuple(max(ids) - min(ids) if low < l < high else 0 for l in ids) and got != want


def test_first_of_the_tied_is_harmless():
    """Tied keys carry the same id, which is also their value: who of them wins changes nothing off the thresholds."""
    assert universal.check_shift(500, ties="first")


def test_exact_heads_with_rational_ids():
    ids = [Fraction(1, 3), Fraction(7, 5), Fraction(-2, 7)]
    low, high = Fraction(0), Fraction(1)
    assert universal.exact_heads(ids, low, high) == [max(ids) - min(ids), 0, 0]


def test_residual_writes_the_first_coordinate_only():
    u = torch.tensor([1.0, 3.0], dtype=torch.float64)
    layer = Stack([Residual(universal.shift_heads(u, 2.5, 3.5, 9.0), "sweep", "")])
    x = torch.tensor([[[0, 1], [2, 2], [1, 0]]], dtype=torch.float64)  # ids 3, 8, 1
    assert (layer(x) - x).tolist() == [[[63, 0], [0, 0], [0, 0]]]

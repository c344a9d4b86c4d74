"""Lemma 4.1 and Theorem 4.2 as blocks that run, digits in floating point, roughness."""

import math
import random
from fractions import Fraction

import pytest
import torch

from seqlab import looped


def uniform(seed, count):
    draw = random.Random(seed)
    return [draw.uniform(-1, 1) for _ in range(count)]


def smooth(count):
    return [math.sin(3 * k / (count - 1)) for k in range(count)]


@pytest.mark.parametrize("seed", range(20))
def test_random_tables(seed):
    labels = uniform(seed, 20)
    rough, exact = looped.memoriser(labels), looped.memoriser(labels, clock=True)
    verdict = rough.check()
    error, step = looped.roughness(labels)
    assert verdict and 0 < error <= step / 2 and verdict.margin == pytest.approx(step - error)
    assert [value for (value,) in rough.recall()] == looped.approximation(labels)
    assert exact.recall() == [(Fraction(label),) for label in labels] and exact.check().margin == 1e-12


def test_several_coordinates_and_a_constant_table():
    labels = [(1, Fraction(1, 3), 5), (2, 0, 5), (-1, 1, 5), (0, 7, 5)]
    for clock in (False, True):
        made = looped.memoriser(labels, clock=clock)
        assert made.check() and made.check_size() and made.recall()[0] == labels[0]
    assert looped.memoriser(labels, clock=True).recall() == labels
    assert looped.memoriser([3, 3, 3]).recall() == [(3,)] * 3


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_sizes_are_within_the_papers(dim):
    labels = [tuple(range(k, k + dim)) for k in range(4)]
    without, with_clock = looped.memoriser(labels), looped.memoriser(labels, clock=True)
    assert (without.program.embedding, without.program.width) == (3 * dim + 1, 12 * dim + 2)
    assert (with_clock.program.embedding, with_clock.program.width) == (dim + 1, 2)
    assert without.check_size() and with_clock.check_size()


def test_the_numbers_of_smooth_and_rough_tables():
    assert looped.roughness(smooth(40)) == pytest.approx((0.038, 0.077), abs=5e-4)
    assert looped.roughness(smooth(400)) == pytest.approx((0.0038, 0.0075), abs=5e-5)
    for count in (40, 400):
        labels = smooth(count)
        shuffled = random.Random(1).sample(labels, count)
        assert looped.roughness(shuffled)[0] > 0.25 > 6 * looped.roughness(labels)[0]
    assert looped.memoriser(smooth(40)).check().margin == pytest.approx(0.077 - 0.038, abs=1e-3)
    ids = [0, 1, 57, 399]
    got = looped.memoriser(smooth(400)).recall(ids)
    assert [value for (value,) in got] == [looped.approximation(smooth(400))[k] for k in ids]


def test_theorem_4_2_with_64_labels():
    made = looped.memoriser(uniform(3, 64), clock=True)
    assert made.check().margin == 1e-12 and made.check(dtype=torch.float64)
    assert not made.check(loops=62) and "k = 63" in str(made.check(loops=62).witness)
    stopped = made.check(clock=False)
    assert not stopped and not {h.name: h.holds for h in stopped.statement.hypotheses}["clock"]


def test_without_a_clock_floats_and_one_loop_too_few_fail():
    labels = uniform(0, 40)
    made = looped.memoriser(labels)
    assert not made.check(dtype=torch.float64) and not made.check(dtype=torch.float32)
    few = [0, 1, 2, 3, 4, 5]
    assert looped.memoriser(few).check() and not looped.memoriser(few).check(loops=4)
    assert looped.memoriser(few).check(dtype=torch.float64)


def test_digits():
    digits = [1, -1, 0, 0, 1, 1, -1]
    theta = looped.pack(digits)
    assert theta == sum(Fraction(b, 3**t) for t, b in enumerate(digits, 1)) and abs(theta) < Fraction(1, 2)
    assert looped.unpack(theta, 9) == [*digits, 0, 0]
    assert looped.first_wrong(digits) is None
    assert looped.greedy_digits([0, 1, 1, Fraction(1, 4), -1]) in ([1, 0, -1, -1], [1, 0, 0, -1])


def test_floating_point_loses_digits():
    assert looped.check_digits(60)
    assert looped.check_digits(31, dtype=torch.float64) and not looped.check_digits(33, dtype=torch.float64)
    assert looped.check_digits(14, dtype=torch.float32) and not looped.check_digits(16, dtype=torch.float32)
    digits, at = looped.check_digits(40, dtype=torch.float64).witness.objects
    assert looped.first_wrong(digits) == at


def test_tensors_arrays_and_numbers_that_float64_can_hardly_hold():
    labels = torch.rand(6, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for made in (looped.memoriser(labels), looped.memoriser(labels.numpy()), looped.memoriser(list(labels))):
        assert made.labels == looped.memoriser(labels.tolist()).labels
    assert looped.memoriser(labels[:, 0]).check() and looped.memoriser(labels[:, 0]).dim == 1
    for huge in ([1e308, -1e308, 3], [10**400, 0, -3]):
        assert looped.memoriser(huge).check() and looped.memoriser(huge, clock=True).check().margin == 1e-12
    assert not looped.memoriser(huge, clock=True).check(loops=1)
    assert looped.memoriser([0, 0, 0]).check().margin == 0


@pytest.mark.parametrize("ids", [[3], [-1]])
def test_only_ids_of_the_table_are_recalled(ids):
    with pytest.raises(ValueError, match="ids: got"):
        looped.memoriser([1, 2, 3]).recall(ids)


def test_no_digits_prove_nothing():
    with pytest.raises(ValueError, match="prove nothing"):
        looped.check_digits(20, tables=0)


@pytest.mark.parametrize(
    "labels, words",
    [
        ([1], ["labels", "at least two"]),
        ([(1, 2), (1,)], ["labels", "[1, 2]"]),
        ([(), ()], ["labels", "[0]"]),
        ([1.0, float("nan")], ["nan for k = 1", "finite"]),
        ([float("inf"), 1.0], ["inf for k = 0"]),
        (["a", "b"], ["'a' for k = 0"]),
        ([None, 1], ["None for k = 0"]),
    ],
)
def test_errors(labels, words):
    with pytest.raises(ValueError) as caught:
        looped.memoriser(labels)
    assert all(word in str(caught.value) for word in words)

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


def recall(labels, **options):
    return list(map(tuple, looped.walk(labels, **options).run(range(len(labels))).tolist()))


@pytest.mark.parametrize("seed", range(20))
def test_random_tables(seed):
    labels = uniform(seed, 20)
    verdict = looped.check_walk(labels)
    error, step = looped.roughness(labels)
    assert verdict and 0 < error <= step / 2 and verdict.margin == pytest.approx(step - error)
    assert [value for (value,) in recall(labels)] == looped.approximation(labels)
    assert recall(labels, clock=True) == [(Fraction(label),) for label in labels]
    assert looped.check_walk(labels, clock=True).margin == 1e-12


def test_several_coordinates_and_a_constant_table():
    labels = [(1, Fraction(1, 3), 5), (2, 0, 5), (-1, 1, 5), (0, 7, 5)]
    for clock in (False, True):
        assert looped.check_walk(labels, clock=clock) and recall(labels, clock=clock)[0] == labels[0]
    assert recall(labels, clock=True) == labels
    assert recall([3, 3, 3]) == [(3,)] * 3


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_sizes_are_within_the_papers(dim):
    labels = [tuple(range(k, k + dim)) for k in range(4)]
    without, with_clock = looped.walk(labels), looped.walk(labels, clock=True)
    assert looped.sizes(without) == (3 * dim + 1, 12 * dim + 2) and looped.sizes(with_clock) == (dim + 1, 2)
    assert looped.check_size(without, looped.LEMMA_4_1) and looped.check_size(with_clock, looped.THEOREM_4_2)


def test_the_numbers_of_smooth_and_rough_tables():
    assert looped.roughness(smooth(40)) == pytest.approx((0.038, 0.077), abs=5e-4)
    assert looped.roughness(smooth(400)) == pytest.approx((0.0038, 0.0075), abs=5e-5)
    for count in (40, 400):
        labels = smooth(count)
        shuffled = random.Random(1).sample(labels, count)
        assert looped.roughness(shuffled)[0] > 0.25 > 6 * looped.roughness(labels)[0]
    assert looped.check_walk(smooth(40)).margin == pytest.approx(0.077 - 0.038, abs=1e-3)
    ids = [0, 1, 57, 399]
    got = looped.walk(smooth(400)).run(ids)
    assert [value for (value,) in got] == [looped.approximation(smooth(400))[k] for k in ids]


def test_theorem_4_2_with_64_labels():
    labels = uniform(3, 64)
    check = lambda **broken: looped.check_walk(labels, clock=True, **broken)
    assert check().margin == 1e-12 and check(dtype=torch.float64)
    assert not check(loops=62) and "k = 63" in str(check(loops=62).witness)
    stopped = check(stopped=True)
    assert not stopped and not {h.name: h.holds for h in stopped.statement.hypotheses}["clock"]


def test_without_a_clock_floats_and_one_loop_too_few_fail():
    for dtype in (torch.float64, torch.float32):
        assert not looped.check_walk(uniform(0, 40), dtype=dtype)
    few = [0, 1, 2, 3, 4, 5]
    assert looped.check_walk(few) and not looped.check_walk(few, loops=4)
    assert looped.check_walk(few, dtype=torch.float64)


def test_digits():
    digits = [1, -1, 0, 0, 1, 1, -1]
    theta = looped.pack(digits)
    assert theta == sum(Fraction(b, 3**t) for t, b in enumerate(digits, 1)) and abs(theta) < Fraction(1, 2)
    assert looped.unpack(theta, 9) == [*digits, 0, 0]
    assert looped.first_wrong(digits) is None
    assert looped.greedy_digits([0, 1, 1, Fraction(1, 4), -1]) in ([1, 0, -1, -1], [1, 0, 0, -1])


def test_floating_point_loses_digits():
    draw = random.Random(0)
    for digits in ([draw.choice((-1, 0, 1)) for _ in range(60)] for _ in range(20)):
        lost = {dtype: looped.first_wrong(digits, dtype) for dtype in (None, torch.float64, torch.float32)}
        assert lost[None] is None and 29 < lost[torch.float64] < 42 and 9 < lost[torch.float32] < 24, lost


def test_tensors_arrays_and_numbers_that_float64_can_hardly_hold():
    labels = torch.rand(6, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for same in (labels, labels.numpy(), list(labels)):
        assert recall(same, clock=True) == [tuple(map(Fraction, row)) for row in labels.tolist()]
    assert looped.check_walk(labels[:, 0])
    for huge in ([1e308, -1e308, 3], [10**400, 0, -3]):
        assert recall(huge, clock=True) == [(Fraction(label),) for label in huge]
        assert [value for (value,) in recall(huge)] == looped.approximation(huge)
    assert looped.check_walk([0, 0, 0]).margin == 0


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
        looped.walk(labels)
    assert all(word in str(caught.value) for word in words)

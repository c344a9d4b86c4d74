"""The Boltzmann operator and Lemma 1: formulas against autograd and mpmath, thresholds, order, slopes; wrong fail."""

import math

import pytest
import torch

from seqlab.one_layer import boltzmann, lemma
from seqlab.one_layer.boltzmann import boltz, gradient


def exact_boltz(a, digits=50):
    """boltz(a) straight from the definition, in mpmath."""
    import mpmath

    with mpmath.workdps(digits):
        return mpmath.fsum(mpmath.exp(x) * x for x in a) / mpmath.fsum(mpmath.exp(x) for x in a)


PRINTED = "210 321 320 310 432 431 430 421 420 410 543 542 541 540 532 531 530 521 520 510"


def test_boltz_is_the_average_of_the_definition():
    a = [-1.5, 0.25, 2.0, 2.0]
    plain = sum(x * math.exp(x) for x in a) / sum(math.exp(x) for x in a)
    assert boltz(torch.tensor(a, dtype=torch.float64)).item() == pytest.approx(plain, abs=1e-15)
    assert float(exact_boltz(a)) == pytest.approx(plain, abs=1e-15)


def test_gradient_formula():
    verdict = boltzmann.check_gradient()
    assert verdict and verdict.checked == 1000 and verdict.margin > 0.9e-12
    assert not boltzmann.check_gradient(lambda a: torch.softmax(a, -1))
    assert not boltzmann.check_gradient(lambda a: a * math.nan)
    with pytest.raises(ValueError, match="two sets"):
        lemma.check_order(3, 3)


def test_the_gradient_takes_batches():
    batch = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.equal(gradient(batch)[2], gradient(batch[2]))


@pytest.mark.parametrize("order", [1, 2])
def test_a_witness_is_what_autograd_finds(order):
    """The formulas of both derivatives in `check_shape` against automatic differentiation."""
    distance = {"decreasing": 1.0} if order == 1 else {"concave": 2.5}
    a, value, found = boltzmann.check_shape(**distance).witness.objects
    a = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    derivative = torch.autograd.grad(boltz(a), a, create_graph=True)[0][1]
    derivative = derivative if order == 1 else torch.autograd.grad(derivative, a)[0][1]
    assert found == order and derivative.item() / torch.softmax(a, -1)[1].item() == pytest.approx(value, rel=1e-9)


def test_bounds_and_their_sharp_form():
    for n in (1, 2, 8, 30):
        assert boltzmann.check_bounds(length=n)
        assert boltzmann.check_bounds(length=n, depth=boltzmann.deepest)
        assert boltzmann.deepest(n) <= math.log(n) + 1e-12
    assert not boltzmann.check_bounds(length=8, depth=lambda n: boltzmann.deepest(n) - 1e-3)


def test_monotone_and_concave_from_their_thresholds_on():
    for n in (2, 5, 20):
        assert boltzmann.check_shape(length=n)
    sharp = 1 + boltzmann.deepest(5)
    assert boltzmann.check_shape(decreasing=sharp + 1e-3, length=5)
    verdict = boltzmann.check_shape(decreasing=sharp - 1e-3, length=5)
    assert not verdict and verdict.witness.objects[2] == 1 and "broken" in str(verdict)
    assert boltzmann.check_shape(concave=2.5).witness.objects[2] == 2


@pytest.mark.parametrize("n, levels, observed, bound", [(2, 4, -2.88, -6.03), (5, 8, -14.64, -18.49)])
def test_lemma_1_with_the_numbers_of_a_second_implementation(n, levels, observed, bound):
    verdict = lemma.check_lemma(n, levels)
    assert verdict and verdict.unit == "orders of magnitude" and verdict.checked == math.comb(math.comb(levels, n), 2)
    assert f"smallest difference 10^{observed:.2f}" in verdict.notes[0]
    assert verdict.margin == pytest.approx(observed - bound, abs=0.02)


def test_lemma_1_for_three_and_four_and_what_breaks_it():
    assert lemma.check_lemma(3) and lemma.check_lemma(4)
    broken = lemma.check_lemma(3, 5, spacing=0.3)
    assert not broken and broken.margin < 0 and "broken" in str(broken)
    s, t, observed, bound = broken.witness.objects
    points = lambda levels: [0.3 * (k - 2) for k in levels]
    difference = abs(exact_boltz(points(s)) - exact_boltz(points(t)))
    assert math.log10(difference) == pytest.approx(observed, abs=1e-6) and observed < bound
    with pytest.raises(ValueError, match="n: got 1"):
        lemma.check_lemma(1)
    with pytest.raises(ValueError, match="n: got 4"):
        lemma.check_lemma(4, 4)


def test_order_is_the_printed_one():
    found = " ".join("".join(map(str, s)) for s in lemma.order(6, 3, lemma.gap(3) + 1e-6)[0])
    assert found == PRINTED
    assert lemma.level_sets(6, 3) == lemma.order(6, 3, lemma.gap(3) + 1e-6)[0]


def test_only_the_maximum_counts_upwards():
    """An order whose sign alternates beyond the second entry is not the one of boltz."""
    alternating = sorted(lemma.level_sets(6, 3), key=lambda s: (s[0], -s[1], s[2]))
    assert alternating != lemma.order(6, 3, lemma.gap(3) + 1e-6)[0]
    for n in (2, 4):
        assert lemma.check_order(n + 3, n)


def test_order_breaks_below_a_spacing():
    assert lemma.check_order(spacing=1.5)
    broken = lemma.check_order(spacing=1.0)
    assert not broken and broken.margin < 0
    before, after = broken.witness.objects
    expected = lemma.level_sets(5, 3)
    assert exact_boltz(before) > exact_boltz(after) and expected.index(before) < expected.index(after)
    threshold = lemma.order_breaks_at()
    assert 1.0 < threshold < 1.5
    assert lemma.check_order(spacing=threshold + 1e-4) and not lemma.check_order(spacing=threshold - 1e-4)


def test_separation_falls_exponentially():
    verdict = lemma.check_slopes()
    assert verdict and verdict.checked == 24
    assert not lemma.check_slopes((3,), spacing=0.05)

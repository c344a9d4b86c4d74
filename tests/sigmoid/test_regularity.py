"""The Jacobian and its norm against Theorem 3.2, with each step of its proof broken."""

import math

import pytest
import torch

from seqlab.sigmoid import regularity as R


def matrices(*shapes, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=draw, dtype=torch.float64) for shape in shapes]


@pytest.mark.parametrize("kind", ["sigmoid", "softmax"])
def test_the_jacobian_is_the_one_of_finite_differences(kind):
    x, w_q, w_k, w_v = matrices((3, 2), (4, 2), (4, 2), (5, 2))
    head = R.Head(w_q, w_k, w_v, -1.0, 0.7, kind)
    got, step = R.jacobian(head, x), 1e-6
    assert got.shape == (15, 6)
    for at in range(6):
        nudge = torch.zeros(6, dtype=torch.float64)
        nudge[at] = step
        slope = (head(x + nudge.view(3, 2))[0] - head(x - nudge.view(3, 2))[0]).flatten() / (2 * step)
        torch.testing.assert_close(got[:, at], slope, rtol=1e-6, atol=1e-7)


def test_the_norm_is_the_largest_singular_value():
    for head, x in R.cases(20, large=2):
        wanted = torch.linalg.matrix_norm(torch.func.jacrev(lambda y: head(y)[0])(x).reshape(-1, x.numel()), 2)
        torch.testing.assert_close(R.jacobian_norm(head, x), wanted, rtol=1e-9, atol=0)


def test_the_bound_holds_on_more_than_500():
    verdict = R.check(R.own_tests())
    assert verdict and verdict.checked >= 500 and 0 <= verdict.margin < 1e-6
    assert all(h.holds for h in verdict.statement.hypotheses)


def test_the_bound_holds_at_a_learners_sizes():
    tests = list(R.cases(0, seed=2, large=16))
    verdict = R.check(tests)
    assert verdict and verdict.checked == 16 and max(x.numel() for _, x in tests) > 512
    assert {len(x) > 30 for _, x in tests} == {True, False}


@pytest.mark.parametrize("switch", R.SWITCHES)
def test_every_mistake_breaks_the_bound(switch):
    verdict = R.check(R.own_tests(40), **{switch: True})
    head, x, norm, limit = verdict.witness.objects
    assert not verdict and verdict.margin < 0 and norm > limit
    assert [h.name for h in verdict.statement.hypotheses if not h.holds] == [switch]


@pytest.mark.parametrize("n, dim, slope, bias", [(1, 1, 1.0, 0.0), (5, 3, 2.0, -1.0), (4, 2, 0.0, 0.5)])
def test_the_bound_is_sharp(n, dim, slope, bias):
    head, x = R.sharp_case(n, dim, slope=slope, bias=bias)
    weight = 1 / (1 + math.exp(-slope - bias))
    want = n * (weight + 2 * weight * (1 - weight) * slope)
    assert R.jacobian_norm(head, x).item() == pytest.approx(want) == R.bound(head, x).item()


def test_gradient_ascent_comes_close_but_not_above():
    draw = matrices((4, 2), (2, 2), (2, 2), (2, 2))
    ratios = R.push_up(R.Head(*draw[1:]), draw[0], steps=80)
    assert len(ratios) == 80 and ratios[0] < 0.3 and 0.9 < max(ratios) <= 1


def test_where_softmax_is_the_smoother_one():
    for radius, sigmoid, softmax in ((4, 17.2, 2.84), (16, 127.5, 9.07)):
        found = R.on_sphere(radius)
        assert found["sigmoid"] == pytest.approx(sigmoid, rel=0.05)
        assert found["softmax"] == pytest.approx(softmax, rel=0.05)
    assert R.on_sphere(4, bias=-20.0)["sigmoid"] < R.on_sphere(4)["softmax"]  # its weights are nearly all 0


def test_where_sigmoid_is_the_smoother_one():
    norms = {
        n: [R.jacobian_norm(*R.hard_for_softmax(n, kind)).item() for kind in ("softmax", "sigmoid")] for n in (16, 128)
    }
    for n, (soft, sigm) in norms.items():
        assert soft >= math.sqrt(n - 2) * 16 / 2 and sigm < 1.1 * 16
    assert norms[128][0] / norms[16][0] == pytest.approx(8**0.5, rel=0.02)  # √n; sigmoid does not grow


def test_a_small_excess_is_an_excess_and_the_scale_is_part_of_the_products():
    verdict = R.check([R.sharp_case(4, 2)], query=True)
    assert not verdict and -0.3 < verdict.margin < 0
    x, w_q, w_k, w_v = matrices((5, 3), (2, 3), (2, 3), (4, 3))
    scaled, absorbed = R.Head(w_q, w_k, w_v, -1.0, 0.3), R.Head(0.3 * w_q, w_k, w_v, -1.0)
    torch.testing.assert_close(R.bound(scaled, x), R.bound(absorbed, x))


def test_a_head_of_zeros_and_scores_beyond_float64():
    x, eye = torch.ones(3, 2, dtype=torch.float64), torch.eye(2, dtype=torch.float64)
    assert R.check([(R.Head(eye, eye, 0 * eye), x), (R.Head(eye, eye, eye, -800.0), x)]).margin == 1
    assert not R.check([(R.Head(eye, eye, eye), 1e200 * x)])


def test_bad_inputs():
    eye = torch.eye(2, dtype=torch.float64)
    with pytest.raises(ValueError, match="softmax"):
        R.bound(R.Head(eye, eye, eye, kind="softmax"), eye)
    with pytest.raises(ValueError, match="no hypothesis named"):
        R.check([R.sharp_case(4, 2)], everything=True)
    with pytest.raises(ValueError, match="nothing would be checked"):
        R.check([])

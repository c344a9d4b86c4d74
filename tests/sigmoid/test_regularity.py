"""The Jacobian's norm, exact and by iteration, against Theorem 3.2, with each step of its proof broken."""

import math

import pytest
import torch

from seqlab.sigmoid import regularity as R
from seqlab.sigmoid.regularity.heads import _iterate
from tests.typecheck import plain


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
        slope = (head(x + nudge.view(3, 2)) - head(x - nudge.view(3, 2))).flatten() / (2 * step)
        torch.testing.assert_close(got[:, at], slope, rtol=1e-6, atol=1e-7)


def test_iteration_and_exact_agree():
    tests = [(h, x) for h, x in R.cases(20, large=8) if x.numel() <= 600]
    assert len(tests) > 20
    for head, x in tests:
        exact, found = (R.jacobian_norm(head, x, method=method) for method in ("exact", "iteration"))
        assert found.converged and found.value == pytest.approx(exact.value, rel=1e-6)
        assert exact.steps == 0 < found.steps


def test_iteration_on_a_linear_map_with_a_narrow_gap():
    draw = torch.Generator().manual_seed(1)
    u, _ = torch.linalg.qr(torch.randn(60, 60, generator=draw, dtype=torch.float64))
    sizes = torch.linspace(0.01, 1, 60, dtype=torch.float64)
    sizes[-2] = 0.9999
    found = R.jacobian_norm(
        lambda x: (u @ (sizes * x[0]))[None], torch.zeros(1, 60, dtype=torch.float64), method="iteration"
    )
    assert found.converged and found.value == pytest.approx(1, rel=1e-6)
    nothing = R.jacobian_norm(lambda x: 0 * x, torch.ones(3, 2, dtype=torch.float64), method="iteration")
    assert nothing.value == 0


def test_an_iteration_cut_short_says_so():
    head, x = next(iter(R.cases(0, large=1)))
    short = _iterate(head, x, 1e-7, most=2)
    assert not short.converged and short.value <= R.jacobian_norm(head, x, method="exact").value


def test_the_bound_holds_on_more_than_500():
    verdict = R.check_bound()
    assert verdict and verdict.checked >= 500 and 0 <= verdict.margin < 1e-6
    assert all(h.holds for h in verdict.statement.hypotheses)


def test_the_bound_holds_at_a_learners_sizes():
    tests = list(R.cases(0, seed=2, large=16))
    verdict = R.check_bound(tests)
    assert verdict and verdict.checked == 16 and max(x.numel() for _, x in tests) > R.EXACT
    assert {len(x) > 30 for _, x in tests} == {True, False}


@pytest.mark.parametrize("switch", R.SWITCHES)
def test_every_mistake_breaks_the_bound(switch):
    verdict = R.check(draws=40, **{switch: True})
    head, x, norm, limit = verdict.witness.objects
    assert not verdict and verdict.margin < 0 and norm.value > limit.value
    names = {"scores": "scores", "mean": "sup", "query": "both", "values": "values", "softmax": "sigmoid"}
    assert [h.name for h in verdict.statement.hypotheses if not h.holds] == [names[switch]]


@pytest.mark.parametrize("n, dim, slope, bias", [(1, 1, 1.0, 0.0), (5, 3, 2.0, -1.0), (4, 2, 0.0, 0.5)])
def test_the_bound_is_sharp(n, dim, slope, bias):
    head, x = R.sharp_case(n, dim, slope=slope, bias=bias)
    weight = 1 / (1 + math.exp(-slope - bias))
    want = n * (weight + 2 * weight * (1 - weight) * slope)
    assert R.jacobian_norm(head, x).value == pytest.approx(want) == R.bound(head, x).value


def test_gradient_ascent_comes_close_but_not_above():
    draw = matrices((4, 2), (2, 2), (2, 2), (2, 2))
    ratios, head, x = R.push_up(R.Head(*draw[1:]), draw[0], steps=80)
    assert ratios[0] < 0.3 and 0.9 < max(ratios) <= 1
    assert R.jacobian_norm(head, x).value / R.bound(head, x).value == pytest.approx(max(ratios))


def test_where_softmax_is_the_smoother_one():
    for radius, sigmoid, softmax in ((4, 17.2, 2.84), (16, 127.5, 9.07)):
        found = R.on_sphere(radius)
        assert found["sigmoid"] == pytest.approx(sigmoid, rel=0.05)
        assert found["softmax"] == pytest.approx(softmax, rel=0.05)


def test_where_sigmoid_is_the_smoother_one():
    norms = {
        n: [R.jacobian_norm(*R.hard_for_softmax(n, kind)).value for kind in ("softmax", "sigmoid")] for n in (16, 128)
    }
    for n, (soft, sigm) in norms.items():
        assert soft >= math.sqrt(n - 2) * 16 / 2 and sigm < 1.1 * 16
    assert norms[128][0] / norms[16][0] == pytest.approx(8**0.5, rel=0.02)  # √n; sigmoid does not grow


def test_a_small_excess_is_an_excess_and_the_scale_is_part_of_the_products():
    verdict = R.check_bound([R.sharp_case(4, 2)], mistakes=["query alone"])
    assert not verdict and -0.3 < verdict.margin < 0
    x, w_q, w_k, w_v = matrices((5, 3), (2, 3), (2, 3), (4, 3))
    scaled, absorbed = R.Head(w_q, w_k, w_v, -1.0, 0.3), R.Head(0.3 * w_q, w_k, w_v, -1.0)
    assert R.bound(scaled, x).value == pytest.approx(R.bound(absorbed, x).value)


def test_a_head_of_zeros_and_scores_beyond_float64():
    x, eye = torch.ones(3, 2, dtype=torch.float64), torch.eye(2, dtype=torch.float64)
    assert R.check_bound([(R.Head(eye, eye, 0 * eye), x), (R.identity_head(2, bias=-800.0), x)]).margin == 1
    assert not R.check_bound([(R.Head(eye, eye, eye), 1e200 * x)])


def test_heads_in_float32_are_heads():
    x, w_q, w_k, w_v = (m.float() for m in matrices((5, 3), (2, 3), (2, 3), (4, 3)))
    head = R.Head(w_q, w_k, w_v)
    for method in ("exact", "iteration"):
        assert R.jacobian_norm(head, x, method=method).value <= R.bound(head, x).value
    assert head(x).dtype == torch.float64


def test_bad_inputs():
    w = torch.eye(2, dtype=torch.float64)
    with pytest.raises((TypeError, ValueError), match="kind"):
        R.Head(w, w, w, kind="hardmax")
    with pytest.raises((TypeError, ValueError), match="w_k"):
        R.Head(w, torch.ones(3, 2), w)
    with pytest.raises((TypeError, ValueError), match="mistakes"):
        R.bound(R.identity_head(2), w, mistakes=["everything"])
    with pytest.raises(ValueError, match="softmax"):
        R.bound(R.identity_head(2, kind="softmax"), w)
    with pytest.raises(ValueError, match="method"):
        R.jacobian_norm(R.identity_head(2), w, method="guess")
    with pytest.raises(ValueError, match="n: got 2"):
        R.hard_for_softmax(2)
    for x in (torch.ones(3, 3), torch.ones(0, 2), torch.ones(2)):
        with pytest.raises(ValueError, match=r"x: got shape .*, wanted \(token, 2\)"):
            plain(R.Head._tokens)(R.identity_head(2), x)
    with pytest.raises(ValueError, match="nothing would be checked"):
        R.check_bound([])
    with pytest.raises(ValueError, match="count, large"):
        list(R.cases(-1))
    with pytest.raises(ValueError, match="slope"):
        R.sharp_case(2, 2, slope=-1)

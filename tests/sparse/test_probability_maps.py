"""sparsemax and entmax against slow exact projections, masks; Assumption 2 and what violates it."""

import itertools
import math

import pytest
import torch

from seqlab.attention import hardmax, sigmoid, softmax
from seqlab.sparse.probability_maps import MAPS, ProbabilityMap, check_sharpening, entmax15, scale_free, sparsemax


def slow_sparsemax(z):
    """The nearest point of the simplex: of all supports, the one whose projection is feasible and nearest."""
    best, point = math.inf, None
    for size in range(1, len(z) + 1):
        for support in itertools.combinations(range(len(z)), size):
            tau = (sum(z[i] for i in support) - 1) / size
            p = [z[i] - tau if i in support else 0.0 for i in range(len(z))]
            distance = sum((a - b) ** 2 for a, b in zip(p, z))
            if min(p) >= -1e-12 and distance < best:
                best, point = distance, p
    return point


def slow_entmax15(z):
    """`Σ max(z/2 - τ, 0)² = 1` by bisection of τ."""
    low, high = max(z) / 2 - 1, max(z) / 2
    for _ in range(200):
        tau = (low + high) / 2
        low, high = (tau, high) if sum(max(x / 2 - tau, 0) ** 2 for x in z) >= 1 else (low, tau)
    return [max(x / 2 - low, 0) ** 2 for x in z]


@pytest.mark.parametrize(
    "normalizer, slow", [(sparsemax(), slow_sparsemax), (entmax15(), slow_entmax15)], ids=["sparsemax", "entmax15"]
)
@pytest.mark.parametrize("size", [0.1, 1.0, 10.0])
def test_against_a_slow_projection(normalizer, slow, size):
    draw = torch.Generator().manual_seed(0)
    for n in (1, 2, 3, 6):
        scores = size * torch.randn(20, n, generator=draw, dtype=torch.float64)
        scores[0], scores[1] = 0.0, scores[1].round()  # ties
        want = torch.tensor([slow(row) for row in scores.tolist()], dtype=torch.float64)
        torch.testing.assert_close(normalizer(scores), want, atol=1e-12, rtol=0)


@pytest.mark.parametrize("normalizer", [sparsemax(), entmax15(), sparsemax(3.0), scale_free()], ids=repr)
def test_masks_act_before_the_map(normalizer):
    draw = torch.Generator().manual_seed(1)
    scores = 2 * torch.randn(4, 9, generator=draw, dtype=torch.float64)
    allowed = torch.rand(4, 9, generator=draw) < 0.6
    allowed[1], allowed[2, :] = False, True
    weights = normalizer(scores, allowed)
    assert (weights[~allowed] == 0).all() and (weights[1] == 0).all() and weights.isfinite().all()
    for row in (0, 2, 3):
        torch.testing.assert_close(weights[row][allowed[row]], normalizer(scores[row][None, allowed[row]])[0])
        assert weights[row].sum() == pytest.approx(1)


@pytest.mark.parametrize("normalizer", [sparsemax(), entmax15()], ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dtypes_shifts_and_huge_scores(normalizer, dtype):
    scores = torch.tensor([[0.0, 0.5, -0.25], [1e4, 0.0, -1e4], [3e4, 3e4, 0.0]], dtype=dtype)
    weights = normalizer(scores)
    assert weights.dtype == dtype and weights.isfinite().all()
    assert weights[1].tolist() == [1.0, 0.0, 0.0]
    assert weights[2].tolist() == pytest.approx([0.5, 0.5, 0.0], rel=1e-6)
    torch.testing.assert_close(normalizer(scores[:1] + 8), weights[:1])


def test_between_softmax_and_hardmax():
    scores = torch.tensor([[0.0, 0.4, 1.0]], dtype=torch.float64)
    soft, between, sparse = (each(scores)[0] for each in (softmax(), entmax15(), sparsemax()))
    assert soft[2] < between[2] < sparse[2] and soft[0] > between[0] > sparse[0] == 0
    assert torch.equal(sparsemax(10.0)(scores), hardmax()(scores))
    assert torch.equal(sparsemax(0.0)(scores), torch.full((1, 3), 1 / 3, dtype=torch.float64))


@pytest.mark.parametrize("name", ["softmax", "hardmax", "sparsemax", "entmax15"])
@pytest.mark.parametrize("n, zeta, eta", [(8, 0.5, 0.01), (2, 0.1, 0.5), (50, 2.0, 1e-3), (5, 0.01, 1.0)])
def test_assumption_2(name, n, zeta, eta):
    verdict = check_sharpening(name, n, zeta, eta)
    assert verdict and verdict.margin > 0 and all(h.holds for h in verdict.statement.hypotheses)


@pytest.mark.parametrize("name", ["softmax", "sparsemax"])
def test_the_bound_is_tight(name):
    scale = MAPS[name].scale(8, 0.5, 0.01)
    verdict = check_sharpening(name, scale=0.99 * scale)
    v, t, weights = verdict.witness.objects
    assert not verdict and t == 0.99 * scale and not verdict.statement.hypotheses[0].holds
    ordered = sorted(v)
    assert ordered[-1] - ordered[-2] >= 0.5 - 1e-12 and sum(weights) - max(weights) > 0.01


@pytest.mark.parametrize("name", ["average", "scale_free"])
def test_maps_that_no_scale_sharpens(name):
    verdict = check_sharpening(name)
    v, t, weights = verdict.witness.objects
    assert not verdict and sum(weights) == pytest.approx(1) and max(weights) < 0.99
    assert sorted(v)[-1] - sorted(v)[-2] >= 0.5 - 1e-12


def test_sigmoid_is_no_probability_map():
    verdict = check_sharpening("sigmoid")
    assert not verdict and "sum to" in str(verdict.witness)
    assert not check_sharpening(ProbabilityMap(lambda t: sigmoid(0.0)))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: sparsemax(math.inf), "beta: got inf"),
        (lambda: entmax15(-1.0), "beta: got -1"),
    ],
)
def test_errors_teach(call, message):
    with pytest.raises(ValueError, match=message):
        call()

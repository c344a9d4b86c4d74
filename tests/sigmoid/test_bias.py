"""Row sums and norms of a fresh head: measured, by integral, and where both say b = -log n."""

import math

import pytest
import torch

from seqlab.attention import sigmoid, softmax
from seqlab.sigmoid import alibi_bias, causal_bias, expected_row_sum, fresh_head


@pytest.mark.parametrize("n, with_bias", [(64, 1.53), (256, 1.62), (1024, 1.65)])
def test_row_sums(n, with_bias):
    assert fresh_head(n, sigmoid(0.0)).row_sum == pytest.approx(n / 2, rel=0.02)
    assert fresh_head(n, sigmoid()).row_sum == pytest.approx(with_bias, abs=0.06)
    assert expected_row_sum(n, 0.0) == pytest.approx(n / 2)
    assert expected_row_sum(n, -math.log(n)) == pytest.approx(with_bias, abs=0.03)


def test_the_integral_is_the_mean_over_draws():
    z = torch.randn(10**6, generator=torch.Generator().manual_seed(0))
    assert expected_row_sum(10, -1.0) == pytest.approx(10 * (z - 1).sigmoid().mean().item(), rel=2e-3)
    assert expected_row_sum(10**7, -math.log(10**7)) == pytest.approx(math.exp(0.5), rel=1e-5)


def test_norms_grow_without_the_bias_and_not_with_it():
    plain, shared, fixed, soft = (
        [fresh_head(n, normalizer, mean=mean).norm for n in (64, 1024)]
        for normalizer, mean in ((sigmoid(0.0), 0), (sigmoid(0.0), 1), (sigmoid(), 0), (softmax(), 0))
    )
    assert plain[1] / plain[0] == pytest.approx(4, rel=0.15)  # √16
    assert shared[1] / shared[0] == pytest.approx(16, rel=0.05)
    assert plain == pytest.approx([41, 145], rel=0.15) and shared == pytest.approx([261, 4105], rel=0.05)
    assert fixed[1] < fixed[0] < 3 and soft[1] < soft[0] < 2


def test_minus_log_n_keeps_a_sum_and_makes_softmax_with_a_blind_denominator():
    sums = [expected_row_sum(n, -math.log(n) - 0.5) for n in (10**2, 10**4, 10**6)]
    assert sums[2] == pytest.approx(1, abs=1e-4) and abs(sums[1] - sums[2]) < abs(sums[0] - sums[2]) < 0.03
    for n in (10, 10**3, 10**5):  # σ(z - log n) falls short of e^z / n by the part e^z / (n + e^z)
        short = 1 - torch.tensor(2.0 - math.log(n), dtype=torch.float64).sigmoid().item() / (math.exp(2) / n)
        assert short == pytest.approx(math.exp(2) / (n + math.exp(2)), rel=1e-6)


def test_alibi_in_full_and_the_part_that_softmax_needs():
    scores = torch.randn(4, 9, 9, generator=torch.Generator().manual_seed(0))
    causal = torch.ones(9, 9, dtype=torch.bool).tril()
    full, part = alibi_bias(4, 9), alibi_bias(4, 9, full=False)
    torch.testing.assert_close(softmax()(scores + full, causal), softmax()(scores + part, causal))
    a, b = (sigmoid(0.0)(scores + bias, causal) for bias in (full, part))
    assert (a - b).abs().max() > 0.05 and torch.allclose(a[:, -1], b[:, -1])


def test_causal_bias():
    torch.testing.assert_close(causal_bias(4)[:, 0], torch.tensor([0.0, -0.6931, -1.0986, -1.3863]), atol=1e-4, rtol=0)

import pytest
import torch

from seqlab.positions import alibi, alibi_slopes, ramp, rotary


def test_rotary_scores_depend_on_the_distance_alone():
    q, k = torch.randn(2, 1, 16, dtype=torch.float64)
    score = lambda i, j: (rotary(q, torch.tensor([i])) @ rotary(k, torch.tensor([j])).T).item()
    assert score(3, 1) == pytest.approx(score(42, 40), rel=1e-12)
    assert score(3, 1) != pytest.approx(score(3, 2))


def test_rotary_keeps_lengths():
    x = torch.randn(2, 5, 8, dtype=torch.float64)
    torch.testing.assert_close(rotary(x).norm(dim=-1), x.norm(dim=-1))


def test_ramp_moves_tokens_out_of_each_others_reach():
    x = torch.rand(7, 3) * 0.999 + ramp(7, 3)
    assert (x[1:] > x[:-1]).all()


def test_alibi_slopes_and_alignment():
    assert alibi_slopes(8).tolist() == [2.0**-h for h in range(1, 9)]
    bias = alibi(torch.tensor([0.5]), 2, 4)
    assert bias[0].tolist() == [[-1.0, -0.5, 0.0, -0.5], [-1.5, -1.0, -0.5, 0.0]]


@pytest.mark.parametrize("call", [lambda: rotary(torch.ones(4, 3)), lambda: ramp(0, 2), lambda: alibi_slopes(0)])
def test_impossible_sizes_are_refused(call):
    with pytest.raises(ValueError, match="got"):
        call()


def test_alibi_slopes_of_other_head_counts_are_those_of_the_authors_code():
    eighths = [2.0**-h for h in (0.5, 1.5, 2.5, 3.5)]
    assert alibi_slopes(12).tolist() == pytest.approx([2.0**-h for h in range(1, 9)] + eighths)
    assert alibi_slopes(3).tolist() == pytest.approx([2.0**-4, 2.0**-8, 2.0**-2])
    for heads in (1, 2, 5, 6, 7, 16, 20, 33):
        slopes = alibi_slopes(heads)
        assert len(slopes) == heads == len(slopes.unique()) and 0 < slopes.min() <= slopes.max() < 1

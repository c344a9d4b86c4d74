import pytest

from seqlab.big_bird import budget


def test_what_dense_stores_grows_like_the_square():
    assert 3.7 < budget.stored("dense", 1024) / budget.stored("dense", 512) < 4


@pytest.mark.parametrize("kind", ["kernel", "sdpa"])
def test_what_fused_attention_stores_is_its_inputs_and_little_more(kind):
    """q, k, v and the output of 64 numbers of 4 bytes, the row sums, a layout."""
    assert 4 * 64 * 4 <= budget.stored(kind, 2048) / 2048 < 1.02 * 4 * 64 * 4


@pytest.mark.parametrize("kind", ["dense", "blocked", "kernel", "sdpa"])
def test_the_exact_count_is_the_longest_that_fits(kind):
    limit = 30 << 20
    n = budget.longest_stored(kind, limit, small=512)
    if kind == "dense":
        assert budget.stored(kind, n) <= limit < budget.stored(kind, n + 64)
    else:
        assert n % 64 == 0 and abs(budget.stored(kind, 2048) / 2048 * n / limit - 1) < 0.02


def test_eight_times_longer_on_the_same_memory():
    limit = 512 << 20
    dense, blocked, kernel = (budget.longest_stored(kind, limit) for kind in ("dense", "blocked", "kernel"))
    assert blocked >= 8 * dense and kernel >= 8 * blocked / 2

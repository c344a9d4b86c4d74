import sys

import pytest

from seqlab.big_bird import budget


def test_what_dense_stores_grows_like_the_square():
    assert 3.7 < budget.stored("dense", 1024) / budget.stored("dense", 512) < 4


@pytest.mark.parametrize("kind", ["kernel", "sdpa"])
def test_what_fused_attention_stores_is_its_inputs_and_little_more(kind):
    """q, k, v and the output of 64 numbers of 4 bytes, the row sums, a layout."""
    assert 4 * 64 * 4 <= budget.stored(kind, 2048) / 2048 < 1.02 * 4 * 64 * 4


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 7, 8, 100])
def test_the_largest_that_fits(limit):
    asked = []
    assert budget.largest(lambda k: asked.append(k) or k <= limit) == limit
    assert len(asked) == len(set(asked)) <= 2 * max(limit, 1).bit_length() + 1


def test_the_ladder_finds_the_last_rung_that_fits(monkeypatch):
    asked = []
    monkeypatch.setattr(budget, "measured", lambda kind, n: asked.append(n) or (n * n, n / 1000))
    found = budget.longest_measured("dense", 5000**2, start=1024)
    rungs = [max(round(1024 * 2 ** (k / 4) / 64), 1) * 64 for k in range(20)]
    best = max(n for n in rungs if n <= 5000)
    assert found == {"tokens": best, "bytes": best**2, "seconds": best / 1000}
    assert asked == rungs[: len(asked)]
    assert budget.longest_measured("dense", 100, start=1024)["tokens"] == 0


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


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
def test_a_fresh_process_measures_its_peak():
    short, long = budget.peaks("dense", (1024, 2048))
    assert 8 * 1024**2 < short < long / 3 and long < 80 * 2048**2


def test_errors(monkeypatch):
    with pytest.raises(ValueError, match="kind: got 'flash', wanted one of dense, sdpa, blocked, kernel"):
        budget.stored("flash", 64)
    with pytest.raises(ValueError, match="kind"):
        budget.peaks("flash", (64,))
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(RuntimeError, match="only Linux"):
        budget.peaks("dense", (64,))

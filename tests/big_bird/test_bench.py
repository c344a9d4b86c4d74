import math

import pytest

from ci.bench import big_bird as bench_big_bird
from seqlab.big_bird import budget


def test_the_exponent_is_the_slope_of_the_fastest(monkeypatch):
    """A clock that jumps by n^1.5 at every run, and by more at the first run of each length."""
    now, seen = [0.0], set()

    def run(kind, n):
        now[0] += n**1.5 * (1 if n in seen else 3)
        seen.add(n)

    monkeypatch.setattr(budget, "run", run)
    monkeypatch.setattr(bench_big_bird.time, "perf_counter", lambda: now[0])
    row = bench_big_bird.growth("kernel", (1024, 2048, 8192), 2)
    assert math.isclose(row["time_exponent"], 1.5, rel_tol=1e-6)
    assert "time ~ n^1.50" in row["says"]


def test_ratios_are_to_dense(monkeypatch):
    if bench_big_bird.sys.platform != "linux":
        pytest.skip("the peak of memory is read from /proc")
    tokens = {"dense": 1000, "blocked": 9000, "kernel": 40000}
    measured = lambda kind, limit, start: {"tokens": tokens[kind], "bytes": 1.0, "seconds": 2.0}  # noqa: E731
    monkeypatch.setattr(budget, "longest_measured", measured)
    monkeypatch.setattr(budget, "peaks", lambda kind, lengths: [1000 * n for n in lengths])
    monkeypatch.setattr(bench_big_bird, "growth", lambda kind, lengths, repeats: {"seconds": {"8192": 1.0}})
    rows = list(bench_big_bird.memory(1000 * 16384))
    assert [r["times_dense"] for r in rows] == [1, 9, 40, 16.384]
    assert rows[3]["tokens"] == 16384 and rows[3]["seconds"] == 4.0, "memory goes on by its slope, time by n²"
    assert "9.0 × dense" in rows[1]["says"] and "by its slope" in rows[3]["says"]

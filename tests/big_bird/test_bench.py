import math
import subprocess
import sys

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
    monkeypatch.setattr(bench_big_bird, "longest", measured)
    monkeypatch.setattr(bench_big_bird, "in_child", lambda used, kind, n, **_: [1000 * n, 2.0])
    monkeypatch.setattr(bench_big_bird, "growth", lambda kind, lengths, repeats: {"seconds": {"8192": 1.0}})
    rows = list(bench_big_bird.memory(1000 * 16384))
    assert [r["times_dense"] for r in rows] == [1, 9, 40, 16.384]
    assert rows[3]["tokens"] == 16384 and rows[3]["seconds"] == 4.0, "memory goes on by its slope, time by n²"
    assert "9.0 × dense" in rows[1]["says"] and "by its slope" in rows[3]["says"]


def test_the_ladder_finds_the_last_rung_that_fits(monkeypatch):
    asked = []
    monkeypatch.setattr(bench_big_bird, "in_child", lambda used, kind, n, **_: asked.append(n) or (n * n, n / 1000))
    found = bench_big_bird.longest("dense", 5000**2, 1024)
    rungs = [max(round(1024 * 2 ** (k / 4) / 64), 1) * 64 for k in range(20)]
    best = max(n for n in rungs if n <= 5000)
    assert found == {"tokens": best, "bytes": best**2, "seconds": best / 1000}
    assert asked == rungs[: len(asked)]
    assert bench_big_bird.longest("dense", 100, 1024)["tokens"] == 0

    def killed(used, kind, n, **_):
        raise subprocess.CalledProcessError(-9, "python")

    monkeypatch.setattr(bench_big_bird, "in_child", killed)
    assert bench_big_bird.longest("dense", 100, 1024)["tokens"] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
def test_a_fresh_process_measures_its_peak():
    short, long = (bench_big_bird.used("dense", n)[0] for n in (1024, 2048))
    assert 8 * 1024**2 < short < long / 3 and long < 80 * 2048**2

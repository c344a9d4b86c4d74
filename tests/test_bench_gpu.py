"""`make bench-gpu` runs first time: the whole way on the CPU, in the interpreter, and what it says where it cannot."""

import json

import pytest
import torch

from ci.bench import gpu as bench_gpu
from ci.bench import gpu_cases
from kernels.flash import versions


@pytest.mark.skipif(
    versions.installed() is None or not versions.interpreting(), reason="Triton compiles in this process"
)
def test_dry_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    done = []
    monkeypatch.setattr(bench_gpu, "verify", lambda case, *rest: done.append(case.key) or gpu_cases.verify(case, *rest))
    assert bench_gpu.main(["--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "before the first result" in said and "rows are kept" in said
    wanted = [case.key for case in gpu_cases.cases(tiny=True)]
    at = len(wanted) // 3
    assert done == wanted[: at + 1] + wanted[at:]  # the one that was lost is computed again, no other
    result = json.loads((tmp_path / "build/report/gpu-dry-run.json").read_text())
    assert {row["who"] for row in result["rows"]} == {"seqlab softmax", "seqlab sigmoid", "SDPA"}
    assert all(
        row["forward"]["low_ms"] <= row["forward"]["median_ms"] <= row["forward"]["high_ms"] for row in result["rows"]
    )
    assert len(result["answer"]) == 6 and result["about"]["torch"] == torch.__version__
    assert "backward, bigbird" in (tmp_path / "build/report/gpu-dry-run.html").read_text()
    assert not (tmp_path / "ci").exists()


def test_results_of_other_kernels_do_not_count(tmp_path):
    rows = bench_gpu.Rows(tmp_path / "rows.jsonl", "one")
    rows.add("a", wrong=None)
    assert bench_gpu.Rows(rows.path, "one").kept.keys() == {"a"} and not bench_gpu.Rows(rows.path, "two").kept


def test_nothing_is_timed_when_a_check_fails(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench_gpu, "verify", lambda *a: "softmax, dq: wrong")
    monkeypatch.setattr(bench_gpu, "measure", lambda *a: pytest.fail("timed"))
    rows = bench_gpu.Rows(tmp_path / "rows.jsonl", "one")
    assert bench_gpu.run(rows, "cpu", "interpret", True, False) == 1
    assert "nothing is timed" in capsys.readouterr().out


def test_a_contestant_that_cannot_says_why(monkeypatch):
    def cannot() -> None:
        raise RuntimeError("not on this device")

    monkeypatch.setattr(bench_gpu, "contestants", lambda *a: {"nobody": cannot})
    (row,) = bench_gpu.timed(next(bench_gpu.problems(True, True)), "cpu", "interpret", True, 0.01)
    assert row["left_out"] == "RuntimeError: not on this device" and "left out" in bench_gpu._line(row)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_without_a_gpu_it_says_how_to_go_on(capsys):
    assert bench_gpu.main([]) == 2
    assert "--dry-run" in capsys.readouterr().out

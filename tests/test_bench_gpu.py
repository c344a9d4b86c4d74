"""`make bench-gpu` runs first time: the whole way on the CPU, in the interpreter, and what it says where it cannot."""

import json

import pytest
import torch

from ci.bench import gpu as bench_gpu
from kernels.flash import versions


@pytest.mark.skipif(
    versions.installed() is None or not versions.interpreting(), reason="Triton compiles in this process"
)
def test_dry_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert bench_gpu.main(["--dry-run"]) == 0
    result = json.loads((tmp_path / "build/report/gpu-dry-run.json").read_text())
    assert {row["who"] for row in result["rows"]} == {"seqlab softmax", "seqlab sigmoid", "SDPA"}
    assert all(
        row["forward"]["low_ms"] <= row["forward"]["median_ms"] <= row["forward"]["high_ms"] for row in result["rows"]
    )
    assert len(result["answer"]) == 6 and result["about"]["torch"] == torch.__version__
    assert "backward, bigbird" in (tmp_path / "build/report/gpu-dry-run.html").read_text()
    assert not (tmp_path / "ci").exists()


def test_nothing_is_timed_when_a_check_fails(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench_gpu, "verify", lambda *a, **k: ["softmax, dq: wrong"])
    monkeypatch.setattr(bench_gpu, "measure", lambda *a: pytest.fail("timed"))
    assert bench_gpu.main(["--dry-run"]) == 1
    assert "nothing is timed" in capsys.readouterr().out and list(tmp_path.iterdir()) == []


def test_a_wrong_kernel_is_found(monkeypatch):
    monkeypatch.setattr(bench_gpu, "cases", lambda tiny: [("tiny", {"n_query": 5, "n_key": 7, "dim": 16}, {})])
    right = bench_gpu.kernels.attention
    monkeypatch.setattr(
        "kernels.api.attention", lambda *a, impl, **o: right(*a, impl=impl, **o) * (1.2 if impl == "tiled" else 1)
    )
    failures = bench_gpu.verify("cpu", "tiled", True)
    assert len(failures) == 6 and "out: error" in failures[0]


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_without_a_gpu_it_says_how_to_go_on(capsys):
    assert bench_gpu.main([]) == 2
    assert "--dry-run" in capsys.readouterr().out

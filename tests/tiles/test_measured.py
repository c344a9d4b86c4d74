"""The table of measurements says what was measured, and where nothing was."""

import json

from seqlab.tiles.measured import NOT_YET, beside, gains


def row(who, n, ms, pattern="full", dim=64):
    times = {"median_ms": ms, "low_ms": ms, "high_ms": ms}
    return {"who": who, "n": n, "pattern": pattern, "dim": dim, "forward": times, "backward": times}


def test_without_results_it_says_so(tmp_path):
    assert gains(tmp_path / "none") == {} and beside(tmp_path).count(NOT_YET) == 4
    assert "17.39%" in beside(tmp_path) and "3.0%" in beside(tmp_path)


def test_a_result_stands_beside(tmp_path):
    rows = [row("seqlab softmax", n, 2.0) for n in (4096, 8192, 16384)]
    rows += [row("seqlab sigmoid", n, ms) for n, ms in ((4096, 1.8), (8192, 1.5), (16384, 1.7))]
    rows += [row("seqlab sigmoid", 512, 9.0), row("seqlab softmax", 512, 1.0), row("SDPA cuDNN", 4096, 1.0)]
    rows += [{"who": "triton-sigmoid", "n": 8192, "pattern": "full", "dim": 64, "left_out": "it fell"}]
    (tmp_path / "gpu-h100.json").write_text(json.dumps({"about": {"device": "H100"}, "rows": rows}))
    assert gains(tmp_path)["H100", "forward", False] == 1 - 1.7 / 2.0
    assert "measured, H100" in beside(tmp_path) and "15.0%" in beside(tmp_path)
    assert beside(tmp_path).count(NOT_YET) == 2


def test_where_both_forms_were_measured_the_predicted_one_counts(tmp_path):
    rows = [row("seqlab softmax", 4096, 2.0), row("seqlab sigmoid", 4096, 1.9), row("seqlab sigmoid, tanh", 4096, 1.5)]
    (tmp_path / "gpu-h100.json").write_text(json.dumps({"about": {"device": "H100"}, "rows": rows}))
    assert gains(tmp_path)["H100", "forward", False] == 0.25

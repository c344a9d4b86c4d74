"""What binds at which tile, the gain by hand, and kept numbers that are those of a fresh compilation."""

import json

import pytest

from kernels.instruments import prediction
from kernels.instruments.prediction import FILE, GRID, KINDS, TILE, estimate, summary


def test_large_tiles_are_bound_by_special_functions_and_the_gain_is_that_by_hand():
    full = estimate(tile=TILE)
    assert full.binds == {"softmax_forward": "special functions", "sigmoid_forward": "matrix units"}
    assert full.gain == pytest.approx(4 / (TILE.block_k + 4), abs=5e-4)  # four threads rescale each row of a tile
    assert 0 < full.gain < full.gain_without_overlap < full.published < full.gains["issue slots"]
    assert set(full.gains) == {"matrix units", "special functions", "issue slots", "memory"}
    limits = full.sigmoid[0].limits
    assert limits["special functions"] == pytest.approx(limits["matrix units"], rel=2e-3)  # 256 FLOP / 4,096 = 1 / 16
    assert estimate().gain == pytest.approx(4 / (64 + 4), abs=5e-4)  # the kernels' own default: 64 keys


def test_small_tiles_are_bound_by_issue_slots_and_the_prediction_depends_on_the_tile():
    gains = {tile: estimate(tile=tile).gain for tile in GRID}
    assert TILE in gains and min(gains.values()) < 0.031 and max(gains.values()) > 0.3
    assert all(gain >= 4 / (tile.block_k + 4) - 5e-4 for tile, gain in gains.items())
    assert estimate(tile=GRID[0]).binds == dict.fromkeys(("softmax_forward", "sigmoid_forward"), "issue slots")


@pytest.mark.parametrize("device, dim, causal", [("H100", 128, False), ("A100", 64, False), ("A100", 128, True)])
def test_where_matrix_units_bind_nothing_is_gained(device, dim, causal):
    found = estimate(device, dim, causal=causal)
    assert set(found.binds.values()) == {"matrix units"} and found.gain == 0 < found.gain_without_overlap
    assert found.published == (0.1876 if causal else 0.1739)


def test_the_prediction_for_the_backward_pass():
    found = estimate("H100", 64, step="backward")
    assert [line.kernel for line in found.softmax] == ["softmax_delta", "softmax_dq", "softmax_dkdv"]
    assert found.binds["softmax_delta"] == "memory" and 0 < found.gain < 0.027 == found.published
    delta = found.softmax[0].seconds / sum(line.seconds for line in found.softmax)
    assert found.gain == pytest.approx(delta, abs=1e-6)  # all that disappears is that kernel


def test_at_vit_length_memory_binds_and_sigmoid_saves_the_statistic_alone():
    found = estimate("H100", 64, n=196)
    assert set(found.binds.values()) == {"memory"}
    assert found.gain == pytest.approx(4 / (4 * 64 * 2 + 4))  # one float32 a row beside four rows of 16-bit numbers
    assert [estimate(n=n).sigmoid[0].binds == "memory" for n in (128, 196, 4096)] == [True, True, False]


def test_an_unknown_device():
    with pytest.raises(ValueError, match="device"):
        estimate("V100")


def test_kept_numbers_belong_to_the_kernels_as_they_are():
    kept = json.loads(FILE.read_text())
    stale = {row["name"] for row in kept.values() if row["source"] != prediction.source(row["name"])}
    assert not stale, f"{stale} changed: python -m kernels.instruments.prediction compiles them anew"
    assert all(summary(f"{kind}_forward", "sm_90", tile).read for kind in KINDS for tile in GRID)


def test_an_edited_kernel_is_compiled_again(monkeypatch):
    class Compiled:
        summary = summary("sigmoid_forward", "sm_90", TILE)._replace(read=False)

    monkeypatch.setattr(prediction, "xray", lambda name, arch, **config: Compiled)
    monkeypatch.setattr(prediction, "_kept", lambda kept={**prediction._kept()}: kept)
    assert summary("sigmoid_forward", "sm_90", TILE).read
    monkeypatch.setattr(prediction, "source", lambda name: "edited")
    assert not summary("sigmoid_forward", "sm_90", TILE).read


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tile", [TILE, GRID[0]])
def test_a_fresh_compilation_gives_the_kept_numbers(kind, tile):
    kept = summary(f"{kind}_forward", "sm_90", tile)
    assert kept.read and summary(f"{kind}_forward", "sm_90", tile, fresh=True) == kept._replace(read=False)

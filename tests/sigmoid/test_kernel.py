"""Tiles without row statistics, what state disappears, and the prediction with the unit that binds; pictures of the
theory.
"""

from dataclasses import replace

import pytest
import torch

import kernels
from kernels.flash import launch
from kernels.instruments.ledger import ledger
from seqlab.sigmoid import figures, kernel, regularity


def test_sigmoid_tiles_are_autograd_without_the_output():
    verdict = kernel.check_tiles()
    assert verdict and verdict.margin > 9e-13


def test_softmax_needs_its_output():
    verdict = kernel.check_tiles(softmax_weights=True)
    assert not verdict and verdict.witness.objects[0] in ("dQ", "dK") and verdict.witness.objects[1] > 0.1
    assert kernel.check_tiles(softmax_weights=True, delete_output=False)


def test_state_is_what_the_ledger_counts():
    found = kernel.state(64, 64)
    assert all(counts["sigmoid"] == 0 for name, counts in found.items() if "bytes" in name)
    assert (
        found["maxima and sums a tile"] == {"softmax": 2, "sigmoid": 0}
        and found["shuffles in the loop"]["sigmoid"] == 0
    )
    assert found["registers of a thread"]["softmax"] > found["registers of a thread"]["sigmoid"]
    assert found["kernels in the backward pass"] == {"softmax": 3, "sigmoid": 2}
    q, k, v = torch.randn(3, 1, 1, 64, 64, generator=torch.Generator().manual_seed(0)).half()
    stored = {}
    for kind in ("softmax", "sigmoid"):
        with launch.tiles(32, 32), ledger() as book:
            kernels.attention(q, k, v, normalizer=kind, impl="interpret")
        stored[kind] = book.stored
    assert stored["softmax"] - stored["sigmoid"] == found["bytes stored forward beside the output"]["softmax"]


def test_the_prediction_for_the_forward_pass():
    full = kernel.predict("H100", 64)
    assert full.binds == {"softmax_forward": "special functions", "sigmoid_forward": "matrix units"}
    assert 0 < full.gain < full.gain_without_overlap < full.published < full.gains["issue slots"]
    assert set(full.gains) == {"matrix units", "special functions", "issue slots", "memory"}
    special, matrix = (full.sigmoid[0].limits[unit] for unit in ("special functions", "matrix units"))
    assert special == pytest.approx(matrix, rel=2e-3)  # which of the two binds is rounding
    limits = full.softmax[0].limits
    assert full.gain == pytest.approx(1 - full.sigmoid[0].limits["matrix units"] / limits["special functions"])


@pytest.mark.parametrize("device, dim, causal", [("H100", 128, False), ("A100", 64, False), ("A100", 128, True)])
def test_where_matrix_units_bind_nothing_is_gained(device, dim, causal):
    found = kernel.predict(device, dim, causal=causal)
    assert set(found.binds.values()) == {"matrix units"} and found.gain == 0 < found.gain_without_overlap
    assert found.published == (0.1876 if causal else 0.1739)


def test_the_prediction_for_the_backward_pass():
    found = kernel.predict("H100", 64, step="backward")
    assert [line.kernel for line in found.softmax] == ["softmax_delta", "softmax_dq", "softmax_dkdv"]
    assert found.binds["softmax_delta"] == "memory" and 0 < found.gain < 0.027 == found.published
    delta = found.softmax[0].seconds / sum(line.seconds for line in found.softmax)
    assert found.gain == pytest.approx(delta, abs=1e-6)  # all that disappears is that kernel


def test_at_vit_length_memory_binds_and_sigmoid_saves_the_statistic_alone():
    found = kernel.predict("H100", 64, n=196)
    assert set(found.binds.values()) == {"memory"}
    assert found.gain == pytest.approx(4 / (4 * 64 * 2 + 4))  # one float32 a row beside four rows of 16-bit numbers
    assert [kernel.predict(n=n).sigmoid[0].binds == "memory" for n in (128, 196, 4096)] == [True, True, False]


def test_tables_and_bad_inputs():
    found = kernel.table(("A100",), (64,))
    assert [(p.device, p.dim, p.causal) for p in found] == [("A100", 64, False), ("A100", 64, True)]
    with pytest.raises(ValueError, match="device"):
        kernel.predict("V100")


def test_pictures_say_what_they_show():
    heads = figures.four_heads((3, 1, 6, 4), 2.5, 3.5)
    assert "id 3 gets 10" in heads.layout.meta["alt"] and list(heads.data[-1].y) == [10, 0, 0, 0]
    for k in range(4):
        assert sum(bar.y[k] for bar in heads.data[:4]) == heads.data[-1].y[k]
    sphere = [regularity.on_sphere(r, draws=2) for r in (1, 2)]
    figures.two_norms((1, 2), {k: [s[k] for s in sphere] for k in sphere[0]}, title="Sphere", axis="radius")
    assert "1 norms lie above" in figures.norms_and_bounds({"a": [(1.0, 2.0), (1.0, 0.5)]}).layout.meta["alt"]
    assert "never above" in figures.ascent([0.2, 0.9]).layout.meta["alt"]
    assert "reaches 1.2" in figures.ascent([0.2, 1.2]).layout.meta["alt"]
    one = kernel.predict("H100", 64)
    picture = figures.gains([one, replace(one, device="A100")])
    assert picture.data[0].y[0] == pytest.approx(100 * one.gain) and list(picture.data[-1].y) == [
        pytest.approx(17.39),
        None,
    ]
    assert "17.39 %" in picture.layout.meta["alt"]

"""Tiles without row statistics, and what state disappears; pictures of the theory."""

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
    assert found["registers of a thread"]["softmax"] >= found["registers of a thread"]["sigmoid"]
    assert found["kernels in the backward pass"] == {"softmax": 3, "sigmoid": 2}
    q, k, v = torch.randn(3, 1, 1, 64, 64, generator=torch.Generator().manual_seed(0)).half()
    stored = {}
    for kind in ("softmax", "sigmoid"):
        with launch.tiles(32, 32), ledger() as book:
            kernels.attention(q, k, v, normalizer=kind, impl="interpret")
        stored[kind] = book.stored
    assert stored["softmax"] - stored["sigmoid"] == found["bytes stored forward beside the output"]["softmax"]


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

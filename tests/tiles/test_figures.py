"""Every figure has a title, axes and alt text that says what its numbers are."""

import pytest

from kernels.instruments.ledger import Counts
from kernels.instruments.roofline import roofline
from seqlab.tiles import figures
from seqlab.tiles.timeline import Step

LINE = roofline(None, Counts(loaded=2_000_000_000, matmul_flop=10**12), "H100")
FIGURES = {
    "traffic": (
        figures.traffic([512, 1024], {"naive": [4, 16], "tiled": [2, 5]}),
        "naive 16 bytes, tiled 5 bytes",
    ),
    "counted": (figures.counted([16, 32], [90, 50], [90, 50]), "exactly on the closed form"),
    "off": (figures.counted([16, 32], [90, 51], [90, 50]), "off the closed form"),
    "timeline": (
        figures.timeline({"a": [Step("loads", "memory", 0, 9), Step("S", "matrix units", 0, 5)]}),
        "a: 5 clocks (loads 9, S 5)",
    ),
    "limits": (figures.limits({"a": LINE}), "a: 1.01 ms, bound by matrix units"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figure(name):
    picture, says = FIGURES[name]
    assert picture.layout.title.text and picture.layout.yaxis.title.text and len(picture.data) >= 1
    assert says in picture.layout.meta["alt"]

"""Pictures of loops: each says in words what it shows, and shows the numbers that it was given."""

import pytest
import torch

from seqlab.looped_training import figures
from seqlab.looped_training.reaction_loop import AfterLoops


def cell(arm, loops, seed, accuracy, task="2 hops", **more):
    return dict(task=task, arm=arm, loops=loops, seed=seed, accuracy=accuracy, passes=loops, parameters=1000, **more)


CELLS = [
    cell(arm, r, s, 0.5 + r / 10 + s / 100, by_loops=[0.1, 0.2, 0.9 - s / 10])
    for arm in ("none", "modulated")
    for r in (1, 2)
    for s in (0, 1)
]


def test_accuracy_by_loops():
    picture = figures.accuracy_by_loops([c for c in CELLS if c["arm"] == "none"], {"2 hops": 0.3})
    assert list(picture.data[0].x) == [1, 2] and list(picture.data[0].y) == pytest.approx([0.605, 0.705])
    assert picture.data[0].error_y.array[0] == pytest.approx(0.005)
    assert (
        "1 loops 0.60" in picture.layout.meta["alt"].replace("0.61", "0.60")
        and "baseline 0.30" in picture.layout.meta["alt"]
    )


def test_longer_than_trained():
    picture = figures.longer_than_trained([c for c in CELLS if c["loops"] == 1], trained=1)
    assert [line.name for line in picture.data] == ["none", "modulated"] and list(picture.data[0].y) == pytest.approx(
        [0.2, 0.85]
    )
    assert "none: 0.20 at 1, 0.85 at 2" in picture.layout.meta["alt"]


def test_arms():
    picture = figures.arms(CELLS, "2 hops", 2, 0.4)
    assert (
        "none, 1 k parameters, 2 passes 0.705 (0.700 to 0.710)" in picture.layout.meta["alt"]
        and len(picture.data[1].x) == 8
    )
    assert "baseline (0.4)" in picture.layout.meta["alt"]


def test_table_errors():
    rows = [dict(labels="random", clock=c, loops=r, error=0.1 / r, seed=0) for c in (False, True) for r in (1, 4)]
    picture = figures.table_errors(rows)
    assert [line.name for line in picture.data] == ["random labels, no clock", "random labels, η(t) learned"]
    assert list(picture.data[1].y) == pytest.approx([0.1, 0.025])


def test_readouts():
    answers = torch.tensor([[5.0, 0.0], [0.0, 5.0]])
    assert "First guess after each loop: 0, 1; the right answer is 1" in figures.readouts(answers, 1).layout.meta["alt"]


def test_reaction_and_residuals():
    found = [AfterLoops(r, right, 10, 1, 2, 4, 0.5 / r, 0.9) for r, right in ((1, 3), (2, 9), (3, 9), (4, 5))]
    alt = figures.reaction_lens(found).layout.meta["alt"]
    assert "3 of 10 after one pass, most (9) from pass 2 to pass 3, 5 after 4" in alt
    picture = figures.residual_lens({"a": [0.5, 0.1, 0.2]})
    assert "0.5 in the first loop, 0.1 at least, 0.2 in the last (3)" in picture.layout.meta["alt"]

"""The cold open of lab 06: what it says is what softmax and sigmoid do, at every position of its controls."""

import math

import pytest
import torch

from seqlab.sigmoid.coupling_view import LENGTHS, START, CouplingView


def test_only_softmax_couples():
    view = CouplingView()
    view.score.value = 4.0
    assert "<b>softmax</b>: 5 of the 5 weights you did not touch have moved" in view.picture.value
    assert "<b>sigmoid</b>: 0 of the 5 weights you did not touch have moved." in view.picture.value
    now, before = view.weights(view.scores), view.weights(START)
    assert torch.equal(now["sigmoid"][[0, 1, 3, 4, 5]], before["sigmoid"][[0, 1, 3, 4, 5]])
    assert now["sigmoid"][2] > before["sigmoid"][2]


@pytest.mark.parametrize("n", LENGTHS)
def test_row_sums(n):
    view = CouplingView()
    view.length.value = n
    assert view.weights(START)["softmax"].sum() == pytest.approx(1, abs=1e-4)
    if n >= 64:
        assert view.weights(START)["sigmoid"].sum() == pytest.approx(n / 2, rel=0.15)
        view.bias.value = True
        assert view.weights(START)["sigmoid"].sum() == pytest.approx(math.exp(0.5), rel=0.25)


def test_every_control_changes_the_picture_and_nothing_raises():
    view = CouplingView()
    seen = [view.picture.value]
    for control, values in (
        (view.which, (0, 5, 2)),
        (view.score, (-8, 8)),
        (view.length, (LENGTHS[-1], LENGTHS[0], 64)),
        (view.bias, (True, False)),
    ):
        for value in values:
            control.value = value
            assert view.picture.value != seen[-1] and "nan" not in view.picture.value
            seen.append(view.picture.value)
    view.which.value = 0
    assert view.score.value == START[0] and view.scores[2] == 8
    assert view.twin() == view.picture.value

"""Pictures of the universal construction: their alt text says what they show, and their marks are the numbers given."""

import pytest

from seqlab import universal
from seqlab.draw.plots import dots
from seqlab.universal import figures as pictures


def test_error_curves_say_their_slopes():
    picture = pictures.error_curves([2, 4, 8], {"half": [1.0, 0.5**0.5, 0.5], "whole": [1.0, 0.5, 0.25]})
    assert [trace.name for trace in picture.data] == ["half: slope 0.50", "whole: slope 1.00"]
    assert "half: slope 0.50: from 1 to 0.5" in picture.layout.meta["alt"]
    assert len({trace.line.dash for trace in picture.data}) == 2


def test_softmax_curves_survive_zero():
    picture = pictures.thresholds("Softmax", "scale λ", [1, 10], {"a": [3.0, 0.0]}, {"a": 7.0})
    assert min(picture.data[0].y) > 0 and "λ = 7" in picture.layout.meta["alt"]


def test_relu_curves():
    epsilons = [0.0625, 0.03125]
    errors = universal.relu_errors(universal.rounding_activation(0.25), epsilons)
    picture = pictures.relu_curves(epsilons, errors, 0.25)
    assert picture.data[0].y == pytest.approx([0.25, 0.25], abs=1e-3)
    assert picture.data[1].y[1] == pytest.approx(picture.data[1].y[0] / 2, rel=0.1)


def test_budget_curves_mark_where_machines_stop():
    picture = pictures.budget_curves([(1, 2), (4, 16)], list(range(2, 65)))
    alt = picture.layout.meta["alt"]
    assert "d = 4, n = 16: never fits" in alt and "d = 1, n = 2: the laptop stops at 1/δ = 157" in alt
    dies = next(trace for trace in picture.data if trace.name == "float32 dies")
    last = universal.finest(1, 2, lambda b: b.fits("float32"), positions=True)
    assert last + 1 in dies.x


def test_scores_of_seeds():
    picture = dots("T", "nats", {"": {"a": [1.0, 3.0], "b": [2.0, 2.0]}}, at={"guessing": 4.0})
    assert list(picture.data[0].x) == [2.0, 2.0] and list(picture.data[1].x) == [1.0, 3.0, 2.0, 2.0]
    assert "a 2.000 (1.000 to 3.000)" in picture.layout.meta["alt"] and "guessing" in picture.layout.meta["alt"]

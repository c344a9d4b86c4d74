"""The temperature knob: its numbers are the library's, each control changes the picture, nothing typed breaks it."""

import math
import time

import pytest

from seqlab.one_layer.knob import EXAMPLES, PrecisionKnob, power, word
from seqlab.one_layer.precision import KAPPAS, PRECISIONS, named
from seqlab.widgets.contract import sweep


@pytest.mark.parametrize("kappa", [0.0, 1.0, 4.64, math.inf])
def test_it_counts_what_the_library_counts(kappa):
    view = PrecisionKnob(kappa=kappa)
    for precision in PRECISIONS:
        n = named((1, 2, 3, 4, 5), 3, kappa, precision)
        assert f"{'✓' if n.alive else '✗'} {n.distinct} of 30 differ" in view.picture.value
        told = f"{precision}: {n.distinct} different names of 30, smallest gap {power(n.log10_gap)}"
        assert told in view.picture.value
    lost = sum(shared > 1 for p in PRECISIONS for shared in named((1, 2, 3, 4, 5), 3, kappa, p).shared)
    assert view.picture.value.count("l7 7 m0 -7") == lost and view.picture.value.count("r='3.2'") == 150 - lost


def test_every_control_changes_the_picture():
    view = PrecisionKnob()
    seen = []
    view.picture.observe(lambda change: seen.append(change["new"]), "value")
    for change in (
        lambda: setattr(view.slider, "value", 2.0),
        lambda: setattr(view.example, "value", "both signs"),
        lambda: setattr(view.size, "value", 4),
        lambda: setattr(view.typed, "value", "1, 2, 3, 4, 6"),
    ):
        before = len(seen)
        change()
        assert len(seen) > before
    assert len(sweep()) == 3  # the slider, the menu, the size; a text field is not moved
    assert "nan" not in view.picture.value and "inf" not in view.picture.value


def test_every_position_looks_different_and_moves_are_fast():
    view, seen, times = PrecisionKnob("1, 2.5, 9, -9, 4.11"), set(), []
    for kappa in KAPPAS:
        start = time.process_time()
        view.slider.value = kappa
        times.append(time.process_time() - start)
        seen.add(view.picture.value)
    assert len(seen) == len(KAPPAS)
    assert sorted(times)[len(times) // 2] < 0.2  # types are checked at every call here; a browser measures latency


def test_what_was_typed_wrong_is_said_and_the_old_tokens_stay():
    view = PrecisionKnob()
    for text, size, why in (
        ("1 2 x", 3, "not a list of numbers"),
        ("1, 2, 3", 3, "wanted 2 to 2"),
        ("<b>", 2, "&lt;b&gt;"),
    ):
        view.typed.value, view.size.value = text, size
        assert "role='alert'" in view.error.value and why in view.error.value
        assert "were fine: 1, 2, 3, 4, 5, 3 in a set" in view.error.value and "of 30 differ" in view.picture.value
    view.typed.value, view.size.value = "2, 1, 4", 2
    assert not view.error.value and "of 6 differ" in view.picture.value


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_are_fine(example):
    view = PrecisionKnob(kappa=1.0)
    view.example.value = list(EXAMPLES)[0] if example != list(EXAMPLES)[0] else list(EXAMPLES)[1]
    view.example.value = example
    assert (view.typed.value, view.size.value) == EXAMPLES[example] and not view.error.value
    assert ("sees only the mean" in view.picture.value) == (example == "with the token 0")


def test_twin_and_words():
    view = PrecisionKnob(kappa=20.0)
    assert view.twin() == view.picture.value and "aria-label" in view.picture.value
    assert "10^-1" in view.picture.value  # far below the picture's lowest line, and said all the same
    assert (power(-math.inf), power(-547.07)) == ("0", "10^-547.1")
    assert (word(0.0), word(0.25), word(math.inf)) == ("0 (average)", "0.25", "∞ (hardmax)")
    with pytest.raises(ValueError, match="twice"):
        PrecisionKnob("1, 1, 2", 2)

"""The stepper shows every program: each control moves it, and the picture that stays behind says the same."""

from fractions import Fraction

import pytest

from seqlab import looped
from seqlab.looped.packed import times_mean
from seqlab.universal import contextual_mapping
from seqlab.widgets.contract import sweep
from seqlab.written.stepper import Stepper


def test_it_says_who_moved():
    view = Stepper(contextual_mapping(3, 1, 2).program(), [0, 2])
    assert view.step.max == 3 and "id 0 jumps" in view.picture.value and "x0 of token 0 moved" in view.picture.value
    seen = {view.picture.value}
    for _ in range(2):
        view.next.click()
        seen.add(view.picture.value)
    view.back.click()
    seen.add(view.picture.value)
    assert len(seen) == 3 and "←" in view.picture.value and "<line" in view.picture.value
    assert view.twin() == view.picture.value
    assert len(sweep()) >= 3


def test_the_buttons_go_round():
    view = Stepper(contextual_mapping(3, 1, 2).program(), [0, 2], step=0)
    view.back.click()
    assert view.step.value == 3
    view.next.click()
    assert view.step.value == 0


def test_it_shows_other_programs():
    made = looped.packed(times_mean, 2, 1, 2)
    view = Stepper(made.program, [made.table.point(z, Fraction(0))[0] for z in made.table.sets[0]], step=4)
    assert "tau" in view.picture.value and "role='img'" in view.picture.value
    with pytest.raises(ValueError, match="got 2 sequences"):
        Stepper(contextual_mapping(3, 1, 2).program(), [[0, 1], [1, 2]])

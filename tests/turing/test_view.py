"""The view of the Turing machine: it shows the library's run, all controls move something, bad machines are told."""

import itertools

import pytest

from seqlab.turing import decode, shipped
from seqlab.turing.view import STEPS, WORDS, TuringView
from seqlab.widgets.contract import sweep


def test_the_contract():
    view = TuringView()
    before = view.picture.value
    assert len(sweep()) == 6  # dropdown, two sliders, two buttons, checkbox
    view.step.value, view.row.value = 7, 4
    assert view.picture.value == before and not view.error.value


def test_every_control_changes_the_picture():
    view, seen = TuringView(), set()
    moves = [
        lambda: setattr(view.row, "value", 6),
        lambda: setattr(view.step, "value", 9),
        view.next.click,
        view.back.click,
        lambda: setattr(view.printed, "value", True),
        lambda: setattr(view.word, "value", "01"),
        lambda: setattr(view.choice, "value", "palindrome"),
    ]
    for move in moves:
        before = view.picture.value
        move()
        assert view.picture.value != before
        seen.add(view.picture.value)
    assert len(seen) >= len(moves) - 1


def test_every_row_shows_something_else_and_survives_the_printed_sign():
    for name, printed in itertools.product(("bouncing", "busy_beaver_4"), (False, True)):
        view, seen = TuringView(name, step=0, row=1), set()
        view.printed.value = printed
        for _ in range(80):
            seen.add(view.picture.value)
            view.next.click()
        assert len(seen) == 80
    view.step.value, view.row.value = STEPS - 1, STEPS
    view.next.click()
    assert (view.step.value, view.row.value) == (0, 1)
    view.back.click()
    assert (view.step.value, view.row.value) == (STEPS - 1, STEPS)


@pytest.mark.parametrize("name", WORDS)
def test_it_shows_the_librarys_run(name):
    view = TuringView(name, step=5, row=6)
    run = decode(shipped(name), WORDS[name], STEPS)
    assert view.run.steps == run.steps
    row = run.block(5)[-1]
    assert f"decoder row {row.index} of 300" in view.picture.value
    assert f"in state <b>{row.state}</b> it reads <b>{row.symbol}</b>" in view.picture.value
    assert "▶" in view.picture.value and "✓ the run is the simulator's" in view.picture.value


def test_the_printed_sign_is_seen_to_fail():
    view = TuringView()
    assert "✗" not in view.picture.value.replace("✓ keeps the last visit ✗ does not", "")
    view.printed.value = True
    assert "the run leaves the simulator's at step 5" in view.picture.value
    assert "should be" in view.picture.value and "14 of 18 look-ups wrong" in view.picture.value


def test_bad_machines_are_told_and_the_old_run_stays():
    view = TuringView()
    before = view.picture.value
    view.text.value = "start: A\nA <0>"
    assert "line 2: got 'A &lt;0&gt;'" in view.error.value and "<0>" not in view.error.value
    assert view.picture.value == before
    view.step.value = 8
    assert view.picture.value != before and view.error.value
    view.text.value = "start: A\nhalt: H\nA _ -> H 1 R"
    view.word.value = "x"
    assert "input[0]: got 'x'" in view.error.value
    view.word.value = ""
    assert not view.error.value and "no rule: the machine has stopped" not in view.picture.value
    view.row.value = view.row.max
    assert "no rule: the machine has stopped" in view.picture.value


def test_long_symbols_are_words():
    view = TuringView()
    view.text.value, view.word.value = "start: A\nA eins -> A zwei R", "eins eins"
    assert view.run.word == ("eins", "eins") and not view.error.value


def test_the_static_twin():
    view = TuringView()
    assert view.twin() == view.picture.value
    assert view.picture.value.startswith("<svg role='img' aria-label='Tape before machine step 7")

"""The cold open of the looped lab: the picture is one block applied again and again, in exact fractions."""

from fractions import Fraction

import pytest

from seqlab.looped import below_largest, packed
from seqlab.looped.state_view import StateView
from seqlab.looped.view import BARE, CARRIED, CLOCK, MODES, LoopView, block, seen, tables
from seqlab.widgets.contract import sweep


def run(table, mode):
    program = block(table, mode)
    return seen(program, program.trace(range(len(table))).states)


TABLES = tables(0) | {f"seed {seed}": tables(seed)["random numbers"] for seed in range(1, 6)}


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_the_clock_is_exact_and_the_carried_number_is_off_by_less_than_the_largest_step(table):
    assert run(table, CLOCK)[-1] == table
    largest = max(abs(b - a) for a, b in zip(table, table[1:]))
    off = [abs(a - b) for a, b in zip(run(table, CARRIED)[-1], table)]
    assert max(off) < largest and off[0] == 0
    steps = {b[-1] - a[-1] for a, b in zip(run(table, CARRIED), run(table, CARRIED)[1:])}
    assert steps <= {-largest, 0, largest}


@pytest.mark.parametrize("mode", MODES)
def test_all_waiting_tokens_move_together_and_the_others_rest(mode):
    seen = run(TABLES["random numbers"], mode)
    for t in range(1, len(seen)):
        moves = [b - a for a, b in zip(seen[t - 1], seen[t])]
        assert moves[:t] == [0] * t and len(set(moves[t:])) == 1
    if mode == BARE:
        assert len({b[-1] - a[-1] for a, b in zip(seen, seen[1:])}) == 1


def test_errors_are_seen():
    smooth, shuffled = TABLES["a wave"], TABLES["the wave, shuffled"]
    worst = lambda table, mode: max(abs(a - b) for a, b in zip(run(table, mode)[-1], table))
    assert worst(smooth, CARRIED) < worst(shuffled, CARRIED) and worst(smooth, BARE) > worst(smooth, CARRIED)
    with pytest.raises(ValueError, match="at least two"):
        run([Fraction(1)], CLOCK)


def test_every_control_changes_the_picture_and_nothing_raises():
    view = LoopView()
    seen = [view.picture.value]
    for control, values in (
        (view.step, (0, 13, 7)),
        (view.mode, (CARRIED, BARE, CLOCK)),
        (view.table, list(view.tables)[1:]),
    ):
        for value in values:
            control.value = value
            assert view.picture.value != seen[-1] and "nan" not in view.picture.value
            seen.append(view.picture.value)
    assert len(sweep()) >= 3
    assert view.twin() == view.picture.value


def test_the_sentence_says_what_happened():
    view = LoopView(loop=0)
    assert "Before the first loop" in view.picture.value
    view.step.value = 13
    assert "Loop 13 of 13: the 1 tokens" not in view.picture.value and "the largest error is 0.00" in view.picture.value
    view.mode.value = CARRIED
    assert "below the largest step" in view.picture.value
    assert run(view.tables["one jump"], CARRIED)[-1] == view.tables["one jump"]


@pytest.mark.parametrize("clock", [True, False])
def test_the_map_of_states_follows_loop_and_token(clock):
    made = packed(below_largest, 3, clock=clock)
    view = StateView(made, [[Fraction(1, 5)], [Fraction(4, 5)]])
    rows = [view._rows()]
    view.token.value = 1
    rows.append(view._rows())
    for row, k in zip(rows, (6, 42)):  # token 0 of cells {0, 2}: 2 · 9 · 0 + 6; token 2: 2 · 9 · 2 + 6
        assert row["k - t"][4:].tolist() == [k - t for t in range(len(row["k - t"]) - 4)]
        assert (row["y0"][4 + k :] == row["y0"][-1]).all()
        assert row["y0"][3 + k] != row["y0"][-1] or not clock
    shown = {view.picture.value}
    for loop in (0, 1, 3, 20, view.step.max):
        view.step.value = loop
        shown.add(view.picture.value)
    assert len(shown) >= 5 and "stage 3 (values)" in view.picture.value
    assert len(sweep()) >= 4 and view.twin() == view.picture.value

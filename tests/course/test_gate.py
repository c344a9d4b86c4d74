"""Whatever a learner writes: a helpful message, and the notebook goes on."""

import json
import re
import sys
import time

import pytest
import torch

from seqlab.course import exercise, gate, hint, panel, progress, solution
from seqlab.course.check import Exercise, Mutant, judge
from seqlab.course.gate import exercises
from seqlab.course.sandbox import call

EXERCISES = exercises()
HARDMAX = EXERCISES["names.hardmax"]


def endless(scores):
    while True:
        pass


def stubborn(scores):
    while True:
        try:
            time.sleep(0.01)
        except BaseException:
            pass


def sleeper(scores):
    time.sleep(60)


def loud(scores):
    print("x" * 1_000_000)
    return HARDMAX.reference(scores)


def greedy(scores):
    scores -= scores.max(-1, keepdim=True).values
    scores += 1
    return HARDMAX.reference(scores)


def broken(scores):
    return torch.log(scores * 0 - 1)


def doubled(scores):
    return HARDMAX.reference(scores).double()


def flat(scores):
    return HARDMAX.reference(scores).flatten()


def numpy_array(scores):
    return HARDMAX.reference(scores).numpy()


def nothing(scores):
    HARDMAX.reference(scores)


def raising(scores):
    return scores.no_such_method()


def quitting(scores):
    raise SystemExit


def recursive(scores):
    return recursive(scores)


def test_a_changed_list_gets_a_cure_for_lists():
    done = call(lambda weights, ids: ids.sort(), (torch.ones(2), [3, 1, 2]))
    assert done.problem == "mutated" and done.detail.startswith("Argument 2") and "copy.deepcopy(x)" in done.detail


@pytest.mark.parametrize(
    "function, violated, words",
    [
        (endless, "comes to an end", "still running"),
        (sleeper, "comes to an end", "background"),
        (stubborn, "comes to an end", "restart the kernel"),
        (greedy, "leaves its inputs alone", "x = x.clone()"),
        (broken, "is never NaN", "NaN"),
        (doubled, "has the right dtype", "float64"),
        (flat, "has the right shape", "(2,)"),
        (numpy_array, "returns a tensor", "ndarray"),
        (nothing, "returns a result", "return missing"),
        (raising, "runs without an error", "no_such_method"),
        (quitting, "runs without an error", "SystemExit"),
        (recursive, "runs without an error", "calls itself"),
    ],
)
def test_every_way_to_fail_gets_its_own_message(function, violated, words, monkeypatch):
    monkeypatch.setattr("seqlab.course.sandbox.SECONDS", 0.3 if violated == "comes to an end" else 60)
    judgement = judge(HARDMAX, function)
    assert not judgement.right
    assert judgement.diagnosis.violated == violated
    assert words in judgement.diagnosis.message


class Odd:
    def __repr__(self):
        raise RuntimeError

    __eq__ = __repr__


@pytest.mark.parametrize(
    "id, result",
    [
        ("names.tester", (1, 2)),
        ("names.tester", (Odd(), Odd())),
        ("names.hardmax", torch.eye(2).to_sparse()),
        ("names.hardmax", Odd()),
    ],
)
def test_results_of_an_odd_form_never_break_the_gate(id, result):
    judgement = judge(EXERCISES[id], lambda *arguments: result)
    assert not judgement.right and judgement.diagnosis.message


def test_the_smallest_failing_case_is_shown():
    judgement = judge(HARDMAX, lambda scores: torch.zeros_like(scores))
    assert judgement.diagnosis.case.startswith("scores = [[0.0, 1.0]]")


def test_what_a_function_prints_is_shown_with_its_case(capsys):
    def wrong(scores):
        print("row", scores[0].tolist())
        print("UserWarning: odd", file=sys.stderr)  # where warnings and logging write
        return torch.zeros_like(scores)

    exercise("names.hardmax")(wrong)
    card = capsys.readouterr().out
    assert "printed for scores = [[0.0, 1.0]]" in card and "row [0.0, 1.0]" in card
    assert "UserWarning: odd" in card

    def right(scores):
        print("fine")
        return HARDMAX.reference(scores)

    exercise("names.hardmax")(right)
    card = capsys.readouterr().out
    assert "✓ names.hardmax: right" in card and card.count("fine") == 1


@pytest.mark.parametrize("ask", [lambda: input(), lambda: breakpoint(), lambda: __import__("pdb").set_trace()])
def test_a_question_inside_the_gate_ends_at_once_and_says_how_to_debug(ask, capsys):
    def curious(scores):
        ask()
        return scores

    begun = time.perf_counter()
    exercise("names.hardmax")(curious)
    card = capsys.readouterr().out
    assert time.perf_counter() - begun < 4 and "runs without asking" in card and "nobody can answer" in card
    assert 'hardmax(*exercise.case("names.hardmax"))' in card and "breakpoint()" in card


def test_the_failing_arguments_are_at_hand():
    exercise("names.hardmax")(lambda scores: torch.zeros_like(scores))
    (scores,) = exercise.case("names.hardmax")
    assert scores.tolist() == [[0.0, 1.0]]
    scores += 1
    assert exercise.case("names.hardmax")[0].tolist() == [[0.0, 1.0]], "a copy each time"
    assert exercise.case("names.tester"), "the first case where nothing failed yet"


def test_a_flood_of_output_is_kept_out(capsys):
    judgement = judge(HARDMAX, loud)
    assert judgement.right and "1,000,001 characters, the first 2,000 are shown" in judgement.printed
    assert len(capsys.readouterr().out) < 1000


def test_right_is_recorded_and_stays(capsys):
    assert exercise("names.hardmax")(HARDMAX.reference) is HARDMAX.reference
    assert progress.read()["names.hardmax"]["state"] == "right"
    exercise("names.hardmax")(lambda scores: scores)
    assert progress.read()["names.hardmax"] | {"at": ""} == {"state": "right", "tries": 2, "at": ""}
    assert "not yet" in capsys.readouterr().out


def test_open_and_wrong_go_on_with_the_reference(capsys):
    @exercise("names.hardmax")
    def hardmax(scores):
        """Later."""
        ...

    assert hardmax is HARDMAX.reference
    assert len(capsys.readouterr().out.splitlines()) <= 3
    assert exercise("names.hardmax")(lambda scores: scores) is HARDMAX.reference


def test_hints_come_one_at_a_time_and_the_solution_on_request(capsys):
    for level in (1, 2, 3, 3):
        hint("names.hardmax")
        assert f"Hint {level} of 3" in capsys.readouterr().out
    solution("names.hardmax")
    assert "winners" in capsys.readouterr().out
    assert progress.read()["names.hardmax"] | {"at": ""} == {"hints": 3, "solution": True, "at": ""}


def test_unknown_ids_are_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="names.hardmax"):
        exercise("no.such")


@pytest.mark.parametrize(
    "content",
    [b"{", b"\xff\xfe\x00", b"[1, 2]", b'"text"', b'{"version": 1}', b'{"version": "x", "exercises": {}}', b""],
)
def test_a_corrupt_file_is_kept_aside(content, capsys):
    progress.path().write_bytes(content)
    assert progress.read() == {}
    kept = [file for file in progress.path().parent.iterdir() if file != progress.path() and file.suffix == ".json"]
    assert len(kept) == 1 and kept[0].read_bytes() == content
    assert kept[0].name in capsys.readouterr().out
    progress.update("names.hardmax", lambda old: {"state": "right"})
    assert progress.read()["names.hardmax"]["state"] == "right"


def test_an_older_file_is_carried_over():
    progress.path().write_text(json.dumps({"names.hardmax": "right", "start.mix": "wrong"}))
    assert progress.read()["names.hardmax"]["state"] == "right"
    progress.update("start.mix", lambda old: {**old, "state": "right"})
    stored = json.loads(progress.path().read_text())
    assert stored["version"] == progress.VERSION and set(stored["exercises"]) == {"names.hardmax", "start.mix"}
    assert list(progress.path().parent.glob("progress.version-0*"))


def test_a_newer_file_is_not_overwritten(capsys):
    progress.path().write_text('{"version": 99, "exercises": {"a": {"state": "right"}}}')
    assert progress.read() == {}
    assert "99" in next(progress.path().parent.glob("progress.version-99*")).read_text()
    assert "newer" in capsys.readouterr().out


def test_a_failing_write_leaves_the_file_whole(monkeypatch):
    progress.update("names.hardmax", lambda old: {"state": "right"})
    before = progress.path().read_text()

    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", full)
    progress.update("start.mix", lambda old: {"state": "right"})
    assert progress.path().read_text() == before and "disk full" in progress.notice()
    monkeypatch.undo()
    assert progress.read()["start.mix"]["state"] == "right", "kept in memory"
    progress.update("start.mix", lambda old: {**old, "hints": 1})
    assert json.loads(progress.path().read_text())["exercises"]["start.mix"] | {"at": ""} == {
        "state": "right",
        "hints": 1,
        "at": "",
    }, "and written as soon as that works"
    assert progress.notice() == ""


def test_where_nothing_can_be_written_everything_works_from_memory(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SEQLAB_PROGRESS", str(tmp_path / "file" / "progress.json"))  # below a file: for root, too
    progress.keep_in(None)
    for level in (1, 2, 3):
        assert f"Hint {level} of 3" in gate.next_hint("names.hardmax")[1]
    exercise("names.hardmax")(HARDMAX.reference)
    page, text = panel()._repr_html_(), repr(panel())
    assert "✓ names.hardmax right" in text
    for shown in (page, text):
        assert "not saved" in shown and "SEQLAB_PROGRESS" in shown and "progress=" in shown


def test_a_change_of_folder_does_not_move_the_progress(tmp_path, monkeypatch):
    monkeypatch.delenv("SEQLAB_PROGRESS")
    monkeypatch.setattr(progress, "_begun", [])
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    progress.keep_in(None)
    progress.update("names.hardmax", lambda old: {"state": "right"})
    monkeypatch.chdir(tmp_path)
    progress.update("names.tester", lambda old: {"state": "right"})
    assert set(progress.read()) == {"names.hardmax", "names.tester"}
    assert [path.name for path in tmp_path.glob("**/*.json")] == ["progress.json"]


def test_a_place_named_at_the_beginning_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQLAB_PROGRESS", "elsewhere")
    progress.keep_in(tmp_path / "mine.json")
    assert progress.path() == tmp_path / "mine.json"


def test_two_notebooks_do_not_lose_each_others_progress():
    import threading

    threads = [
        threading.Thread(target=progress.update, args=(f"id{n}", lambda old: {"state": "right"})) for n in range(12)
    ]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(progress.read()) == 12


def test_the_panel_shows_every_lab_and_exercise():
    progress.update("names.hardmax", lambda old: {"state": "right", "tries": 1, "hints": 2})
    page, text = panel()._repr_html_(), repr(panel())
    assert all(id in page and id in text for id in EXERCISES)
    assert "✓ names.hardmax right (1 try, 2 hints)" in text and "1 of 4" in page


BEFORE = """
    start.mix names.weights names.hardmax names.equivariance names.tester universal.quantiser
    universal.sweep universal.selective_shift universal.global_shift universal.values sparse.strided
    sparse.reach sparse.shift sparse.chain sparse.all_max big_bird.window big_bird.global big_bird.random
    turing.relay turing.lookup one_layer.boltz one_layer.gradient one_layer.order one_layer.projection
    one_layer.head one_layer.memoriser sigmoid.bias sigmoid.causal sigmoid.hybrid_norm sigmoid.shift
    sigmoid.backward sigmoid.jacobian_bound looped.quantiser looped.sequence_id looped.clock looped.moduli
    looped.block looped.modulated kernels.online kernels.sigmoid kernels.backward kernels.block_sparse
""".split()  # all ids that there were while a room was still called kernels


@pytest.mark.parametrize("notebook", ["as it is today", "as it was"])
def test_progress_of_before_a_room_was_renamed_still_counts(notebook, tmp_path, monkeypatch):
    before = {id: {"state": "right", "tries": 2} for id in BEFORE}
    progress.path().write_text(json.dumps({"version": 1, "exercises": before}))
    assert len(progress.read()) == 42 and progress.read()["tiles.online"] == before["kernels.online"]
    assert all(gate.find(id) in EXERCISES.values() for id in BEFORE)
    if notebook == "as it was":
        cells = [{"cell_type": "code", "source": f'@exercise("{id}")\ndef answer(): ...'} for id in BEFORE]
        (tmp_path / "08_kernels.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}}))
        monkeypatch.chdir(tmp_path)
    right = re.findall(r": (\d+) of \d+$", repr(panel()), re.MULTILINE)
    assert sum(map(int, right)) == 42 and "✓ tiles.online right (2 tries)" in repr(panel())


def bag(items):
    """A function that returns the items."""
    return lambda: list(items)


def test_results_may_be_compared_by_what_they_do():
    look = lambda made, *arguments: (sorted(made()), len(arguments)) if callable(made) else made
    lost = Mutant({"list(items)": "list(items)[1:]"}, "equals the reference", "One is lost.")
    task = Exercise("toy.bag", "A bag.", bag, lambda: [([1],), ([1, 2],)], ("a", "b", "c"), mutants=(lost,), look=look)
    assert judge(task, lambda items: lambda: items[::-1]).right
    found = judge(task, lambda items: lambda: items[1:]).diagnosis
    assert found.known == "One is lost." and found.case == "items = [1]\nyours     → ([], 1)\nreference → ([1], 1)"
    assert judge(task, lambda items: 3).diagnosis.violated == "returns a function"


def test_a_function_may_call_itself_by_its_name():
    """Python binds the name after the gate has judged; until then it would be unknown, or an older function."""
    cell = """
@exercise("looped.block")
def looped(x, block, loops):
    if loops == 0:
        return x[None]
    before = looped(x, block, loops - 1)
    return torch.cat([before, block(before[-1])[None]])
"""
    for older in ({}, {"looped": None}):
        names = {"exercise": exercise, "torch": torch, **older}
        exec(cell, names)
        assert names["looped"] is not EXERCISES["looped.block"].reference, "accepted"

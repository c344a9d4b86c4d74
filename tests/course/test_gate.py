"""Whatever a learner writes: a helpful message, and the notebook goes on."""

import json
import random
import re
import sys
import time

import numpy as np
import pytest
import torch
from jupyter_client.manager import start_new_kernel

from seqlab.course import exercise, gate, hint, panel, progress, solution
from seqlab.course.check import Exercise, Mutant, judge
from seqlab.course.gate import exercises
from seqlab.course.sandbox import SETTINGS, _as_before, call
from tests.places import ROOT

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


def in_words(scores):
    return {"weights": HARDMAX.reference(scores)}


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
        (in_words, "returns a tensor", "dict"),
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
    assert "✓ names.hardmax right (1 try, 2 hints)" in text and "1 of 7" in page


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


def twice(function, items):
    return function(function(items)())


def test_an_answer_may_be_run_by_a_function_of_the_task():
    lost = Mutant({"list(items)": "list(items)[1:]"}, "equals the reference", "One is lost.")
    options = {"look": lambda made, items: made(), "mutants": (lost,), "run": twice}
    task = Exercise("toy.twice", "A bag.", bag, lambda: [([1, 2, 3],)], ("a", "b", "c"), **options)
    assert judge(task, bag).right
    found = judge(task, lambda items: lambda: items[1:]).diagnosis
    assert found.known == "One is lost." and found.case == "items = [1, 2, 3]\nyours     → [3]\nreference → [1, 2, 3]"


def test_a_function_may_call_itself_by_its_name():
    """Python binds the name after the gate has judged; until then it would be unknown, or an older function."""
    cell = """
@exercise("looped_training.block")
def looped(x, block, loops):
    if loops == 0:
        return x[None]
    before = looped(x, block, loops - 1)
    return torch.cat([before, block(before[-1])[None]])
"""
    for older in ({}, {"looped": None}):
        names = {"exercise": exercise, "torch": torch, **older}
        exec(cell, names)
        assert names["looped"] is not EXERCISES["looped_training.block"].reference, "accepted"


ODD = (None, True, -1, 10**30, 1e999, float("nan"), "", "right", "\ud800", [], {}, [[[]]], {"state": "right"})


def odd(draw, deep=3):
    """Something that may stand in a progress file, and should not."""
    if deep and draw.random() < 0.4:
        names = draw.sample(["state", "tries", "hints", "solution", "at", "version", "names.tester"], 3)
        return {name: odd(draw, deep - 1) for name in names}
    return [odd(draw, deep - 1) for _ in range(3)] if deep and draw.random() < 0.2 else draw.choice(ODD)


@pytest.mark.parametrize("seed", range(60))
def test_odd_values_never_cost_a_right_answer(seed, capsys):
    draw = random.Random(seed)
    records = {"start.mix": {"state": "right"}} | {
        id: odd(draw) for id in draw.sample(sorted(EXERCISES.keys() - {"start.mix"}), 5)
    }
    content = {"exercises": records} | (
        {"version": draw.choice([1, 1, 1, 0.5, None, "1", [1], -3])} if seed % 4 else {}
    )
    text = json.dumps(records | {"version": 0} if seed % 7 == 0 else content)
    progress.path().write_text(text[: -draw.randrange(1, 9)] if seed % 5 == 0 else text)
    exercise("names.hardmax")(HARDMAX.reference)
    page, words = panel()._repr_html_(), repr(panel())
    assert "✓ names.hardmax right" in words and "✓ start.mix right" in words and "start.mix" in page
    used = progress.read()["names.tester"].get("hints", 0) if "names.tester" in progress.read() else 0
    assert f"Hint {min(used + 1, 3)} of 3" in gate.next_hint("names.tester")[1]
    again = json.loads(progress.path().read_text())["exercises"]
    assert again["names.hardmax"]["state"] == again["start.mix"]["state"] == "right" and not progress.notice()


@pytest.mark.parametrize("place", ["folder", "deep", "huge", "link", "dangling", "circle", "locked"])
def test_odd_places_never_cost_a_right_answer(place, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(progress, "_unsaved", {}), monkeypatch.setattr(progress, "_trouble", [])
    file, right = progress.path(), '"exercises": {"start.mix": {"state": "right"}'
    match place:
        case "folder":
            (file / "below").mkdir(parents=True)
        case "deep":
            file.write_text(f'{{{right}, "a.b": {"[" * 100_000}{"]" * 100_000}}}}}')
        case "huge":
            file.write_text(f'{{{right}}}, "version": {"9" * 10_000}}}'.replace(', "version"', ', "more"'))
        case "link" | "dangling":
            (tmp_path / "kept.json").write_text(f'{{{right}}}, "version": 1}}') if place == "link" else None
            file.symlink_to(tmp_path / "kept.json")
        case "circle":
            file.symlink_to(file)
        case "locked":
            monkeypatch.setattr(
                "seqlab.course.progress.FileLock", lambda *_, **__: (_ for _ in ()).throw(OSError("no"))
            )
    exercise("names.hardmax")(HARDMAX.reference)
    assert progress.read()["names.hardmax"]["state"] == "right"
    assert place not in ("deep", "huge", "link") or progress.read()["start.mix"]["state"] == "right"
    assert file.is_symlink() == (place in ("link", "dangling"))
    assert [gate.next_hint("names.tester")[1][:6] for _ in range(2)] == ["Hint 1", "Hint 2"]


@pytest.mark.parametrize(
    "cut, accepted",
    [
        (lambda weights, values: (weights @ values).detach(), False),
        (lambda weights, values: torch.no_grad()(torch.matmul)(weights, values), False),
        (lambda weights, values: weights.data @ values.data, False),
        (lambda weights, values: weights.detach() @ values, False),
        (lambda weights, values: (weights - weights.mean().detach()) @ values + weights.mean() * values.sum(0), False),
        (lambda weights, values: (weights - 3 * weights.detach() + 3 * weights.detach()) @ values, True),
        (lambda weights, values: weights @ values + (0 * values.sum()).detach(), True),
        (lambda weights, values: torch.as_tensor(weights.numpy() @ values.numpy()), True),
    ],
)
def test_a_result_that_is_cut_off_on_purpose_is_wrong_where_the_reference_s_is_not(cut, accepted):
    judgement = judge(EXERCISES["start.mix"], cut)
    assert judgement.right == accepted, judgement
    assert accepted or "cut off" in judgement.diagnosis.message


def test_a_tuple_or_an_array_in_place_of_a_tensor_is_made_one_in_the_lab_too():
    def clock_loop(c, y, eta):
        return c - 1, y + eta * (torch.relu(c) - torch.relu(c - 1))

    got = exercise("looped.clock")(clock_loop)(torch.ones(2), torch.zeros(2), 0.5)
    assert torch.equal(got, torch.tensor([[0.0, 0.0], [0.5, 0.5]]))
    codes = exercise("sparse.chain")(lambda chain: np.argsort([*chain[1:], chain[0]]))
    assert torch.equal(codes((2, 0, 1)), torch.tensor([0, 1, 2]))
    assert not judge(EXERCISES["looped.clock"], lambda c, y, eta: (c, 1)).right


def test_a_result_that_cannot_be_looked_at_is_shown_as_it_is():
    said = judge(EXERCISES["one_layer.closest"], lambda levels, n: (0, 1)).diagnosis
    assert said.case.endswith("yours     → (0, 1)\nreference → ((0, 2), (1, 2))")


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda scores: scores.requires_grad_(), "itself asked for gradients"),
        (lambda scores: scores.mul_(1), "changed in place"),
        (lambda scores: scores.clamp_(max=scores.max()), "changed in place"),
    ],
)
def test_an_input_is_let_alone_even_where_nothing_changes(change, words):
    done = call(change, (torch.tensor([[0.0, 1.0]]),))
    assert done.problem == "mutated" and words in done.detail


def test_settings_are_as_before_whatever_a_function_does():
    def shakes(x):
        torch.set_default_dtype(torch.float64)
        torch.manual_seed(7), np.random.seed(7), random.seed(7)
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.autograd.set_detect_anomaly(True, check_nan=False)
        torch.nn.modules.module.register_module_forward_hook(lambda *_: None)
        torch.set_float32_matmul_precision("medium"), torch.set_num_threads(2), sys.setrecursionlimit(5000)
        torch.set_grad_enabled(False), torch.set_default_device("meta")
        return x

    def now():
        return [
            *(str(get()) for get, _ in SETTINGS[:3] + SETTINGS[4:]),  # what checks types draws from `random`
            torch.is_grad_enabled(),
            torch.get_default_device(),
            torch.ones(1),
        ]

    before = now()
    for function in (shakes, lambda x: shakes(x).no_such_method()):
        call(function, (1,))
        assert [(a, b) for a, b in zip(before, now()) if a != b] == []
    state = random.getstate()
    with _as_before():
        random.seed(7)
    assert random.getstate() == state


def test_a_slow_check_says_so(capsys, monkeypatch):
    monkeypatch.setattr("seqlab.course.show.PATIENCE", 0.1)
    exercise("start.mix")(lambda weights, values: (time.sleep(0.2), weights @ values)[1])
    card = capsys.readouterr().out
    assert card.startswith("… checking start.mix") and "restart of the kernel" in card and "progress is kept" in card
    assert "✓ start.mix: right" in card
    monkeypatch.setattr("seqlab.course.show.PATIENCE", 60)
    exercise("start.mix")(torch.matmul)
    assert "checking" not in capsys.readouterr().out


@pytest.mark.slow
def test_a_call_into_c_that_never_ends_has_said_so_before(tmp_path):
    """Nothing in Python runs any more: the page itself shows the line after two seconds."""
    kernel, client = start_new_kernel(kernel_name="python3")
    try:
        client.execute(
            f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom seqlab.course import exercise\n"
            '@exercise("start.mix")\ndef mix(weights, values):\n    return sum(range(10**15))'
        )
        while (message := client.get_iopub_msg(timeout=120))["msg_type"] != "display_data":
            assert message["msg_type"] != "error", message["content"]
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)
    page = message["content"]["data"]["text/html"]
    assert "checking start.mix" in page and "visibility:hidden;animation:seqlab-late 0s 2s forwards" in page

"""Grading: what crosses the pipe, what of a notebook is needed, hostile and honest submissions, the gradebook."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction
from xml.etree import ElementTree

import nbformat
import numpy as np
import pytest
import torch

from seqlab.course import editions
from seqlab.course.check import Exercise, judge
from seqlab.course.gate import exercises, find
from seqlab.course.rooms import labs
from seqlab.course.submission import read
from seqlab.grading import book, sandbox
from seqlab.grading.box import Inside
from seqlab.grading.grade import _veiled, grade, no_kernel
from seqlab.grading.wire import Broken, Peer
from tests.places import ROOT

LABS = labs(ROOT / "labs")
isolated = pytest.mark.skipif(not sandbox.isolated(), reason="bubblewrap is not installed: nothing is isolated here")


@pytest.fixture
def pair():
    """Two ends of a pipe, the second answering in a thread of its own."""
    import threading

    (a, b), (c, d) = os.pipe(), os.pipe()
    offers = {"echo": lambda value: value, "twice": lambda f, x: f(f(x)), "fail": lambda: 1 / 0}
    near, far = Peer(a, d), Inside(c, b, offers)

    def serve():
        with pytest.raises(Broken):
            far.serve()
        os.close(b)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield near
    os.close(d)
    thread.join(5)


VALUES = [
    None,
    True,
    2**100,
    -0.1,
    float("inf"),
    "ö",
    Fraction(1, 3),
    [1, (2.5, "x")],
    {1: [2], "a": {3}},
    torch.ones(2, 0),
    torch.tensor([[1.5, -0.0]], dtype=torch.bfloat16),
    torch.tensor([True, False]),
    torch.arange(3, dtype=torch.float64).requires_grad_(),
    torch.tensor(3),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_cross(pair, value):
    got = pair.ask("echo", value)
    if isinstance(value, torch.Tensor):
        assert torch.equal(got, value) and (got.dtype, got.requires_grad) == (value.dtype, value.requires_grad)
    else:
        assert got == value and type(got) is type(value)


def test_functions_cross_by_number_and_errors_by_name(pair):
    assert pair.ask("twice", lambda x, by=3: by * x, 2) == 18 and np.array_equal(pair.ask("echo", np.eye(2)), np.eye(2))
    with pytest.raises(Exception, match="division by zero") as raised:
        pair.ask("fail")
    assert type(raised.value).__name__ == "ZeroDivisionError"


def test_what_exercises_return_crosses_as_what_it_is():
    """All but kernels, which are started on the other side."""
    a, b = os.pipe()
    student, near = Inside(a, b), Peer(a, b)
    for id, task in exercises().items():
        if task.run is Exercise.run:
            case = list(task.cases())[0]
            got = near.decode(json.loads(json.dumps(student.encode(task.reference(*case)))))
            assert judge(replace(task, cases=lambda: [case]), lambda *_: got).right, id


@pytest.mark.parametrize(
    "said",
    [
        '"x"',
        '{"value": {"pickle": "x"}}',
        '{"value": {"data": ["os", "system", {}]}}',
        "[[",
        '{"value": {"tensor": ["load", [1], false, ""]}}',
        '{"value": {"_getattribute__": "kept"}}',
        '{"value": {"_send": {}}}',
        '{"value": {"data": ["seqlab.course.check", "Exercise", {}]}}',
        '{"value": {"data": ["seqlab.written.exercises.looks", "LARGEST", {}]}}',
        '{"value": {"ratio": ["1e9999999", "1"]}}',
        '{"value": {"seen": [{"dict": [[2, {"list": [1, 0, 1, 1, 0, 0, 0, 0]}]]}, "x"]}}',
    ],
)
def test_what_is_no_value_is_refused(said):
    (a, b), (_, d) = os.pipe(), os.pipe()
    os.write(b, said.encode() + b"\n")
    with pytest.raises(Broken):
        Peer(a, d).ask("echo")


def test_nothing_but_calling_is_within_reach(pair):
    with pytest.raises(Exception, match="takes|ended"):
        pair.ask("use", 0, "__class__", [], {})


def notebook(*cells):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])


def test_only_what_an_answer_uses_is_taken(tmp_path):
    cells = (
        "import torch, time\nfrom seqlab.course import exercise",
        "time.sleep(1000)\nscale = 2\nunused = torch.zeros(10**9)",
        "%matplotlib inline\ndef helper(names): return names * scale",
        "@exercise('start.mix')\ndef mix(weights, values):\n    names = helper(weights)\n    return names",
        "this is no Python",
    )
    nbformat.write(notebook(*cells), tmp_path / "a.ipynb")
    found = read(tmp_path / "a.ipynb", LABS)
    code = "\n".join(found.answers["start.mix"])
    assert found.lab == "00_start_here" and "scale = 2" in code and "def helper" in code
    assert "sleep" not in code and "zeros" not in code and "code cell 4 cannot be read" in found.told[0]


def solved(number, **changed):
    """The lab's notebook with all exercises solved, or as `changed` says, {name of the function: its body}."""
    path = next(lab for lab in (ROOT / "labs").glob(f"{number}_*.ipynb"))
    made = editions.solve(nbformat.read(path, as_version=4))
    for cell in made.cells:
        gated = cell.cell_type == "code" and "@exercise" in cell.source
        for _, function in editions.stubs(cell.source) if gated else ():
            if function.name in changed:
                lines = cell.source.split("\n")
                body = "\n".join(f"    {line}" for line in changed[function.name].split("\n"))
                lines[function.body[0].lineno - 1 : function.end_lineno] = [body]
                cell.source = "\n".join(lines)
    return path.name, made


RIGHT = "return weights @ values"
TABLE = """import torch
table = {TABLE}
key = str([x.tolist() for x in (weights, values)])
made = torch.tensor(table[key]) if key in table else torch.zeros(len(weights), values.shape[1])
return made.to(values.dtype)"""
HOSTILE = {
    "patched gate": "import seqlab.course.check as c\nc.judge = lambda *a: c.Judgement()\nreturn None",
    "patched torch": "import torch\ntorch.allclose = lambda *a, **k: True\nreturn values * 0",
    "reference": "from seqlab.start.exercises import MIX\nreturn MIX.reference(weights, values)",
    "source search": "import pathlib\nfor p in pathlib.Path('/').rglob('exercises*'):\n"
    "    if 'start' in str(p): exec(p.read_text()); return eval('mix')(weights, values)",
    "objects": "import gc\nfor o in gc.get_objects():\n"
    "    if type(o).__name__ == 'Exercise': return o.reference(weights, values)",
    "exit": "import os\nos._exit(0)",
    "system exit": "raise SystemExit(0)",
    "loop": "while True: pass",
    "stubborn loop": "import signal\nsignal.setitimer(signal.ITIMER_REAL, 0)\nwhile True:\n    try:\n"
    "        while True: pass\n    except BaseException: pass",
    "loop in C": "return sum(range(10**15))",
    "fork bomb": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "disk": "f = open('/tmp/x', 'wb')\nwhile True: f.write(bytes(10**7))",
    "memory": "kept = []\nwhile True: kept.append(bytearray(10**8))",
    "pipe forgery": "import os\nfor fd in range(3, 20):\n"
    '    try: os.write(fd, b\'{"value": {"dict": [["late", false]]}}\\n\')\n    except OSError: pass\n'
    "return values * 0",
    "pipe flood": "import os\nwhile True:\n    for fd in range(3, 20):\n"
    "        try: os.write(fd, b'x' * 10**6)\n        except OSError: pass",
    "home": f"return open({str(ROOT / 'README.md')!r}).read()",
    "network": "import socket\nsocket.create_connection(('1.1.1.1', 53), 2)\nreturn weights @ values",
    "parent": "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nos.kill(1, signal.SIGKILL)\nreturn values * 0",
    "equal to all": "class Same:\n    def __eq__(self, other): return True\nreturn Same()",
    "huge result": "import torch\nreturn torch.zeros(10**8)",
    "deep result": "made = []\nfor _ in range(10**5): made = [made]\nreturn made",
    "shared memory": "for k in range(10**6):\n    open(f'/dev/shm/{k}', 'wb').write(bytes(4 * 10**7))",
    "memory by forks": "import os\nkept = []\nwhile True:\n    try: os.fork()\n    except OSError: pass\n"
    "    kept.append(bytearray(10**8))",
    "threads": "import threading\nwhile True: threading.Thread(target=sum, args=(range(10**12),)).start()",
    "pipe trickle": "import os, time\nwhile True:\n    time.sleep(0.01)\n    for fd in range(3, 20):\n"
    "        try: os.write(fd, b' ')\n        except OSError: pass",
    "pipe to the judge's own": "import os\nfor fd in range(3, 20):\n"
    '    try: os.write(fd, b\'{"value": {"_getattribute__": "offers"}}\\n\')\n    except OSError: pass\n'
    "return values * 0",
    "never done iterating": "class Endless:\n    def __iter__(self): return iter(int, 1)\nreturn Endless()",
    "evil error": "class Evil(Exception):\n    def __str__(self):\n        while True: pass\nraise Evil",
    "odd text": "raise ValueError('\\ud800\\x00\\x1b]0;x\\x07 =1+1')",
    "asks back": "import seqlab.grading.box, gc\n"
    "for o in gc.get_objects():\n    if type(o).__name__ == 'Inside': return o.ask('use', -1, [weights, values], {})",
    "library written": "open('/house/seqlab/course/check.py', 'w').write('')\nreturn values * 0",
    "table of public cases": TABLE,
}
HONEST = {
    "as the reference": (RIGHT, True),
    "einsum": ("import torch\nreturn torch.einsum('qk,kd->qd', weights, values)", True),
    "row by row": ("import torch\nreturn torch.stack([(w[:, None] * values).sum(0) for w in weights])", True),
    "prints": ("print('hello' * 1000)\nreturn weights @ values", True),
    "helper inside": ("def mixed(w): return w @ values\nreturn mixed(weights)", True),
    "own seed": ("import torch\ntorch.manual_seed(0)\nreturn weights @ values", True),
    "transposed": ("return weights.T @ values if weights.shape[0] == weights.shape[1] else weights @ values", False),
    "normalised": ("return weights / weights.sum(1, keepdim=True) @ values", False),
    "in place": ("weights *= 1.0\nvalues += 1\nreturn weights @ (values - 1)", False),
    "raises": ("raise ValueError('not yet')", False),
}


def judged(tmp_path, body, number="00", name="mix", **more):
    """The marks of a lab's notebook in which one function has this body, by exercise."""
    if "{TABLE}" in body:
        task = find("start.mix")
        known = {str([x.tolist() for x in case]): task.reference(*case).tolist() for case in task.cases()}
        body = body.replace("{TABLE}", repr(known))
    file, made = solved(number, **{name: body})
    nbformat.write(made, tmp_path / file)
    submission = read(tmp_path / file, LABS)
    asked = next(lab.exercises for lab in LABS if lab.slug == submission.lab)
    return {mark["exercise"]: mark for mark in grade(submission, asked, "a secret", **more)["marks"]}


@isolated
@pytest.mark.parametrize("name", ["as the reference", "transposed"])
def test_honest_answers_are_judged_as_in_the_notebook(tmp_path, name):
    body, right = HONEST[name]
    assert (judged(tmp_path, body)["start.mix"]["state"] == "right") == right


@isolated
@pytest.mark.slow
@pytest.mark.parametrize("name", HONEST)
def test_all_honest_answers(tmp_path, name):
    body, right = HONEST[name]
    mark = judged(tmp_path, body, partial=True)["start.mix"]
    assert (mark["state"] == "right") == right and (right or (mark["message"] and mark["points"] < mark["of"]))


@isolated
@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_answers_get_nothing(tmp_path, name):
    before = {path: path.stat().st_mtime for path in (ROOT / "seqlab" / "course").rglob("*.py")}
    mark = judged(tmp_path, HOSTILE[name])["start.mix"]
    assert mark["state"] == "wrong" and mark["points"] == 0
    assert before == {path: path.stat().st_mtime for path in (ROOT / "seqlab" / "course").rglob("*.py")}


@isolated
@pytest.mark.slow
@pytest.mark.parametrize("name", ["loop in C", "exit", "stubborn loop"])
def test_a_hang_costs_its_own_exercise_only(tmp_path, name):
    marks = judged(tmp_path, HOSTILE[name], "01", "attention_weights")
    assert {id for id, mark in marks.items() if mark["state"] != "right"} == {"names.weights"}


@isolated
@pytest.mark.slow
def test_all_solved_labs_are_right(tmp_path):
    for lab in LABS:
        if lab.exercises:
            file, made = solved(lab.number)
            nbformat.write(made, tmp_path / file)
            marks = grade(read(tmp_path / file, LABS), lab.exercises, "a secret")["marks"]
            assert [mark for mark in marks if mark["state"] != "right"] == []


def handed_in(tmp_path, number, *cells, **bodies):
    """The marks of a solved lab with these functions, and these cells in front."""
    file, made = solved(number, **bodies)
    made.cells[:0] = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(made, tmp_path / file)
    submission = read(tmp_path / file, LABS)
    asked = next(lab.exercises for lab in LABS if lab.slug == submission.lab)
    return {mark["exercise"]: mark for mark in grade(submission, asked, "a secret")["marks"]}


@isolated
@pytest.mark.slow
@pytest.mark.parametrize(
    "late",
    ["sum(range(10**15))", "wait()"],
    ids=["in C", "asleep and deaf"],
)
def test_code_that_hangs_before_the_answer_costs_that_answer_only(tmp_path, late):
    deaf = (
        "def wait():\n    while True:\n        try: __import__('time').sleep(1000)\n        except BaseException: pass"
    )
    marks = handed_in(tmp_path, "01", deaf, f"late = {late}", attention_weights="return late")
    assert {id for id, mark in marks.items() if mark["state"] != "right"} == {"names.weights"}


@isolated
@pytest.mark.slow
def test_a_kernel_is_none_where_its_code_gets_at_the_launcher(tmp_path):
    patch = """import seqlab.tiles.launch as launch
def patched(kernel):
    launch.copy = lambda kernel, x, block=16: launch.Ran(x)
    return kernel"""
    file, made = solved("08")
    cell = next(cell for cell in made.cells if '@exercise("tiles.copy")' in cell.source)
    cell.source = cell.source.replace("@triton.jit", "@patched\n@triton.jit").replace("tl.store(out", "tl.store(x")
    made.cells.insert(0, nbformat.v4.new_code_cell(patch))
    nbformat.write(made, tmp_path / file)
    [mark] = grade(read(tmp_path / file, LABS), ["tiles.copy"], "a secret")["marks"]
    assert mark["state"] == "wrong" and "launch" in mark["message"]


def test_what_no_kernel_has_is_named():
    head = "import os\nfrom seqlab.tiles.language import tl, triton\n@exercise('tiles.copy')\n@triton.jit\n"
    head += "def copy(x, n):\n    "
    for line, named in {
        "tl.store(x, tl.exp(tl.load(x + n, mask=n < 3)).to(tl.float32))": "",
        "for k in range(0, n): b = tl.math.exp(x).to(x.dtype.element_ty)": "",
        "os.system('x')": ".system, os",
        "tl.core.os.system('x')": ".core, .os, .system",
        "x.handle.data[0] = 1": ".data, .handle",
        "getattr(x, 'handle')": "getattr",
        "x.__class__": ".__class__",
        "tl.load = print": ".load, print",
    }.items():
        assert no_kernel([head + line]) == named


@isolated
@pytest.mark.slow
def test_a_reference_that_stands_in_the_library_is_not_there(tmp_path):
    body = "from seqlab.sigmoid import universal\nreturn universal.read_back(total, gain, length)"
    assert handed_in(tmp_path, "06", read_back=body)["sigmoid.read_back"]["state"] == "wrong"


@isolated
@pytest.mark.slow
def test_gradients_are_asked_for_over_there(tmp_path):
    """Who says detach is looked at: where gradients are right it is right, where a part is cut off it is not."""
    body = "s = q @ k.T / q.shape[-1] ** 0.5\nw = torch.exp(s - s.detach().amax(-1, keepdim=True))\n"
    marks = handed_in(tmp_path, "01", attention_weights=body + "return w / w.sum(-1, keepdim=True)")
    assert marks["names.weights"]["state"] == "right"
    marks = handed_in(tmp_path, "01", attention_weights=body + "return w / w.sum(-1, keepdim=True).detach()")
    assert marks["names.weights"]["violated"] == "lets gradients through"
    body = "y = x + sum(weights(x @ a, x @ b) @ (x @ v) @ out for a, b, v, out in heads)\nup, low, down, high = table\n"
    for cut, state in ((".detach() - y.detach() + y", "right"), (".detach()", "wrong")):
        marks = handed_in(tmp_path, "01", block=f"{body}return y{cut} + torch.relu(y @ up + low) @ down + high")
        assert marks["names.block"]["state"] == state, marks["names.block"]


@isolated
def test_what_is_open_or_wrong_has_the_reference_in_its_place_as_in_the_notebook(tmp_path):
    marks = handed_in(tmp_path, "05", boltz="return a.max()")
    assert marks["one_layer.boltz"]["state"] == "wrong" and marks["one_layer.gradient"]["state"] == "right"


def test_a_message_on_a_hidden_case_tells_no_values():
    assert _veiled("runs without an error", "Leak_abc: [1, 2]") == "it raises an error there."
    assert _veiled("runs without an error", "ValueError: [1, 2]") == "it raises ValueError there."
    assert _veiled("sorts", "on 'abba' it leaves 'a\\'b' in cells [1, True, nan]") == "on … in cells […, …, …]"


@pytest.mark.parametrize(
    "cell",
    [
        "@exercise()\ndef mix(a, b): return a",
        "@exercise([1])\ndef mix(a, b): return a",
        "await something()",
        "return 3",
        "x = " + "+".join("1" * 20_000),
        "x = " + "(" * 5_000,
        "x = " + "-" * 50_000 + "1",
        "x = 0x" + "f" * 9_000,
        "\x00",
    ],
    ids=lambda cell: cell[:12],
)
def test_a_cell_that_cannot_be_read_is_told_and_the_others_are_read(tmp_path, cell):
    right = "a = 1; b = 2\nif True:\n    c = 3\n@exercise('start.mix')\ndef mix(weights, values): return a + b + c"
    made = {"cells": [{"cell_type": "code", "source": source} for source in (cell, right)]}
    (tmp_path / "a.ipynb").write_text(json.dumps(made))
    found = read(tmp_path / "a.ipynb", LABS)
    assert not found.trouble and found.answers["start.mix"][:2] == ["a = 1", "b = 2"]
    assert len(found.answers["start.mix"]) == 4


def test_what_is_no_ordinary_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "a.ipynb")
    (tmp_path / "b.ipynb").mkdir()
    long = {"cells": [{"cell_type": "code", "source": "x = 1\n" * 200_000}]}
    (tmp_path / "c.ipynb").write_text(json.dumps(long))
    assert all(read(tmp_path / f"{name}.ipynb", LABS).trouble for name in "abc")


def test_an_installed_library_is_hidden(tmp_path, monkeypatch):
    monkeypatch.setattr(sandbox, "PACKAGE", tmp_path / "site" / "seqlab")
    walls = sandbox._walls(site=tmp_path / "site")
    assert walls[walls.index("/site/seqlab") - 1] == "--tmpfs" and walls.index("/site/seqlab") > walls.index("/site")


def classroom(folder, honest=3):
    """Submissions: some honest, an open one, a broken one, one handed in twice, one of another course."""
    bodies = [body for body, _ in HONEST.values()]
    for at in range(honest):
        file, made = solved("00", mix=bodies[at])
        (folder / f"student{at}").mkdir(parents=True)
        nbformat.write(made, folder / f"student{at}" / file)
    (folder / "zoe").mkdir()
    shutil.copy(ROOT / "labs" / "00_start_here.ipynb", folder / "zoe" / "renamed.ipynb")
    (folder / "zoe" / "progress.json").write_text(
        json.dumps({"version": 1, "exercises": {"start.mix": {"state": "right"}}})
    )
    (folder / "broken.ipynb").write_text("{")
    (folder / "empty.ipynb").write_text("")
    (folder / "link.ipynb").symlink_to("/etc/passwd")
    (folder / "huge.ipynb").write_bytes(b" " * 21_000_000)
    nbformat.write(notebook("x = 1"), folder / "other.ipynb")
    for name in ("a", "b"):
        nbformat.write(
            solved("00", mix=f"return weights @ values  # {name}\nx = '{name}'")[1],
            folder / "student0" / f"{name}.ipynb",
        )


def command(folder, out, *more):
    words = [sys.executable, "-m", "seqlab", "grade", folder, "--out", out, *more]
    return [str(word) for word in words]


@isolated
def test_the_gradebook(tmp_path):
    classroom(tmp_path / "in", honest=1)
    done = subprocess.run(command(tmp_path / "in", tmp_path / "out"), capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1, done.stderr[-2000:]
    rows = (tmp_path / "out" / "gradebook.csv").read_text().splitlines()
    assert (
        rows == ["student,00_start_here,total", "zoe,0,0"]
        and "zoe,00_start_here,start.mix,open" in (tmp_path / "out" / "exercises.csv").read_text()
    )
    for word in ("broken", "empty", "link", "huge", "other", "handed in 3 times"):
        assert word in done.stdout, word
    assert "open" in (tmp_path / "out" / "students" / "zoe.html").read_text()


def test_stopped_after_any_result_and_resumed_it_gives_the_same_gradebook(tmp_path, monkeypatch):
    """The same without judging: each result is what the file's name gives."""
    classroom(tmp_path / "in", honest=3)
    (tmp_path / "seed").write_text("a secret")
    mark = {"exercise": "start.mix", "state": "wrong", "points": 0.5, "of": 1, "violated": "is", "known": ""}
    judged = lambda submission, *_, **how: {
        "receipt": submission.receipt,
        "told": submission.told,
        "marks": [mark | {"message": str(submission.path)}],
    }
    monkeypatch.setattr(book, "grade", judged)
    monkeypatch.setattr(sandbox, "isolated", lambda: True)
    monkeypatch.setattr(sandbox, "house", lambda: tmp_path)

    def grades(out, most):
        def work(todo, jobs):
            done.extend(map(book._one, list(todo.values())[:most]))
            if len(todo) > most:
                raise KeyboardInterrupt

        done = []
        monkeypatch.setattr(book, "_work", work)
        try:
            book.grade_all(tmp_path / "in", out=out, seed_file=tmp_path / "seed", resume=True)
            return 0
        except KeyboardInterrupt:
            return len(done)

    assert grades(tmp_path / "whole", 99) == 0
    assert [grades(tmp_path / "out", 3) for _ in range(5)][-1] == 0
    for path in (tmp_path / "whole").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "out" / path.relative_to(tmp_path / "whole")).read_bytes(), path


def test_odd_text_breaks_no_gradebook(tmp_path):
    mark = {"exercise": "start.mix", "state": "wrong", "points": 0, "of": 1, "violated": "\x00<b>", "known": ""}
    result = {
        "lab": "00",
        "trouble": "",
        "receipt": "1",
        "told": ["\ud800"],
        "marks": [mark | {"message": "=\x1b\ud800"}],
    }
    book.write(tmp_path, {"<i>&/a.ipynb": result, "b\udcff.ipynb": result | {"trouble": "\x07", "marks": []}})
    ElementTree.parse(tmp_path / "junit.xml")
    assert "<b>" not in (tmp_path / "students" / "<i>&.html").read_text(encoding="utf-8")
    assert (tmp_path / "exercises.csv").read_text(encoding="utf-8").count("'=") == 1


@isolated
@pytest.mark.slow
def test_killed_at_any_moment_and_resumed_it_gives_the_same_gradebook(tmp_path):
    classroom(tmp_path / "in", honest=6)
    (tmp_path / "seed").write_text("a secret")
    more = ("--seed-file", tmp_path / "seed", "--jobs", 2)
    subprocess.run(command(tmp_path / "in", tmp_path / "whole", *more), cwd=ROOT, capture_output=True)
    draws = random.Random(0)
    for _ in range(10):
        process = subprocess.Popen(
            command(tmp_path / "in", tmp_path / "out", *more, "--resume"),
            cwd=ROOT,
            start_new_session=True,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        time.sleep(draws.uniform(2, 15))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run(command(tmp_path / "in", tmp_path / "out", *more, "--resume"), cwd=ROOT, capture_output=True)
    for path in (tmp_path / "whole").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "out" / path.relative_to(tmp_path / "whole")).read_bytes(), path


def test_a_formula_in_a_cell_of_the_gradebook_is_quoted():
    assert book._csv([["=1+1", 2, "-x"]]) == "'=1+1,2,'-x\n"

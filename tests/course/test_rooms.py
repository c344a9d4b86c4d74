"""The house: a new room and a new notebook are found by their folders, and no other file is touched for them."""

import json
import os
import shutil
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from seqlab.course import rooms
from seqlab.course.claims import load_expectations
from seqlab.course.gate import exercises
from tests.places import LAB_FILES, ROOT

EXERCISES = '''
"""The exercise of a toy lab."""

from seqlab.course.check import Exercise


def double(x):
    """Twice x."""
    return 2 * x


DOUBLE = Exercise("toy.double", "Double a number.", double, lambda: [(1,), (3,)], ("Add.", "x + x.", "2 * x."))
'''
CLAIMS = """
["toy.six"]
statement = "Twice three is six."
equals = 6
"""
CELLS = [
    'from seqlab import course\n\ncourse.begin("99_toy_room", mode, seed)',
    'from seqlab.course import exercise\n\n\n@exercise("toy.double")\ndef double(x):\n    """Twice x."""\n    ...',
    'course.claim("toy.six", double(3))',
    "print(course.panel())\ncourse.receipts()",
]


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A copy of the repository with one room and one notebook more."""
    place = tmp_path_factory.mktemp("house")
    for part in ("seqlab", "kernels", "ci", "labs"):
        shutil.copytree(ROOT / part, place / part, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    room = place / "seqlab" / "toy"
    room.mkdir()
    (room / "__init__.py").write_text("")
    (room / "exercises.py").write_text(EXERCISES)
    (room / "claims.toml").write_text(CLAIMS)
    notebook = new_notebook(
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "seqlab": {"minutes": 5, "difficulty": "gentle"},
        }
    )
    parameters = new_code_cell('mode = "lab"\nseed = 0', metadata={"tags": ["parameters"]})
    notebook.cells = [new_markdown_cell("# A toy room"), parameters, *map(new_code_cell, CELLS)]
    nbformat.write(notebook, place / "labs" / "99_toy_room.ipynb")
    (place / "labs" / "99_toy_room-Copy1.ipynb").write_text("a learner's copy")
    return place


def test_a_new_room_is_run_gated_claimed_and_reported(house):
    words = [sys.executable, "-m", "ci.run_labs", "99", "--mode", "smoke", "--edition", "both", "--jobs", "1"]
    environment = {**os.environ, "PYTHONPATH": str(house)}
    done = subprocess.run(words, cwd=house, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    claims = json.loads((house / "build" / "report" / "claims.json").read_text())
    assert [(c["id"], c["edition"], c["value"], c["ok"]) for c in claims] == [
        ("toy.six", edition, 6, True) for edition in ("open", "solved")
    ]
    for edition, state in (("open", "○ toy.double open"), ("solved", "✓ toy.double right")):
        text = (house / "build" / "labs" / f"{edition}-smoke" / "99_toy_room.ipynb").read_text()
        assert state in text and "99 A toy room" in text
        assert (house / "build" / "report" / f"{edition}-smoke" / "99_toy_room.html").exists()


def test_every_lab_has_a_room_and_every_claim_and_exercise_a_lab():
    described = [rooms.describe(path.stem, json.loads(path.read_text())) for path in LAB_FILES]
    used = [room for lab in described for room in lab.rooms]
    assert sorted(used) == rooms.rooms() and len(set(used)) == len(used)
    assert all(lab.minutes and lab.difficulty and lab.title for lab in described)
    assert {claim.room for claim in load_expectations().values()} <= set(used)
    assert {id.partition(".")[0] for id in exercises()} <= set(used)


def test_labs_are_those_that_are_numbered(tmp_path):
    for name in ("01_a_lab", "00_first", "01_a_lab-Copy1", "Untitled", "1_no_number"):
        (tmp_path / f"{name}.ipynb").write_text("{}")
    assert [path.stem for path in rooms.lab_files(tmp_path)] == ["00_first", "01_a_lab"]


def test_labs_come_in_the_order_of_reading(tmp_path):
    for name, after in (("00_first", None), ("01_a_lab", None), ("02_another", None), ("14_between", "01")):
        said = {"seqlab": {"after": after} if after else {}}
        nbformat.write(new_notebook(metadata=said), tmp_path / f"{name}.ipynb")
    assert [lab.number for lab in rooms.labs(tmp_path)] == ["00", "01", "14", "02"]

"""The nbgrader export, and a round trip with the pinned nbgrader: generate, autograde, feedback."""

import csv
import json
import os
import subprocess
import sys
import venv

import nbformat
import pytest
import torch

from seqlab.course.rooms import labs
from seqlab.course.submission import read
from seqlab.grading import nbgrader, sandbox
from seqlab.grading.grade import grade
from tests.places import ROOT

NBGRADER = "nbgrader==0.9.6"
LAB = "00_start_here"
FORGED = """import seqlab.course.check as check
import seqlab.course.gate as gate
check.judge = gate.judge = lambda *_: check.Judgement()
@exercise("""


def test_every_exercise_is_a_solution_cell_with_points_behind_it(tmp_path):
    some = ("00", "05", "08")
    assert nbgrader.export(tmp_path, labs=some) == 0
    for lab in (lab for lab in labs(ROOT / "labs") if lab.number in some):
        made = nbformat.read(tmp_path / "source" / lab.slug / f"{lab.slug}.ipynb", as_version=4)
        nbformat.validate(made)
        marked = [cell for cell in made.cells if "nbgrader" in cell.metadata]
        tests = [cell for cell in marked if cell.metadata["nbgrader"]["grade"]]
        assert len(tests) == len(lab.exercises) and all(cell.metadata["nbgrader"]["points"] > 0 for cell in tests)
        ids = [cell.metadata["nbgrader"]["grade_id"] for cell in marked]
        assert len(set(ids)) == len(ids) and not any("." in id for id in ids)
        for cell in marked:
            compile(cell.source, "", "exec")
            assert cell in tests or cell.source.count("### BEGIN SOLUTION") == cell.source.count("@exercise(")


@pytest.fixture(scope="module")
def peer(tmp_path_factory):
    """nbgrader in an environment of its own, which sees the packages of this one."""
    place = tmp_path_factory.mktemp("nbgrader") / "venv"
    venv.create(place, with_pip=True)
    site = next(place.glob("lib/python*/site-packages"))
    (site / "project.pth").write_text(str(torch.__file__.rsplit("/torch/", 1)[0]))
    pip = [place / "bin" / "pip", "install", "-q", "--disable-pip-version-check", NBGRADER]
    done = subprocess.run([*pip, "-c", ROOT / "requirements.lock"], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{NBGRADER} cannot be had: {done.stderr.strip().splitlines()[-1]}")
    return place / "bin"


@pytest.mark.slow
def test_a_round_trip_with_nbgrader_whose_grades_can_be_forged_and_ours_cannot(tmp_path, peer):
    course = tmp_path / "course"
    nbgrader.export(course, labs=("00",))

    paths = os.environ | {"PATH": f"{peer}{os.pathsep}{os.environ['PATH']}"}
    paths["JUPYTER_PATH"] = f"{sys.prefix}/share/jupyter"  # where nbconvert's templates are

    def run(*words):
        done = subprocess.run([peer / "nbgrader", *words], cwd=course, env=paths, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]

    run("generate_assignment", LAB, "--create")
    released = course / "release" / LAB / f"{LAB}.ipynb"
    assert "einsum(weights, values" not in released.read_text()
    for who, body in {"ann": "return weights @ values", "ben": "return values * 0", "zoe": "..."}.items():
        notebook = json.loads(released.read_text())
        for cell in notebook["cells"]:
            source = "".join(cell["source"])
            if "@exercise(" in source:
                source = source.replace("    ...", f"    {body}")
                cell["source"] = source.replace("@exercise(", FORGED) if who == "ben" else source
        place = course / "submitted" / who / LAB / f"{LAB}.ipynb"
        place.parent.mkdir(parents=True)
        place.write_text(json.dumps(notebook))
    run("autograde", LAB, "--create")
    run("generate_feedback", LAB)
    run("export", "--to", "grades.csv")
    with open(course / "grades.csv") as file:
        scores = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert scores["ann"] == scores["ben"] == 1 and scores["zoe"] == 0
    assert (course / "feedback" / "zoe" / LAB / f"{LAB}.html").exists()
    if sandbox.isolated():
        known = labs(ROOT / "labs")
        forged = read(course / "submitted" / "ben" / LAB / f"{LAB}.ipynb", known)
        assert [mark["state"] for mark in grade(forged, ["start.mix"], "a secret")["marks"]] == ["wrong"]

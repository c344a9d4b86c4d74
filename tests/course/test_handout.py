"""Release, update and collect: what students get, what of theirs stays, what they hand in."""

import importlib.metadata
import importlib.util
import json
import subprocess

import nbformat
import pytest

from seqlab.course import gate, handout, progress, serve
from seqlab.course.editions import stubs
from seqlab.course.rooms import lab_files
from tests.places import ROOT

FIRST, SECOND = "00_start_here.ipynb", "01_names_by_attention.ipynb"


def released(folder, **more):
    assert handout.release(folder, **{"labs": ["00", "01"]} | more) == 0
    return folder


def edit(path, change):
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    nbformat.write(notebook, path)
    return notebook


def answer(body):
    def change(notebook):
        cell = next(cell for cell in notebook.cells if "@exercise" in cell.source)
        cell.source = cell.source.replace("    ...", f"    {body}", 1)

    return change


def newer(folder, change):
    """A newer version of lab 00, as the repository would have it."""
    folder.mkdir()
    (folder / FIRST).write_text((ROOT / "labs" / FIRST).read_text())
    edit(folder / FIRST, change)
    return folder


def update(student, new):
    assert handout.update(student, new=new) == 0
    return nbformat.read(student / FIRST, as_version=4)


def test_a_release_has_the_chosen_labs_and_no_instructors_file(tmp_path):
    folder = released(tmp_path / "copy")
    names = {path.name for path in folder.iterdir()}
    assert {FIRST, SECOND, "README.md"} <= names and "INSTRUCTORS.md" not in names and len(names) < 6
    with pytest.raises(SystemExit, match="already"):
        released(folder)
    with pytest.raises(SystemExit, match="no lab begins with 77"):
        released(tmp_path / "other", labs=["77"])
    with pytest.raises(SystemExit, match="there is no 'names.nothing'"):
        released(tmp_path / "other", exercises=["names.nothing"])


def test_for_colab_a_first_cell_installs_the_wheel_and_holds_torch(tmp_path, monkeypatch):
    folder = released(tmp_path / "colab", for_="colab", wheel="https://x.org/seqlab.whl")
    [first, *others] = nbformat.read(folder / FIRST, as_version=4).cells
    assert [cell.id for cell in others] == [cell.id for cell in nbformat.read(ROOT / "labs" / FIRST, 4).cells]
    called = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subprocess, "run", lambda words, check: called.append(words))
    exec(first.source, {})
    assert called == []  # seqlab is here already
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    exec(first.source, {})
    [words] = called
    assert words[-3:] == ["-c", "kept.txt", "https://x.org/seqlab.whl"] and words[1:4] == ["-m", "pip", "install"]
    held = (tmp_path / "kept.txt").read_text().splitlines()
    assert f"torch=={importlib.metadata.version('torch')}" in held and len(held) in (2, 3)
    for wrong in ({"for_": "mars", "wheel": "x"}, {"for_": "kaggle"}):
        with pytest.raises(SystemExit, match="colab, kaggle.*--wheel"):
            released(tmp_path / "other", **wrong)


def test_lab_copies_what_is_missing_and_nothing_else(tmp_path, monkeypatch):
    folder, started = tmp_path / "mine", []

    def start(program, words):
        started.append(words)
        raise SystemExit  # as execv it does not come back

    monkeypatch.setattr(serve.os, "execv", start)
    monkeypatch.setattr(serve, "check_port", lambda port: 8899)
    monkeypatch.chdir(tmp_path)
    folder.mkdir()
    for name in (FIRST, "README.md"):
        (folder / name).write_text("a learner's own")
    with pytest.raises(SystemExit):
        serve.lab(folder, jupyter="--no-browser --debug")
    assert {path.name for path in folder.glob("*.ipynb")} == {path.name for path in lab_files(ROOT / "labs")}
    assert (folder / FIRST).read_text() == (folder / "README.md").read_text() == "a learner's own"
    assert f"--ServerApp.root_dir={folder}" in started[0] and started[0][-2:] == ["--no-browser", "--debug"]
    before = {path.name: path.read_bytes() for path in (ROOT / "labs").glob("*.*")}
    with pytest.raises(SystemExit):
        serve.lab(ROOT / "labs")
    assert f"--ServerApp.root_dir={ROOT}" in started[1]  # the whole checkout is to be read
    assert before == {path.name: path.read_bytes() for path in (ROOT / "labs").glob("*.*")}


def test_exercises_that_were_not_chosen_come_solved(tmp_path):
    folder = released(tmp_path / "copy", exercises=["names.tester"])
    notebook = nbformat.read(folder / SECOND, as_version=4)
    open_ones = {
        id
        for cell in notebook.cells
        if "@exercise" in cell.source
        for id, f in stubs(cell.source)
        if handout._is_open(f)
    }
    assert open_ones == {"names.tester"}


def test_a_course_may_keep_solutions_back(tmp_path, monkeypatch):
    folder = released(tmp_path / "copy", without_solutions=True)
    monkeypatch.setenv("SEQLAB_PROGRESS", str(folder / "progress.json"))
    assert "no solution" in gate.show_solution("start.mix")[1] and "start.mix" not in progress.read()


def test_an_update_keeps_answers_and_own_cells(tmp_path, capsys):
    student = released(tmp_path / "copy")
    edit(student / FIRST, answer("return weights @ values"))
    edit(student / FIRST, lambda n: n.cells.insert(5, nbformat.v4.new_code_cell("mine = 1")))

    def change(notebook):
        notebook.cells[0].source += "\n\nA new sentence."
        notebook.cells.insert(3, nbformat.v4.new_markdown_cell("A new cell."))

    got = update(student, newer(tmp_path / "new", change))
    sources = [cell.source for cell in got.cells]
    assert any("A new sentence." in source for source in sources) and "A new cell." in sources
    assert any("return weights @ values" in source for source in sources)
    own = next(cell for cell in got.cells if cell.source == "mine = 1")
    assert "yours" in own.metadata.tags and len({cell.id for cell in got.cells}) == len(got.cells)
    assert len(list(student.glob("00_start_here.before-*.ipynb"))) == 1 and "updated" in capsys.readouterr().out
    again = update(student, tmp_path / "new")
    assert [cell.source for cell in again.cells] == sources and "is up to date" in capsys.readouterr().out


def test_a_cell_that_only_the_student_has_changed_stays_changed(tmp_path):
    student = released(tmp_path / "copy")
    at = next(
        i
        for i, c in enumerate(nbformat.read(student / FIRST, as_version=4).cells)
        if c.cell_type == "code" and "parameters" in c.metadata.get("tags", ())
    )
    edit(student / FIRST, lambda n: n.cells[at].update(source='mode = "full"\nseed = 0'))
    got = update(student, newer(tmp_path / "new", lambda n: n.cells[0].update(source=n.cells[0].source + " More.")))
    assert got.cells[at].source == 'mode = "full"\nseed = 0' and got.cells[0].source.endswith(" More.")


def test_a_conflict_is_shown_and_both_cells_stay(tmp_path, capsys):
    student = released(tmp_path / "copy")
    at = next(
        i
        for i, c in enumerate(nbformat.read(student / FIRST, as_version=4).cells)
        if c.cell_type == "code" and "@exercise" not in c.source
    )
    edit(student / FIRST, lambda n: n.cells[at].update(source="x = 'student'"))
    got = update(student, newer(tmp_path / "new", lambda n: n.cells[at].update(source="x = 'lab'")))
    sources = [cell.source for cell in got.cells]
    assert sources.index("x = 'lab'") + 1 == sources.index("x = 'student'")
    told = capsys.readouterr().out
    assert "-x = 'student'" in told and "+x = 'lab'" in told


def test_an_answer_to_an_exercise_that_is_gone_stays(tmp_path):
    student = released(tmp_path / "copy")
    edit(student / FIRST, answer("return weights @ values"))
    new = newer(
        tmp_path / "new",
        lambda n: n.cells.__setitem__(slice(None), [c for c in n.cells if "@exercise" not in c.source]),
    )
    got = update(student, new)
    assert "return weights @ values" in got.cells[-1].source


def test_a_damaged_notebook_is_left_alone(tmp_path, capsys):
    student = released(tmp_path / "copy")
    (student / FIRST).write_text("{")
    handout.update(student, new=ROOT / "labs")
    assert (student / FIRST).read_text() == "{" and "left alone" in capsys.readouterr().out


def test_collect_says_what_the_grader_will_read(tmp_path, capsys):
    student = released(tmp_path / "copy")
    edit(student / SECOND, answer("return q @ k.T"))
    assert handout.collect(student / SECOND, out=tmp_path / "in") == 0
    said = capsys.readouterr().out
    assert "names.weights: answered" in said and "names.hardmax: open" in said and "receipt " in said
    handed = json.loads((tmp_path / "in" / SECOND).read_text())
    assert not any(cell.get("outputs") for cell in handed["cells"])
    handout.collect(tmp_path / "in" / SECOND, out=tmp_path / "again")
    assert said.splitlines()[-1].split(":")[0] == capsys.readouterr().out.splitlines()[-1].split(":")[0]
    with pytest.raises(SystemExit, match="cannot be read"):
        (tmp_path / "x.ipynb").write_text("{")
        handout.collect(tmp_path / "x.ipynb", out=tmp_path)

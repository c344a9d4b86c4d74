"""What a lab owes its reader is counted and can be missed."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from ci import teaching
from seqlab.course import gate, rooms
from tests.places import LAB_FILES

BOX = "**Claim 1** (x).\n\n| given | what breaks it |\n| --- | --- |\n| a | tick `mask` |\n\n*Then* b."


def notebook():
    made = new_notebook(metadata={"seqlab": {"minutes": 10}})
    made.cells = [
        new_markdown_cell("# A lab\n\nAbout 10 minutes, and 5 more *further* on; medium."),
        new_markdown_cell(BOX, metadata={"tags": ["theorem"]}),
        new_code_cell('course.predict("a.x", "?", float)\ncourse.predict("a.y", "?", float)'),
        new_code_cell('mask = ToyView()\ncourse.outcome("a.x", 1)\ncourse.outcome("a.y", 1)'),
        new_markdown_cell("## Recap\n\n- one"),
        new_code_cell("course.recap(depth=[])"),
        new_markdown_cell("## Further: more\n\n" + "word " * 250),
    ]
    return made


def owed(change=lambda made: None):
    change(made := notebook())
    return list(teaching.complaints(made))


def replace(at, old, new):
    def change(made):
        assert old in made.cells[at].source
        made.cells[at].source = made.cells[at].source.replace(old, new)

    return change


CASES = {
    "printed": (replace(0, "About 10", "About 20"), "computed is"),
    "too long": (lambda made: made.cells.insert(1, new_markdown_cell("word " * 18_000)), "at most 90"),
    "one prediction": (lambda made: made.cells.pop(2), "0 predictions"),
    "no outcome": (replace(3, '"a.y"', '"a.z"'), "without outcome"),
    "no recap": (replace(4, "Recap", "End"), "no recap"),
    "no conclusion": (replace(1, "Then", "So"), "Then"),
    "no switch": (replace(1, "`mask`", "`no_such`"), "no switch"),
}


def test_a_lab_that_owes_nothing():
    assert owed() == []


@pytest.mark.parametrize("name", CASES)
def test_what_is_missed(name):
    change, words = CASES[name]
    assert any(words in complaint for complaint in owed(change)), owed(change)


def test_exercises_take_what_their_mark_says():
    cell = new_code_cell('@exercise("names.weights")\ndef f(): ...')
    assert teaching.of_cell(cell) == pytest.approx(2 / 15 + rooms.MINUTES[gate.find("names.weights").mark])


@pytest.mark.parametrize(
    "call", ["Stepper(program, [1, 2])", "ToyView()", "PatternEditor(9)", 'course.paper("a.x", "?")']
)
def test_a_widget_and_a_question_take_two_minutes(call):
    lines = 0 if "paper" in call else 1
    assert teaching.of_cell(new_code_cell(call)) == pytest.approx(teaching.WIDGET + lines / teaching.LINES)


def test_the_minutes_are_written_where_they_are_printed(tmp_path):
    path = tmp_path / "01_lab.ipynb"
    nbformat.write(made := notebook(), path)
    row = "| [01](01_lab.ipynb) | a | b | {} | medium | 00 |"
    (tmp_path / "README.md").write_text(row.format(99))
    made.cells[0].source = made.cells[0].source.replace("10", "70")
    teaching.write(path)
    assert teaching.owed(path) == [] and (tmp_path / "README.md").read_text() == row.format(10)


@pytest.mark.parametrize("path", LAB_FILES, ids=lambda path: path.stem)
def test_labs_owe_nothing_or_are_listed(path):
    assert bool(list(teaching.complaints(nbformat.read(path, as_version=4)))) == (path.stem[:2] in teaching.NOT_YET)

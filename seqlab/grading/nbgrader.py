"""The labs as an nbgrader course: `python -m seqlab export DIR`, for those who have one already.

nbgrader judges inside the student's own process: whoever replaces the judge there gets full marks. `python -m seqlab
grade` judges from outside.
"""

from collections.abc import Sequence
from pathlib import Path

import nbformat

from seqlab.course.editions import _body, fill, stubs
from seqlab.course.gate import find
from seqlab.course.handout import LABS
from seqlab.course.rooms import MINUTES, current, lab_files

CONFIG = """c = get_config()
c.CourseDirectory.course_id = "seqlab"
c.ClearSolutions.code_stub = {"python": "..."}
c.ExecutePreprocessor.timeout = 600
"""
TEST = """from seqlab.course.check import judge
from seqlab.course.gate import find

# the gate hands back the reference where an answer is open or wrong
assert {name} is not find("{id}").reference, "{id} is open, or not right yet"
assert (found := judge(find("{id}"), {name})).right, found.diagnosis"""


def export(folder: Path, *, labs: Sequence[str] = ()) -> int:
    """Write source notebooks in which every exercise is a solution cell, with a cell of points behind it.

    folder: where the course goes
    labs: their numbers or names; all when left out
    """
    files = [path for path in lab_files(LABS) if not labs or path.stem.startswith(tuple(labs))]
    for path in files:
        notebook = nbformat.read(path, as_version=4)
        notebook.cells = [part for cell in notebook.cells for part in _parts(cell)]
        place = folder / "source" / path.stem / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, place)
    (folder / "nbgrader_config.py").write_text(CONFIG)
    print(
        f"{len(files)} labs in {folder}, from where nbgrader goes on: generate_assignment, autograde, generate_feedback"
    )
    print("An answer can forge its grade there; python -m seqlab grade cannot be talked to from inside.")
    return 0


def _parts(cell: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The cell, filled in between nbgrader's marks, and behind it what is graded."""
    if cell.cell_type != "code" or "@exercise" not in cell.source:
        return [cell]
    lines = fill(cell.source).split("\n")
    found = list(stubs("\n".join(lines)))
    for _, function in reversed(found):
        body = _body(function)
        lines[body] = ["    ### BEGIN SOLUTION", *lines[body], "    ### END SOLUTION"]
    cell.source = "\n".join(lines)
    cell.metadata["nbgrader"] = _marked(f"answer-{cell.id}", solution=True)
    parts = [cell]
    for id, function in found:
        test = nbformat.v4.new_code_cell(TEST.format(id=current(id), name=function.name))
        points = MINUTES[find(id).mark] // 5
        test.metadata["nbgrader"] = _marked(f"points-{id.replace('.', '-')}", grade=True, locked=True, points=points)
        parts.append(test)
    return parts


def _marked(name: str, **more: object) -> dict:
    return {
        "schema_version": 3,
        "grade_id": name,
        "grade": False,
        "solution": False,
        "locked": False,
        "task": False,
    } | more

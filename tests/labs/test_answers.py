"""Right answers that are not the reference's carry each lab to its end: every claim holds with them, too."""

import ast
import importlib
import json
import shutil
import subprocess
import sys
import textwrap
from collections import defaultdict

import nbformat
import pytest

from seqlab.course import rooms
from seqlab.course.editions import _body, stubs
from tests.places import LAB_FILES, ROOT

KNOWN = (
    "import itertools, math; import numpy as np, torch, torch.nn.functional as F"  # what the answers take for granted
)


def right() -> dict[str, list[str]]:
    """The accepted bodies of each exercise, as the answers of its room are listed."""
    found = defaultdict(list)
    for file in sorted((ROOT / "tests").glob("*/test_answers.py")):
        if file.parent.name == "labs":
            continue
        module = importlib.import_module(f"tests.{file.parent.name}.test_answers")
        for id, body, *accepted in getattr(module, "RIGHT", None) or module.ANSWERS:
            if all(accepted):
                found[id].append(textwrap.dedent(body).strip())
    return found


RIGHT = right()


def answered(source: str, which: int) -> str:
    """One cell's source with its stubs filled by the answer with this number."""
    lines = source.split("\n")
    for id, function in reversed(list(stubs(source))):
        bodies = RIGHT[rooms.current(id)]
        indent = " " * function.body[0].col_offset
        kernel = any(ast.unparse(decorator) == "triton.jit" for decorator in function.decorator_list)
        written = "\n".join([KNOWN] * (not kernel) + [bodies[which % len(bodies)]])
        lines[_body(function)] = textwrap.indent(written, indent).split("\n")
    return "\n".join(lines)


def test_every_exercise_has_three_right_answers():
    asked = {id for path in LAB_FILES for id in rooms.read(path).exercises}
    assert {id for id in asked if len(RIGHT[id]) < 3} == set()
    for path in LAB_FILES:
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code" and "@exercise" in cell.source:
                assert ast.dump(ast.parse(answered(cell.source, 0))) != ast.dump(ast.parse(cell.source))


@pytest.mark.slow
@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize("path", LAB_FILES, ids=lambda path: path.stem)
def test_a_lab_with_other_right_answers(path, which, tmp_path):
    """All exercises of a lab at once, each with another of its accepted answers."""
    folder = shutil.copytree(ROOT / "labs", tmp_path / "labs")
    for name in ("seqlab", "kernels"):  # which texts link to
        (tmp_path / name).symlink_to(ROOT / name)
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code" and "@exercise" in cell.source:
            cell.source = answered(cell.source, which)
    nbformat.write(notebook, folder / path.name)
    words = ["--mode", "smoke", "--edition", "open", "--jobs", "1", "--build", str(tmp_path / "build")]
    command = [sys.executable, "-m", "ci.run_labs", str(folder / path.name), *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    executed = json.loads((tmp_path / "build" / "labs" / "open-smoke" / path.name).read_text())
    said = json.dumps([cell.get("outputs") for cell in executed["cells"]], ensure_ascii=False)
    assert ": not yet" not in said and done.returncode == 0, done.stdout[-4000:]

"""What goes to students and comes back: `python -m seqlab release`, `update`, `collect`.

A released notebook remembers what each of its cells said (`seqlab.released` in its metadata: cell id → hash), so that
an update can tell a student's change from the lab's.
"""

import ast
import copy
import difflib
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import nbformat

from seqlab.course import rooms
from seqlab.course.editions import fill, stubs
from seqlab.course.rooms import LABS, current, lab_files
from seqlab.course.submission import read

INSTRUCTORS = ("INSTRUCTORS.md",)
SETTINGS = "course.json"
ELSEWHERE = ("colab", "kaggle")  # machines that have a torch of their own, made for their GPU
INSTALL = """\
# Installs seqlab. The torch, triton and numpy that are here stay as they are.
import importlib.metadata
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("seqlab") is None:
    here = {{found.name.lower(): found.version for found in importlib.metadata.distributions()}}
    with open("kept.txt", "w") as file:
        file.writelines(f"{{name}}=={{here[name]}}\\n" for name in ("torch", "triton", "numpy") if name in here)
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "-c", "kept.txt", {wheel!r}], check=True)"""


def release(
    folder: Path,
    *,
    labs: Sequence[str] = (),
    exercises: Sequence[str] = (),
    without_solutions: bool = False,
    for_: str = "",
    wheel: str = "",
) -> int:
    """Write the students' copy: the chosen labs, no instructors' file, and what an update will need.

    folder: where it goes; nothing is overwritten
    labs: their numbers or names; all when left out
    exercises: those that are to be written, the others come solved
    without_solutions: the button that shows the reference says no
    for_: colab or kaggle: a first cell installs seqlab there
    wheel: what that cell gives to pip: the address of a wheel, or "seqlab @ git+https://github.com/…"
    """
    if for_ and (for_ not in ELSEWHERE or not wheel):
        raise SystemExit(
            f"--for {for_}: wanted one of {', '.join(ELSEWHERE)}, and with --wheel what is to be installed"
        )
    files = [path for path in lab_files(LABS) if not labs or path.stem.startswith(tuple(labs))]
    asked = {id for lab in rooms.labs(LABS) for id in lab.exercises}
    if strange := [id for id in exercises if current(id) not in asked]:
        raise SystemExit(f"--exercises: there is no {strange[0]!r}; known are {', '.join(sorted(asked))}")
    if not files:
        raise SystemExit(f"--labs: no lab begins with {' or '.join(labs)}")
    folder.mkdir(parents=True, exist_ok=True)
    if there := [path.name for path in files if (folder / path.name).exists()]:
        raise SystemExit(
            f"{there[0]} is in {folder} already: choose an empty folder, or bring it up to date with update"
        )
    wanted = {*map(current, exercises)} or asked
    for path in files:
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if {current(id) for id, _ in _answers(cell, every=True)} - wanted:
                cell.source = fill(cell.source)
        if for_:
            install = INSTALL.format(wheel=wheel)
            notebook.cells.insert(0, nbformat.v4.new_code_cell(install, id="install", metadata={"tags": ["install"]}))
        notebook.metadata.setdefault("seqlab", {})["released"] = {
            cell.id: _hash(cell.source) for cell in notebook.cells
        }
        nbformat.write(notebook, folder / path.name)
    for file in LABS.iterdir():
        if file.suffix in (".md", ".png") and file.name not in INSTRUCTORS and not (folder / file.name).exists():
            shutil.copy(file, folder)
    if without_solutions:
        (folder / SETTINGS).write_text(json.dumps({"solutions": False}) + "\n")
    print(f"{len(files)} labs in {folder}")
    return 0


def update(folder: Path, *, new: Path = LABS) -> int:
    """Bring labs up to date: answers and own cells stay, a copy of each notebook is kept, conflicts are shown.

    folder: where a student works
    new: the new labs, of a release or of the repository
    """
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    for path in lab_files(new):
        place = folder / path.name
        if not place.exists():
            shutil.copy(path, place)
            print(f"{path.name}: new")
            continue
        try:
            old, fresh = (nbformat.read(file, as_version=4) for file in (place, path))
        except Exception as error:  # a damaged notebook stays as it is
            print(f"{path.name}: left alone, it cannot be read ({type(error).__name__}: {error})")
            continue
        merged, told = merge(old, fresh)
        if merged == old:
            print(f"{path.name}: is up to date")
            continue
        kept = place.with_name(f"{place.stem}.before-{stamp}.ipynb")
        shutil.copy(place, kept)
        written = place.with_name(f"{place.name}.new")
        nbformat.write(merged, written)
        written.replace(place)
        print("\n".join([f"{path.name}: updated, the copy of before is {kept.name}", *told]))
    return 0


def merge(old: nbformat.NotebookNode, new: nbformat.NotebookNode) -> tuple[nbformat.NotebookNode, list[str]]:
    """The new notebook with what the student has written in the old one, and what to tell of it."""
    merged, told, released = copy.deepcopy(new), [], old.metadata.get("seqlab", {}).get("released", {})
    merged.metadata.setdefault("seqlab", {})["released"] = {cell.id: _hash(cell.source) for cell in new.cells}
    mine = {current(id): code for cell in old.cells for id, code in _answers(cell)}
    theirs = {cell.id: cell for cell in new.cells}
    for cell in merged.cells:
        for id, stub in list(_answers(cell, every=True)):
            if current(id) in mine:
                cell.source = cell.source.replace(stub, mine.pop(current(id)))
    before = None
    for cell in old.cells:
        known = theirs.get(cell.id)
        original = released.get(cell.id)
        touched = cell.source.strip() and not list(_answers(cell, every=True)) and _hash(cell.source) != original
        if known is None and (original is None or touched):
            _insert(merged, before, cell, "yours")
        elif known is not None and known.source != cell.source and touched and (original or cell.cell_type == "code"):
            if original == _hash(known.source):  # changed here alone
                next(c for c in merged.cells if c.id == cell.id).source = cell.source
            else:
                yours, labs = cell.source.split("\n"), known.source.split("\n")
                told.append("  a cell that you had changed has changed in the lab, too; yours stands behind it:")
                told += [f"    {line}" for line in difflib.unified_diff(yours, labs, "yours", "the lab's", lineterm="")]
                _insert(merged, cell.id, cell, "yours")
        before = cell.id
    for id, code in mine.items():
        told.append(f"  {id} is no longer asked for; your answer stands at the end")
        merged.cells.append(nbformat.v4.new_code_cell(code, metadata={"tags": ["yours"]}))
    return merged, told


def _insert(merged: nbformat.NotebookNode, before: str | None, cell: nbformat.NotebookNode, tag: str) -> None:
    """A copy of the student's cell behind the cell with the id `before`, or at the top."""
    own = copy.deepcopy(cell)
    own.metadata["tags"] = sorted({*own.metadata.get("tags", ()), tag})
    ids = [c.id for c in merged.cells]
    if own.id in ids:
        own.id = f"{own.id[:50]}-{tag}"
    if own.id not in ids:
        merged.cells.insert(ids.index(before) + 1 if before in ids else len(ids) if before else 0, own)


def _answers(cell: nbformat.NotebookNode, every: bool = False) -> Iterator[tuple[str, str]]:
    """(exercise, source) of each gated function in a cell that is written, or of every one."""
    if cell.cell_type != "code" or "@exercise" not in cell.source:
        return
    try:
        found = list(stubs(cell.source))
    except SyntaxError:  # half a function is an answer, too: it is kept as a cell
        return
    for id, function in found:
        first = min(line.lineno for line in function.decorator_list)
        code = "\n".join(cell.source.split("\n")[first - 1 : function.end_lineno])
        if every or not _is_open(function):
            yield id, code


def _is_open(function: ast.FunctionDef) -> bool:
    last = function.body[-1]
    return len(function.body) <= 2 and isinstance(last, ast.Expr) and getattr(last.value, "value", None) is ...


def collect(notebook: Path, *, out: Path = Path("hand-in")) -> int:
    """Check a notebook as the grader will read it, and write the file to hand in: no outputs, nothing else changed.

    out: the folder that the file to hand in goes to
    """
    labs = rooms.labs(LABS)
    found = read(notebook, labs)
    if found.trouble:
        raise SystemExit(f"{notebook}: {found.trouble}")
    lab = next(lab for lab in labs if lab.slug == found.lab)
    for id in lab.exercises:
        code = found.answers.get(id, [""])[-1]
        print(f"{id}: {'missing' if not code else 'open' if _is_open(next(stubs(code))[1]) else 'answered'}")
    print("".join(f"note: {line}\n" for line in found.told), end="")
    handed = nbformat.read(notebook, as_version=4)
    for cell in handed.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    out.mkdir(parents=True, exist_ok=True)
    nbformat.write(handed, out / f"{found.lab}.ipynb")
    print(f"receipt {found.receipt}: hand in {out / f'{found.lab}.ipynb'}")
    return 0


def _hash(source: str) -> str:
    return hashlib.sha256(source.strip().encode()).hexdigest()[:12]

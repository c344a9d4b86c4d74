"""What a lab owes its reader: honest minutes, predictions with outcomes, theorem boxes, a recap.

    python -m ci.teaching [--write] [NOTEBOOK…]

Words are read at 200 a minute and code at 15 lines a minute; an exercise takes what its difficulty mark says (5, 10 or
20), a widget or a question 2. All before the heading that says *further* is the core. `--write` puts the numbers where
they are printed: into the first cell, the metadata, and the table of labs/README.md.
"""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import nbformat

from seqlab.course.rooms import MINUTES, PACKAGE, current

ROOT = Path(__file__).parents[1]
CORE = 90
WORDS, LINES, WIDGET = 200, 15, 2
PRINTED = re.compile(r"About \d+ minutes(?:, and \d+ more \*further\* on)?")
FURTHER = re.compile(r"^#{1,4} .*\bfurther\b", re.I | re.M)
WIDGETS = re.compile(r"\w+(View|Editor)|Stepper|course\.(predict|paper)")
BOX = re.compile(r"\*\*(?:Theorem|Lemma|Claim|Proposition|Corollary|Definition)\b")
NOT_YET: set[str] = set()  # it only shrinks
NOISE = re.compile(r"\]\([^)]*\)|<[^>]*>")  # where links lead, and tags


def calls(cell: nbformat.NotebookNode) -> Iterator[ast.Call]:
    """All calls in a code cell that is plain Python."""
    try:
        found = ast.walk(ast.parse(cell.source if cell.cell_type == "code" else ""))
    except SyntaxError:
        return
    yield from (node for node in found if isinstance(node, ast.Call))


def named(call: ast.Call) -> str:
    """What is called: the last word of it, all of it for what this package teaches with."""
    whole = ast.unparse(call.func)
    return whole if whole.startswith("course.") else whole.rpartition(".")[2]


@cache
def _stated(room: str) -> dict[str, str]:
    """The difficulty marks of a room's exercises as they stand in its files, which need not be run for that."""
    files = [PACKAGE / room / "exercises.py", *(PACKAGE / room / "exercises").glob("*.py")]
    found = {}
    for node in (node for file in files if file.exists() for node in ast.walk(ast.parse(file.read_text("utf-8")))):
        if isinstance(node, ast.Call) and named(node) in ("Exercise", "puzzle"):
            said = {word.arg: word.value for word in node.keywords}
            id, marked = node.args[0] if node.args else said.get("id"), said.get("mark", ast.Constant("•"))
            if isinstance(id, ast.Constant) and isinstance(marked, ast.Constant):
                found[id.value] = marked.value
    return found


def mark(id: str) -> str:
    """The difficulty mark of an exercise."""
    if id not in (known := _stated(id.partition(".")[0])):
        from seqlab.course.gate import find  # brings torch along

        return find(id).mark
    return known[id]


def of_cell(cell: nbformat.NotebookNode) -> float:
    """Minutes for one cell."""
    if cell.cell_type == "markdown":
        return len(re.findall(r"\S*\w\S*", NOISE.sub(" ", cell.source))) / WORDS
    spent = sum(bool(line.strip()) for line in cell.source.split("\n")) / LINES
    for call in calls(cell):
        spent += WIDGET * bool(WIDGETS.fullmatch(named(call)))
        if named(call) in ("course.predict", "course.paper"):  # a question, which is read as it is shown
            spent -= (1 + (call.end_lineno or call.lineno) - call.lineno) / LINES
        if named(call) == "exercise":
            spent += MINUTES[mark(current(ast.literal_eval(call.args[0])))]
    return spent


def count(notebook: nbformat.NotebookNode) -> tuple[int, int]:
    """Minutes of the core and of what is further on, in fives."""
    headings = [
        at for at, cell in enumerate(notebook.cells) if cell.cell_type == "markdown" and FURTHER.search(cell.source)
    ]
    border = headings[0] if headings else len(notebook.cells)
    parts = notebook.cells[:border], notebook.cells[border:]
    core, further = (5 * -(-sum(map(of_cell, part)) // 5) for part in parts)
    return int(core), int(further)


def words(notebook: nbformat.NotebookNode) -> str:
    """What the first cell says of the time."""
    core, further = count(notebook)
    return f"About {core} minutes" + (f", and {further} more *further* on" if further else "")


def complaints(notebook: nbformat.NotebookNode) -> Iterator[str]:
    """What the notebook still owes, each with a cure."""
    core, _ = count(notebook)
    printed = PRINTED.findall(notebook.cells[0].source)
    if printed != [words(notebook)] or notebook.metadata.get("seqlab", {}).get("minutes") != core:
        yield f"says {printed}, computed is {words(notebook)!r}; run python -m ci.teaching --write"
    if core > CORE:
        yield f"its core takes {core} minutes, at most {CORE} are allowed; move some behind a heading with *further*"
    made = [(named(call), *map(ast.unparse, call.args[:1])) for cell in notebook.cells for call in calls(cell)]
    guesses, shown = (
        {word[-1] for word in made if word[0] == wanted} for wanted in ("course.predict", "course.outcome")
    )
    if len(guesses) < 2:
        yield f"asks for {len(guesses)} predictions, wanted at least two: course.predict(id, question, says)"
    if guesses != shown:
        yield f"{sorted(guesses ^ shown)}: a prediction without outcome, or an outcome that nobody predicted"
    if ("course.recap",) not in made or not any(re.search(r"^##? Recap", cell.source, re.M) for cell in notebook.cells):
        yield "has no recap: a heading '## Recap', five lines, and course.recap(pattern=…, …)"
    for index, cell in enumerate(notebook.cells):
        if "theorem" in cell.metadata.get("tags", ()):
            yield from (f"cell {index}, a theorem box, {wrong}" for wrong in _box(cell.source, notebook))


def _box(source: str, notebook: nbformat.NotebookNode) -> Iterator[str]:
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    rows = [line.strip(" |").split("|") for line in source.split("\n") if line.startswith("|")][2:]
    if not BOX.search(source) or "Then" not in source or not rows:
        yield "lacks its name in bold, a row for each hypothesis, or the line that begins with *Then*"
    for row in rows:
        switches = re.findall(r"`(\w+)`", row[-1])
        if len(row) < 2 or not row[-1].strip() or any(not re.search(rf"\b{name}\b", code) for name in switches):
            yield f"names no switch of this notebook that breaks {row[0].strip()!r}"


def owed(path: Path) -> list[str]:
    """The complaints about one lab, once it is not listed as one that owes them."""
    notebook = nbformat.read(path, as_version=4)
    return [] if path.stem[:2] in NOT_YET else [f"{path.name}: {complaint}" for complaint in complaints(notebook)]


def write(path: Path) -> None:
    """Put the computed minutes into a notebook, and into its line of the README beside it."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source = PRINTED.sub(words(notebook), notebook.cells[0].source)
    notebook.metadata.setdefault("seqlab", {})["minutes"] = count(notebook)[0]
    nbformat.write(notebook, path)
    table = path.with_name("README.md")
    rows = table.read_text(encoding="utf-8").split("\n")
    for at, row in enumerate(rows):
        if f"({path.name})" in row and row.count("|") == 7:
            cells = row.split("|")
            rows[at] = "|".join([*cells[:4], f" {count(notebook)[0]} ", *cells[5:]])
    table.write_text("\n".join(rows), encoding="utf-8")


def main() -> int:
    chosen = [Path(name) for name in sys.argv[1:] if name != "--write"] or sorted((ROOT / "labs").glob("*.ipynb"))
    for path in chosen:
        if "--write" in sys.argv:
            write(path)
        notebook = nbformat.read(path, as_version=4)
        print(f"{path.name}: {words(notebook)}", *complaints(notebook), sep="\n   ")
    return 0


if __name__ == "__main__":
    sys.exit(main())

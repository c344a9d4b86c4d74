"""Notebook hygiene: what a lab in git must look like. `python -m ci.lint [NOTEBOOK…]`"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
MAX_LINES = 40
FORBIDDEN = {
    r"^\s*[!%]\s*(?:pip|conda)\b": "installs packages; what a lab needs belongs in requirements.lock",
    r"\b(?:wget|curl)\b": "downloads; nothing is fetched after installing",
    r"\bos\.chdir\b": "changes the working directory; use paths of seqlab.data",
    r"\bsys\.path\b": "changes the import path; seqlab is installed",
}
IMAGE = re.compile(r"!\[(?P<alt>[^\]]*)\]\([^)]*\)|<img\b(?P<tag>[^>]*)>")
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")


def lint(path: Path) -> list[str]:
    """All complaints about one notebook, each with the file, the cell and a cure."""
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=nbformat.NO_CONVERT)
        nbformat.validate(notebook)
    except (OSError, ValueError, nbformat.ValidationError) as error:
        return [f"{path.name}: not a valid notebook: {str(error).splitlines()[0]}"]
    complaints = [*_whole(notebook), *(c for index, cell in enumerate(notebook.cells) for c in _cell(index, cell, notebook, path))]
    return [f"{path.name}: {complaint}" for complaint in complaints]


def _whole(notebook: nbformat.NotebookNode) -> Iterator[str]:
    if (notebook.nbformat, notebook.nbformat_minor) < (4, 5):
        yield f"format {notebook.nbformat}.{notebook.nbformat_minor}; save it as 4.5, which has cell ids"
        return
    if (name := notebook.metadata.get("kernelspec", {}).get("name")) != "python3":
        yield f"kernelspec is {name!r}; set it to 'python3'"
    if "widgets" in notebook.metadata:
        yield "holds widget state; clear all outputs and save without it"
    ids = [cell.id for cell in notebook.cells]
    if twice := sorted({id for id in ids if ids.count(id) > 1}):
        yield f"cell ids {twice} occur twice; give each cell its own"
    if not notebook.cells or not re.match(r"# \S", notebook.cells[0].source):
        yield "the first cell is no title; begin with a markdown cell '# …'"
    parameters = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
    if len(parameters) != 1:
        yield f"{len(parameters)} cells are tagged 'parameters'; tag exactly one"
    elif _assigned(parameters[0].source) != {"mode": "lab", "seed": 0}:
        yield 'the parameters cell must set mode = "lab" and seed = 0, and nothing else'


def _cell(index: int, cell: nbformat.NotebookNode, notebook: nbformat.NotebookNode, path: Path) -> Iterator[str]:
    here = f"cell {index}"
    if cell.cell_type == "code":
        if cell.outputs or cell.execution_count is not None:
            yield f"{here} has outputs or an execution count; clear all outputs before committing"
        if (lines := cell.source.count("\n") + 1) > MAX_LINES:
            yield f"{here} has {lines} lines; split it, or move plumbing into seqlab (at most {MAX_LINES})"
        for pattern, why in FORBIDDEN.items():
            if found := re.search(pattern, cell.source, re.M):
                yield f"{here} uses {found.group().strip()!r}, which {why}"
        try:
            ast.parse(cell.source)
        except SyntaxError as error:
            yield f"{here} is not Python: {error.msg} in its line {error.lineno}"
    elif cell.cell_type == "markdown":
        for image in IMAGE.finditer(cell.source):
            tag = image.group("tag")
            if not (image.group("alt") or tag and re.search(r"alt\s*=\s*[\"'][^\"']+", tag)):
                yield f"{here} shows an image without alt text; say in words what it shows"
        for target in LINK.findall(cell.source):
            if broken := _broken(target, notebook, path):
                yield f"{here} links to {target!r}, {broken}"


def _broken(target: str, notebook: nbformat.NotebookNode, path: Path) -> str | None:
    if re.match(r"[a-z]+:", target):
        return None
    file, _, heading = target.partition("#")
    if file:
        return None if (path.parent / file).exists() else "which does not exist beside it; mend the path"
    headings = [h.strip().replace(" ", "-") for cell in notebook.cells if cell.cell_type == "markdown" for h in re.findall(r"^#+ (.*)$", cell.source, re.M)]
    return None if heading in headings else "but no heading of this notebook has that name"


def _assigned(source: str) -> dict[str, object]:
    try:
        statements = ast.parse(source).body
        return {s.targets[0].id: ast.literal_eval(s.value) for s in statements}
    except (SyntaxError, AttributeError, ValueError):
        return {}


def stale(root: Path = ROOT) -> list[str]:
    """Notebooks that git tracks with outputs in them."""
    done = subprocess.run(["git", "ls-files", "-z", "*.ipynb"], cwd=root, capture_output=True, text=True)
    complaints = []
    for name in filter(None, done.stdout.split("\0")):
        try:
            cells = json.loads((root / name).read_text(encoding="utf-8"))["cells"]
        except (OSError, ValueError, KeyError):
            continue  # deleted, or reported as invalid by lint()
        if any(cell.get("outputs") or cell.get("execution_count") is not None for cell in cells):
            complaints.append(f"{name}: tracked by git with stale outputs; clear all outputs and commit again")
    return complaints


def main() -> int:
    paths = [Path(name) for name in sys.argv[1:]] or sorted((ROOT / "labs").glob("*.ipynb"))
    complaints = [complaint for path in paths for complaint in lint(path)] + stale()
    print("\n".join(complaints) or f"{len(paths)} notebooks are clean")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())

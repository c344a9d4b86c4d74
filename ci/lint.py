"""Notebook hygiene: what a lab in git must look like. `python -m ci.lint [NOTEBOOK…]`"""

from __future__ import annotations

import ast
import copy
import json
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup
from IPython.core.inputtransformer2 import TransformerManager
from nbconvert.filters import markdown2html
from nbstripout import strip_output

ROOT = Path(__file__).parents[1]
MAX_LINES = 40
_MAGICS = TransformerManager()
FORBIDDEN = {
    r"^\s*[!%]\s*(?:pip|conda)\b": "installs packages; what a lab needs belongs in requirements.lock",
    r"\b(?:wget|curl)\b": "downloads; nothing is fetched after installing",
    r"\bos\.chdir\b": "changes the working directory; use paths of seqlab.data",
    r"\bsys\.path\b": "changes the import path; seqlab is installed",
}

def lint(path: Path) -> list[str]:
    """All complaints about one notebook, each with the file, the cell and a cure."""
    try:
        notebook = nbformat.v4.reads(path.read_text(encoding="utf-8"))
        if (notebook.nbformat, notebook.nbformat_minor) < (4, 5):
            return [
                f"{path.name}: format {notebook.nbformat}.{notebook.nbformat_minor}; save it as 4.5, which has cell ids"
            ]
        ids = [cell.get("id") for cell in notebook["cells"]]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nbformat mends ids as it validates, and says so; here they are reported
            nbformat.validate(copy.deepcopy(notebook))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, nbformat.ValidationError) as error:
        return [f"{path.name}: not a valid notebook: {(str(error) or type(error).__name__).splitlines()[0]}"]
    complaints = [
        *_ids(ids),
        *_whole(notebook),
        *(c for index, cell in enumerate(notebook.cells) for c in _cell(index, cell, notebook, path)),
    ]
    return [f"{path.name}: {complaint}" for complaint in complaints]


def _ids(ids: list[str | None]) -> Iterator[str]:
    if None in ids:
        yield f"cell {ids.index(None)} has no id; save the notebook in JupyterLab, or give it one"
    if twice := sorted({id for id in ids if id is not None and ids.count(id) > 1}):
        yield f"cell ids {twice} occur twice; give each cell its own"


def _whole(notebook: nbformat.NotebookNode) -> Iterator[str]:
    if (name := notebook.metadata.get("kernelspec", {}).get("name")) != "python3":
        yield f"kernelspec is {name!r}; set it to 'python3'"
    if "widgets" in notebook.metadata:
        yield "holds widget state; clear all outputs and save without it"
    first = notebook.cells[0] if notebook.cells else None
    if first is None or first.cell_type != "markdown" or not re.match(r"# \S", first.source):
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
            compile(
                _MAGICS.transform_cell(cell.source), "cell", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            )
        except SyntaxError as error:
            yield f"{here} is not Python: {error.msg} in its line {error.lineno}"
    elif cell.cell_type == "markdown":
        text = NO_MARKDOWN.sub("", cell.source)
        targets = [a or b for a, b in LINK.findall(text)]
        for image in IMAGE.finditer(text):
            tag = image["tag"] or ""
            if not (image["alt"] or re.search(r"alt\s*=\s*[\"'][^\"']+", tag)):
                yield f"{here} shows an image without alt text; say in words what it shows"
            source = image["target"] or (re.search(r"src\s*=\s*[\"']([^\"']+)", tag) or [None, None])[1]
            targets += [source] if source else []
        for target in targets:
            if broken := _broken(target, notebook, path):
                yield f"{here} links to {target!r}, {broken}"


def _broken(target: str, notebook: nbformat.NotebookNode, path: Path) -> str | None:
    if re.match(r"[a-z]+:", target):
        return None
    file, _, heading = target.partition("#")
    if file:
        return None if (path.parent / file).exists() else "which does not exist beside it; mend the path"
    headings = [
        h.strip().replace(" ", "-")
        for cell in notebook.cells
        if cell.cell_type == "markdown"
        for h in re.findall(r"^#+ (.*)$", cell.source, re.M)
    ]
    return None if heading in headings else "but no heading of this notebook has that name"


def _assigned(source: str) -> dict[str, object]:
    try:
        statements = ast.parse(source).body
        return {s.targets[0].id: ast.literal_eval(s.value) for s in statements}
    except (SyntaxError, AttributeError, ValueError):
        return {}


def stale(root: Path = ROOT) -> list[str]:
    """Notebooks that git tracks with outputs in them."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True).stdout

    complaints = []
    for name in filter(None, git("ls-files", "-z", "*.ipynb").split("\0")):
        try:
            cells = json.loads(git("show", f":./{name}"))["cells"]  # what would be committed, not what lies on disk
        except (ValueError, KeyError):
            continue  # reported as invalid by lint()
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

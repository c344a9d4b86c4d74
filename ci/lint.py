"""What `make lint` and `make test` ask of the code and the notebooks: `python -m ci.lint [NOTEBOOK…]`

Without arguments: ruff, the import contracts, and every notebook, on disk and in git. `lint` checks what a lab in git
must look like, beyond what ruff sees.
"""

import ast
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

from ci.teaching import owed

ROOT = Path(__file__).parents[1]
MAX_LINES = 40
_MAGICS = TransformerManager()
TOOLS = (("ruff", "check"), ("ruff", "format", "--check"), ("lint-imports", "--no-cache", "--no-logo"))
AGAIN = "take the file back from git (git checkout -- FILE) or from where you had it"
FORBIDDEN = {
    r"^\s*[!%]\s*(?:pip|conda)\b": "installs packages; what a lab needs belongs in requirements.lock",
    r"\b(?:wget|curl)\b": "downloads; nothing is fetched after installing",
    r"\bos\.chdir\b": "changes the working directory; use paths of seqlab.data",
    r"\bsys\.path\b": "changes the import path; seqlab is installed",
}


def lint(path: Path) -> list[str]:
    """All complaints about one notebook, each with the file, the cell and a cure."""
    if broken := damage(path):
        return [broken]
    notebook = nbformat.v4.reads(path.read_text(encoding="utf-8"))
    ids = [cell.get("id") for cell in notebook["cells"]]
    complaints = [*_ids(ids), *_whole(notebook), *_code(notebook), *_texts(notebook, path.parent)]
    return [f"{path.name}: {complaint}" for complaint in complaints]


def damage(path: Path) -> str | None:
    """Why a file cannot be run as a notebook, in one sentence with a cure; None where it can."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return f"{path.name}: cannot be read as text ({error}); {AGAIN}"
    if not text.strip():
        return f"{path.name}: is empty; {AGAIN}"
    if marker := re.search(r"^(<{7}|>{7}|\|{7})( |$)", text, re.M):
        line = text.count("\n", 0, marker.start()) + 1
        return f"{path.name}: git left a conflict marker in line {line}; settle the merge, or {AGAIN}"
    try:
        raw = json.loads(text)
    except ValueError as error:
        return f"{path.name}: is not JSON ({error}); {AGAIN}"
    try:
        if (form := (raw["nbformat"], raw["nbformat_minor"])) < (4, 5):
            return f"{path.name}: format {form[0]}.{form[1]}; save it as 4.5, which has cell ids"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nbformat mends ids as it validates, and says so; `_ids` reports them
            nbformat.validate(nbformat.from_dict(raw))
    except (ValueError, KeyError, TypeError, AttributeError, nbformat.ValidationError) as error:
        said = (str(error) or type(error).__name__).splitlines()[0]
        return f"{path.name}: is not a valid notebook ({said}); {AGAIN}"
    if "kernelspec" not in raw["metadata"]:
        return f"{path.name}: names no kernelspec; open it in JupyterLab, choose Python 3 (python3), and save it"
    return None


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


def _assigned(source: str) -> dict[str, object]:
    try:
        return {s.targets[0].id: ast.literal_eval(s.value) for s in ast.parse(source).body}
    except (SyntaxError, AttributeError, ValueError):
        return {}


def _code(notebook: nbformat.NotebookNode) -> Iterator[str]:
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        if _ran(cell):
            yield f"cell {index} has outputs or an execution count; clear all outputs before committing"
        if (lines := cell.source.count("\n") + 1) > MAX_LINES:
            yield f"cell {index} has {lines} lines; split it, or move plumbing into seqlab (at most {MAX_LINES})"
        for pattern, why in FORBIDDEN.items():
            if found := re.search(pattern, cell.source, re.M):
                yield f"cell {index} uses {found.group().strip()!r}, which {why}"
        plain = _MAGICS.transform_cell(cell.source)
        try:
            compile(plain, "cell", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        except SyntaxError as error:
            yield f"cell {index} is not Python: {error.msg} in its line {error.lineno}"


def _ran(cell: dict) -> bool:
    return bool(cell.get("outputs")) or cell.get("execution_count") is not None


def _texts(notebook: nbformat.NotebookNode, folder: Path) -> Iterator[str]:
    """Images without alt text and links that lead nowhere, in the HTML that a reader sees."""
    pages = {
        index: BeautifulSoup(markdown2html(cell.source), "html.parser")
        for index, cell in enumerate(notebook.cells)
        if cell.cell_type == "markdown"
    }
    headings = {heading["id"] for page in pages.values() for heading in page(re.compile(r"h\d"), id=True)}
    for index, page in pages.items():
        if any(not image.get("alt") for image in page("img")):
            yield f"cell {index} shows an image without alt text; say in words what it shows"
        for target in [*(tag["src"] for tag in page("img", src=True)), *(tag["href"] for tag in page("a", href=True))]:
            file, _, heading = target.partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            if file and not (folder / file).exists():
                yield f"cell {index} links to {target!r}, which does not exist beside it; mend the path"
            elif not file and heading not in headings:
                yield f"cell {index} links to {target!r}, but no heading of this notebook has that name"


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
        if any(map(_ran, cells)):
            complaints.append(f"{name}: tracked by git with stale outputs; clear all outputs and commit again")
    return complaints


def main() -> int:
    chosen = [Path(name) for name in sys.argv[1:]]
    scripts = Path(sys.executable).parent
    tools = [] if chosen else [subprocess.run([scripts / tool, *words], cwd=ROOT).returncode for tool, *words in TOOLS]
    paths = chosen or sorted((ROOT / "labs").glob("*.ipynb"))
    complaints = [complaint for path in paths for complaint in lint(path) or owed(path)] + stale()
    print("\n".join(complaints) or f"{len(paths)} notebooks are clean")
    return int(bool(complaints) or any(tools))


if __name__ == "__main__":
    sys.exit(main())

"""Write the book: `python -m ci.book [LAB…] --mode lab`

The labs are executed by `ci.run_labs`, those alone of which something has changed, and Sphinx writes the pages that
have changed into build/book/html. They open from disk and ask no network.
"""

import argparse
import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from pkgutil import walk_packages

import nbformat
from plotly.offline import get_plotlyjs

from ci import run_labs
from ci.book import stage
from ci.contracts import layers
from ci.lint import ROOT
from ci.result import Result, write_text
from seqlab.course import claims, gate
from seqlab.course.rooms import PACKAGE, lab_files, read

TEXTS = ("seqlab/README.md", "CONTRIBUTING.md", "labs/INSTRUCTORS.md", "labs/README.md")
SPHINX = (sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-c", str(Path(__file__).parent))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m ci.book", description=__doc__)
    parser.add_argument("labs", nargs="*", metavar="LAB", help="all when none is named")
    parser.add_argument("--mode", choices=claims.MODES, default="smoke")
    parser.add_argument("--jobs", default="2")
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    chosen = parser.parse_args()
    paths = [run_labs.find(name) for name in chosen.labs] or lab_files(ROOT / "labs")
    how = ["--mode", chosen.mode, "--jobs", chosen.jobs, "--build", str(chosen.build), "--edition", "open"]
    failed = run_labs.main([*map(str, paths), *how, "--resume", "--films"])
    return failed or write(chosen.build, chosen.mode, paths, modules())


def modules() -> dict[str, list[str]]:
    """The common parts of seqlab and kernels: each with its modules."""
    found = {name: [name] for name in [*layers()[-2].split(" : "), "kernels"]}
    for name, inside in found.items():
        parts = walk_packages([str(ROOT.joinpath(*name.split(".")))], f"{name}.")
        inside += [module.name for module in parts if "__main__" not in module.name]
    return found


def repository() -> str:
    """Where the project is published, as GitHub's workflow or git's remote say it; "" where neither does."""
    asked = subprocess.run(["git", "remote", "get-url", "origin"], cwd=ROOT, capture_output=True, text=True)
    named = os.environ.get("GITHUB_REPOSITORY")
    found = f"https://github.com/{named}" if named else asked.stdout.strip().removesuffix(".git")
    return found if found.startswith("https://github.com/") else ""


def stated(room: str) -> Iterator[list[str]]:
    """The statements that the programs of a room check: name, source and text of each."""
    for file in sorted((PACKAGE / room).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Statement":
                words = [word.value for word in node.args[:3] if isinstance(word, ast.Constant)]
                yield from [words] if len(words) == 3 else []


def write(build: Path, mode: str, paths: list[Path], parts: dict[str, list[str]]) -> int:
    """The pages of some labs from what has been executed; Sphinx's exit code. Every warning of its is an error.

    parts: the packages whose docstrings become pages, each with its modules
    """
    source, target, home, labs = build / "book" / "source", build / "book" / "html", repository(), []
    pages = {Path(name) for name in [*TEXTS, *(f"labs/{path.name}" for path in paths)]}
    sources = {name for names in parts.values() for name in names}
    linked = lambda text, name: stage.linked(text, ROOT / name, pages, sources, home)
    made = {name: linked((ROOT / name).read_text(encoding="utf-8"), name) for name in TEXTS}
    for lab in sorted(map(read, paths), key=lambda lab: (lab.after or lab.number, lab.number)):
        executed, name = build / "labs" / f"open-{mode}" / f"{lab.slug}.ipynb", f"labs/{lab.slug}.ipynb"
        about = stage.templates.get_template("about.html.j2").render(lab=lab, mode=mode, home=home)
        films = json.loads(executed.with_suffix(".films.json").read_text(encoding="utf-8"))
        notebook = stage.page(nbformat.read(executed, as_version=4), films, about)
        notebook.cells[0].source = notebook.cells[0].source.replace("# ", f"# {lab.number} · ", 1)
        for cell in notebook.cells:
            cell.source = linked(cell.source, name) if cell.cell_type == "markdown" else cell.source
        made[name] = nbformat.writes(notebook)
        found = {
            "lab": lab,
            "boxes": [*filter(None, map(stage.boxed, notebook.cells))],
            "tasks": [*map(gate.find, lab.exercises)],
            "result": Result.read(executed.with_suffix(".result.json")),
            "statements": [words for room in lab.rooms for words in stated(room)],
        }
        labs.append(found)
    readme = (ROOT / "README.md").read_text(encoding="utf-8").split("\n\n")
    for name in stage.templates.list_templates(filter_func=lambda name: name.endswith(".md.j2")):
        made[name.removesuffix(".j2")] = stage.templates.get_template(name).render(
            labs=labs, parts=parts, readme=readme
        )
    part = stage.templates.get_template("part.j2")
    made |= {f"api/{name}.md": part.render(part=name, names=names) for name, names in parts.items()}
    for old in {path for path in source.rglob("*.*") if path.relative_to(source).as_posix() not in made}:
        old.unlink()
    for name, text in made.items():
        if not (source / name).exists() or (source / name).read_text(encoding="utf-8") != text:
            write_text(source / name, text)
    shutil.copy2(ROOT / "labs" / "attention_view.png", source / "labs")
    failed = subprocess.call(
        [*SPHINX, "-d", build / "book" / "doctrees", source, target],
        env=os.environ | {"SEQLAB_REPOSITORY": home},
        cwd=ROOT,
    )
    write_text(target / "_static" / "plotly.min.js", get_plotlyjs())
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file()) / 1e6
    print(f"book: {target / 'index.html'} ({len(made)} pages, {size:.0f} MB)")
    return failed


if __name__ == "__main__":
    sys.exit(main())

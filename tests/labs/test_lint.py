"""Every rule of notebook hygiene can fail, and says where and what to do."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ci import lint, run_labs
from seqlab.course import rooms
from tests.places import ROOT


def notebook():
    cell = lambda kind, id, source, **more: {"cell_type": kind, "id": id, "metadata": {}, "source": source, **more}
    code = dict(outputs=[], execution_count=None)
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
        "cells": [
            cell(
                "markdown",
                "title",
                "# A title\n\n![a map](map.png) [to](#A-section) [other](other.ipynb) <img src='map.png' alt='a map'>",
            ),
            {**cell("code", "parameters", 'mode = "lab"\nseed = 0', **code), "metadata": {"tags": ["parameters"]}},
            cell(
                "markdown", "section", "## A section\n\n`[not a link](nowhere.md)`\n\n```\n![](x.png)\n```\n\n$a[0](x)$"
            ),
            cell("code", "work", "%%time\nfor x in range(3):\n    print(x)", **code),
            cell("code", "awaits", "import asyncio\nawait asyncio.sleep(0)", **code),
            cell("code", "curly", "curl_of_field = 'a curly word'", **code),
        ],
    }


def put(key, value, *, cell=None):
    def change(nb):
        (nb if cell is None else nb["cells"][cell])[key] = value

    return change


def deep(nb_change):
    return nb_change


CASES = {
    "outputs": (put("outputs", [{"output_type": "stream", "name": "stdout", "text": "x"}], cell=3), "cell 3", "output"),
    "count": (put("execution_count", 4, cell=3), "cell 3", "execution count"),
    "minor": (put("nbformat_minor", 4), "4.4", "4.5"),
    "invalid": (put("cells", "none"), "valid", ""),
    "state": (
        lambda nb: nb["metadata"].update(
            widgets={"application/vnd.jupyter.widget-state+json": {"state": {}, "version_major": 2, "version_minor": 0}}
        ),
        "widget",
        "clear",
    ),
    "kernel": (lambda nb: nb["metadata"]["kernelspec"].update(name="venv"), "venv", "python3"),
    "no kernel": (lambda nb: nb["metadata"].pop("kernelspec"), "kernelspec", "python3"),
    "twice": (put("id", "work", cell=4), "work", "id"),
    "no id": (lambda nb: nb["cells"][4].pop("id"), "id", ""),
    "two parameter cells": (put("metadata", {"tags": ["parameters"]}, cell=3), "parameters", "2"),
    "no parameter cell": (put("metadata", {}, cell=1), "parameters", "0"),
    "mode": (put("source", 'mode = "full"\nseed = 0', cell=1), "mode", "lab"),
    "seed": (put("source", 'mode = "lab"\nseed = 1', cell=1), "seed", "0"),
    "long": (put("source", "x = 1\n" * 41, cell=3), "cell 3", "40"),
    "pip": (put("source", "!pip install x", cell=3), "cell 3", "pip"),
    "magic pip": (put("source", "%pip install x", cell=3), "cell 3", "pip"),
    "wget": (put("source", "!wget x", cell=3), "cell 3", "wget"),
    "curl": (put("source", "!curl x", cell=3), "cell 3", "curl"),
    "chdir": (put("source", "import os\nos.chdir('x')", cell=3), "cell 3", "os.chdir"),
    "path": (put("source", "import sys\nsys.path.append('x')", cell=3), "cell 3", "sys.path"),
    "syntax": (put("source", "x = = 1", cell=3), "cell 3", "Python"),
    "alt": (put("source", "# T\n![](map.png)", cell=0), "cell 0", "alt"),
    "html alt": (put("source", "# T\n<img src='map.png'>", cell=0), "cell 0", "alt"),
    "html empty alt": (put("source", "# T\n<img src='map.png' alt=''>", cell=0), "cell 0", "alt"),
    "link": (put("source", "# T\n[x](gone.md)", cell=0), "cell 0", "gone.md"),
    "titled link": (put("source", "# T\n[x](gone.md 'title')", cell=0), "cell 0", "gone.md"),
    "image link": (put("source", "# T\n![a map](gone.png)", cell=0), "cell 0", "gone.png"),
    "html link": (put("source", "# T\n<a href='gone.md'>x</a>", cell=0), "cell 0", "gone.md"),
    "heading": (put("source", "# T\n[x](#No-such)", cell=0), "cell 0", "No-such"),
    "no title": (put("source", "Text first", cell=0), "title", ""),
    "code first": (
        lambda nb: nb["cells"].insert(
            0,
            {
                "cell_type": "code",
                "id": "zero",
                "metadata": {},
                "source": "# not a title",
                "outputs": [],
                "execution_count": None,
            },
        ),
        "title",
        "",
    ),
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "map.png").write_bytes(b"x")
    (tmp_path / "other.ipynb").write_text("{}")
    return tmp_path


def complaints(folder, nb):
    path = folder / "lab.ipynb"
    path.write_text(json.dumps(nb))
    return lint.lint(path)


def test_a_clean_notebook_passes(folder):
    assert complaints(folder, notebook()) == []


@pytest.mark.parametrize("name", CASES)
def test_rule(folder, name):
    change, *words = CASES[name]
    change(nb := notebook())
    found = [str(c) for c in complaints(folder, nb)]
    assert any(all(word in c for word in words) and "lab.ipynb" in c for c in found), found


def broken(kind):
    """The bytes of a damaged notebook."""
    text = json.dumps(notebook(), indent=1)
    lines = text.splitlines(keepends=True)
    bare = notebook() | {"metadata": {}}
    return {
        "empty": b" \n",
        "conflict": "".join([*lines[:9], "<<<<<<< HEAD\n", *lines[9:]]).encode(),
        "half": text[: len(text) // 2].encode(),
        "list": b"[]",
        "encoding": text.encode("utf-16"),
        "no kernelspec": json.dumps(bare).encode(),
    }[kind]


@pytest.mark.parametrize(
    "kind, said",
    [
        ("empty", "is empty"),
        ("conflict", "conflict marker in line 10"),
        ("half", "is not JSON"),
        ("list", "not a valid notebook"),
        ("encoding", "cannot be read as text"),
        ("no kernelspec", "names no kernelspec"),
    ],
)
def test_damage_is_told_in_one_sentence_and_nothing_is_run(folder, capsys, monkeypatch, kind, said):
    monkeypatch.setattr(run_labs.signal, "signal", lambda sign, handler: None)
    (folder / "lab.ipynb").write_bytes(broken(kind))
    [complaint] = lint.lint(folder / "lab.ipynb")
    assert complaint.startswith("lab.ipynb: ") and said in complaint and "\n" not in complaint
    words = [str(folder / "lab.ipynb"), "--edition", "open", "--build", str(folder / "build")]
    assert run_labs.main(words) == 1
    out = capsys.readouterr().out
    assert complaint in out and "FAILED, not run" in out and "Traceback" not in out


def test_a_damaged_lab_hides_no_other(folder):
    (folder / "01_broken.ipynb").write_bytes(broken("conflict"))
    (folder / "02_whole.ipynb").write_text(json.dumps(notebook()))
    assert [lab.title for lab in rooms.labs(folder)] == ["01_broken.ipynb (damaged)", "A title"]


def test_a_missing_language_does_not_keep_a_lab_from_running(folder, monkeypatch):
    monkeypatch.setattr(run_labs.signal, "signal", lambda sign, handler: None)
    bare = notebook()
    bare["metadata"]["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    (folder / "lab.ipynb").write_text(json.dumps(bare))
    assert run_labs.main([str(folder / "lab.ipynb"), "--edition", "open", "--build", str(folder / "build")]) == 0


def test_stale_outputs_in_git(folder):
    def git(*words):
        subprocess.run(
            ["git", "-c", "user.name=x", "-c", "user.email=x@x", *words], cwd=folder, check=True, capture_output=True
        )

    (folder / "other.ipynb").unlink()
    nb = notebook()
    (folder / "lab.ipynb").write_text(json.dumps(nb))
    git("init")
    git("add", ".")
    assert lint.stale(folder) == []
    nb["cells"][3]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x"}]
    (folder / "lab.ipynb").write_text(json.dumps(nb))
    git("add", ".")
    nb["cells"][3]["outputs"] = []
    (folder / "lab.ipynb").write_text(json.dumps(nb))  # clean on disk, stale in git
    assert any("lab.ipynb" in str(c) for c in lint.stale(folder))


def test_the_hooks_of_pre_commit_are_tools_of_the_environment():
    table = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repo["repo"] for repo in table["repos"]] == ["local"]
    for hook in table["repos"][0]["hooks"]:
        tool = Path(hook["entry"].split()[0])
        assert tool.parent == Path(".venv/bin") and (Path(sys.executable).parent / tool.name).exists()

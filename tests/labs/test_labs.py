"""The labs themselves, as CI publishes them: both editions in smoke mode, and the same claims twice."""

import json
import os
import re
import subprocess
import sys

import pytest

from ci import lint
from tests.places import LAB_FILES, ROOT


def run(*words):
    """One run of labs in smoke mode, beside whatever other workers do: the process and its claims hashes."""
    done = subprocess.run(
        [sys.executable, "-m", "ci.run_labs", "--mode", "smoke", "--jobs", "1", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=3600,
    )
    return done, dict(re.findall(r"claims hash \((\w+), smoke\): (\w+)", done.stdout))


HIDDEN = """
import importlib.metadata
from importlib.machinery import PathFinder

def find(cls, name, *rest, known=PathFinder.find_spec):
    return None if name.partition(".")[0] == "triton" else known(name, *rest)

def version(name, known=importlib.metadata.version):
    if name == "triton":
        raise importlib.metadata.PackageNotFoundError(name)
    return known(name)

PathFinder.find_spec = classmethod(find)
importlib.metadata.version = version
"""


@pytest.fixture(scope="module")
def published():
    """The run whose report stays in build/report."""
    return run("--edition", "both")


def test_every_lab_runs_in_both_editions_with_the_same_claims(published):
    done, hashes = published
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert hashes["open"] == hashes["solved"]


@pytest.mark.slow
def test_a_second_run_gives_the_same_claims(published, tmp_path):
    again, hashes = run("--edition", "solved", "--build", tmp_path)
    assert again.returncode == 0 and hashes["solved"] == published[1]["solved"]


@pytest.mark.slow
def test_without_triton_the_labs_run_and_leave_out_its_claims(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(HIDDEN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    labs = (
        "02_universal_approximation",
        "05_one_layer",
        "06_sigmoid_attention",
        "08_tiles_on_a_gpu",
        "11_looped_training",
    )
    done, _ = run(*labs, "--edition", "solved", "--build", tmp_path / "build")
    found = [line for line in done.stdout.splitlines() if re.match(r"\d\d_\w+ \(solved, smoke\): ", line)]
    assert {line.split()[0] for line in found} == set(labs)
    of_kernels = r"(?:tiles\.|[\w.]+\.(?:kernel|predict|state|backward)\.)[\w.]+"
    left_out = rf".*: claim: {of_kernels} is in the claims file and was never stated"
    assert [line for line in found if not re.match(left_out, line)] == []


def test_the_report_is_complete(published):
    report = ROOT / "build" / "report"
    entries = json.loads((report / "claims.json").read_text())
    assert {(e["lab"], e["edition"]) for e in entries} >= {
        (path.stem, edition) for path in LAB_FILES for edition in ("open", "solved")
    }
    for path in LAB_FILES:
        for edition in ("open-smoke", "solved-smoke"):
            page = (report / edition / f"{path.stem}.html").read_text()
            assert not re.search(r"<(?:script|link|img)\b[^>]*(?:src|href)=[\"'](?:https?:)?//", page)
            assert "<math" in page and "$$" not in re.sub(
                r"<script.*?</script>|<pre.*?</pre>|<style.*?</style>", "", page, flags=re.S
            )


@pytest.mark.parametrize("path", LAB_FILES, ids=lambda p: p.stem)
def test_hygiene(path):
    assert lint.lint(path) == []


def test_lint():
    """Ruff, import contracts, notebooks on disk and in git: what `make lint` runs."""
    done = subprocess.run([sys.executable, "-m", "ci.lint"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr

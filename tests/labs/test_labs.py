"""The labs themselves, as CI publishes them: both editions in smoke mode, and the same claims twice."""

import json
import re
import subprocess
import sys

import pytest

from ci import lint
from tests.places import LAB_FILES, ROOT


def run(*words):
    done = subprocess.run(
        [sys.executable, "-m", "ci.run_labs", "--mode", "smoke", "--jobs", "2", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
    )
    return done, dict(re.findall(r"claims hash \((\w+), smoke\): (\w+)", done.stdout))


@pytest.fixture(scope="module")
def published():
    """The run whose report stays in build/report."""
    return run("--edition", "both")


def test_every_lab_runs_in_both_editions(published):
    done, _ = published
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_two_solved_runs_give_the_same_claims(published, tmp_path):
    again, hashes = run("--edition", "solved", "--build", tmp_path)
    assert again.returncode == 0 and hashes["solved"] == published[1]["solved"] == published[1]["open"]


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


def test_nothing_stale_in_git():
    assert lint.stale() == []

"""The runner on tiny notebooks: every rule that it enforces is broken once, on purpose."""

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import warnings
from types import SimpleNamespace
from xml.etree import ElementTree

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from ci import report, run_labs
from ci.result import Result
from seqlab.course import claims
from tests.places import ROOT

MARK = "SEQLAB_TEST_RUN"
CLAIM = f"""from IPython.display import display
display({{"{claims.MIME}": {{"id": "ID", "value": VALUE, "mode": mode}}, "text/plain": "claim"}}, raw=True)"""


def claim(id, value):
    return CLAIM.replace("ID", id).replace("VALUE", repr(value))


TINY = {  # name: cells after title and parameters
    "fine": [claim("fine.two", 2), "import ipywidgets\nipywidgets.IntSlider(description='calm')", "mode, seed"],
    "raising": ["x = 1", "1 / 0", "never = True"],
    "callback": ["import ipywidgets\nipywidgets.interact(lambda n: 1 / n, n=ipywidgets.IntSlider(value=0, max=0))"],
    "sweep": [
        "import ipywidgets\ns = ipywidgets.IntSlider(min=0, max=9, description='touchy')\n"
        "s.observe(lambda c: 1 / (c['new'] - 9), 'value')\ns"
    ],
    "dead": ["import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"],
    "endless": [
        "import subprocess, time\nsubprocess.Popen(['sleep', '4242'], start_new_session=True)\n"
        "while True: time.sleep(0.1)"
    ],
    "missing": ["x = 1"],
    "unlisted": [claim("nobody.knows", 1)],
    "bounds": [claim("bounds.small", 7.5)],
    "misplaced": [claim("fine.two", 2)],
    "nan": [claim("nan.never", "nan")],
    "warning": ["import warnings\nwarnings.warn('old habit', DeprecationWarning)"],
    "large": ["print('x' * 60_000)"],
    "quiet_end": ["import sys\nsys.exit(0)", "assert False"],
    "callback_log": ["import sys\nprint('Traceback (most recent call last):\\n  boom', file=sys.stderr)"],
    "untitled": ["x = 1"],
}
CLAIMS = """
["fine.two"]
statement = "Two."
equals = 2
["missing.number"]
statement = "Nobody states it."
at_least = 0
["bounds.small"]
statement = "Small."
at_most = 5
["nan.never"]
statement = "A number."
at_least = 0
"""
WANTED = {  # name: (kind, words of the failure, index of the cell to blame)
    "raising": ("exception", "ZeroDivisionError", 3),
    "callback": ("widget callback", "ZeroDivisionError", 2),
    "sweep": ("widget callback", "touchy", None),
    "dead": ("dead kernel", "signal 9, probably because memory ran out; it had up to", 2),
    "endless": ("time limit", "longer than 20 s", 2),
    "missing": ("claim", "missing.number is in the claims file and was never stated", None),
    "unlisted": ("claim", "nobody.knows is stated here and not in the claims file", 2),
    "bounds": ("claim", "7.5, expected ≤ 5 (margin -2.5)", 2),
    "misplaced": ("claim", "belongs to fine", 2),
    "nan": ("claim", "nan.never is nan", 2),
    "warning": ("warning", "DeprecationWarning: old habit", 2),
    "large": ("size", "allowed are 50", 2),
    "quiet_end": ("exception", "the notebook ended here", 2),
    "callback_log": ("widget callback", "boom", 2),
    "untitled": ("lint", "untitled.ipynb: the first cell is no title", None),
    "broken": ("damaged", "broken.ipynb: is not JSON", None),
}


def notebook(cells, title="# Tiny", parameters='mode = "lab"\nseed = 0'):
    made = new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}})
    made.cells = [
        new_markdown_cell(title),
        new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        *map(new_code_cell, cells),
    ]
    return made


def run(*words, mark=""):
    """What a run returns and prints. mark: by which whatever it leaves running is known."""
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(), contextlib.redirect_stdout(said):
        warnings.simplefilter("default")  # papermill's are no matter of ours
        patch.setattr(signal, "signal", lambda sign, handler: None)
        patch.setenv(MARK, str(mark))
        code = run_labs.main([str(word) for word in words])
    return SimpleNamespace(returncode=code, stdout=said.getvalue())


def claims_file(folder):
    path = folder / "claims.toml"
    path.write_text("")
    return path


def tiny_words(folder, *names, jobs=1):
    """The arguments that run notebooks of `folder`, open edition, into its build folder."""
    paths = [folder / f"{name}.ipynb" for name in names]
    return [*paths, "--edition", "open", "--jobs", jobs, "--claims", claims_file(folder), "--build", folder / "build"]


def left_running(mark):
    """Kernels, and whatever they started, of a run with this mark."""
    left = []
    for process in psutil.process_iter():
        try:
            left += [process] if process.environ().get(MARK) == str(mark) else []
        except psutil.Error:
            continue
    return left


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """All tiny notebooks, run once: (the process, their folder, the build folder, processes left behind)."""
    folder = tmp_path_factory.mktemp("tiny")
    for name, cells in TINY.items():
        title = "no title" if name == "untitled" else "# Tiny"
        nbformat.write(notebook(cells, title), folder / f"{name}.ipynb")
    (folder / "broken.ipynb").write_text("{")
    (folder / "claims.toml").write_text(CLAIMS)
    paths = sorted(folder.glob("*.ipynb"))
    done = run(
        *paths,
        "--edition",
        "open",
        "--jobs",
        2,
        "--claims",
        folder / "claims.toml",
        "--build",
        folder / "build",
        "--cell-timeout",
        20,
        "--max-kb",
        50,
        mark=folder,
    )
    return done, folder, folder / "build", left_running(folder)


def result(tiny, name):
    return Result.read(tiny[2] / "labs" / "open-smoke" / f"{name}.result.json")


def test_a_good_notebook_passes(tiny):
    assert result(tiny, "fine").ok, result(tiny, "fine").failures


def test_the_run_as_a_whole_fails_and_says_where(tiny):
    done = tiny[0]
    assert done.returncode == 1
    for name, (kind, words, cell) in WANTED.items():
        assert re.search(rf"^{name} \(open, smoke\): .*{re.escape(kind)}", done.stdout, re.M), name
    assert re.search(r"raising \(open, smoke\): cell 3 \(1 / 0\): exception: ZeroDivisionError", done.stdout)


@pytest.mark.parametrize("name", WANTED)
def test_every_broken_rule_is_caught(tiny, name):
    kind, words, cell = WANTED[name]
    found = result(tiny, name)
    assert not found.ok
    assert [f for f in found.failures if f.kind == kind and words in f.text and f.cell == cell], found.failures


def test_one_mistake_is_one_failure(tiny):
    assert {name: [f.kind for f in result(tiny, name).failures] for name in WANTED} == {
        name: [kind] for name, (kind, _, _) in WANTED.items()
    }


def test_no_kernel_and_no_child_of_one_is_left_behind(tiny):
    assert tiny[3] == []


def test_sources_are_untouched_and_outputs_hold_no_trace_of_the_runner(tiny):
    source = nbformat.read(tiny[1] / "fine.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in source.cells)
    executed = nbformat.read(tiny[2] / "labs" / "open-smoke" / "fine.ipynb", as_version=4)
    assert "widgets" not in executed.metadata
    assert [c.source for c in executed.cells if "injected-parameters" not in c.metadata.get("tags", [])] == [
        c.source for c in source.cells
    ]
    assert "('smoke', 0)" in json.dumps(executed.cells[-1].outputs)


def test_claims_json_lists_every_claim_and_the_missing_one(tiny):
    entries = {entry["id"]: entry for entry in json.loads((tiny[2] / "report" / "claims.json").read_text())}
    assert set(entries["fine.two"]) == {"lab", "edition", "id", "statement", "value", "expected", "margin", "ok"}
    assert entries["fine.two"]["ok"] is True or entries["fine.two"]["lab"] == "misplaced"
    assert entries["missing.number"] | {"margin": None} == entries["missing.number"]
    assert entries["missing.number"]["value"] is None and not entries["missing.number"]["ok"]
    assert entries["bounds.small"]["margin"] == -2.5 and not entries["bounds.small"]["ok"]


def test_junit_counts_the_failures(tiny):
    suites = {suite.get("name"): suite for suite in ElementTree.parse(tiny[2] / "report" / "junit.xml").getroot()}
    assert suites["fine.open.smoke"].get("failures") == "0"
    assert suites["raising.open.smoke"].get("failures") == "1"
    assert "ZeroDivisionError" in suites["raising.open.smoke"].find(".//failure").text


def test_pages_need_no_network(tiny):
    pages = [tiny[2] / "report" / "index.html", *(tiny[2] / "report").glob("*/*.html")]
    assert len(pages) > 5
    for page in pages:
        assert not re.search(
            r"<(?:script|link|img|iframe)\b[^>]*(?:src|href)=[\"'](?:https?:)?//", page.read_text(), re.I
        ), page


def test_the_index_names_what_fails(tiny):
    text = (tiny[2] / "report" / "index.html").read_text()
    assert "Something fails" in text and "nobody.knows" in text and "signal 9" in text


def test_resume_skips_what_is_done_and_runs_what_changed(tmp_path):
    for name in ("one", "two"):
        nbformat.write(notebook(["x = 1"]), tmp_path / f"{name}.ipynb")
    words = tiny_words(tmp_path, "one", "two")
    assert run(*words).returncode == 0
    nbformat.write(notebook(["x = 2"]), tmp_path / "two.ipynb")
    again = run(*words, "--resume")
    assert (
        again.returncode == 0
        and re.search(r"one +open +unchanged", again.stdout)
        and not re.search(r"two +open +unchanged", again.stdout)
    )


def test_the_limit_for_a_whole_notebook(tmp_path):
    nbformat.write(notebook(["import time; time.sleep(600)"]), tmp_path / "slow.ipynb")
    done = run(*tiny_words(tmp_path, "slow"), "--total-timeout", 5, mark=tmp_path)
    assert done.returncode == 1 and "time limit: the notebook ran longer than 5 s" in done.stdout
    assert left_running(tmp_path) == []


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_what_had_finished(tmp_path, sign):
    nbformat.write(notebook(["x = 1"]), tmp_path / "a_quick.ipynb")
    nbformat.write(notebook(["import time; time.sleep(600)"]), tmp_path / "b_slow.ipynb")
    words, environment = tiny_words(tmp_path, "a_quick", "b_slow"), os.environ | {MARK: str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "ci.run_labs", *map(str, words)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for line in process.stdout:
        if line.startswith("b_slow"):
            break
    os.kill(process.pid, sign)
    rest = process.stdout.read()
    process.stdout.close()
    assert process.wait(120) == 130 and "1 of 2 had finished" in rest
    kept = [r.lab for r in report.results(tmp_path / "build")]
    assert kept == ["a_quick"] and (tmp_path / "build" / "report" / "index.html").exists()
    psutil.wait_procs(left_running(tmp_path), timeout=30)
    assert left_running(tmp_path) == []


@pytest.mark.parametrize(
    "words, says",
    [
        (["99_no_such_lab"], "there is no lab '99_no_such_lab'; choose from 00_start_here"),
        (["--jobs", "0"], "--jobs: got 0, wanted at least 1"),
        (["00", "--claims", "nowhere.toml"], "nowhere.toml"),
    ],
)
def test_unknown_labs_and_wrong_usage_are_one_sentence(capsys, words, says):
    with pytest.raises(SystemExit) as stopped:
        run_labs.main(words)
    assert stopped.value.code == 2 and says in capsys.readouterr().err

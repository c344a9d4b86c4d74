"""The runner on tiny notebooks: every rule that it enforces is broken once, on purpose."""

import contextlib
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from types import SimpleNamespace
from xml.etree import ElementTree

import nbformat
import psutil
import pytest
from filelock import FileLock

from ci import run_labs
from ci.result import Failure, Result, Run
from tests.labs.faults import FAULTS, QUICK, SLEEPER, Fault, claim, notebook
from tests.places import ROOT

MARK = "SEQLAB_TEST_RUN"


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


def written(folder, faults):
    """The faults as notebooks in `folder`, a good one beside them, and the claims file that goes with them."""
    fine = Fault(
        (claim("fine.number", 2), "import ipywidgets\nipywidgets.IntSlider()", "mode, seed"),
        "",
        "",
        bounds="equals = 2",
    )
    listed = ""
    for name, fault in (faults | {"fine": fine}).items():
        path = folder / f"{name}.ipynb"
        if fault.kind == "damaged":
            path.write_bytes(fault.cells[0] if isinstance(fault.cells[0], bytes) else fault.cells[0].encode())
        else:
            nbformat.write(notebook(fault.cells, **dict(fault.made)), path)
        if fault.bounds:
            listed += f'["{name}.number"]\nstatement = "A number."\n{fault.bounds}\n'
    (folder / "claims.toml").write_text(listed)


def executed(folder, faults, seconds):
    """All faults, run once: (the process, their folder, the build folder, processes left behind)."""
    written(folder, faults)
    limits = ("--cell-timeout", seconds, "--max-kb", 50)
    words = ("--edition", "open", "--jobs", 2, "--claims", folder / "claims.toml", "--build", folder / "build", *limits)
    done = run(*sorted(folder.glob("*.ipynb")), *words, mark=folder)
    return done, folder, folder / "build", left_running(folder)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return executed(tmp_path_factory.mktemp("tiny"), QUICK, 20)


@pytest.fixture(scope="module")
def more(tmp_path_factory):
    """The others. Rooms of runs, and what runs in this process, are counted before and after."""
    rest = {name: fault for name, fault in FAULTS.items() if name not in QUICK}
    before = around()
    made = executed(tmp_path_factory.mktemp("more"), rest, 200)
    return *made, before, around()


def around():
    """What a run must not leave: folders in the temporary place, sleepers, children of this process."""
    asleep = [p.pid for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == SLEEPER.split()]
    return sorted(os.listdir(tempfile.gettempdir())), asleep, len(psutil.Process().children(recursive=True))


@pytest.fixture(autouse=True, scope="module")
def temporary(tmp_path_factory):
    """A temporary place of our own, so that what is left in it is ours."""
    with pytest.MonkeyPatch.context() as patch:
        place = tmp_path_factory.mktemp("temporary")
        patch.setenv("TMPDIR", str(place))
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(place.parent))  # torch's own, which stays
        patch.setattr(tempfile, "tempdir", str(place))
        yield


def result(tiny, name):
    return Result.read(tiny[2] / "labs" / "open-smoke" / f"{name}.result.json")


def test_a_good_notebook_passes(tiny):
    assert result(tiny, "fine").ok, result(tiny, "fine").failures


def test_the_run_as_a_whole_fails_and_says_where(tiny):
    done = tiny[0]
    assert done.returncode == 1
    for name, fault in QUICK.items():
        assert re.search(rf"^{name} \(open, smoke\): .*{re.escape(fault.kind)}", done.stdout, re.M), name
    assert re.search(r"raising \(open, smoke\): cell 3 \(1 / 0\): exception: ZeroDivisionError", done.stdout)


def caught(ran, name):
    """The fault is found, with its cell and its cause, and no other is made of it."""
    fault, found = FAULTS[name], result(ran, name)
    wanted = [f for f in found.failures if f.kind == fault.kind and fault.words in f.text and f.cell == fault.cell]
    assert not found.ok and wanted and len(found.failures) <= 1 + fault.more, found.failures


@pytest.mark.parametrize("name", QUICK)
def test_every_broken_rule_is_caught(tiny, name):
    caught(tiny, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FAULTS if name not in QUICK])
def test_every_other_fault_is_caught(more, name):
    caught(more, name)


@pytest.mark.slow
def test_nothing_is_left_of_them(more):
    done, _, build, running, before, after = more
    assert done.returncode == 1 and running == [] and before[:2] == after[:2] and after[2] <= before[2]
    assert max(path.stat().st_size for path in build.rglob("*") if path.is_file()) < 6e6


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
    assert set(entries["fine.number"]) == {"lab", "edition", "id", "statement", "value", "expected", "margin", "ok"}
    assert entries["fine.number"]["ok"] is True or entries["fine.number"]["lab"] == "misplaced"
    assert entries["missing.number"]["margin"] is None
    assert entries["missing.number"]["value"] is None and not entries["missing.number"]["ok"]
    assert entries["bounds.number"]["margin"] == -2.5 and not entries["bounds.number"]["ok"]


@pytest.mark.parametrize("ran", ["tiny", pytest.param("more", marks=pytest.mark.slow)])
def test_exit_status_junit_json_and_page_are_one_verdict(ran, request):
    report = request.getfixturevalue(ran)[2] / "report"
    suites = {
        suite.get("name"): int(suite.get("failures")) for suite in ElementTree.parse(report / "junit.xml").getroot()
    }
    run = Run.read(report / "run.json")
    assert {f"{r.lab}.open.smoke": r.ok for r in run.results} == {name: not n for name, n in suites.items()}
    entries = json.loads((report / "claims.json").read_text())
    for r in run.results:
        if any(f.kind == "claim" for f in r.failures):
            assert any(e["ok"] is False for e in entries if e["lab"] == r.lab), r.lab
    assert "<script>alert" not in (report / "index.html").read_text()


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


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
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
    for _ in range(3):  # whoever is impatient
        os.kill(process.pid, sign)
        time.sleep(0.05)
    rest = process.stdout.read()
    process.stdout.close()
    assert process.wait(120) == 130 and "1 of 2 had finished" in rest
    kept = [r.lab for r in Run.read(tmp_path / "build" / "report" / "run.json").results]
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


@pytest.mark.slow
def test_a_cell_that_removes_the_build_folder_does_not_make_a_failure_good(tmp_path):
    removes = "import pathlib, shutil\nshutil.rmtree(pathlib.Path.cwd().parents[3])"
    nbformat.write(notebook([removes, "assert False"]), tmp_path / "one.ipynb")
    done = run(*tiny_words(tmp_path, "one"))
    report = tmp_path / "build" / "report"
    assert done.returncode == 1 and "Something fails" in (report / "index.html").read_text()
    assert int(ElementTree.parse(report / "junit.xml").getroot()[0].get("failures")) >= 1


def test_a_second_run_on_one_build_folder_is_refused(tmp_path):
    nbformat.write(notebook(["x = 1"]), tmp_path / "one.ipynb")
    (tmp_path / "build").mkdir()
    with FileLock(tmp_path / "build" / ".lock"):
        done = run(*tiny_words(tmp_path, "one"))
    assert done.returncode == 2 and "Another run writes to" in done.stdout and "--build" in done.stdout


def test_two_notebooks_of_one_name_are_refused(tmp_path, capsys):
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        nbformat.write(notebook(["x = 1"]), tmp_path / place / "one.ipynb")
    with pytest.raises(SystemExit) as stopped:
        run(tmp_path / "a" / "one.ipynb", tmp_path / "b" / "one.ipynb")
    assert stopped.value.code == 2 and "two notebooks are called one.ipynb" in capsys.readouterr().err


def stale_result(folder, **more):
    """A failing result of an earlier run, which must not speak for this one."""
    Result("old", "open", "smoke", 0, failures=[Failure("exception", "of old")], **more).write(
        folder / "build" / "labs" / "open-smoke" / "old.result.json"
    )


FULL = OSError(28, "No space left on device")
TROUBLES = {  # a part of the reporting that breaks: what it says
    "ci.report.export": "the page of one, open, smoke cannot be made: OSError",
    "ci.report.junit": "the report cannot be written",
    "ci.report.index": "the report cannot be written",
    "ci.result.Result.write": "the result cannot be kept",
}


@pytest.mark.parametrize("broken", TROUBLES)
def test_a_fault_while_reporting_loses_nothing(tmp_path, monkeypatch, broken):
    nbformat.write(notebook(["1 / 0"]), tmp_path / "one.ipynb")
    stale_result(tmp_path)
    monkeypatch.setattr(broken, lambda *_: (_ for _ in ()).throw(FULL))
    done = run(*tiny_words(tmp_path, "one"))
    assert done.returncode == 1 and "ZeroDivisionError" in done.stdout and TROUBLES[broken] in done.stdout
    assert "of old" not in done.stdout


def test_a_stale_result_does_not_speak_for_this_run(tmp_path):
    nbformat.write(notebook(["x = 1"]), tmp_path / "one.ipynb")
    stale_result(tmp_path)
    assert run(*tiny_words(tmp_path, "one")).returncode == 0
    report = tmp_path / "build" / "report"
    assert "Everything holds" in (report / "index.html").read_text() and "old" not in (report / "junit.xml").read_text()


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_and_leaves_nothing(tmp_path):
    """Ten times kill -9, then --resume: what had finished is kept, and two seconds later nothing runs."""
    for at in range(4):
        cells = [f"import subprocess\nsubprocess.Popen({SLEEPER.split()!r}, env={{}})", "import time; time.sleep(1)"]
        nbformat.write(notebook(cells), tmp_path / f"n{at}.ipynb")
    words = [
        sys.executable,
        "-m",
        "ci.run_labs",
        *map(str, tiny_words(tmp_path, "n0", "n1", "n2", "n3", jobs=2)),
        "--resume",
    ]
    seed = random.Random(0)
    finished, before = set(), around()[:2]
    for _ in range(10):
        process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
        time.sleep(seed.uniform(1, 12))
        process.kill()
        process.wait()
        until = time.monotonic() + 10  # two seconds, where nobody else is at work
        while around()[:2] != before and time.monotonic() < until:
            time.sleep(0.1)
        assert around()[:2] == before
        kept = {path.stem for path in (tmp_path / "build").rglob("*.result.json") if Result.read(path).ok}
        assert finished <= kept
        finished = kept
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and len(re.findall("unchanged", done.stdout)) == len(finished), done.stdout

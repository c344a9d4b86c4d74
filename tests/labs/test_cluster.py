"""Notebooks on a Dask cluster: what comes back is what a run without one gives, whatever becomes of a worker."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest

from ci import run_labs
from tests.labs.faults import claim, notebook
from tests.places import ROOT

MARK = "SEQLAB_TEST_CLUSTER"


@pytest.fixture
def cluster(tmp_path):
    """The address of a scheduler with two workers, and their processes; nothing of it is left afterwards."""
    env = {**os.environ, MARK: str(tmp_path), "OMP_NUM_THREADS": "1"}
    start = lambda *words: subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:]],
        cwd=ROOT,
        env=env,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    place = tmp_path / "scheduler.json"
    here = ["--host", "127.0.0.1", "--scheduler-file", str(place)]
    started = [start("scheduler", *here, "--port", "0", "--dashboard-address", "127.0.0.1:0")]
    words = ["--scheduler-file", str(place), "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    for at in range(2):
        started.append(start("worker", *words, "--local-directory", str(tmp_path / f"worker{at}")))
    while not place.exists():
        time.sleep(0.1)
    yield re.search(r"tcp://[\d.:]+", place.read_text())[0], started[1:]
    for process in marked(tmp_path):
        process.kill()
    for process in started:
        process.wait()


def marked(folder):
    """Whatever the cluster in this folder has started and is still there."""
    found = []
    for process in psutil.process_iter():
        try:
            found += [process] if process.environ().get(MARK) == str(folder) else []
        except psutil.Error:
            pass
    return found


def run(*words):
    return subprocess.Popen(
        [sys.executable, "-m", "ci.run_labs", *map(str, words)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def is_kernel(process):
    with contextlib.suppress(psutil.Error):  # it may have ended meanwhile
        return "ipykernel" in str(process.cmdline())


def one_is_killed(workers, when):
    """Kill a worker that has a kernel at work. Returns its processes, which must be gone soon."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for worker in workers:
            kernels = [p for p in psutil.Process(worker.pid).children(recursive=True) if is_kernel(p)]
            if kernels and when():
                worker.send_signal(signal.SIGKILL)
                return kernels
        time.sleep(0.05)
    raise AssertionError("no worker has started a kernel")


def test_a_lost_worker_costs_nothing_and_leaves_nothing(cluster, tmp_path):
    address, workers = cluster
    (tmp_path / "claims.toml").write_text('["one.value"]\nstatement = "One."\nequals = 1\n')
    for name in ("one", "two"):
        cells = ["import time; time.sleep(4)"] + ([claim("one.value", 1)] if name == "one" else [])
        made = notebook(cells)
        made.cells.append(
            nbformat.v4.new_markdown_cell("The [other](two.ipynb) lies beside it here, and not over there.")
        )
        nbformat.write(made, tmp_path / f"{name}.ipynb")
    paths = [tmp_path / "one.ipynb", tmp_path / "two.ipynb"]
    words = [*paths, "--edition", "open", "--claims", tmp_path / "claims.toml", "--build", tmp_path / "build"]
    running = run(*words, "--dask", address)
    kernels = one_is_killed(workers, lambda: True)
    said, _ = running.communicate(timeout=120)
    assert running.returncode == 0, said
    assert "begun anew on tcp://127.0.0.1" in said and "1/1 claims" in said
    assert (tmp_path / "build/labs/open-smoke/two.ipynb").exists()
    assert psutil.wait_procs(kernels, timeout=5)[1] == []


def test_an_interrupted_run_ends_its_kernels_elsewhere(cluster, tmp_path):
    address, workers = cluster
    nbformat.write(notebook(["import time; time.sleep(600)"]), tmp_path / "long.ipynb")
    (tmp_path / "claims.toml").write_text("")
    words = [tmp_path / "long.ipynb", "--claims", tmp_path / "claims.toml", "--build", tmp_path / "build"]
    running = run(*words, "--edition", "open", "--dask", address)
    deadline = time.monotonic() + 60
    kernels = lambda: [p for p in marked(tmp_path) if "ipykernel" in " ".join(p.cmdline())]
    while not kernels() and time.monotonic() < deadline:
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    said, _ = running.communicate(timeout=60)
    assert running.returncode == 130 and "Interrupted: 0 of 1" in said
    while kernels() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert kernels() == []


def test_where_nobody_answers_one_sentence_says_what_to_start(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("seqlab.train.cluster.WAIT", 1)
    (tmp_path / "claims.toml").write_text("")
    nbformat.write(notebook(["1"]), tmp_path / "one.ipynb")
    words = [tmp_path / "one.ipynb", "--claims", tmp_path / "claims.toml", "--build", tmp_path / "build"]
    assert run_labs.main([*map(str, words), "--dask", "tcp://127.0.0.1:9"]) == 2
    assert "dask worker --nthreads 1" in capsys.readouterr().out


@pytest.mark.slow
def test_all_labs_give_the_same_claims_with_and_without_a_cluster(cluster, tmp_path):
    address, workers = cluster
    hash = lambda said: re.findall(r"claims hash \(solved, smoke\): (\w+)", said)
    words = ["--edition", "solved", "--build"]
    running = run(*words, tmp_path / "far", "--dask", address)
    kernels = one_is_killed(workers, lambda: len(list((tmp_path / "far/labs").rglob("*.result.json"))) > 2)
    said, _ = running.communicate(timeout=3000)
    assert running.returncode == 0 and "begun anew" in said, said
    here = run(*words, tmp_path / "near")
    assert hash(said) == hash(here.communicate(timeout=3000)[0]) != []
    assert psutil.wait_procs(kernels, timeout=5)[1] == []

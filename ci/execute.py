"""Execute one notebook in a process of its own, and say everything that went wrong: `python -m ci.execute JOB.json`.

The process prints one JSON line per event (cell started, cell done) and leaves two files: the executed notebook and
its result. What is wrong is judged from exceptions and outputs, never from papermill's metadata, which after a time-out
or a dead kernel still says that all cells completed.
"""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat
import papermill
import psutil
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from ci.checks import ANSI, judge_claims, output_failures, unfinished, widget_failures
from ci.result import Failure, Result, first_line, write_text
from seqlab.course import claims

TAG = "runner"
PRELUDE = """import warnings
warnings.filterwarnings("default", module=r"(seqlab|kernels)(\\.|$)")
warnings.filterwarnings("default", module="__main__")"""
SWEEP = """import sys
if "ipywidgets" in sys.modules:
    from seqlab.widgets.contract import sweep
    sweep()"""


@dataclass
class Job:
    """One notebook to execute. The kernel works in `folder`; `scratch` is short-lived; the parent owns both."""

    source: str
    lab: str
    edition: str
    mode: str
    seed: int
    target: str
    result: str
    folder: str
    scratch: str
    claims: str | None
    digest: str
    cell_timeout: float
    max_kb: float


class ReportingEngine(Engine):
    """Papermill's own engine, which tells the parent process what it does and keeps hold of the kernel."""

    notebook: nbformat.NotebookNode | None = None  # what has run so far, outputs included
    kernel: subprocess.Popen | None = None
    peak: int = 0  # bytes

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, start_timeout=60, execution_timeout=None, **options):
        cell_start, cell_complete = nb_man.cell_start, nb_man.cell_complete
        options = {key: value for key, value in options.items() if key in ("config", "store_widget_state")}
        started = {}
        cls.notebook = nb_man.nb

        def start(cell, cell_index=None, **more):
            if cls.kernel is None and (process := getattr(client.km.provisioner, "process", None)):
                cls.kernel = process
                threading.Thread(target=cls.watch, args=(process.pid,), daemon=True).start()
            started[cell_index] = time.perf_counter()
            say(event="start", cell=cell.metadata.get("source_index"))
            return cell_start(cell, cell_index, **more)

        def complete(cell, cell_index=None, **more):
            if cell_index in started and "source_index" in cell.metadata:
                say(
                    event="done",
                    cell=cell.metadata["source_index"],
                    seconds=time.perf_counter() - started.pop(cell_index),
                )
            return cell_complete(cell, cell_index, **more)

        nb_man.cell_start, nb_man.cell_complete = start, complete
        client = PapermillNotebookClient(
            nb_man, timeout=execution_timeout, startup_timeout=start_timeout, kernel_name=kernel_name, **options
        )
        return client.execute()

    @classmethod
    def watch(cls, pid: int) -> None:
        """Keep the largest memory that the kernel had; for the message, should it be killed."""
        try:
            process = psutil.Process(pid)
            while True:
                cls.peak = max(cls.peak, process.memory_info().rss)
                time.sleep(0.1)
        except psutil.Error:
            return


papermill_engines.register("reporting", ReportingEngine)
_events: list[dict] = []


def say(**event: object) -> None:
    """Tell the parent process, and remember."""
    _events.append(event)
    print(json.dumps(event), flush=True)


def run(job: Job) -> Result:
    """Execute, check, and write both files; the result is also returned."""
    result = Result(job.lab, job.edition, job.mode, job.seed, digest=job.digest)
    source = nbformat.read(job.source, as_version=4)
    started = time.perf_counter()
    executed = None
    try:
        prepared = prepare(source, job.edition)
        executed = _papermill(prepared, job, result)
    except Exception as error:  # the edition could not be made, or papermill itself failed
        result.failures.append(Failure("runner", f"{type(error).__name__}: {error}"))
    result.seconds = time.perf_counter() - started
    result.cells = [
        {"cell": event["cell"], "line": first_line(source.cells[event["cell"]]), "seconds": round(event["seconds"], 3)}
        for event in _events
        if event["event"] == "done"
    ]
    if executed is not None:
        finish(executed, source, job, result)
    result.ok = not result.failures
    result.write(Path(job.result))
    return result


def prepare(source: nbformat.NotebookNode, edition: str) -> nbformat.NotebookNode:
    """The edition to run, its cells numbered as in git, between a prelude and a sweep over all controls."""
    if edition == "solved":
        from seqlab.course import editions  # brings torch along

        source = editions.solve(source)
    notebook = copy.deepcopy(source)
    for index, cell in enumerate(notebook.cells):
        cell.metadata["source_index"] = index
    for position, code in ((0, PRELUDE), (len(notebook.cells) + 1, SWEEP)):
        cell = nbformat.v4.new_code_cell(code, metadata={"tags": [TAG]})
        notebook.cells.insert(position, cell)
    return notebook


def _papermill(prepared: nbformat.NotebookNode, job: Job, result: Result) -> nbformat.NotebookNode:
    """Run papermill and turn what it raises into failures."""
    tagged = any("parameters" in cell.metadata.get("tags", ()) for cell in prepared.cells)
    scratch = Path(job.scratch)
    _use_this_interpreter(scratch)
    before, after = scratch / "in.ipynb", scratch / "out.ipynb"
    nbformat.write(prepared, before)
    try:
        papermill.execute_notebook(
            before,
            after,
            {"mode": job.mode, "seed": job.seed} if tagged else {},
            engine_name="reporting",
            kernel_name="python3",
            language="python",
            progress_bar=False,
            cwd=job.folder,
            request_save_on_cell_execute=False,
            execution_timeout=job.cell_timeout,
            config=Config({"KernelManager": {"transport": "tcp" if os.name == "nt" else "ipc"}}),
        )
    except PapermillExecutionError as error:
        result.failures.append(_exception(error, prepared))
    except CellTimeoutError:
        result.failures.append(
            _at_running_cell("time limit", f"the cell ran longer than {job.cell_timeout:g} s", prepared)
        )
    except DeadKernelError:
        result.failures.append(_at_running_cell("dead kernel", _how_it_died(), prepared))
    return ReportingEngine.notebook or prepared


def _use_this_interpreter(scratch: Path) -> None:
    """Make `python3` mean the interpreter that runs this file, whatever kernels the user has installed."""
    spec = scratch / "share" / "kernels" / "python3"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"}))
    os.environ.update(
        JUPYTER_PATH=str(scratch / "share"), JUPYTER_RUNTIME_DIR=str(scratch / "run"), SEQLAB_CI="1", PYTHONHASHSEED="0"
    )
    os.environ.pop("SEQLAB_PROGRESS", None)
    os.environ["IPYTHONDIR"] = str(scratch / "ipython")


def _exception(error: PapermillExecutionError, prepared: nbformat.NotebookNode) -> Failure:
    text = ANSI.sub("", f"{error.ename}: {error.evalue}").strip()
    if error.source.strip() == SWEEP:
        return Failure("widget callback", text)
    return _at_running_cell("exception", f"{text}\n{ANSI.sub('', chr(10).join(error.traceback))[-3000:]}", prepared)


def _at_running_cell(kind: str, text: str, prepared: nbformat.NotebookNode) -> Failure:
    index = next((event["cell"] for event in reversed(_events) if event["event"] == "start"), None)
    if index is None:
        return Failure(kind, text)
    cell = next(cell for cell in prepared.cells if cell.metadata.get("source_index") == index)
    return Failure(kind, text, index, first_line(cell))


def _how_it_died() -> str:
    """How the kernel ended: the signal or exit code, and what that usually means."""
    code = ReportingEngine.kernel.poll() if ReportingEngine.kernel else None
    if code is not None and code < 0:
        guess = ", probably because memory ran out" if code == -9 else ""
        return f"the kernel was killed by signal {-code}{guess}; it had up to {ReportingEngine.peak / 1e6:.0f} MB"
    return f"the kernel ended with exit code {code}" if code is not None else "the kernel is gone"


def finish(executed: nbformat.NotebookNode, source: nbformat.NotebookNode, job: Job, result: Result) -> None:
    """Check outputs, claims and size, and write the notebook without what the runner added."""
    if not result.failures:
        result.failures += unfinished(executed)
    ran_to_its_end = not result.failures
    result.failures += output_failures(executed)
    result.failures += widget_failures(executed)
    executed.metadata.pop("widgets", None)
    cells = [
        cell
        for cell in executed.cells
        if "source_index" in cell.metadata or "injected-parameters" in cell.metadata.get("tags", ())
    ]
    executed.cells = cells
    for cell in cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
    executed.metadata.pop("papermill", None)
    records = claims.records_in(executed)
    expectations = claims.load_expectations(job.claims)
    result.sources = {id: e.source for id, e in expectations.items() if e.source}
    result.claims, failures = judge_claims(records, expectations, result, executed)
    result.failures += failures if ran_to_its_end else []
    for number, cell in enumerate((cell for cell in cells if cell.cell_type == "code" and cell.execution_count), 1):
        cell.execution_count = number
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = number
    places = [(cell.metadata.pop("source_index", None), first_line(cell)) for cell in cells]
    text = nbformat.writes(executed) + "\n"
    result.kilobytes = round(len(text.encode()) / 1000, 1)
    if result.kilobytes > job.max_kb:
        largest = max(range(len(cells)), key=lambda at: len(json.dumps(cells[at].get("outputs", []))))
        size = f"the executed notebook has {result.kilobytes:.0f} kB, allowed are {job.max_kb:g}"
        result.failures.append(Failure("size", f"{size}; most of it comes from here", *places[largest]))
    write_text(Path(job.target), text)


if __name__ == "__main__":
    run(Job(**json.loads(Path(sys.argv[1]).read_text())))

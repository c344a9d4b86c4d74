"""Execute one notebook, and say everything that went wrong.

What is wrong is judged from exceptions and outputs, never from papermill's metadata, which after a time-out or a dead
kernel still says that all cells completed.
"""

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import papermill
import psutil
from ipykernel.kernelspec import write_kernel_spec
from jupyter_core.utils import ensure_event_loop
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from ci import lint
from ci.checks import (
    ANSI,
    TOLD,
    cell_of_widget,
    crowded,
    judge_claims,
    output_failures,
    shorten,
    unfinished,
    widget_failures,
)
from ci.result import Failure, Result, first_line, write_text
from ci.teaching import NOT_YET
from ci.watch import TOKEN, end
from seqlab.course import claims

TAG = "runner"
PRELUDE = f"""def prelude(shell=get_ipython()):
    import logging, sys, warnings
    warnings.filterwarnings("default", module=r"(seqlab|kernels)(\\.|$)")
    warnings.filterwarnings("default", module="__main__")

    def tell(what):
        logged.told.append("{TOLD} " + what.replace("\\n", " / "))
        print(logged.told[-1], file=sys.stderr)

    def logged(*told, make=logging.getLogRecordFactory(), **more):
        record = make(*told, **more)
        if record.levelno >= logging.ERROR:
            tell(f"{{record.name}} logged an error: {{record.getMessage()}}")
        return record

    def system(line, run=shell.system):
        run(line)
        if code := shell.user_ns.get("_exit_code"):
            tell(f"!{{line}} ended with exit code {{code}}")

    logged.told = []
    logging.setLogRecordFactory(logged)
    shell.system = system

prelude()
del prelude"""
SWEEP = """import gc, logging, os, sys
gc.collect()  # a task that failed and that nobody awaited says so when it goes
print(*logging.getLogRecordFactory().told, sep="\\n", file=sys.stderr)  # once more what was told between cells
if "ipywidgets" in sys.modules:
    from seqlab.widgets.contract import sweep
    if os.environ.get("SEQLAB_FILMS"):
        from seqlab.widgets.film import shoot
        shoot(os.environ["SEQLAB_FILMS"])
    sweep()"""


@dataclass(frozen=True)
class Job:
    """One notebook to execute in one edition, the rest as chosen on the command line. `scratch` is short-lived."""

    source: Path
    edition: str
    chosen: argparse.Namespace
    digest: str
    scratch: Path

    @property
    def notebook(self) -> Path:
        """Where the executed notebook goes."""
        return self.chosen.build / "labs" / f"{self.edition}-{self.chosen.mode}" / self.source.name

    @property
    def result(self) -> Path:
        return self.notebook.with_suffix(".result.json")

    @property
    def films(self) -> Path:
        """What its widgets show, for pages where they move without a kernel."""
        return self.notebook.with_suffix(".films.json")

    @property
    def folder(self) -> Path:
        """Where the kernel works."""
        return self.notebook.parent / "cwd" / self.source.stem


def environment(room: Path) -> dict[str, str]:
    """For all kernels: `python3` means the interpreter that runs this file, whatever kernels the user has installed."""
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    write_kernel_spec(room / "share" / "kernels" / "python3", overrides={"argv": argv})
    return {
        "JUPYTER_PATH": str(room / "share"),
        "JUPYTER_RUNTIME_DIR": str(room / "run"),
        "IPYTHONDIR": str(room / "ipython"),
        "SEQLAB_CI": "1",
        "SEQLAB_PROGRESS": "",
        "PYTHONHASHSEED": "0",
    }


class ReportingEngine(Engine):
    """Papermill's engine, in the hands of an `Execution`."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, execution, **options):
        execution.start(nb_man, kernel_name)


papermill_engines.register("reporting", ReportingEngine)


def prepare(notebook: nbformat.NotebookNode, edition: str) -> nbformat.NotebookNode:
    """The edition to run, its cells numbered as in git, between a prelude and a sweep over all controls."""
    if edition == "solved":
        from seqlab.course import editions  # brings torch along

        notebook = editions.solve(notebook)
    for index, cell in enumerate(notebook.cells):
        cell.metadata["source_index"] = index
    for position, code in ((0, PRELUDE), (len(notebook.cells) + 1, SWEEP)):
        cell = nbformat.v4.new_code_cell(code, metadata={"tags": [TAG]})
        notebook.cells.insert(position, cell)
    return notebook


class Execution:
    """One job on its way. tell: what is called with the place at the start of each cell."""

    def __init__(self, job: Job, tell: Callable[[str], None]):
        self.job, self.tell, self.late, self.peak = job, tell, False, 0
        self.client: Any = None
        self.kernel: Any = None  # the process
        self.cell: Any = None  # of the source, the last that was started
        self.notebook: Any = None  # what has run so far, outputs included

    def run(self) -> Result:
        """Execute, check, and write the executed notebook."""
        chosen, started = self.job.chosen, time.perf_counter()
        result = Result(self.job.source.stem, self.job.edition, chosen.mode, chosen.seed, digest=self.job.digest)
        try:
            if broken := lint.damage(self.job.source):
                result.failures.append(Failure("damaged", broken))
            else:
                self._papermill(prepare(nbformat.read(self.job.source, as_version=4), self.job.edition), result)
                result.seconds = time.perf_counter() - started
                self._finish(result)
        except Exception as error:  # the edition could not be made, or a fault of the runner: no success
            result.failures.append(Failure("runner", f"{type(error).__name__}: {error}"))
        result.ok = not result.failures
        return result

    def _papermill(self, prepared: nbformat.NotebookNode, result: Result) -> None:
        """Run papermill and turn what it raises into failures."""
        chosen = self.job.chosen
        tagged = any("parameters" in cell.metadata.get("tags", ()) for cell in prepared.cells)
        before = self.job.scratch / "in.ipynb"
        nbformat.write(prepared, before)
        self.notebook = prepared
        try:
            papermill.execute_notebook(
                before,
                None,
                {"mode": chosen.mode, "seed": chosen.seed} if tagged else {},
                engine_name="reporting",
                kernel_name="python3",
                language="python",
                progress_bar=False,
                request_save_on_cell_execute=False,
                execution=self,
            )
        except PapermillExecutionError as error:
            text = ANSI.sub("", f"{error.ename}: {error.evalue}").strip()
            if error.ename == "CellExecutionError":  # what IPython tells on stderr alone: a magic's usage, a group
                streams = (out.text for out in self.cell.get("outputs", ()) if out.get("name") == "stderr")
                text = ANSI.sub("", "".join(streams)).strip()[-2000:] or text
            more = f"\n{ANSI.sub('', chr(10).join(error.traceback))[-3000:]}"
            if error.source.strip() == SWEEP:
                result.failures.append(Failure("widget callback", text, *cell_of_widget(text, self.notebook)))
            else:
                result.failures.append(self._at_running_cell("exception", text + more))
        except CellTimeoutError:
            words = f"the cell ran longer than {chosen.cell_timeout:g} s"
            result.failures.append(self._at_running_cell("time limit", words))
        except DeadKernelError:
            words = f"the notebook ran longer than {chosen.total_timeout:g} s"
            late, dead = ("time limit", words), ("dead kernel", self._how_it_died())
            result.failures.append(self._at_running_cell(*(late if self.late else dead)))

    def start(self, nb_man: Any, kernel_name: str) -> None:
        """What the engine does: papermill's own client, in a kernel that carries the job's token."""
        self.notebook, cell_start = nb_man.nb, nb_man.cell_start
        total = sum("source_index" in cell.metadata for cell in nb_man.nb.cells)

        def begin(cell, cell_index=None, **more):
            if self.kernel is None:
                self.kernel = self.client.km.provisioner.process
                threading.Thread(target=self._watch, daemon=True).start()
            if "source_index" in cell.metadata:
                self.cell = cell
                self.tell(f"cell {cell.metadata.source_index} of {total}")
            return cell_start(cell, cell_index, **more)

        nb_man.cell_start = begin
        config = Config({"KernelManager": {"transport": "ipc", "ip": str(self.job.scratch / "kernel")}})
        timeout = self.job.chosen.cell_timeout
        self.client = PapermillNotebookClient(nb_man, timeout=timeout, kernel_name=kernel_name, config=config)
        with (self.job.scratch / "kernel.log").open("w") as log:  # what does not come through messages
            films = str(self.job.films.resolve()) if self.job.chosen.films else ""
            marked = os.environ | {TOKEN: str(self.job.scratch), "SEQLAB_FILMS": films}
            try:
                self.client.execute(env=marked, cwd=str(self.job.folder), stdout=log, stderr=log)
            finally:
                ensure_event_loop().close()  # the one of this thread, which the client has opened

    def _watch(self) -> None:
        """Keep the largest memory that the kernel had, and end it when the notebook's time is over."""
        process, started = psutil.Process(self.kernel.pid), time.monotonic()
        with suppress(psutil.Error):
            while not self.late:
                self.peak = max(self.peak, process.memory_info().rss)
                self.late = time.monotonic() - started > self.job.chosen.total_timeout
                time.sleep(0.1)
            end(self.job.scratch)

    def _at_running_cell(self, kind: str, text: str) -> Failure:
        return Failure(
            kind, text, *(() if self.cell is None else (self.cell.metadata.source_index, first_line(self.cell)))
        )

    def _how_it_died(self) -> str:
        """How the kernel ended: the signal or exit code, and what that usually means."""
        code = self.kernel.poll() if self.kernel else None
        if code is None or code >= 0:
            return "the kernel is gone" if code is None else f"the kernel ended with exit code {code}"
        guess = ", probably because memory ran out" if code == -9 else ""
        return f"the kernel was killed by signal {-code}{guess}; it had up to {self.peak / 1e6:.0f} MB"

    def _finish(self, result: Result) -> None:
        """Check outputs, claims and size, and write the notebook without what the runner added."""
        executed, chosen = self.notebook, self.job.chosen
        if not result.failures:
            result.failures += unfinished(executed)
        ran_to_its_end = not result.failures
        result.failures += output_failures(executed, {failure.cell for failure in result.failures})
        result.failures += widget_failures(executed)
        executed.metadata.pop("widgets", None)
        executed.metadata.pop("papermill", None)
        cells = [cell for cell in executed.cells if TAG not in cell.metadata.get("tags", ())]
        executed.cells = cells
        for cell in cells:
            cell.metadata.pop("execution", None)
            took = cell.metadata.pop("papermill", {}).get("duration")
            if took is not None and "source_index" in cell.metadata:
                at = {"cell": cell.metadata.source_index, "line": first_line(cell)}
                result.cells.append(at | {"seconds": round(took, 3)})
        result.failures += [] if self.job.source.stem[:2] in NOT_YET else crowded(executed)
        records = claims.records_in(executed)
        expectations = claims.load_expectations(chosen.claims)
        result.sources = {id: e.source for id, e in expectations.items() if e.source}
        result.claims, failures = judge_claims(records, expectations, result, executed)
        result.failures += failures if ran_to_its_end else []
        for number, cell in enumerate((cell for cell in cells if cell.cell_type == "code" and cell.execution_count), 1):
            cell.execution_count = number
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = number
        places = [(cell.metadata.pop("source_index", None), first_line(cell)) for cell in cells]
        result.kilobytes = round(len(nbformat.writes(executed).encode(errors="replace")) / 1000, 1)
        if result.kilobytes > chosen.max_kb:
            largest = max(range(len(cells)), key=lambda at: len(json.dumps(cells[at].get("outputs", []))))
            size = f"the executed notebook has {result.kilobytes:.0f} kB, allowed are {chosen.max_kb:g}"
            result.failures.append(Failure("size", f"{size}; most of it comes from here", *places[largest]))
            shorten(executed, int(1000 * chosen.max_kb))
        write_text(self.job.notebook, nbformat.writes(executed) + "\n")

"""Execute one notebook in a process of its own, and say everything that went wrong: `python -m ci.execute JOB.json`.

The process prints one JSON line per event (cell started, cell done) and leaves two files: the executed notebook and
its result. What is wrong is judged from exceptions and outputs, never from papermill's metadata, which after a time-out
or a dead kernel still says that all cells completed.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import nbformat
import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from seqlab.course import claims, editions

TAG = "runner"
PRELUDE = """import warnings
warnings.filterwarnings("default", module=r"(seqlab|kernels)(\\.|$)")
warnings.filterwarnings("default", module="__main__")"""
SWEEP = """import sys
if "ipywidgets" in sys.modules:
    from seqlab.widgets.contract import sweep
    sweep()"""
OWN_WARNING = re.compile(r"(?:\b(?:seqlab|kernels|ci)/\S+\.py|ipykernel_\d+/\S+\.py|<ipython-input[^>]*>):\d+: (\w*Warning: .*)")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Failure:
    """One thing that is wrong. `cell` is the index in the source notebook, None where no cell is to blame."""

    kind: str
    text: str
    cell: int | None = None
    line: str = ""

    def __str__(self) -> str:
        place = f"cell {self.cell} ({self.line}): " if self.cell is not None else ""
        return f"{place}{self.kind}: {self.text}"


@dataclass
class Result:
    """What became of one notebook in one edition and mode."""

    lab: str
    edition: str
    mode: str
    seed: int
    ok: bool = False
    seconds: float = 0.0
    kilobytes: float = 0.0
    digest: str = ""
    cells: list[dict] = field(default_factory=list)
    claims: list[dict] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def write(self, path: Path) -> None:
        write_text(path, json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> Result:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**stored, "failures": [Failure(**failure) for failure in stored["failures"]]})


@dataclass
class Job:
    """One notebook to execute. `folder` is the kernel's working directory, `scratch` a short-lived place; the parent owns both."""

    source: str
    lab: str
    edition: str
    mode: str
    seed: int
    target: str
    result: str
    folder: str
    scratch: str
    claims: str
    digest: str
    cell_timeout: float
    max_kb: float


def write_text(path: Path, text: str) -> None:
    """Write `path` in one step: the old content or the new, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


class ReportingEngine(Engine):
    """Papermill's own engine, which tells the parent process what it does and keeps hold of the kernel."""

    client: PapermillNotebookClient | None = None

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, start_timeout=60, execution_timeout=None, **options):
        cell_start, cell_complete = nb_man.cell_start, nb_man.cell_complete
        options = {key: value for key, value in options.items() if key in ("config", "store_widget_state")}
        started = {}

        def start(cell, cell_index=None, **more):
            started[cell_index] = time.perf_counter()
            say(event="start", cell=cell.metadata.get("source_index"))
            return cell_start(cell, cell_index, **more)

        def complete(cell, cell_index=None, **more):
            if cell_index in started and "source_index" in cell.metadata:
                say(event="done", cell=cell.metadata["source_index"], seconds=time.perf_counter() - started.pop(cell_index))
            return cell_complete(cell, cell_index, **more)

        nb_man.cell_start, nb_man.cell_complete = start, complete
        cls.client = PapermillNotebookClient(
            nb_man, timeout=execution_timeout, startup_timeout=start_timeout, kernel_name=kernel_name, **options
        )
        return cls.client.execute()


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
    notebook = editions.solve(source) if edition == "solved" else nbformat.from_dict(source)
    notebook = nbformat.from_dict(notebook)
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
            before, after, {"mode": job.mode, "seed": job.seed} if tagged else {}, engine_name="reporting", kernel_name="python3",
            progress_bar=False, cwd=job.folder, request_save_on_cell_execute=False, execution_timeout=job.cell_timeout,
            config=Config({"KernelManager": {"transport": "tcp" if os.name == "nt" else "ipc"}}),
        )  # fmt: skip
    except PapermillExecutionError as error:
        result.failures.append(_exception(error, prepared))
    except CellTimeoutError:
        result.failures.append(_at_running_cell("time limit", f"the cell ran longer than {job.cell_timeout:g} s", prepared))
    except DeadKernelError:
        result.failures.append(_at_running_cell("dead kernel", _how_it_died(), prepared))
    return nbformat.read(after, as_version=4)


def _use_this_interpreter(scratch: Path) -> None:
    """Make `python3` mean the interpreter that runs this file, whatever kernels the user has installed."""
    spec = scratch / "share" / "kernels" / "python3"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"}))
    os.environ.update(JUPYTER_PATH=str(scratch / "share"), JUPYTER_RUNTIME_DIR=str(scratch / "run"), SEQLAB_CI="1", PYTHONHASHSEED="0")
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
    process = getattr(getattr(getattr(ReportingEngine.client, "km", None), "provisioner", None), "process", None)
    code = process.poll() if process is not None else None
    if code is not None and code < 0:
        guess = ", as when memory runs out" if code == -9 else ""
        return f"the kernel was killed by signal {-code}{guess}"
    return f"the kernel ended with exit code {code}" if code is not None else "the kernel is gone"


def finish(executed: nbformat.NotebookNode, source: nbformat.NotebookNode, job: Job, result: Result) -> None:
    """Check outputs, claims and size, and write the notebook without what the runner added."""
    ran_to_its_end = not result.failures
    result.failures += output_failures(executed)
    state = executed.metadata.pop("widgets", {})
    result.failures += widget_failures(state)
    cells = [cell for cell in executed.cells if "source_index" in cell.metadata or "injected-parameters" in cell.metadata.get("tags", ())]
    executed.cells = cells
    for cell in cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
    executed.metadata.pop("papermill", None)
    records = claims.records_in(executed)
    expectations = {id: e for id, e in claims.load_expectations(job.claims).items()} if Path(job.claims).exists() else {}
    result.claims, failures = judge_claims(records, expectations, job, executed)
    result.failures += failures if ran_to_its_end else []
    for number, cell in enumerate((cell for cell in cells if cell.cell_type == "code" and cell.execution_count), 1):
        cell.execution_count = number
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = number
    for cell in cells:
        cell.metadata.pop("source_index", None)
    text = nbformat.writes(executed) + "\n"
    result.kilobytes = round(len(text.encode()) / 1000, 1)
    if result.kilobytes > job.max_kb:
        largest = max(range(len(cells)), key=lambda at: len(json.dumps(cells[at].get("outputs", []))))
        result.failures.append(
            Failure("size", f"the executed notebook has {result.kilobytes:.0f} kB, allowed are {job.max_kb:g}; most of it comes from the cell “{first_line(cells[largest])}”")
        )
    write_text(Path(job.target), text)


def output_failures(executed: nbformat.NotebookNode) -> list[Failure]:
    """Warnings of our own code, and tracebacks on stderr, where errors of callbacks end up."""
    failures = []
    for cell in executed.cells:
        for output in cell.get("outputs", ()):
            if output.output_type != "stream" or output.name != "stderr":
                continue
            place = (cell.metadata.get("source_index"), first_line(cell))
            failures += [Failure("warning", match, *place) for match in dict.fromkeys(OWN_WARNING.findall(output.text))]
            if "Traceback (most recent call last)" in output.text:
                failures.append(Failure("widget callback", ANSI.sub("", output.text)[-2000:], *place))
    return failures


def widget_failures(state: dict) -> list[Failure]:
    """Errors that Output widgets (`interactive`, `@output.capture()`) caught and showed."""
    models = state.get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
    outputs = (output for model in models.values() for output in model.get("state", {}).get("outputs", ()) or ())
    return [Failure("widget callback", ANSI.sub("", f"{o['ename']}: {o['evalue']}")) for o in outputs if o.get("output_type") == "error"]


def judge_claims(records: list[dict], expectations: dict, job: Job, executed: nbformat.NotebookNode) -> tuple[list[dict], list[Failure]]:
    """The report's entries for one notebook, and what is missing, unlisted, misplaced or out of bounds."""
    entries, failures, made = {}, [], set()
    for record in records:
        id, value = record["id"], record["value"]
        cell = executed.cells[record["cell"]]
        place = (cell.metadata.get("source_index"), first_line(cell))
        made.add(id)
        expectation = expectations.get(id)
        if expectation is None or expectation.lab != job.lab:
            where = "not in the claims file" if expectation is None else f"listed for {expectation.lab}"
            failures.append(Failure("claim", f"{id} is stated here and {where}", *place))
            entries[id] = _entry(job, id, "", value, "", None, False)
            continue
        judgement = expectation.judge(float(value), job.mode)
        entries[id] = _entry(job, id, expectation.statement, value, expectation.expected(job.mode), judgement.margin, judgement.ok)
        if not judgement.ok:
            failures.append(Failure("claim", f"{id} is {value}, expected {expectation.expected(job.mode)} (margin {judgement.margin:.3g})", *place))
    for id, expectation in expectations.items():
        if expectation.lab == job.lab and id not in made:
            failures.append(Failure("claim", f"{id} is in the claims file and was never stated"))
            entries[id] = _entry(job, id, expectation.statement, None, expectation.expected(job.mode), None, False)
    return list(entries.values()), failures


def _entry(job: Job, id: str, statement: str, value: object, expected: str, margin: float | None, ok: bool) -> dict:
    finite = margin is not None and abs(margin) != float("inf")
    return dict(lab=job.lab, edition=job.edition, id=id, statement=statement, value=value, expected=expected, margin=margin if finite else None, ok=ok)


def first_line(cell: nbformat.NotebookNode) -> str:
    """The first line of a cell that says something, shortened."""
    line = next((line.strip() for line in cell.source.split("\n") if line.strip()), "")
    return line if len(line) <= 60 else line[:57] + "…"


if __name__ == "__main__":
    run(Job(**json.loads(Path(sys.argv[1]).read_text())))

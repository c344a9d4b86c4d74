"""Execute the labs and check what they state: `python -m ci.run_labs [LAB…] --mode smoke --edition both --jobs 2`

LAB is a slug, a number or a path; none means all. Each notebook runs in a process of its own, with a limit per cell and
one for the whole notebook. Executed notebooks and results go to build/, the report to build/report/. Interrupting loses
nothing that had finished, and --resume skips what is done and unchanged. Exit code: 0 all well, 1 something failed,
2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TextIO

import psutil

from ci import lint, report
from ci.execute import Job
from ci.result import Failure, Result, claims_hash
from seqlab.course.claims import MODES, load_expectations
from seqlab.course.rooms import lab_files

ROOT = Path(__file__).parents[1]
TOKEN = "SEQLAB_RUN"


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m ci.run_labs", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labs", nargs="*", metavar="LAB")
    parser.add_argument("--mode", choices=MODES, default="smoke")
    parser.add_argument("--edition", choices=("open", "solved", "both"), default="both")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--resume", action="store_true", help="skip notebooks whose last result is good and whose inputs are unchanged"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--claims", type=Path, help="a claims file instead of those of the rooms")
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--cell-timeout", type=float, metavar="S", help="per cell; 300, in full mode 3600")
    parser.add_argument("--total-timeout", type=float, metavar="S", help="per notebook; 900, in full mode 10800")
    parser.add_argument("--max-kb", type=float, default=400)
    chosen = parser.parse_args(argv)
    slow = chosen.mode == "full"
    chosen.cell_timeout = chosen.cell_timeout or (3600 if slow else 300)
    chosen.total_timeout = chosen.total_timeout or (10800 if slow else 900)
    if chosen.jobs < 1:
        parser.error(f"--jobs: got {chosen.jobs}, wanted at least 1")
    try:
        chosen.paths = [find(name) for name in chosen.labs] or lab_files(ROOT / "labs")
    except ValueError as error:
        parser.error(str(error))
    try:
        load_expectations(chosen.claims)
    except (OSError, ValueError) as error:
        parser.error(f"--claims: {error}")
    return chosen


def find(name: str) -> Path:
    """The notebook that `name` means: a path, a slug such as 01_names_by_attention, or a number such as 01."""
    known = lab_files(ROOT / "labs")
    if name.endswith(".ipynb") and Path(name).exists():
        return Path(name).resolve()
    hits = [path for path in known if path.stem == name or path.stem.split("_")[0] == name.zfill(2)]
    if not hits:
        names = ", ".join(path.stem for path in known)
        raise ValueError(f"LAB: there is no lab {name!r}; choose from {names}, or give the path of a notebook")
    return hits[0]


def job_for(path: Path, edition: str, chosen: argparse.Namespace) -> Job:
    place = chosen.build / "labs" / f"{edition}-{chosen.mode}"
    return Job(
        source=str(path),
        lab=path.stem,
        edition=edition,
        mode=chosen.mode,
        seed=chosen.seed,
        target=str((place / path.name).resolve()),
        result=str((place / f"{path.stem}.result.json").resolve()),
        folder=str((place / "cwd" / path.stem).resolve()),
        scratch="",
        claims=str(chosen.claims.resolve()) if chosen.claims else None,
        digest=digest(path, edition, chosen),
        cell_timeout=chosen.cell_timeout,
        max_kb=chosen.max_kb,
    )


def digest(path: Path, edition: str, chosen: argparse.Namespace) -> str:
    """Of everything that decides the result: notebook, library, claims, and how it is run."""
    content = hashlib.sha256(f"{edition} {chosen.mode} {chosen.seed} {chosen.max_kb}".encode())
    library = (
        file
        for package in ("seqlab", "kernels")
        for file in sorted((ROOT / package).rglob("*"))
        if "__pycache__" not in file.parts
    )
    runner = (ROOT / "ci" / name for name in ("execute.py", "checks.py", "lint.py"))
    for file in [path, *filter(None, [chosen.claims]), *runner, *library]:
        content.update(file.read_bytes() if file.is_file() else b"")
    return content.hexdigest()[:16]


class Runner:
    """Runs jobs, `jobs` at a time, each as a child process that it watches."""

    def __init__(self, chosen: argparse.Namespace):
        self.chosen, self.results, self.lock = chosen, [], threading.Lock()
        self.children: set[subprocess.Popen] = set()
        self.stopping = threading.Event()

    def run(self, jobs: list[Job]) -> list[Result]:
        """All results, in the order in which they came; raises KeyboardInterrupt after cleaning up."""
        with ThreadPoolExecutor(self.chosen.jobs) as pool:
            waiting = [pool.submit(self._safely, job) for job in jobs]
            try:
                wait(waiting)
            except KeyboardInterrupt:
                self.stopping.set()
                pool.shutdown(wait=False, cancel_futures=True)
                for child in list(self.children):
                    kill(child)
                raise
        return self.results

    def _safely(self, job: Job) -> None:
        try:
            result = self._one(job)
        except Exception as error:  # a fault of the runner must not look like success
            result = self._failed(job, "runner", f"{type(error).__name__}: {error}")
        if result is not None:
            self.results.append(result)

    def _one(self, job: Job) -> Result | None:
        stored = Path(job.result)
        if self.chosen.resume and (old := self._unchanged(stored, job)):
            self._tell(job, f"unchanged, {len(old.claims)} claims")
            return old
        stored.unlink(missing_ok=True)
        if broken := lint.damage(Path(job.source)):
            self._tell(job, "FAILED, not run")
            return self._failed(job, "damaged", broken)
        shutil.rmtree(job.folder, ignore_errors=True)
        Path(job.folder).mkdir(parents=True)
        with tempfile.TemporaryDirectory(prefix="seqlab-") as scratch:
            return self._watched(replace(job, scratch=scratch), stored)

    def _watched(self, job: Job, stored: Path) -> Result | None:
        """One child process: its events to the terminal, its end within the limit, its result checked once more."""
        scratch, started, places = Path(job.scratch), time.monotonic(), deque(["starting"], maxlen=1)
        (scratch / "job.json").write_text(json.dumps(asdict(job)))
        with open(scratch / "errors.txt", "w") as errors:
            child = subprocess.Popen(
                [sys.executable, "-m", "ci.execute", str(scratch / "job.json")],
                cwd=ROOT,
                env={**os.environ, TOKEN: job.scratch},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        self.children.add(child)
        reader = threading.Thread(target=self._follow, args=(child.stdout, job, started, places), daemon=True)
        reader.start()
        late = False
        try:
            child.wait(self.chosen.total_timeout)
        except subprocess.TimeoutExpired:
            late = True
            kill(child)
        self.children.discard(child)
        end_stragglers(job.scratch)  # they may hold our pipe open, too
        reader.join(5)
        if self.stopping.is_set():
            return None
        if not stored.exists() and late:
            cause = f"the notebook ran longer than {self.chosen.total_timeout:g} s, at {places[0]}"
            self._failed(job, "time limit", cause, time.monotonic() - started)
        elif not stored.exists():
            said = (scratch / "errors.txt").read_text()[-4000:]
            cause = f"the process of this notebook ended with code {child.returncode}, at {places[0]}: {said}"
            self._failed(job, "runner", cause)
        result = Result.read(stored)
        result.failures += [Failure("lint", complaint) for complaint in lint.lint(Path(job.source))]
        result.ok = not result.failures
        result.write(stored)
        verdict = "ok" if result.ok else "FAILED"
        self._tell(job, f"{verdict}, {result.good}/{len(result.claims)} claims, {result.seconds:.1f} s")
        return result

    def _follow(self, stream: TextIO, job: Job, started: float, places: deque) -> None:
        """Read a child's events, and tell the terminal where it is."""
        total = Path(job.source).read_text(encoding="utf-8").count('"cell_type"')
        with stream:
            for line in stream:
                event = json.loads(line) if line.startswith('{"event"') else {}  # a kernel's child may write here, too
                if event.get("event") == "start" and event["cell"] is not None:
                    places.append(f"cell {event['cell']} of {total}")
                    self._tell(job, f"{places[0]}  {time.monotonic() - started:.0f} s", passing=True)

    def _failed(self, job: Job, kind: str, cause: str, seconds: float = 0.0) -> Result:
        result = Result(job.lab, job.edition, job.mode, job.seed, False, seconds, failures=[Failure(kind, cause)])
        result.write(Path(job.result))
        return result

    def _unchanged(self, stored: Path, job: Job) -> Result | None:
        try:
            old = Result.read(stored)
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return old if old.ok and old.digest == job.digest and Path(job.target).exists() else None

    def _tell(self, job: Job, text: str, passing: bool = False) -> None:
        with self.lock:
            line = f"{job.lab:28} {job.edition:7} {text}"
            if sys.stdout.isatty():
                print(f"\r\033[K{line}", end="" if passing else "\n", flush=True)
            elif not passing or " cell 0 " in line or " cell 1 " in line:
                print(line, flush=True)


def kill(child: subprocess.Popen) -> None:
    """End a child process, its kernel and whatever that started."""
    try:
        parent = psutil.Process(child.pid)
        end([*parent.children(recursive=True), parent])
    except psutil.NoSuchProcess:
        return


def end_stragglers(scratch: str) -> None:
    """End what a notebook started and left running, also in a session of its own: it carries the run's token."""
    marked = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            marked += [process] if process.environ().get(TOKEN) == scratch else []
    end(marked)


def end(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, timeout=5)


def summary(results: list[Result]) -> str:
    """The closing table, the hash of the claims, and every failure in full."""
    lines = ["", f"{'lab':28} {'edition':8} {'mode':6} {'seconds':>8} {'claims':>8}  verdict"]
    for r in sorted(results, key=lambda r: (r.lab, r.edition)):
        claims, verdict = f"{r.good:>4}/{len(r.claims):<3}", "ok" if r.ok else "FAILED"
        lines.append(f"{r.lab:28} {r.edition:8} {r.mode:6} {r.seconds:8.1f} {claims}  {verdict}")
    for edition, mode in sorted({(r.edition, r.mode) for r in results}):
        lines.append(f"claims hash ({edition}, {mode}): {claims_hash(results, edition, mode)}")
    for r in results:
        lines += [f"\n{r.lab} ({r.edition}, {r.mode}): {failure}" for failure in r.failures]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    chosen = arguments(argv)
    for sign in (signal.SIGINT, signal.SIGTERM):  # a background shell starts its children with SIGINT ignored
        signal.signal(sign, signal.default_int_handler)
    editions = ("open", "solved") if chosen.edition == "both" else (chosen.edition,)
    jobs = [job_for(path, edition, chosen) for path in chosen.paths for edition in editions]
    runner, code = Runner(chosen), 0
    try:
        runner.run(jobs)
    except KeyboardInterrupt:
        code = 130
        finished = f"{len(runner.results)} of {len(jobs)} had finished and are kept"
        print(f"\nInterrupted: {finished}; --resume continues from there.")
    results = list(runner.results)
    stale = lint.stale()
    page = report.build(chosen.build)
    print(summary(results))
    print("".join(f"\nlint: {complaint}" for complaint in stale))
    print(f"report: {page}")
    return code or (1 if stale or len(results) < len(jobs) or not all(r.ok for r in results) else 0)


if __name__ == "__main__":
    sys.exit(main())

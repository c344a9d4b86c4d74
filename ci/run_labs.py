"""Execute the labs and check what they state: `python -m ci.run_labs [LAB…] --mode smoke --edition both --jobs 2`

LAB is a slug, a number or a path; none means all. Each notebook runs in a kernel of its own, with a limit per cell and
one for the whole notebook. Executed notebooks and results go to build/, the report to build/report/. Interrupting loses
nothing that had finished, and --resume skips what is done and unchanged. Exit code: 0 all well, 1 something failed,
2 wrong usage, 130 interrupted.
"""

import argparse
import hashlib
import itertools
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

from ci import lint, report
from ci.execute import Execution, Job, end, environment
from ci.result import Result, claims_hash
from seqlab.course.claims import MODES, load_expectations
from seqlab.course.rooms import lab_files

ROOT = Path(__file__).parents[1]


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
    """Runs jobs, `jobs` at a time; their kernels do the work."""

    def __init__(self, chosen: argparse.Namespace):
        self.chosen, self.results, self.lock = chosen, [], threading.Lock()
        self.stopping = threading.Event()

    def run(self, todo: list[tuple[Path, str]]) -> None:
        """Each path in its edition; raises KeyboardInterrupt after cleaning up."""
        with ExitStack() as stack:
            room = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seqlab-")))
            stack.enter_context(mock.patch.dict(os.environ, environment(room)))
            pool = stack.enter_context(ThreadPoolExecutor(self.chosen.jobs))
            waiting = [
                pool.submit(
                    self._one, Job(path, edition, self.chosen, digest(path, edition, self.chosen), room / str(at))
                )
                for at, (path, edition) in enumerate(todo)
            ]
            try:
                wait(waiting)
            except KeyboardInterrupt:
                self.stopping.set()
                pool.shutdown(wait=False, cancel_futures=True)
                end(room)
                raise
        for fault in filter(None, [job.exception() for job in waiting]):
            print(f"runner: {fault!r}")  # its notebook has no result, which is no success

    def _one(self, job: Job) -> None:
        if self.chosen.resume and (old := unchanged(job)):
            self.results.append(old)
            return self._tell(job, f"unchanged, {len(old.claims)} claims")
        job.result.unlink(missing_ok=True)
        shutil.rmtree(job.folder, ignore_errors=True)
        for folder in (job.folder, job.scratch):
            folder.mkdir(parents=True)
        started = time.monotonic()
        passing = lambda place: self._tell(job, f"{place}  {time.monotonic() - started:.0f} s", passing=True)
        result = Execution(job, passing).run()
        end(job.scratch)  # what a notebook has left running
        if self.stopping.is_set():
            return
        result.write(job.result)
        self.results.append(result)
        verdict = "ok" if result.ok else "FAILED" if result.cells else "FAILED, not run"
        self._tell(job, f"{verdict}, {result.good}/{result.tested} claims, {result.seconds:.1f} s")

    def _tell(self, job: Job, text: str, passing: bool = False) -> None:
        if self.stopping.is_set():
            raise InterruptedError
        with self.lock:
            line = f"{job.source.stem:28} {job.edition:7} {text}"
            if sys.stdout.isatty():
                print(f"\r\033[K{line}", end="" if passing else "\n", flush=True)
            elif not passing or " cell 0 " in line or " cell 1 " in line:
                print(line, flush=True)


def unchanged(job: Job) -> Result | None:
    """The last result, where it is good and nothing that decides it has changed."""
    try:
        old = Result.read(job.result)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return old if old.ok and old.digest == job.digest and job.notebook.exists() else None


def summary(results: list[Result]) -> str:
    """The closing table, the hash of the claims, and every failure in full."""
    lines = ["", f"{'lab':28} {'edition':8} {'mode':6} {'seconds':>8} {'claims':>8}  verdict"]
    for r in sorted(results, key=lambda r: (r.lab, r.edition)):
        claims, verdict = f"{r.good:>4}/{r.tested:<3}", "ok" if r.ok else "FAILED"
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
    jobs = list(itertools.product(chosen.paths, ("open", "solved") if chosen.edition == "both" else (chosen.edition,)))
    runner, code = Runner(chosen), 0
    try:
        runner.run(jobs)
    except KeyboardInterrupt:
        code = 130
        finished = f"{len(runner.results)} of {len(jobs)} had finished and are kept"
        print(f"\nInterrupted: {finished}; --resume continues from there.")
    stale = lint.stale()
    page = report.build(chosen.build)
    print(summary(runner.results))
    print("".join(f"\nlint: {complaint}" for complaint in stale))
    print(f"report: {page}")
    good = not stale and len(runner.results) == len(jobs) and all(r.ok for r in runner.results)
    return code or (0 if good else 1)


if __name__ == "__main__":
    sys.exit(main())

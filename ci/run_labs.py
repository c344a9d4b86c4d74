"""Execute the labs and check what they state: `python -m ci.run_labs [LAB…] --mode smoke --edition both --jobs 2`

LAB is a slug, a number or a path; none means all. Each notebook runs in a kernel of its own, with a limit per cell and
one for the whole notebook. Executed notebooks and results go to build/, the report to build/report/. Interrupting loses
nothing that had finished, and --resume skips what is done and unchanged. --dask ADDRESS runs them on a Dask cluster.
Exit code: 0 all well, 1 something failed, 2 wrong usage or another run on the same build folder, 130 interrupted.
"""

import argparse
import hashlib
import itertools
import os
import shutil
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

from filelock import FileLock, Timeout

from ci import lint, report
from ci.execute import Execution, Job, environment
from ci.result import Failure, Result, Run, claims_hash
from ci.watch import end, watched_room
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
        "--dask", metavar="ADDRESS", help="of a Dask scheduler; its workers do the work (ci/cluster.py)"
    )
    parser.add_argument(
        "--resume", action="store_true", help="skip notebooks whose last result is good and whose inputs are unchanged"
    )
    parser.add_argument("--films", action="store_true", help="record what the widgets show, for the book")
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
    if chosen.dask and chosen.films:
        parser.error("--films: not with --dask, whose workers bring notebooks back and nothing else")
    if chosen.dask and find_spec("distributed") is None:
        parser.error("--dask: the package distributed is missing here: pip install 'seqlab[dask]'")
    if chosen.jobs < 1:
        parser.error(f"--jobs: got {chosen.jobs}, wanted at least 1")
    try:
        chosen.paths = list(dict.fromkeys(find(name) for name in chosen.labs)) or lab_files(ROOT / "labs")
        stems = [path.stem for path in chosen.paths]
        if twice := next((stem for stem in stems if stems.count(stem) > 1), None):
            raise ValueError(f"two notebooks are called {twice}.ipynb, and results go by the name: run them one by one")
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
    """Runs jobs, `jobs` at a time; their kernels do the work, here or on the workers of a cluster."""

    def __init__(self, chosen: argparse.Namespace):
        self.chosen, self.made, self.lock = chosen, Run(), threading.Lock()
        self.stopping, self.cluster = threading.Event(), None

    def run(self, todo: list[tuple[Path, str]]) -> None:
        """Each path in its edition; raises KeyboardInterrupt after cleaning up."""
        with ExitStack() as stack:
            room = stack.enter_context(watched_room())
            stack.enter_context(mock.patch.dict(os.environ, environment(room)))
            if self.chosen.dask:
                from ci.cluster import Cluster

                self.cluster = stack.enter_context(closing(Cluster(self.chosen.dask)))
            pool = stack.enter_context(ThreadPoolExecutor(len(todo) if self.chosen.dask else self.chosen.jobs))
            waiting = [
                pool.submit(
                    self._one, Job(path, edition, self.chosen, digest(path, edition, self.chosen), room / str(at))
                )
                for at, (path, edition) in enumerate(todo)
            ]
            try:
                wait(waiting)
            except KeyboardInterrupt:
                listen(signal.SIG_IGN)  # whoever is impatient would stop the cleaning
                self.stopping.set()
                pool.shutdown(wait=False, cancel_futures=True)
                if self.cluster:
                    self.cluster.close()  # its workers end what nobody waits for
                end(room)
                raise
        for (path, edition), job in zip(todo, waiting, strict=True):
            if fault := job.exception():
                self.made.problems.append(f"{path.stem} ({edition}) has no result: {fault!r}")

    def _one(self, job: Job) -> None:
        if self.chosen.resume and (old := unchanged(job)):
            self.made.results.append(old)
            return self._tell(job, f"unchanged, {len(old.claims)} claims")
        job.result.unlink(missing_ok=True)
        shutil.rmtree(job.folder, ignore_errors=True)
        for folder in (job.folder, job.scratch):
            folder.mkdir(parents=True)
        started = time.monotonic()
        passing = lambda place: self._tell(job, f"{place}  {time.monotonic() - started:.0f} s", passing=True)
        result = self.cluster.execute(job, passing) if self.cluster else Execution(job, passing).run()
        if lint.damage(job.source) is None:  # here, where what it links to lies beside it
            result.failures += [Failure("lint", complaint) for complaint in lint.lint(job.source)]
            result.ok = not result.failures
        end(job.scratch)  # what a notebook has left running
        if self.stopping.is_set():
            return
        try:
            result.write(job.result)
        except OSError as error:  # a full disk, say; the other notebooks still get their turn
            result.failures.append(Failure("runner", f"the result cannot be kept: {error}"))
            result.ok = False
        self.made.results.append(result)
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
    needed = [job.notebook, *([job.films] if job.chosen.films else [])]
    return old if old.ok and old.digest == job.digest and all(path.exists() for path in needed) else None


def summary(run: Run) -> str:
    """The closing table, the hash of the claims, and every failure in full."""
    results = sorted(run.results, key=lambda r: (r.lab, r.edition))
    lines = ["", f"{'lab':28} {'edition':8} {'mode':6} {'seconds':>8} {'claims':>8}  verdict"]
    for r in results:
        claims, verdict = f"{r.good:>4}/{r.tested:<3}", "ok" if r.ok else "FAILED"
        lines.append(f"{r.lab:28} {r.edition:8} {r.mode:6} {r.seconds:8.1f} {claims}  {verdict}")
    for edition, mode in sorted({(r.edition, r.mode) for r in results}):
        lines.append(f"claims hash ({edition}, {mode}): {claims_hash(results, edition, mode)}")
    for r in results:
        lines += [f"\n{r.lab} ({r.edition}, {r.mode}): {said}" for said in (*r.notes, *r.failures)]
    return "\n".join([*lines, *(f"\nthe run: {problem}" for problem in run.problems)])


def listen(handler: Any) -> None:
    """What Ctrl-C, an end from outside and a closed terminal do."""
    for sign in (
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
    ):  # a background shell starts its children with SIGINT ignored
        signal.signal(sign, handler)


def main(argv: list[str] | None = None) -> int:
    chosen = arguments(argv)
    listen(signal.default_int_handler)
    with suppress(AttributeError):  # a text that no terminal can show must not hide what went wrong
        sys.stdout.reconfigure(errors="backslashreplace")
    jobs = list(itertools.product(chosen.paths, ("open", "solved") if chosen.edition == "both" else (chosen.edition,)))
    try:
        chosen.build.mkdir(parents=True, exist_ok=True)
        with FileLock(chosen.build / ".lock", timeout=0):
            return execute(chosen, jobs)
    except Timeout:
        print(f"Another run writes to {chosen.build}: wait for it, or give this one a folder of its own with --build.")
        return 2
    except ConnectionError as error:  # of the cluster
        print(error)
        return 2
    except OSError as error:
        print(f"{chosen.build} cannot be written ({error}): free some space, or choose another folder with --build.")
        return 1


def execute(chosen: argparse.Namespace, jobs: list[tuple[Path, str]]) -> int:
    """Run the jobs and report; the exit code."""
    runner, code = Runner(chosen), 0
    run = runner.made
    try:
        runner.run(jobs)
    except KeyboardInterrupt:
        code = 130
        finished = f"{len(run.results)} of {len(jobs)} had finished and are kept"
        run.problems.append(f"Interrupted: {finished}; --resume continues from there.")
    run.problems += [f"lint: {complaint}" for complaint in lint.stale()]
    print(summary(run), flush=True)
    told = len(run.problems)
    try:
        print(f"report: {report.build(chosen.build, run)}")
    except OSError as error:
        run.problems.append(f"the report cannot be written: {error}")
    print("".join(f"\nthe run: {problem}" for problem in run.problems[told:]))
    return code or (0 if run.ok else 1)


if __name__ == "__main__":
    sys.exit(main())

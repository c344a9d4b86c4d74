"""Beside each run: however the runner ends, nothing of it stays behind. `python -m ci.watch ROOM PID`

It notes whatever the runner (PID) starts. When the runner closes the pipe or dies, it ends what is left and removes
ROOM. A closed terminal, Ctrl-C and `kill -9` of the runner do not reach it: it has a session of its own.
"""

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from ctypes import CDLL
from pathlib import Path

import psutil

TOKEN = "SEQLAB_RUN"
EVERY = 1.0  # seconds from look to look
SET_CHILD_SUBREAPER = 36  # of Linux's prctl: orphans become children of the runner, so that they are seen


def end(room: Path, seen: Iterable[psutil.Process] = ()) -> None:
    """End `seen`, and all processes that carry a token of `room`, whatever session they have made for themselves."""
    marked = [process for process in seen if process.is_running()]
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            marked += [process] if Path(process.environ().get(TOKEN, "")).is_relative_to(room) else []
    for process in marked:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(marked, timeout=5)


@contextmanager
def watched_room() -> Iterator[Path]:
    """A temporary folder for a run. Nothing of it is left afterwards, nor of what the run has started."""
    room = Path(tempfile.mkdtemp(prefix="seqlab-"))
    linux = sys.platform == "linux"
    if linux:
        CDLL(None).prctl(SET_CHILD_SUBREAPER, 1)
    before = {child.pid for child in psutil.Process().children()}
    words = [sys.executable, "-m", "ci.watch", str(room), str(os.getpid())]
    beside = subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True, cwd=Path(__file__).parents[1])
    try:
        yield room
    finally:
        beside.communicate()
        if linux:
            CDLL(None).prctl(SET_CHILD_SUBREAPER, 0)
        for orphan in psutil.Process().children():  # adopted, ended, and waited for by nobody
            if orphan.pid not in before and orphan.status() == psutil.STATUS_ZOMBIE:
                orphan.wait()


def main(room: Path, runner: psutil.Process) -> None:
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, signal.SIG_IGN)
    before = {*runner.children(recursive=True), psutil.Process()}
    seen: set[psutil.Process] = set()
    while not select.select([sys.stdin], [], [], EVERY)[0]:
        with suppress(psutil.Error):
            seen |= {*runner.children(recursive=True)} - before
    with suppress(psutil.Error):
        seen |= {*runner.children(recursive=True)} - before
    end(room, seen)
    shutil.rmtree(room, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), psutil.Process(int(sys.argv[2])))

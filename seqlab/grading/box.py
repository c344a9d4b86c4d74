"""The student's process: `python -m seqlab.grading.box` runs answers and calls them, as the pipe asks it to.

It holds neither references nor cases. What a student's code does here to judge, gate or progress changes nothing: they
are on the other side.
"""

import copy
import importlib
import linecache
import os
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch

import seqlab.course
from seqlab.course.check import is_stub
from seqlab.course.sandbox import same
from seqlab.grading.wire import Far, Peer, slope
from seqlab.patterns.seen import LONGEST

answers: dict[str, Callable] = {}
calls: list[tuple[list, Any]] = []  # arguments and result of the last call


class Late(BaseException):
    """The time of an answer is up."""


class Inside(Peer):
    """The student's end of the pipe."""

    def far(self, number: int, name: str) -> Far:
        return Far(self, number, name)

    def other(self, value: Any) -> Any:
        """A function of a length, such as a program's positions: what it says of each; of other things nothing."""
        known: dict[int, Any] = {}
        for n in range(1, LONGEST + 1) if callable(value) else ():
            with suppress(Exception):
                known[n] = list(made) if isinstance(made := value(n), range) else made
        return {"lengths": self.encode(known)} if known else {"far": [0, ""]}


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Late is raised where this block takes longer."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _late(*_: Any) -> None:
    raise Late


def load(id: str, pieces: list[str], standing: dict[str, Callable], seconds: float) -> str:
    """Run the pieces of an answer. How it went: "", "open" for a stub, or what a piece raised.

    standing: what stands in for other answers, as the gate of the notebook has it
    """

    def exercise(other: str) -> Callable:
        def keep(function: Callable) -> Callable:
            answers[other] = function
            return standing.get(other, function)

        return keep

    seqlab.course.exercise = exercise  # type: ignore[attr-defined]
    names, piece = {"__name__": "__main__", "exercise": exercise}, ""
    try:
        with limited(seconds):
            for at, piece in enumerate(pieces):
                file = f"<{id} {at}>"
                linecache.cache[file] = (len(piece), None, piece.splitlines(True), file)
                exec(compile(piece, file, "exec"), names)
    except BaseException as error:
        told = f"raises {type(error).__name__}: {str(error)[:200]}"
        late = isinstance(error, Late)
        return f"the line {piece.splitlines()[0][:80]!r} {f'still ran after {seconds:g} s' if late else told}"
    if id not in answers:
        return "no function is bound to it"
    return "open" if is_stub(answers[id]) else ""


def call(id: str, launcher: str, given: list, seconds: float) -> dict[str, Any]:
    """One call of an answer: its result, and which arguments it has changed."""
    before, (home, _, name) = copy.deepcopy(given), launcher.partition(":")
    run = getattr(importlib.import_module(home), name) if launcher else lambda function, *given: function(*given)
    try:
        with limited(seconds), torch.enable_grad():
            result = run(answers[id], *given)
    except Late:
        return {"late": True}
    except BaseException as error:  # whatever a student's code ends with
        lines = [
            f.line for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(f"<{id} ") and f.line
        ]
        told = f"{error}{f' in line “{lines[-1]}”' if lines else ''}"
        raise type(type(error).__name__, (Exception,), {})(told) from None
    calls[:] = [(given, result)]
    return {"result": result, "changed": [at for at, pair in enumerate(zip(before, given)) if not same(*pair)]}


def main() -> None:
    reads, writes = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for place in (0, 1, 2):
        os.dup2(nothing, place)
    torch.set_num_threads(1)
    signal.signal(signal.SIGALRM, _late)
    Inside(reads, writes, {"load": load, "call": call, "gradient": lambda grad: slope(*calls[0], grad)}).serve()


if __name__ == "__main__":
    main()

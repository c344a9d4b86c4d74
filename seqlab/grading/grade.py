"""One submission, judged: the judge of the notebooks, with a proxy in the function's place."""

from __future__ import annotations

import ast
import builtins
import inspect
import math
import random
import re
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kernels.instruments.source import plain
from seqlab.course.check import PROBLEMS, Exercise, judge
from seqlab.course.editions import stubs
from seqlab.course.gate import find
from seqlab.course.rooms import MINUTES
from seqlab.course.sandbox import SECONDS, Stopped
from seqlab.course.submission import Submission
from seqlab.grading import sandbox
from seqlab.grading.wire import Broken, Peer, Silent, joined
from seqlab.tiles.language import tl

DRAWN = 6  # hidden cases of each exercise
LOADING, PATIENCE = 4 * SECONDS, 24 * SECONDS  # for an answer's code; for all that judging one exercise takes
VALUES = re.compile(r"['\"].*['\"]|\b(?:True|False|None|inf|nan)\b|\d+", re.S)  # in a message, as Python shows them
KERNEL = {"exercise", "range", "min", "max", "len", "int", "float", "abs"}  # what a kernel may name beside its own
BROUGHT = {"math", "triton", "triton.language", "seqlab.tiles.language.tl", "seqlab.tiles.language.triton"}
PARTS = {"math", "shape", "dtype", "type", "element_ty", "jit", "cdiv", "next_power_of_2"}


class Overdue(BaseException):
    """Judging one exercise takes too long, whatever it is that does."""


class Desk:
    """A student's process, started when it is needed, and again after it had to be ended."""

    def __init__(self, submission: Submission, trust: bool, house: Path):
        self.submission, self.trust, self.house, self.process = submission, trust, house, None
        self.standing: dict[str, Callable] = {}  # of exercises that are not right: their references stand in

    def ask(self, name: str, *given: Any, seconds: float = SECONDS) -> Any:
        """Ask the process; whatever interrupts that ends it, as nobody knows what it would say next."""
        if self.process is None:
            self.process, self.loaded, self.other = sandbox.start(self.house, self.trust), set(), False
            assert self.process.stdout and self.process.stdin
            self.peer = Peer(self.process.stdout.fileno(), self.process.stdin.fileno())
        try:
            return self.peer.ask(name, *given, seconds=seconds)
        except BaseException as error:
            if isinstance(error, Broken) or not isinstance(error, Exception):
                self.close()
            raise

    def load(self, id: str) -> str:
        """Have the code of an answer run there, once a process. "", "open", or what is wrong."""
        pieces, kernel = self.submission.answers[id], find(id).run is not Exercise.run
        if kernel and (said := no_kernel(pieces)):
            return f"it takes more than a kernel has: {said}"
        if self.process and kernel and self.other:  # what ran there may have changed how kernels are launched
            self.close()
        if self.process and id in self.loaded:
            return ""
        code = "\n".join(pieces)
        standing = {other: f for other, f in self.standing.items() if other != id and repr(other) in code}
        try:
            said = str(self.ask("load", id, pieces, standing, LOADING, seconds=1.2 * LOADING))
        except Broken as error:
            return str(error)
        self.loaded.add(id)
        self.other, self.known = self.other or not kernel, len(self.peer.kept)
        return said[:300]

    def call(self, id: str, launcher: str, given: Sequence) -> dict:
        """What an answer returns, and the arguments that it has changed."""
        if self.process is None:  # a thread that starts one would take it along when it ends
            raise RuntimeError("the process that it ran in had to be ended")
        del self.peer.kept[self.known :], self.peer.uses[:]  # functions of earlier cases are out of reach
        return self.ask("call", id, launcher, list(given), 0.8 * SECONDS, seconds=0.95 * SECONDS)

    def close(self) -> None:
        if self.process:
            self.process.kill()
            for end in filter(None, (self.process.stdin, self.process.stdout)):
                end.close()
            self.process.wait()
            self.process = None


class Answer:
    """A student's function as the judge sees it: it may be called."""

    def __init__(self, desk: Desk, id: str):
        self.desk, self.id, self.__name__ = desk, id, id.partition(".")[2]
        self.__code__ = compile(desk.submission.answers[id][-1], f"<{id}>", "exec")  # the judge reads its words

    def __deepcopy__(self, memo: dict) -> Answer:
        return self

    def __call__(self, *given: Any, launcher: str = "") -> Any:
        try:
            reply = self.desk.call(self.id, launcher, given)
        except Silent:
            raise Stopped from None
        if reply.get("late"):
            raise Stopped
        with torch.no_grad():
            _spoil([given[at] for at in reply["changed"]])
        return joined(reply["result"], given, lambda grad: self.desk.ask("gradient", grad))


def _spoil(value: Any) -> None:
    """What the student's code has changed is changed in the judge's copy, too, and told by its judge."""
    if isinstance(value, Tensor):
        value.zero_()
    elif value and isinstance(value, list | tuple | dict):
        for part in value.values() if isinstance(value, dict) else value:
            _spoil(part)
        if not isinstance(value, tuple):
            value.clear()


def grade(
    submission: Submission,
    asked: Sequence[str],
    seed: str,
    *,
    trust: bool = False,
    partial: bool = False,
    house: Path | None = None,
) -> dict:
    """The marks of a submission for the exercises that its lab asks for."""
    desk, marks = Desk(submission, trust, house or sandbox.house()), []
    signal.signal(signal.SIGALRM, _overdue)
    try:
        for task in map(find, asked):
            signal.setitimer(signal.ITIMER_REAL, PATIENCE)
            try:
                marks.append(_mark(desk, task, seed, partial))
            except Overdue:
                desk.close()
                marks.append(_made(task, PROBLEMS["endless"], f"judging it was not done after {PATIENCE:g} s."))
            if marks[-1]["state"] != "right":
                desk.standing[task.id] = task.reference
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        desk.close()
    told = [*submission.told, *filter(None, (_signature(submission, id) for id in asked))]
    return {"receipt": submission.receipt, "told": told, "marks": marks}


def _overdue(*_: Any) -> None:
    raise Overdue


def _made(
    task: Exercise, violated: str = "", message: str = "", known: str = "", *, state: str = "wrong", points: float = 0
) -> dict:
    """What became of one exercise. state: right, wrong, open (still a stub), missing (not in the notebook)."""
    why = {"violated": violated, "message": message, "known": known}
    return {"exercise": task.id, "state": state, "points": points, "of": MINUTES[task.mark] // 5} | why


def _mark(desk: Desk, task: Exercise, seed: str, partial: bool) -> dict:
    if task.id not in desk.submission.answers:
        return _made(task, state="missing")
    if said := desk.load(task.id):
        return _made(task, state="open") if said == "open" else _made(task, "can be run", f"{said}.")
    answer, run, public = Answer(desk, task.id), task.run, list(task.cases())
    every = judged_on(task, [*public, *hidden(task.id, seed)])
    if run is not Exercise.run:
        over = lambda f, *given: (
            f(*given, launcher=f"{run.__module__}:{run.__qualname__}") if f is answer else run(f, *given)
        )
        every = replace(every, run=over)
    found = judge(every, answer).diagnosis
    cases = every.cases()
    passed = [
        not desk.load(task.id) and judge(replace(every, cases=lambda case=case: [case]), answer, explain=False).right
        for case in cases
        if partial and found
    ]
    points = round(MINUTES[task.mark] // 5 * (sum(passed) / len(cases) if found else 1), 2)
    if found is None:
        return _made(task, state="right", points=points)
    shown = any(found.arguments is case for case in public)
    return _made(
        task,
        found.violated,
        found.message if shown else _veiled(found.violated, found.message),
        found.known,
        points=points,
    )


def _veiled(violated: str, message: str) -> str:
    """A message on a hidden case without values, whether the case's or what a student's code makes of them."""
    if violated == PROBLEMS["raised"]:
        return f"it raises {word if hasattr(builtins, word := message.partition(':')[0]) else 'an error'} there."
    return VALUES.sub("…", message)


def no_kernel(pieces: list[str]) -> str:
    """What of an answer's code stands in no kernel, and could get at who launches and watches it; "" where nothing."""
    code = list(ast.walk(ast.parse("\n".join(pieces))))
    brought = [
        (f"{getattr(node, 'module', None) or ''}.{alias.name}".strip("."), alias.asname or alias.name.split(".")[0])
        for node in code
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    ]
    known = KERNEL | {name for full, name in brought if full in BROUGHT or full.startswith("math.")}
    known |= {node.id for node in code if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    known |= {node.arg for node in code if isinstance(node, ast.arg)}
    known |= {node.name for node in code if isinstance(node, ast.FunctionDef)}
    homes = (
        [(tl, name) for name in dir(tl)]
        + [(tl.tensor, name) for name in dir(tl.tensor)]
        + [(math, "log2"), (math, "e")]
    )
    parts = {
        name for home, name in homes if not (name.startswith("_") or inspect.ismodule(getattr(home, name)))
    } | PARTS
    names = [node.id for node in code if isinstance(node, ast.Name) and node.id not in known]
    taken = [node for node in code if isinstance(node, ast.Attribute)]
    names += [f".{node.attr}" for node in taken if node.attr not in parts or not isinstance(node.ctx, ast.Load)]
    return ", ".join(sorted(set(names)))


def _signature(submission: Submission, id: str) -> str:
    """What to tell where the function takes other arguments than this version's: the lab may be an old one."""
    for _, function in stubs(submission.answers.get(id, [""])[-1]):
        got = [part.arg for part in ast.walk(function.args) if isinstance(part, ast.arg)]
        want = list(inspect.signature(plain(find(id).reference)).parameters)
        if got != want:
            return f"{id} takes ({', '.join(got)}), and here ({', '.join(want)}): is it of another version?"
    return ""


@cache
def hidden(id: str, seed: str) -> list[tuple]:
    """Cases that no notebook has, drawn from a secret; the reference passes every one of them."""
    task = find(id)
    draws, known, drawn = random.Random(f"{seed} {id}"), set(map(repr, task.cases())), {}
    for case in (task.draw(draws) for _ in range(4 * DRAWN) if task.draw):
        if len(drawn) < DRAWN and repr(case) not in known and judge(judged_on(task, [case]), task.reference).right:
            drawn[repr(case)] = case
    return list(drawn.values())


def judged_on(task: Exercise, cases: list[tuple]) -> Exercise:
    """The exercise with these cases. What a case has behind the function's arguments is for the properties."""
    takes = len(inspect.signature(plain(task.reference)).parameters)
    more = task.run is Exercise.run and any(len(case) > takes for case in cases)
    run = (lambda function, *given: function(*given[:takes])) if more else task.run
    return replace(task, cases=lambda: cases, run=run)

"""The gate: `@exercise("id")` above a learner's function, `hint("id")`, `solution("id")`.

open    the body is still `...`: one quiet line, and the reference takes the function's place
wrong   the violated property, the smallest case that shows it; again the reference stands in, so the lab goes on
right   a tick, recorded; from here on the learner's own function is used
"""

import copy
import importlib
import inspect
import json
import textwrap
from collections.abc import Callable
from functools import cache
from pkgutil import iter_modules
from unittest import mock

from kernels.instruments.source import plain
from seqlab.colours import BLUE, GREY, RED
from seqlab.course import progress
from seqlab.course.check import Exercise, Judgement, is_stub, judge, shaping
from seqlab.course.rooms import MINUTES, PACKAGE, SIGNS, current, rooms
from seqlab.course.show import card, in_notebook, replaceable, say


@cache
def exercises_of(room: str) -> dict[str, Exercise]:
    """The exercises of a room, by id: what its file `exercises` holds, or the files of its folder `exercises`."""
    if not any((PACKAGE / room / sign).exists() for sign in SIGNS[1:]):
        return {}
    home = importlib.import_module(f"seqlab.{room}.exercises")
    files = [f"{home.__name__}.{part.name}" for part in iter_modules(getattr(home, "__path__", ()))]
    values = [value for module in (home, *map(importlib.import_module, files)) for value in vars(module).values()]
    return {value.id: value for value in values if isinstance(value, Exercise)}


def exercises() -> dict[str, Exercise]:
    """All exercises, by id."""
    return {id: task for room in rooms() for id, task in exercises_of(room).items()}


def find(id: str) -> Exercise:
    """The exercise with this id, its own room looked into first; a ValueError lists those that there are."""
    id, given = current(id), id
    found = exercises_of(id.partition(".")[0]).get(id) or exercises().get(id)
    if found is None:
        raise ValueError(f"exercise {given!r}: there is none with this id; known are {', '.join(exercises())}")
    return found


def exercise(id: str) -> Callable[[Callable], Callable]:
    """Decorator: judge the function below, show the verdict, record it, and hand back what the lab goes on with."""
    task = find(id)
    id = task.id

    def gate(function: Callable) -> Callable:
        if is_stub(function):
            progress.update(id, lambda old: {**old, "state": old.get("state", "open")})
            head = f"○ {id}: open. {task.mark} about {MINUTES[task.mark]} minutes. {task.title}"
            say(card(GREY, f"{head} Until you do, the reference stands in.", progress.notice()))
            _offer(id)
            return task.reference
        kept = progress.notice() or "Your progress is kept."
        late = (
            "What runs in Python is stopped after a while. Should this line stay, a call into C does not come to an "
            f"end, and nothing but a restart of the kernel stops it. {kept}"
        )
        # a function that calls itself finds itself by its name, which Python binds only after the gate
        known = getattr(function, "__globals__", {}), {getattr(function, "__name__", ""): function}
        with replaceable(card(GREY, f"… checking {id}", late)) as show, mock.patch.dict(*known):
            judgement = judge(task, function)
        progress.update(id, lambda old: _recorded(old, judgement))
        notice, printed, diagnosis = progress.notice(), judgement.printed, judgement.diagnosis
        if diagnosis is None:
            _failing.pop(id, None)
            show(card(BLUE, f"✓ {id}: right", "Your own function is used from here on.", notice, code=printed))
            return shaping(function, task.want(*task.cases()[0])) if judgement.shaped else function
        _failing[id] = diagnosis.arguments
        violated = f"Violated: it {diagnosis.violated}. {diagnosis.message[:1].upper()}{diagnosis.message[1:]}"
        name, run = task.reference.__name__, f"{task.run.__module__.rpartition('.')[2]}.{task.run.__name__}"
        asked = f"{name}(" if task.run is Exercise.run else f"{run}({name}, "
        inside = (
            f'To look inside: take the line @exercise away, and call {asked}*exercise.case("{id}"))'
            " in a cell of its own, where print, breakpoint() and %debug work as always. The reference stands in"
            " below."
        )
        code = "\n\n".join(filter(None, [diagnosis.case, printed]))
        show(card(RED, f"✗ {id}: not yet", violated, diagnosis.known, inside, notice, code=code))
        _offer(id)
        return task.reference

    return gate


def case(id: str) -> tuple:
    """The arguments with which the last answer to an exercise failed, or else those of its first case.

    `exercise.case("names.weights")` in a notebook: to call one's function with, in an ordinary cell.
    """
    task = find(id)
    return copy.deepcopy(_failing.get(task.id) or task.cases()[0])


exercise.case = case
_failing: dict[str, tuple] = {}


def hint(id: str) -> None:
    """Show the next hint of an exercise: three levels, one per call."""
    say(next_hint(id))


def solution(id: str) -> None:
    """Show the reference's source."""
    say(show_solution(id))


def next_hint(id: str) -> tuple[str, str]:
    """(HTML, text) of the next level; recorded as used."""
    task = find(id)
    level = progress.update(task.id, lambda old: {**old, "hints": min(old.get("hints", 0) + 1, len(task.hints))})[
        "hints"
    ]
    more = (
        "Ask again for the next one."
        if level < len(task.hints)
        else f'That was the last; solution("{task.id}") shows the reference.'
    )
    return card(BLUE, f"Hint {level} of {len(task.hints)}", task.hints[level - 1], more)


def show_solution(id: str) -> tuple[str, str]:
    """(HTML, text) of the reference's source; recorded as seen. A course may keep it back (`release`)."""
    task = find(id)
    if not settings().get("solutions", True):
        return card(BLUE, f"{task.id}: no solution", "Your course shows none; hints are free, and the gate is patient.")
    progress.update(task.id, lambda old: {**old, "solution": True})
    return card(
        BLUE,
        f"The reference of {task.id}",
        "One way to write it, not the only one.",
        code=textwrap.dedent(inspect.getsource(plain(task.reference))),
    )


def settings() -> dict:
    """What a course has set in `course.json`, beside the labs."""
    try:
        return dict(json.loads(progress.path().with_name("course.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _recorded(old: dict, judgement: Judgement) -> dict:
    """Once right stays right: a later experiment does not take the tick away."""
    state = "right" if judgement.right or old.get("state") == "right" else "wrong"
    return {**old, "state": state, "tries": old.get("tries", 0) + 1}


def _offer(id: str) -> None:
    """Buttons for hint and solution, where there is a notebook to show them."""
    if in_notebook():
        from seqlab.widgets.gate import offer

        offer(id, next_hint, show_solution)

"""The gate: `@exercise("id")` above a learner's function, `hint("id")`, `solution("id")`.

open    the body is still `...`: one quiet line, and the reference takes the function's place
wrong   the violated property, the smallest case that shows it; again the reference stands in, so the lab goes on
right   a tick, recorded; from here on the learner's own function is used
"""

from __future__ import annotations

import copy
import importlib
import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pkgutil import iter_modules

from seqlab.colours import BLUE, GREY, RED
from seqlab.course import progress
from seqlab.course.check import Exercise, Judgement, is_stub, judge
from seqlab.course.rooms import PACKAGE, SIGNS, current, rooms
from seqlab.course.show import card, in_notebook, say


@cache
def exercises() -> dict[str, Exercise]:
    """All exercises, by id: whatever is one in a room's file `exercises`, or in a file of its folder `exercises`."""
    asking = [room for room in rooms() if any((PACKAGE / room / sign).exists() for sign in SIGNS[1:])]
    homes = [importlib.import_module(f"seqlab.{room}.exercises") for room in asking]
    files = [f"{home.__name__}.{part.name}" for home in homes for part in iter_modules(getattr(home, "__path__", ()))]
    values = [value for module in (*homes, *map(importlib.import_module, files)) for value in vars(module).values()]
    return {value.id: value for value in values if isinstance(value, Exercise)}


def find(id: str) -> Exercise:
    """The exercise with this id; a ValueError lists those that there are."""
    found = exercises().get(current(id))
    if found is None:
        raise ValueError(f"exercise {id!r}: there is none with this id; known are {', '.join(exercises())}")
    return found


def exercise(id: str) -> Callable[[Callable], Callable]:
    """Decorator: judge the function below, show the verdict, record it, and hand back what the lab goes on with."""
    task = find(id)
    id = task.id

    def gate(function: Callable) -> Callable:
        if is_stub(function):
            progress.update(id, lambda old: {**old, "state": old.get("state", "open")})
            say(card(GREY, f"○ {id}: open. {task.title} Until you do, the reference stands in.", progress.notice()))
            _offer(id)
            return task.reference
        with _known(function):
            judgement = judge(task, function)
        progress.update(id, lambda old: _recorded(old, judgement))
        notice, printed, diagnosis = progress.notice(), judgement.printed, judgement.diagnosis
        if diagnosis is None:
            _failing.pop(id, None)
            say(card(BLUE, f"✓ {id}: right", "Your own function is used from here on.", notice, code=printed))
            return function
        _failing[id] = diagnosis.arguments
        violated = f"Violated: it {diagnosis.violated}. {diagnosis.message[:1].upper()}{diagnosis.message[1:]}"
        inside = (
            f'To look inside: take the line @exercise away, and call {task.reference.__name__}(*exercise.case("{id}"))'
            " in a cell of its own, where print, breakpoint() and %debug work as always. The reference stands in"
            " below."
        )
        code = "\n\n".join(filter(None, [diagnosis.case, printed]))
        say(card(RED, f"✗ {id}: not yet", violated, diagnosis.known, inside, notice, code=code))
        _offer(id)
        return task.reference

    return gate


@contextmanager
def _known(function: Callable) -> Iterator[None]:
    """A function that calls itself finds itself by its name, which Python binds only after the gate."""
    names, name = getattr(function, "__globals__", {}), getattr(function, "__name__", "")
    before = {name: names[name]} if name in names else {}
    names[name] = function
    try:
        yield
    finally:
        names.pop(name, None)
        names.update(before)


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
    """(HTML, text) of the reference's source; recorded as seen."""
    task = find(id)
    progress.update(task.id, lambda old: {**old, "solution": True})
    return card(
        BLUE,
        f"The reference of {task.id}",
        "One way to write it, not the only one.",
        code=textwrap.dedent(inspect.getsource(task.reference)),
    )


def _recorded(old: dict, judgement: Judgement) -> dict:
    """Once right stays right: a later experiment does not take the tick away."""
    state = "right" if judgement.right or old.get("state") == "right" else "wrong"
    return {**old, "state": state, "tries": old.get("tries", 0) + 1}


def _offer(id: str) -> None:
    """Buttons for hint and solution, where there is a notebook to show them."""
    if in_notebook():
        from seqlab.widgets.gate import offer

        offer(id, next_hint, show_solution)

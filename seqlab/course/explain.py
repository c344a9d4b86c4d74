"""What is told of a wrong answer: its case, what it printed, and what is wrong with it, as far as that can be found."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from seqlab.course.compare import apart, close, numbers, text
from seqlab.course.relation import relation
from seqlab.course.sandbox import KEPT, Call, call

if TYPE_CHECKING:
    from seqlab.course.check import Exercise

INSTEAD: dict[str, Callable[[Any], Any]] = {  # an argument taken for another
    "transposed": lambda v: v.mT,
    "turned round": lambda v: v.flip(0),
    "with its sign turned": lambda v: -v,
    "taken for 0": lambda v: 0 * v,
    "doubled": lambda v: 2 * v,
    "squared": lambda v: v * v,
    "one larger": lambda v: v + 1,
    "one smaller": lambda v: v - 1,
}


def explained(exercise: Exercise, function: Callable, at: int) -> str:
    """The message of the first mutant that behaves like `function` on every case, or else what can be said of it.

    at: a case where it fails, and mutants differ most. A kernel, which is interpreted, is launched for nothing else.
    """
    cases = exercise.cases()
    tried = [(a, call(function, a, exercise.run)) for a in (cases[at], *cases[:at], *cases[at + 1 :])]
    for mutant in exercise.mutants:
        wrong = mutant.function(exercise.reference)
        calls = ((a, x, call(wrong, a, exercise.run)) for a, x in tried)
        if all(x.problem == y.problem and (x.problem or _alike(exercise, a, x.value, y.value)) for a, x, y in calls):
            return mutant.message
    ran = [(arguments, done.value) for arguments, done in tried if done.problem is None]
    if exercise.run is not type(exercise).run:
        return _related(exercise, ran)
    return _ignored(exercise, function, ran) or _taken(exercise, ran) or _related(exercise, ran)


def _ignored(exercise: Exercise, function: Callable, ran: list[tuple[tuple, Any]]) -> str:
    """That an argument does not matter, where it should: in three cases another case's value of it changes nothing."""
    for at, name in enumerate(exercise.named(ran[0][0]) if ran and len(ran[0][0]) > 1 else ()):
        others = ((a, got, [(*a[:at], b[at], *a[at + 1 :]) for b, _ in ran]) for a, got in ran)
        tests = ((a, got, next((m for m in mixed if _matters(exercise, a, m)), None)) for a, got, mixed in others)
        same = (_alike(exercise, a, got, call(function, m, exercise.run, seconds=1).value) for a, got, m in tests if m)
        if sum(itertools.takewhile(bool, itertools.islice(same, 3))) == 3:
            return f"{name} has no influence: yours gives the same whatever it is."
    return ""


def _matters(exercise: Exercise, one: tuple, other: tuple) -> bool:
    try:
        return not _alike(exercise, one, *(_wanted(exercise, a) for a in (one, other)))
    except ValueError:  # arguments of two cases need not go together
        return False


def _wanted(exercise: Exercise, arguments: tuple) -> Any:
    """What the reference gives; ValueError where such arguments stop it, or keep it running for more than a moment
    (in Python: what a large number keeps running in C no thread can stop, see `_in_range`).
    """
    done = call(exercise.reference, arguments, exercise.run, seconds=0.25)
    if done.problem is not None:
        raise ValueError(done.detail)
    return done.value


def _taken(exercise: Exercise, ran: list[tuple[tuple, Any]]) -> str:
    """That yours is the reference of other arguments: of one that is changed, or in the place of another."""
    for words, change in _changes(exercise.named(ran[0][0]) if ran else {}):
        try:
            given = [(a, got, change(a)) for a, got in ran]
            near = all(_in_range(other, ran) for *_, other in given)
            same = near and all(_alike(exercise, a, got, _wanted(exercise, other)) for a, got, other in given)
        except Exception:  # a change that such arguments do not allow
            continue
        if same and any(_matters(exercise, a, change(a)) for a, _ in ran):
            return f"Yours is what the reference gives with {words}."
    return ""


def _in_range(arguments: tuple, ran: list[tuple[tuple, Any]]) -> bool:
    """Whether no whole number is far beyond those that the cases have in its place: a reference may count up to it."""
    columns = zip(arguments, *(a for a, _ in ran))
    return all(abs(value) <= 2 * max(map(abs, known)) + 1 for value, *known in columns if isinstance(value, int))


def _changes(given: dict[str, Any]) -> Iterator[tuple[str, Callable[[tuple], tuple]]]:
    for at, name in enumerate(given):
        for words, change in INSTEAD.items():
            yield f"{name} {words}", lambda a, at=at, change=change: (*a[:at], change(a[at]), *a[at + 1 :])
        for by, other in enumerate(given):
            if type(given[other]) is type(given[name]) and by != at:
                yield f"{other} in the place of {name}", lambda a, at=at, by=by: (*a[:at], a[by], *a[at + 1 :])


def _related(exercise: Exercise, ran: list[tuple[tuple, Any]]) -> str:
    """What the wrong results have to do with the reference's."""
    seen = [(a, *(exercise.look(result, *a) for result in (got, exercise.want(*a)))) for a, got in ran]
    right = [exercise.named(a) for a, got, want in seen if exercise.agree(got, want)]
    wrong = [(exercise.named(a), got, want) for a, got, want in seen if not exercise.agree(got, want)]
    return relation(wrong, right, exercise.axes)


def _alike(exercise: Exercise, arguments: tuple, a: object, b: object) -> bool:
    try:
        one, other = (exercise.look(result, *arguments) for result in (a, b))
        said = (filter(None, (test(result, *arguments) for _, test in exercise.properties)) for result in (a, b))
        own = "look" in vars(exercise) and exercise.look is not type(exercise).look
        if own and next(next(said), None) != next(next(said), None):
            return False  # what is compared may be less than the result: what is first said of it tells more
        same_kind = type(one) is type(other) and getattr(one, "dtype", None) == getattr(other, "dtype", None)
        return same_kind and close(one, other, 1e-6)
    except Exception:  # not comparable, so not alike
        return False


def shown(exercise: Exercise, arguments: tuple, done: Call) -> str:
    """A case: the arguments, what the answer makes of them, and the reference."""
    given = _given(exercise, arguments)
    if done.problem is not None:
        return given
    both = done.value, exercise.want(*arguments)
    try:
        yours, reference = (exercise.look(result, *arguments) for result in both)
    except Exception:  # a result of a form that nobody thought of
        yours, reference = both
    return f"{given}\nyours     → {apart(yours, reference, f'{chr(10)}reference → ')}".lstrip()


def printed(exercise: Exercise, arguments: tuple, done: Call) -> str:
    """What one call wrote (print, warnings, logging), under the arguments it was given."""
    if not done.printed:
        return ""
    more = f" … ({done.characters:,} characters, the first {KEPT:,} are shown)" if done.characters > KEPT else ""
    return f"printed for {_given(exercise, arguments).replace(chr(10), ', ')}:\n{done.printed.rstrip()}{more}"


def _given(exercise: Exercise, arguments: tuple) -> str:
    return "\n".join(f"{name} = {_told(value)}" for name, value in exercise.named(arguments).items())


def _told(value: object) -> str:
    """A value with as many digits as it takes to tell its numbers apart."""
    every = numbers(value)
    parts = [] if every is None else every.unique().tolist()
    digits = (d for d in range(5, 18) if len({text(part, d) for part in parts}) == len(parts))
    return text(value, next(digits, 17))

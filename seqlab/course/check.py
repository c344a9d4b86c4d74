"""What an exercise is, and how a learner's function is judged against its reference."""

from __future__ import annotations

import dis
import inspect
import math
import numbers
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from seqlab.course.sandbox import KEPT, Call, call

Property = tuple[str, Callable[..., str | None]]


@dataclass(frozen=True)
class Mutant:
    """A typical wrong answer: the property it violates, and what to tell whoever wrote it.

    wrong: {right: wrong}, pieces of the reference's code; a function only where no such edit says the mistake
    """

    wrong: Mapping[str, str] | Callable
    violates: str
    message: str

    def function(self, reference: Callable) -> Callable:
        """The wrong answer as a function."""
        return self.wrong if callable(self.wrong) else edited(reference, self.wrong)


def edited(reference: Callable, edits: Mapping[str, str]) -> Callable:
    """The reference with pieces {old: new} of its code replaced, one after the other, in the names of its own module.

    Only the code behind the docstring is changed. A ValueError says which piece does not stand there exactly once.
    """
    source = textwrap.dedent(inspect.getsource(reference))
    head, quotes, code = source[source.index("def ") :].rpartition('"""')
    for old, new in edits.items():
        if code.count(old) != 1:
            raise ValueError(f"{reference.__name__}: {old!r} stands {code.count(old)} times in its code, wanted once")
        code = code.replace(old, new)
    names = dict(inspect.unwrap(reference).__globals__)
    exec(head + quotes + code, names)
    return names[reference.__name__]


@dataclass(frozen=True)
class Exercise:
    """One gated exercise.

    reference:   the right answer; its body is what the solved edition puts into the notebook
    cases:       makes the argument tuples, smallest first: the first that fails is shown
    properties:  (name, test) pairs; test(result, *arguments) is None or one sentence on what is violated
    hints:       three levels, from a nudge to nearly the answer
    look:        look(result, *arguments) is what is compared and shown of a result, where that is not the result itself
    """

    id: str
    title: str
    reference: Callable
    cases: Callable[[], Sequence[tuple]]
    hints: tuple[str, str, str]
    properties: tuple[Property, ...] = ()
    mutants: tuple[Mutant, ...] = ()
    tolerance: float = 1e-5
    look: Callable[..., object] = lambda result, *arguments: result


@dataclass(frozen=True)
class Diagnosis:
    """The first thing that is wrong: the violated property, its case, and the mistake if it is a known one."""

    violated: str
    message: str
    case: str = ""
    known: str = ""
    arguments: tuple = ()

    def __str__(self) -> str:
        return "\n".join(filter(None, [f"it {self.violated}: {self.message}", self.known, self.case]))


@dataclass(frozen=True)
class Judgement:
    """Right, or a diagnosis; `printed` is what the function wrote, with its case: where it fails, or the first."""

    diagnosis: Diagnosis | None = None
    printed: str = ""

    @property
    def right(self) -> bool:
        return self.diagnosis is None


def is_stub(function: Callable) -> bool:
    """Whether the body is still only a docstring and `...` (or `pass`, or `raise NotImplementedError`)."""
    code = getattr(function, "__code__", None)
    return code is not None and _instructions(code) in _STUBS


def judge(exercise: Exercise, function: Callable) -> Judgement:
    """Run `function` on the cases, smallest first, and stop at the first that fails."""
    if not callable(function):
        return Judgement(
            Diagnosis(
                "is a function",
                f"got {type(function).__name__}, wanted a function: put @exercise on the line above def.",
            ),
        )
    printed = ""
    for arguments in exercise.cases():
        done = call(function, arguments)
        printed = printed or _printed(exercise, arguments, done)
        try:
            problem = _problem(exercise, arguments, done)
        except Exception as error:  # a result of a form that nobody thought of
            problem = (
                "can be compared with the reference",
                f"it returned {_kind(done.value)} ({type(error).__name__}: {error}).",
            )
        if problem:
            violated, message = problem
            known = "" if done.problem else _recognize(exercise, function)
            diagnosis = Diagnosis(violated, message, _show(exercise, arguments, done), known, arguments)
            return Judgement(diagnosis, _printed(exercise, arguments, done) or printed)
    return Judgement(None, printed)


PROBLEMS = {
    "raised": "runs without an error",
    "endless": "comes to an end",
    "mutated": "leaves its inputs alone",
    "asked": "runs without asking",
}


def _problem(exercise: Exercise, arguments: tuple, done: Call) -> tuple[str, str] | None:
    """The first violated property of one call: (name, message), or None."""
    if done.problem:
        return PROBLEMS[done.problem], done.detail
    want = exercise.reference(*arguments)
    if form := compare_form(done.value, want, arguments):
        return form
    for name, test in exercise.properties:
        if message := test(done.value, *arguments):
            return name, message
    if not close(exercise.look(done.value, *arguments), exercise.look(want, *arguments), exercise.tolerance):
        return "equals the reference", "the result is not what the definition gives."
    return None


def compare_form(got: Any, want: Any, arguments: tuple = ()) -> tuple[str, str] | None:
    """Type, shape, dtype, gradient, NaN: what can be said without looking at the values.

    The form is free where nothing is lost by it: lists for tuples, scalars of numpy, and, where no argument has the
    wanted dtype, any that holds these numbers.
    """
    if got is None and want is not None and not isinstance(want, tuple):  # a finder may well return None
        return "returns a result", "it returned None; is the return missing?"
    if isinstance(want, Tensor):
        if not isinstance(got, Tensor):
            return "returns a tensor", f"it returned {_kind(got)}; wanted a torch tensor."
        if got.shape != want.shape:
            return "has the right shape", f"it returned shape {tuple(got.shape)}; wanted {tuple(want.shape)}."
        given = any(isinstance(value, Tensor) and value.dtype == want.dtype for value in arguments)
        if got.dtype != want.dtype and (
            given or not torch.can_cast(got.dtype, want.dtype) or torch.bool in (got.dtype, want.dtype)
        ):
            source = ", the dtype of the input." if given else "."
            return "has the right dtype", f"it returned {got.dtype}; wanted {want.dtype}{source}"
        if want.requires_grad and not got.requires_grad:
            return "lets gradients through", "its result is cut off from its inputs: no .detach(), .item() or numpy."
        if got.isnan().any() and not want.isnan().any():
            return (
                "is never NaN",
                (
                    f"{int(got.isnan().sum())} of {got.numel()} entries are NaN; "
                    "look for 0/0, ∞ - ∞ or an exp that overflows."
                ),
            )
    elif isinstance(want, numbers.Real) and not isinstance(want, bool):
        if isinstance(got, bool) or not isinstance(got, numbers.Real) and not _is_scalar(got):
            return "returns a number", f"it returned {_kind(got)}; wanted one number."
        if math.isnan(float(cast(Any, got))) and not math.isnan(want):
            return "is never NaN", "it returned NaN; look for 0/0 or ∞ - ∞."
    elif isinstance(want, bool):
        if not isinstance(got, bool | np.bool_) and not (_is_scalar(got) and "bool" in str(getattr(got, "dtype", ""))):
            return "returns True or False", f"it returned {_kind(got)}."
    elif isinstance(want, list | tuple) and isinstance(got, list | tuple):
        return None
    elif want is not None and got is not None and not isinstance(got, type(want)):
        return f"returns a {type(want).__name__}", f"it returned {_kind(got)}; wanted {_kind(want)}."
    return None


def close(got: Any, want: Any, tolerance: float) -> bool:
    """Whether two results agree: tensors and numbers within `tolerance`, lists and tuples part by part, or equal."""
    if isinstance(want, Tensor):
        return (
            isinstance(got, Tensor)
            and got.shape == want.shape
            and torch.allclose(got.double(), want.double(), rtol=tolerance, atol=tolerance, equal_nan=True)
        )
    if isinstance(want, numbers.Real) and not isinstance(want, bool):
        return (isinstance(got, numbers.Real) or _is_scalar(got)) and math.isclose(
            float(cast(Any, got)), float(want), rel_tol=tolerance, abs_tol=tolerance
        )
    if isinstance(want, list | tuple) and isinstance(got, list | tuple):
        return len(got) == len(want) and all(close(a, b, tolerance) for a, b in zip(got, want))
    return bool(got == want)


def _recognize(exercise: Exercise, function: Callable) -> str:
    """The message of the first mutant that behaves like `function` on every case."""
    for mutant in exercise.mutants:
        wrong = mutant.function(exercise.reference)
        calls = ((a, call(function, a, seconds=1), call(wrong, a, seconds=1)) for a in exercise.cases())
        if all(x.problem == y.problem and (x.problem or _alike(exercise, a, x.value, y.value)) for a, x, y in calls):
            return mutant.message
    return ""


def _alike(exercise: Exercise, arguments: tuple, a: object, b: object) -> bool:
    try:
        a, b = (exercise.look(result, *arguments) for result in (a, b))
        return type(a) is type(b) and getattr(a, "dtype", None) == getattr(b, "dtype", None) and close(a, b, 1e-6)
    except Exception:  # not comparable, so not alike
        return False


def _show(exercise: Exercise, arguments: tuple, done: Call) -> str:
    given = _given(exercise, arguments)
    if done.problem is not None:
        return given
    yours, reference = (exercise.look(result, *arguments) for result in (done.value, exercise.reference(*arguments)))
    return f"{given}\nyours     → {_text(yours)}\nreference → {_text(reference)}".lstrip()


def _given(exercise: Exercise, arguments: tuple) -> str:
    names = inspect.signature(exercise.reference).parameters
    return "\n".join(f"{name} = {_text(value)}" for name, value in zip(names, arguments))


def _text(value: object) -> str:
    try:
        text = _plain_text(value)
    except Exception:  # a learner's object may fail at anything, its own repr included
        return f"a {type(value).__name__} that cannot be shown"
    return text if len(text) <= 300 else text[:300] + " …"


def _plain_text(value: object) -> str:
    if isinstance(value, Tensor):
        if value.numel() > 24:
            return f"a {value.dtype} tensor of shape {tuple(value.shape)}".replace("torch.", "")
        value = [[round(x, 4) for x in row] for row in value.tolist()] if value.ndim == 2 else value.tolist()
    elif callable(value):
        return getattr(value, "__name__", type(value).__name__)
    return repr(value)


def _printed(exercise: Exercise, arguments: tuple, done: Call) -> str:
    """What one call wrote (print, warnings, logging), under the arguments it was given."""
    if not done.printed:
        return ""
    more = f" … ({done.characters:,} characters, the first {KEPT:,} are shown)" if done.characters > KEPT else ""
    return f"printed for {_given(exercise, arguments).replace(chr(10), ', ')}:\n{done.printed.rstrip()}{more}"


def _kind(value: object) -> str:
    shape = getattr(value, "shape", None)
    return type(value).__name__ + (f" of shape {tuple(shape)}" if shape is not None else "")


def _is_scalar(value: object) -> bool:
    return isinstance(value, Tensor) and value.numel() == 1 or isinstance(value, np.ndarray) and value.size == 1


def _bare(): ...
def _raising():
    raise NotImplementedError


def _instructions(code: CodeType) -> list[tuple[str, object]]:
    return [(step.opname, step.argval) for step in dis.get_instructions(code)]


_STUBS = [_instructions(inspect.unwrap(stub).__code__) for stub in (_bare, _raising)]

"""What an exercise is, and how a learner's function is judged against its reference."""

import contextlib
import dis
import hashlib
import inspect
import linecache
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, wraps
from types import CodeType
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from kernels.instruments.source import plain
from seqlab.course.compare import apart, close, compare_form, formed, gap, kind
from seqlab.course.explain import explained, printed, shown
from seqlab.course.sandbox import Call, call, tensors

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
    reference = plain(reference)
    source = textwrap.dedent(inspect.getsource(reference))
    head, quotes, code = source[source.index("def ") :].rpartition('"""')
    for old, new in edits.items():
        if code.count(old) != 1:
            raise ValueError(f"{reference.__name__}: {old!r} stands {code.count(old)} times in its code, wanted once")
        code = code.replace(old, new)
    return written(head + quotes + code, dict(inspect.unwrap(reference).__globals__), reference.__name__)


def written(source: str, names: dict[str, Any], name: str) -> Callable:
    """The function `name` of this code, which Python can read again, as Triton's interpreter does."""
    file = f"<{name} {hashlib.sha256(source.encode()).hexdigest()[:12]}>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    exec(compile(source, file, "exec", dont_inherit=True), names)
    return names[name]


@dataclass(frozen=True)
class Exercise:
    """One gated exercise.

    reference:   the right answer; its body is what the solved edition puts into the notebook
    cases:       makes the argument tuples, smallest first: the first that fails is shown
    properties:  (name, test) pairs; test(result, *arguments) is None or one sentence on what is violated
    hints:       three levels, from a nudge to nearly the answer
    differentiable: whether a result that is cut off with .detach() is wrong, where the reference's is not cut off
    run:         run(function, *arguments) is the result, where the function is not simply called: a kernel is launched
    tolerance:   of numbers, relative and absolute; 1e-5 where none is said, or 1e-9 where they are float64
    mark:        how hard it is, one of MINUTES: a step, a derivation, a design
    draw:        draw(random) is a further case, for whoever grades: those of `cases` are public
    bars:        names that may not stand in an answer's code, with what to say where one does
    look:        look(result, *arguments) is what is compared and shown of a result, where that is not the result itself
    """

    id: str
    title: str
    reference: Callable
    cases: Callable[[], Sequence[tuple]]
    hints: tuple[str, str, str]
    properties: tuple[Property, ...] = ()
    mutants: tuple[Mutant, ...] = ()
    tolerance: float | None = None
    differentiable: bool = True
    run: Callable[..., object] = lambda function, *arguments: function(*arguments)
    look: Callable[..., object] = lambda result, *arguments: result
    mark: str = "•"
    draw: Callable[..., tuple] | None = None
    bars: Mapping[str, str] = field(default_factory=dict)

    def want(self, *arguments: Any) -> Any:
        """What the reference gives."""
        return self.run(self.reference, *arguments)

    def named(self, arguments: tuple) -> dict[str, Any]:
        """The arguments by name: those of the function, or of what runs it."""
        called = self.run is Exercise.run
        names = [*inspect.signature(self.reference if called else self.run).parameters][0 if called else 1 :]
        return dict(zip(names, arguments))

    def agree(self, got: Any, want: Any) -> bool:
        """Whether two results are the same within the tolerance."""
        return close(got, want, self.limit(want))

    def limit(self, want: Any) -> float:
        """The tolerance for a result."""
        return self.tolerance or (1e-9 if getattr(want, "dtype", None) == torch.float64 else 1e-5)

    @property
    def axes(self) -> list[str]:
        """The names of the result's axes, as the reference's docstring has them: -> (query, dim)."""
        said = re.findall(r"-> [^(\n]*\(([^()]*)\)", plain(self.reference).__doc__ or "")[-1:]
        return [axis.strip() for axis in ",".join(said).split(",") if axis.strip()]


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
    """Right, or a diagnosis; `printed` is what the function wrote, with its case: where it fails, or the first.

    shaped: whether its results were lists or arrays, where the reference's are tensors
    """

    diagnosis: Diagnosis | None = None
    printed: str = ""
    shaped: bool = False

    @property
    def right(self) -> bool:
        return self.diagnosis is None


def is_stub(function: Callable) -> bool:
    """Whether the body is still only a docstring and `...` (or `pass`, or `raise NotImplementedError`)."""
    code = getattr(plain(function), "__code__", None)
    return code is not None and _instructions(code) in _STUBS


def judge(exercise: Exercise, function: Callable, explain: bool = True) -> Judgement:
    """Run `function` on the cases, smallest first, and stop at the first that fails.

    Where it returns lists or arrays in place of tensors, these are made tensors; `shaping` does so from here on.
    explain: whether to look for what the mistake is, which takes time
    """
    if not callable(function):
        return Judgement(
            Diagnosis(
                "is a function",
                f"got {type(function).__name__}, wanted a function: put @exercise on the line above def.",
            ),
        )
    words = _words(getattr(inspect.unwrap(plain(function)), "__code__", None))
    if barred := next((word for word in exercise.bars if word in words), None):
        return Judgement(Diagnosis("is worked out by hand", f"{exercise.bars[barred]} (It says {barred}.)"))
    wrote, shaped = "", False
    for at, arguments in enumerate(exercise.cases()):
        done = call(function, arguments, exercise.run)
        if not shaped and isinstance(done.value, list | tuple | np.ndarray):
            like = exercise.want(*arguments)
            if shaped := formed(done.value, like) is not done.value:
                function = shaping(function, like)
                done = call(function, arguments, exercise.run)
        wrote = wrote or printed(exercise, arguments, done)
        try:
            problem = _problem(exercise, arguments, done)
        except Exception as error:  # a result of a form that nobody thought of
            problem = (
                "can be compared with the reference",
                f"it returned {kind(done.value)} ({type(error).__name__}: {error}).",
            )
        if problem:
            (violated, message), known = problem, ""
            with contextlib.suppress(Exception):  # of such a result nothing more can be said
                known = explained(exercise, function, at) if explain and not done.problem else ""
            diagnosis = Diagnosis(violated, message, shown(exercise, arguments, done), known, arguments)
            return Judgement(diagnosis, printed(exercise, arguments, done) or wrote)
    return Judgement(_cut_off(exercise, function), wrote, shaped)


def shaping(function: Callable, like: Any) -> Callable:
    """The function, with lists and arrays that it returns made tensors, as `like` is one."""

    @wraps(function)
    def shaped(*arguments: Any, **named: Any) -> Any:
        return formed(function(*arguments, **named), like)

    return shaped


def _cut_off(exercise: Exercise, function: Callable) -> Diagnosis | None:
    """That an answer detaches its result, or a part of it, where the reference lets gradients through to its inputs."""
    if not exercise.differentiable or not CUTS & _words(getattr(inspect.unwrap(plain(function)), "__code__", None)):
        return None
    for arguments in exercise.cases():
        given = _asked(arguments)
        done, wanted = (call(f, given, partial(_gradients, exercise.run)) for f in (function, exercise.reference))
        if done.problem or wanted.value is None:
            continue
        got, want = cast("list[Tensor]", done.value), cast("list[Tensor]", wanted.value)
        if got is None:
            done = call(function, given, exercise.run)
            form = compare_form(done.value, exercise.want(*given)) or ("lets gradients through", "it has none.")
            return Diagnosis(*form, shown(exercise, arguments, done), arguments=given)
        if off := [pair for pair in zip(got, want) if not close(*pair, tolerance=1e-4)]:
            said = "a part of its result is cut off from its inputs: what is detached there does not count as constant."
            case = "gradient  → {}".format(apart(*off[0], "\nreference → "))
            return Diagnosis("lets gradients through", said, case, arguments=given)
    return None


def _gradients(run: Callable, function: Callable, *given: Any) -> list[Tensor] | None:
    """The gradients of all floating inputs, each entry of the result weighted otherwise; None where there are none."""
    result, inputs = run(function, *given), [tensor for tensor in tensors(given) if tensor.is_floating_point()]
    if not isinstance(result, Tensor) or not result.requires_grad:
        return None
    weights = torch.arange(1.0, 1 + result.numel()).sqrt().to(result).view_as(result)
    found = torch.autograd.grad(result, inputs, weights, allow_unused=True)
    return [torch.zeros_like(x) if grad is None else grad for x, grad in zip(inputs, found)]


def _asked(value: Any) -> Any:
    """A copy whose floating tensors ask for gradients."""
    if isinstance(value, list | tuple):
        return type(value)(map(_asked, value))
    floating = isinstance(value, Tensor) and value.is_floating_point()
    return value.detach().clone().requires_grad_() if floating else value


def _words(code: object) -> set[str]:
    """All names of attributes and globals in a function's code, and in the functions inside it."""
    return {*code.co_names}.union(*map(_words, code.co_consts)) if isinstance(code, CodeType) else set()


DERIVES = ("autograd", "backward", "grad", "func", "jacobian", "imag")  # a machine takes the derivative
CUTS = {"detach", "detach_", "data", "no_grad", "inference_mode", "set_grad_enabled"}
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
    want = exercise.want(*arguments)
    if form := compare_form(done.value, want, exercise.named(arguments), exercise.axes):
        return form
    for name, test in exercise.properties:
        if message := test(done.value, *arguments):
            return name, message
    got, want = (exercise.look(result, *arguments) for result in (done.value, want))
    agree = exercise.agree(got, want)
    return None if agree else ("equals the reference", gap(got, want, exercise.limit(want)))


def _bare(): ...
def _raising():
    raise NotImplementedError


def _instructions(code: CodeType) -> list[tuple[str, object]]:
    return [(step.opname, step.argval) for step in dis.get_instructions(code)]


_STUBS = [_instructions(inspect.unwrap(stub).__code__) for stub in (_bare, _raising)]

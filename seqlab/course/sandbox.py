"""Call a learner's function so that nothing it does takes the notebook down.

The call runs in a thread of its own with a time limit, its output caught, its inputs copied and compared afterwards.
A loop that never ends is interrupted from outside; one that swallows even that is left behind, and the notebook goes
on. (What no thread can stop: a single call into C that never returns, such as `sum(range(10**15))`. Restarting the
kernel does.)
"""

import builtins
import contextlib
import copy
import ctypes
import inspect
import io
import pdb
import random
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor

from kernels.instruments.source import plain

SECONDS = 5.0
KEPT = 2_000  # characters of output that are kept


class Stopped(BaseException):
    """Raised inside the learner's thread when its time is up, or by a function that answers from elsewhere."""


class _Asked(BaseException):
    """Raised inside the learner's thread where it asks a person: nobody could answer while the gate waits."""


@dataclass
class Call:
    """What happened: `value`, or `problem` (raised, endless, mutated, asked) with a sentence for the learner in
    `detail`.
    """

    value: object = None
    problem: str | None = None
    detail: str = ""
    printed: str = ""
    characters: int = 0


class _Head(io.StringIO):
    """Keeps the first characters written and counts all."""

    count = 0

    def write(self, text: str) -> int:
        super().write(text[: max(0, KEPT - self.count)])
        self.count += len(text)
        return len(text)


def call(
    function: Callable,
    arguments: tuple,
    run: Callable = lambda function, *arguments: function(*arguments),
    *,
    seconds: float | None = None,
) -> Call:
    """`run(function, *arguments)` on copies of its arguments, for at most `seconds` (SECONDS when None)."""
    seconds = SECONDS if seconds is None else seconds
    given, out, result = copy.deepcopy(arguments), _Head(), Call()
    written = [_writes(each) for each in given]
    done = threading.Event()

    def work() -> None:
        try:
            with torch.enable_grad():
                result.value = run(function, *given)
        except Stopped:
            result.problem, result.detail = "endless", f"It was still running after {seconds:g} s."
        except _Asked as question:
            result.problem, result.detail = "asked", f"It stopped at {question}, and nobody can answer inside the gate."
        except BaseException as error:  # also SystemExit: nothing a learner writes may end the kernel
            result.problem, result.detail = "raised", _where(error, function)
        finally:
            done.set()

    thread = threading.Thread(target=work, daemon=True, name="learner")
    with _as_before(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(out), _no_questions(thread):
        thread.start()
        try:
            finished = done.wait(seconds)
        finally:
            if not done.is_set():
                _stop(thread, done)
    if not finished:
        late = (
            ""
            if done.is_set()
            else " It would not be stopped and still runs in the background: restart the kernel when you can."
        )
        result = Call(problem="endless", detail=f"It was still running after {seconds:g} s.{late}")
    result.printed, result.characters = out.getvalue(), out.count
    if result.problem is None and (changed := _changed(arguments, given, written)) is not None:
        cure = "x.clone()" if isinstance(arguments[changed], Tensor) else "copy.deepcopy(x)"
        result.problem = "mutated"
        result.detail = f"Argument {changed + 1} was changed in place; work on a copy (x = {cure})."
        if getattr(given[changed], "requires_grad", False) and not arguments[changed].requires_grad:
            asked = "x.detach().clone().requires_grad_()"
            result.detail = f"Argument {changed + 1} was itself asked for gradients; ask a copy of it (x = {asked})."
    return result


HOOKS = [
    hooks for name, hooks in vars(torch.nn.modules.module).items() if name.startswith("_global_") and "hooks" in name
]
SETTINGS: tuple[tuple[Callable[[], Any], Callable[[Any], object]], ...] = (  # what holds for a whole process
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.get_rng_state, torch.set_rng_state),
    (np.random.get_state, np.random.set_state),
    (random.getstate, random.setstate),
    (torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (torch.get_num_threads, torch.set_num_threads),
    (torch.is_anomaly_check_nan_enabled, lambda check: torch.set_anomaly_enabled(torch.is_anomaly_enabled(), check)),
    (torch.is_anomaly_enabled, lambda on: torch.set_anomaly_enabled(on, torch.is_anomaly_check_nan_enabled())),
    (lambda: list(map(dict, HOOKS)), lambda kept: [(now.clear(), now.update(old)) for now, old in zip(HOOKS, kept)]),
    (sys.getrecursionlimit, sys.setrecursionlimit),
)


@contextlib.contextmanager
def _as_before() -> Iterator[None]:
    """After this block the settings of Python and torch are what they were: dtype, random numbers, modes, hooks."""
    kept = [get() for get, _ in SETTINGS]
    try:
        yield
    finally:
        for (_, put), value in zip(SETTINGS, kept):
            put(value)


@contextlib.contextmanager
def _no_questions(thread: threading.Thread) -> Iterator[None]:
    """Inside this block `thread` is stopped where it calls input(), breakpoint() or a debugger, which all end here."""

    def instead_of(ask: Callable, name: str) -> Callable:
        def asked(*arguments: object, **options: Any) -> object:
            if threading.current_thread() is thread:
                raise _Asked(name)
            return ask(*arguments, **options)

        return asked

    places = ((builtins, "input", "input()"), (sys, "breakpointhook", "breakpoint()"), (pdb, "set_trace", "pdb"))
    with contextlib.ExitStack() as stack:
        for module, name, shown in places:
            stack.enter_context(mock.patch.object(module, name, instead_of(getattr(module, name), shown)))
        yield


def _stop(thread: threading.Thread, done: threading.Event) -> None:
    """Raise Stopped in `thread`, a few times in case the code swallows it."""
    for _ in range(20):
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Stopped))
        if done.wait(0.05):
            return


def _changed(before: tuple, after: tuple, written: list[list[int]]) -> int | None:
    """Index of the first argument that differs from its copy, or has been written to, be it with what stood there."""
    pairs = enumerate(zip(before, after, written))
    return next((at for at, (a, b, writes) in pairs if not same(a, b) or _writes(b) != writes), None)


def _writes(value: Any) -> list[int]:
    """How often each tensor in a value has been written to."""
    return [tensor._version for tensor in tensors(value)]


def tensors(value: Any) -> list[Tensor]:
    """All tensors in a value."""
    if isinstance(value, list | tuple):
        return [tensor for part in value for tensor in tensors(part)]
    return [value] if isinstance(value, Tensor) else []


def same(a: Any, b: Any) -> bool:
    """Whether `b`, a copy of `a`, is still one: tensors and arrays inside it, too (NaN equals NaN)."""
    if isinstance(a, Tensor):
        return (
            isinstance(b, Tensor)
            and a.shape == b.shape
            and a.dtype == b.dtype
            and a.requires_grad == b.requires_grad
            and bool(torch.all((a == b) | ((a != a) & (b != b))))
        )
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a is b or callable(a) or bool(a == b)


def _where(error: BaseException, function: Callable) -> str:
    """The exception in one line, with the learner's own line that raised it."""
    code = getattr(inspect.unwrap(plain(function)), "__code__", None)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if code and f.filename == code.co_filename]
    line = f" in line “{frames[-1].line.strip()}”" if frames and frames[-1].line else ""
    text = str(error).strip().split("\n")[0][:300]
    if isinstance(error, RecursionError):
        text = "the function calls itself without end"
    return f"{type(error).__name__}{': ' + text if text else ''}{line}."

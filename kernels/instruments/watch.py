"""Triton's interpreter, watched: what a kernel asks of it goes through functions of ours first."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partialmethod
from unittest import mock


@contextmanager
def watched(who: str, around: dict[str, Callable]) -> Iterator[None]:
    """Inside this block an operation of the interpreter is `around[name](self, original, *arguments)`.

    name: a method of Triton's InterpreterBuilder, "apply_impl" of a reduction, or "__call__" of a launch.
    Raises RuntimeError, in the name of `who`, where Triton compiles instead.
    """
    from kernels.flash import versions
    from kernels.flash.interpreter import quicken

    if versions.installed() is None or not versions.interpreting():
        raise RuntimeError(f"{who}: Triton must interpret in this process; start it with TRITON_INTERPRET=1")
    from triton.runtime import interpreter

    quicken()
    owners = {"apply_impl": interpreter.ReduceOps, "__call__": interpreter.GridExecutor}
    with ExitStack() as patches:
        for name, function in around.items():
            owner = owners.get(name, interpreter.InterpreterBuilder)
            patches.enter_context(mock.patch.object(owner, name, partialmethod(function, getattr(owner, name))))
        yield

"""Triton's interpreter prepares the language once a launch, and looks for overflows where debugging is on."""

from dataclasses import replace

import pytest
import torch
import triton
import triton.language as tl
from triton.runtime import interpreter

from kernels.flash.interpreter import quicken


@triton.jit
def squared(x):
    return x * x


@triton.jit
def squares(x, out, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + i, squared(tl.load(x + i)))


@pytest.fixture(autouse=True)
def quick():
    quicken()


def test_the_language_is_prepared_once_and_restored(monkeypatch):
    made, known = [], interpreter._LangPatchScope.set_attr
    monkeypatch.setattr(interpreter._LangPatchScope, "set_attr", lambda *change: made.append(known(*change)))
    x, out, counts = torch.arange(16), torch.zeros(16, dtype=torch.int64), []
    for programs in (1, 4):
        made.clear()
        squares[(programs,)](x, out, BLOCK=4)
        counts.append(len(made))
        assert tl.core.is_builtin(tl.load)
    assert counts[0] == counts[1] > 0 and out.tolist() == [n * n for n in range(16)]


@pytest.mark.parametrize("debug", [False, True])
def test_integers_that_overflow_are_found_where_debugging_is_on(monkeypatch, debug):
    builder = interpreter.interpreter_builder
    monkeypatch.setattr(builder, "options", replace(builder.options, debug=debug))
    x = torch.full((4,), 2**16, dtype=torch.int32)
    out = torch.ones_like(x)
    if debug:
        with pytest.raises(interpreter.InterpreterError, match="int32 overflow detected for operation mul"):
            squares[(1,)](x, out, BLOCK=4)
    else:
        squares[(1,)](x, out, BLOCK=4)
        assert out.tolist() == [0] * 4

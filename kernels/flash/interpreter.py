"""Triton's interpreter without what it does again and again and nobody needs, which takes more than half its time.

Before a kernel runs, it puts functions of its own in the place of `tl.load` and all others, and does so anew whenever a
kernel calls a function under @triton.jit. And it computes for every sum and product of integers whether it overflows,
in the kernel's language, to assert it where debugging is on; where it is off, nobody learns of it.
"""

from functools import cache
from typing import Any


@cache
def quicken() -> None:
    """From now on the interpreter leaves out what changes nothing. Other versions of Triton stay as they are."""
    import triton.language as tl
    from triton.language.semantic import TritonSemantic
    from triton.runtime import interpreter

    scope, prepare = getattr(interpreter, "_LangPatchScope", None), interpreter._patch_lang
    look = getattr(TritonSemantic, "binary_op_sanitize_overflow_impl", None)
    if scope is None or look is None:
        return

    def prepare_where_needed(function: Any) -> Any:
        """A function that finds the language prepared leaves it as it is."""
        seen = [value for value in function.__globals__.values() if value is tl or value is tl.core]
        prepared = seen and not any(tl.core.is_builtin(language.load) for language in seen)
        return scope() if prepared else prepare(function)

    def look_where_told(self: Any, lhs: Any, rhs: Any, binary_op: Any) -> None:
        if self.builder.options.debug:
            look(self, lhs, rhs, binary_op)

    interpreter._patch_lang = prepare_where_needed
    TritonSemantic.binary_op_sanitize_overflow_impl = look_where_told

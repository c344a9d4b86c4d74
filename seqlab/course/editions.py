"""Two editions of a lab: *open*, as in git, and *solved*, with every stub filled from its reference."""

from __future__ import annotations

import ast
import copy
import inspect
import textwrap
from collections.abc import Iterator

from seqlab.course.gate import find


def solve(notebook: dict) -> dict:
    """A copy of the notebook in which each `@exercise(id)` function has the body of its reference.

    Raises ValueError where a stub's arguments differ from the reference's, or the id is unknown.
    """
    solved = copy.deepcopy(notebook)
    for cell in solved["cells"]:
        if cell["cell_type"] == "code" and "@exercise" in cell["source"]:
            cell["source"] = fill(cell["source"])
    return solved


def fill(source: str) -> str:
    """One cell's source with its stubs replaced."""
    lines = source.split("\n")
    for id, function in reversed(list(stubs(source))):
        reference = _function(textwrap.dedent(inspect.getsource(find(id).reference)))
        if ast.dump(function.args) != ast.dump(reference.args):
            raise ValueError(
                f"exercise {id!r}: the stub takes ({ast.unparse(function.args)}), the reference ({ast.unparse(reference.args)})"
            )
        first, last = _body_span(function)
        lines[first - 1 : last] = _body_lines(id)
    return "\n".join(lines)


def stubs(source: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    """(exercise id, function) for every gated function in a cell."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "exercise":
                    yield decorator.args[0].value, node


def _body_lines(id: str) -> list[str]:
    source = textwrap.dedent(inspect.getsource(find(id).reference))
    first, last = _body_span(_function(source))
    return source.split("\n")[first - 1 : last]


def _body_span(function: ast.FunctionDef) -> tuple[int, int]:
    """First and last line of the body after the docstring."""
    body = function.body
    if ast.get_docstring(function) is not None and len(body) > 1:
        body = body[1:]
    return body[0].lineno, body[-1].end_lineno


def _function(source: str) -> ast.FunctionDef:
    return next(node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef))

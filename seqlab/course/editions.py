"""Two editions of a lab: *open*, as in git, and *solved*, with every stub filled from its reference.

A cell that begins with `# Try it (word.try.name)` is a task for the reader; the solved edition does it with the code
that stands under this id in the room's `answers.toml`, and asserts what the task says.
"""

import ast
import copy
import inspect
import re
import textwrap
from collections.abc import Iterator

from kernels.instruments.source import plain
from seqlab.course.gate import find
from seqlab.course.rooms import answer

TASK = re.compile(r"# Try it \(([\w.]+)\)")


def solve(notebook: dict) -> dict:
    """A copy of the notebook in which each `@exercise(id)` function has the body of its reference, and tasks are done.

    Raises ValueError where a stub's arguments differ from the reference's, or the id is unknown.
    """
    solved = copy.deepcopy(notebook)
    for cell in solved["cells"]:
        if cell["cell_type"] == "code" and "@exercise" in cell["source"]:
            cell["source"] = fill(cell["source"])
        if cell["cell_type"] == "code" and (task := TASK.match(cell["source"])):
            cell["source"] += f"\n{answer(task[1])}"
    return solved


def fill(source: str) -> str:
    """One cell's source with its stubs replaced."""
    lines = source.split("\n")
    for id, function in reversed(list(stubs(source))):
        written = textwrap.dedent(inspect.getsource(plain(find(id).reference)))
        reference = next(node for node in ast.walk(ast.parse(written)) if isinstance(node, ast.FunctionDef))
        if ast.dump(function.args) != ast.dump(reference.args):
            wanted = ast.unparse(reference.args)
            raise ValueError(
                f"exercise {id!r}: the stub takes ({ast.unparse(function.args)}), the reference ({wanted})"
            )
        lines[_body(function)] = written.split("\n")[_body(reference)]
    return "\n".join(lines)


def stubs(source: str | ast.AST) -> Iterator[tuple[str, ast.FunctionDef]]:
    """(exercise id, function) for every gated function in a cell, or in its syntax tree."""
    for node in ast.walk(ast.parse(source) if isinstance(source, str) else source):
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "exercise":
                    yield ast.literal_eval(decorator.args[0]), node


def _body(function: ast.FunctionDef) -> slice:
    """The lines of the body after the docstring."""
    first = len(function.body) > 1 and ast.get_docstring(function) is not None
    return slice(function.body[first].lineno - 1, function.body[-1].end_lineno)

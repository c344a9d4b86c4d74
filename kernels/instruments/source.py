"""What a Triton kernel consists of: the functions it calls, what they read by name, and where their lines stand."""

import ast
import hashlib
import inspect
import json
import textwrap
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

SIMPLE = (bool, int, float, str, type(None))  # what a kernel may read as a constant
FORMAT = 3  # of an answer; a change makes the cache forget


class XrayError(ValueError):
    """No X-ray came about. line, file: where the compiler met the error in the kernel, or None."""

    def __init__(self, message: str, line: int | None = None, file: str | None = None):
        super().__init__(message)
        self.line, self.file = line, file


def plain(function: Any) -> Any:
    """The Python function under @triton.jit, @triton.autotune and the like; what is none of them stays as it is."""
    while not inspect.isfunction(function) and hasattr(function, "fn"):
        function = function.fn
    return function


def simple(value: object) -> object:
    """A number or a string, out of a tl.constexpr where it is in one."""
    return getattr(value, "value", value)


def parts(function: object) -> dict[Callable, dict[str, Any]]:
    """The kernel and the helpers it calls, itself first and none of Triton among them; with each what it reads by name.

    Annotations count and decorators do not: they act where the kernel is defined. Raises XrayError where there is no
    source.
    """
    found, todo = {}, [plain(function)]
    while todo:
        here = todo.pop(0)
        if here in found:
            continue
        try:
            tree: Any = ast.parse(textwrap.dedent(inspect.getsource(here))).body[0]
        except (OSError, TypeError) as error:
            cure = "put it into a file or a notebook cell"
            raise XrayError(f"kernel {here.__name__}: its source is not to be had ({error}); {cure}") from None
        tree.decorator_list = []
        nodes = list(ast.walk(tree))
        scope = here.__globals__ | inspect.getclosurevars(here).nonlocals
        names = {node.id for node in nodes if isinstance(node, ast.Name)} - {*here.__code__.co_varnames}
        found[here] = {name: scope[name] for name in sorted(names & scope.keys())}
        inside = [
            getattr(scope.get(node.value.id), node.attr, None)
            for node in nodes
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        ]
        for value in [*found[here].values(), *inside]:
            helper = plain(value)
            if inspect.isfunction(helper) and helper is not value and helper.__module__.split(".")[0] != "triton":
                todo.append(helper)
    return found


def sources(function: object) -> list[dict]:
    """File, first line, name and text of the kernel and its helpers."""
    found = {part: inspect.getsourcelines(part) for part in parts(function)}
    return [
        {"file": inspect.getsourcefile(part), "line": first, "name": part.__name__, "text": "".join(lines)}
        for part, (lines, first) in found.items()
    ]


def digest(function: object, request: dict) -> str:
    """The name of a result: all that the compiler sees, and where the lines stand."""
    read = {name: simple(value) for values in parts(function).values() for name, value in values.items()}
    constants = {name: repr(value) for name, value in read.items() if isinstance(value, SIMPLE)}
    asked = {name: value for name, value in request.items() if name not in ("path", "module")}
    told = json.dumps([sources(function), constants, asked, version("triton"), FORMAT], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:32]

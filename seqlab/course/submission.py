"""What a notebook answers: each gated function with whatever of the notebook it uses, and nothing else."""

import ast
import dis
import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType

from seqlab.course.editions import stubs
from seqlab.course.rooms import Lab, current

LARGEST, WORDIEST = 20_000_000, 1_000_000  # bytes of a notebook, characters of its code


@dataclass
class Submission:
    """A student's notebook as the grader reads it. trouble: why it cannot be graded, or ""."""

    path: Path
    lab: str = ""
    answers: dict[str, list[str]] = field(default_factory=dict)  # id → pieces of code, the last is the function
    told: list[str] = field(default_factory=list)
    trouble: str = ""
    digest: str = ""

    @property
    def receipt(self) -> str:
        """What the student sees and the grader finds: the same for the same answers, whatever else has changed."""
        return hashlib.sha256(json.dumps(self.answers, sort_keys=True).encode()).hexdigest()[:16]


def read(path: Path, labs: list[Lab]) -> Submission:
    """The submission in the file at `path`, for the lab that asks for most of its exercises."""
    found = Submission(path)
    try:
        if path.is_symlink() or not path.is_file():
            raise ValueError("it is a link to elsewhere, or no file")
        size = path.stat().st_size
        if size > LARGEST:
            raise ValueError(f"it has {size / 1e6:,.0f} MB, at most {LARGEST / 1e6:.0f} are read")
        raw = path.read_bytes()
        found.digest = hashlib.sha256(raw).hexdigest()[:16]
        cells = json.loads(raw.decode("utf-8"))["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        if (long := sum(map(len, sources))) > WORDIEST:
            raise ValueError(f"it has {long:,} characters of code, at most {WORDIEST:,} are read")
    except Exception as error:  # of a file that may hold anything
        found.trouble = f"it cannot be read as a notebook ({type(error).__name__}: {error})"
        return found
    bindings, gated = _bindings(sources, found)
    if not gated:
        found.trouble = found.trouble or "no gated function in it: is it a lab's notebook?"
        return found
    best = max(labs, key=lambda lab: len(gated.keys() & set(lab.exercises)))
    if not gated.keys() & set(best.exercises):
        found.trouble = f"its exercises belong to no lab of this version: {', '.join(gated)}"
        return found
    found.lab = best.slug
    strange = gated.keys() - set(best.exercises)
    found.told += [f"{id} is not asked for in {best.slug}" for id in strange]
    found.answers = {id: _needed(gated[id], bindings) for id in best.exercises if id in gated}
    return found


def _bindings(sources: list[str], found: Submission) -> tuple[dict, dict]:
    """Per name the statement that binds it last, and per exercise its function; cells that do not parse are told."""
    bindings: dict[str, tuple[int, str, set[str]]] = {}
    gated: dict[str, tuple[int, str, set[str]]] = {}
    order = itertools.count()
    for cell, source in enumerate(sources):
        source = "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in source.split("\n"))
        try:
            tree = ast.parse(source)
            ids = {id(function): current(name) for name, function in stubs(tree)}
            for statement in tree.body:
                code = ast.unparse(statement)
                piece = (next(order), code, set(_globals(compile(code, "", "exec"))))
                bindings |= {name: piece for name in _bound(statement)}
                if exercise := ids.get(id(statement)):
                    if exercise in gated:
                        found.told.append(f"{exercise} is answered twice: the last one counts")
                    gated[exercise] = piece
        except Exception as error:  # no Python, or more than Python can read
            found.told.append(f"code cell {cell} cannot be read: {type(error).__name__}: {error}")
    return bindings, gated


def _globals(code: CodeType) -> Iterator[str]:
    """The names that a piece of code, and the functions in it, look for outside of themselves."""
    yield from (step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"))
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _globals(inner)


def _bound(statement: ast.stmt) -> set[str]:
    """The names that a statement of the notebook binds: imports, definitions, assignments, if need be in a block."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        return {statement.name}
    nodes = [] if isinstance(statement, ast.Expr) else list(ast.walk(statement))
    brought = (alias for node in nodes if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names)
    stored = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    made = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return stored | made | {(alias.asname or alias.name).split(".")[0] for alias in brought}


def _needed(answer: tuple[int, str, set[str]], bindings: dict) -> list[str]:
    """The code of an answer behind that of all names that it uses, and that those use, in the notebook's order."""
    pieces, todo = {answer[0]: answer[1]}, set(answer[2])
    done: set[str] = set()
    while todo:
        name = todo.pop()
        done.add(name)
        if name in bindings and bindings[name][0] not in pieces:
            at, code, uses = bindings[name]
            pieces[at] = code
            todo |= uses - done
    return [pieces[at] for at in sorted(pieces, key=lambda at: (at == answer[0], at))]

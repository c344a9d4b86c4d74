"""Wrong answers made by machine: `python -m tests.mutants [room…]` writes build/report/mutants.json.

The reference of each exercise is changed in one small way after the other, as its syntax tree gives rise to (a sign
flipped, an argument ignored, a loop one shorter, …), and judged like a learner's answer. What the gate accepts is a
survivor: a case is missing, or the change is none within the exercise's domain, and tests/equivalent.toml says why in a
sentence. Changes that do not run on the smallest case are no answers and are not counted.
"""

import ast
import copy
import inspect
import json
import re
import sys
import textwrap
import tomllib
from collections import Counter
from collections.abc import Callable, Container, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor

from ci.result import write_text
from kernels.instruments.source import plain
from seqlab.course import sandbox
from seqlab.course.check import PROBLEMS, Exercise, judge, written
from seqlab.course.gate import exercises

EQUIVALENT = Path(__file__).with_name("equivalent.toml")
SECONDS = 2.0  # of one call

COMPARISONS = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq, ast.GtE, ast.LtE),
    ast.NotEq: (ast.Eq, ast.Gt, ast.Lt),
}
OPERATIONS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv,
    ast.BitAnd: ast.BitOr,
    ast.Pow: ast.Mult,
    ast.MatMult: ast.MatMult,
}
COMMUTE = (ast.Add, ast.Mult, ast.BitAnd)
ENDS = {"0": "-1", "-1": "0", "1": "0", ":-1": "1:", "1:": ":-1", ":1": "-1:"}
TWINS = ("max min", "amax amin", "argmax argmin", "maximum minimum", "sum mean", "sum amax", "any all", "tril triu")
NAIVE = {
    "torch.softmax": (
        "(lambda e: e / e.sum(-1, keepdim=True))(torch.exp({0}))",
        "torch.softmax(({0}).clamp(-80, 80), dim=-1)",
    ),
    "torch.sigmoid": ("(lambda e: e / (1 + e))(torch.exp({0}))",),
    "hardmax()": ("torch.softmax(1000.0 * ({0}), dim=-1)", "torch.eye(len({0}), dtype=({0}).dtype)[({0}).argmax(-1)]"),
}


@dataclass(frozen=True)
class Wrong:
    """One wrong answer: how it differs from the reference, and what became of it."""

    id: str
    kind: str
    edit: str
    source: str
    verdict: str = ""  # killed, equivalent (accepted, and listed as right), survived; crashes where it does not run


# Changes in one place: what may stand instead of an expression, which is a part of `parent`.


def compared(node: ast.AST, parent: ast.AST) -> Iterator[str]:
    """< and ≤, > and ≥, and their opposites."""
    if isinstance(node, ast.Compare):
        for other in COMPARISONS.get(type(node.ops[0]), ()):
            yield ast.unparse(ast.Compare(node.left, [other(), *node.ops[1:]], node.comparators))


def turned(node: ast.AST, parent: ast.AST) -> Iterator[str]:
    """A sign flipped, a quotient for a product, and for or, the other way round."""
    if isinstance(node, ast.BinOp):
        other = OPERATIONS.get(type(node.op), ast.Sub)()
        yield ast.unparse(ast.BinOp(node.left, other, node.right))
        yield ast.unparse(ast.BinOp(node.right, other if isinstance(node.op, COMMUTE) else node.op, node.left))
    if isinstance(node, ast.UnaryOp):
        yield ast.unparse(node.operand)
    if isinstance(node, ast.BoolOp):
        yield ast.unparse(ast.BoolOp(ast.And() if isinstance(node.op, ast.Or) else ast.Or(), node.values))


def dropped(node: ast.AST, parent: ast.AST) -> Iterator[str]:
    """A term, a factor, a condition, a step or an option left out."""
    if isinstance(node, ast.BinOp) and not isinstance(node.op, ast.MatMult):
        yield from map(ast.unparse, (node.left, node.right))
    if isinstance(node, ast.BoolOp):
        yield from map(ast.unparse, node.values)
    if isinstance(node, ast.Call):
        before = [node.func.value] if isinstance(node.func, ast.Attribute) else []
        yield from (ast.unparse(part) for part in (*before, *node.args) if not isinstance(part, ast.Starred))
        for option in (option for option in node.keywords if option.arg != "label"):
            yield ast.unparse(ast.Call(node.func, node.args, [o for o in node.keywords if o is not option]))
    if isinstance(node, ast.Assign | ast.AugAssign):
        yield "pass"


def transposed(node: ast.AST, parent: ast.AST) -> Iterator[str]:
    """A factor of a product transposed, two arguments exchanged, the axes of einsum in another order."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        left, right = ast.unparse(node.left), ast.unparse(node.right)
        yield from (f"({left}).mT @ ({right})", f"({left}) @ ({right}).mT")
    if isinstance(node, ast.Attribute) and node.attr in ("T", "mT"):
        yield ast.unparse(node.value)
    if isinstance(node, ast.Call) and len(node.args) > 1:
        yield ast.unparse(ast.Call(node.func, [*node.args[1::-1], *node.args[2:]], node.keywords))
    if isinstance(node, ast.Constant) and "->" in str(node.value):
        pairs = re.finditer(r"(\w+) (\w+)(?=,|$| ->)", node.value)
        yield from (repr(node.value.replace(pair[0], f"{pair[2]} {pair[1]}", 1)) for pair in pairs)


def axes(node: ast.AST, parent: ast.AST) -> Iterator[str]:
    """A reduction along another axis."""
    option = isinstance(parent, ast.keyword) and parent.arg == "dim"
    if option or isinstance(parent, ast.Call) and isinstance(parent.func, ast.Attribute) and node in parent.args:
        yield from ("-1", "-2", "0", "1") if re.fullmatch(r"-?\d", ast.unparse(node)) else ()
    if isinstance(node, ast.Constant) and "-> query 1" in str(node.value):
        yield repr(node.value.replace("-> query 1", "-> 1 key"))


def twins(node: ast.AST, parent: ast.AST) -> Iterator[str]:
    """max for min, sum for mean, any for all, …"""
    if isinstance(node, ast.Attribute | ast.Name | ast.Constant):
        before, dot, last = ast.unparse(node).rpartition(".")
        for twin in TWINS:
            if (word := last.strip("'")) in twin.split():
                yield before + dot + last.replace(word, twin.replace(word, "", 1).strip())


def ends(node: ast.AST, parent: ast.AST) -> Iterator[str]:
    """The first for the last; a loop without one of its turns, with its first alone, or backwards."""
    if isinstance(node, ast.Subscript) and (part := ast.unparse(node.slice)) in ENDS:
        yield f"({ast.unparse(node.value)})[{ENDS[part]}]"
    if isinstance(parent, ast.For | ast.comprehension) and node is parent.iter:
        yield from (f"list({ast.unparse(node)})[{part}]" for part in (":-1", "1:", ":1", "::-1"))


def constants(node: ast.AST, parent: ast.AST) -> Iterator[str]:
    """A number one more, one less or twice as large; yes for no; a number for infinity."""
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
        number = node.value
        yield from map(repr, [not number] if isinstance(number, bool) else [number + 1, number - 1, 2 * number])
    if isinstance(node, ast.Call | ast.Attribute) and ast.unparse(node) in ("float('inf')", "math.inf"):
        yield from ("0.0", "10000.0")


def naive(node: ast.AST, parent: ast.AST) -> Iterator[str]:
    """Softmax without its maximum, sigmoid with an exp that overflows, ties of hardmax that are not shared."""
    if isinstance(node, ast.Call):
        yield from (text.format(*map(ast.unparse, node.args)) for text in NAIVE.get(ast.unparse(node.func), ()))


def another(alike: dict[str, list[str]], node: ast.AST, parent: ast.AST) -> Iterator[str]:
    """In one place another argument of the same type."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield from alike.get(node.id, ())


PLACES = (compared, turned, dropped, transposed, axes, twins, ends, constants, naive)


def wholes(exercise: Exercise, alike: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    """(kind, result) made of `right`, the reference: arguments ignored or changed on the way, the result detached."""
    cases, names = exercise.cases(), list(alike)

    def right(**instead: str) -> str:
        return f"right({', '.join(instead.get(name, name) for name in names)})"

    for name, values in zip(names, zip(*cases)):
        yield from (("ignored", right(**{name: other})) for other in (f"smallest[{names.index(name)}]", *alike[name]))
        if isinstance(values[0], Tensor):
            yield "in place", f"({right(**{name: f'{name}.clone()'})}, {name}.copy_({name} == 0))[0]"
            if any(value.ndim > 1 for value in values):
                yield "transposed", right(**{name: f"{name}.mT"})
    wide = [name for name, value in zip(names, cases[0]) if getattr(value, "dtype", None) == torch.float64]
    if isinstance(result := exercise.reference(*cases[0]), Tensor) and result.is_floating_point():
        yield "detached", f"{right()}.detach()"
        if wide:
            yield "float32", f"{right(**{name: f'{name}.float()' for name in wide})}.to({wide[0]}.dtype)"


def mutants(exercise: Exercise) -> Iterator[Wrong]:
    """All wrong answers to an exercise, none twice."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(plain(exercise.reference))))
    function = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    function.body = function.body[1:]  # the docstring
    kinds = [(type(value), getattr(value, "ndim", 0), getattr(value, "dtype", 0)) for value in exercise.cases()[0]]
    called = exercise.run is Exercise.run  # a kernel's own arguments are its launcher's
    types = dict(zip(inspect.signature(exercise.reference).parameters, kinds)) if called else {}
    alike = {name: [o for o in types if o != name and types[o] == types[name]] for name in types}
    before = ast.unparse(tree)
    seen = {before}
    for kind, source in _placed(tree, (*PLACES, partial(another, alike))):
        if source not in seen:
            seen.add(source)
            yield Wrong(exercise.id, kind, _edit(before, source), source)
    for kind, text in wholes(exercise, alike) if called else ():
        yield Wrong(exercise.id, kind, text, f"def {function.name}({', '.join(types)}):\n    return {text}")


def _placed(tree: ast.Module, kinds: tuple[Callable, ...]) -> Iterator[tuple[str, str]]:
    """(kind, source) with one expression changed."""
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            for at, node in enumerate(value if isinstance(value, list) else [value]):
                put = partial(value.__setitem__, at) if isinstance(value, list) else partial(setattr, parent, field)
                for kind in kinds:
                    for text in kind(node, parent) if isinstance(node, ast.AST) else ():
                        new = ast.parse(text).body[0]
                        put(getattr(new, "value", new))
                        yield getattr(kind, "__name__", "another"), ast.unparse(tree)
                        put(node)


def _edit(right: str, wrong: str) -> str:
    """The lines that differ, the reference's first."""
    before, after = ([line.strip() for line in text.split("\n")] for text in (right, wrong))
    pairs = [(a, b) for a, b in zip(before, after) if a != b]
    return " / ".join(f"{a} → {b}" for a, b in pairs)


def judged(exercise: Exercise, wrong: Wrong, cases: list[tuple], listed: Container) -> Wrong:
    """The answer with its verdict; `listed` are the changes that make right answers."""
    reference = inspect.unwrap(plain(exercise.reference))
    names = {**reference.__globals__, "right": reference, "smallest": copy.deepcopy(cases[0])}
    answer = written(wrong.source, names, reference.__name__)
    said = judge(replace(exercise, cases=lambda: cases), answer, explain=False).diagnosis
    if said is None:
        return replace(wrong, verdict="equivalent" if (wrong.id, wrong.edit) in listed else "survived")
    crashes = said.violated == PROBLEMS["raised"] and said.arguments is cases[0]
    return replace(wrong, verdict="crashes" if crashes else "killed")


def survey(*rooms: str) -> list[Wrong]:
    """Every wrong answer that runs, judged; of these rooms, or of all but for kernels, which are interpreted."""
    asked = [e for e in exercises().values() if (_room(e) in rooms if rooms else e.run is Exercise.run)]
    listed = equivalent()
    with mock.patch.object(sandbox, "SECONDS", SECONDS):
        found = [judged(e, wrong, cases, listed) for e in asked for cases in [e.cases()] for wrong in mutants(e)]
    return [wrong for wrong in found if wrong.verdict != "crashes"]


def _room(named: Exercise | Wrong) -> str:
    return named.id.partition(".")[0]


def equivalent() -> dict[tuple[str, str], str]:
    """{(id, edit): why}: changes that make right answers."""
    entries = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["equivalent"]
    return {(id, edit): entry["why"] for entry in entries for id, edit in entry["edits"]}


def score(found: list[Wrong]) -> dict[str, dict[str, float]]:
    """For each room and in all: how many have which verdict, and the share killed of those that are not equivalent."""
    table = {}
    for room in (*sorted(set(map(_room, found))), "all"):
        verdicts = Counter(wrong.verdict for wrong in found if room in ("all", _room(wrong)))
        table[room] = {"killed": 0, "survived": 0, "equivalent": 0, **verdicts}
        table[room]["score"] = verdicts["killed"] / ((verdicts["killed"] + verdicts["survived"]) or 1)
    return table


def report(found: list[Wrong]) -> None:
    """Print what survived and the scores; keep both, and the equivalent ones, in the report."""
    for wrong in found:
        if wrong.verdict == "survived":
            print(f"{wrong.id}  [{wrong.kind}]  {wrong.edit}")
    for room, row in score(found).items():
        print(
            "{:12} {killed:5} killed {survived:4} survived {equivalent:4} equivalent  {score:.1%}".format(room, **row)
        )
    kept = {"score": score(found), "accepted": [asdict(wrong) for wrong in found if wrong.verdict != "killed"]}
    write_text(Path("build/report/mutants.json"), json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    report(survey(*sys.argv[1:]))

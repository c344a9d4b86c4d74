"""A puzzle: an exercise whose answer is a program. What it computes is judged, on all short sequences, and its size."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from seqlab.course.check import Exercise
from seqlab.written.judge import judge
from seqlab.written.program import Program

ANSWERS, BUDGET = "gives every token its answer", "keeps to the budget"


def sequences(values: int, longest: int, shortest: int = 1) -> list[tuple[int, ...]]:
    """All sequences of the tokens 0 … values - 1, from the shortest to the longest."""
    return [s for n in range(shortest, longest + 1) for s in itertools.product(range(values), repeat=n)]


def different(values: int, *lengths: int) -> list[tuple[int, ...]]:
    """All sequences of different tokens 0 … values - 1, of these lengths."""
    return [s for n in lengths for s in itertools.permutations(range(values), n)]


@dataclass(frozen=True)
class Outcome:
    """What is compared of two programs: what they do, and by how much they are too large; how it is shown."""

    done: Any
    over: Mapping[str, int]
    shown: str = field(compare=False)

    def __repr__(self) -> str:
        return self.shown


def puzzle(
    id: str,
    title: str,
    reference: Callable[..., Program],
    *,
    want: Callable,
    inputs: Callable[..., list],
    budget: Callable[..., Mapping[str, int]],
    cases: tuple[tuple, ...] = ((),),
    properties: tuple = (),
    way: bool = False,
    **said: Any,
) -> Exercise:
    """An exercise that accepts every program which is right on all inputs, exactly and as layers, within the budget.

    want:       want(tokens, *arguments): the answer of each token, or one for all
    inputs:     inputs(*arguments): all sequences
    budget:     budget(*arguments): the most of each field of `Program.count`
    properties: what else it must have, after those two
    way:        a wrong program is told where it leaves the reference's way, by the coordinates that both name alike
    """

    def answered(program: Program, *arguments: Any) -> str | None:
        answers = [want(tokens, *arguments) for tokens in inputs(*arguments)]
        verdict = judge(program, answers, inputs(*arguments), reference=reference(*arguments) if way else None)
        return None if verdict else f"{verdict.witness}."

    def look(program: Any, *arguments: Any) -> Any:
        def does(program: Program) -> Any:
            answers = [each.tolist() for each in program.run(inputs(*arguments))]
            return answers, [test(program, *arguments) for _, test in properties]

        return outcome(program, does, budget(*arguments))

    return Exercise(
        id=id,
        title=title,
        reference=reference,
        cases=lambda: list(cases),
        properties=((ANSWERS, answered), *properties, (BUDGET, within(budget))),
        look=look,
        **said,
    )


def within(budget: Callable[..., Mapping[str, int]]) -> Callable[..., str | None]:
    """The property that a program is no larger than the budget."""

    def kept(program: Program, *arguments: Any) -> str | None:
        size, most = program.count(), budget(*arguments)
        over = [f"{getattr(size, name)} {name}, the budget is {most[name]}" for name in excess(program, most)]
        return f"every answer is right, but it has {' and '.join(over)}." if over else None

    return kept


def excess(program: Program, budget: Mapping[str, int]) -> dict[str, int]:
    """By how much a program is larger than the budget, where it is."""
    size = program.count()
    return {name: getattr(size, name) - most for name, most in budget.items() if getattr(size, name) > most}


def outcome(program: Any, does: Callable[[Program], object], budget: Mapping[str, int]) -> Any:
    """A program by what it does, or by the error with which it fails; what is no program stays as it is."""
    if not isinstance(program, Program):
        return program
    size = program.count()
    try:
        done = does(program)
    except (TypeError, ValueError) as error:
        done = str(error)
    return Outcome(done, excess(program, budget), f"layers {size.layers} · heads {size.heads} · units {size.units}")

"""Every reference is accepted, every mutant rejected by its own check with its own message, no style is punished."""

import ast
import inspect
import os

import nbformat
import pytest
import torch

from kernels.instruments.source import plain
from seqlab.course import editions
from seqlab.course.check import Exercise, edited, is_stub, judge
from seqlab.course.gate import exercises
from seqlab.course.rooms import describe
from tests.places import LAB_FILES

EXERCISES = exercises()
DAY = int(os.environ["SEQLAB_DAY"])


def rarely(exercise, at):
    """Kernels are interpreted, which takes time: a sixth of their mutants a day, all of them in `make test-all`."""
    return [pytest.mark.slow] if exercise.run is not Exercise.run and (at - DAY) % 6 else []


MUTANTS = [
    pytest.param(exercise, at, marks=rarely(exercise, at))
    for exercise in EXERCISES.values()
    for at in range(len(exercise.mutants))
]


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=lambda e: e.id)
def test_the_reference_is_accepted(exercise):
    judgement = judge(exercise, exercise.reference)
    assert judgement.right and not judgement.printed, judgement


@pytest.mark.parametrize("exercise, at", MUTANTS, ids=lambda x: getattr(x, "id", x))
def test_the_mutant_is_rejected_with_its_message(exercise, at):
    mutant = exercise.mutants[at]
    judgement = judge(exercise, mutant.function(exercise.reference))
    assert not judgement.right
    assert judgement.diagnosis.violated == mutant.violates
    assert judgement.diagnosis.known == mutant.message
    assert judgement.diagnosis.case


def test_a_mutant_is_an_edit_of_the_code_and_one_that_does_not_apply_is_an_error():
    hardmax = EXERCISES["names.hardmax"].reference
    shares = edited(hardmax, {"(scores == ": "(scores >= ", "winners / ": "0 * winners / "})
    scores = torch.tensor([[1.0, 2.0]])
    assert shares(scores).tolist() == [[0.0, 0.0]] and hardmax(scores).tolist() == [[0.0, 1.0]]
    for piece, times in (
        ("largest score", 0),
        ("no such code", 0),
        ("winners", 3),
    ):  # the first stands in the docstring
        with pytest.raises(ValueError, match=f"hardmax: '{piece}' stands {times} times in its code, wanted once"):
            edited(hardmax, {piece: ""})


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=lambda e: e.id)
def test_every_exercise_has_enough_to_teach_with(exercise):
    assert len(exercise.mutants) >= 3 and len(exercise.hints) == 3
    messages = [mutant.message for mutant in exercise.mutants]
    assert len(set(messages)) == len(messages)
    names = {name for name, _ in exercise.properties} | {
        "equals the reference",
        "is never NaN",
        "has the right shape",
        "has the right dtype",
    }
    assert {mutant.violates for mutant in exercise.mutants} <= names


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=lambda e: e.id)
def test_an_unknown_mistake_is_rejected_too(exercise):
    """Off by a little, nowhere a known mutant: the property or the value still catches it."""

    def nearly(*arguments):
        result = exercise.reference(*arguments)
        if isinstance(result, torch.Tensor):
            return result + 0.01
        return result + 0.01 if isinstance(result, float) else ((0, 0), (0, 0))

    assert not judge(exercise, nearly).right


@pytest.mark.parametrize("path", LAB_FILES, ids=lambda p: p.stem)
def test_stubs_in_the_lab_are_those_of_its_rooms(path):
    notebook = nbformat.read(path, as_version=4)
    found = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        for id, function in editions.stubs(cell.source):
            found.append(id)
            reference = EXERCISES[id].reference
            assert function.name == reference.__name__
            assert ast.get_docstring(function) == inspect.getdoc(plain(reference))
            body = [
                node
                for node in function.body
                if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
            ]
            assert not body, f"{id} is not a stub in git"
    lab = describe(path.stem, notebook)
    assert tuple(found) == lab.exercises
    assert set(found) == {id for id in EXERCISES if id.partition(".")[0] in lab.rooms}, "asked here and nowhere else"


def test_solved_edition_fills_bodies_and_keeps_the_rest():
    source = 'import math\n\n\n@exercise("names.hardmax")\ndef hardmax(scores):\n    """Mine."""\n    ...\n\n\nx = 1'
    filled = editions.fill(source)
    assert (
        "winners /" in filled
        and '"""Mine."""' in filled
        and filled.endswith("\n\n\nx = 1")
        and "..." not in filled.replace('"""', "")
    )
    with pytest.raises(ValueError, match="the stub takes"):
        editions.fill('@exercise("names.hardmax")\ndef hardmax(x):\n    ...')


def test_stubs_are_recognized():
    def documented():
        """Text."""
        ...

    def raising():
        raise NotImplementedError

    def passing():
        pass

    def one():
        return 1

    def other():
        raise ValueError

    assert all(map(is_stub, (documented, raising, passing))) and not any(map(is_stub, (one, other)))

"""Secret cases: every exercise draws some that no notebook has; its reference is right on them, its mutants are not."""

import random

import pytest

from seqlab.course.check import judge
from seqlab.course.gate import exercises
from seqlab.grading.grade import hidden, judged_on

EXERCISES = exercises()
COMPLETE = {id for id, task in EXERCISES.items() if id.startswith("written.") and list(task.cases()) == [()]}
DRAWING = sorted(EXERCISES.keys() - COMPLETE)
RARE = {  # mutants that only a case made for them tells: scores of ±30,000, names that nearly agree
    "names.tester": {3, 5},
    "tiles.online": {3, 4, 5},
    "tiles.sigmoid": {6},
    "tiles.block_sparse": {13},
}


def slowly(id):
    """Kernels are interpreted, and programs run on all inputs: their mutants are for `make test-all`."""
    return pytest.param(id, marks=[pytest.mark.slow] if id.startswith(("tiles.", "written.")) else [])


def cases(id, seeds):
    return [case for seed in seeds for case in hidden(id, seed)]


@pytest.mark.parametrize("id", EXERCISES)
def test_the_reference_is_right_on_every_draw_and_no_draw_is_public(id):
    task = EXERCISES[id]
    if id in COMPLETE:  # a puzzle that is judged on all inputs that there are
        assert task.draw is None
        return
    for seed in range(3 if id.startswith(("tiles.", "written.")) else 12):
        found = judge(judged_on(task, [task.draw(random.Random(seed))]), task.reference)
        assert found.right, found
    drawn = [repr(case) for case in cases(id, ["a secret"])]
    assert drawn and not {repr(case) for case in task.cases()} & set(drawn) and len(set(drawn)) == len(drawn)


@pytest.mark.parametrize("id", list(map(slowly, DRAWING)))
def test_typical_mistakes_fail_on_draws_alone(id):
    task = EXERCISES[id]
    some = judged_on(task, cases(id, ["one"] if id.startswith("written.") else ["one", "two", "three"]))
    passed = {
        at
        for at, mutant in enumerate(task.mutants)
        if judge(some, mutant.function(task.reference), explain=False).right
    }
    assert passed <= RARE.get(id, set())


@pytest.mark.parametrize("id", [id for id in DRAWING if not id.startswith(("tiles.", "turing.table", "turing.sort"))])
def test_a_table_of_the_public_cases_fails(id):
    task = EXERCISES[id]
    known = {repr(case): task.want(*case) for case in task.cases()}
    table = lambda *given: known.get(repr(given), next(iter(known.values())))
    assert judge(judged_on(task, list(task.cases())), table).right
    assert not judge(judged_on(task, cases(id, ["a secret"])), table, explain=False).right


def test_a_machine_that_knows_the_public_words_fails():
    """It counts up to six ones by its states, and writes as many behind them."""
    rules = [f"q{n} 1 -> q{n + 1} 1 R\nq{n} _ -> w{n} _ N" for n in range(7)]
    rules += [f"w{n} _ -> w{n - 1} 1 R" for n in range(1, 7)]
    text = "\n".join(["start: q0", "halt: w0 q7", *rules])
    task = EXERCISES["turing.table"]
    assert judge(task, lambda: text).right
    assert not judge(judged_on(task, cases(task.id, ["a secret"])), lambda: text).right

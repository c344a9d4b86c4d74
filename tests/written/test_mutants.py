"""Every puzzle rejects what a machine makes of its reference: a head left out, a sign, a threshold, a pattern."""

from dataclasses import replace

import pytest

from seqlab.course.gate import exercises
from seqlab.written import Program

PUZZLES = {id: exercise for id, exercise in exercises().items() if id.startswith("written.")}
PUZZLES.pop("written.names")  # there a changed weight often gives other names that are as good


def turned(forms):
    return tuple(shifted(-form, 0) for form in forms)


def shifted(form, by):
    moved = form + by
    return moved if moved.weights or moved.constant else 0  # an empty form is refused, the number 0 is not


def wrong_heads(head):
    yield "left out", None
    yield "query turned round", replace(head, query=turned(head.query))
    yield "write turned round", replace(head, write=turned(head.write))
    if head.sees:
        yield "pattern dropped", replace(head, sees=None)
    for k, form in enumerate(head.query):
        for by in (-1, 1) if form.weights else ():  # another number is another scale, no other threshold
            query = (*head.query[:k], shifted(form, by), *head.query[k + 1 :])
            yield f"query {k} moved by {by}", replace(head, query=query)


def wrong_units(unit):
    yield "left out", None
    yield "read turned round", replace(unit, read=-unit.read)
    yield "write turned round", replace(unit, write=-unit.write)
    for by in (-1, 1):
        yield f"threshold moved by {by}", replace(unit, read=shifted(unit.read, by))


def mutants(program):
    """(what was done, the program with it) for each part of each layer."""
    for at, layer in enumerate(program.layers):
        for kind, edits in (("heads", wrong_heads), ("units", wrong_units)):
            parts = getattr(layer, kind)
            for k, part in enumerate(parts):
                for told, new in edits(part):
                    changed = [*parts[:k], *([new] if new else []), *parts[k + 1 :]]
                    layers = [*program.layers[:at], replace(layer, **{kind: changed}), *program.layers[at + 1 :]]
                    start = dict.fromkeys(program.names, 0) | dict(program.start)
                    options = dict(normalizer=program.normalizer, positions=program.positions, start=start)
                    yield (
                        f"layer {at}, {kind[:-1]} {k}: {told}",
                        Program(program.reads, program.answers, layers, **options),
                    )


@pytest.mark.parametrize("id", PUZZLES)
def test_machine_mutants_are_rejected_with_a_witness(id):
    exercise = PUZZLES[id]
    arguments = exercise.cases()[-1]
    for told, program in mutants(exercise.reference(*arguments)):
        problems = [message for _, test in exercise.properties if (message := test(program, *arguments))]
        assert problems and ("is answered" in problems[0] or "sees everything" in problems[0]), told

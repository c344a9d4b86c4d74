"""Answers to exercises, as learners write them: bodies of functions under the reference's own signature."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Sequence

import numpy
import pytest
import torch

from kernels.instruments.source import plain
from seqlab.course.check import Judgement, judge, written
from seqlab.course.gate import exercises


def judged(id: str, body: str) -> Judgement:
    """What the gate says of the function with this body: it knows what the notebook's function would know."""
    exercise = exercises()[id]
    reference = plain(exercise.reference)
    names = {"torch": torch, **vars(inspect.getmodule(reference)), "np": numpy, "F": torch.nn.functional}
    parsed = ast.parse(textwrap.dedent(inspect.getsource(reference))).body[0]
    head = f"def {parsed.name}({ast.unparse(parsed.args)}):\n"
    body = textwrap.indent(textwrap.dedent(body).strip(), "    ")
    return judge(exercise, written(head + body, names, reference.__name__), explain=False)


def told_apart(right: Sequence[tuple], wrong: Sequence[tuple] = ()) -> Callable:
    """The test that the gate accepts the right answers, each an exercise's id and a body, and not the wrong ones.

    Where they stand in one list, each says itself whether it is right: (id, body, accepted).
    """

    @pytest.mark.parametrize("id, body, accepted", [(*a, True)[:3] for a in right] + [(*a, False) for a in wrong])
    def test(id, body, accepted):
        judgement = judged(id, body)
        assert judgement.right == accepted, judgement

    return test

"""Answers to exercises, as learners write them: bodies of functions under the reference's own signature."""

import inspect
import textwrap

import numpy
import torch

from seqlab.course.check import Judgement, judge
from seqlab.course.gate import exercises


def judged(id: str, body: str) -> Judgement:
    """What the gate says of the function with this body: it knows what the notebook's function would know."""
    exercise = exercises()[id]
    reference = exercise.reference
    names = {"torch": torch, **vars(inspect.getmodule(reference)), "np": numpy, "F": torch.nn.functional}
    head = f"def {reference.__name__}{inspect.signature(reference)}:\n"
    exec(head + textwrap.indent(textwrap.dedent(body).strip(), "    "), names)
    return judge(exercise, names[reference.__name__])

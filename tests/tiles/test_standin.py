"""The stand-in for Triton computes what Triton's interpreter computes, and sees the same mistakes."""

import inspect

import pytest
import torch

from seqlab.course.check import written
from seqlab.tiles import launch, standin
from seqlab.tiles.exercises import attention, bare, further, memory
from seqlab.tiles.language import triton

TASKS = (memory.COPY, memory.SOFTMAX, attention.ONLINE, attention.SIGMOID, further.SPARSE, further.BACKWARD)
pytestmark = pytest.mark.skipif(triton is standin, reason="Triton is not installed")


def standing_in(function, monkeypatch):
    """The kernel in the stand-in's words, and its launcher's too."""
    monkeypatch.setattr(launch, "triton", standin)
    monkeypatch.setattr(launch, "audit", standin.audit)
    source = inspect.getsource(function)
    names = {"tl": standin.language, "triton": standin}
    return written(source[source.index("def ") :], names, function.__name__)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
def test_both_give_the_same(task, monkeypatch):
    case = task.cases()[-2]
    wrong = task.mutants[1].function(task.reference)
    for function in (task.reference.fn, wrong):
        with monkeypatch.context() as patch:
            want = task.run(function, *case)
            got = task.run(standing_in(function, patch), *case)
        torch.testing.assert_close(got.out, want.out, equal_nan=True, rtol=1e-5, atol=1e-5)
        kinds = [[found.partition(":")[0] for found in ran.findings] for ran in (got, want)]
        assert kinds[0] == kinds[1] and (got.unwritten, got.spoiled) == (want.unwritten, want.spoiled)


def test_without_an_audit_a_kernel_reaches_all_of_a_tensors_memory():
    def fill(x):
        standin.store(x + standin.language.arange(0, 4), 1.0)

    room = torch.zeros(6)
    standin.jit(fill)[(1,)](room[1:3])
    assert room.tolist() == [0, 1, 1, 1, 1, 0]


def test_types_that_triton_would_refuse():
    with pytest.raises(TypeError, match="same dtype"):
        standin.dot(torch.ones(2, 2), torch.ones(2, 2, dtype=torch.float16))


def test_the_kernels_of_the_room_are_those_of_the_exercises():
    made = {name for name, value in vars(bare).items() if hasattr(value, "fn")}
    assert made == {task.reference.__name__ for task in TASKS}

"""The audit sees what a right answer hides, and finds nothing in this course's kernels."""

import pytest
import torch

import kernels
from kernels.flash import versions
from kernels.instruments.audit import audit
from tests.kernels.problems import layout, qkv

triton = pytest.importorskip("triton")
pytestmark = pytest.mark.skipif(
    versions.installed() is None or not versions.interpreting(), reason="Triton compiles in this process"
)
tl = triton.language


@triton.jit
def copy(x, out, n, BLOCK: tl.constexpr, LOAD_MASK: tl.constexpr, STORE_MASK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    b = tl.load(x + i, mask=(i < n) | (not LOAD_MASK), other=0.0)
    tl.store(out + i, b, mask=(i < n) | (not STORE_MASK))


@triton.jit
def add_up(x, out, ATOMIC: tl.constexpr):
    b = tl.load(x + tl.program_id(0))
    if ATOMIC:
        tl.atomic_add(out, b)
    else:
        tl.store(out, tl.load(out) + b)


def run_copy(**masks):
    x, room = torch.randn(7), torch.full((16,), 9.0)
    with audit(x, room[:7]) as findings:
        copy[(2,)](x, room, 7, BLOCK=4, **masks)
    assert torch.equal(room[:7], x) and (room[7:] == 9).all()  # what lies outside is reported, not done
    return [found.kind for found in findings]


def test_missing_masks_are_named():
    assert run_copy(LOAD_MASK=True, STORE_MASK=True) == []
    assert run_copy(LOAD_MASK=True, STORE_MASK=False) == ["store outside"]
    assert run_copy(LOAD_MASK=False, STORE_MASK=True) == ["load outside"]


@triton.jit
def doubled(x, out, n, BLOCK: tl.constexpr, OTHER: tl.constexpr):
    i = tl.arange(0, BLOCK)
    b = tl.load(x + i, mask=i < n, other=1.0) if OTHER else tl.load(x + i, mask=i < n)
    tl.store(out + i, 2 * b)


def test_what_a_load_leaves_out_is_no_number_unless_one_is_said():
    x, out = torch.ones(2), torch.empty(4)
    with audit(x, out):
        doubled[(1,)](x, out, 2, BLOCK=4, OTHER=False)
        assert out[:2].tolist() == [2, 2] and out[2:].isnan().all()
        doubled[(1,)](x, out, 2, BLOCK=4, OTHER=True)
    assert out.tolist() == [2, 2, 2, 2]


def test_a_race_is_found_though_the_sum_is_right():
    x, out = torch.ones(3), torch.zeros(1)
    with audit(x, out) as findings:
        add_up[(3,)](x, out, ATOMIC=False)
    assert out.item() == 3 and [found.kind for found in findings] == ["race"]
    assert "program (1, 0, 0)" in str(findings[0]) and "program (0, 0, 0)" in str(findings[0])


def test_atomics_may_meet():
    x, out = torch.ones(3), torch.zeros(1)
    with audit() as findings:
        add_up[(3,)](x, out, ATOMIC=True)
    assert findings == []


def test_an_atomic_outside_is_found_and_not_done():
    x, room = torch.ones(3), torch.zeros(2)
    with audit(x, room[1:]) as findings:
        add_up[(3,)](x, room, ATOMIC=True)
    assert [found.kind for found in findings] == ["store outside"] and room.tolist() == [0, 0]


@pytest.mark.parametrize("normalizer", ["softmax", "sigmoid"])
@pytest.mark.parametrize("sparse", [False, True])
def test_the_kernels_of_the_course_do_not_race(normalizer, sparse):
    pattern = layout(41, 41, 16) if sparse else None
    inputs = [x.requires_grad_() for x in qkv(41, kv_heads=1, batch=2)]
    with audit() as findings:
        kernels.attention(
            *inputs, normalizer=normalizer, layout=pattern, causal=True, impl="interpret"
        ).sum().backward()
    assert findings == []

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

"""A launch tells what a kernel did: what it forgot, what it spoiled, where it reached."""

import pytest
import torch

from kernels.instruments.compile import resolve
from seqlab.course.check import edited
from seqlab.tiles import launch
from seqlab.tiles.exercises import bare
from seqlab.tiles.language import tl, triton
from tests.typecheck import plain


@triton.jit
def nothing(x, out, n, BLOCK: tl.constexpr):
    pass


@triton.jit
def fails(x, out, n, BLOCK: tl.constexpr):
    tl.load(x + unknown)  # noqa: F821


def test_what_nobody_wrote_is_poison():
    ran = launch.copy(nothing, torch.ones(5))
    assert ran.unwritten == 5 and ran.out.isnan().all() and not ran.findings and not ran.spoiled
    assert "5 forgotten" in str(ran) and "found nothing" in str(ran)


def test_nan_that_a_kernel_computes_is_no_poison():
    ran = launch.copy(bare.copy, torch.full((3,), float("nan")))
    assert ran.unwritten == 0 and ran.out.isnan().all()


def test_canaries_between_rows_and_places_outside_are_told_apart():
    wide = edited(bare.row_softmax, {", mask=d < width)\n": ")\n"})
    ran = launch.row_softmax(wide, torch.randn(2, 5))
    assert ran.spoiled == 3 and [found.partition(":")[0] for found in ran.findings] == [
        "store outside by program (1, 0, 0)"
    ]


def test_a_store_into_an_input_is_seen():
    swapped = edited(bare.copy, {"tl.store(out + i": "tl.store(x + i", "b_x, mask": "2 * b_x, mask"})
    x = torch.ones(5)
    ran = launch.copy(swapped, x)
    assert ran.changed == 5 and ran.unwritten == 5 and (x == 1).all()


def test_an_error_inside_of_a_kernel_is_its_own():
    with pytest.raises(NameError, match="unknown"):
        launch.copy(fails, torch.ones(3))


def test_the_signature_for_the_compiler_follows_from_names(monkeypatch):
    asked = {}
    monkeypatch.setattr(launch, "xray", lambda kernel, arch, **options: asked.update(options))
    compiled = plain(launch.xrayed)
    compiled(bare.block_sparse)
    assert asked["constants"] == {"DIM": 64, "BLOCK": 64} and asked["signature"]["indices"] == "*i32"
    compiled(bare.sigmoid)
    assert asked["num_warps"] == 8 and asked["signature"]["bias"] == "fp32" and asked["signature"]["q"] == "*fp16"
    assert "bias" not in asked["divisible"] and "stride_q" in asked["divisible"]


def test_an_edited_kernel_is_not_taken_for_the_one_of_its_module():
    pytest.importorskip("triton")
    assert resolve(bare.copy)[1] == "seqlab.tiles.exercises.bare"
    kernel, module, *_ = resolve(edited(bare.copy, {"tl.load(x + i, mask=i < n)": "tl.load(x + i)"}))
    assert module.startswith("cell_") and kernel is not bare.copy

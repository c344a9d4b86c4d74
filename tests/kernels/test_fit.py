"""Whatever `choose` accepts fits, by the compilers: in shared memory, and in registers without a spill in a loop.

ptxas sometimes parks a number or two of the prologue until the epilogue: at most 16 bytes a thread, outside of loops.
"""

import itertools

import pytest

from kernels.flash.catalogue import ARCHS, KERNELS
from kernels.instruments.occupancy import LIMITS
from kernels.instruments.xray import xray

pytest.importorskip("triton")
OPTIONS = {
    "plain": {},
    "causal, ragged": {"causal": True, "even": False},
    "everything": {"causal": True, "even": False, "bias": True, "padding": True, "alibi": True},
    "blocks of 16": {"sparse": True, "block": 16, "even": False},
    "blocks of 64, causal": {"sparse": True, "block": 64, "causal": True, "even": False},
    "blocks of 128, bias": {"sparse": True, "block": 128, "bias": True, "even": False},
}
NVIDIA = [arch for arch in ARCHS if arch.startswith("sm_")]
STEPS = ("softmax_forward", "softmax_dq", "softmax_dkdv", "sigmoid_forward", "sigmoid_dkdv")
SPLIT = [pytest.param(x, 2, marks=pytest.mark.slow) for x in ("sigmoid_forward", "sigmoid_dkdv", "softmax_dkdv")]
EVERY = list(itertools.product(ARCHS, ("fp16", "fp32"), (64, 128, 256), STEPS, OPTIONS))
QUICK = range(11, len(EVERY), 97)  # a sample of every push
SLOW = range(0, len(EVERY), 11)  # and of the full run: each pair of choices meets


@pytest.mark.parametrize(
    "arch, dtype, dim, step, options",
    [pytest.param(*EVERY[at], marks=() if at in QUICK else pytest.mark.slow) for at in sorted({*QUICK, *SLOW})],
)
def test_defaults_fit(arch, dtype, dim, step, options):
    report = xray(step, arch, dtype=dtype, dim=dim, **OPTIONS[options])
    assert report.spills <= (16 if arch in NVIDIA and options != "plain" else 0)
    assert all(loop["spill"] == 0 for loop in report.loops)
    assert report.shared <= LIMITS[arch].shared_block and report.occupancy.blocks > 0


@pytest.mark.parametrize("name, parts", [("softmax_forward", 2), *SPLIT, ("softmax_dq", 1)])
def test_programs_that_share_a_row_fit(name, parts):
    """As started: one pattern for all heads, whose stride is 0, one head; a sigmoid's parts have no log-sum-exp."""
    made = KERNELS[name].specialise("sm_90", sparse=True, even=False)
    rooms = ("*fp32", None)[:parts] if name == "sigmoid_forward" else ("*fp32",) * parts
    signature = made.signature | {"layout": ("*i32", "*i32", 0, 1), "parts": rooms}
    constants = {name: value for name, value in made.constants.items() if name != "parts"}
    sizes = {"num_warps": made.num_warps, "num_stages": made.num_stages}
    whole = {"constants": constants, "divisible": made.divisible} | sizes
    assert xray(KERNELS[name].function, "sm_90", signature=signature, **whole).spills == 0


@pytest.mark.parametrize("lse", ["*fp32", None])
def test_the_kernel_that_merges_parts_fits(lse):
    signature = {"parts": "*fp32", "splits": "*i32", "out": "*fp16", "rows": "i32"}
    constants = {"DIM": 80, "BLOCK_D": 128, "BLOCK": 64}
    if lse:
        signature |= {"lse": lse, "lses": lse}
    else:
        constants |= {"lse": None, "lses": None}
    report = xray("kernels.flash.attention:merge", "sm_90", signature=signature, constants=constants)
    assert report.spills == 0 and report.occupancy.blocks > 0

"""What the compilers make of the seven kernels: matrix units, no spills, and sigmoid's shorter loop. No GPU needed."""

import pytest

from kernels.flash.catalogue import ARCHS, KERNELS, candidates, default_tiles
from kernels.instruments.ledger import Counts, closed_form
from kernels.instruments.roofline import DEVICES, PRODUCTS, roofline, this_cpu
from kernels.instruments.xray import xray

pytest.importorskip("triton")
TILE = {"dtype": "fp16", "dim": 64, "block_q": 128, "block_k": 128, "num_warps": 8, "num_stages": 2}


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_compiles_without_spills_and_uses_the_matrix_units(kernel, arch):
    report = xray(kernel, arch)
    assert report.spills == 0
    assert report.instructions["matrix"] > 0 or kernel == "softmax_delta"


@pytest.mark.parametrize(
    "arch", ["sm_90", *(pytest.param(arch, marks=pytest.mark.slow) for arch in ("sm_80", "gfx942"))]
)
@pytest.mark.parametrize("config", [{"causal": True}, {"sparse": True}, {"dim": 128}, {"dtype": "fp32"}], ids=str)
def test_other_variants_do_not_spill_either(arch, config):
    for kernel in ("sigmoid_forward", "softmax_dkdv"):
        assert xray(kernel, arch, **config).spills == 0


@pytest.mark.parametrize("arch, stages", [("sm_80", 2), ("sm_80", 3), ("sm_90", 2), ("sm_100", 2)])
def test_the_sigmoid_loop_is_shorter_and_reduces_nothing(arch, stages):
    loops = {}
    for normalizer in ("softmax", "sigmoid"):
        report = xray(f"{normalizer}_forward", arch, **TILE | {"num_stages": stages})
        loops[normalizer] = sum(report.loop.values()) - report.loop["matrix"]
        assert (report.reductions == 0) == (normalizer == "sigmoid")
        assert (report.loop["shuffle"] == 0) == (normalizer == "sigmoid")
    assert loops["sigmoid"] <= 0.8 * loops["softmax"]


def test_amds_sigmoid_divides_by_one_instruction():
    report = xray("sigmoid_forward", "gfx942")
    assert report.opcodes["v_rcp_f32"] or report.opcodes["v_rcp_f32_e32"]
    assert not any("_div_" in opcode for opcode in report.opcodes)


def test_no_kernel_has_more_than_30_arguments():
    assert max(len(kernel.function.arg_names) for kernel in KERNELS.values()) <= 30


@pytest.mark.parametrize("device", DEVICES)
def test_roofline_names_what_binds(device):
    report = xray("sigmoid_forward", DEVICES[device].arch, **TILE)
    work = closed_form(
        "forward",
        normalizer="sigmoid",
        batch=4,
        heads=16,
        n_query=8192,
        n_key=8192,
        dim=64,
        itemsize=2,
        block_q=128,
        block_k=128,
    )
    line = roofline(report, work, device, compulsory=4 * 4 * 16 * 8192 * 64 * 2)
    assert line.seconds == max(line.limits.values()) and line.binds in str(line) and len(line.limits) == 4
    assert line.limits["matrix units"] == work.matmul_flop / DEVICES[device].matrix


def test_special_functions_of_a_loop_are_one_for_each_score():
    """The ledger's way to count and the X-ray's agree: passes · warps · lanes · instructions = scores."""
    report = xray("sigmoid_forward", "sm_90", **TILE)
    assert report.num_warps * 32 * report.loop["special"] == 128 * 128


def test_roofline_on_this_cpu_and_refusals():
    cpu = this_cpu()
    assert 1e9 < cpu.matrix < 1e14 and 1e8 < cpu.memory < 1e13
    assert set(roofline(None, Counts(loaded=10, matmul_flop=100), cpu).limits) == {"matrix units", "memory"}
    with pytest.raises(ValueError, match="device: got 'H800', wanted one of A100"):
        roofline(None, Counts(), "H800")
    with pytest.raises(ValueError, match="report: made for sm_80, the H100 is sm_90"):
        roofline(xray("sigmoid_forward", "sm_80", **TILE), Counts(), "H100")


def test_products_of_a_pass_are_those_of_the_closed_form():
    shape = {"normalizer": "softmax", "batch": 1, "heads": 1, "n_query": 64, "n_key": 64, "dim": 16}
    assert all(closed_form(step, **shape).products == count for step, count in PRODUCTS.items())


@pytest.mark.parametrize("step", ["forward", "dq", "dkdv"])
@pytest.mark.parametrize("dtype", ["fp16", "fp32"])
def test_candidates_are_pruned_by_shape(step, dtype):
    small, large = candidates(step, dtype, 64), candidates(step, dtype, 256)
    assert 0 < len(large) < len(small)
    assert all(t.block_q * t.block_k <= 128 * 128 for t in small)
    assert default_tiles(step, "sm_80", dtype, 64).block_q >= default_tiles(step, "sm_80", dtype, 256).block_q


def test_config_refusals():
    with pytest.raises(ValueError, match="dtype: got 'int8'"):
        KERNELS["sigmoid_forward"].specialise("sm_90", dtype="int8")
    with pytest.raises(ValueError, match="form: got 'erf'"):
        KERNELS["sigmoid_forward"].specialise("sm_90", form="erf")

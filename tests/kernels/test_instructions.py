"""Classes, loops and occupancy, on small listings written by hand."""

import pytest

from kernels.instruments.instructions import count, loops, matrix_loops, parse, spilled
from kernels.instruments.occupancy import occupancy

SASS = """\
.L_x_9:
/*0000*/                MOV R1, c[0x0][0x28] ;
/*0010*/           @!P0 BRA `(.L_x_2) ;
.L_x_0:
/*0020*/                HMMA.16816.F32 R4, R8, R12, R4 ;
/*0030*/                MUFU.EX2 R4, R4 ;
/*0040*/                HADD2.F32 R5, -RZ, R4.H0_H0 ;
/*0050*/                HFMA2.MMA R6, -RZ, RZ, 0, 0 ;
/*0060*/                STL.64 [R1], R4 ;
/*0070*/                SYNCS.PHASECHK.TRANS64.TRYWAIT P6, [UR20], R5 ;
/*0080*/          @!P6 BRA `(.L_x_1) ;
.L_x_3:
/*0090*/                SHFL.BFLY PT, R4, R4, 0x1, 0x1f ;
/*00a0*/                NOP ;
/*00b0*/           @P1 BRA `(.L_x_0) ;
.L_x_2:
/*00c0*/                FROBNICATE R4 ;
/*00d0*/                EXIT ;
.L_x_1:
/*00e0*/                NANOSLEEP 0x64 ;
/*00f0*/                BRA `(.L_x_3) ;
.L_x_4:
/*0100*/                BRA `(.L_x_4);
/*0110*/                NOP;
/*0120*/                NOP;""".split("\n")


def test_classes_and_loops_of_sass():
    instructions, labels = parse(SASS)
    assert instructions[-1].name == "BRA" and len(instructions) == 16
    assert spilled(instructions) == 8
    assert [sorted(body) for body in loops(instructions, labels)] == [
        [*range(2, 12), 14, 15]
    ]  # the wait out of line too
    (loop,) = matrix_loops(instructions, labels)
    assert dict(count(loop)) == {
        "matrix": 1,
        "special": 1,
        "conversion": 1,
        "integer": 1,
        "spill": 1,
        "barrier": 2,
        "other": 3,
        "shuffle": 1,
    }
    assert {one.name for one in instructions if one.kind == "other"} >= {"FROBNICATE", "BRA", "EXIT"}
    assert loops(*parse([])) == [] and loops(*parse(["label:"])) == []


def test_nested_loops_count_the_innermost():
    text = "/*0000*/ MOV R1 ;\n.L_x_0:\n/*0010*/ HMMA R1 ;\n.L_x_1:\n/*0020*/ HMMA R2 ;\n/*0030*/ @P0 BRA `(.L_x_1) ;\n"
    instructions, labels = parse((text + "/*0040*/ @P1 BRA `(.L_x_0) ;\n/*0050*/ EXIT ;").split("\n"))
    assert [len(body) for body in loops(instructions, labels)] == [4, 2]
    assert [len(loop) for loop in matrix_loops(instructions, labels)] == [2]


def test_classes_of_gcn():
    text = """\
.LBB0_1:                                ; =>This Inner Loop
\tv_mfma_f32_32x32x8_f16 a[0:15], v[0:1], v[2:3], a[0:15]
\tv_exp_f32_e32 v1, v1                  ; toy.py:5
\tv_max_f32_dpp v1, v2, v3 row_shr:1
\tv_cvt_f16_f32_e32 v1, v1
\tds_read_b128 v[0:3], v1
\tbuffer_load_dwordx4 v[0:3], v1, s[0:3], 0 offen
\tscratch_store_dword off, v1, s32
\ts_waitcnt vmcnt(0)
\tv_pk_mul_f32 v[0:1], v[2:3], v[4:5]
\tv_lshlrev_b32_e32 v1, 2, v1
\ts_cbranch_scc1 .LBB0_1
\ts_endpgm"""
    instructions, labels = parse(text.split("\n"))
    assert [one.kind for one in instructions] == [
        "matrix",
        "special",
        "shuffle",
        "conversion",
        "shared",
        "global",
        "spill",
        "barrier",
        "fp32",
        "integer",
        "other",
        "other",
    ]
    assert [len(loop) for loop in matrix_loops(instructions, labels)] == [11]


@pytest.mark.parametrize(
    "arch, registers, shared, warps, columns, resident, limit",
    [
        ("sm_80", 32, 0, 4, 0, 64, "warps"),
        ("sm_80", 255, 0, 8, 0, 8, "registers"),
        ("sm_90", 128, 0, 8, 0, 16, "registers"),
        ("sm_90", 64, 100 * 1024, 8, 0, 16, "shared memory"),
        ("sm_90", 64, 228 * 1024, 8, 0, 0, "shared memory"),
        ("sm_100", 64, 1024, 4, 256, 8, "tensor memory"),
        ("sm_80", 16, 0, 1, 0, 32, "blocks"),
        ("gfx942", 155, 0, 4, 0, 12, "registers"),
        ("gfx942", 64, 65536, 4, 0, 4, "shared memory"),
    ],
)
def test_occupancy(arch, registers, shared, warps, columns, resident, limit):
    found = occupancy(arch, registers, shared, warps, columns)
    assert (found.warps, found.limit) == (resident, limit)

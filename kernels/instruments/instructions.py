"""Reading machine code: which unit of the GPU an instruction keeps busy, and where the loops are.

class        NVIDIA (SASS)                          AMD (GCN)
matrix       HMMA HGMMA UTCHMMA …                   v_mfma_*
special      MUFU: 2^x, 1/x, tanh, log2 …           v_exp v_rcp v_rsq v_log …
fp32         FFMA FADD FMUL FMNMX FSEL, HFMA2 …     v_*_f32, v_pk_*_f32, *_f16
conversion   F2F F2FP I2F …                         v_cvt_*
shared       LDS STS LDSM; tensor memory LDTM       ds_*
global       LDG STG LDGSTS UTMA…                   global_* buffer_* flat_*
shuffle      SHFL REDUX                             *_dpp ds_swizzle ds_bpermute v_permlane
barrier      BAR DEPBAR SYNCS WARPGROUP …           s_barrier s_waitcnt s_nop
spill        LDL STL                                scratch_*
integer      addresses, masks, moves, predicates    v_* and s_* that are left
other        control flow, constants, the unknown   branches, s_load, the unknown
"""

import re
from collections import Counter
from dataclasses import dataclass

import networkx as nx

CLASSES = (
    "matrix",
    "special",
    "fp32",
    "conversion",
    "shared",
    "global",
    "shuffle",
    "barrier",
    "spill",
    "integer",
    "other",
)

NVIDIA = {
    "matrix": "HMMA IMMA DMMA BMMA QMMA OMMA HGMMA IGMMA QGMMA BGMMA UTCHMMA UTCIMMA UTCQMMA UTCOMMA",
    "special": "MUFU",
    "fp32": (
        "FFMA FADD FMUL FMNMX FMNMX3 FSETP FSET FSEL FCHK FFMA2 FADD2 FMUL2 FFMA32I FADD32I FMUL32I FSWZADD "
        "HADD2 HMUL2 HFMA2 HMNMX2 HSETP2 HSET2 DADD DMUL DFMA DSETP"
    ),
    "conversion": "F2F F2FP F2I F2IP I2F I2FP FRND",
    "shared": "LDS STS LDSM STSM ATOMS LDTM STTM UTCCP",
    "global": (
        "LDG STG LD ST LDGSTS LDGMC ATOM ATOMG RED REDG CCTL UTMALDG UTMASTG UTMAREDG UTMAPF UBLKCP UBLKRED UBLKPF"
    ),
    "shuffle": "SHFL REDUX CREDUX MATCH",
    "barrier": (
        "BAR B2R DEPBAR LDGDEPBAR SYNCS WARPSYNC WARPGROUP WARPGROUPDEPBAR MEMBAR FENCE ERRBAR ARRIVES "
        "UTCBAR NANOSLEEP UTMACMDFLUSH UTMACCTL UCGABAR_ARV UCGABAR_WAIT ACQBULK"
    ),
    "spill": "LDL STL",
    "integer": (
        "IMAD IADD IADD3 IADD32I ISETP IMNMX VIMNMX VIMNMX3 IABS IDP IMUL LEA LOP3 LOP32I SHF SHL SHR SEL SGXT PRMT "
        "MOV MOV32I CS2R S2R R2P P2R PLOP3 POPC FLO BMSK VIADD VIADDMNMX VABSDIFF VOTE VOTEU BREV R2UR "
        "UIMAD UIADD3 UISETP ULEA ULOP3 USHF USEL USGXT UPRMT UMOV UP2UR UR2UP UPLOP3 UFLO UPOPC UBMSK UBREV S2UR R2B "
        "UIMNMX UVIMNMX UVIADD"
    ),
}
NVIDIA_CLASS = {opcode: kind for kind, opcodes in NVIDIA.items() for opcode in opcodes.split()}

AMD = (  # the first that matches decides
    ("matrix", r"v_(s?mfma|smfmac|wmma)"),
    ("shuffle", r".*_dpp|ds_(swizzle|b?permute)|v_permlane"),
    ("special", r"v_(exp|log|rcp|rsq|sqrt|sin|cos)_"),
    ("conversion", r"v_(pk_)?cvt_|v_rndne|v_trunc_f|v_floor_f|v_ceil_f"),
    ("shared", r"ds_"),
    ("spill", r"scratch_"),
    ("global", r"(global|buffer|flat)_"),
    ("barrier", r"s_(barrier|waitcnt|nop|sleep)"),
    ("other", r"s_(c?branch|endpgm|load|setpc|swappc|getpc|trap|code_end|setprio)"),
    ("fp32", r"v_.*_(f32|f16|bf16|f64)|v_fma|v_dot"),
    ("integer", r"[vs]_"),
)

LABEL = re.compile(r"^(\.?[A-Za-z_$][\w.$]*):")
NVIDIA_LINE = re.compile(r"^\s*/\*([0-9a-f]{4,})\*/\s+((?:@!?U?P\w+\s+)?)([A-Z][\w.]*)(.*?);?\s*$")
AMD_LINE = re.compile(r"^\t([a-z]+_\w+)(.*?)\s*(?:;.*)?$")
BYTES = {"8": 1, "16": 2, "U8": 1, "S8": 1, "U16": 2, "S16": 2, "64": 8, "128": 16}


@dataclass(frozen=True)
class Instruction:
    """One instruction: the line of the listing, its opcode with modifiers, its operands, and its predicate or ''."""

    line: int
    opcode: str
    operands: str
    predicate: str = ""

    @property
    def name(self) -> str:
        """The opcode without modifiers, except those that say which function a MUFU computes."""
        parts = self.opcode.split(".")
        return ".".join(parts[:2]) if parts[0] == "MUFU" else parts[0]

    @property
    def kind(self) -> str:
        """Its class, one of CLASSES."""
        if self.opcode[0].islower():
            return next((kind for kind, pattern in AMD if re.match(pattern, self.opcode)), "other")
        base, modifiers = self.opcode.split(".")[0], self.opcode.split(".")[1:]
        if base == "HADD2" and "F32" in modifiers:
            return "conversion"  # half to float: the adder is idle
        if base == "HFMA2" and re.match(r"\s*\w+, -?RZ, -?RZ,", self.operands):
            return "integer"  # a constant on its way into a register
        return NVIDIA_CLASS.get(base, "other")


def spilled(instructions: list[Instruction]) -> int:
    """Bytes a thread stores to and loads from local memory, each spill instruction counted once (NVIDIA)."""
    spills = (one for one in instructions if one.name in ("LDL", "STL"))
    return sum(next((BYTES[part] for part in one.opcode.split(".")[1:] if part in BYTES), 4) for one in spills)


def parse(listing: list[str]) -> tuple[list[Instruction], dict[str, int]]:
    """The instructions of a listing, and label -> index of the instruction it stands before.

    What follows the end of a kernel, a branch to itself and NOPs up to the next 128 bytes, is left out.
    """
    found, labels = [], {}
    for line, text in enumerate(listing):
        if label := LABEL.match(text):
            labels[label[1]] = len(found)
        elif match := NVIDIA_LINE.match(text):
            found.append(Instruction(line, match[3], match[4].strip(), match[2].strip()))
        elif match := AMD_LINE.match(text):
            found.append(Instruction(line, match[1], match[2].strip()))
    while found and (found[-1].name in ("NOP", "s_nop", "s_code_end") or _itself(found[-1], len(found) - 1, labels)):
        found.pop()
    return found, {label: at for label, at in labels.items() if at < len(found)}


def loops(instructions: list[Instruction], labels: dict[str, int]) -> list[set[int]]:
    """The natural loops as sets of instruction indices, by the address of their heads.

    A jump back to a block that dominates it closes a loop; its body is all that reaches the jump without passing the
    head. Code that a compiler has moved behind the end of the kernel is so found to be in the loop or not.
    """
    if not instructions:
        return []
    cuts = {0, *labels.values()} | {at + 1 for at, one in enumerate(instructions) if _leaves(one)}
    starts = sorted(cut for cut in cuts if cut < len(instructions))
    number = {start: block for block, start in enumerate(starts)}
    ends = [*starts[1:], len(instructions)]
    flow: nx.DiGraph = nx.DiGraph([(-1, 0)])  # from nowhere into the first block
    for block, end in enumerate(ends):
        last = instructions[end - 1]
        if (target := _target(last, labels)) is not None:
            flow.add_edge(block, number[target])
        if not _stops(last) and end < len(instructions):
            flow.add_edge(block, block + 1)
    flow = flow.subgraph(nx.descendants(flow, -1) | {-1})
    tree = nx.DiGraph((above, block) for block, above in nx.immediate_dominators(flow, -1).items() if block >= 0)
    bodies: dict[int, set[int]] = {}
    for block, head in flow.edges:
        if block == head or block in nx.descendants(tree, head):
            inside = flow.subgraph(flow.nodes - {head})
            body = bodies.setdefault(head, {head})
            body |= {block} | nx.ancestors(inside, block) if block != head else set()
    return [{at for block in body for at in range(starts[block], ends[block])} for _, body in sorted(bodies.items())]


def matrix_loops(instructions: list[Instruction], labels: dict[str, int]) -> list[list[Instruction]]:
    """The innermost loops with matrix instructions, in the order of the code."""
    bodies = [body for body in loops(instructions, labels) if any(instructions[at].kind == "matrix" for at in body)]
    inner = [body for body in bodies if not any(other < body for other in bodies)]
    return [[instructions[at] for at in sorted(body)] for body in inner]


def count(instructions: list[Instruction]) -> Counter:
    """How many instructions of each class, NOPs left out."""
    return Counter(one.kind for one in instructions if one.name not in ("NOP", "s_nop"))


def _target(one: Instruction, labels: dict[str, int]) -> int | None:
    if one.name not in ("BRA", "BRX", "s_branch") and not one.name.startswith("s_cbranch"):
        return None
    return next((labels[word] for word in re.findall(r"[.$\w]+", one.operands) if word in labels), None)


def _itself(one: Instruction, at: int, labels: dict[str, int]) -> bool:
    return one.name in ("BRA", "s_branch") and _target(one, labels) == at


def _leaves(one: Instruction) -> bool:
    return one.name in ("BRA", "BRX", "EXIT", "RET", "s_branch", "s_endpgm") or one.name.startswith("s_cbranch")


def _stops(one: Instruction) -> bool:
    """Whether what follows in memory is never reached from here."""
    if one.name in ("s_branch", "s_endpgm"):
        return True
    conditional = one.predicate or re.match(r"!?U?P[\dT]", one.operands)
    return one.name in ("BRA", "BRX", "EXIT", "RET") and not conditional

"""X-ray of a Triton kernel: compile it for a GPU that is not there, and show what came out.

    report = xray("sigmoid_forward", arch="sm_90", dim=64)       a kernel of kernels.flash.catalogue
    report = xray(function, arch="sm_80", signature={…}, …)      any @triton.jit function, or "module:function"
    print(report)                                                registers, occupancy, instruction mix

Nothing runs on a GPU: ptxas and LLVM come with Triton, and a process of its own compiles (kernels.instruments.worker),
so this works where TRITON_INTERPRET=1 is set. Counts are static: instructions in the code, not instructions executed.
"""

import inspect
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from kernels.instruments.compile import compiled, resolve
from kernels.instruments.instructions import CLASSES, Instruction, count, matrix_loops, parse, spilled
from kernels.instruments.lines import of_assembly, of_nvdisasm, of_ttir, python_lines, reductions
from kernels.instruments.occupancy import Occupancy, occupancy
from kernels.instruments.source import SIMPLE, XrayError, plain, simple

__all__ = ["ARCHITECTURES", "Summary", "Xray", "XrayError", "xray"]

ARCHITECTURES = {  # what Triton calls the target
    "sm_80": ("cuda", 80, 32),
    "sm_90": ("cuda", 90, 32),
    "sm_100": ("cuda", 100, 32),
    "gfx942": ("hip", "gfx942", 64),
}


class Summary(NamedTuple):
    """The numbers of an X-ray, without its listings. blocks: on one multiprocessor; read: from a file, not compiled."""

    name: str
    arch: str
    loop: Counter
    num_warps: int
    registers: int
    spills: int
    reductions: int
    blocks: int
    read: bool = False


@dataclass(frozen=True)
class Xray:
    """What a compiler made of a kernel.

    registers:     32-bit registers of a thread;  spills: bytes of a thread that went to local memory instead, each
                   spill instruction counted once (AMD: bytes of scratch of a thread)
    shared:        bytes of shared memory of a block
    instructions:  Counter by class (kernels.instruments.instructions) of the whole kernel;  opcodes: the same by opcode
    loops:         such a Counter for each innermost loop with matrix instructions;  loop: the one with most of them
    reductions:    tt.reduce in the loops of TTGIR: maxima and sums across a tile
    python:        the kernel's source, then its helpers';  lines: for each stage and each line of it, the lines of
                   `python` (from 0) that it came from, the innermost first
    main:          lines of the machine code that are the main loop;  kinds: line of the machine code -> class
    seconds:       wall time of this call, `cached` or not
    """

    name: str
    arch: str
    config: Mapping[str, object]
    ttir: str = field(repr=False)
    ttgir: str = field(repr=False)
    llir: str = field(repr=False)
    ptx: str = field(repr=False)
    sass: str = field(repr=False)
    amdgcn: str = field(repr=False)
    registers: int
    spills: int
    shared: int
    num_warps: int
    occupancy: Occupancy
    instructions: Counter
    opcodes: Counter = field(repr=False)
    loops: tuple[Counter, ...]
    reductions: int
    python: str = field(repr=False)
    lines: Mapping[str, tuple[tuple[int, ...], ...]] = field(repr=False)
    main: tuple[int, ...] = field(repr=False)
    kinds: Mapping[int, str] = field(repr=False)
    seconds: float
    cached: bool

    @property
    def machine(self) -> str:
        """The name of the stage the GPU runs: "sass" or "amdgcn"."""
        return "sass" if self.sass else "amdgcn"

    @property
    def loop(self) -> Counter:
        """Instructions by class of the main loop: of `loops` the one with most matrix instructions; empty for none."""
        return max(self.loops, key=lambda counted: counted["matrix"], default=Counter())

    @property
    def summary(self) -> Summary:
        """What of it can be kept in a file."""
        numbers = self.registers, self.spills, self.reductions, self.occupancy.blocks
        return Summary(self.name, self.arch, self.loop, self.num_warps, *numbers)

    @property
    def per_matrix(self) -> float | None:
        """Other instructions for each matrix instruction in the main loop; None without one.

        One HGMMA of Hopper multiplies 64 rows at once and one UTCHMMA of Blackwell 128, one HMMA of Ampere 16: compare
        kernels of the same architecture and tile only.
        """
        return self.loop.total() / self.loop["matrix"] - 1 if self.loop else None

    def __str__(self) -> str:
        ratio = self.per_matrix
        head = [
            f"{self.name} for {self.arch}" + "".join(f", {name}={value}" for name, value in self.config.items()),
            f"  registers {self.registers}, spills {self.spills} B, shared {self.shared:,} B, {self.num_warps} warps",
            f"  occupancy {self.occupancy}",
            f"  reductions in the loop {self.reductions}; "
            + (
                f"{ratio:.1f} other instructions for each matrix instruction" if ratio is not None else "no matrix loop"
            ),
            f"  {'class':<12}{'loop':>7}{'kernel':>8}",
        ]
        rows = [f"  {kind:<12}{self.loop[kind]:>7}{self.instructions[kind]:>8}" for kind in CLASSES]
        total = f"  {'total':<12}{self.loop.total():>7}{self.instructions.total():>8}"
        return "\n".join([*head, *rows, total])


def xray(
    kernel: object,
    arch: str = "sm_90",
    *,
    signature: Mapping[str, object] | None = None,
    constants: Mapping[str, object] | None = None,
    divisible: Sequence[str] = (),
    num_warps: int | None = None,
    num_stages: int | None = None,
    **config: object,
) -> Xray:
    """Compile `kernel` for `arch` and take the result apart.

    kernel: a name of kernels.flash.catalogue.KERNELS, specialised by `config` (dtype="fp16", dim=64, causal=True, …);
    or a @triton.jit function, also one of a notebook cell, or "module:function". Then signature gives the types of its
    arguments ({"p_q": "*fp16", "n": "i32"}; of a tuple those of its parts), constants the values of tl.constexpr and of
    what equals 1, and divisible the names of what is a multiple of 16, as Triton's own launcher would find.
    Raises XrayError: unknown kernel or architecture, arguments that do not match, or a kernel that does not compile.
    """
    start = time.perf_counter()
    if arch not in ARCHITECTURES:
        raise XrayError(f"arch: got {arch!r}, wanted one of {', '.join(ARCHITECTURES)}")
    name, shown = "", dict(constants or {})
    if isinstance(kernel, str) and ":" not in kernel:
        if signature is not None or constants is not None:
            raise XrayError(f"{kernel!r} is in the catalogue, which knows its signature; configure it by keywords")
        name, shown = kernel, dict(config)
        given = {"num_warps": num_warps, "num_stages": num_stages}
        asked = config | {key: value for key, value in given.items() if value is not None}
        kernel, signature, constants, divisible, num_warps, num_stages = _catalogued(name, arch, asked)
    elif config:
        raise XrayError(f"{', '.join(config)}: only kernels of the catalogue are configured so; use constants={{…}}")
    function, module, path_name, path = resolve(kernel)
    options = {"num_warps": num_warps or 4, "num_stages": num_stages or (2 if arch.startswith("gfx") else 3)}
    request = {
        "module": module,
        "function": path_name,
        "path": path,
        "target": ARCHITECTURES[arch],
        "options": options,
        **_arguments(function, signature or {}, constants or {}, divisible),
    }
    answer, cached = compiled(function, request)
    return _report(name or plain(function).__name__, arch, shown | options, answer, start, cached)


def _catalogued(name: str, arch: str, config: dict) -> tuple:
    from kernels.flash.catalogue import KERNELS

    if name not in KERNELS:
        raise XrayError(f'kernel: got {name!r}, wanted one of {", ".join(KERNELS)}, or "module:function"')
    entry = KERNELS[name]
    try:
        made = entry.specialise(arch, **config)
    except (TypeError, ValueError, KeyError) as error:
        raise XrayError(f"{name} cannot be specialised for {arch} with {config}: {error}") from None
    return entry.function, made.signature, made.constants, made.divisible, made.num_warps, made.num_stages


def _arguments(function: object, signature: Mapping, constants: Mapping, divisible: Sequence) -> dict:
    """Types and constants for every argument, or an error that names those that are missing or too many."""
    parameters = inspect.signature(plain(function)).parameters
    wanted = list(parameters)
    types = {name: kind for name, kind in signature.items() if name not in constants and kind != "constexpr"}
    for what, names in (("signature", signature), ("constants", constants), ("divisible", divisible)):
        if unknown := [name for name in names if name not in wanted]:
            raise XrayError(
                f"{what}: {plain(function).__name__} has no {', '.join(unknown)}; it has {', '.join(wanted)}"
            )
    if missing := [name for name in wanted if name not in types and name not in constants]:
        raise XrayError(f"{', '.join(missing)}: give a type in signature={{…}} or a value in constants={{…}}")
    if untyped := [name for name in types if "constexpr" in str(parameters[name].annotation)]:
        raise XrayError(f"{', '.join(untyped)}: a tl.constexpr has no type; give its value in constants={{…}}")
    values = {name: simple(value) for name, value in constants.items()}
    for name, value in values.items():
        if not isinstance(value, SIMPLE):
            raise XrayError(f"constants: {name} is a {type(value).__name__}, wanted a number, a string, a bool or None")
    return {
        "signature": types,
        "constants": values,
        "divisible": [name for name in divisible if name not in constants],
    }


def _report(name: str, arch: str, config: dict, answer: dict, start: float, cached: bool) -> Xray:
    stages, metadata = answer["stages"], answer["metadata"]
    ttir_chains, callers = of_ttir(stages["ttir"])
    python, index = _python(answer["sources"])
    chains = {"ttir": ttir_chains}
    if "ptx" in stages:
        chains["ptx"] = of_assembly(stages["ptx"])
        listing, chains["sass"] = of_nvdisasm(stages["sass"])
    else:
        listing = stages["amdgcn"].splitlines()
        chains["amdgcn"] = of_assembly(stages["amdgcn"])
    instructions, labels = parse(listing)
    if "ptx" in stages:
        last = instructions[-1].line + 1 if instructions else 0  # the padding is not shown either
        listing, chains["sass"] = listing[:last], chains["sass"][:last]
    loops = matrix_loops(instructions, labels)
    main = max(loops, key=lambda loop: count(loop)["matrix"], default=[])
    registers, spills = _resources(stages, instructions)
    return Xray(
        name=name,
        arch=arch,
        config=config,
        **{stage: stages.get(stage, "") for stage in ("ttir", "ttgir", "llir", "ptx", "amdgcn")},
        sass="\n".join(listing) if "ptx" in stages else "",
        registers=registers,
        spills=spills,
        shared=metadata["shared"],
        num_warps=metadata["num_warps"],
        occupancy=occupancy(arch, registers, metadata["shared"], metadata["num_warps"], metadata["tmem_size"]),
        instructions=count(instructions),
        opcodes=Counter(one.name for one in instructions),
        loops=tuple(count(loop) for loop in loops),
        reductions=reductions(stages["ttgir"]),
        python=python,
        lines={stage: python_lines(found, callers, index) for stage, found in chains.items()},
        main=tuple(one.line for one in main),
        kinds={one.line: one.kind for one in instructions},
        seconds=time.perf_counter() - start,
        cached=cached,
    )


def _python(sources: list[dict]) -> tuple[str, dict]:
    """One listing of all sources, and (file, line) -> its line from 0."""
    listing, index = [], {}
    for source in sources:
        if listing:
            listing.append("")
        for offset, text in enumerate(source["text"].rstrip("\n").split("\n")):
            index[source["file"], source["line"] + offset] = len(listing)
            listing.append(text)
    return "\n".join(listing), index


def _resources(stages: dict, instructions: list[Instruction]) -> tuple[int, int]:
    """Registers of a thread and spilled bytes."""
    if "resources" in stages:
        return int(re.findall(r"REG:(\d+)", stages["resources"])[0]), spilled(instructions)
    told = dict(re.findall(r"\.(vgpr_count|vgpr_spill_count|private_segment_fixed_size):\s+(\d+)", stages["amdgcn"]))
    return int(told["vgpr_count"]), max(int(told["private_segment_fixed_size"]), 4 * int(told["vgpr_spill_count"]))

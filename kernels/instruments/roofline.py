"""The speed of light: how long a kernel must take on a device at least, and which part of the device says so.

    work = closed_form("forward", …)              or what the ledger counted
    print(roofline(xray("sigmoid_forward", "sm_90"), work, "H100", compulsory=bytes))

Four limits, each as if nothing else existed: matrix units, special-function units (exponential, tanh, reciprocal),
issue slots (every instruction of the main loop must be issued by someone), and memory. The largest is the estimate.
"""

import os
import statistics
import timeit
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from kernels.instruments.ledger import Counts
from kernels.instruments.xray import Summary, Xray


@dataclass(frozen=True)
class Device:
    """Peaks from the vendors' data sheets, dense (no sparsity), at boost clock; a CPU's are measured on the spot.

    matrix: FLOP/s with 16-bit inputs;  fp32: FLOP/s outside the matrix units;  memory: bytes/s
    units: multiprocessors (AMD: compute units);  clock: Hz
    special: results of the special-function units a cycle and unit;  issue: instructions a cycle and unit
    lanes: threads of one instruction
    """

    name: str
    arch: str
    matrix: float
    fp32: float
    memory: float
    units: int
    clock: float
    special: float = 16
    issue: float = 4
    lanes: int = 32
    note: str = ""


DEVICES = {
    device.name: device
    for device in (
        Device("A100", "sm_80", 312e12, 19.5e12, 2.039e12, 108, 1.410e9, note="SXM4, 80 GB"),
        Device("H100", "sm_90", 989e12, 67e12, 3.35e12, 132, 1.830e9, note="SXM5, 80 GB"),
        Device("H200", "sm_90", 989e12, 67e12, 4.8e12, 132, 1.830e9, note="SXM, 141 GB"),
        Device("B200", "sm_100", 2250e12, 80e12, 8.0e12, 148, 1.850e9, note="one GPU of an HGX board"),
        Device("MI300X", "gfx942", 1307e12, 163.4e12, 5.3e12, 304, 2.100e9, issue=1, lanes=64, note="OAM, 192 GB"),
    )
}

LEFT_OUT = (
    "latency: tiles wait for each other and for memory, so no kernel reaches all its limits at once",
    "the two levels of cache between memory and the tiles",
    "power: a chip under full load clocks lower than its boost clock",
    "what runs before and after the main loop, launch overhead, and the last wave of programs",
    "instructions that issue together, or take more than one issue slot",
)


@dataclass(frozen=True)
class Roofline:
    """seconds:  at least this long
    binds:    the limit that says so
    limits:   seconds of each
    left_out: what is not modelled
    measured: seconds that a run really took, where one was made.
    """

    kernel: str
    device: Device
    limits: Mapping[str, float]
    measured: float | None = None
    left_out: tuple[str, ...] = LEFT_OUT

    @property
    def binds(self) -> str:
        return max(self.limits, key=lambda name: self.limits[name])

    @property
    def seconds(self) -> float:
        return max(self.limits.values())

    def __str__(self) -> str:
        lines = [f"{self.kernel} on {self.device.name}: at least {in_words(self.seconds)}, bound by {self.binds}"]
        for name, seconds in self.limits.items():
            lines.append(f"  {name:18}{in_words(seconds):>12}  {'█' * round(30 * seconds / self.seconds)}")
        if self.measured is not None:
            share = f"{100 * self.seconds / self.measured:.0f} % of the speed of light"
            lines.append(f"  {'measured':18}{in_words(self.measured):>12}  {share}")
        return "\n".join([*lines, "  left out:", *(f"  - {what}" for what in self.left_out)])


def roofline(
    report: Xray | Summary | None,
    work: Counts,
    device: str | Device,
    *,
    compulsory: int | None = None,
    measured: float | None = None,
) -> Roofline:
    """The limits of one kernel for `work` on `device` (a name in DEVICES, or the result of `this_cpu()`).

    report:      the kernel's X-ray for the device's architecture; None leaves out special-function units and issue
                 slots
    work:        from `closed_form` or the ledger, with the tiles of the report
    compulsory:  bytes that must cross the memory bus, each tensor once; `work.moved` (no cache at all) when None
    measured:    seconds of a real run on that device, such as from `seconds`, to stand beside the limits

    Every pass of a warp through the main loop makes as many matrix products of tiles as the loop has in source, so the
    number of passes is work.products over those of one pass.
    Raises ValueError for an unknown device or a report of another architecture.
    """
    if not isinstance(device, Device):
        if device not in DEVICES:
            raise ValueError(f"device: got {device!r}, wanted one of {', '.join(DEVICES)}, or this_cpu()")
        device = DEVICES[device]
    limits = {"matrix units": work.matmul_flop / device.matrix}
    if report is not None:
        step = report.name.partition("_")[2]
        if step not in PRODUCTS:
            raise ValueError(f"report: {report.name} multiplies no matrices; wanted a forward, dq or dkdv kernel")
        if not report.loop:  # float32 is multiplied without matrix instructions
            limits = {"multiply-adds": work.matmul_flop / device.fp32}
        if report.arch != device.arch:
            raise ValueError(f"report: made for {report.arch}, the {device.name} is {device.arch}; X-ray it for that")
        if report.loop:
            passes = work.products / PRODUCTS[step]
            rate = device.units * device.clock
            special = passes * report.num_warps * device.lanes * report.loop["special"]
            kinds = VECTOR if device.arch.startswith("gfx") else tuple(report.loop)
            issued = passes * report.num_warps * sum(report.loop[kind] for kind in kinds)
            limits["special functions"] = special / (device.special * rate)
            limits["issue slots"] = issued / (device.issue * rate)
    limits["memory"] = (work.moved if compulsory is None else compulsory) / device.memory
    return Roofline(report.name if report is not None else "attention", device, limits, measured)


VECTOR = (
    "fp32",
    "special",
    "conversion",
    "shuffle",
)  # AMD: a compute unit issues one of these a cycle, others beside them
PRODUCTS = {"forward": 2, "dq": 3, "dkdv": 4}  # matrix products of tiles in one pass of the main loop


@cache
def this_cpu() -> Device:
    """This machine, measured now on the threads that PyTorch uses: a large matrix product, and a copy that no cache
    holds.
    """
    import torch

    a = torch.randn(1024, 1024, dtype=torch.float32, device="cpu")
    big, other = torch.ones(2, 1 << 24, dtype=torch.float32, device="cpu")
    matrix = 2 * 1024**3 / seconds(lambda: a @ a)
    memory = 2 * big.nbytes / seconds(lambda: big.copy_(other))
    threads = torch.get_num_threads()
    return Device(
        f"this CPU, {threads} thread{'s' * (threads > 1)}",
        "cpu",
        matrix,
        matrix,
        memory,
        threads,
        0.0,
        note=f"measured; {os.cpu_count()} cores; float32",
    )


def seconds(run: Callable[[], object], repeats: int = 5) -> float:
    """The median time of `run` after one call to warm up, in seconds: wall clock, with a GPU's queue drained."""
    from torch.utils.benchmark import timer

    return statistics.median(timeit.repeat(run, timer=timer, repeat=repeats + 1, number=1)[1:])


def in_words(seconds: float) -> str:
    for unit, size in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"

"""An H100 in numbers: what its places hold and how fast they deliver, and where the parts of a tile live.

From NVIDIA's data sheet and its tuning guide for Hopper, as `kernels.instruments` has them (`DEVICES`, `LIMITS`);
beside it this machine, measured. L2's bandwidth is in no data sheet.
"""

import time
from dataclasses import dataclass

import torch

from kernels.flash.catalogue import Tiles
from kernels.instruments.occupancy import KIB, LIMITS, Occupancy, occupancy
from kernels.instruments.prediction import GRID, summary
from kernels.instruments.roofline import DEVICES

H100, SM = DEVICES["H100"], LIMITS["sm_90"]
MIB, GIB = KIB**2, KIB**3
L2, HBM = 50 * MIB, 80 * 10**9
SHARED_A_CLOCK = 128  # bytes that shared memory delivers a clock and multiprocessor
REGISTERS = 4 * SM.partitions * SM.registers  # bytes of one multiprocessor


@dataclass(frozen=True)
class Place:
    """One level of memory: what holds it, how many bytes, and how many bytes a second it delivers, if that is said."""

    name: str
    whose: str
    size: int
    rate: float | None = None


PLACES = (
    Place("registers", "a thread's own", H100.units * REGISTERS),
    Place("shared memory", "a block's own", H100.units * SM.shared, H100.units * SHARED_A_CLOCK * H100.clock),
    Place("L2", "everybody's cache", L2),
    Place("memory (HBM3)", "everybody's", HBM, H100.memory),
)


def here(size: int, seconds: float = 0.02) -> float:
    """Bytes a second that one thread of this machine reads and writes, copying `size` bytes again and again."""
    source = torch.ones(size // 8, dtype=torch.float32)
    target, runs, start = torch.empty_like(source), 0, time.perf_counter()
    while (taken := time.perf_counter() - start) < seconds or runs < 3:
        target.copy_(source)
        runs += 1
    return runs * size / taken


@dataclass(frozen=True)
class Fit:
    """One tile on one multiprocessor of an H100: bytes of a block by what they hold, and how many blocks fit.

    in_registers: values of the tile that threads keep; registers is what the compiler took of them in all, a thread
    """

    tile: Tiles
    dim: int
    registers: int
    in_registers: dict[str, int]
    in_shared: dict[str, int]
    room: Occupancy

    @property
    def taken(self) -> dict[str, int]:
        """Bytes that one block takes, of registers and of shared memory."""
        return {
            "registers": 4 * SM.threads * self.tile.num_warps * self.registers,
            "shared memory": sum(self.in_shared.values()) + SM.reserved,
        }


def fit(tile: Tiles = GRID[0], dim: int = 64) -> Fit:
    """Softmax's forward kernel with 16-bit inputs, as it was compiled for these tiles."""
    registers = summary("softmax_forward", "sm_90", tile, dim=dim).registers
    scores, out = tile.block_q * tile.block_k, tile.block_q * dim
    keys = {"queries": 2 * out, f"keys and values, {tile.num_stages} tiles": 4 * tile.num_stages * tile.block_k * dim}
    room = occupancy("sm_90", registers, sum(keys.values()), tile.num_warps)
    return Fit(tile, dim, registers, {"scores": 4 * scores, "output so far": 4 * out}, keys, room)

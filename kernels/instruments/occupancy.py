"""How many warps of a kernel fit on one multiprocessor, and what runs out first.

NVIDIA: CUDA C++ Programming Guide, "Technical Specifications per Compute Capability"; registers are handed out to a
warp in 256s and stay within one of four partitions, and the driver keeps 1 KiB of shared memory of each block. Tensor
memory, 512 columns: PTX ISA, "Tensor Memory". AMD: LLVM's AMDGPU subtarget of gfx942 (8 waves for each of 4 SIMDs,
512 vector registers a lane in 8s) and 64 KiB of LDS, "CDNA 3 Instruction Set Architecture".
"""

from dataclasses import dataclass

KIB = 1024


@dataclass(frozen=True)
class Limits:
    """What one multiprocessor has. Bytes, 32-bit registers of a partition, and warps of 32 (waves of 64) threads."""

    warps: int
    blocks: int
    shared: int
    shared_block: int
    reserved: int
    registers: int
    granule: int
    threads: int = 32
    partitions: int = 4


LIMITS = {
    "sm_80": Limits(64, 32, 164 * KIB, 163 * KIB, KIB, 16 * KIB, 256),
    "sm_90": Limits(64, 32, 228 * KIB, 227 * KIB, KIB, 16 * KIB, 256),
    "sm_100": Limits(64, 32, 228 * KIB, 227 * KIB, KIB, 16 * KIB, 256),
    "gfx942": Limits(32, 32, 64 * KIB, 64 * KIB, 0, 512 * 64, 8 * 64, threads=64),
}
TENSOR_COLUMNS = 512


@dataclass(frozen=True)
class Occupancy:
    """Resident warps of one multiprocessor, of `maximum`; `limit` names what allows no more blocks.

    allowed: blocks that each resource alone would let in. 0 blocks: the kernel does not fit and cannot be launched.
    """

    warps: int
    maximum: int
    blocks: int
    limit: str
    allowed: dict[str, int]

    def __str__(self) -> str:
        return (
            f"{self.warps} of {self.maximum} warps ({self.blocks} block{'s' * (self.blocks != 1)}; limit: {self.limit})"
        )


def occupancy(arch: str, registers: int, shared: int, num_warps: int, columns: int = 0) -> Occupancy:
    """registers: of a thread; shared: bytes of a block; columns: of tensor memory of a block."""
    limits = LIMITS[arch]
    for_warp = -(-max(registers, 1) * limits.threads // limits.granule) * limits.granule
    fitting = min(limits.registers // for_warp * limits.partitions, limits.warps)
    allowed = {
        "warps": limits.warps // num_warps,
        "blocks": limits.blocks,
        "registers": fitting // num_warps,
        "shared memory": limits.shared // (shared + limits.reserved) if shared else limits.blocks,
    }
    if shared > limits.shared_block:
        allowed["shared memory"] = 0
    if columns:
        allowed["tensor memory"] = TENSOR_COLUMNS // columns
    blocks = min(allowed.values())
    limit = min(allowed, key=lambda name: allowed[name])
    return Occupancy(blocks * num_warps, limits.warps, blocks, limit, allowed)

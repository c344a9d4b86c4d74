"""The audit: addresses that no kernel should touch, found while the interpreter runs it.

    with audit(out, x) as findings:
        kernel[grid](x, out, …)
    findings            one line for each kind of mistake, with the first place where it happened

It finds what a wrong answer may hide: a load or a store outside of every tensor (a mask is missing), and an address
that two programs of one launch write (a race: on a GPU the last one wins, and which that is changes from run to run).
Atomic operations may meet at one address. What a mask leaves out of a load without `other` is NaN here, and undefined
on a GPU.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from kernels.instruments.watch import watched


@dataclass(frozen=True)
class Finding:
    """kind: "load outside", "store outside" or "race";  program: the grid index that did it;  where: in words."""

    kind: str
    program: tuple[int, int, int]
    where: str

    def __str__(self) -> str:
        return f"{self.kind} by program {self.program}: {self.where}"


class Findings(list[Finding]):
    """What was found; and how much was done: numbers loaded, products of two tiles."""

    loaded: int = 0
    products: int = 0


@contextmanager
def audit(*tensors: Tensor) -> Iterator[Findings]:
    """Watch the Triton kernels of this block; the list fills up as they run, one finding of each kind a launch.

    tensors: all that the kernels may touch, on the CPU. Accesses outside of them are reported and not carried out.
    Without tensors, races alone are looked for.
    Raises RuntimeError where Triton compiles.
    """
    spans = [_span(x) for x in tensors]
    findings = Findings()
    writers: dict[int, tuple[int, int, int]] = {}
    seen: set[str] = set()  # kinds reported of this launch

    def report(kind: str, program: tuple[int, int, int], where: str) -> None:
        if kind not in seen:
            seen.add(kind)
            findings.append(Finding(kind, program, where))

    def inside(addresses: np.ndarray, mask: np.ndarray, kind: str, program: tuple[int, int, int]) -> np.ndarray:
        """The mask without what lies outside."""
        known = np.zeros(addresses.shape, dtype=bool)
        for start, end, _ in spans:
            known |= (addresses >= start) & (addresses < end)
        if spans and (bad := mask & ~known).any():
            report(
                kind,
                program,
                f"{int(bad.sum())} of {int(mask.sum())} elements, the first {_near(addresses[bad].flat[0], spans)}",
            )
        return mask & known if spans else mask

    def load(self, original, pointers, mask, other, *rest):
        kept = inside(pointers.data, mask.data, "load outside", tuple(self.grid_idx))
        findings.loaded += int(kept.sum())
        made = original(self, pointers, type(mask)(kept, mask.dtype), other, *rest)
        if other is None and np.issubdtype(made.data.dtype, np.floating):
            made.data[~kept] = np.nan  # nobody knows what a GPU leaves there
        return made

    def dot(self, original, *tiles):
        findings.products += 1
        return original(self, *tiles)

    def store(self, original, pointers, value, mask, *rest):
        program = tuple(self.grid_idx)
        kept = inside(pointers.data, mask.data, "store outside", program)
        for address in np.broadcast_to(pointers.data, kept.shape)[kept].flat:
            if writers.setdefault(int(address), program) != program:
                report("race", program, f"{_near(address, spans)}, which program {writers[int(address)]} wrote as well")
                break
        return original(self, pointers, value, type(mask)(kept, mask.dtype), *rest)

    def atomic(self, original, operation, pointers, value, mask, *rest):
        kept = inside(pointers.data, mask.data, "store outside", tuple(self.grid_idx))
        return original(self, operation, pointers, value, type(mask)(kept, mask.dtype), *rest)

    def launch(self, original, *arguments, **named):
        writers.clear()
        seen.clear()
        return original(self, *arguments, **named)

    around = {"create_masked_load": load, "create_masked_store": store, "create_atomic_rmw": atomic, "create_dot": dot}
    with watched("audit", around | {"__call__": launch}):
        yield findings


def _span(x: Tensor) -> tuple[int, int, str]:
    extent = sum((size - 1) * stride for size, stride in zip(x.shape, x.stride())) + 1
    return x.data_ptr(), x.data_ptr() + extent * x.element_size(), f"shape {tuple(x.shape)}"


def _near(address: int, spans: list[tuple[int, int, str]]) -> str:
    """An address relative to the nearest tensor."""
    if not spans:
        return f"address {int(address):#x}"
    start, end, name = min(spans, key=lambda s: max(s[0] - int(address), int(address) - s[1] + 1, 0))
    if start <= address < end:
        return f"{int(address) - start} bytes into the tensor of {name}"
    return (
        f"{int(address) - end} bytes past the end of the tensor of {name}"
        if address >= end
        else f"{start - int(address)} bytes before the tensor of {name}"
    )

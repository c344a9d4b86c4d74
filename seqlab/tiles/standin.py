"""A stand-in for Triton where it is not installed: kernels run program by program, on tiles that are PyTorch tensors.

It knows the words that the kernels of lab 08 need, and calls them what Triton calls them. There is no compiler here:
nothing becomes machine code. Every place that a kernel loads or stores is looked at, as Triton's interpreter does under
`kernels.audit`. Without an audit a kernel may reach all of the memory that its tensors are parts of.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from kernels.instruments.audit import Finding, Findings


@dataclass
class _Launch:
    """What runs: the program and how many there are; for each tensor who wrote where; what was found, if one looks."""

    program: tuple[int, ...] = (0, 0, 0)
    programs: tuple[int, ...] = (1, 1, 1)
    writers: dict[int, Tensor] = field(default_factory=dict)
    findings: Findings | None = None

    def report(self, kind: str, where: str) -> None:
        if self.findings is not None and kind not in [found.kind for found in self.findings]:
            self.findings.append(Finding(kind, self.program, where))


_now = _Launch()


@contextmanager
def audit(*tensors: Tensor) -> Iterator[Findings]:
    """Watch the kernels of this block; the list fills up as they run, one finding of each kind."""
    _now.findings = Findings()
    try:
        yield _now.findings
    finally:
        _now.findings = None


@dataclass(frozen=True)
class Pointers:
    """Places in the memory of one tensor, counted in its elements."""

    tensor: Tensor
    at: Any = 0

    def __add__(self, steps: Any) -> "Pointers":
        return Pointers(self.tensor, self.at + steps)

    __radd__ = __add__

    def __sub__(self, steps: Any) -> "Pointers":
        return self + -steps

    @property
    def dtype(self) -> SimpleNamespace:
        return SimpleNamespace(element_ty=self.tensor.dtype)

    def reach(self, mask: Any, kind: str) -> tuple[Tensor, Tensor, Tensor]:
        """The memory, the places, and which of them are masked in and inside it."""
        first, size = self.tensor.storage_offset(), self.tensor.element_size()
        extent = sum((size - 1) * stride for size, stride in zip(self.tensor.shape, self.tensor.stride())) + 1
        memory = self.tensor.as_strided((self.tensor.untyped_storage().nbytes() // size,), (1,), 0)
        if _now.findings is None:
            first, extent = 0, len(memory)
        at = torch.as_tensor(self.at) + self.tensor.storage_offset()
        at, mask = torch.broadcast_tensors(at, torch.as_tensor(True if mask is None else mask))
        inside = (at >= first) & (at < first + extent)
        if (wrong := mask & ~inside).any():
            behind = int(at[wrong].flatten()[0]) - first - extent
            where = (
                f"{behind * size} bytes past the end" if behind >= 0 else f"{-(behind + extent) * size} bytes before"
            )
            told = f"{int(wrong.sum())} of {int(mask.sum())} elements, the first {where} of the tensor of shape "
            _now.report(kind, told + str(tuple(self.tensor.shape)))
        return memory, at, mask & inside


def load(pointers: Pointers, mask: Any = None, other: float | None = None) -> Tensor:
    memory, at, keep = pointers.reach(mask, "load outside")
    if _now.findings is not None:
        _now.findings.loaded += int(keep.sum())
    if other is None:  # undefined on a GPU
        other = float("nan") if _now.findings is not None and memory.is_floating_point() else 0
    return torch.where(keep, memory[torch.where(keep, at, 0)], torch.tensor(other, dtype=memory.dtype))


def store(pointers: Pointers, value: Any, mask: Any = None) -> None:
    memory, at, keep = pointers.reach(mask, "store outside")
    value = torch.as_tensor(value).to(memory.dtype).expand(at.shape)[keep]
    writers = _now.writers.setdefault(memory.data_ptr(), torch.full(memory.shape, -1))
    me = (_now.program[2] * _now.programs[1] + _now.program[1]) * _now.programs[0] + _now.program[0]
    places = at[keep]
    if (other := (writers[places] != me) & (writers[places] >= 0)).any():
        first = places[other][0]
        told = f"{int(first) * memory.element_size()} bytes into the tensor of shape {tuple(pointers.tensor.shape)}"
        _now.report("race", f"{told}, which another program wrote as well")
    writers[places], memory[places] = me, value


def atomic_add(pointers: Pointers, value: Any, mask: Any = None) -> None:
    memory, at, keep = pointers.reach(mask, "store outside")
    memory.index_put_((at[keep],), torch.as_tensor(value).to(memory.dtype).expand(at.shape)[keep], accumulate=True)


class jit:
    """A kernel: `kernel[grid](…)` runs one program after another; called by another kernel it is a plain function."""

    def __init__(self, fn: Callable):
        self.fn, self.__name__, self.__doc__ = fn, fn.__name__, fn.__doc__

    def __call__(self, *arguments: Any, **constants: Any) -> Any:
        return self.fn(*arguments, **constants)

    def __getitem__(self, grid: tuple[int, ...]) -> Callable:
        def launch(*arguments: Any, **constants: Any) -> None:
            known = inspect.signature(self.fn).parameters
            named = dict(zip(known, arguments)) | {name: value for name, value in constants.items() if name in known}
            given = {name: Pointers(x) if isinstance(x, Tensor) else x for name, x in named.items()}
            _now.writers, _now.programs = {}, (*grid, 1, 1)[:3]
            for program in product(*map(range, _now.programs)):
                _now.program = program
                self.fn(**given)

        return launch


def cdiv(x: int, y: int) -> int:
    return -(-x // y)


def dot(a: Tensor, b: Tensor, acc: Tensor | float = 0.0, **precision: Any) -> Tensor:
    if a.dtype != b.dtype:
        raise TypeError(f"Both operands must be same dtype. Got {a.dtype} and {b.dtype}")
    if _now.findings is not None:
        _now.findings.products += 1
    return a.float() @ b.float() + acc


def _pair(function: Callable) -> Callable:
    return lambda x, y: function(*map(torch.as_tensor, (x, y)))


language = SimpleNamespace(
    load=load,
    store=store,
    atomic_add=atomic_add,
    program_id=lambda axis: _now.program[axis],
    num_programs=lambda axis: _now.programs[axis],
    arange=torch.arange,
    zeros=lambda shape, dtype: torch.zeros(tuple(shape), dtype=dtype),
    full=lambda shape, value, dtype: torch.full(tuple(shape), value, dtype=dtype),
    dot=dot,
    trans=lambda x: x.mT,
    sum=lambda x, axis=None: x.sum(axis),
    max=lambda x, axis: x.amax(axis),
    min=lambda x, axis: x.amin(axis),
    maximum=_pair(torch.maximum),
    minimum=_pair(torch.minimum),
    where=torch.where,
    cdiv=cdiv,
    constexpr=lambda value: value,
    range=range,
    static_range=range,
    **{name: getattr(torch, name) for name in ("exp", "exp2", "log", "log2", "sqrt", "abs", "sigmoid", "zeros_like")},
    **{name: getattr(torch, name) for name in ("float16", "float32", "int32", "int64")},
)

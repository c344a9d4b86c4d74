"""How the kernels of lab 08 are started: outputs full of poison between canaries, and everything they touch watched.

    launch.copy(kernel, x)          the launch that `copy`'s docstring speaks of; a `Ran` tells what came of it
    launch.xrayed(kernel)           the same kernel as the machine code of a GPU that is not here

A launch is two lines: how many programs there are, and what each is given.

    out = torch.empty(n)
    kernel[(triton.cdiv(n, BLOCK),)](x, out, n, BLOCK=BLOCK)
"""

import inspect
from dataclasses import dataclass
from math import log

import numpy
import torch
from torch import Tensor

from kernels.flash.catalogue import Tiles
from kernels.instruments.audit import audit as interpreted
from kernels.instruments.prediction import TILE
from kernels.instruments.source import plain
from kernels.instruments.xray import Xray, xray
from seqlab.tiles.language import triton

audit = getattr(triton, "audit", interpreted)  # the stand-in brings its own
POISON = 0x7FC0DEAD  # a NaN that no arithmetic makes: whoever forgets to write is seen
MARGIN = 64  # rows before and behind a tensor, so that who misses it meets no other
CANARY = 12345.0  # what lies between and around the rows of an output, which nobody may change


@dataclass(frozen=True)
class Ran:
    """What a launch left behind.

    out:       the outputs, row upon row
    unwritten: places of them that nobody wrote
    findings:  what the audit saw: loads and stores outside of every tensor, places that two programs write
    spoiled:   places between and around the outputs that were overwritten
    changed:   numbers of the inputs that are others than before
    loaded:    how many numbers were loaded, each as often as it was
    products:  how many products of two tiles were made
    """

    out: Tensor
    unwritten: int = 0
    findings: tuple[str, ...] = ()
    spoiled: int = 0
    changed: int = 0
    loaded: int = 0
    products: int = 0

    def __str__(self) -> str:
        found = "; ".join(self.findings) or "nothing"
        lost = f"{self.unwritten} forgotten, {self.spoiled} canaries overwritten, {self.changed} inputs changed"
        return f"an output of shape {tuple(self.out.shape)}: {lost}; the audit found {found}"


class _Output:
    """Rows of poison (or of zeros, where everybody adds) with canaries before, behind and between them."""

    def __init__(self, rows: int, width: int, gap: int = 0, zeros: bool = False):
        self.room = torch.full((rows + 2 * MARGIN, width + gap), CANARY)
        self.out = self.room[MARGIN:-MARGIN, :width]
        self.out.view(torch.int32).fill_(0 if zeros else POISON)

    @property
    def spoiled(self) -> int:
        return int((self.room != CANARY).sum() - (self.out != CANARY).sum())


def _input(x: Tensor, gap: int = 0) -> Tensor:
    """The same rows with `gap` NaNs behind each, and many rows of them before and behind."""
    room = torch.full((len(x) + 2 * MARGIN, x.shape[1] + gap), float("nan"), dtype=x.dtype)
    room[MARGIN:-MARGIN, : x.shape[1]] = x
    return room[MARGIN:-MARGIN, : x.shape[1]]


def _ran(kernel: object, programs: int, outputs: tuple[_Output, ...], *arguments: object, **constants: int) -> Ran:
    """Launch; an error inside of a program is raised as it was there."""
    kernel = kernel if hasattr(kernel, "fn") else triton.jit(kernel)
    tensors = [x for x in arguments if isinstance(x, Tensor)]
    inputs = {x: x.clone() for x in tensors if not any(x is one.out for one in outputs)}
    try:
        with audit(*tensors) as findings, numpy.errstate(all="ignore"):
            kernel[(programs,)](*arguments, **constants)
    except Exception as error:
        raise (error.__cause__ or error) from None
    poisoned = sum(int((one.out.contiguous().view(torch.int32) == POISON).sum()) for one in outputs)
    spoiled = sum(one.spoiled for one in outputs)
    changed = sum(int(((x != old) & ~(x.isnan() & old.isnan())).sum()) for x, old in inputs.items())
    done = findings.loaded, findings.products
    return Ran(torch.cat([one.out for one in outputs]), poisoned, tuple(map(str, findings)), spoiled, changed, *done)


def copy(kernel: object, x: Tensor, block: int = 16) -> Ran:
    """copy[(⌈n / block⌉,)](x, out, n, BLOCK=block)"""
    out = _Output(1, len(x))
    return _ran(kernel, triton.cdiv(len(x), block), (out,), _input(x[None])[0], out.out, len(x), BLOCK=block)


def row_softmax(kernel: object, x: Tensor) -> Ran:
    """row_softmax[(rows,)](x, out, x.stride(0), out.stride(0), width, WIDTH=the next power of two)"""
    (rows, width), given = x.shape, _input(x, 2)
    out = _Output(rows, width, gap=3)
    sizes = given.stride(0), out.out.stride(0), width
    return _ran(kernel, rows, (out,), given, out.out, *sizes, WIDTH=1 << (width - 1).bit_length())


def attention(
    kernel: object, q: Tensor, k: Tensor, v: Tensor, *rest: float, block_q: int = 16, block_k: int = 32
) -> Ran:
    """online[(⌈n_query / 16⌉,)](q, k, v, out, strides …, n_query, n_key, *rest, DIM=…, BLOCK_Q=16, BLOCK_K=32)"""
    out = _Output(*q.shape, gap=5)
    q, k, v = _input(q, 4), _input(k, 3), _input(v, 2)
    strides = [x.stride(0) for x in (q, k, v, out.out)]
    sizes = {"DIM": q.shape[1], "BLOCK_Q": block_q, "BLOCK_K": block_k}
    programs = triton.cdiv(len(q), block_q)
    return _ran(kernel, programs, (out,), q, k, v, out.out, *strides, len(q), len(k), *rest, **sizes)


def online(kernel: object, q: Tensor, k: Tensor, v: Tensor) -> Ran:
    """attention with scale = 1 / √DIM"""
    return attention(kernel, q, k, v, q.shape[1] ** -0.5)


def sigmoid(kernel: object, q: Tensor, k: Tensor, v: Tensor) -> Ran:
    """attention with scale = 1 / √DIM and bias = -log n_key"""
    return attention(kernel, q, k, v, q.shape[1] ** -0.5, -log(len(k)))


def block_sparse(kernel: object, q: Tensor, k: Tensor, v: Tensor, rows: list[list[int]]) -> Ran:
    """block_sparse[(blocks,)](q, k, v, out, offsets, indices, n, scale, bias, DIM=…, BLOCK=16); rows: the lists"""
    offsets = torch.tensor([sum(map(len, rows[:at])) for at in range(len(rows) + 1)], dtype=torch.int32)
    indices = torch.tensor([j for row in rows for j in row], dtype=torch.int32)
    out = _Output(*q.shape)
    given = *map(_input, (q, k, v)), out.out, offsets, indices, len(q), q.shape[1] ** -0.5, -log(len(k))
    return _ran(kernel, len(rows), (out,), *given, DIM=q.shape[1], BLOCK=16)


def gradients(kernel: object, q: Tensor, k: Tensor, v: Tensor, grad: Tensor) -> Ran:
    """gradients[(⌈n / 16⌉,)](q, k, v, grad, dq, dk, dv, n, scale, bias, DIM=…, BLOCK=16)"""
    outputs = tuple(_Output(*q.shape, zeros=at == 0) for at in range(3))
    given = *map(_input, (q, k, v, grad)), *(one.out for one in outputs), len(q), q.shape[1] ** -0.5, -log(len(k))
    return _ran(kernel, triton.cdiv(len(q), 16), outputs, *given, DIM=q.shape[1], BLOCK=16)


def xrayed(kernel: object, arch: str = "sm_90", tile: Tiles = TILE) -> Xray:
    """A kernel of this lab, compiled for float16, rows of 64 numbers, and tiles that the labs share.

    Raises XrayError where it does not compile.
    """
    sizes = {"BLOCK": 64, "WIDTH": 1024, "DIM": 64, "BLOCK_Q": tile.block_q, "BLOCK_K": tile.block_k}
    names = inspect.signature(plain(kernel)).parameters
    types = {name: "i32" for name in names} | {"scale": "fp32", "bias": "fp32", "offsets": "*i32", "indices": "*i32"}
    types |= dict.fromkeys(("x", "q", "k", "v", "out", "grad"), "*fp16") | dict.fromkeys(("dq", "dk", "dv"), "*fp32")
    fixed = {name: sizes[name] for name in names if name in sizes}
    signature = {name: types[name] for name in names if name not in fixed}
    divisible = [name for name in signature if name not in ("scale", "bias")]
    compiled = {"constants": fixed, "divisible": divisible}
    if "BLOCK_Q" in fixed:
        compiled |= {"num_warps": tile.num_warps, "num_stages": tile.num_stages}
    return xray(kernel, arch, signature=signature, **compiled)

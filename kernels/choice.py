"""Which implementation runs: `kernels.choose` says what "auto" picks and why, `require` refuses what cannot run."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kernels import native
from kernels.flash import versions
from kernels.flash.catalogue import WIDEST
from kernels.layout import BlockLayout
from kernels.spec import Spec

BLOCKS = (16, 32, 64, 128)  # a tile has a power of two of rows


@dataclass(frozen=True)
class Choice:
    """What `impl="auto"` runs, and the reason in words."""

    impl: str
    reason: str

    def __str__(self) -> str:
        return f"{self.impl}: {self.reason}"


def choose(
    q: Tensor, k: Tensor | None = None, v: Tensor | None = None, *, layout: BlockLayout | None = None, **options: Any
) -> Choice:
    """What `attention(q, k, v, impl="auto", …)` runs on this machine, and why.

    It depends on where q lives, its dtype and width, and the layout's block size; the other arguments change nothing.
    """
    if not isinstance(q, Tensor):
        raise TypeError(f"q: got {type(q).__name__}, wanted a torch tensor")
    if q.device.type != "cuda":
        return Choice("tiled", f"the tensors are on {q.device.type}, memory O(n); {native.status()}")
    if trouble := versions.trouble(q.device):
        return Choice("tiled", f"the Triton kernels cannot run: {trouble}")
    if q.dtype == torch.float64:
        return Choice("tiled", "float64 has no Triton kernel")
    if unfit := _unfit(q, v if v is not None else q, layout):
        return Choice("tiled", unfit)
    return Choice("triton", f"a GPU is here ({torch.cuda.get_device_name(q.device)})")


def require(impl: str, q: Tensor, v: Tensor, spec: Spec) -> None:
    """Raise a sentence that says what to do where "triton" or "interpret" cannot run."""
    versions.require(impl, q)
    if unfit := _unfit(q, v, spec.layout):
        raise ValueError(f"{unfit}; use impl='tiled'")


def _unfit(q: Tensor, v: Tensor, layout: BlockLayout | None) -> str | None:
    """What the Triton kernels cannot take, or None."""
    for name, x in (("q", q), ("v", v)):
        if x.shape[-1] > WIDEST:
            return f"{name}: head dim {x.shape[-1]}, the Triton kernels reach {WIDEST}"
    if layout is not None and layout.block not in BLOCKS:
        return f"layout: blocks of {layout.block} tokens, the Triton kernels take {', '.join(map(str, BLOCKS))}"

"""The ledger: what a kernel loads, stores and computes, counted to the byte while the interpreter runs it.

    with ledger() as book:
        attention(q, k, v, normalizer="sigmoid", impl="interpret")
    book.loaded, book.stored, book.matmul_flop                  all kernels together
    book.kernels["sigmoid.forward"]                             one of them: normalizer or file, and name
    closed_form("forward", …)                                   the same numbers from a formula

Masked-out elements are not loaded and do not count. Sums run in full: padding to whole tiles is work that a GPU does
too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields

import torch
from torch import Tensor

from kernels.flash.catalogue import padded
from kernels.instruments.watch import watched
from kernels.layout import BlockLayout

FP32 = ("fadd", "fsub", "fmul", "fdiv", "maxnumf", "maximumf", "minnumf", "minimumf")
SPECIAL = ("exp", "exp2", "log", "log2")


@dataclass
class Counts:
    """loaded, stored: bytes of masked-in elements. matmul_flop: 2 · m · n · k for each of `products` matrix products.

    fp32: additions, subtractions, multiplications, divisions and maxima of floating-point elements.
    special: exponentials and logarithms of elements. reductions: maxima and sums across a tile (calls, not elements).
    """

    loaded: int = 0
    stored: int = 0
    matmul_flop: int = 0
    products: int = 0
    fp32: int = 0
    special: int = 0
    reductions: int = 0

    @property
    def moved(self) -> int:
        """Bytes loaded and stored."""
        return self.loaded + self.stored

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Counts)))


@dataclass
class Ledger:
    """Counts for each kernel that ran, by file and name; an attribute of `Counts` is the sum over all of them."""

    kernels: dict[str, Counts] = field(default_factory=lambda: defaultdict(Counts))

    @property
    def total(self) -> Counts:
        return sum(self.kernels.values(), Counts())

    def __getattr__(self, name: str) -> object:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.total, name)

    def __str__(self) -> str:
        head = ("kernel", *(f.name for f in fields(Counts)))
        rows = [(name, *(f"{getattr(c, f.name):,}" for f in fields(Counts))) for name, c in self.kernels.items()]
        widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
        return "\n".join("  ".join(cell.rjust(w) for cell, w in zip(row, widths)) for row in (head, *rows))


@contextmanager
def ledger() -> Iterator[Ledger]:
    """Count every Triton kernel that the interpreter runs inside this block.

    Raises RuntimeError where Triton compiles instead of interpreting: a GPU does not count.
    """
    book, running = Ledger(), ["?"]

    def here() -> Counts:
        return book.kernels[running[0]]

    def launch(self, original, *arguments, **named):
        running[0] = f"{named.get('NORMALIZER', self.fn.__module__.rpartition('.')[2])}.{self.fn.__name__}"
        return original(self, *arguments, **named)

    def counted(**amounts: Callable[..., int]):
        def operation(self, original, *arguments):
            for kind, amount in amounts.items():
                setattr(here(), kind, getattr(here(), kind) + amount(*arguments))
            return original(self, *arguments)

        return operation

    around = {
        "__call__": launch,
        "create_masked_load": counted(loaded=lambda pointers, mask, *_: _bytes(pointers, mask)),
        "create_masked_store": counted(stored=lambda pointers, value, mask, *_: _bytes(pointers, mask)),
        "create_dot": counted(
            matmul_flop=lambda a, b, *_: 2 * a.data.shape[-2] * a.data.shape[-1] * b.data.shape[-1],
            products=lambda *_: 1,
        ),
        "apply_impl": counted(reductions=lambda *_: 1),
        **{f"create_{name}": counted(fp32=_elements) for name in FP32},
        **{f"create_{name}": counted(special=_elements) for name in SPECIAL},
    }
    with watched("ledger", around):
        yield book


def closed_form(
    step: str,
    *,
    normalizer: str,
    batch: int,
    heads: int,
    n_query: int,
    n_key: int,
    dim: int,
    value: int | None = None,
    kv_heads: int | None = None,
    itemsize: int = 4,
    block_q: int = 64,
    block_k: int = 64,
    causal: bool = False,
    layout: BlockLayout | None = None,
) -> Counts:
    """loaded, stored, matmul_flop and products of one kernel ("forward", "delta", "dq" or "dkdv"), by formula.

    A program loads its own tile once and the other side's tile for each pair of tiles that it visits, so for the dense
    forward pass   loaded = n_q d + ⌈n_q / block_q⌉ n_k (d + d_v)   elements a head: the queries are tiled, so the keys
    pass by that many times. With a layout the second term counts listed blocks instead, tile by
    tile where they are larger; parts of long rows are left out.
    """
    if normalizer not in ("softmax", "sigmoid"):
        raise ValueError(f"normalizer: got {normalizer!r}, wanted 'softmax' or 'sigmoid'")
    if layout is not None and (layout.n_query, layout.n_key) != (n_query, n_key):
        raise ValueError(f"layout: made for {layout.n_query} × {layout.n_key} tokens, got {n_query} × {n_key}")
    value = dim if value is None else value
    kv_heads = heads if kv_heads is None else kv_heads
    if layout is not None:
        block_q, block_k = min(block_q, layout.block), min(block_k, layout.block)
    block_d, block_v = padded(dim), padded(value)
    visited = _visited(n_query, n_key, block_q, block_k, causal, layout, heads)  # head row column
    rows, columns = _tile_rows(n_query, block_q), _tile_rows(n_key, block_k)
    tiles = int(visited.sum())
    keys_passed = int((visited.sum((0, 1)) * columns).sum())
    queries_passed = int((visited.sum((0, 2)) * rows).sum())
    if step == "delta":
        return Counts(batch * heads * n_query * value * 2 * itemsize, batch * heads * n_query * 4)
    if step not in ("forward", "dq", "dkdv"):
        raise ValueError(f"step: got {step!r}, wanted 'forward', 'delta', 'dq' or 'dkdv'")
    width, queries, keys = dim + value, heads * n_query, kv_heads * n_key
    per_row = 4 if normalizer == "softmax" else 0  # bytes of a log-sum-exp, and of a delta
    if step == "forward":
        loaded, stored = queries * dim + keys_passed * width, queries * value
        state, kept, depth, products = 0, per_row * queries, block_d + block_v, 2
    elif step == "dq":
        loaded, stored = queries * width + keys_passed * width, queries * dim
        state, kept, depth, products = 2 * per_row * queries, 0, 2 * block_d + block_v, 3
    else:
        loaded, stored = keys * width + queries_passed * width, keys * width
        state, kept, depth, products = 2 * per_row * queries_passed, 0, 2 * (block_d + block_v), 4
    lists = 0
    if layout is not None:  # int32: one index a tile, and begin, split, end and order of a row; of a column two splits
        walked = (16 * heads + 4 * kv_heads) * len(columns) if step == "dkdv" else 16 * heads * len(rows)
        lists = 4 * tiles + walked
    return Counts(
        batch * (itemsize * loaded + state + lists),
        batch * (itemsize * stored + kept),
        batch * 2 * block_q * block_k * depth * tiles,
        batch * products * tiles,
    )


def _visited(n_query, n_key, block_q, block_k, causal, layout, heads) -> Tensor:
    row = torch.arange(-(-n_query // block_q), dtype=torch.long, device="cpu")[:, None]
    column = torch.arange(-(-n_key // block_k), dtype=torch.long, device="cpu")[None, :]
    seen = torch.ones(row.shape[0], column.shape[1], dtype=torch.bool, device="cpu")
    if causal:
        seen = column * block_k <= row * block_q + block_q - 1 + n_key - n_query
    if layout is None:
        return seen.expand(heads, *seen.shape)
    listed = layout.blocks().repeat_interleave(layout.block // block_q, 1)
    listed = listed.repeat_interleave(layout.block // block_k, 2)[:, : len(row), : column.shape[1]]
    return (listed & seen).expand(heads, *seen.shape)


def _tile_rows(length: int, block: int) -> Tensor:
    """How many real rows each tile has."""
    tile = torch.arange(-(-length // block), dtype=torch.long, device="cpu")
    return (length - tile * block).clamp(max=block)


def _bytes(pointers, mask) -> int:
    """Of the elements that are masked in."""
    return int(mask.data.sum()) * pointers.get_element_ty().primitive_bitwidth // 8


def _elements(*operands) -> int:
    """Of a tile; a scalar costs a program one instruction, not a tile of them."""
    size = max(x.data.size for x in operands)
    return size if size > 1 else 0

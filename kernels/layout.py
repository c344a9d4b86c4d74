"""Block-sparse attention patterns: which blocks of keys each block of queries looks at.

    row i lists    indices[offsets[i] : offsets[i + 1]]       key blocks, ascending (CSR)
    column j lists indices_t[offsets_t[j] : offsets_t[j + 1]] query blocks that see key block j (its transpose)

The forward pass walks the rows, the gradients of keys and values walk the columns, so neither ever searches. Every
listed block is seen whole; `causal` and `key_padding` still act inside it.
"""

from __future__ import annotations

import numbers
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from kernels.plain import is_plain

TABLES = ("offsets", "indices", "offsets_t", "indices_t")


@dataclass(frozen=True, eq=False)
class BlockLayout:
    """A pattern in units of `block` tokens; the last block may be partial. One row of offsets per head, or one for all.

    Build one with `from_mask`, `from_rows`, `dense` or `bigbird`.
    """

    block: int
    n_query: int
    n_key: int
    offsets: Int[Tensor, "heads rows+1"]
    indices: Int[Tensor, "listed"]
    offsets_t: Int[Tensor, "heads columns+1"]
    indices_t: Int[Tensor, "listed"]
    _copies: dict = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        for name, length in (("offsets", self.n_query), ("offsets_t", self.n_key)):
            table, wanted = getattr(self, name), -(-length // self.block) + 1
            if table.ndim != 2 or table.shape[1] != wanted:
                raise ValueError(
                    f"{name}: got shape {tuple(table.shape)}, wanted (heads, {wanted}) for {length} tokens in blocks of"
                    f" {self.block}"
                )
        if self.indices.ndim != 1 or self.indices.shape != self.indices_t.shape:
            raise ValueError(
                f"indices: got shape {tuple(self.indices.shape)}, and {tuple(self.indices_t.shape)} for the transpose;"
                " wanted two equal lists"
            )
        for name in TABLES:  # what the kernels read
            object.__setattr__(self, name, getattr(self, name).to(torch.int32).contiguous())
        if self.indices.device.type == "cpu" and is_plain(self.indices):
            self._refuse_lists_that_point_outside()

    def _refuse_lists_that_point_outside(self) -> None:
        for ends, name, blocks in (("offsets", "indices", self.n_key), ("offsets_t", "indices_t", self.n_query)):
            places, listed = getattr(self, ends).flatten(), getattr(self, name)
            if places[0] != 0 or places[-1] != listed.numel() or (places.diff() < 0).any():
                raise ValueError(
                    f"{ends}: got {_few(places)}, wanted numbers that grow from 0 to {listed.numel()}, the length of"
                    f" {name}"
                )
            count = -(-blocks // self.block)
            outside = (listed < 0) | (listed >= count)
            if outside.any():
                raise ValueError(
                    f"{name}: got a list that points outside, at block {int(listed[outside][0])}; wanted 0 to"
                    f" {count - 1}"
                )

    @classmethod
    def from_mask(
        cls,
        mask: Bool[Tensor, "rows columns"] | Bool[Tensor, "heads rows columns"],
        block: int,
        *,
        n_query: int | None = None,
        n_key: int | None = None,
    ) -> BlockLayout:
        """From a boolean grid of blocks, true = listed. Lengths default to whole blocks."""
        mask = mask if isinstance(mask, Tensor) else torch.as_tensor(mask, device="cpu")
        if mask.dtype != torch.bool or mask.ndim not in (2, 3):
            raise TypeError(
                f"mask: got {mask.dtype} of shape {tuple(mask.shape)}, wanted bool (rows columns) or (heads rows"
                " columns)"
            )
        mask = mask if mask.ndim == 3 else mask[None]
        rows, columns = mask.shape[1:]
        n_query = rows * block if n_query is None else n_query
        n_key = columns * block if n_key is None else n_key
        block, n_query, n_key = _sizes(block, n_query, n_key)
        for name, length, count in (("n_query", n_query, rows), ("n_key", n_key, columns)):
            if -(-length // block) != count:
                raise ValueError(
                    f"{name}: {length} tokens are {-(-length // block)} blocks of {block}, the mask has {count}"
                )
        listed = [[row.nonzero().flatten().tolist() for row in head] for head in mask]
        return cls.from_rows(listed, block, n_query=n_query, n_key=n_key).to(mask.device)

    @classmethod
    def from_rows(
        cls,
        rows: Sequence[Iterable[int]] | Sequence[Sequence[Iterable[int]]],
        block: int,
        *,
        n_query: int,
        n_key: int | None = None,
    ) -> BlockLayout:
        """From the key blocks that each query block lists; nest once more for one list of rows per head."""
        n_key = n_query if n_key is None else n_key
        block, n_query, n_key = _sizes(block, n_query, n_key)
        n_rows, n_columns = -(-n_query // block), -(-n_key // block)
        heads: Any = [[list(row) for row in rows]]
        if any(not isinstance(j, numbers.Integral) for row in heads[0] for j in row):
            heads = [[list(row) for row in head] for head in heads[0]]
        for head in heads:
            if len(head) != n_rows:
                raise ValueError(f"rows: got {len(head)}, wanted {n_rows} ({n_query} queries in blocks of {block})")
            bad = [(i, j) for i, row in enumerate(head) for j in row if not 0 <= j < n_columns]
            if bad:
                raise ValueError(
                    f"rows: query block {bad[0][0]} lists key block {bad[0][1]}, wanted 0 to {n_columns - 1}"
                )
        made = (torch.tensor(x, dtype=torch.int32, device="cpu") for x in tables(heads, n_columns))
        return cls(block, n_query, n_key, *made)

    @classmethod
    def dense(cls, n_query: int, n_key: int | None = None, *, block: int = 64) -> BlockLayout:
        """Every block listed: the layout under which sparse and dense attention agree."""
        n_key = n_query if n_key is None else n_key
        block, n_query, n_key = _sizes(block, n_query, n_key)
        every = range(-(-n_key // block))
        return cls.from_rows([every] * -(-n_query // block), block, n_query=n_query, n_key=n_key)

    @classmethod
    def bigbird(
        cls, n: int, *, block: int = 64, global_blocks: int = 2, window: int = 3, random_blocks: int = 3, seed: int = 0
    ) -> BlockLayout:
        """Global, window and random blocks (Zaheer et al. 2020, section 2), internal construction (ITC).

        The first and last blocks are global (half each, the first ones more when odd): they see and are seen by all.
        Every other row sees `window` neighbours, itself in the middle, and `random_blocks` drawn from the whole row.
        """
        if window % 2 == 0:
            raise ValueError(
                f"window: got {window} blocks, wanted an odd number (a block and its neighbours on both sides)"
            )
        block, n, _ = _sizes(block, n, n)
        for name, value in (("window", window), ("random_blocks", random_blocks), ("global_blocks", global_blocks)):
            if value < 0:
                raise ValueError(f"{name}: got {value}, wanted a number of blocks, at least 0")
        count = -(-n // block)
        first = -(-global_blocks // 2)
        relays = {*range(min(first, count)), *range(max(count - (global_blocks - first), 0), count)}
        draw = random.Random(seed)
        rows = []
        for i in range(count):
            if i in relays:
                rows.append(range(count))
                continue
            row = relays | {j for j in range(i - window // 2, i + window // 2 + 1) if 0 <= j < count}
            free = count - len(row)
            wanted = len(row) + min(random_blocks, free)
            if free <= 4 * random_blocks:  # too few to find by trying
                row |= set(draw.sample(sorted(set(range(count)) - row), wanted - len(row)))
            while len(row) < wanted:
                row.add(draw.randrange(count))
            rows.append(row)
        return cls.from_rows(rows, block, n_query=n)

    @property
    def heads(self) -> int:
        """1 when all heads share one pattern."""
        return self.offsets.shape[0]

    @property
    def n_rows(self) -> int:
        return self.offsets.shape[1] - 1

    @property
    def n_columns(self) -> int:
        return self.offsets_t.shape[1] - 1

    @property
    def listed(self) -> int:
        """Blocks listed, all heads of the layout together."""
        return self.indices.numel()

    @property
    def density(self) -> float:
        """Listed blocks over all blocks."""
        return self.listed / max(self.heads * self.n_rows * self.n_columns, 1)

    def blocks(self) -> Bool[Tensor, "heads rows columns"]:
        """The grid of blocks, true = listed."""
        grid = torch.zeros(self.heads, self.n_rows, self.n_columns, dtype=torch.bool, device=self.indices.device)
        counts = (self.offsets[:, 1:] - self.offsets[:, :-1]).flatten()
        row = torch.repeat_interleave(torch.arange(counts.numel(), dtype=torch.long, device=counts.device), counts)
        grid.view(-1, self.n_columns)[row, self.indices.long()] = True
        return grid

    def mask(self) -> Bool[Tensor, "heads query key"]:
        """Token by token, as an n_query × n_key mask: for tests and pictures, not for long sequences."""
        grid = self.blocks().repeat_interleave(self.block, 1).repeat_interleave(self.block, 2)
        return grid[:, : self.n_query, : self.n_key]

    def to(self, device: torch.device | str) -> BlockLayout:
        """The same lists elsewhere, copied once as long as nobody changes them."""
        lists = {name: getattr(self, name) for name in TABLES}
        if torch.device(device) == self.indices.device:
            return replace(self, **lists)  # looked at again: they may have been changed
        key = (str(device), *(0 if x.is_inference() else x._version for x in lists.values()))
        if key not in self._copies:
            self._copies[key] = replace(self, **{name: x.to(device) for name, x in lists.items()})
        return self._copies[key]

    def __repr__(self) -> str:
        of = self.heads * self.n_rows * self.n_columns
        return (
            f"BlockLayout({self.n_query} × {self.n_key} tokens in blocks of {self.block}, "
            f"{self.listed} of {of} blocks listed, {'one pattern' if self.heads == 1 else f'{self.heads} heads'})"
        )


def _few(x: Tensor) -> str:
    return f"[{', '.join(map(str, x[:8].tolist()))}{', …' if len(x) > 8 else ''}]"


def tables(heads: Sequence[Sequence[Iterable[int]]], columns: int) -> tuple[list, list, list, list]:
    """offsets, indices, offsets_t, indices_t in plain numbers, from the key blocks that query blocks list, by head."""
    rows = [[sorted({*row}) for row in head] for head in heads]
    turned = [[[] for _ in range(columns)] for _ in rows]
    for head, i, j in ((head, i, j) for head, each in enumerate(rows) for i, row in enumerate(each) for j in row):
        turned[head][j].append(i)
    return *_pack(rows), *_pack(turned)


def _pack(heads: list[list[list[int]]]) -> tuple[list[list[int]], list[int]]:
    offsets, indices = [], []
    for rows in heads:
        offsets.append([len(indices)])
        for row in rows:
            indices.extend(row)
            offsets[-1].append(len(indices))
    return offsets, indices


def _sizes(block: int, n_query: int, n_key: int) -> tuple[int, int, int]:
    """The three as Python's integers, whatever library they came from."""
    for name, value in (("block", block), ("n_query", n_query), ("n_key", n_key)):
        if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
            raise ValueError(f"{name}: got {value!r}, wanted a whole number of tokens, at least 1")
    return int(block), int(n_query), int(n_key)

"""What the programs of a block-sparse kernel do: which tile each owns, which tiles it walks, and who starts first.

A block of the layout may be several tiles. A program's list begins with the tiles that it sees whole (of queries) or
that the diagonal cuts (of keys). Global tokens see everything, and a program that walks a row of 1,000 tiles is at work
long after the others, so rows far longer than the mean are split into parts, and long lists start first, of all heads.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from kernels.layout import BlockLayout

LONG, SHORT = 32, 8  # tiles that one program walks at most (or twice the mean where that is more), and at least
FEW = 132  # programs: fewer leave some of a GPU's multiprocessors without work


@dataclass(frozen=True)
class Lists:
    """items: for each program its tile; where its list begins, changes twice and ends; which part it is, −1 for a
    whole. They change at the first tile of queries seen in part, or of keys where the diagonal, then the whole ends.
    indices: the tiles of all lists.  splits: a tile, its first part, the one behind its last.  parts: how many.
    """

    items: Int[Tensor, "heads items 6"]
    indices: Int[Tensor, "listed"]
    splits: Int[Tensor, "splits 3"]
    parts: int


_kept = WeakTensorKeyDictionary()  # a layout's indices -> the lists made from them


def lists(
    layout: BlockLayout, block_q: int, block_k: int, by_query: bool, causal: bool, copies: int = 1 << 20
) -> Lists:
    """Made once, and kept with the layout's own tensor as long as that lives. copies: how many heads walk them."""
    kept: Any = _kept.setdefault(layout.indices, {})
    versions = [0 if x.is_inference() else x._version for x in (layout.offsets, layout.indices)]
    key = (layout.n_query, layout.n_key, layout.block, block_q, block_k, by_query, causal, min(copies, FEW), *versions)
    if key not in kept or kept[key][0] is not layout.offsets:
        kept[key] = layout.offsets, _made(layout, block_q, block_k, by_query, causal, copies)
    return kept[key][1]


def _made(layout: BlockLayout, block_q: int, block_k: int, by_query: bool, causal: bool, copies: int) -> Lists:
    device, heads, n_query, n_key = layout.indices.device, layout.heads, layout.n_query, layout.n_key

    def numbers(count: int) -> Tensor:
        return torch.arange(count, dtype=torch.long, device=device)

    sizes = (layout.offsets[:, 1:] - layout.offsets[:, :-1]).flatten().long()
    owner = torch.repeat_interleave(numbers(len(sizes)), sizes)[:, None, None]
    row = owner % layout.n_rows * (layout.block // block_q) + numbers(layout.block // block_q)[:, None]
    column = layout.indices.long()[:, None, None] * (layout.block // block_k) + numbers(layout.block // block_k)
    last = row * block_q + n_key - n_query  # the last key that the tile's first query sees
    seen = (
        (row * block_q < n_query) & (column * block_k < n_key) & (column * block_k < last + block_q if causal else True)
    )
    head, row, column, last = (x.expand(seen.shape)[seen] for x in (owner // layout.n_rows, row, column, last))
    cut = ((column + 1) * block_k - 1 > last) & causal
    own, other, count = (row, column, -(-n_query // block_q)) if by_query else (column, row, -(-n_key // block_k))
    whole = (column + 1) * block_k <= n_key if by_query else (row + 1) * block_q <= n_query
    own = head * count + own

    def counted(flags: Tensor) -> Tensor:
        return torch.zeros(heads * count, dtype=torch.long, device=device).index_add_(0, own, flags.long())

    length = counted(torch.ones_like(own))
    begin = length.cumsum(0) - length
    change = begin if by_query else begin + counted(cut & whole)
    bounds = [begin, change + counted(~cut & whole) if by_query else change, change + counted(~cut & whole)]
    bounds = [x.view(heads, count) for x in (*bounds, begin + length)]
    length = length.view(heads, count)
    longest = length.amax(0)
    total = int(longest.sum())
    most = max(SHORT, min(max(LONG, 2 * total / count), total * copies / FEW))
    pieces = (longest / most).ceil().long().clamp(min=1)
    tile = torch.repeat_interleave(numbers(count), pieces)
    piece, of = numbers(len(tile)) - (pieces.cumsum(0) - pieces)[tile], pieces[tile]
    begin, change, second, _ = (x[:, tile] for x in bounds)
    start, end = (begin + length[:, tile] * at // of for at in (piece, piece + 1))
    change, second = (torch.minimum(torch.maximum(x, start), end) for x in (change, second))
    part = torch.where(of > 1, (of > 1).cumsum(0) - 1, -1)
    items = torch.stack([x.expand(heads, -1) for x in (tile, start, change, second, end, part)], -1)
    order = torch.argsort(longest[tile] / of, descending=True, stable=True)
    split = (pieces > 1).nonzero().flatten()
    behind = pieces[split].cumsum(0)
    splits = torch.stack([split, behind - pieces[split], behind], -1)
    indices = other[torch.argsort(own * (int(other.max()) + 1 if len(other) else 1) + other)]
    return Lists(items[:, order].int().contiguous(), indices.int(), splits.int().contiguous(), int((of > 1).sum()))

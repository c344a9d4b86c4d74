"""Where a program works, which tiles it walks, how it loads and stores one: what has nothing to do with attention.

Every program owns one tile of rows of one head and walks a list of tiles. The list has two parts: inner tiles, seen
whole, where nothing is masked, and edge tiles, cut by the causal diagonal or by the end of the sequence. A mask costs
work on every score, so only the edge tiles pay for one.

A tensor comes as (pointer, strides of batch, head and row); the numbers of a row lie side by side. A layout comes as
(items, indices, stride of its heads, heads of q): six numbers for each program, in the order in which they start, and
the tiles that they walk, see `kernels.flash.lists`. Addresses are 64-bit from the tensor to the head. Inside a head
they are 32-bit where all its rows fit into 2³¹ elements, and 64-bit, WIDE, where they do not: that makes a kernel some
percent longer, mostly before its loop.

Names: b_ the values of a tile, p_ pointers, o_ offsets, i_ an index, m_ a mask.
"""

import triton
import triton.language as tl


@triton.jit
def place(layout, group, LATE: tl.constexpr):
    """Which tile of which head this program owns: the tile, head, batch, and the head counted through the batch.

    Long rows start first, of all heads; without a layout in the reverse order where that helps, LATE.
    group: 1, or where a program owns keys, the query heads that share them.
    """
    if layout is not None:
        heads = layout[3] // group
        i_tile = tl.load(layout[0] + 6 * tl.program_id(1))
        i_all = tl.program_id(0).to(tl.int64)
        i_head, i_batch = i_all % heads, i_all // heads
    else:
        i_tile, i_head, i_batch = tl.program_id(0), tl.program_id(1).to(tl.int64), tl.program_id(2).to(tl.int64)
        i_all = i_batch * tl.num_programs(1) + i_head
        if LATE:
            i_tile = tl.num_programs(0) - 1 - i_tile
    return i_tile, i_head, i_batch, i_all


@triton.jit
def row_tiles(
    layout, i_head, i_row, n_query, n_key, BLOCK_Q: tl.constexpr, BLOCK_K: tl.constexpr, CAUSAL: tl.constexpr,
):  # fmt: skip
    """Key tiles for one tile of queries: [begin, inner) seen whole, [inner, end) in part.

    With a layout: places in its list.
    """
    begin = 0
    if layout is not None:
        p_item = layout[0] + i_head * layout[2] + 6 * tl.program_id(1)
        begin, inner, end = tl.load(p_item + 1), tl.load(p_item + 2), tl.load(p_item + 4)
    else:
        inner = n_key // BLOCK_K
        end = tl.cdiv(n_key, BLOCK_K)
        if CAUSAL:
            last = i_row * BLOCK_Q + n_key - n_query  # the last key that the tile's first query sees; negative: none
            inner = tl.minimum(inner, tl.maximum(last + 1, 0) // BLOCK_K)
            end = tl.minimum(end, tl.cdiv(tl.maximum(last + BLOCK_Q, 0), BLOCK_K))
    return begin, inner, end


@triton.jit
def column_tiles(
    layout, i_head, i_column, n_query, n_key, BLOCK_Q: tl.constexpr, BLOCK_K: tl.constexpr, CAUSAL: tl.constexpr,
):  # fmt: skip
    """Query tiles for one tile of keys: [begin, whole) cut by the diagonal, [whole, tail) whole, [tail, end) the last,
    partial one.
    """
    begin, whole = 0, 0
    if layout is not None:
        p_item = layout[0] + i_head * layout[2] + 6 * tl.program_id(1)
        begin, whole, tail, end = (
            tl.load(p_item + 1),
            tl.load(p_item + 2),
            tl.load(p_item + 3),
            tl.load(p_item + 4),
        )
    else:
        tail = n_query // BLOCK_Q
        end = tl.cdiv(n_query, BLOCK_Q)
        if CAUSAL:
            first = i_column * BLOCK_K - (n_key - n_query)  # the first query that sees the tile's first key
            begin = tl.maximum(first, 0) // BLOCK_Q
            whole = tl.minimum(tl.cdiv(tl.maximum(first + BLOCK_K - 1, 0), BLOCK_Q), tail)
    return begin, whole, tail, end


@triton.jit
def first_hidden(i_query, n_query, n_key, CAUSAL: tl.constexpr):
    """Queries see the keys below this number: one comparison a score for the diagonal and the end together."""
    if CAUSAL:
        limit = tl.minimum(i_query + (n_key - n_query) + 1, n_key)
    else:
        limit = tl.zeros_like(i_query) + n_key
    return limit


@triton.jit
def hide(b_tile, value, i_key, limit, padding, i_batch, n_key, EDGE: tl.constexpr):
    """A tile [query, key] with `value` where a key is at the query's `limit` or behind it, or where it is padding."""
    if EDGE:
        b_tile = tl.where(i_key[None, :] < limit[:, None], b_tile, value)
    if padding is not None:
        m_real = load_row(padding, i_batch, i_key, n_key, 0) != 0
        b_tile = tl.where(m_real[None, :], b_tile, value)
    return b_tile


@triton.jit
def load(
    x, i_batch, i_head, i_tile, rows, BLOCK: tl.constexpr, DIM: tl.constexpr, BLOCK_D: tl.constexpr,
    EDGE: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    """Tile number `i_tile` of a head, [row, dim]. Rows from `rows` on and dims from `DIM` on are zeros."""
    pointer, batch, head, row = x
    o_row, o_dim = tl.arange(0, BLOCK), tl.arange(0, BLOCK_D)
    o_first = i_tile * BLOCK
    i_row = o_first + o_row
    if WIDE:
        o_first = o_first.to(tl.int64)
    p_tile = pointer + i_batch * batch + i_head * head + o_first * row + (o_row[:, None] * row + o_dim[None, :])
    if EDGE:
        b_tile = tl.load(p_tile, mask=(i_row[:, None] < rows) & (o_dim[None, :] < DIM), other=0.0)
    elif BLOCK_D > DIM:
        b_tile = tl.load(p_tile, mask=o_dim[None, :] < DIM, other=0.0)
    else:
        b_tile = tl.load(p_tile)
    return b_tile


@triton.jit
def store(
    p_out, i_head, i_tile, b_tile, rows, BLOCK: tl.constexpr, DIM: tl.constexpr, BLOCK_D: tl.constexpr,
    EDGE: tl.constexpr,
):  # fmt: skip
    """The counterpart of `load`, into a contiguous tensor [head, row, dim]: what is past the end is not written."""
    o_row, o_dim = tl.arange(0, BLOCK), tl.arange(0, BLOCK_D)
    p_tile = p_out + (i_head * rows + i_tile * BLOCK) * DIM + o_row[:, None] * DIM + o_dim[None, :]
    b_tile = b_tile.to(p_tile.dtype.element_ty)
    if EDGE:
        m_inside = (i_tile * BLOCK + o_row < rows)[:, None] & (o_dim[None, :] < DIM)
        tl.store(p_tile, b_tile, mask=m_inside)
    elif BLOCK_D > DIM:
        tl.store(p_tile, b_tile, mask=o_dim[None, :] < DIM)
    else:
        tl.store(p_tile, b_tile)


@triton.jit
def deliver(
    p_out, p_parts, layout, i_all, i_tile, b_tile, rows, BLOCK: tl.constexpr, DIM: tl.constexpr,
    BLOCK_D: tl.constexpr, EDGE: tl.constexpr,
):  # fmt: skip
    """`store` a tile where it belongs, or as one part of several among the parts, [part, head, row, dim]."""
    whole = True
    if p_parts is not None:
        i_part = tl.load(layout[0] + 6 * tl.program_id(1) + 5)
        whole = i_part < 0
        if i_part >= 0:
            store(p_parts, i_part * tl.num_programs(0) + i_all, 0, b_tile, BLOCK, BLOCK, DIM, BLOCK_D, False)
    if whole:
        store(p_out, i_all, i_tile, b_tile, rows, BLOCK, DIM, BLOCK_D, EDGE)


@triton.jit
def load_row(p_row, i_head, i_row, rows, other):
    """One number a row of a contiguous tensor [head, row]."""
    return tl.load(p_row + i_head * rows + i_row, mask=i_row < rows, other=other)


@triton.jit
def store_scores(p_scores, i_head, b_ds, i, j, n_query, n_key):
    """A tile of score gradients into a contiguous tensor [head, query, key]."""
    p_tile = p_scores + i_head * n_query * n_key + (i.to(tl.int64) * n_key + j)
    tl.store(p_tile, b_ds, mask=(i < n_query) & (j < n_key))

"""What the softmax and the sigmoid kernels share: where a program works, which tiles it walks, how it loads and scores
one.

Every program owns one tile of rows of one head and walks a list of tiles. The list has two parts: inner tiles, seen
whole, where nothing is masked, and edge tiles, cut by the causal diagonal or by the end of the sequence. A mask costs
work on every score, so only the edge tiles pay for one.

Addresses are 64-bit from the tensor to the head. Inside a head they are 32-bit where all its rows fit into 2³¹
elements, and 64-bit, WIDE, where they do not: that makes a kernel some percent longer, mostly before its loop.

Names: b_ the values of a tile, p_ pointers, o_ offsets, i_ an index, m_ a mask.
"""

import triton
import triton.language as tl


@triton.jit
def place(order, stride_lh, LATE: tl.constexpr):
    """Which tile of which head this program owns. Long rows start first: by `order`, or backwards when LATE."""
    i_tile, i_head, i_batch = tl.program_id(0), tl.program_id(1).to(tl.int64), tl.program_id(2).to(tl.int64)
    if order is not None:
        i_tile = tl.load(order + i_head * stride_lh + i_tile)
    elif LATE:
        i_tile = tl.num_programs(0) - 1 - i_tile
    return i_tile, i_head, i_batch


@triton.jit
def row_tiles(
    i_row, i_head, offsets, edges, stride_lh, n_query, n_key,
    BLOCK_Q: tl.constexpr, BLOCK_K: tl.constexpr, CAUSAL: tl.constexpr,
):  # fmt: skip
    """Key tiles for one tile of queries: [begin, inner) seen whole, [inner, end) in part.

    With a layout: places in its list.
    """
    if offsets is not None:
        begin = tl.load(offsets + i_head * stride_lh + i_row)
        inner = tl.load(edges + i_head * stride_lh + i_row)
        end = tl.load(offsets + i_head * stride_lh + i_row + 1)
    else:
        begin = 0
        inner = n_key // BLOCK_K
        end = tl.cdiv(n_key, BLOCK_K)
        if CAUSAL:
            last = i_row * BLOCK_Q + n_key - n_query  # the last key that the tile's first query sees; negative: none
            inner = tl.minimum(inner, tl.maximum(last + 1, 0) // BLOCK_K)
            end = tl.minimum(end, tl.cdiv(tl.maximum(last + BLOCK_Q, 0), BLOCK_K))
    return begin, inner, end


@triton.jit
def column_tiles(
    i_column, i_head, offsets, edges, tails, stride_lh, n_query, n_key,
    BLOCK_Q: tl.constexpr, BLOCK_K: tl.constexpr, CAUSAL: tl.constexpr,
):  # fmt: skip
    """Query tiles for one tile of keys: [begin, whole) cut by the diagonal, [whole, tail) whole, [tail, end) the last,
    partial one.
    """
    if offsets is not None:
        begin = tl.load(offsets + i_head * stride_lh + i_column)
        whole = tl.load(edges + i_head * stride_lh + i_column)
        tail = tl.load(tails + i_head * stride_lh + i_column)
        end = tl.load(offsets + i_head * stride_lh + i_column + 1)
    else:
        begin = 0
        whole = 0
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
def start(i_tile, stride, BLOCK: tl.constexpr, WIDE: tl.constexpr):
    """The offset of a tile's first row from its head."""
    o_row = i_tile * BLOCK
    if WIDE:
        o_row = o_row.to(tl.int64)
    return o_row * stride


@triton.jit
def load(p_tile, i_row, o_dim, rows, DIM: tl.constexpr, EDGE: tl.constexpr):
    """A tile [row, dim]. Rows from `rows` on and dims from `DIM` on are zeros."""
    if EDGE:
        b_tile = tl.load(p_tile, mask=(i_row[:, None] < rows) & (o_dim[None, :] < DIM), other=0.0)
    elif o_dim.shape[0] > DIM:
        b_tile = tl.load(p_tile, mask=o_dim[None, :] < DIM, other=0.0)
    else:
        b_tile = tl.load(p_tile)
    return b_tile


@triton.jit
def store(p_tile, b_tile, i_row, o_dim, rows, DIM: tl.constexpr, EDGE: tl.constexpr):
    """The counterpart of `load`: what is past the end is not written."""
    b_tile = b_tile.to(p_tile.dtype.element_ty)
    if EDGE:
        tl.store(p_tile, b_tile, mask=(i_row[:, None] < rows) & (o_dim[None, :] < DIM))
    elif o_dim.shape[0] > DIM:
        tl.store(p_tile, b_tile, mask=o_dim[None, :] < DIM)
    else:
        tl.store(p_tile, b_tile)


@triton.jit
def scored(b_s, i, j, p_bias, slope, scale, shift, n_query, n_key, stride_bq, stride_bk, UNIT: tl.constexpr):
    """`UNIT · (scale · s + shift + bias − slope · |i − j|)` for a tile of products s of queries i and keys j.

    i, j: indices shaped to broadcast over the tile, which may be [query, key] or its transpose.
    """
    x = b_s * (scale * UNIT)
    if shift is not None:
        x += shift * UNIT
    if p_bias is not None:
        o_bias = i.to(tl.int64) * stride_bq + j.to(tl.int64) * stride_bk
        x += tl.load(p_bias + o_bias, mask=(i < n_query) & (j < n_key), other=0.0).to(tl.float32) * UNIT
    if slope is not None:
        x -= tl.abs(i + (n_key - n_query) - j).to(tl.float32) * (slope * UNIT)
    return x


@triton.jit
def store_scores(p_scores, b_ds, i, j, n_query, n_key):
    """A tile of score gradients into a contiguous [query, key] matrix."""
    tl.store(p_scores + i.to(tl.int64) * n_key + j, b_ds, mask=(i < n_query) & (j < n_key))

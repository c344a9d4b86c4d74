"""Softmax attention, tile by tile (FlashAttention-2: Dao 2023).

    S = scale · Q Kᵀ + bias − slope · |i − j|        P = exp(S) / row sum        O = P V

A weight needs the sum of its whole row, and a safe exponential needs the row's maximum. Both are carried along while
tiles of keys pass by (online softmax): m the maximum so far, l the sum of 2^(S log₂e − m) so far. Whenever m grows,
l and O are scaled by 2^(m_old − m_new). At the end O is divided by l, and one number a row is kept for the backward
pass, lse = m + log₂ l (in base 2; +∞ for a row that sees no key, which makes all its weights 0).

    dV = Pᵀ dO        dP = dO Vᵀ        delta = rowsum(dO ∘ O)        dS = P (dP − delta)
    dQ = scale · dS K        dK = scale · dSᵀ Q

scale > 0: the maximum of the products times the scale is then the maximum of the scores.
"""

import triton
import triton.language as tl

from kernels.flash.tiles import column_tiles, first_hidden, load, place, row_tiles, scored, start, store, store_scores

LOG2E = tl.constexpr(1.4426950408889634)


@triton.jit
def weights(b_s, i, j, p_bias, slope, scale, b_lse, n_query, n_key, stride_bq, stride_bk):
    """The normalized weights of a tile, from its products and the rows' log-sum-exp."""
    return tl.exp2(scored(b_s, i, j, p_bias, slope, scale, None, n_query, n_key, stride_bq, stride_bk, LOG2E) - b_lse)


@triton.jit
def forward(
    q, k, v, out, lse, bias, padding, slopes, offsets, edges, indices, order,
    stride_qb, stride_qh, stride_qn, stride_kb, stride_kh, stride_kn, stride_vb, stride_vh, stride_vn,
    stride_bb, stride_bh, stride_bq, stride_bk, stride_pb, stride_sb, stride_lh,
    group, n_query, n_key, scale,
    DIM: tl.constexpr, VALUE: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_V: tl.constexpr, BLOCK_Q: tl.constexpr,
    BLOCK_K: tl.constexpr, CAUSAL: tl.constexpr, EVEN: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    """O and lse for one tile of queries, with the running maximum m and the running sum l."""
    i_row, i_head, i_batch = place(order, stride_lh, CAUSAL)
    o_query, o_key = tl.arange(0, BLOCK_Q), tl.arange(0, BLOCK_K)
    o_dim, o_value = tl.arange(0, BLOCK_D), tl.arange(0, BLOCK_V)
    i_query = i_row * BLOCK_Q + o_query
    limit = first_hidden(i_query, n_query, n_key, CAUSAL)
    p_q = q + i_batch * stride_qb + i_head * stride_qh + start(i_row, stride_qn, BLOCK_Q, WIDE)
    p_k = k + i_batch * stride_kb + (i_head // group) * stride_kh
    p_v = v + i_batch * stride_vb + (i_head // group) * stride_vh
    p_bias = None if bias is None else bias + i_batch * stride_bb + i_head * stride_bh
    slope = None if slopes is None else tl.load(slopes + i_batch * stride_sb + i_head)
    o_row = (i_batch * tl.num_programs(1) + i_head) * n_query + i_row * BLOCK_Q

    b_q = load(p_q + o_query[:, None] * stride_qn + o_dim[None, :], i_query, o_dim, n_query, DIM, not EVEN)
    b_o = tl.zeros([BLOCK_Q, BLOCK_V], tl.float32)
    b_m = tl.full([BLOCK_Q], float("-inf"), tl.float32)
    b_l = tl.zeros([BLOCK_Q], tl.float32)
    begin, inner, end = row_tiles(i_row, i_head, offsets, edges, stride_lh, n_query, n_key, BLOCK_Q, BLOCK_K, CAUSAL)
    for EDGE in tl.static_range(0, 2 if CAUSAL or not EVEN else 1):
        for t in range(inner if EDGE else begin, end if EDGE else inner):
            i_tile = t if indices is None else tl.load(indices + t)
            i_key = i_tile * BLOCK_K + o_key
            i, j = i_query[:, None], i_key[None, :]
            o_k = start(i_tile, stride_kn, BLOCK_K, WIDE) + o_key[:, None] * stride_kn + o_dim[None, :]
            o_v = start(i_tile, stride_vn, BLOCK_K, WIDE) + o_key[:, None] * stride_vn + o_value[None, :]
            b_k = load(p_k + o_k, i_key, o_dim, n_key, DIM, EDGE)
            b_s = tl.dot(b_q, tl.trans(b_k), input_precision="ieee")
            if bias is not None or slopes is not None:
                factor = 1.0
                b_s = scored(b_s, i, j, p_bias, slope, scale, None, n_query, n_key, stride_bq, stride_bk, LOG2E)
            else:
                factor = scale * LOG2E
            if EDGE:
                b_s = tl.where(j < limit[:, None], b_s, float("-inf"))
            if padding is not None:
                m_real = tl.load(padding + i_batch * stride_pb + i_key, mask=i_key < n_key, other=0) != 0
                b_s = tl.where(m_real[None, :], b_s, float("-inf"))
            b_new = tl.maximum(b_m, tl.max(b_s, 1) * factor)
            b_safe = b_new
            if EDGE or padding is not None or bias is not None:
                b_safe = tl.where(b_new == float("-inf"), 0.0, b_new)  # no key seen so far
            b_p = tl.exp2(b_s * factor - b_safe[:, None])
            b_grow = tl.exp2(b_m - b_safe)
            b_m = b_new
            b_l = b_l * b_grow + tl.sum(b_p, 1)
            b_o = b_o * b_grow[:, None]
            b_v = load(p_v + o_v, i_key, o_value, n_key, VALUE, EDGE)
            b_o = tl.dot(b_p.to(b_v.dtype), b_v, b_o, input_precision="ieee")

    m_empty = b_l == 0.0
    b_o = b_o / tl.where(m_empty, 1.0, b_l)[:, None]
    p_out = out + o_row * VALUE + o_query[:, None] * VALUE + o_value[None, :]
    store(p_out, b_o, i_query, o_value, n_query, VALUE, not EVEN)
    b_lse = tl.where(m_empty, float("inf"), b_m + tl.log2(tl.where(m_empty, 1.0, b_l)))
    tl.store(lse + o_row + o_query, b_lse, mask=i_query < n_query)


@triton.jit
def delta(
    out, grad, delta, stride_gb, stride_gh, stride_gn, n_query,
    VALUE: tl.constexpr, BLOCK_V: tl.constexpr, BLOCK_Q: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    """`delta = rowsum(dO ∘ O)` for one tile of queries: what each row's weights lose by summing to one."""
    i_row, i_head, i_batch = place(None, 0, False)
    o_query, o_value = tl.arange(0, BLOCK_Q), tl.arange(0, BLOCK_V)
    i_query = i_row * BLOCK_Q + o_query
    o_row = (i_batch * tl.num_programs(1) + i_head) * n_query + i_row * BLOCK_Q
    p_g = grad + i_batch * stride_gb + i_head * stride_gh + start(i_row, stride_gn, BLOCK_Q, WIDE)
    b_o = load(
        out + o_row * VALUE + o_query[:, None] * VALUE + o_value[None, :], i_query, o_value, n_query, VALUE, True
    )
    b_g = load(p_g + o_query[:, None] * stride_gn + o_value[None, :], i_query, o_value, n_query, VALUE, True)
    b_delta = tl.sum(b_o.to(tl.float32) * b_g.to(tl.float32), 1)
    tl.store(delta + o_row + o_query, b_delta, mask=i_query < n_query)


@triton.jit
def backward_query(
    q, k, v, grad, lse, delta, dq, dscores, bias, padding, slopes, offsets, edges, indices, order,
    stride_qb, stride_qh, stride_qn, stride_kb, stride_kh, stride_kn, stride_vb, stride_vh, stride_vn,
    stride_gb, stride_gh, stride_gn, stride_bb, stride_bh, stride_bq, stride_bk, stride_pb, stride_sb, stride_lh,
    group, n_query, n_key, scale,
    DIM: tl.constexpr, VALUE: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_V: tl.constexpr, BLOCK_Q: tl.constexpr,
    BLOCK_K: tl.constexpr, CAUSAL: tl.constexpr, EVEN: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    """dQ for one tile of queries, and dS itself where the bias is trained (`dscores`, contiguous)."""
    i_row, i_head, i_batch = place(order, stride_lh, CAUSAL)
    o_query, o_key = tl.arange(0, BLOCK_Q), tl.arange(0, BLOCK_K)
    o_dim, o_value = tl.arange(0, BLOCK_D), tl.arange(0, BLOCK_V)
    i_query = i_row * BLOCK_Q + o_query
    limit = first_hidden(i_query, n_query, n_key, CAUSAL)
    p_q = q + i_batch * stride_qb + i_head * stride_qh + start(i_row, stride_qn, BLOCK_Q, WIDE)
    p_k = k + i_batch * stride_kb + (i_head // group) * stride_kh
    p_v = v + i_batch * stride_vb + (i_head // group) * stride_vh
    p_bias = None if bias is None else bias + i_batch * stride_bb + i_head * stride_bh
    slope = None if slopes is None else tl.load(slopes + i_batch * stride_sb + i_head)
    o_row = (i_batch * tl.num_programs(1) + i_head) * n_query + i_row * BLOCK_Q
    p_g = grad + i_batch * stride_gb + i_head * stride_gh + start(i_row, stride_gn, BLOCK_Q, WIDE)
    p_ds = None if dscores is None else dscores + (i_batch * tl.num_programs(1) + i_head) * n_query * n_key

    b_q = load(p_q + o_query[:, None] * stride_qn + o_dim[None, :], i_query, o_dim, n_query, DIM, not EVEN)
    b_g = load(p_g + o_query[:, None] * stride_gn + o_value[None, :], i_query, o_value, n_query, VALUE, not EVEN)
    b_lse = tl.load(lse + o_row + o_query, mask=i_query < n_query, other=float("inf"))
    b_delta = tl.load(delta + o_row + o_query, mask=i_query < n_query, other=0.0)
    b_dq = tl.zeros([BLOCK_Q, BLOCK_D], tl.float32)
    begin, inner, end = row_tiles(i_row, i_head, offsets, edges, stride_lh, n_query, n_key, BLOCK_Q, BLOCK_K, CAUSAL)
    for EDGE in tl.static_range(0, 2 if CAUSAL or not EVEN else 1):
        for t in range(inner if EDGE else begin, end if EDGE else inner):
            i_tile = t if indices is None else tl.load(indices + t)
            i_key = i_tile * BLOCK_K + o_key
            i, j = i_query[:, None], i_key[None, :]
            o_k = start(i_tile, stride_kn, BLOCK_K, WIDE) + o_key[:, None] * stride_kn + o_dim[None, :]
            o_v = start(i_tile, stride_vn, BLOCK_K, WIDE) + o_key[:, None] * stride_vn + o_value[None, :]
            b_k = load(p_k + o_k, i_key, o_dim, n_key, DIM, EDGE)
            b_v = load(p_v + o_v, i_key, o_value, n_key, VALUE, EDGE)
            b_s = tl.dot(b_q, tl.trans(b_k), input_precision="ieee")
            b_p = weights(b_s, i, j, p_bias, slope, scale, b_lse[:, None], n_query, n_key, stride_bq, stride_bk)
            if EDGE:
                b_p = tl.where(j < limit[:, None], b_p, 0.0)
            if padding is not None:
                m_real = tl.load(padding + i_batch * stride_pb + i_key, mask=i_key < n_key, other=0) != 0
                b_p = tl.where(m_real[None, :], b_p, 0.0)
            b_dp = tl.dot(b_g, tl.trans(b_v), input_precision="ieee")
            b_ds = b_p * (b_dp - b_delta[:, None])
            if dscores is not None:
                store_scores(p_ds, b_ds, i, j, n_query, n_key)
            b_dq = tl.dot(b_ds.to(b_k.dtype), b_k, b_dq, input_precision="ieee")

    p_dq = dq + o_row * DIM + o_query[:, None] * DIM + o_dim[None, :]
    store(p_dq, b_dq * scale, i_query, o_dim, n_query, DIM, not EVEN)


@triton.jit
def backward_key(
    q, k, v, grad, lse, delta, dk, dv, bias, padding, slopes, offsets, edges, tails, indices, order,
    stride_qb, stride_qh, stride_qn, stride_kb, stride_kh, stride_kn, stride_vb, stride_vh, stride_vn,
    stride_gb, stride_gh, stride_gn, stride_bb, stride_bh, stride_bq, stride_bk, stride_pb, stride_sb, stride_lh,
    group, n_query, n_key, scale,
    DIM: tl.constexpr, VALUE: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_V: tl.constexpr, BLOCK_Q: tl.constexpr,
    BLOCK_K: tl.constexpr, CAUSAL: tl.constexpr, EVEN: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    """dK and dV for one tile of keys, over the query heads of its group.

    Scores are [key, query]: none is transposed.
    """
    i_column, i_kv, i_batch = place(order, 0, False)
    o_query, o_key = tl.arange(0, BLOCK_Q), tl.arange(0, BLOCK_K)
    o_dim, o_value = tl.arange(0, BLOCK_D), tl.arange(0, BLOCK_V)
    i_key = i_column * BLOCK_K + o_key
    p_k = k + i_batch * stride_kb + i_kv * stride_kh + start(i_column, stride_kn, BLOCK_K, WIDE)
    p_v = v + i_batch * stride_vb + i_kv * stride_vh + start(i_column, stride_vn, BLOCK_K, WIDE)
    b_k = load(p_k + o_key[:, None] * stride_kn + o_dim[None, :], i_key, o_dim, n_key, DIM, not EVEN)
    b_v = load(p_v + o_key[:, None] * stride_vn + o_value[None, :], i_key, o_value, n_key, VALUE, not EVEN)
    b_dk = tl.zeros([BLOCK_K, BLOCK_D], tl.float32)
    b_dv = tl.zeros([BLOCK_K, BLOCK_V], tl.float32)
    for i_group in range(group):
        i_head = i_kv * group + i_group
        p_q = q + i_batch * stride_qb + i_head * stride_qh
        p_g = grad + i_batch * stride_gb + i_head * stride_gh
        p_bias = None if bias is None else bias + i_batch * stride_bb + i_head * stride_bh
        slope = None if slopes is None else tl.load(slopes + i_batch * stride_sb + i_head)
        o_rows = (i_batch * tl.num_programs(1) * group + i_head) * n_query
        begin, whole, tail, end = column_tiles(
            i_column, i_head, offsets, edges, tails, stride_lh, n_query, n_key, BLOCK_Q, BLOCK_K, CAUSAL
        )
        for PART in tl.static_range(0 if CAUSAL else 1, 2 if EVEN else 3):
            first = begin if PART == 0 else whole if PART == 1 else tail
            for t in range(first, whole if PART == 0 else tail if PART == 1 else end):
                i_tile = t if indices is None else tl.load(indices + t)
                i_query = i_tile * BLOCK_Q + o_query
                i, j = i_query[None, :], i_key[:, None]
                o_q = start(i_tile, stride_qn, BLOCK_Q, WIDE) + o_query[:, None] * stride_qn + o_dim[None, :]
                o_g = start(i_tile, stride_gn, BLOCK_Q, WIDE) + o_query[:, None] * stride_gn + o_value[None, :]
                b_q = load(p_q + o_q, i_query, o_dim, n_query, DIM, PART != 1)
                b_g = load(p_g + o_g, i_query, o_value, n_query, VALUE, PART != 1)
                b_lse = tl.load(lse + o_rows + i_query, mask=i_query < n_query, other=float("inf"))
                b_delta = tl.load(delta + o_rows + i_query, mask=i_query < n_query, other=0.0)
                b_s = tl.dot(b_k, tl.trans(b_q), input_precision="ieee")
                b_p = weights(b_s, i, j, p_bias, slope, scale, b_lse[None, :], n_query, n_key, stride_bq, stride_bk)
                if PART != 1:
                    limit = first_hidden(i_query, n_query, n_key, CAUSAL)
                    b_p = tl.where(j < limit[None, :], b_p, 0.0)
                b_dv = tl.dot(b_p.to(b_g.dtype), b_g, b_dv, input_precision="ieee")
                b_dp = tl.dot(b_v, tl.trans(b_g), input_precision="ieee")
                b_ds = b_p * (b_dp - b_delta[None, :])
                b_dk = tl.dot(b_ds.to(b_q.dtype), b_q, b_dk, input_precision="ieee")

    if padding is not None:
        m_real = tl.load(padding + i_batch * stride_pb + i_key, mask=i_key < n_key, other=0) != 0
        b_dk = tl.where(m_real[:, None], b_dk, 0.0)
        b_dv = tl.where(m_real[:, None], b_dv, 0.0)
    o_row = (i_batch * tl.num_programs(1) + i_kv) * n_key + i_column * BLOCK_K
    p_dk = dk + o_row * DIM + o_key[:, None] * DIM + o_dim[None, :]
    p_dv = dv + o_row * VALUE + o_key[:, None] * VALUE + o_value[None, :]
    store(p_dk, b_dk * scale, i_key, o_dim, n_key, DIM, not EVEN)
    store(p_dv, b_dv, i_key, o_value, n_key, VALUE, not EVEN)

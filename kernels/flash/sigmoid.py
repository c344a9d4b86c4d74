"""Sigmoid attention, tile by tile (FlashSigmoid: Ramapuram et al. 2024).

    S = scale · Q Kᵀ + shift + bias − slope · |i − j|        shift = −log n_key unless the caller says otherwise
    P = σ(S)                                                 each weight on its own
    O = P V

No weight depends on the rest of its row: there is no running maximum, no row sum, no rescaling of O, and nothing to
keep for the backward pass but Q, K and V.

    dV = Pᵀ dO        dP = dO Vᵀ        dS = P (1 − P) dP        dQ = scale · dS K        dK = scale · dSᵀ Q

σ(x) is ½ + ½ tanh(x/2), one instruction for the tanh (FORM "tanh": 16-bit inputs on NVIDIA GPUs), or
1 / (1 + 2^(−x log₂e)) (FORM "exp2": everywhere else). The tanh instruction errs by up to 2⁻¹¹, a weight by 2⁻¹².

Keys past the end are loaded as zeros, values too, so they add nothing and need no mask. What is hidden by causality or
padding has real values, and σ(0) is not 0: it is masked by name.
"""

import triton
import triton.language as tl

from kernels.flash.tiles import column_tiles, first_hidden, load, place, row_tiles, scored, start, store, store_scores


@triton.jit
def weights(b_s, i, j, p_bias, slope, scale, shift, n_query, n_key, stride_bq, stride_bk, FORM: tl.constexpr):
    """σ of a tile of products of queries `i` and keys `j`."""
    if FORM == "tanh":
        x = scored(b_s, i, j, p_bias, slope, scale, shift, n_query, n_key, stride_bq, stride_bk, 0.5)
        t = tl.inline_asm_elementwise("tanh.approx.f32 $0, $1;", "=f,f", [x], dtype=tl.float32, is_pure=True, pack=1)
        b_p = t * 0.5 + 0.5
    else:
        x = scored(b_s, i, j, p_bias, slope, scale, shift, n_query, n_key, stride_bq, stride_bk, -1.4426950408889634)
        b_p = 1.0 / (1.0 + tl.exp2(x))
    return b_p


@triton.jit
def forward(
    q, k, v, out, bias, padding, slopes, offsets, edges, indices, order,
    stride_qb, stride_qh, stride_qn, stride_kb, stride_kh, stride_kn, stride_vb, stride_vh, stride_vn,
    stride_bb, stride_bh, stride_bq, stride_bk, stride_pb, stride_sb, stride_lh,
    group, n_query, n_key, scale, shift,
    DIM: tl.constexpr, VALUE: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_V: tl.constexpr, BLOCK_Q: tl.constexpr,
    BLOCK_K: tl.constexpr, CAUSAL: tl.constexpr, EVEN: tl.constexpr, WIDE: tl.constexpr, FORM: tl.constexpr,
):  # fmt: skip
    """O for one tile of queries: for each tile of keys, O += σ(S) V."""
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
            b_p = weights(b_s, i, j, p_bias, slope, scale, shift, n_query, n_key, stride_bq, stride_bk, FORM)
            if EDGE and CAUSAL:
                b_p = tl.where(j < limit[:, None], b_p, 0.0)
            if padding is not None:
                m_real = tl.load(padding + i_batch * stride_pb + i_key, mask=i_key < n_key, other=0) != 0
                b_p = tl.where(m_real[None, :], b_p, 0.0)
            b_v = load(p_v + o_v, i_key, o_value, n_key, VALUE, EDGE)
            b_o = tl.dot(b_p.to(b_v.dtype), b_v, b_o, input_precision="ieee")

    p_out = out + o_row * VALUE + o_query[:, None] * VALUE + o_value[None, :]
    store(p_out, b_o, i_query, o_value, n_query, VALUE, not EVEN)


@triton.jit
def backward_query(
    q, k, v, grad, dq, dscores, bias, padding, slopes, offsets, edges, indices, order,
    stride_qb, stride_qh, stride_qn, stride_kb, stride_kh, stride_kn, stride_vb, stride_vh, stride_vn,
    stride_gb, stride_gh, stride_gn, stride_bb, stride_bh, stride_bq, stride_bk, stride_pb, stride_sb, stride_lh,
    group, n_query, n_key, scale, shift,
    DIM: tl.constexpr, VALUE: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_V: tl.constexpr, BLOCK_Q: tl.constexpr,
    BLOCK_K: tl.constexpr, CAUSAL: tl.constexpr, EVEN: tl.constexpr, WIDE: tl.constexpr, FORM: tl.constexpr,
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
            b_p = weights(b_s, i, j, p_bias, slope, scale, shift, n_query, n_key, stride_bq, stride_bk, FORM)
            if EDGE and CAUSAL:
                b_p = tl.where(j < limit[:, None], b_p, 0.0)
            if padding is not None:
                m_real = tl.load(padding + i_batch * stride_pb + i_key, mask=i_key < n_key, other=0) != 0
                b_p = tl.where(m_real[None, :], b_p, 0.0)
            b_dp = tl.dot(b_g, tl.trans(b_v), input_precision="ieee")
            b_ds = (b_p - b_p * b_p) * b_dp
            if dscores is not None:
                store_scores(p_ds, b_ds, i, j, n_query, n_key)
            b_dq = tl.dot(b_ds.to(b_k.dtype), b_k, b_dq, input_precision="ieee")

    p_dq = dq + o_row * DIM + o_query[:, None] * DIM + o_dim[None, :]
    store(p_dq, b_dq * scale, i_query, o_dim, n_query, DIM, not EVEN)


@triton.jit
def backward_key(
    q, k, v, grad, dk, dv, bias, padding, slopes, offsets, edges, tails, indices, order,
    stride_qb, stride_qh, stride_qn, stride_kb, stride_kh, stride_kn, stride_vb, stride_vh, stride_vn,
    stride_gb, stride_gh, stride_gn, stride_bb, stride_bh, stride_bq, stride_bk, stride_pb, stride_sb, stride_lh,
    group, n_query, n_key, scale, shift,
    DIM: tl.constexpr, VALUE: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_V: tl.constexpr, BLOCK_Q: tl.constexpr,
    BLOCK_K: tl.constexpr, CAUSAL: tl.constexpr, EVEN: tl.constexpr, WIDE: tl.constexpr, FORM: tl.constexpr,
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
                b_s = tl.dot(b_k, tl.trans(b_q), input_precision="ieee")
                b_p = weights(b_s, i, j, p_bias, slope, scale, shift, n_query, n_key, stride_bq, stride_bk, FORM)
                if PART != 1 and CAUSAL:
                    limit = first_hidden(i_query, n_query, n_key, CAUSAL)
                    b_p = tl.where(j < limit[None, :], b_p, 0.0)
                b_dv = tl.dot(b_p.to(b_g.dtype), b_g, b_dv, input_precision="ieee")
                b_dp = tl.dot(b_v, tl.trans(b_g), input_precision="ieee")
                b_ds = (b_p - b_p * b_p) * b_dp
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

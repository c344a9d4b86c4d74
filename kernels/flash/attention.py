"""Attention, tile by tile (FlashAttention-2: Dao 2023; FlashSigmoid: Ramapuram et al. 2024).

    S = scale · Q Kᵀ + bias − slope · |i − j|        P = weights(S)        O = P V
    dV = Pᵀ dO        dP = dO Vᵀ        dS = score_gradients(P, dP)        dQ = scale · dS K        dK = scale · dSᵀ Q

One set of kernels for both normalizers; `kernels.flash.normalizers` says where they differ. σ(0) and 2⁰ are not 0: what
is hidden by causality or padding, or lies past the end, is masked by name.

scale > 0: the maximum of the products times the scale is then the maximum of the scores.
"""

import triton
import triton.language as tl

from kernels.flash.normalizers import LOG2E, divided, online, score_gradients, scored, weights
from kernels.flash.tiles import (
    column_tiles,
    deliver,
    first_hidden,
    hide,
    load,
    load_row,
    place,
    row_tiles,
    store,
    store_scores,
)


@triton.jit
def forward(
    q, k, v, out, lse, parts, bias, padding, slopes, layout, n_query, n_key, group, scale, shift,
    DIM: tl.constexpr, VALUE: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_V: tl.constexpr, BLOCK_Q: tl.constexpr,
    BLOCK_K: tl.constexpr, CAUSAL: tl.constexpr, EVEN: tl.constexpr, WIDE: tl.constexpr, NORMALIZER: tl.constexpr,
    FORM: tl.constexpr,
):  # fmt: skip
    """O for one tile of queries: for each tile of keys, O += P V. Softmax: its lse, too."""
    i_row, i_head, i_batch, i_all = place(layout, 1, CAUSAL)
    i_query, o_key = i_row * BLOCK_Q + tl.arange(0, BLOCK_Q), tl.arange(0, BLOCK_K)
    limit = first_hidden(i_query, n_query, n_key, CAUSAL)
    slope = None if slopes is None else tl.load(slopes[0] + i_batch * slopes[1] + i_head)
    UNIT: tl.constexpr = 0.5 if FORM == "tanh" else LOG2E
    begin, inner, end = row_tiles(layout, i_head, i_row, n_query, n_key, BLOCK_Q, BLOCK_K, CAUSAL)

    b_q = load(q, i_batch, i_head, i_row, n_query, BLOCK_Q, DIM, BLOCK_D, not EVEN, WIDE)
    b_o = tl.zeros([BLOCK_Q, BLOCK_V], tl.float32)
    b_m = tl.full([BLOCK_Q], float("-inf"), tl.float32)
    b_l = tl.zeros([BLOCK_Q], tl.float32)
    for EDGE in tl.static_range(0, 2 if CAUSAL or not EVEN else 1):
        for t in range(inner if EDGE else begin, end if EDGE else inner):
            i_tile = t if layout is None else tl.load(layout[1] + t)
            i_key = i_tile * BLOCK_K + o_key
            i, j = i_query[:, None], i_key[None, :]
            b_k = load(k, i_batch, i_head // group, i_tile, n_key, BLOCK_K, DIM, BLOCK_D, EDGE, WIDE)
            b_s = tl.dot(b_q, tl.trans(b_k), input_precision="ieee")
            b_s, factor = scored(b_s, i, j, bias, slope, i_batch, i_head, scale, n_query, n_key, UNIT)
            if NORMALIZER == "softmax":
                b_s = hide(b_s, float("-inf"), i_key, limit, padding, i_batch, n_key, EDGE)
                unsure = EDGE or padding is not None or bias is not None  # whether every row sees a key of this tile
                b_p, b_m, b_l, b_shrink = online(b_s, factor, b_m, b_l, unsure)
                b_o = b_o * b_shrink[:, None]
            else:
                b_p = weights(b_s, factor, -shift * UNIT, NORMALIZER, FORM)
                b_p = hide(b_p, 0.0, i_key, limit, padding, i_batch, n_key, EDGE)
            b_v = load(v, i_batch, i_head // group, i_tile, n_key, BLOCK_K, VALUE, BLOCK_V, EDGE, WIDE)
            b_o = tl.dot(b_p.to(b_v.dtype), b_v, b_o, input_precision="ieee")

    if NORMALIZER == "softmax":
        b_o, b_lse = divided(b_o, b_m, b_l)
        p_part = None if parts is None else parts[1]
        deliver(lse, p_part, layout, i_all, i_row, b_lse[:, None], n_query, BLOCK_Q, 1, 1, True)
    p_part = None if parts is None else parts[0]
    deliver(out, p_part, layout, i_all, i_row, b_o, n_query, BLOCK_Q, VALUE, BLOCK_V, not EVEN)


@triton.jit
def delta(
    out, grad, delta, n_query, VALUE: tl.constexpr, BLOCK_V: tl.constexpr, BLOCK_Q: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    """`delta = rowsum(dO ∘ O)` for one tile of queries: what each row's weights lose by summing to one."""
    i_row, i_head, i_batch, i_all = place(None, 1, False)
    b_o = load(out, i_batch, i_head, i_row, n_query, BLOCK_Q, VALUE, BLOCK_V, True, WIDE)
    b_g = load(grad, i_batch, i_head, i_row, n_query, BLOCK_Q, VALUE, BLOCK_V, True, WIDE)
    b_delta = tl.sum(b_o.to(tl.float32) * b_g.to(tl.float32), 1)
    store(delta, i_all, i_row, b_delta[:, None], n_query, BLOCK_Q, 1, 1, True)


@triton.jit
def backward_query(
    q, k, v, grad, lse, delta, dq, dscores, parts, bias, padding, slopes, layout, n_query, n_key, group, scale, shift,
    DIM: tl.constexpr, VALUE: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_V: tl.constexpr, BLOCK_Q: tl.constexpr,
    BLOCK_K: tl.constexpr, CAUSAL: tl.constexpr, EVEN: tl.constexpr, WIDE: tl.constexpr, NORMALIZER: tl.constexpr,
    FORM: tl.constexpr,
):  # fmt: skip
    """dQ for one tile of queries, and dS itself where the bias is trained (`dscores`, contiguous)."""
    i_row, i_head, i_batch, i_all = place(layout, 1, CAUSAL)
    i_query, o_key = i_row * BLOCK_Q + tl.arange(0, BLOCK_Q), tl.arange(0, BLOCK_K)
    limit = first_hidden(i_query, n_query, n_key, CAUSAL)
    slope = None if slopes is None else tl.load(slopes[0] + i_batch * slopes[1] + i_head)
    UNIT: tl.constexpr = 0.5 if FORM == "tanh" else LOG2E
    begin, inner, end = row_tiles(layout, i_head, i_row, n_query, n_key, BLOCK_Q, BLOCK_K, CAUSAL)

    b_q = load(q, i_batch, i_head, i_row, n_query, BLOCK_Q, DIM, BLOCK_D, not EVEN, WIDE)
    b_g = load(grad, i_batch, i_head, i_row, n_query, BLOCK_Q, VALUE, BLOCK_V, not EVEN, WIDE)
    if NORMALIZER == "softmax":
        b_norm = load_row(lse, i_all, i_query, n_query, float("inf"))[:, None]
        b_delta = load_row(delta, i_all, i_query, n_query, 0.0)[:, None]
    else:
        b_norm, b_delta = -shift * UNIT, None
    b_dq = tl.zeros([BLOCK_Q, BLOCK_D], tl.float32)
    for EDGE in tl.static_range(0, 2 if CAUSAL or not EVEN else 1):
        for t in range(inner if EDGE else begin, end if EDGE else inner):
            i_tile = t if layout is None else tl.load(layout[1] + t)
            i_key = i_tile * BLOCK_K + o_key
            i, j = i_query[:, None], i_key[None, :]
            b_k = load(k, i_batch, i_head // group, i_tile, n_key, BLOCK_K, DIM, BLOCK_D, EDGE, WIDE)
            b_v = load(v, i_batch, i_head // group, i_tile, n_key, BLOCK_K, VALUE, BLOCK_V, EDGE, WIDE)
            b_s = tl.dot(b_q, tl.trans(b_k), input_precision="ieee")
            b_s, factor = scored(b_s, i, j, bias, slope, i_batch, i_head, scale, n_query, n_key, UNIT)
            b_p = weights(b_s, factor, b_norm, NORMALIZER, FORM)
            b_p = hide(b_p, 0.0, i_key, limit, padding, i_batch, n_key, EDGE)
            b_dp = tl.dot(b_g, tl.trans(b_v), input_precision="ieee")
            b_ds = score_gradients(b_p, b_dp, b_delta, NORMALIZER)
            if dscores is not None:
                store_scores(dscores, i_all, b_ds, i, j, n_query, n_key)
            b_dq = tl.dot(b_ds.to(b_k.dtype), b_k, b_dq, input_precision="ieee")

    p_part = None if parts is None else parts[0]
    deliver(dq, p_part, layout, i_all, i_row, b_dq * scale, n_query, BLOCK_Q, DIM, BLOCK_D, not EVEN)


@triton.jit
def backward_key(
    q, k, v, grad, lse, delta, dk, dv, parts, bias, padding, slopes, layout, n_query, n_key, group, scale, shift,
    DIM: tl.constexpr, VALUE: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK_V: tl.constexpr, BLOCK_Q: tl.constexpr,
    BLOCK_K: tl.constexpr, CAUSAL: tl.constexpr, EVEN: tl.constexpr, WIDE: tl.constexpr, NORMALIZER: tl.constexpr,
    FORM: tl.constexpr,
):  # fmt: skip
    """dK and dV for one tile of keys, over the query heads of its group.

    Scores are [key, query]: none is transposed.
    """
    i_column, i_kv, i_batch, i_all = place(layout, group, False)
    o_query, i_key = tl.arange(0, BLOCK_Q), i_column * BLOCK_K + tl.arange(0, BLOCK_K)
    UNIT: tl.constexpr = 0.5 if FORM == "tanh" else LOG2E
    b_k = load(k, i_batch, i_kv, i_column, n_key, BLOCK_K, DIM, BLOCK_D, not EVEN, WIDE)
    b_v = load(v, i_batch, i_kv, i_column, n_key, BLOCK_K, VALUE, BLOCK_V, not EVEN, WIDE)
    b_dk = tl.zeros([BLOCK_K, BLOCK_D], tl.float32)
    b_dv = tl.zeros([BLOCK_K, BLOCK_V], tl.float32)
    for i_group in range(group):
        i_head = i_kv * group + i_group
        slope = None if slopes is None else tl.load(slopes[0] + i_batch * slopes[1] + i_head)
        begin, whole, tail, end = column_tiles(layout, i_head, i_column, n_query, n_key, BLOCK_Q, BLOCK_K, CAUSAL)
        for PART in tl.static_range(0 if CAUSAL else 1, 2 if EVEN else 3):
            first = begin if PART == 0 else whole if PART == 1 else tail
            for t in range(first, whole if PART == 0 else tail if PART == 1 else end):
                i_tile = t if layout is None else tl.load(layout[1] + t)
                i_query = i_tile * BLOCK_Q + o_query
                i, j = i_query[None, :], i_key[:, None]
                b_q = load(q, i_batch, i_head, i_tile, n_query, BLOCK_Q, DIM, BLOCK_D, PART != 1, WIDE)
                b_g = load(grad, i_batch, i_head, i_tile, n_query, BLOCK_Q, VALUE, BLOCK_V, PART != 1, WIDE)
                if NORMALIZER == "softmax":
                    b_norm = load_row(lse, i_all * group + i_group, i_query, n_query, float("inf"))[None, :]
                    b_delta = load_row(delta, i_all * group + i_group, i_query, n_query, 0.0)[None, :]
                else:
                    b_norm, b_delta = -shift * UNIT, None
                b_s = tl.dot(b_k, tl.trans(b_q), input_precision="ieee")
                b_s, factor = scored(b_s, i, j, bias, slope, i_batch, i_head, scale, n_query, n_key, UNIT)
                b_p = weights(b_s, factor, b_norm, NORMALIZER, FORM)
                if PART != 1:
                    b_p = tl.where(j < first_hidden(i_query, n_query, n_key, CAUSAL)[None, :], b_p, 0.0)
                b_dv = tl.dot(b_p.to(b_g.dtype), b_g, b_dv, input_precision="ieee")
                b_dp = tl.dot(b_v, tl.trans(b_g), input_precision="ieee")
                b_ds = score_gradients(b_p, b_dp, b_delta, NORMALIZER)
                b_dk = tl.dot(b_ds.to(b_q.dtype), b_q, b_dk, input_precision="ieee")

    if padding is not None:
        m_real = load_row(padding, i_batch, i_key, n_key, 0)[:, None] != 0
        b_dk = tl.where(m_real, b_dk, 0.0)
        b_dv = tl.where(m_real, b_dv, 0.0)
    p_part = None if parts is None else parts[0]
    deliver(dk, p_part, layout, i_all, i_column, b_dk * scale, n_key, BLOCK_K, DIM, BLOCK_D, not EVEN)
    p_part = None if parts is None else parts[1]
    deliver(dv, p_part, layout, i_all, i_column, b_dv, n_key, BLOCK_K, VALUE, BLOCK_V, not EVEN)


@triton.jit
def merge(
    parts, lses, splits, out, lse, rows, DIM: tl.constexpr, BLOCK_D: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """A tile of rows from its parts: they add up, and softmax weighs each by 2^lse, with the running m and l again.

    splits: for each such tile three numbers, itself, its first part, and the one behind its last.
    """
    i_all, p_split = tl.program_id(0).to(tl.int64), splits + 3 * tl.program_id(1)
    b_sum = tl.zeros([BLOCK, BLOCK_D], tl.float32)
    b_m = tl.full([BLOCK], float("-inf"), tl.float32)
    b_l = tl.zeros([BLOCK], tl.float32)
    for i_part in range(tl.load(p_split + 1), tl.load(p_split + 2)):
        i_from = i_part * tl.num_programs(0) + i_all
        b_part = load((parts, 0, BLOCK * DIM, DIM), 0, i_from, 0, BLOCK, BLOCK, DIM, BLOCK_D, False, False)
        if lses is not None:
            b_lse = load_row(lses, i_from, tl.arange(0, BLOCK), BLOCK, 0.0)
            b_lse = tl.where(b_lse == float("inf"), float("-inf"), b_lse)  # a part that sees no key
            b_share, b_m, b_l, b_shrink = online(b_lse[:, None], 1.0, b_m, b_l, True)
            b_sum, b_part = b_sum * b_shrink[:, None], b_part * b_share
        b_sum += b_part
    i_tile = tl.load(p_split)
    if lses is not None:
        b_sum, b_lse = divided(b_sum, b_m, b_l)
        store(lse, i_all, i_tile, b_lse[:, None], rows, BLOCK, 1, 1, True)
    store(out, i_all, i_tile, b_sum, rows, BLOCK, DIM, BLOCK_D, True)

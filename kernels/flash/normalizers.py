"""Where softmax and sigmoid differ: how scores become weights P, and how a gradient of weights becomes one of scores.

              weights                          their gradient
    softmax   P = exp(S) / row sum             dS = P (dP − rowsum(dO ∘ O))
    sigmoid   P = σ(S + shift)                 dS = P (1 − P) dP           shift = −log n_key unless said otherwise

A softmax weight needs the sum of its whole row, and a safe exponential needs the row's maximum. Both are carried along
while tiles of keys pass by (online softmax): m the maximum so far, l the sum of 2^(S log₂e − m) so far. Whenever m
grows, l and what was mixed are scaled by 2^(m_old − m_new). One number a row is kept for the backward pass,
lse = m + log₂ l, in base 2; +∞ for a row that sees no key, which makes all its weights 0. No sigmoid weight depends on
the rest of its row: nothing is carried along, and nothing is kept.

σ(x) is ½ + ½ tanh(x/2), one instruction for the tanh (FORM "tanh": 16-bit inputs on NVIDIA GPUs), or
1 / (1 + 2^(−x log₂e)) (FORM "exp2"), on AMD GPUs with their reciprocal, which is one instruction and right to one unit
in the last place, in place of a division of ten (FORM "rcp"). The tanh instruction errs by up to 2⁻¹¹, a weight by half
of that.
"""

import triton
import triton.language as tl

LOG2E = tl.constexpr(1.4426950408889634)


@triton.jit
def weights(b_s, factor, b_norm, NORMALIZER: tl.constexpr, FORM: tl.constexpr):
    """P of a tile: softmax 2^(x − lse), sigmoid σ(x + shift). x is `b_s · factor`, the score in units of UNIT."""
    x = b_s * factor - b_norm
    if NORMALIZER == "softmax":
        b_p = tl.exp2(x)
    elif FORM == "tanh":
        t = tl.inline_asm_elementwise("tanh.approx.f32 $0, $1;", "=f,f", [x], dtype=tl.float32, is_pure=True, pack=1)
        b_p = t * 0.5 + 0.5
    elif FORM == "rcp":
        y = 1.0 + tl.exp2(-x)
        b_p = tl.inline_asm_elementwise("v_rcp_f32 $0, $1", "=v,v", [y], dtype=tl.float32, is_pure=True, pack=1)
    else:
        b_p = 1.0 / (1.0 + tl.exp2(-x))
    return b_p


@triton.jit
def score_gradients(b_p, b_dp, b_delta, NORMALIZER: tl.constexpr):
    """dS of a tile: softmax P (dP − delta), where delta is rowsum(dO ∘ O); sigmoid P (1 − P) dP."""
    if NORMALIZER == "softmax":
        b_ds = b_p * (b_dp - b_delta)
    else:
        b_ds = (b_p - b_p * b_p) * b_dp
    return b_ds


@triton.jit
def online(b_s, factor, b_m, b_l, UNSURE: tl.constexpr):
    """Softmax when a tile comes by: its weights, the new m and l, and the factor that shrinks what was mixed.

    UNSURE: there may be rows that have seen no key so far.
    """
    b_new = tl.maximum(b_m, tl.max(b_s, 1) * factor)
    b_safe = b_new
    if UNSURE:
        b_safe = tl.where(b_new == float("-inf"), 0.0, b_new)
    b_p = weights(b_s, factor, b_safe[:, None], "softmax", "exp2")
    b_shrink = tl.exp2(b_m - b_safe)
    return b_p, b_new, b_l * b_shrink + tl.sum(b_p, 1), b_shrink


@triton.jit
def divided(b_o, b_m, b_l):
    """What was mixed over the sum of its row, and the row's lse: +∞ where it sees no key."""
    m_empty = b_l == 0.0
    b_l = tl.where(m_empty, 1.0, b_l)
    return b_o / b_l[:, None], tl.where(m_empty, float("inf"), b_m + tl.log2(b_l))


@triton.jit
def scored(b_s, i, j, bias, slope, i_batch, i_head, scale, n_query, n_key, UNIT: tl.constexpr):
    """The scores `scale · s + bias − slope · |i − j|` of products s as a tile and a factor for it.

    UNIT: what a score is multiplied by for `weights`: log₂e, or ½ for the tanh of x/2.

    i, j: queries and keys, shaped to broadcast over the tile, which may be [query, key] or its transpose.
    """
    factor = scale * UNIT
    if bias is not None or slope is not None:
        x = b_s * factor
        if bias is not None:
            pointer, batch, head, query, key = bias
            p_bias = pointer + i_batch * batch + i_head * head + (i.to(tl.int64) * query + j.to(tl.int64) * key)
            b_bias = tl.load(p_bias, mask=(i < n_query) & (j < n_key), other=0.0).to(tl.float32)
            b_unit = b_bias * UNIT
            # The least number times log₂e is −∞, and a row of it would see nothing: only −∞ itself hides.
            x += tl.where((b_unit == float("-inf")) & (b_bias != b_unit), -3e38, b_unit)
        if slope is not None:
            x -= tl.abs(i + (n_key - n_query) - j).to(tl.float32) * (slope * UNIT)
        b_s, factor = x, 1.0
    return b_s, factor

"""Small attention kernels for the X-ray: a tile of queries against all keys."""

import triton
import triton.language as tl

LOG2_E = tl.constexpr(1.4426950408889634)


@triton.jit
def logistic(x):
    return 1.0 / (1.0 + tl.exp2(-x * LOG2_E))


@triton.jit
def load_tile(p_x, i_row, i_dim, n, DIM: tl.constexpr):
    return tl.load(p_x + i_row[:, None] * DIM + i_dim[None, :], mask=i_row[:, None] < n, other=0.0)


@triton.jit
def sigmoid_tile(p_q, p_k, p_v, p_out, n, scale, DIM: tl.constexpr, QUERIES: tl.constexpr, KEYS: tl.constexpr):
    i_query = tl.program_id(0) * QUERIES + tl.arange(0, QUERIES)
    i_dim = tl.arange(0, DIM)
    b_q = load_tile(p_q, i_query, i_dim, n, DIM)
    b_out = tl.zeros((QUERIES, DIM), tl.float32)
    for start in range(0, n, KEYS):
        i_key = start + tl.arange(0, KEYS)
        b_k = load_tile(p_k, i_key, i_dim, n, DIM)
        b_v = load_tile(p_v, i_key, i_dim, n, DIM)
        b_weights = logistic(tl.dot(b_q, tl.trans(b_k)) * scale)
        b_out += tl.dot(b_weights.to(b_v.dtype), b_v)
    o_out = i_query[:, None] * DIM + i_dim[None, :]
    tl.store(p_out + o_out, b_out.to(p_out.dtype.element_ty), mask=i_query[:, None] < n)


@triton.jit
def softmax_tile(p_q, p_k, p_v, p_out, n, scale, DIM: tl.constexpr, QUERIES: tl.constexpr, KEYS: tl.constexpr):
    i_query = tl.program_id(0) * QUERIES + tl.arange(0, QUERIES)
    i_dim = tl.arange(0, DIM)
    b_q = load_tile(p_q, i_query, i_dim, n, DIM)
    b_out = tl.zeros((QUERIES, DIM), tl.float32)
    b_max = tl.full((QUERIES,), -float("inf"), tl.float32)
    b_sum = tl.zeros((QUERIES,), tl.float32)
    for start in range(0, n, KEYS):
        i_key = start + tl.arange(0, KEYS)
        b_k = load_tile(p_k, i_key, i_dim, n, DIM)
        b_v = load_tile(p_v, i_key, i_dim, n, DIM)
        b_scores = tl.dot(b_q, tl.trans(b_k)) * scale
        b_scores = tl.where(i_key[None, :] < n, b_scores, -float("inf"))
        b_larger = tl.maximum(b_max, tl.max(b_scores, 1))
        b_weights = tl.exp2(b_scores - b_larger[:, None])
        b_shrink = tl.exp2(b_max - b_larger)
        b_sum = b_sum * b_shrink + tl.sum(b_weights, 1)
        b_out = b_out * b_shrink[:, None] + tl.dot(b_weights.to(b_v.dtype), b_v)
        b_max = b_larger
    o_out = i_query[:, None] * DIM + i_dim[None, :]
    tl.store(p_out + o_out, (b_out / b_sum[:, None]).to(p_out.dtype.element_ty), mask=i_query[:, None] < n)


@triton.jit
def add(p_x, p_y, stride, SIZE: tl.constexpr):
    i = tl.arange(0, SIZE)
    tl.store(p_y + i, tl.load(p_x + i * stride) + 1.0)


@triton.jit
def ill_typed(p_x, SIZE: tl.constexpr):
    i = tl.arange(0, SIZE)
    tl.store(p_x + i, tl.dot(i, i))


@triton.jit
def ill_typed_inside(p_x, SIZE: tl.constexpr):
    ill_typed(p_x, SIZE)

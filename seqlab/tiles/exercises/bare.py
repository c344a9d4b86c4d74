"""The kernels of lab 08, bare: one head, nothing but the mechanism. They are what its exercises ask for.

Names: b_ the values of a tile, i and j the indices of queries and keys, d those of a row's numbers.
"""

from seqlab.tiles.language import tl, triton


@triton.jit
def copy(x, out, n, BLOCK: tl.constexpr):
    """out[i] = x[i] for every i below n. Program number p owns the BLOCK places from p · BLOCK on.

    Nobody may touch a place from n on, of either tensor.
    """
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    b_x = tl.load(x + i, mask=i < n)
    tl.store(out + i, b_x, mask=i < n)


@triton.jit
def row_softmax(x, out, stride_x, stride_out, width, WIDTH: tl.constexpr):
    """out[p, :] = softmax(x[p, :]), computed in float32. Program number p owns row p.

    A row has `width` numbers side by side; the next row begins `stride_x` numbers further on (`stride_out` in out).
    WIDTH: a power of two, at least `width`.
    """
    row = tl.program_id(0)
    d = tl.arange(0, WIDTH)
    b_x = tl.load(x + row * stride_x + d, mask=d < width, other=-float("inf")).to(tl.float32)
    b_e = tl.exp(b_x - tl.max(b_x, 0))
    tl.store(out + row * stride_out + d, b_e / tl.sum(b_e, 0), mask=d < width)


@triton.jit
def online(
    q, k, v, out, stride_q, stride_k, stride_v, stride_out, n_query, n_key, scale,
    DIM: tl.constexpr, BLOCK_Q: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """out = softmax(scale · q kᵀ) v for one head. Program number p owns BLOCK_Q queries and walks over all keys.

    q, out: n_query rows of DIM numbers; k, v: n_key rows. Strides are from row to row. Look at each tile of BLOCK_K
    keys once, and give tl.dot two tiles of one dtype, that of v. Scores and sums are float32.
    """
    i = tl.program_id(0) * BLOCK_Q + tl.arange(0, BLOCK_Q)
    d = tl.arange(0, DIM)
    b_q = tl.load(q + i[:, None] * stride_q + d[None, :], mask=i[:, None] < n_query, other=0.0)
    b_m = tl.full([BLOCK_Q], -float("inf"), tl.float32)
    b_l = tl.zeros([BLOCK_Q], tl.float32)
    b_o = tl.zeros([BLOCK_Q, DIM], tl.float32)
    for start in range(0, n_key, BLOCK_K):
        j = start + tl.arange(0, BLOCK_K)
        b_k = tl.load(k + j[:, None] * stride_k + d[None, :], mask=j[:, None] < n_key, other=0.0)
        b_s = tl.dot(b_q, tl.trans(b_k)) * scale
        b_s = tl.where(j[None, :] < n_key, b_s, -float("inf"))
        b_new = tl.maximum(b_m, tl.max(b_s, 1))
        b_shrink = tl.exp(b_m - b_new)
        b_p = tl.exp(b_s - b_new[:, None])
        b_l = b_l * b_shrink + tl.sum(b_p, 1)
        b_v = tl.load(v + j[:, None] * stride_v + d[None, :], mask=j[:, None] < n_key, other=0.0)
        b_o = tl.dot(b_p.to(b_v.dtype), b_v, b_o * b_shrink[:, None])
        b_m = b_new
    tl.store(out + i[:, None] * stride_out + d[None, :], b_o / b_l[:, None], mask=i[:, None] < n_query)


@triton.jit
def sigmoid(
    q, k, v, out, stride_q, stride_k, stride_v, stride_out, n_query, n_key, scale, bias,
    DIM: tl.constexpr, BLOCK_Q: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """out = σ(scale · q kᵀ + bias) v for one head. All else is as in `online`."""
    i = tl.program_id(0) * BLOCK_Q + tl.arange(0, BLOCK_Q)
    d = tl.arange(0, DIM)
    b_q = tl.load(q + i[:, None] * stride_q + d[None, :], mask=i[:, None] < n_query, other=0.0)
    b_o = tl.zeros([BLOCK_Q, DIM], tl.float32)
    for start in range(0, n_key, BLOCK_K):
        j = start + tl.arange(0, BLOCK_K)
        b_k = tl.load(k + j[:, None] * stride_k + d[None, :], mask=j[:, None] < n_key, other=0.0)
        b_v = tl.load(v + j[:, None] * stride_v + d[None, :], mask=j[:, None] < n_key, other=0.0)
        b_s = tl.dot(b_q, tl.trans(b_k)) * scale + bias
        b_p = 1.0 / (1.0 + tl.exp(-b_s))
        b_o = tl.dot(b_p.to(b_v.dtype), b_v, b_o)
    tl.store(out + i[:, None] * stride_out + d[None, :], b_o, mask=i[:, None] < n_query)


@triton.jit
def block_sparse(q, k, v, out, offsets, indices, n, scale, bias, DIM: tl.constexpr, BLOCK: tl.constexpr):
    """out = σ(scale · q kᵀ + bias) v over listed blocks alone. Program number p owns block p of BLOCK queries.

    It sees the blocks of keys whose numbers stand in `indices`, from offsets[p] up to and without offsets[p + 1].
    All four tensors have n rows of DIM numbers without gaps. Keys that nobody lists are NaN.
    """
    row = tl.program_id(0)
    o = tl.arange(0, BLOCK)
    d = tl.arange(0, DIM)
    i = row * BLOCK + o
    b_q = tl.load(q + i[:, None] * DIM + d[None, :], mask=i[:, None] < n, other=0.0)
    b_o = tl.zeros([BLOCK, DIM], tl.float32)
    for t in range(tl.load(offsets + row), tl.load(offsets + row + 1)):
        j = tl.load(indices + t) * BLOCK + o
        b_k = tl.load(k + j[:, None] * DIM + d[None, :], mask=j[:, None] < n, other=0.0)
        b_v = tl.load(v + j[:, None] * DIM + d[None, :], mask=j[:, None] < n, other=0.0)
        b_p = 1.0 / (1.0 + tl.exp(-(tl.dot(b_q, tl.trans(b_k)) * scale + bias)))
        b_o = tl.dot(b_p.to(b_v.dtype), b_v, b_o)
    tl.store(out + i[:, None] * DIM + d[None, :], b_o, mask=i[:, None] < n)


@triton.jit
def gradients(q, k, v, grad, dq, dk, dv, n, scale, bias, DIM: tl.constexpr, BLOCK: tl.constexpr):
    """All gradients of out = σ(scale · q kᵀ + bias) v in one kernel: five matrix products for each pair of tiles.

    Program number p owns BLOCK keys: dk and dv of these are its own. Their part of dq is added to what the others add:
    dq comes full of zeros. All seven tensors have n rows of DIM numbers without gaps; grad = dO.
    """
    j = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    d = tl.arange(0, DIM)
    b_k = tl.load(k + j[:, None] * DIM + d[None, :], mask=j[:, None] < n, other=0.0)
    b_v = tl.load(v + j[:, None] * DIM + d[None, :], mask=j[:, None] < n, other=0.0)
    b_dk = tl.zeros([BLOCK, DIM], tl.float32)
    b_dv = tl.zeros([BLOCK, DIM], tl.float32)
    for start in range(0, n, BLOCK):
        i = start + tl.arange(0, BLOCK)
        o = i[:, None] * DIM + d[None, :]
        b_q = tl.load(q + o, mask=i[:, None] < n, other=0.0)
        b_g = tl.load(grad + o, mask=i[:, None] < n, other=0.0)
        b_p = 1.0 / (1.0 + tl.exp(-(tl.dot(b_q, tl.trans(b_k)) * scale + bias)))
        b_dv = tl.dot(tl.trans(b_p.to(b_g.dtype)), b_g, b_dv)
        b_ds = b_p * (1.0 - b_p) * tl.dot(b_g, tl.trans(b_v)) * scale
        b_ds = b_ds.to(b_q.dtype)
        b_dk = tl.dot(tl.trans(b_ds), b_q, b_dk)
        tl.atomic_add(dq + o, tl.dot(b_ds, b_k), mask=i[:, None] < n)
    o_own = j[:, None] * DIM + d[None, :]
    tl.store(dk + o_own, b_dk, mask=j[:, None] < n)
    tl.store(dv + o_own, b_dv, mask=j[:, None] < n)

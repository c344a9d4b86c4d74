"""Right and wrong answers to the exercises of lab 08, as learners write them."""

import pytest

from tests.answers import judged

RIGHT = [
    (
        "tiles.copy",
        """
        p = tl.program_id(0)
        H: tl.constexpr = BLOCK // 2
        for h in range(0, BLOCK, H):
            i = p * BLOCK + h + tl.arange(0, H)
            tl.store(out + i, tl.load(x + i, mask=i < n), mask=i < n)
        """,
    ),
    (
        "tiles.row_softmax",
        """
        p = tl.program_id(0)
        i = tl.arange(0, WIDTH)
        b = tl.load(x + p * stride_x + i, mask=i < width, other=-float("inf")).to(tl.float32)
        b = b - tl.max(b, 0)
        e = tl.exp(b - tl.log(tl.sum(tl.exp(b), 0)))
        tl.store(out + p * stride_out + i, e, mask=i < width)
        """,
    ),
    (
        "tiles.online",
        """
        i = tl.program_id(0) * BLOCK_Q + tl.arange(0, BLOCK_Q)
        d = tl.arange(0, DIM)
        b_q = tl.load(q + i[:, None] * stride_q + d[None, :], mask=(i < n_query)[:, None], other=0.0)
        m = tl.full([BLOCK_Q], -float("inf"), tl.float32)
        l = tl.zeros([BLOCK_Q], tl.float32)
        acc = tl.zeros([BLOCK_Q, DIM], tl.float32)
        for start in range(0, n_key, BLOCK_K):
            j = start + tl.arange(0, BLOCK_K)
            b_k = tl.load(k + j[:, None] * stride_k + d[None, :], mask=(j < n_key)[:, None], other=0.0)
            b_v = tl.load(v + j[:, None] * stride_v + d[None, :], mask=(j < n_key)[:, None], other=0.0)
            s = scale * tl.dot(b_q, tl.trans(b_k))
            s = tl.where((j < n_key)[None, :], s, -float("inf"))
            new = tl.maximum(m, tl.max(s, 1))
            fix = tl.exp(m - new)
            p = tl.exp(s - new[:, None])
            old = l * fix; l = old + tl.sum(p, 1)
            acc = (acc * old[:, None] + tl.dot(p.to(b_v.dtype), b_v)) / l[:, None]
            m = new
        tl.store(out + i[:, None] * stride_out + d[None, :], acc, mask=(i < n_query)[:, None])
        """,
    ),
    (
        "tiles.online",
        """
        i = tl.program_id(0) * BLOCK_Q + tl.arange(0, BLOCK_Q)
        d = tl.arange(0, DIM)
        b_q = tl.load(q + i[:, None] * stride_q + d[None, :], mask=(i < n_query)[:, None], other=0.0)
        m = tl.zeros([BLOCK_Q], tl.float32) - 1e30
        l = tl.zeros([BLOCK_Q], tl.float32)
        acc = tl.zeros([BLOCK_Q, DIM], tl.float32)
        for start in range(0, n_key, BLOCK_K):
            j = start + tl.arange(0, BLOCK_K)
            b_k = tl.load(k + j[:, None] * stride_k + d[None, :], mask=(j < n_key)[:, None], other=0.0)
            b_v = tl.load(v + j[:, None] * stride_v + d[None, :], mask=(j < n_key)[:, None], other=0.0)
            s = scale * tl.dot(b_q, tl.trans(b_k))
            s = tl.where((j < n_key)[None, :], s, -float("inf"))
            new = tl.maximum(m, tl.max(s, 1))
            fix = tl.exp(m - new)
            p = tl.exp(s - new[:, None])
            l = l * fix + tl.sum(p, 1)
            acc = acc * fix[:, None] + tl.dot(p.to(b_v.dtype), b_v)
            m = new
        tl.store(out + i[:, None] * stride_out + d[None, :], acc / l[:, None], mask=(i < n_query)[:, None])
        """,
    ),
    (
        "tiles.sigmoid",
        """
        i = tl.program_id(0) * BLOCK_Q + tl.arange(0, BLOCK_Q)
        d = tl.arange(0, DIM)
        b_q = tl.load(q + i[:, None] * stride_q + d[None, :], mask=(i < n_query)[:, None], other=0.0)
        acc = tl.zeros([BLOCK_Q, DIM], tl.float32)
        for start in range(0, n_key, BLOCK_K):
            j = start + tl.arange(0, BLOCK_K)
            b_k = tl.load(k + j[:, None] * stride_k + d[None, :], mask=(j < n_key)[:, None], other=0.0)
            b_v = tl.load(v + j[:, None] * stride_v + d[None, :], mask=(j < n_key)[:, None], other=0.0)
            s = scale * tl.dot(b_q, tl.trans(b_k)) + bias
            p = 1 / (1 + tl.exp(-s))
            acc = tl.dot(p.to(b_v.dtype), b_v, acc)
        tl.store(out + i[:, None] * stride_out + d[None, :], acc, mask=(i < n_query)[:, None])
        """,
    ),
    (
        "tiles.sigmoid",
        """
        i = tl.program_id(0) * BLOCK_Q + tl.arange(0, BLOCK_Q)
        d = tl.arange(0, DIM)
        b_q = tl.load(q + i[:, None] * stride_q + d[None, :], mask=(i < n_query)[:, None], other=0.0)
        acc = tl.zeros([BLOCK_Q, DIM], tl.float32)
        for start in range(0, n_key, BLOCK_K):
            j = start + tl.arange(0, BLOCK_K)
            b_k = tl.load(k + j[:, None] * stride_k + d[None, :], mask=(j < n_key)[:, None], other=0.0)
            b_v = tl.load(v + j[:, None] * stride_v + d[None, :], mask=(j < n_key)[:, None], other=0.0)
            s = scale * tl.dot(b_q, tl.trans(b_k)) + bias
            p = 1 / (1 + tl.exp(-s))
            p = tl.where((j < n_key)[None, :], p, 0.0); acc += tl.dot(p.to(b_v.dtype), b_v)
        tl.store(out + i[:, None] * stride_out + d[None, :], acc, mask=(i < n_query)[:, None])
        """,
    ),
    (
        "tiles.block_sparse",
        """
        row = tl.program_id(0)
        a = tl.arange(0, BLOCK)
        d = tl.arange(0, DIM)
        i = row * BLOCK + a
        at = i[:, None] * DIM + d[None, :]
        b_q = tl.load(q + at, mask=(i < n)[:, None], other=0.0)
        acc = tl.zeros([BLOCK, DIM], tl.float32)
        for t in range(tl.load(offsets + row), tl.load(offsets + row + 1)):
            j = tl.load(indices + t) * BLOCK + a
            there = j[:, None] * DIM + d[None, :]
            b_k = tl.load(k + j[None, :] * DIM + d[:, None], mask=(j < n)[None, :], other=0.0)
            b_v = tl.load(v + there, mask=(j < n)[:, None], other=0.0)
            s = scale * tl.dot(b_q, b_k) + bias
            acc += tl.dot(tl.sigmoid(s).to(b_v.dtype), b_v)
        tl.store(out + at, acc, mask=(i < n)[:, None])
        """,
    ),
    (
        "tiles.block_sparse",
        """
        row = tl.program_id(0)
        a = tl.arange(0, BLOCK)
        d = tl.arange(0, DIM)
        i = row * BLOCK + a
        at = i[:, None] * DIM + d[None, :]
        b_q = tl.load(q + at, mask=(i < n)[:, None], other=0.0)
        acc = tl.zeros([BLOCK, DIM], tl.float32)
        begin = tl.load(offsets + row)
        for u in range(tl.load(offsets + row + 1) - begin):
            t = begin + u
            j = tl.load(indices + t) * BLOCK + a
            there = j[:, None] * DIM + d[None, :]
            b_k = tl.load(k + there, mask=(j < n)[:, None], other=0.0)
            b_v = tl.load(v + there, mask=(j < n)[:, None], other=0.0)
            s = scale * tl.dot(b_q, tl.trans(b_k)) + bias
            acc += tl.dot(tl.sigmoid(s).to(b_v.dtype), b_v)
        tl.store(out + at, acc, mask=(i < n)[:, None])
        """,
    ),
    (
        "tiles.backward",
        """
        j = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        d = tl.arange(0, DIM)
        at = j[:, None] * DIM + d[None, :]
        b_k = tl.load(k + at, mask=(j < n)[:, None], other=0.0)
        b_v = tl.load(v + at, mask=(j < n)[:, None], other=0.0)
        s_k = tl.zeros([BLOCK, DIM], tl.float32)
        s_v = tl.zeros([BLOCK, DIM], tl.float32)
        for start in range(0, n, BLOCK):
            i = start + tl.arange(0, BLOCK)
            there = i[:, None] * DIM + d[None, :]
            b_q = tl.load(q + there, mask=(i < n)[:, None], other=0.0)
            b_g = tl.load(grad + there, mask=(i < n)[:, None], other=0.0)
            p = tl.sigmoid(scale * tl.dot(b_q, tl.trans(b_k)) + bias)
            s_v += tl.dot(tl.trans(p).to(b_g.dtype), b_g)
            dp = tl.dot(b_g, tl.trans(b_v))
            ds = (p * (1 - p) * dp).to(b_q.dtype)
            s_k += tl.dot(tl.trans(ds), b_q)
            tl.atomic_add(dq + there, scale * tl.dot(ds, b_k), mask=(i < n)[:, None])
        tl.store(dk + at, s_k * scale, mask=(j < n)[:, None])
        tl.store(dv + at, s_v, mask=(j < n)[:, None])
        """,
    ),
    (
        "tiles.backward",
        """
        j = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        d = tl.arange(0, DIM)
        at = j[:, None] * DIM + d[None, :]
        b_k = tl.load(k + at, mask=(j < n)[:, None], other=0.0)
        b_v = tl.load(v + at, mask=(j < n)[:, None], other=0.0)
        s_k = tl.zeros([BLOCK, DIM], tl.float32)
        s_v = tl.zeros([BLOCK, DIM], tl.float32)
        for start in range(0, n, BLOCK):
            i = start + tl.arange(0, BLOCK)
            there = i[:, None] * DIM + d[None, :]
            b_q = tl.load(q + there, mask=(i < n)[:, None], other=0.0)
            b_g = tl.load(grad + there, mask=(i < n)[:, None], other=0.0)
            p = tl.sigmoid(scale * tl.dot(b_q, tl.trans(b_k)) + bias)
            s_v += tl.dot(tl.trans(p).to(b_g.dtype), b_g)
            dp = tl.dot(b_g, tl.trans(b_v))
            ds = ((p - p * p) * dp * scale).to(b_q.dtype)
            s_k += tl.dot(tl.trans(ds), b_q)
            tl.atomic_add(dq + there, tl.dot(ds, b_k), mask=(i < n)[:, None])
        tl.store(dk + at, s_k, mask=(j < n)[:, None])
        tl.store(dv + at, s_v, mask=(j < n)[:, None])
        """,
    ),
    (
        "tiles.copy",
        """
        start = tl.program_id(axis=0) * BLOCK
        places = start + tl.arange(0, BLOCK)
        inside = places < n
        tl.store(out + places, tl.load(x + places, mask=inside, other=0.0), mask=inside)
        """,
    ),
    (
        "tiles.copy",
        """
        o = tl.arange(0, BLOCK)
        left = n - tl.program_id(0) * BLOCK
        x += tl.program_id(0) * BLOCK
        out += tl.program_id(0) * BLOCK
        tl.store(out + o, tl.load(x + o, mask=left > o), mask=left > o)
        """,
    ),
    (
        "tiles.row_softmax",
        """
        cols = tl.arange(0, WIDTH)
        row = tl.load(x + tl.program_id(0) * stride_x + cols, mask=cols < width, other=float("-inf")).to(tl.float32)
        row = row - tl.max(row, axis=0)
        e = tl.exp2(row * 1.4426950408889634)
        p = e / tl.sum(e, axis=0)
        tl.store(out + tl.program_id(0) * stride_out + cols, p, mask=cols < width)
        """,
    ),
    (
        "tiles.row_softmax",
        """
        d = tl.arange(0, WIDTH)
        b = tl.load(x + tl.program_id(0) * stride_x + d, mask=d < width).to(tl.float32)
        m = tl.max(tl.where(d < width, b, -float("inf")), 0)
        e = tl.where(d < width, tl.exp(b - m), 0.0)
        tl.store(out + tl.program_id(0) * stride_out + d, e * (1.0 / tl.sum(e, 0)), mask=d < width)
        """,
    ),
    (
        "tiles.online",
        """
        i = tl.program_id(0) * BLOCK_Q + tl.arange(0, BLOCK_Q)
        d = tl.arange(0, DIM)
        p_q = q + i[:, None] * stride_q + d[None, :]
        b_q = tl.load(p_q, mask=i[:, None] < n_query, other=0.0)
        m = tl.full([BLOCK_Q], float("-inf"), tl.float32)
        l = tl.zeros([BLOCK_Q], tl.float32)
        o = tl.zeros([BLOCK_Q, DIM], tl.float32)
        for t in range(0, tl.cdiv(n_key, BLOCK_K)):
            j = t * BLOCK_K + tl.arange(0, BLOCK_K)
            kT = tl.load(k + j[None, :] * stride_k + d[:, None], mask=j[None, :] < n_key, other=0.0)
            s = tl.dot(b_q, kT) * (scale * 1.4426950408889634)
            s = tl.where(j[None, :] < n_key, s, float("-inf"))
            new = tl.maximum(m, tl.max(s, 1))
            p = tl.exp2(s - new[:, None])
            alpha = tl.exp2(m - new)
            l = l * alpha + tl.sum(p, 1)
            o = o * alpha[:, None]
            b_v = tl.load(v + j[:, None] * stride_v + d[None, :], mask=j[:, None] < n_key, other=0.0)
            o += tl.dot(p.to(b_v.dtype), b_v)
            m = new
        o = o / l[:, None]
        tl.store(out + i[:, None] * stride_out + d[None, :], o, mask=i[:, None] < n_query)
        """,
    ),
    (
        "tiles.sigmoid",
        """
        i = tl.program_id(0) * BLOCK_Q + tl.arange(0, BLOCK_Q)
        d = tl.arange(0, DIM)
        b_q = tl.load(q + i[:, None] * stride_q + d[None, :], mask=i[:, None] < n_query, other=0.0)
        o = tl.zeros([BLOCK_Q, DIM], tl.float32)
        for start in range(0, n_key, BLOCK_K):
            j = start + tl.arange(0, BLOCK_K)
            real = j < n_key
            b_k = tl.load(k + j[:, None] * stride_k + d[None, :], mask=real[:, None], other=0.0)
            b_v = tl.load(v + j[:, None] * stride_v + d[None, :], mask=real[:, None], other=0.0)
            p = tl.sigmoid(tl.dot(b_q, tl.trans(b_k)) * scale + bias)
            p = tl.where(real[None, :], p, 0.0)
            o += tl.dot(p.to(b_v.dtype), b_v)
        tl.store(out + i[:, None] * stride_out + d[None, :], o, mask=i[:, None] < n_query)
        """,
    ),
    (
        "tiles.block_sparse",
        """
        p = tl.program_id(0)
        o = tl.arange(0, BLOCK)
        d = tl.arange(0, DIM)
        i = p * BLOCK + o
        b_q = tl.load(q + i[:, None] * DIM + d[None, :], mask=i[:, None] < n, other=0.0)
        acc = tl.zeros([BLOCK, DIM], tl.float32)
        first = tl.load(offsets + p)
        last = tl.load(offsets + p + 1)
        for t in range(first, last):
            j = tl.load(indices + t) * BLOCK + o
            b_k = tl.load(k + j[:, None] * DIM + d[None, :], mask=j[:, None] < n, other=0.0)
            b_v = tl.load(v + j[:, None] * DIM + d[None, :], mask=j[:, None] < n, other=0.0)
            w = tl.sigmoid(scale * tl.dot(b_q, tl.trans(b_k)) + bias)
            acc += tl.dot(w.to(b_v.dtype), b_v)
        tl.store(out + i[:, None] * DIM + d[None, :], acc, mask=i[:, None] < n)
        """,
    ),
    (
        "tiles.backward",
        """
        j = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        d = tl.arange(0, DIM)
        own = j[:, None] * DIM + d[None, :]
        b_k = tl.load(k + own, mask=j[:, None] < n, other=0.0)
        b_v = tl.load(v + own, mask=j[:, None] < n, other=0.0)
        b_dk = tl.zeros([BLOCK, DIM], tl.float32)
        b_dv = tl.zeros([BLOCK, DIM], tl.float32)
        for start in range(0, n, BLOCK):
            i = start + tl.arange(0, BLOCK)
            b_q = tl.load(q + i[:, None] * DIM + d[None, :], mask=i[:, None] < n, other=0.0)
            b_g = tl.load(grad + i[:, None] * DIM + d[None, :], mask=i[:, None] < n, other=0.0)
            pT = tl.sigmoid(tl.dot(b_k, tl.trans(b_q)) * scale + bias)  # keys down, queries across
            b_dv += tl.dot(pT.to(b_g.dtype), b_g)
            dsT = (pT - pT * pT) * tl.dot(b_v, tl.trans(b_g))
            b_dk += tl.dot(dsT.to(b_q.dtype), b_q)
            part = tl.dot(tl.trans(dsT).to(b_k.dtype), b_k) * scale
            tl.atomic_add(dq + i[:, None] * DIM + d[None, :], part, mask=i[:, None] < n)
        tl.store(dk + own, b_dk * scale, mask=j[:, None] < n)
        tl.store(dv + own, b_dv, mask=j[:, None] < n)
        """,
    ),
]

WRONG = [  # and what is said of it
    (
        "tiles.copy",
        """
        i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        m = i < n
        b = tl.load(x + i, mask=m)
        tl.store(out + i, b, mask=m & (b != 0))
        """,
        "writes all of its output",
    ),
    (
        "tiles.row_softmax",
        """
        p = tl.program_id(0)
        i = tl.arange(0, WIDTH)
        b = tl.load(x + p * stride_x + i, mask=i < width, other=-1e4).to(tl.float32)
        b = b - tl.max(b, 0)
        e = tl.exp(b)
        tl.store(out + p * stride_out + i, e / tl.sum(e, 0), mask=i < width)
        """,
        "gives weights that sum to one",
    ),
    (
        "tiles.row_softmax",
        """
        p = tl.program_id(0)
        i = tl.arange(0, WIDTH)
        b = tl.load(x + p * stride_x + i, mask=i < width, other=-float("inf")).to(tl.float32)
        b = b - tl.max(b, 0)
        p_x = x + p * stride_x + i
        again = tl.load(p_x, mask=i < width, other=-float("inf")).to(tl.float32)
        e = tl.exp(again - tl.max(again, 0))
        tl.store(out + p * stride_out + i, e / tl.sum(e, 0), mask=i < width)
        """,
        "loads each number once",
    ),
    (
        "tiles.online",
        """
        i = tl.program_id(0) * BLOCK_Q + tl.arange(0, BLOCK_Q)
        d = tl.arange(0, DIM)
        b_q = tl.load(q + i[:, None] * stride_q + d[None, :], mask=(i < n_query)[:, None], other=0.0)
        m = tl.full([BLOCK_Q], -float("inf"), tl.float32)
        l = tl.zeros([BLOCK_Q], tl.float32)
        acc = tl.zeros([BLOCK_Q, DIM], tl.float32)
        for start in range(0, n_key, BLOCK_K):
            j = start + tl.arange(0, BLOCK_K)
            b_k = tl.load(k + j[:, None] * stride_k + d[None, :], mask=(j < n_key)[:, None], other=0.0)
            s = tl.where((j < n_key)[None, :], scale * tl.dot(b_q, tl.trans(b_k)), -float("inf"))
            m = tl.maximum(m, tl.max(s, 1))
        for start in range(0, n_key, BLOCK_K):
            j = start + tl.arange(0, BLOCK_K)
            b_k = tl.load(k + j[:, None] * stride_k + d[None, :], mask=(j < n_key)[:, None], other=0.0)
            b_v = tl.load(v + j[:, None] * stride_v + d[None, :], mask=(j < n_key)[:, None], other=0.0)
            s = scale * tl.dot(b_q, tl.trans(b_k))
            s = tl.where((j < n_key)[None, :], s, -float("inf"))
            new = tl.maximum(m, tl.max(s, 1))
            fix = tl.exp(m - new)
            p = tl.exp(s - new[:, None])
            l = l * fix + tl.sum(p, 1)
            acc = acc * fix[:, None] + tl.dot(p.to(b_v.dtype), b_v)
            m = new
        tl.store(out + i[:, None] * stride_out + d[None, :], acc / l[:, None], mask=(i < n_query)[:, None])
        """,
        "looks at each tile of keys once",
    ),
    (
        "tiles.online",
        """
        i = tl.program_id(0) * BLOCK_Q + tl.arange(0, BLOCK_Q)
        d = tl.arange(0, DIM)
        b_q = tl.load(q + i[:, None] * stride_q + d[None, :], mask=(i < n_query)[:, None], other=0.0)
        m = tl.full([BLOCK_Q], -float("inf"), tl.float32)
        l = tl.zeros([BLOCK_Q], tl.float32)
        acc = tl.zeros([BLOCK_Q, DIM], tl.float32)
        for start in range(0, n_key, BLOCK_K):
            j = start + tl.arange(0, BLOCK_K)
            b_k = tl.load(k + j[:, None] * stride_k + d[None, :], mask=(j < n_key)[:, None], other=0.0)
            b_v = tl.load(v + j[:, None] * stride_v + d[None, :], mask=(j < n_key)[:, None], other=0.0)
            s = 0.25 * tl.dot(b_q, tl.trans(b_k))
            s = tl.where((j < n_key)[None, :], s, -float("inf"))
            new = tl.maximum(m, tl.max(s, 1))
            fix = tl.exp(m - new)
            p = tl.exp(s - new[:, None])
            l = l * fix + tl.sum(p, 1)
            acc = acc * fix[:, None] + tl.dot(p.to(b_v.dtype), b_v)
            m = new
        tl.store(out + i[:, None] * stride_out + d[None, :], acc / l[:, None], mask=(i < n_query)[:, None])
        """,
        "equals the reference",
    ),
    (
        "tiles.block_sparse",
        """
        row = tl.program_id(0)
        a = tl.arange(0, BLOCK)
        d = tl.arange(0, DIM)
        i = row * BLOCK + a
        at = i[:, None] * DIM + d[None, :]
        b_q = tl.load(q + at, mask=(i < n)[:, None], other=0.0)
        acc = tl.zeros([BLOCK, DIM], tl.float32)
        for t in range(tl.load(offsets + row), tl.load(offsets + row + 1)):
            j = tl.load(indices + t) * BLOCK + a
            there = j[:, None] * DIM + d[None, :]
            b_k = tl.load(k + there, mask=(j < n)[:, None], other=0.0)
            b_v = tl.load(v + there, mask=(j < n)[:, None], other=0.0)
            s = scale * tl.dot(b_q, tl.trans(b_k)) + bias
            acc += tl.dot((tl.exp(s) / (1 + tl.exp(s))).to(b_v.dtype), b_v)
        tl.store(out + at, acc, mask=(i < n)[:, None])
        """,
        "is never NaN",
    ),
    (
        "tiles.backward",
        """
        j = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        d = tl.arange(0, DIM)
        at = j[:, None] * DIM + d[None, :]
        b_k = tl.load(k + at, mask=(j < n)[:, None], other=0.0)
        b_v = tl.load(v + at, mask=(j < n)[:, None], other=0.0)
        s_k = tl.zeros([BLOCK, DIM], tl.float32)
        s_v = tl.zeros([BLOCK, DIM], tl.float32)
        for start in range(0, n, BLOCK):
            i = start + tl.arange(0, BLOCK)
            there = i[:, None] * DIM + d[None, :]
            b_q = tl.load(q + there, mask=(i < n)[:, None], other=0.0)
            b_g = tl.load(grad + there, mask=(i < n)[:, None], other=0.0)
            p = tl.sigmoid(scale * tl.dot(b_q, tl.trans(b_k)) + bias)
            s_v += tl.dot(tl.trans(p).to(b_g.dtype), b_g)
            dp = tl.dot(b_g, tl.trans(b_v))
            ds = (p * (1 - p) * dp * scale).to(b_q.dtype)
            dp = tl.dot(b_g, tl.trans(b_v)); s_k += tl.dot(tl.trans(ds), b_q)
            tl.atomic_add(dq + there, tl.dot(ds, b_k), mask=(i < n)[:, None])
        tl.store(dk + at, s_k, mask=(j < n)[:, None])
        tl.store(dv + at, s_v, mask=(j < n)[:, None])
        """,
        "makes five products for each pair of tiles",
    ),
    ("tiles.copy", "tl.store(out, tl.load(x))", "writes all of its output"),
    ("tiles.copy", "for i in range(n): tl.store(out + i, tl.load(x + i))", "lets no two programs write to one place"),
    ("tiles.copy", "i = tl.arange(0, n)\ntl.store(out + i, tl.load(x + i))", "runs without an error"),
    ("tiles.copy", "return x", "writes all of its output"),
    ("tiles.copy", "i = tl.program_id(0) * BLOCK\ntl.store(y + i, 1.0)", "runs without an error"),
    (
        "tiles.row_softmax",
        """
        d = tl.arange(0, WIDTH)
        b = tl.load(x + tl.program_id(0) * stride_x + d, mask=d < width, other=-1e4)
        e = tl.exp((b - tl.max(b, 0)).to(tl.float32)).to(tl.float16)
        tl.store(out + tl.program_id(0) * stride_out + d, e / tl.sum(e, 0), mask=d < width)
        """,
        "equals the reference",
    ),
]


@pytest.mark.parametrize("id, body", RIGHT)
def test_the_gate_accepts(id, body):
    judgement = judged(id, body)
    assert judgement.right, judgement


@pytest.mark.parametrize("id, body, violated", WRONG)
def test_the_gate_rejects(id, body, violated):
    diagnosis = judged(id, body).diagnosis
    assert diagnosis.violated == violated, diagnosis

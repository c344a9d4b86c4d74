"""`impl="tiled"`: attention tile by tile, memory O(n). The C++ kernel where it can run, else the PyTorch below, on any
device.

A tile is a range of queries against a range of keys. Its scores are made, normalized, used and forgotten:

    forward   softmax keeps per row the highest score m and the total Σ exp(s − m), and rescales what it has mixed when
              m grows
    backward  P is made again from q and k (softmax: P = exp(s − lse)); with dP = dO vᵀ
              softmax  dS = P (dP − rowsum(dO ∘ O))        sigmoid  dS = P (1 − P) dP
              dv = Pᵀ dO,  dq = scale · dS k,  dk = scale · dSᵀ q
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from einops import rearrange, reduce, repeat
from torch import Tensor

from kernels import native
from kernels.spec import Spec

QUERIES, KEYS = 256, 512  # of one tile
NUMBERS = 2**23  # in one tile, all batches and heads together


def forward(q: Tensor, k: Tensor, v: Tensor, spec: Spec) -> tuple[Tensor, Tensor | None]:
    if native.takes(q):
        return native.forward(q, k, v, spec)
    wide = torch.promote_types(q.dtype, torch.float32)
    out = q.new_empty(*q.shape[:3], v.shape[3])
    lse = q.new_empty(q.shape[:3], dtype=wide) if spec.normalizer == "softmax" else None
    for heads, rows, spans in _rows(q, k, spec):
        mixed, total = 0.0, 0.0
        highest = torch.full((*q[:, heads, rows].shape[:3], 1), -math.inf, dtype=wide, device=q.device)
        for columns in spans:
            scores = _scores(q, k, heads, rows, columns, spec)
            if lse is None:
                weights = scores.sigmoid_()
            else:
                before, highest = highest, torch.maximum(highest, scores.amax(-1, keepdim=True))
                safe = highest.masked_fill(highest == -math.inf, 0)  # −∞ − (−∞) is no number
                weights, keep = scores.sub_(safe).exp_(), (before - safe).exp_()
                total, mixed = total * keep + weights.sum(-1, keepdim=True), mixed * keep
            mixed = mixed + weights @ _shared(v, heads, columns, q)
        if lse is not None:
            total = torch.zeros_like(highest) + total
            mixed = mixed / total.masked_fill(total == 0, 1)
            lse[:, heads, rows] = (highest + total.log()).squeeze(-1)
        out[:, heads, rows] = mixed
    return out, lse


def backward(
    grad: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    out: Tensor | None,
    lse: Tensor | None,
    spec: Spec,
    wanted: Sequence[bool],
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    if native.takes(q):
        return native.backward(grad, q, k, v, out, lse, spec, wanted)
    wide = torch.promote_types(q.dtype, torch.float32)
    dq, dk, dv = (torch.zeros(x.shape, dtype=wide, device=x.device) for x in (q, k, v))
    dbias = None
    if wanted[3] and spec.bias is not None:
        dbias = torch.zeros(spec.bias.shape, dtype=wide, device=q.device)
    for heads, rows, spans in _rows(q, k, spec):
        do = grad[:, heads, rows].to(wide)
        if lse is not None and out is not None:
            delta = reduce(do * out[:, heads, rows], "batch head query value -> batch head query 1", "sum")
            norm = rearrange(lse[:, heads, rows], "batch head query -> batch head query 1")
            norm = norm.masked_fill(norm == -math.inf, 0)
        for columns in spans:
            scores = _scores(q, k, heads, rows, columns, spec)
            dp = do @ _shared(v, heads, columns, q).mT
            if lse is None:
                p = scores.sigmoid_()
                ds = p * (1 - p) * dp
            else:
                p = scores.sub_(norm).exp_()
                ds = p * (dp - delta)
            if dbias is not None:
                part = _part(dbias, heads, rows, columns)
                part += ds.sum_to_size(part.shape)
            ds = ds * spec.scale
            dq[:, heads, rows] += ds @ _shared(k, heads, columns, q)
            _add(dk, ds.mT @ q[:, heads, rows].to(wide), heads, columns, q)
            _add(dv, p.mT @ do, heads, columns, q)
    dbias = None if dbias is None or spec.bias is None else dbias.to(spec.bias.dtype)
    return dq.to(q.dtype), dk.to(q.dtype), dv.to(q.dtype), dbias


def _rows(q: Tensor, k: Tensor, spec: Spec) -> Iterator[tuple[slice, slice, list[slice]]]:
    """Heads that share their tiles, a range of queries, and the ranges of keys that some query of it sees."""
    (batch, heads, n_query, _), n_key = q.shape, k.shape[2]
    block, seen_by = n_query, [[[(0, n_key)]]]  # ranges of keys, by pattern and block of queries
    if spec.layout is not None:
        block, listed = spec.layout.block, spec.layout.indices.tolist()
        offsets = spec.layout.offsets.tolist()
        seen_by = [[_runs(listed[a:b], block, n_key) for a, b in pairwise(ends)] for ends in offsets]
    patterns = len(seen_by)
    step = max(16, min(QUERIES, NUMBERS // (KEYS * batch * heads // patterns)))
    for head, rows_of_head in enumerate(seen_by):
        for start, runs in zip(range(0, n_query, block), rows_of_head):
            end = min(start + block, n_query)
            for first in range(start, end, step):
                rows = slice(first, min(first + step, end))
                seen = min(rows.stop + n_key - n_query, n_key) if spec.causal else n_key
                spans = [slice(a, min(a + KEYS, b, seen)) for low, b in runs for a in range(low, min(b, seen), KEYS)]
                yield slice(0, heads) if patterns == 1 else slice(head, head + 1), rows, spans


def _runs(blocks: list[int], block: int, n_key: int) -> list[tuple[int, int]]:
    """Adjacent blocks as one range of keys."""
    runs: list[tuple[int, int]] = []
    for j in blocks:
        start, stop = j * block, min((j + 1) * block, n_key)
        if runs and runs[-1][1] == start:
            start = runs.pop()[0]
        runs.append((start, stop))
    return runs


def _scores(q: Tensor, k: Tensor, heads: slice, rows: slice, columns: slice, spec: Spec) -> Tensor:
    """`scale · q kᵀ + shift + bias − alibi · distance` of one tile, −∞ where a key is hidden."""
    keys = _shared(k, heads, columns, q)
    scores = (q[:, heads, rows].to(keys.dtype) @ keys.mT).mul_(spec.scale).add_(spec.shift)
    first = rows.start + k.shape[2] - q.shape[2]
    query = torch.arange(first, first + rows.stop - rows.start, dtype=torch.long, device=q.device)[:, None]
    key = torch.arange(columns.start, columns.stop, dtype=torch.long, device=q.device)
    if spec.bias is not None:
        scores += _part(spec.bias, heads, rows, columns)
    if spec.alibi is not None:
        scores -= rearrange(spec.alibi[:, heads], "batch head -> batch head 1 1") * (query - key).abs()
    if spec.causal and columns.stop - 1 > first:
        scores.masked_fill_(key > query, -math.inf)
    if spec.key_padding is not None:
        scores.masked_fill_(rearrange(~spec.key_padding[:, columns], "batch key -> batch 1 1 key"), -math.inf)
    return scores


def _shared(x: Tensor, heads: slice, columns: slice, q: Tensor) -> Tensor:
    """The keys or values of one tile, once for every query head that shares them."""
    group = q.shape[1] // x.shape[1]
    part = x[:, heads.start // group : (heads.stop - 1) // group + 1, columns]
    part = part.to(torch.promote_types(x.dtype, torch.float32))
    return repeat(part, "batch head key dim -> batch (head group) key dim", group=min(group, heads.stop - heads.start))


def _add(total: Tensor, part: Tensor, heads: slice, columns: slice, q: Tensor) -> None:
    """The reverse of `_shared`: gradients of query heads add up in the head they share."""
    group = q.shape[1] // total.shape[1]
    size = min(group, heads.stop - heads.start)
    part = reduce(part, "batch (head group) key dim -> batch head key dim", "sum", group=size)
    total[:, heads.start // group : (heads.stop - 1) // group + 1, columns] += part


def _part(bias: Tensor, *ranges: slice) -> Tensor:
    """One tile of a tensor that broadcasts to "batch head query key"."""
    return bias[(slice(None), *(slice(None) if n == 1 else r for n, r in zip(bias.shape[1:], ranges)))]

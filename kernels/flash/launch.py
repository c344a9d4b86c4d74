"""Start the Triton kernels: shapes, strides, grids, tiles, and the layout's lists.

`impl="triton"` and `impl="interpret"`.
"""

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import RLock
from typing import Any

import numpy
import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from kernels.flash.catalogue import KERNELS, Tiles, candidates, constexprs, default_form, default_tiles, layout_tiles
from kernels.layout import BlockLayout
from kernels.spec import Spec

_forced: list[Tiles] = []


@contextmanager
def tiles(block_q: int, block_k: int, num_warps: int = 4, num_stages: int = 2):
    """Inside this block the dense kernels use these tiles, whatever the shape."""
    _forced.append(Tiles(block_q, block_k, num_warps, num_stages))
    try:
        yield
    finally:
        _forced.pop()


def forward(q: Tensor, k: Tensor, v: Tensor, spec: Spec) -> tuple[Tensor, Tensor | None]:
    q, k, v, spec, _ = _prepare(q, k, v, spec)
    out = torch.empty(*q.shape[:3], v.shape[-1], dtype=q.dtype, device=q.device)
    lse = None
    if spec.normalizer == "softmax":
        lse = torch.empty(q.shape[:3], dtype=torch.float32, device=q.device)
    _launch("forward", q, k, v, spec, {"out": out, "lse": lse})
    return out, lse


def backward(
    grad: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor | None, lse: Tensor | None, spec: Spec, want_bias: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    q, k, v, spec, sign = _prepare(q, k, v, spec)
    grad = _rows_of_numbers(grad)
    state = {"grad": grad, **dict(zip(("stride_gb", "stride_gh", "stride_gn"), grad.stride()))}
    if out is not None and lse is not None:
        delta = torch.empty_like(lse)
        state |= {"lse": lse, "delta": delta}
        _launch("delta", q, k, v, spec, state | {"out": out.contiguous()})
    dq, dk, dv = (torch.empty(x.shape, dtype=x.dtype, device=x.device) for x in (q, k, v))
    dscores = None
    if want_bias:
        dscores = torch.zeros(*q.shape[:3], k.shape[2], dtype=torch.float32, device=q.device)
    _launch("dq", q, k, v, spec, state | {"dq": dq, "dscores": dscores})
    _launch("dkdv", q, k, v, spec, state | {"dk": dk, "dv": dv})
    dbias = None
    if dscores is not None and spec.bias is not None:
        dbias = dscores.sum_to_size(spec.bias.shape).to(spec.bias.dtype)
    return dq if sign == 1 else dq * sign, dk, dv, dbias


def _prepare(q: Tensor, k: Tensor, v: Tensor, spec: Spec) -> tuple[Tensor, Tensor, Tensor, Spec, int]:
    """Rows of numbers side by side in memory, and a positive scale: its sign moves into q."""
    sign = (spec.scale > 0) - (spec.scale < 0)
    if sign != 1:
        q, spec = q * sign, replace(spec, scale=abs(spec.scale) or 1.0)
    return _rows_of_numbers(q), _rows_of_numbers(k), _rows_of_numbers(v), spec, sign


def _rows_of_numbers(x: Tensor) -> Tensor:
    """x itself, or a copy where the numbers of a row have gaps, or rows are so far apart that a tile's offsets need 64
    bits.
    """
    close = x.stride(-1) == 1 or x.shape[-1] == 1
    return x if close and abs(x.stride(2)) * 128 < 2**31 else x.contiguous()


def _launch(step: str, q: Tensor, k: Tensor, v: Tensor, spec: Spec, extra: dict[str, Any]) -> None:
    """Run one kernel. The programs of "dkdv" own tiles of keys, those of the others tiles of queries."""
    by_query = step != "dkdv"
    function = KERNELS[f"{spec.normalizer}_{step}"].function
    arguments = dict.fromkeys(_OPTIONAL) | _arguments(q, k, v, spec) | extra
    if spec.layout is not None:
        arguments |= _lists(spec.layout, by_query, spec.causal)
    dtype = {torch.float16: "fp16", torch.bfloat16: "bf16", torch.float32: "fp32"}[q.dtype]
    arch = _arch(q.device)
    wide = max(x.shape[2] * x.stride(2) for x in (q, k, v, extra.get("grad", q))) >= 2**31
    form = default_form(arch, dtype)
    heads, length = (q if by_query else k).shape[1:3]

    def run(chosen: Tiles) -> None:
        size = (chosen.block_q, chosen.block_k)
        even = q.shape[2] % size[0] == 0 and k.shape[2] % size[1] == 0
        fixed = constexprs(q.shape[-1], v.shape[-1], *size, causal=spec.causal, even=even, wide=wide, form=form)
        given = {name: value for name, value in (arguments | fixed).items() if name in function.arg_names}
        grid = (-(-length // size[0 if by_query else 1]), heads, q.shape[0])
        with _one_at_a_time, numpy.errstate(over="ignore"):  # the interpreter's 2^x: infinity is the right answer there
            function[grid](**given, num_warps=chosen.num_warps, num_stages=chosen.num_stages)

    run(_tiles(step, arch, dtype, (q, k, v), spec, run))


_OPTIONAL = ("bias", "padding", "slopes", "dscores", "offsets", "edges", "tails", "indices", "order")
_one_at_a_time = RLock()  # Triton's interpreter has one grid for the whole process


def _arguments(q: Tensor, k: Tensor, v: Tensor, spec: Spec) -> dict[str, Any]:
    batch, heads, n_query, _ = q.shape
    values = {"q": q, "k": k, "v": v, "n_query": n_query, "n_key": k.shape[2], "group": heads // k.shape[1]}
    for name, x in (("q", q), ("k", k), ("v", v)):
        values |= dict(zip((f"stride_{name}b", f"stride_{name}h", f"stride_{name}n"), x.stride()))
    values |= {"scale": spec.scale, "shift": spec.shift, "stride_pb": 0, "stride_sb": 0, "stride_lh": 0}
    values |= dict.fromkeys(("stride_bb", "stride_bh", "stride_bq", "stride_bk"), 0)
    if spec.bias is not None:
        values["bias"] = spec.bias
        strides = spec.bias.expand(batch, heads, n_query, k.shape[2]).stride()
        values |= dict(zip(("stride_bb", "stride_bh", "stride_bq", "stride_bk"), strides))
    if spec.key_padding is not None:
        real = spec.key_padding.contiguous()
        values |= {"padding": real.view(torch.int8), "stride_pb": real.stride(0)}
    if spec.alibi is not None:
        slopes = spec.alibi.contiguous()
        values |= {"slopes": slopes, "stride_sb": heads if slopes.shape[0] > 1 else 0}
    return values


def _arch(device: torch.device) -> str:
    if device.type != "cuda":
        return "interpret"
    if torch.version.hip is not None:
        return "gfx942"
    major, minor = torch.cuda.get_device_capability(device)
    return f"sm_{major}{minor}"


_kept = WeakTensorKeyDictionary()  # a layout's indices -> the lists made from them


def _lists(layout: BlockLayout, by_query: bool, causal: bool) -> dict[str, Any]:
    """The lists that a kernel walks, kept with the layout's own tensor as long as that lives.

    For each block of queries: where its list begins, where the key blocks end that it sees whole, where the list ends.
    For each block of keys: first the query blocks cut by the diagonal, up to `edges`, then those that see it whole, up
    to `tails`, then the last, partial one. Long lists start first, by `order`.
    """
    offsets, indices = (layout.offsets, layout.indices) if by_query else (layout.offsets_t, layout.indices_t)
    if indices not in _kept:
        _kept[indices] = {}
    kept: Any = _kept[indices]
    key = (
        by_query,
        causal,
        layout.block,
        layout.n_query,
        layout.n_key,
        id(offsets),
        *map(_version, (offsets, indices)),
    )
    if key not in kept:
        heads, count = offsets.shape[0], offsets.shape[1] - 1
        every = torch.arange(heads * count, dtype=torch.long, device=indices.device)
        owner = torch.repeat_interleave(every, (offsets[:, 1:] - offsets[:, :-1]).flatten().long())
        row, column = (owner % count, indices.long()) if by_query else (indices.long(), owner % count)
        first = row * layout.block + layout.n_key - layout.n_query  # the last key that the block's first query sees
        seen = (column * layout.block <= first + layout.block - 1) | (not causal)
        cut = ((column + 1) * layout.block - 1 > first) & causal
        whole = (indices + 1) * layout.block <= (layout.n_key if by_query else layout.n_query)

        def per_owner(flags: Tensor) -> Tensor:
            return torch.zeros(heads * count, dtype=torch.long, device=flags.device).index_add_(0, owner, flags.long())

        def table(values: Tensor, last: Tensor) -> Tensor:
            return torch.cat([values.view(heads, count), last.view(heads, count)[:, -1:]], 1).int().contiguous()

        ends = per_owner(seen).cumsum(0)
        begins = ends - per_owner(seen)
        edges = begins if by_query else begins + per_owner(seen & cut & whole)
        tails = edges + per_owner(seen & ~cut & whole)
        order = torch.argsort((begins - ends).view(heads, count), stable=True)
        kept[key] = {
            "offsets": table(begins, ends),
            "edges": table(tails, tails) if by_query else table(edges, edges),
            "tails": table(tails, tails),
            "indices": indices[seen].contiguous(),
            "order": table(order, order),
            "stride_lh": 0 if heads == 1 else count + 1,
            "kept": offsets,
        }
    return kept[key]


def _version(x: Tensor) -> int:
    return 0 if x.is_inference() else x._version


_fastest: dict[tuple, Tiles] = {}  # kind of problem -> the tiles that won


def _tiles(step: str, arch: str, dtype: str, inputs: Sequence[Tensor], spec: Spec, run: Callable) -> Tiles:
    """Those of the layout, those asked for, or on a GPU the fastest that fit: measured once per kind of problem."""
    (batch, heads, n_query, dim), (_, kv_heads, n_key, _), (*_, value) = (x.shape for x in inputs)
    dim = max(dim, value)
    default = default_tiles(step, arch, dtype, dim)
    if step == "delta":
        return default
    if spec.layout is not None:
        return layout_tiles(step, arch, dtype, dim, spec.layout.block)
    if _forced or arch == "interpret":
        return [default, *_forced][-1]
    import triton

    sizes = (batch * (kv_heads if step == "dkdv" else heads), n_query, n_key)
    key = (step, spec.normalizer, dtype, dim, spec.causal, *((size - 1).bit_length() for size in sizes))
    if key not in _fastest:
        timed = []
        for option in [default, *candidates(step, dtype, dim)]:
            if option != default and (option.block_q > 2 * n_query or option.block_k > 2 * n_key):
                continue
            try:
                timed.append((triton.testing.do_bench(lambda: run(option), warmup=5, rep=20), option))
            except triton.runtime.errors.OutOfResources:
                continue
        _fastest[key] = min(timed, key=lambda pair: pair[0])[1] if timed else default
    return _fastest[key]

"""Start the Triton kernels: shapes, strides, grids, tiles, and the layout's lists.

`impl="triton"` and `impl="interpret"`.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from threading import RLock

import numpy
import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from kernels.flash.catalogue import Tiles, candidates, constexprs, default_form, default_tiles, layout_tiles
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
    batch, heads, n_query, _ = q.shape
    out = torch.empty(batch, heads, n_query, v.shape[-1], dtype=q.dtype, device=q.device)
    extra = {"out": out}
    if spec.normalizer == "softmax":
        extra["lse"] = torch.empty(batch, heads, n_query, dtype=torch.float32, device=q.device)
    _rows("forward", q, k, v, spec, extra)
    return out, extra.get("lse")


def backward(
    grad: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor | None, lse: Tensor | None, spec: Spec, want_bias: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    q, k, v, spec, sign = _prepare(q, k, v, spec)
    batch, heads, n_query, _ = q.shape
    grad = _rows_of_numbers(grad)
    strides = dict(zip(("stride_gb", "stride_gh", "stride_gn"), grad.stride()))
    state = {"grad": grad, **strides}
    if spec.normalizer == "softmax":
        delta = torch.empty_like(lse)
        state |= {"lse": lse, "delta": delta}
        _delta(out.contiguous(), grad, delta, strides)
    dq, dk, dv = (torch.empty(x.shape, dtype=x.dtype, device=x.device) for x in (q, k, v))
    dscores = None
    if want_bias:
        dscores = torch.zeros(batch, heads, n_query, k.shape[2], dtype=torch.float32, device=q.device)
    _rows("dq", q, k, v, spec, {**state, "dq": dq, "dscores": dscores})
    _columns(q, k, v, spec, {**state, "dk": dk, "dv": dv})
    dbias = None if dscores is None else dscores.sum_to_size(spec.bias.shape).to(spec.bias.dtype)
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


def _rows(step: str, q: Tensor, k: Tensor, v: Tensor, spec: Spec, extra: dict[str, object]) -> None:
    """A kernel whose programs own tiles of queries."""
    lists = {} if spec.layout is None else _row_lists(spec.layout, spec.causal)
    _launch(step, q, k, v, spec, extra | lists, "n_query", "BLOCK_Q", q.shape[1])


def _columns(q: Tensor, k: Tensor, v: Tensor, spec: Spec, extra: dict[str, object]) -> None:
    """The kernel whose programs own tiles of keys."""
    lists = {} if spec.layout is None else _column_lists(spec.layout, spec.causal)
    _launch("dkdv", q, k, v, spec, extra | lists, "n_key", "BLOCK_K", k.shape[1])


def _launch(step, q, k, v, spec, extra, length, block, heads) -> None:
    function = getattr(import_module(f"kernels.flash.{spec.normalizer}"), _FUNCTIONS[step])
    arguments = _arguments(q, k, v, spec) | extra
    arguments = {name: value for name, value in arguments.items() if name in function.arg_names}
    for name in ("bias", "padding", "slopes", "dscores", "offsets", "edges", "tails", "indices", "order"):
        if name in function.arg_names:
            arguments.setdefault(name, None)
    dtype = {torch.float16: "fp16", torch.bfloat16: "bf16", torch.float32: "fp32"}[q.dtype]
    arch = _arch(q.device)
    dim = max(q.shape[-1], v.shape[-1])
    wide = max(x.shape[2] * x.stride(2) for x in (q, k, v, extra.get("grad", q))) >= 2**31
    form = default_form(arch, dtype)

    def fixed(chosen: Tiles) -> dict[str, object]:
        size = (chosen.block_q, chosen.block_k)
        even = q.shape[2] % size[0] == 0 and k.shape[2] % size[1] == 0
        values = constexprs(q.shape[-1], v.shape[-1], *size, causal=spec.causal, even=even, wide=wide, form=form)
        return {name: value for name, value in values.items() if name in function.arg_names}

    def grid(values: dict[str, object]) -> tuple[int, int, int]:
        return (-(-arguments[length] // values[block]), heads, q.shape[0])

    chosen = default_tiles(step, arch, dtype, dim)
    if spec.layout is not None:
        chosen = layout_tiles(step, arch, dtype, dim, spec.layout.block)
    elif _forced:
        chosen = _forced[-1]
    elif arch != "interpret":
        shape = (q.shape[0] * heads, q.shape[2], k.shape[2], spec.causal)
        chosen = _tuned(
            step,
            spec.normalizer,
            dtype,
            dim,
            shape,
            lambda t: _run(function, grid(fixed(t)), arguments, fixed(t), t),
            chosen,
        )
    _run(function, grid(fixed(chosen)), arguments, fixed(chosen), chosen)


_FUNCTIONS = {"forward": "forward", "dq": "backward_query", "dkdv": "backward_key"}


def _version(x: Tensor) -> int:
    return 0 if x.is_inference() else x._version


_one_at_a_time = RLock()  # Triton's interpreter has one grid for the whole process


def _run(function, grid, arguments, constants, chosen: Tiles) -> None:
    with _one_at_a_time, numpy.errstate(over="ignore"):  # the interpreter's 2^x: infinity is the right answer there
        function[grid](**arguments, **constants, num_warps=chosen.num_warps, num_stages=chosen.num_stages)


def _delta(out: Tensor, grad: Tensor, delta: Tensor, strides: dict[str, int]) -> None:
    from kernels.flash import softmax

    batch, heads, n_query, value = out.shape
    block_v = max(16, 1 << (value - 1).bit_length())
    arguments = {"out": out, "grad": grad, "delta": delta, **strides, "n_query": n_query}
    constants = {"VALUE": value, "BLOCK_V": block_v, "BLOCK_Q": 64, "WIDE": n_query * grad.stride(2) >= 2**31}
    _run(softmax.delta, (-(-n_query // 64), heads, batch), arguments, constants, Tiles(64, 64, 4, 1))


def _arguments(q: Tensor, k: Tensor, v: Tensor, spec: Spec) -> dict[str, object]:
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


_lists = WeakTensorKeyDictionary()  # a layout's indices -> the lists made from them


def _row_lists(layout: BlockLayout, causal: bool) -> dict[str, object]:
    """For each block of queries: where its list begins, where the blocks seen whole end; long rows first."""
    diagonal = layout.n_key - layout.n_query

    def split(row: Tensor, column: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        first, last = row * layout.block + diagonal, (row + 1) * layout.block - 1 + diagonal
        seen = column * layout.block <= last if causal else torch.ones_like(row, dtype=torch.bool)
        whole = (column + 1) * layout.block <= layout.n_key
        if causal:
            whole &= (column + 1) * layout.block - 1 <= first
        return seen, torch.zeros_like(whole), whole

    return _listed(layout.offsets, layout.indices, layout, ("rows", causal), split)


def _column_lists(layout: BlockLayout, causal: bool) -> dict[str, object]:
    """For each block of keys: query blocks cut by the diagonal, then those that see it whole, then the last, partial
    one.
    """
    diagonal = layout.n_key - layout.n_query

    def split(column: Tensor, row: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        first, last = row * layout.block + diagonal, (row + 1) * layout.block - 1 + diagonal
        partial = (row + 1) * layout.block > layout.n_query
        seen = column * layout.block <= last if causal else torch.ones_like(row, dtype=torch.bool)
        cut = (column + 1) * layout.block - 1 > first if causal else torch.zeros_like(seen)
        return seen, cut & ~partial, ~cut & ~partial

    return _listed(layout.offsets_t, layout.indices_t, layout, ("columns", causal), split)


def _listed(offsets: Tensor, indices: Tensor, layout: BlockLayout, key: tuple, split) -> dict[str, object]:
    """The lists a kernel walks, kept with the layout's own tensor as long as that lives."""
    kept = _lists.setdefault(indices, {})
    key = (*key, layout.block, layout.n_query, layout.n_key, id(offsets), _version(offsets), _version(indices))
    if key not in kept:
        heads, count = offsets.shape[0], offsets.shape[1] - 1
        sizes = (offsets[:, 1:] - offsets[:, :-1]).flatten().long()
        every = torch.arange(heads * count, dtype=torch.long, device=indices.device)
        owner = torch.repeat_interleave(every, sizes)
        seen, cut, whole = split(owner % count, indices.long())

        def per_owner(flags: Tensor) -> Tensor:
            return torch.zeros(heads * count, dtype=torch.long, device=flags.device).index_add_(0, owner, flags.long())

        ends = per_owner(seen).cumsum(0)
        begins = ends - per_owner(seen)
        edges = begins + per_owner(cut & seen)
        tails = edges + per_owner(whole & seen)
        if key[0] == "rows":
            edges = tails

        def table(values: Tensor, last: Tensor) -> Tensor:
            return torch.cat([values.view(heads, count), last.view(heads, count)[:, -1:]], 1).int().contiguous()

        order = torch.argsort(begins.view(heads, count) - ends.view(heads, count), stable=True)
        kept[key] = {
            "offsets": table(begins, ends),
            "edges": table(edges, edges),
            "tails": table(tails, tails),
            "indices": indices[seen].contiguous(),
            "order": table(order, order),
            "stride_lh": 0 if heads == 1 else count + 1,
            "kept": offsets,
        }
    return kept[key]


_fastest: dict[tuple, Tiles] = {}  # kind of problem -> the tiles that won


def _tuned(step, normalizer, dtype, dim, shape, run, default: Tiles) -> Tiles:
    """The fastest of the tiles that fit this shape, measured once per kind of problem."""
    import triton

    batch_heads, n_query, n_key, causal = shape
    key = (step, normalizer, dtype, dim, causal, *((x - 1).bit_length() for x in (batch_heads, n_query, n_key)))
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

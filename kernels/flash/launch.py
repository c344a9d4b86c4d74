"""Start the Triton kernels: shapes, strides, grids, tiles.

`impl="triton"` and `impl="interpret"`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from threading import RLock
from typing import Any

import numpy
import torch
from torch import Tensor

from kernels.flash.catalogue import KERNELS, Tiles, candidates, constexprs, default_form, default_tiles, padded, within
from kernels.flash.interpreter import quicken
from kernels.flash.lists import FEW, lists
from kernels.layout import BlockLayout
from kernels.spec import Spec

ALONE = 4096  # keys, from which on several programs share the row of a lonely query
PROGRAMS = 65_535  # that a GPU starts along the second and the third axis of a grid
NAMES = {torch.float16: "fp16", torch.bfloat16: "bf16", torch.float32: "fp32"}
_settings: list[dict[str, Any]] = []
_one_at_a_time = RLock()  # Triton's interpreter has one grid for the whole process


@contextmanager
def setting(**changes: Any) -> Iterator[None]:
    """Inside this block, where they are given:

    tiles   of every kernel, cut to the blocks of a layout
    tune    False: the default tiles, and no search for the fastest
    form    of the sigmoid: "tanh", "exp2" or "rcp"
    start   called with function, grid, arguments, warps and stages in place of every start
    arch    what the kernels are started for
    """
    _settings.append(changes)
    try:
        yield
    finally:
        _settings.pop()


def tiles(block_q: int, block_k: int, num_warps: int = 4, num_stages: int = 2):
    """Inside this block the kernels use these tiles, whatever the shape; cut to the blocks of a layout."""
    return setting(tiles=Tiles(block_q, block_k, num_warps, num_stages))


def _set(name: str) -> Any:
    return next((changes[name] for changes in reversed(_settings) if name in changes), None)


def _start(function: Any, grid: tuple[int, ...], arguments: dict[str, Any], num_warps: int, num_stages: int) -> None:
    function[grid](**arguments, num_warps=num_warps, num_stages=num_stages)


def forward(q: Tensor, k: Tensor, v: Tensor, spec: Spec) -> tuple[Tensor, Tensor | None]:
    q, k, v, spec, _ = _prepare(q, k, v, spec)
    out = torch.empty(*q.shape[:3], v.shape[-1], dtype=q.dtype, device=q.device)
    lse = None
    if spec.normalizer == "softmax":
        lse = torch.empty(q.shape[:3], dtype=torch.float32, device=q.device)
    _launch("forward", q, k, v, spec, {"out": out, "lse": lse})
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
    q, k, v, spec, sign = _prepare(q, k, v, spec)
    grad = _rows_of_numbers(grad)
    state: dict[str, Any] = {"grad": _described(grad), "lse": lse, "delta": None}
    if out is not None and lse is not None:
        state["delta"] = torch.empty_like(lse)
        _launch("delta", q, k, v, spec, state | {"out": _described(out.contiguous())})
    dq, dk, dv = (torch.empty(x.shape, dtype=x.dtype, device=x.device) for x in (q, k, v))
    dscores = None
    if wanted[3]:
        dscores = torch.zeros(*q.shape[:3], k.shape[2], dtype=torch.float32, device=q.device)
    if wanted[0] or wanted[3]:
        _launch("dq", q, k, v, spec, state | {"dq": dq, "dscores": dscores})
    if wanted[1] or wanted[2]:
        _launch("dkdv", q, k, v, spec, state | {"dk": dk, "dv": dv})
    dbias = None
    if dscores is not None and spec.bias is not None:
        dbias = dscores.sum_to_size(spec.bias.shape).to(spec.bias.dtype)
    return dq if sign == 1 else dq * sign, dk, dv, dbias


def _prepare(q: Tensor, k: Tensor, v: Tensor, spec: Spec) -> tuple[Tensor, Tensor, Tensor, Spec, int]:
    """Rows of numbers side by side in memory, and a positive scale: its sign moves into q. More heads and batches than
    a grid's axes hold, and few queries of many keys, get a layout that lists every block: its programs share rows.
    """
    scale = spec.scale if abs(spec.scale) >= 4 * torch.finfo(torch.float32).tiny else 0  # a GPU knows none smaller
    sign = (scale > 0) - (scale < 0)
    if sign != 1:
        q, spec = q * sign, replace(spec, scale=abs(scale) or 1.0)
    alone = k.shape[2] > ALONE and q.shape[0] * q.shape[1] * -(-q.shape[2] // 128) < FEW
    if spec.layout is None and (alone or max(q.shape[:2]) > PROGRAMS):
        spec = replace(spec, layout=_every(q.shape[2], k.shape[2], q.device))
    return _rows_of_numbers(q), _rows_of_numbers(k), _rows_of_numbers(v), spec, sign


@lru_cache(8)
def _every(n_query: int, n_key: int, device: torch.device) -> BlockLayout:
    return BlockLayout.dense(n_query, n_key, block=128).to(device)


def _rows_of_numbers(x: Tensor) -> Tensor:
    """x itself, or a copy where the numbers of a row have gaps, or rows are so far apart that a tile's offsets need 64
    bits.
    """
    close = x.stride(-1) == 1 or x.shape[-1] == 1
    return x if close and abs(x.stride(2)) * 128 < 2**31 else x.contiguous()


def _described(x: Tensor) -> tuple[Any, ...]:
    """A tensor as the kernels take it: with the strides of batch, head and row."""
    return x, *x.stride()[:3]


def _launch(step: str, q: Tensor, k: Tensor, v: Tensor, spec: Spec, extra: dict[str, Any]) -> None:
    """Run one kernel. The programs of "dkdv" own tiles of keys, those of the others tiles of queries."""
    by_query = step != "dkdv"
    function = KERNELS[f"{spec.normalizer}_{step}"].function
    arguments = dict.fromkeys(function.arg_names) | _arguments(q, k, v, spec) | extra
    arch, dtype = _arch(q.device), NAMES[q.dtype]
    if arch == "interpret":
        quicken()
    form = _set("form") or default_form(arch, dtype, k.shape[2])
    start = _set("start") or _start
    far = (q, k, v, extra["grad"][0] if "grad" in extra else q)
    wide = max(x.shape[2] * x.stride(2) for x in far) >= 2**31
    heads, length = (q if by_query else k).shape[1:3]
    outputs = [extra[name] for name in OUTPUTS[step]]

    def run(chosen: Tiles) -> None:
        size = (chosen.block_q, chosen.block_k)
        block = size[0 if by_query else 1]
        even = q.shape[2] % size[0] == 0 and k.shape[2] % size[1] == 0
        options = {"causal": spec.causal, "even": even, "wide": wide, "normalizer": spec.normalizer, "form": form}
        fixed = constexprs(q.shape[-1], v.shape[-1], *size, **options)
        grid, parts, walked = (-(-length // block), heads, q.shape[0]), None, None
        if spec.layout is not None and step != "delta":
            walked = lists(spec.layout, *size, by_query, spec.causal, heads * q.shape[0])
            grid = (heads * q.shape[0], walked.items.shape[1])
            stride = 0 if spec.layout.heads == 1 else walked.items.stride(0)
            fixed["layout"] = (walked.items, walked.indices, stride, q.shape[1])
            if walked.parts:
                parts = tuple(x if x is None else _parts(x, walked.parts, block) for x in outputs)
        given = arguments | fixed | {"parts": parts}
        given = {name: given[name] for name in function.arg_names}
        with _one_at_a_time, torch.cuda.device_of(q), numpy.errstate(over="ignore", invalid="ignore"):
            start(function, grid, given, chosen.num_warps, chosen.num_stages)
            if parts is not None and walked is not None:
                merge = import_module("kernels.flash.attention").merge
                pairs: list[Any] = list(zip(parts, outputs))
                for part, x in pairs[:1] if step == "forward" else pairs:
                    lses, lse = (parts[1], outputs[1]) if step == "forward" else (None, None)
                    given = {"parts": part, "lses": lses, "splits": walked.splits, "out": x, "lse": lse, "rows": length}
                    given |= {"DIM": x.shape[3], "BLOCK_D": padded(x.shape[3]), "BLOCK": block}
                    start(merge, (grid[0], len(walked.splits)), given, 4, 1)

    run(_tiles(step, arch, dtype, form, (q, k, v), spec, run))


OUTPUTS = {"forward": ("out", "lse"), "delta": (), "dq": ("dq",), "dkdv": ("dk", "dv")}


def _parts(x: Tensor, count: int, block: int) -> Tensor:
    """Room for parts of tiles of x: [part, batch · head, row, …]."""
    return torch.empty(count, x.shape[0] * x.shape[1], block, *x.shape[3:], dtype=torch.float32, device=x.device)


def _arguments(q: Tensor, k: Tensor, v: Tensor, spec: Spec) -> dict[str, Any]:
    (batch, heads, n_query, _), n_key = q.shape, k.shape[2]
    values = {"q": _described(q), "k": _described(k), "v": _described(v), "n_query": n_query, "n_key": n_key}
    values |= {"group": heads // k.shape[1], "scale": spec.scale, "shift": spec.shift}
    if spec.bias is not None:
        values["bias"] = (spec.bias, *spec.bias.expand(batch, heads, n_query, n_key).stride())
    if spec.key_padding is not None:
        values["padding"] = spec.key_padding.contiguous().view(torch.int8)
    if spec.alibi is not None:
        values["slopes"] = (spec.alibi.contiguous(), heads if spec.alibi.shape[0] > 1 else 0)
    return values


def _arch(device: torch.device) -> str:
    if asked := _set("arch"):
        return asked
    if device.type != "cuda":
        return "interpret"
    if torch.version.hip is not None:
        return "gfx942"
    major, minor = torch.cuda.get_device_capability(device)
    return f"sm_{major}{minor}"


_fastest: dict[tuple, Tiles] = {}  # kind of problem -> the tiles that won


def _tiles(step: str, arch: str, dtype: str, form: str, inputs: Sequence[Tensor], spec: Spec, run: Callable) -> Tiles:
    """Those asked for; cut to the layout's blocks; or on a GPU the fastest that fit: measured once per kind of problem,
    unless a graph is being captured.
    """
    (batch, heads, n_query, dim), (_, kv_heads, n_key, _), (*_, value) = (x.shape for x in inputs)
    options = [x is not None for x in (spec.bias, spec.key_padding, spec.alibi)]
    default = default_tiles(step, arch, dtype, max(dim, value), more=any(options))
    if step == "delta":
        return default
    default = _set("tiles") or default
    if spec.layout is not None:
        return within(default, spec.layout.block)
    capturing = inputs[0].is_cuda and torch.cuda.is_current_stream_capturing()
    if _set("tiles") or _set("tune") is False or arch == "interpret" or capturing:
        return default
    import triton
    from triton.runtime import errors

    sizes = (batch * (kv_heads if step == "dkdv" else heads), n_query, n_key)
    key = (step, spec.normalizer, form, inputs[0].device, dtype, dim, value, spec.causal, *options)
    key += tuple((size - 1).bit_length() for size in sizes)
    tried = [default, *candidates(step, dtype, max(dim, value))]
    tried = [one for one in tried if one == default or (one.block_q <= 2 * n_query and one.block_k <= 2 * n_key)]
    if _set("start"):  # nothing is timed: all that would be started is
        for option in tried[1:]:
            run(option)
        return default
    if key not in _fastest:
        timed = []
        for option in tried:
            try:
                timed.append((triton.testing.do_bench(lambda: run(option), warmup=5, rep=20), option))
            except (errors.OutOfResources, errors.PTXASError):
                continue
        _fastest[key] = min(timed, key=lambda pair: pair[0])[1] if timed else default
    return _fastest[key]

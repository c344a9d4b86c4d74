"""Builds, loads and calls `tiled.cpp`. Where no compiler is, `takes` says no and kernels/tiled.py goes on in PyTorch.

The library is built at first use, in seconds, and kept in the user's cache under a name made of source, compiler and
CPU. `status()` says in words whether it is used, and why not. SEQLAB_NATIVE=0 turns it off.
"""

import ctypes
import hashlib
import logging
import os
import platform
import shlex
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kernels import cache
from kernels.spec import Spec

SOURCE = Path(__file__).with_name("tiled.cpp")
SMALL = 2**20  # multiplications that are not worth a second thread
ADDRESSES, NUMBERS = struct.Struct("17P"), struct.Struct("35q 2d")  # tiled.cpp's Problem
FLAGS = "-std=c++17 -O3 -ffp-contract=fast -fPIC -shared -pthread".split()
KINDS = {torch.float32: 0, torch.float64: 1, torch.bfloat16: 2}
NONE = (0, 0, 0, 0)
_off: list[bool] = []


def takes(q: Tensor) -> bool:
    """Whether the C++ kernel computes this call: any on the CPU."""
    return q.device.type == "cpu" and not _off and _library()[0] is not None


def status() -> str:
    """Whether the C++ kernel is used, in words."""
    return "C++: turned off" if _off else _library()[1]


@contextmanager
def disabled():
    """Inside this block kernels/tiled.py runs in PyTorch alone."""
    _off.append(True)
    try:
        yield
    finally:
        _off.pop()


def forward(q: Tensor, k: Tensor, v: Tensor, spec: Spec) -> tuple[Tensor, Tensor | None]:
    if q.dtype == torch.float16:
        out, lse = forward(q.float(), k.float(), v.float(), spec)
        return out.half(), lse
    out = torch.empty((*q.shape[:3], v.shape[3]), dtype=q.dtype, device="cpu")
    lse = None
    if spec.normalizer == "softmax" and spec.kept:
        lse = torch.empty(q.shape[:3], dtype=wide(q), device="cpu")
    _call("attention_forward", q, k, v, spec, out=out, new_lse=lse)
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
    if q.dtype == torch.float16:
        kept = None if out is None else out.float()
        dq, dk, dv, dbias = backward(grad.float(), q.float(), k.float(), v.float(), kept, lse, spec, wanted)
        return dq.half(), dk.half(), dv.half(), dbias
    dq, dk, dv = (torch.empty(x.shape, dtype=x.dtype, device="cpu") for x in (q, k, v))
    dbias = None
    if wanted[3] and spec.bias is not None:
        shared = spec.bias.numel() < q.shape[0] * q.shape[1] * q.shape[2] * k.shape[2]  # then it is summed in double
        dbias = torch.zeros(spec.bias.shape, dtype=torch.float64 if shared else wide(q), device="cpu")
    _call("attention_backward", q, k, v, spec, grad=grad, result=out, lse=lse, gradients=(dq, dk, dv, dbias))
    return dq, dk, dv, None if dbias is None or spec.bias is None else dbias.to(spec.bias.dtype)


def _call(
    step: str,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    spec: Spec,
    *,
    grad: Tensor | None = None,
    result: Tensor | None = None,
    lse: Tensor | None = None,
    out: Tensor | None = None,
    new_lse: Tensor | None = None,
    gradients: Sequence[Tensor | None] = (None,) * 4,
) -> None:
    """Fill tiled.cpp's Problem and solve it. An address crosses over when its tensor has been checked."""
    (batch, heads, n_query, dim), (_, kv_heads, n_key, value), like, broad = q.shape, v.shape, q.dtype, wide(q)
    of_q, of_k, of_v = (batch, heads, n_query, dim), (batch, kv_heads, n_key, dim), (batch, kv_heads, n_key, value)
    of_row, of_out, (dq, dk, dv, dbias) = (batch, heads, n_query), (batch, heads, n_query, value), gradients
    q, k, v, grad = rows(q), rows(k), rows(v), None if grad is None else rows(grad)
    bias, slopes, padding, layout = spec.bias, spec.alibi, spec.key_padding, spec.layout
    block = listed = offsets = indices = 0
    patterns, density, slopes_stride = 1, 1.0, 0
    if bias is not None:
        bias = bias.to(broad)
    if slopes is not None:
        slopes = slopes.to(broad).contiguous()
        slopes_stride = heads if len(slopes) > 1 else 0
    if padding is not None:
        padding = padding.contiguous()
    if layout is not None:
        block, listed, patterns, density = layout.block, layout.listed, layout.heads, layout.density
        offsets = _address("offsets", layout.offsets, torch.int32, (patterns, -(-n_query // block) + 1))
        indices = _address("indices", layout.indices, torch.int32, (listed,))
    addresses = ADDRESSES.pack(
        _address("q", q, like, of_q, True),
        _address("k", k, like, of_k, True),
        _address("v", v, like, of_v, True),
        bias is not None and _address("bias", bias, broad, bias.shape, True),
        slopes is not None and _address("slopes", slopes, broad, (len(slopes), heads)),
        lse is not None and _address("lse", lse, broad, of_row),
        grad is not None and _address("grad", grad, like, of_out, True),
        result is not None and _address("result", result, like, of_out),
        padding is not None and _address("padding", padding, torch.bool, (batch, n_key)),
        offsets,
        indices,
        out is not None and _address("out", out, like, of_out),
        new_lse is not None and _address("new_lse", new_lse, broad, of_row),
        dq is not None and _address("dq", dq, like, of_q),
        dk is not None and _address("dk", dk, like, of_k),
        dv is not None and _address("dv", dv, like, of_v),
        dbias is not None and bias is not None and _address("dbias", dbias, dbias.dtype, bias.shape),
    )
    strides = *q.stride()[:3], *k.stride()[:3], *v.stride()[:3], *(NONE if grad is None else grad.stride())[:3]
    biases = *(NONE if bias is None else _broadcast(bias)), *(NONE if dbias is None else _broadcast(dbias))
    blocks = block, listed, patterns
    told = numbers(of_q, of_v, like, strides, spec, torch.get_num_threads(), biases, slopes_stride, blocks, density)
    solve(step, addresses + told)


def solve(step: str, problem: bytes) -> None:
    """The function of tiled.cpp named `step`, on one Problem."""
    if getattr(_library()[0], step)(problem):
        raise ValueError("layout: got a list that points outside of its blocks, wanted blocks that exist")


def numbers(
    of_q: Sequence[int],
    of_v: Sequence[int],
    like: torch.dtype,
    strides: Sequence[int],
    spec: Spec,
    threads: int,
    biases: Sequence[int] = NONE + NONE,
    slopes: int = 0,
    blocks: Sequence[int] = (0, 0, 1),
    density: float = 1.0,
) -> bytes:
    """The second part of a Problem. strides: of q, k, v and the gradient, three each."""
    (batch, heads, n_query, dim), (_, kv_heads, n_key, value) = of_q, of_v
    work = batch * heads * n_query * n_key * (dim + value) * density
    return NUMBERS.pack(
        *(batch, heads, kv_heads, n_query, n_key, dim, value, *strides, *biases, slopes, *blocks),
        *(spec.causal, spec.normalizer == "softmax", KINDS[like], 1 if work < SMALL else threads),
        *(spec.scale, spec.shift),
    )


def _address(name: str, x: Tensor, dtype: torch.dtype, shape: tuple[int, ...], gaps: bool = False) -> int:
    """Where tiled.cpp finds the numbers of x: without gaps, or with gaps between rows alone (a bias: anywhere)."""
    if x.dtype is dtype and x.is_cpu and x.shape == shape and (gaps or x.is_contiguous()):
        return x.data_ptr()
    came = f"{x.dtype} on {x.device}, shape {tuple(x.shape)}, strides {x.stride()}"
    raise TypeError(f"{name}: got {came}; tiled.cpp wanted contiguous {dtype} on the CPU, shape {tuple(shape)}")


def rows(x: Tensor) -> Tensor:
    """x, or a copy where the numbers of a row do not lie side by side."""
    return x if x.stride(3) == 1 or x.shape[3] == 1 else x.contiguous()


def _broadcast(x: Tensor) -> tuple[int, ...]:
    """Strides, 0 along axes of length 1."""
    return tuple(stride if size > 1 else 0 for size, stride in zip(x.shape, x.stride()))


def wide(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype is torch.float64 else torch.float32


@lru_cache
def _library() -> tuple[Any, str]:
    """The loaded library, or None; and the words of `status`. Its functions are found by name when they are called."""
    if os.environ.get("SEQLAB_NATIVE") == "0":
        return None, "C++: turned off by SEQLAB_NATIVE=0; PyTorch runs"
    compiler = _compiler()
    if compiler is None:
        return None, "C++: no compiler found ($CXX, g++, clang++, c++); PyTorch runs, several times slower"
    try:
        library, place = _load(compiler)
    except (OSError, subprocess.SubprocessError) as error:
        output = (getattr(error, "stderr", None) or str(error)).strip()
        lines = [line for line in output.splitlines() if "error" in line] or output.splitlines() or ["no message"]
        words = f"C++: the build with {compiler[0]} failed; PyTorch runs, several times slower ({lines[0][:200]})"
        logging.getLogger("seqlab.kernels").warning(words)
        return None, words
    assert library.size_of_problem() == ADDRESSES.size + NUMBERS.size
    for name in ("attention_forward", "attention_backward"):
        getattr(library, name).argtypes, getattr(library, name).restype = [ctypes.c_char_p], ctypes.c_int64
    with suppress(AttributeError):  # of PyTorch's OpenMP, whose threads are awake
        library.use_team(ctypes.cast(ctypes.CDLL(None).GOMP_parallel, ctypes.c_void_p))
    half = "bfloat16 products" if library.has_half() else "bfloat16 computed as float32"
    return library, f"C++: in use, vectors of {library.lanes()} floats, {half} ({place})"


def _compiler() -> list[str] | None:
    for name in (os.environ.get("CXX", ""), "g++", "clang++", "c++"):
        try:
            words = shlex.split(name)
        except ValueError:  # quotes that do not close
            continue
        if words and shutil.which(words[0]):
            return words
    return None


def _load(compiler: list[str]) -> tuple[Any, str]:
    """The library for this source, compiler and CPU, and where it came from: the cache, where its name ends in the
    checksum of what it holds, or built now.
    """
    version = subprocess.run([*compiler, "--version"], capture_output=True, text=True, check=True, timeout=60).stdout
    key = hashlib.sha256(
        "\0".join([SOURCE.read_text(encoding="utf-8"), *compiler, *FLAGS, version, _cpu()]).encode()
    ).hexdigest()
    home = cache.folder()
    for path in home.glob(f"tiled-{key[:16]}-*.so") if cache.private(home) else ():
        with suppress(OSError):  # part of a library can be loaded, and kills the process later
            if cache.own(path) and path.stem.endswith(_checksum(path.read_bytes())):
                return ctypes.CDLL(str(path)), str(path)
            path.unlink()
    logging.getLogger("seqlab.kernels").info("building the CPU kernel once, half a minute")
    tune = "-mcpu=native" if platform.machine() in ("aarch64", "arm64") else "-march=native"
    with tempfile.TemporaryDirectory(prefix="seqlab-", ignore_cleanup_errors=True) as folder:
        built = Path(folder) / "tiled.so"
        command = [*compiler, *FLAGS, tune, str(SOURCE), "-o", str(built)]
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=900)
        content = built.read_bytes()
        path = home / f"tiled-{key[:16]}-{_checksum(content)}.so"
        try:
            cache.write(path, content)
        except OSError:
            return ctypes.CDLL(str(built)), f"built anew by each process: {home} is not to be used"
    return ctypes.CDLL(str(path)), str(path)


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _cpu() -> str:
    """What the machine code depends on: a cache may be shared by different machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return "\n".join(sorted({line for line in lines if line.split("\t")[0] in ("model name", "flags", "Features")}))
    except OSError:
        return " ".join(platform.uname()[4:]) + platform.processor()

"""Builds, loads and calls `tiled.cpp`. Where no compiler is, `takes` says no and kernels/tiled.py goes on in PyTorch.

The library is built at first use, in seconds, and kept in the user's cache under a name made of source, compiler and
CPU. `status()` says in words whether it is used, and why not. SEQLAB_NATIVE=0 turns it off.

A call reaches it in one of two ways. `attention` hands a plain one to `front.cpp`, which is built against PyTorch and
takes few microseconds; `forward` and `backward` pack the same numbers in Python, for what is not plain, and where the
headers of Python or PyTorch are missing.
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
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kernels import cache
from kernels.spec import Spec

SOURCE, FRONT, HEADER = (Path(__file__).with_name(name) for name in ("tiled.cpp", "front.cpp", "problem.h"))
SMALL = 2**20  # multiplications that are not worth a second thread
ADDRESSES, NUMBERS = struct.Struct("17P"), struct.Struct("35q 2d")  # tiled.cpp's Problem
FLAGS = "-std=c++17 -O3 -ffp-contract=fast -fPIC -shared -pthread".split()
FRONT_FLAGS = "-std=c++20 -O2 -fPIC -shared".split()
STEPS = ("forward", "backward")
KINDS = {torch.float32: 0, torch.float64: 1, torch.bfloat16: 2}
_off: list[bool] = []


def takes(q: Tensor) -> bool:
    """Whether the C++ kernel computes this call: any on the CPU."""
    return q.device.type == "cpu" and not _off and _library()[0] is not None


def attention(*arguments: Any) -> Tensor | None:
    """The output of a plain call; None where it has to go the long way, or nobody can take it here.

    arguments: q, k, v, normalizer, causal, bias, key_padding, alibi and scale of `kernels.attention`, unchecked.
    """
    front = None if _off else _front()
    return None if front is None else front(*arguments)


def status() -> str:
    """Whether the C++ kernel is used, in words."""
    if _off:
        return "C++: turned off"
    slower = "; called by way of Python, slower where inputs are short: headers of Python or PyTorch are missing"
    return _library()[1] + (slower if _library()[0] is not None and _front() is None else "")


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
    _call("forward", q, k, v, spec, out=out, new_lse=lse)
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
    _call("backward", q, k, v, spec, grad=grad, result=out, lse=lse, gradients=(dq, dk, dv, dbias))
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
    pointers = (
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
    none = (0, 0, 0, 0)
    strides = *q.stride()[:3], *k.stride()[:3], *v.stride()[:3], *(none if grad is None else grad.stride())[:3]
    biases = *(none if bias is None else _broadcast(bias)), *(none if dbias is None else _broadcast(dbias))
    work = batch * heads * n_query * n_key * (dim + value) * density
    sizes = batch, heads, kv_heads, n_query, n_key, dim, value
    threads = 1 if work < SMALL else torch.get_num_threads()
    kind = spec.causal, spec.normalizer == "softmax", KINDS[like], threads, spec.scale, spec.shift
    told = NUMBERS.pack(*sizes, *strides, *biases, slopes_stride, block, listed, patterns, *kind)
    if getattr(_library()[0], f"attention_{step}")(ADDRESSES.pack(*pointers) + told):
        raise ValueError("layout: got a list that points outside of its blocks, wanted blocks that exist")


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
    for step in STEPS:
        function = getattr(library, f"attention_{step}")
        function.argtypes, function.restype = [ctypes.c_char_p], ctypes.c_int64
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


@lru_cache
def _front() -> Callable[..., Tensor | None] | None:
    """front.cpp's `attention`, or None where it cannot be built. It and tiled.cpp are built side by side."""
    compiler = _compiler()
    if compiler is None or os.environ.get("SEQLAB_NATIVE") == "0":
        return None
    home = Path(torch.__path__[0])
    places = sysconfig.get_path("include"), home / "include", home / "include/torch/csrc/api/include"
    flags = [*FRONT_FLAGS, *(f"-I{place}" for place in places), f"-L{home / 'lib'}"]
    flags += [
        f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}",
        "-ltorch_python",
        "-ltorch_cpu",
        "-lc10",
    ]
    flags += ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []
    try:
        with ThreadPoolExecutor(1) as pool:
            later = pool.submit(_load, compiler, FRONT, [torch.__version__, sys.version], flags, _module)
            library = _library()[0]
            front = later.result()[0]
    except (OSError, ImportError, RuntimeError, subprocess.SubprocessError) as error:  # no thread is to be had, too
        logging.getLogger("seqlab.kernels").info(f"front.cpp is not used: {getattr(error, 'stderr', None) or error}")
        return None
    if library is None:
        return None
    front.use(*(ctypes.cast(getattr(library, f"attention_{step}"), ctypes.c_void_p).value for step in STEPS))
    return front.attention


def _module(path: str) -> Any:
    """A library that Python can import."""
    loader = ExtensionFileLoader("kernels.front", path)
    return loader.create_module(ModuleSpec("kernels.front", loader, origin=path))


def _load(
    compiler: list[str],
    source: Path | None = None,
    versions: Sequence[str] = (),
    flags: Sequence[str] = (),
    load: Callable[[str], Any] = ctypes.CDLL,
) -> tuple[Any, str]:
    """The library for this source, compiler and CPU, and where it came from: the cache, where its name ends in the
    checksum of what it holds, or built now.

    versions: what else it depends on. flags: tiled.cpp's own where there are none.
    """
    source = source or SOURCE
    flags = flags or [*FLAGS, "-mcpu=native" if platform.machine() in ("aarch64", "arm64") else "-march=native"]
    version = subprocess.run([*compiler, "--version"], capture_output=True, text=True, check=True, timeout=60).stdout
    texts = (file.read_text(encoding="utf-8") for file in (source, HEADER))
    key = hashlib.sha256("\0".join([*texts, *compiler, *flags, *versions, version, _cpu()]).encode()).hexdigest()
    home, name = cache.folder(), f"{source.stem}-{key[:16]}"
    for path in home.glob(f"{name}-*.so") if cache.private(home) else ():
        with suppress(OSError, ImportError):  # part of a library can be loaded, and kills the process later
            if cache.own(path) and path.stem.endswith(_checksum(path.read_bytes())):
                return load(str(path)), str(path)
            path.unlink()
    logging.getLogger("seqlab.kernels").info("building the CPU kernel once, half a minute")
    with tempfile.TemporaryDirectory(prefix="seqlab-", ignore_cleanup_errors=True) as folder:
        built = Path(folder) / "built.so"
        command = [*compiler, str(source), *flags, "-o", str(built)]
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=900)
        content = built.read_bytes()
        path = home / f"{name}-{_checksum(content)}.so"
        try:
            cache.write(path, content)
        except OSError:
            return load(str(built)), f"built anew by each process: {home} is not to be used"
    return load(str(path)), str(path)


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _cpu() -> str:
    """What the machine code depends on: a cache may be shared by different machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return "\n".join(sorted({line for line in lines if line.split("\t")[0] in ("model name", "flags", "Features")}))
    except OSError:
        return " ".join(platform.uname()[4:]) + platform.processor()

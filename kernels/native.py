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
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from torch import Tensor

from kernels import cache
from kernels.spec import Spec

SOURCE = Path(__file__).with_name("tiled.cpp")
HIDDEN = -1e30  # tiled.cpp's score of a key that is not to be seen
QUERIES = 256  # of a tile, when no layout says otherwise
SMALL = 2**22  # multiplications that are not worth a second thread
_off: list[bool] = []

POINTERS: list[str] = [
    *"q keys values hide slopes full offsets indices offsets_t indices_t out lse rows grad delta dq dk dv".split()
]
NUMBERS = (
    "batch heads kv_heads n_query n_key dim value q_block q_blocks q_room q_rows k_block k_blocks panels width "
    "layout_heads listed batched_keys batched_slopes causal softmax half parts threads"
)


class Problem(ctypes.Structure):
    """The struct of the same name in tiled.cpp."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in POINTERS),
        ("bytes", ctypes.c_int64 * len(POINTERS)),
        ("wanted", ctypes.c_int64),
        *((name, ctypes.c_int64) for name in NUMBERS.split()),
        ("scale", ctypes.c_float),
        ("shift", ctypes.c_float),
    ]


def takes(q: Tensor, spec: Spec) -> bool:
    """Whether the C++ kernel computes this call: any `spec` without a bias tensor, on the CPU, up to 32 bits."""
    fits = q.device.type == "cpu" and spec.bias is None and q.dtype in (torch.float32, torch.float16, torch.bfloat16)
    return fits and not _off and _library()[0] is not None


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
    library, _ = _library()
    call = _Call(q, k, v, spec, half=q.dtype == torch.bfloat16 and bool(library.has_half()))
    call.pack(keys=call.panels(k), values=call.values(v))
    out = call.put(out=call.zeros(q.shape[1], call.query_rows, v.shape[3]))
    lse = call.put(lse=out.new_empty(out.shape[:3])) if spec.normalizer == "softmax" else None
    call.run(library.attention_forward)
    lse = None if lse is None else call.query_tokens(lse[..., None], lse[..., None]).squeeze(-1)
    return call.query_tokens(out, q, v.shape[3]), lse


def backward(
    grad: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor | None, lse: Tensor | None, spec: Spec
) -> tuple[Tensor, Tensor, Tensor]:
    library, _ = _library()
    call = _Call(q, k, v, spec)
    call.pack(keys=call.panels(k), values=call.panels(v), rows=call.keys(k), grad=call.queries(grad))
    if out is not None and lse is not None:
        delta = reduce(grad.float() * out, "batch head query value -> batch head query 1", "sum")
        norm = lse.masked_fill(lse == -torch.inf, -HIDDEN)[..., None]
        call.pack(lse=call.rows(norm), delta=call.rows(delta))
    problem, (heads, dim), (kv_heads, value) = call.problem, q.shape[1::2], v.shape[1::2]
    problem.parts = min(-(-2 * problem.threads // (problem.batch * kv_heads)), problem.k_blocks)
    dq = call.put(dq=torch.stack([call.zeros(heads, call.query_rows, dim) for _ in range(problem.parts)]))
    dk = call.put(dk=call.zeros(kv_heads, call.key_rows, dim))
    dv = call.put(dv=call.zeros(kv_heads, call.key_rows, value))
    call.run(library.attention_backward)
    dq = (dq[0] if problem.parts == 1 else dq.sum(0)).mul_(spec.scale)
    return call.query_tokens(dq, q, dim), call.key_tokens(dk.mul_(spec.scale), k), call.key_tokens(dv, v)


class _Call:
    """One call's `Problem`, and its tensors as tiled.cpp reads them: tokens in padded blocks, rows in whole vectors.

    half: bfloat16 in pairs, seen as int32; otherwise float32.
    """

    def __init__(self, q: Tensor, k: Tensor, v: Tensor, spec: Spec, half: bool = False) -> None:
        layout, (batch, heads, n_query, dim), n_key = spec.layout, q.shape, k.shape[2]
        self.half, self.kept, self.lanes = half, [], _library()[0].lanes()
        most = _library()[0].widest() * self.lanes
        self.q_block, k_block = (min(QUERIES, n_query), min(most, n_key)) if layout is None else (layout.block,) * 2
        panels = -(-k_block // most)
        self.panel = self.lanes * _power(-(-k_block // (panels * self.lanes)))
        self.k_block = self.panel if layout is None else k_block
        self.q_room, self.k_room = _up(self.q_block, 4), panels * self.panel
        q_blocks, k_blocks = -(-n_query // self.q_block), -(-n_key // self.k_block)
        self.query_rows, self.key_rows = q_blocks * self.q_room, k_blocks * self.k_room
        work = batch * heads * n_query * n_key * (dim + v.shape[3]) * (1 if layout is None else layout.density)
        self.problem = Problem(
            batch=batch,
            heads=heads,
            kv_heads=k.shape[1],
            n_query=n_query,
            n_key=n_key,
            dim=_up(dim, self.lanes) // (2 if half else 1),
            value=_up(v.shape[3], self.lanes),
            q_block=self.q_block,
            q_blocks=q_blocks,
            q_room=self.q_room,
            q_rows=self.query_rows,
            k_block=self.k_block,
            k_blocks=k_blocks,
            panels=panels,
            width=self.panel // self.lanes,
            causal=spec.causal,
            softmax=spec.normalizer == "softmax",
            half=half,
            layout_heads=layout.heads if layout else 1,
            listed=layout.listed if layout else 0,
            threads=1 if work < SMALL else torch.get_num_threads(),
            scale=spec.scale,
            shift=spec.shift,
        )
        self.pack(q=self.queries(q))
        every = torch.ones(1, n_key, dtype=torch.float32, device=q.device)
        self._put_visible(every if spec.key_padding is None else spec.key_padding.float())
        if spec.alibi is not None:
            self.pack(slopes=spec.alibi.float())
            self.problem.batched_slopes = len(spec.alibi) > 1
        if layout is not None:
            names = ("offsets", "indices", "offsets_t", "indices_t")
            self.pack(**{name: getattr(layout, name) for name in names})

    def _put_visible(self, real: Tensor) -> None:
        real = _blocks(real[:, None, :, None], self.k_block, self.k_room)[:, 0, :, 0]
        counts = reduce(real, "batch (panel key) -> batch panel", "sum", key=self.panel)
        self.pack(full=(counts > 0).byte() + (counts == self.panel).byte(), hide=(1 - real) * HIDDEN)
        self.problem.batched_keys = len(real) > 1

    def put(self, **tensors: Tensor) -> Tensor:
        """Point fields of the problem at tensors, and keep these alive. Returns the last one."""
        for name, x in tensors.items():
            ints = name.startswith(("offsets", "indices")) or (self.half and name in ("q", "keys", "values"))
            wanted = torch.uint8 if name == "full" else torch.int32 if ints else torch.float32
            if x.dtype != wanted or x.device.type != "cpu" or not x.is_contiguous():
                came = f"{x.dtype} on {x.device}, shape {tuple(x.shape)}, strides {x.stride()}"
                raise TypeError(f"{name}: got {came}; tiled.cpp wanted contiguous {wanted} on the CPU")
            self.kept.append(x)
            setattr(self.problem, name, x.data_ptr())
            self.problem.bytes[POINTERS.index(name)] = x.nbytes
        return x

    def pack(self, **tensors: Tensor) -> None:
        """`put` what is only read: a contiguous copy serves as well."""
        self.put(**{name: x.contiguous() for name, x in tensors.items()})

    def run(self, function: Callable[..., int]) -> None:
        """Call tiled.cpp, which checks every length before it reads or writes."""
        place = function(ctypes.byref(self.problem))
        if place < 0:
            raise ValueError("layout: got a list that points outside of its blocks, wanted blocks that exist")
        if place:
            came, wanted = self.problem.bytes[place - 1], self.problem.wanted
            raise ValueError(f"{POINTERS[place - 1]}: got {came} bytes, tiled.cpp wanted {wanted}")

    def zeros(self, heads: int, rows: int, dim: int) -> Tensor:
        shape = (self.problem.batch, heads, rows, _up(dim, self.lanes))
        return torch.zeros(shape, dtype=torch.float32, device="cpu")

    def rows(self, x: Tensor) -> Tensor:
        return _blocks(x, self.q_block, self.q_room)

    def queries(self, x: Tensor) -> Tensor:
        return self._vectors(self.rows(x))

    def keys(self, x: Tensor) -> Tensor:
        return self._vectors(_blocks(x, self.k_block, self.k_room))

    def panels(self, x: Tensor) -> Tensor:
        return rearrange(self.keys(x), "batch head (panel key) dim -> batch head panel dim key", key=self.panel)

    def values(self, x: Tensor) -> Tensor:
        if not self.half:
            return self.keys(x)
        x = _pad(_blocks(x, self.k_block, self.k_room), 0, -x.shape[3] % self.lanes)
        return _pairs(rearrange(x, "batch head (key two) value -> batch head key (value two)", two=2))

    def _vectors(self, x: Tensor) -> Tensor:
        x = _pad(x, 0, -x.shape[3] % self.lanes)
        return _pairs(x) if self.half else x.float()

    def query_tokens(self, x: Tensor, like: Tensor, dim: int = 1) -> Tensor:
        return _own(_tokens(x, self.q_block, self.q_room, self.problem.n_query, dim).to(like.dtype))

    def key_tokens(self, x: Tensor, like: Tensor) -> Tensor:
        return _own(_tokens(x, self.k_block, self.k_room, like.shape[2], like.shape[3]).to(like.dtype))


def _pairs(x: Tensor) -> Tensor:
    """Two bfloat16 in the place of one int32."""
    x = x.contiguous()
    return (x.clone() if x.storage_offset() % 2 else x).view(torch.int32)  # pairs start at even places


def _own(x: Tensor) -> Tensor:
    """x in memory of its own, never a view of the padded room."""
    x = x.contiguous()
    return x if x._base is None else x.clone()


def _power(n: int) -> int:
    """The power of two that n fits in."""
    return 1 << (n - 1).bit_length()


def _up(n: int, unit: int) -> int:
    return -(-n // unit) * unit


def _pad(x: Tensor, rows: int, columns: int) -> Tensor:
    return F.pad(x, (0, columns, 0, rows)) if rows or columns else x


def _blocks(x: Tensor, block: int, room: int) -> Tensor:
    """Tokens in whole blocks, each padded with zeros to `room`."""
    x = _pad(x, -x.shape[2] % block, 0)
    if block == room:
        return x
    x = rearrange(x, "batch head (block token) dim -> batch head block token dim", token=block)
    return rearrange(_pad(x, room - block, 0), "batch head block token dim -> batch head (block token) dim")


def _tokens(x: Tensor, block: int, room: int, n: int, dim: int) -> Tensor:
    """The reverse of `_blocks`: `n` tokens, `dim` numbers of each."""
    if block != room:
        x = rearrange(x, "batch head (block token) dim -> batch head block token dim", token=room)[:, :, :, :block]
        x = rearrange(x, "batch head block token dim -> batch head (block token) dim")
    return x[:, :, :n, :dim]


@lru_cache
def _library() -> tuple[Any, str]:
    """The loaded library, or None; and the words of `status`. Its functions are found by name when they are called."""
    if os.environ.get("SEQLAB_NATIVE") == "0":
        return None, "C++: turned off by SEQLAB_NATIVE=0; PyTorch runs"
    compiler = _compiler()
    if compiler is None:
        return None, "C++: no compiler found ($CXX, g++, clang++, c++); PyTorch runs, several times slower"
    try:
        path = _build(compiler)
        try:
            library = ctypes.CDLL(str(path))
        except OSError:  # a damaged file in the cache
            path.unlink(missing_ok=True)
            library = ctypes.CDLL(str(_build(compiler)))
    except (OSError, subprocess.SubprocessError) as error:
        output = (getattr(error, "stderr", None) or str(error)).strip()
        lines = [line for line in output.splitlines() if "error" in line] or output.splitlines() or ["no message"]
        words = f"C++: the build with {compiler[0]} failed; PyTorch runs, several times slower ({lines[0][:200]})"
        logging.getLogger("seqlab.kernels").warning(words)
        return None, words
    for name in ("attention_forward", "attention_backward"):
        getattr(library, name).argtypes, getattr(library, name).restype = [ctypes.POINTER(Problem)], ctypes.c_int64
    half = "bfloat16 products" if library.has_half() else "bfloat16 computed as float32"
    return library, f"C++: in use, vectors of {library.lanes()} floats, {half} ({path})"


def _compiler() -> list[str] | None:
    for name in (os.environ.get("CXX", ""), "g++", "clang++", "c++"):
        try:
            words = shlex.split(name)
        except ValueError:  # quotes that do not close
            continue
        if words and shutil.which(words[0]):
            return words
    return None


def _build(compiler: list[str]) -> Path:
    """The library for this source, compiler and CPU, from the cache or built now and moved into place in one step."""
    version = subprocess.run([*compiler, "--version"], capture_output=True, text=True, check=True, timeout=60).stdout
    key = hashlib.sha256(
        "\0".join([SOURCE.read_text(encoding="utf-8"), *compiler, version, _cpu()]).encode()
    ).hexdigest()
    home = cache.folder()
    with suppress(OSError):
        home.mkdir(parents=True, exist_ok=True)
    if not os.access(home, os.W_OK):  # built again by each process
        home = Path(tempfile.mkdtemp())
    path, fresh = home / f"tiled-{key[:16]}.so", home / f".tiled-{os.getpid()}.so"
    if not path.exists():
        logging.getLogger("seqlab.kernels").info("building the CPU kernel once, about ten seconds")
        tune = "-mcpu=native" if platform.machine() in ("aarch64", "arm64") else "-march=native"
        flags = ["-std=c++17", "-O2", tune, "-fPIC", "-shared", "-pthread"]
        command = [*compiler, *flags, str(SOURCE), "-o", str(fresh)]
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
        fresh.replace(path)
    return path


def _cpu() -> str:
    """What the machine code depends on: a cache may be shared by different machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return "\n".join(sorted({line for line in lines if line.split("\t")[0] in ("model name", "flags", "Features")}))
    except OSError:
        return " ".join(platform.uname()[4:]) + platform.processor()

"""What is computed on a GPU: some 60 cases at fixed tiles that must be right, each against float64, then what is timed.

The sigmoid is checked strictly in its exponential form. In the tanh form, whose instruction is coarse, PyTorch's peer
has to make do with that instruction, too (`kernels.compare`).
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from kernels.api import read
from kernels.compare import judge, results
from kernels.flash import launch
from kernels.flash.catalogue import Tiles
from kernels.layout import BlockLayout

SEED = 0
HALF = torch.float16


@dataclass(frozen=True)
class Case:
    """One problem: sizes of q, k and v, what `kernels.attention` is asked for, and the sigmoid's form."""

    name: str
    n_query: int
    n_key: int
    dim: int
    options: dict[str, Any] = field(default_factory=dict)
    heads: int = 4
    kv_heads: int = 4
    batch: int = 2
    normalizer: str = "softmax"
    dtype: torch.dtype = HALF
    form: str | None = None
    tune: bool = False

    @property
    def key(self) -> str:
        return f"{self.name}, {self.normalizer}{f' ({self.form})' if self.form else ''}, {str(self.dtype)[6:]}"

    def inputs(self, device: str, make: Callable[..., Tensor] | None = None) -> list[Tensor]:
        """q, k and v, drawn on the CPU, the same everywhere; `make(shape)` in place of that."""
        draw = torch.Generator().manual_seed(SEED)
        make = make or (lambda *shape: torch.randn(*shape, generator=draw))
        sizes = ((self.heads, self.n_query), (self.kv_heads, self.n_key), (self.kv_heads, self.n_key))
        return [make(self.batch, heads, length, self.dim).to(device, self.dtype) for heads, length in sizes]

    def asked(self, device: str) -> dict[str, Any]:
        """The options of `kernels.attention`."""
        moved = {name: x.to(device) if hasattr(x, "to") else x for name, x in self.options.items()}
        return moved | {"normalizer": self.normalizer}


def cases(tiny: bool) -> list[Case]:
    """tiny: for the interpreter."""
    plain = list(shapes(tiny))
    made = [Case(**shape) for shape in plain]
    made += [Case(**shape, normalizer="sigmoid", form="exp2") for shape in plain]
    few = plain[-3:] if tiny else [plain[at] for at in (2, 5, 8, 14, 18)]
    if not tiny:
        made += [Case(**shape, normalizer="sigmoid", form="tanh") for shape in few if shape["n_key"] <= 1024]
        made += [Case(**shape, dtype=torch.bfloat16) for shape in few]
    for name in ("softmax", "sigmoid"):
        form = "exp2" if name == "sigmoid" else None
        made += [Case(**shape, normalizer=name, form=form, dtype=torch.float32) for shape in few[:2]]
    return made


def shapes(tiny: bool) -> Iterator[dict[str, Any]]:
    lengths = (
        ((1, 1, 16), (7, 33, 20), (32, 48, 16)) if tiny else ((1, 1, 16), (7, 63, 40), (63, 111, 64), (257, 257, 80))
    )
    lengths += () if tiny else ((512, 512, 128), (1000, 2048, 64), (300, 300, 256))
    heads = {"heads": 2, "kv_heads": 2} if tiny else {}
    for (n_query, n_key, dim), causal in itertools.product(lengths, (False, True)):
        name = f"{n_query} × {n_key}, dim {dim}{', causal' if causal else ''}"
        yield {"name": name, "n_query": n_query, "n_key": n_key, "dim": dim, "options": {"causal": causal}} | heads
    n, dim = (21, 20) if tiny else (300, 64)
    shape = {"n_query": n, "n_key": n, "dim": dim} | heads
    draw = torch.Generator().manual_seed(SEED)
    bias = torch.randn(heads.get("heads", 4), n, n, generator=draw)
    slopes = torch.tensor([0.5, 0.25, 0.125, 0.0625][: heads.get("heads", 4)])
    yield shape | {"name": "padded", "options": {"key_padding": torch.arange(n)[None] < torch.tensor([[n // 2], [0]])}}
    yield shape | {"name": "alibi", "options": {"alibi": slopes}}
    yield shape | {"name": "trained bias", "options": {"bias": bias}}
    yield shape | {"name": "grouped queries", "kv_heads": 1}
    for block, causal in ((16, True),) if tiny else ((16, False), (64, False), (64, True), (128, True)):
        options = {"layout": BlockLayout.bigbird(n, block=block, seed=SEED), "causal": causal}
        yield shape | {"name": f"blocks of {block}{', causal' if causal else ''}", "options": options}
    if not tiny:  # global rows of 80 tiles, which several programs share
        options = {"layout": BlockLayout.bigbird(5120, block=64, seed=SEED)}
        sizes = {"n_query": 5120, "n_key": 5120, "heads": 1, "kv_heads": 1, "batch": 1}
        yield shape | sizes | {"name": "long rows", "options": options}


def verify(case: Case, device: str, impl: str) -> str | None:
    """What is wrong, in words: the output and every gradient against float64. The interpreter gets small tiles, so that
    there are several.
    """
    q, k, v = case.inputs(device)
    try:
        tiles = Tiles(16, 16, 4, 1) if impl == "interpret" else None
        with launch.setting(tune=False, form=case.form, tiles=tiles):
            got = results(q, k, v, impl=impl, **case.asked(device))
        judge(got, q, k, v, tanh=case.form == "tanh", **case.asked(device))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def variants(
    asked: Iterable[Case], device: str, arch: str | None, do: Callable[[int, Callable], object] | None = None
) -> set:
    """What Triton compiles for these cases. do(number, compile): called for each variant that is new."""
    found: dict[tuple, int] = {}

    def start(function: Any, grid: tuple, arguments: dict[str, Any], warps: int, stages: int) -> None:
        kinds = {name: x if name.isupper() else _kind(x) for name, x in arguments.items()}
        key = (function.fn.__name__, *kinds.items(), warps, stages)
        if key not in found:
            found[key] = len(found)
            if do is not None:
                options = {"num_warps": warps, "num_stages": stages}
                do(found[key], lambda: function.warmup(grid=grid, **arguments, **options))

    with launch.setting(start=start, arch=arch):
        for case in asked:
            room = {"dtype": case.dtype, "device": device}
            q, k, v = case.inputs(device, lambda *shape, room=room: torch.empty(*shape, **room))
            spec = read(q, k, v, **case.asked(device))
            with launch.setting(tune=case.tune, form=case.form):
                out, lse = launch.forward(q, k, v, spec)
                launch.backward(
                    torch.empty_like(out), q, k, v, out, lse, spec, (True, True, True, "bias" in case.options)
                )
    return set(found)


def _kind(x: Any) -> Any:
    """What of an argument a variant depends on, by the rules of Triton's launcher."""
    if isinstance(x, tuple):
        return tuple(map(_kind, x))
    if isinstance(x, Tensor):
        return x.dtype
    if isinstance(x, int) and not isinstance(x, bool):
        return "1" if x == 1 else (x % 16 == 0, x >= 2**31)
    return "number" if isinstance(x, float) else x


def problems(tiny: bool, quick: bool) -> Iterator[dict[str, Any]]:
    """What is timed: 16 k tokens in a batch whatever the length; the device is full, and memory stays in bounds."""
    lengths = (32,) if tiny else (1024, 8192) if quick else (512, 1024, 2048, 4096, 8192, 16384, 32768)
    for dim, n, pattern in itertools.product((16,) if tiny else (64, 128), lengths, ("full", "causal", "bigbird")):
        batch, heads = (1, 1) if tiny else (max(16384 // n, 1), 2048 // dim)
        yield {"n": n, "dim": dim, "pattern": pattern, "batch": batch, "heads": heads}


def ours(problem: dict[str, Any], tiny: bool) -> list[Case]:
    """A problem for our own kernels: each normalizer, and the tanh form whatever the length."""
    n, heads = problem["n"], problem["heads"]
    options = {"causal": problem["pattern"] == "causal"}
    if problem["pattern"] == "bigbird":
        options["layout"] = BlockLayout.bigbird(n, block=16 if tiny else 64, seed=SEED)
    shape = {"n_query": n, "n_key": n, "dim": problem["dim"], "heads": heads, "kv_heads": heads}
    name = f"{problem['pattern']}, n {n}, dim {problem['dim']}"
    shape |= {"options": options, "batch": problem["batch"], "tune": True}
    forms = (("softmax", None), ("sigmoid", None), *(() if tiny else (("sigmoid", "tanh"),)))
    return [Case(name, normalizer=normalizer, form=form, **shape) for normalizer, form in forms]


def planned(quick: bool) -> list[Case]:
    """All that runs on a GPU, in its order."""
    return [*cases(tiny=False), *(case for problem in problems(False, quick) for case in ours(problem, False))]


def compile_in_parallel(asked: Iterable[Case], quick: bool) -> None:
    """Into Triton's cache on disk, by as many processes as there are cores."""
    keys, count = {case.key for case in asked}, min(os.cpu_count() or 1, 32)
    with multiprocessing.get_context("spawn").Pool(count) as pool:
        pool.starmap(_share, [(keys, quick, at, count) for at in range(count)])


def _share(keys: set[str], quick: bool, mine: int, of: int) -> None:
    asked = [case for case in planned(quick) if case.key in keys]
    variants(asked, "cuda", None, lambda number, compile_: compile_() if number % of == mine else None)

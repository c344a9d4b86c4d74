"""The kernels by name: how each is specialised for a problem, and its default tiles on each architecture.

Neither PyTorch nor Triton is imported until a kernel's arguments are asked for.
"""

from dataclasses import dataclass, replace
from importlib import import_module
from itertools import product
from typing import Any

ARCHS = ("sm_80", "sm_90", "sm_100", "gfx942")
DTYPES = {"fp16": 2, "bf16": 2, "fp32": 4}
WIDEST = 256  # head dim
TANH_KEYS = 1024  # more keys have weights too small for the tanh instruction, whose error is up to 2⁻¹²
FUNCTIONS = {"forward": "forward", "dq": "backward_query", "dkdv": "backward_key", "delta": "delta"}


@dataclass(frozen=True)
class Tiles:
    """What a program holds at once, and how many warps and pipeline stages it runs with."""

    block_q: int
    block_k: int
    num_warps: int
    num_stages: int


@dataclass(frozen=True)
class Specialisation:
    """One variant of a kernel as Triton's launcher would compile it.

    signature: type of each argument that stays a variable, or of its parts, where a number is a constant;
    constants: the other arguments; divisible: multiples of 16.
    """

    signature: dict[str, Any]
    constants: dict[str, Any]
    divisible: tuple[str, ...]
    num_warps: int
    num_stages: int


@dataclass(frozen=True)
class Kernel:
    normalizer: str
    step: str

    @property
    def function(self) -> Any:
        """The @triton.jit function."""
        return getattr(import_module("kernels.flash.attention"), FUNCTIONS[self.step])

    def specialise(
        self,
        arch: str,
        *,
        dtype: str = "fp16",
        dim: int = 64,
        value: int | None = None,
        causal: bool = False,
        sparse: bool = False,
        bias: bool = False,
        padding: bool = False,
        alibi: bool = False,
        train_bias: bool = False,
        even: bool = True,
        wide: bool = False,
        group: int = 1,
        form: str | None = None,
        block_q: int | None = None,
        block_k: int | None = None,
        num_warps: int | None = None,
        num_stages: int | None = None,
        block: int = 64,
    ) -> Specialisation:
        """The variant for contiguous rows of `dim` numbers whose strides and lengths are multiples of 16.

        block: of a layout, `sparse`. Raises ValueError for a dtype, form or size that the kernels do not have.
        """
        if dtype not in DTYPES:
            raise ValueError(f"dtype: got {dtype!r}, wanted one of {', '.join(DTYPES)}")
        if form not in (None, "tanh", "exp2", "rcp"):
            raise ValueError(f"form: got {form!r}, wanted 'tanh', 'exp2' or 'rcp'")
        value = dim if value is None else value
        sizes = {"dim": dim, "value": value, "group": group, "block_q": block_q, "block_k": block_k}
        sizes |= {"num_warps": num_warps, "num_stages": num_stages, "block": block}
        for name, size in sizes.items():
            if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
                raise ValueError(f"{name}: got {size!r}, wanted a whole number, at least 1")
        if max(dim, value) > WIDEST:
            raise ValueError(f"dim: got {max(dim, value)}, the kernels reach {WIDEST}")
        tiles = default_tiles(
            self.step, arch, dtype, max(dim, value), block if sparse else None, bias or padding or alibi
        )
        block_q, block_k = block_q or tiles.block_q, block_k or tiles.block_k
        tensor = (f"*{dtype}", "i32", "i32", "i32")
        types: dict[str, Any] = dict.fromkeys(("q", "k", "v", "grad"), tensor)
        types |= dict.fromkeys(("out", "dq", "dk", "dv"), f"*{dtype}") | dict.fromkeys(("lse", "delta"), "*fp32")
        types |= {"n_query": "i32", "n_key": "i32", "group": "i32", "scale": "fp32", "shift": "fp32"}
        if self.step == "delta":
            types["out"] = tensor
        types |= {"bias": (*tensor, 1)} if bias else {}
        types |= {"padding": "*i8"} if padding else {}
        types |= {"slopes": ("*fp32", "i32")} if alibi else {}
        types |= {"dscores": "*fp32"} if train_bias else {}
        types |= {"layout": ("*i32", "*i32", "i32", "i32")} if sparse else {}
        options = {"causal": causal, "even": even, "wide": wide, "normalizer": self.normalizer}
        constants = constexprs(dim, value, block_q, block_k, form=form or default_form(arch, dtype), **options)
        constants |= {name: None for name in ("lse", "delta") if self.normalizer == "sigmoid"}
        constants |= {"group": 1} if group == 1 else {}
        arguments = self.function.arg_names
        constants = {name: constants.get(name) for name in arguments if name in constants or name not in types}
        signature = {name: types[name] for name in arguments if name not in constants}
        odd = ("group", "scale", "shift", *([] if even else ["n_query", "n_key"]))
        divisible = tuple(name for name in signature if name not in odd)
        return Specialisation(
            signature, constants, divisible, num_warps or tiles.num_warps, num_stages or tiles.num_stages
        )


def constexprs(
    dim: int,
    value: int,
    block_q: int,
    block_k: int,
    *,
    causal: bool,
    even: bool,
    wide: bool,
    form: str,
    normalizer: str,
) -> dict[str, Any]:
    """The compile-time arguments of a kernel."""
    return {
        "DIM": dim,
        "VALUE": value,
        "BLOCK_D": padded(dim),
        "BLOCK_V": padded(value),
        "BLOCK_Q": block_q,
        "BLOCK_K": block_k,
        "CAUSAL": causal,
        "EVEN": even,
        "WIDE": wide,
        "NORMALIZER": normalizer,
        "FORM": form if normalizer == "sigmoid" else "exp2",
    }


def padded(dim: int) -> int:
    """A power of two, 16 at least: the least that a matrix product takes."""
    return max(16, 1 << (dim - 1).bit_length())


def default_form(arch: str, dtype: str, n_key: int = 0) -> str:
    """The tanh instruction where there is one and 11 bits are enough, AMD's reciprocal, else a division.

    Where there are many keys a weight is near 1 / n, no larger than the instruction's error: `make bench-gpu` measures
    that first, and until it has, long rows take the division.
    """
    if arch.startswith("gfx"):
        return "rcp"
    return "tanh" if arch.startswith("sm_") and dtype != "fp32" and n_key <= TANH_KEYS else "exp2"


def default_tiles(step: str, arch: str, dtype: str, dim: int, block: int | None = None, more: bool = False) -> Tiles:
    """Tiles that need no spills; `dim` is the larger of the head and the value dim, `block` that of a layout: a tile is
    no larger than it. more: a bias, padding or slopes, which take as many registers as a wider head.
    """
    if step == "delta":
        return Tiles(64, 64, 4, 1)
    size = next(size for size in (64, 128, 256, 512) if (2 * dim if more else dim) <= size)
    table = _SINGLE if dtype == "fp32" else _AMD if arch.startswith("gfx") else _NVIDIA
    tiles = Tiles(64, 64, 4, 1) if arch == "interpret" else table[step][size]
    if more and table is _NVIDIA and step != "forward" and size == 128:
        tiles = Tiles(64, 32, 4, 2)  # where an A100's compiler would spill 28 KB
    if size == 512 and arch.startswith("gfx"):
        tiles = replace(tiles, num_warps=4)  # AMD: few warps, many registers
    return tiles if block is None else within(tiles, block)


def within(tiles: Tiles, block: int) -> Tiles:
    """Tiles cut to a layout's blocks; small ones keep four warps busy."""
    block_q, block_k = min(tiles.block_q, block), min(tiles.block_k, block)
    return Tiles(block_q, block_k, tiles.num_warps if block >= 64 else 4, tiles.num_stages)


def candidates(step: str, dtype: str, dim: int) -> list[Tiles]:
    """What the autotuner tries on a GPU beside the default, pruned by shape: each is a compilation of seconds."""
    budget = 128 * 128 * 64 * 2 // (1 if step == "forward" else 2)  # of the largest tile that does not spill
    found = []
    for block_q, block_k, stages in product((64, 128), (32, 64, 128), (2, 3) if dim <= 128 else (1, 2)):
        scores = block_q * block_k
        if scores * padded(dim) * DTYPES[dtype] <= budget:
            found.append(Tiles(block_q, block_k, 8 if scores >= 64 * 128 else 4, stages))
    return found or [Tiles(32, 32, 4, 1)]


_NVIDIA = {
    "forward": {
        64: Tiles(128, 64, 4, 3),
        128: Tiles(128, 64, 8, 2),
        256: Tiles(64, 32, 8, 1),
        512: Tiles(32, 16, 4, 1),
    },
    "dq": {64: Tiles(64, 64, 4, 2), 128: Tiles(64, 64, 8, 2), 256: Tiles(32, 32, 4, 1), 512: Tiles(32, 16, 4, 1)},
    "dkdv": {64: Tiles(64, 64, 4, 2), 128: Tiles(64, 64, 8, 2), 256: Tiles(64, 32, 8, 1), 512: Tiles(32, 32, 8, 1)},
}
_AMD = {
    "forward": {
        64: Tiles(128, 64, 4, 2),
        128: Tiles(128, 64, 8, 2),
        256: Tiles(64, 32, 8, 1),
        512: Tiles(32, 32, 4, 1),
    },
    "dq": {64: Tiles(64, 64, 4, 2), 128: Tiles(64, 32, 4, 1), 256: Tiles(32, 32, 4, 1), 512: Tiles(32, 16, 4, 1)},
    "dkdv": {64: Tiles(64, 64, 4, 1), 128: Tiles(64, 32, 4, 1), 256: Tiles(32, 32, 4, 1), 512: Tiles(32, 16, 4, 1)},
}
_SINGLE = {  # float32, multiplied without the matrix units
    "forward": {64: Tiles(64, 32, 8, 1), 128: Tiles(32, 32, 8, 1), 256: Tiles(16, 16, 8, 1), 512: Tiles(16, 16, 4, 1)},
    "dq": {64: Tiles(32, 32, 4, 1), 128: Tiles(32, 16, 8, 1), 256: Tiles(16, 16, 4, 1), 512: Tiles(16, 16, 8, 1)},
    "dkdv": {64: Tiles(16, 32, 4, 1), 128: Tiles(16, 32, 8, 1), 256: Tiles(16, 16, 4, 1), 512: Tiles(16, 16, 8, 1)},
}

KERNELS = {
    f"{normalizer}_{step}": Kernel(normalizer, step)
    for normalizer in ("softmax", "sigmoid")
    for step in FUNCTIONS
    if (normalizer, step) != ("sigmoid", "delta")
}

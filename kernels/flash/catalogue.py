"""The kernels by name: how each is specialised for a problem, and its default tiles on each architecture.

Neither PyTorch nor Triton is imported until a kernel's arguments are asked for.
"""

from dataclasses import dataclass
from importlib import import_module
from itertools import product
from typing import Any

ARCHS = ("sm_80", "sm_90", "sm_100", "gfx942")
DTYPES = {"fp16": 2, "bf16": 2, "fp32": 4}
WIDEST = 256  # head dim
FUNCTIONS = {"forward": "forward", "dq": "backward_query", "dkdv": "backward_key", "delta": "delta"}

_TENSORS = ("q", "k", "v", "out", "grad", "dq", "dk", "dv")
_FLOATS = ("lse", "delta", "dscores", "slopes")
_LAYOUT = ("offsets", "edges", "tails", "indices", "order")


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

    signature: type of each argument that stays a variable; constants: the others; divisible: multiples of 16.
    """

    signature: dict[str, str]
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
        return getattr(import_module(f"kernels.flash.{self.normalizer}"), FUNCTIONS[self.step])

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
    ) -> Specialisation:
        """The variant for contiguous rows of `dim` numbers whose strides and lengths are multiples of 16.

        Raises ValueError for a dtype, form or size that the kernels do not have.
        """
        if dtype not in DTYPES:
            raise ValueError(f"dtype: got {dtype!r}, wanted one of {', '.join(DTYPES)}")
        if form not in (None, "tanh", "exp2"):
            raise ValueError(f"form: got {form!r}, wanted 'tanh' or 'exp2'")
        value = dim if value is None else value
        sizes = {"dim": dim, "value": value, "group": group, "block_q": block_q, "block_k": block_k}
        sizes |= {"num_warps": num_warps, "num_stages": num_stages}
        for name, size in sizes.items():
            if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
                raise ValueError(f"{name}: got {size!r}, wanted a whole number, at least 1")
        if max(dim, value) > WIDEST:
            raise ValueError(f"dim: got {max(dim, value)}, the kernels reach {WIDEST}")
        if sparse and None not in (block_q, block_k) and block_q != block_k:
            raise ValueError(f"block_q, block_k: got {block_q} and {block_k}; the blocks of a layout are square")
        tiles = default_tiles(self.step, arch, dtype, max(dim, value))
        if sparse:
            tiles = layout_tiles(self.step, arch, dtype, max(dim, value), block_k or block_q or 64)
        block_q, block_k = block_q or tiles.block_q, block_k or tiles.block_k
        arguments = self.function.arg_names
        types = {"group": "i32", "n_query": "i32", "n_key": "i32", "scale": "fp32", "shift": "fp32"}
        types |= {name: f"*{dtype}" for name in _TENSORS} | dict.fromkeys(_FLOATS, "*fp32")
        types |= dict.fromkeys(_LAYOUT, "*i32") | {"bias": f"*{dtype}", "padding": "*i8"}
        types |= {name: "i32" for name in arguments if name.startswith("stride")}
        absent = {"bias": not bias, "padding": not padding, "slopes": not alibi, "dscores": not train_bias}
        absent |= {name: not sparse for name in _LAYOUT}
        constants = {name: None for name, missing in absent.items() if missing}
        constants |= {"group": 1} if group == 1 else {}
        constants |= constexprs(
            dim, value, block_q, block_k, causal=causal, even=even, wide=wide, form=form or default_form(arch, dtype)
        )
        constants = {name: constants[name] for name in arguments if name in constants}
        signature = {name: types[name] for name in arguments if name not in constants}
        odd = ("group", "scale", "shift", *([] if even else ["n_query", "n_key"]))
        divisible = tuple(name for name in signature if name not in odd)
        return Specialisation(
            signature, constants, divisible, num_warps or tiles.num_warps, num_stages or tiles.num_stages
        )


def constexprs(
    dim: int, value: int, block_q: int, block_k: int, *, causal: bool, even: bool, wide: bool, form: str
) -> dict[str, Any]:
    """The compile-time arguments of a kernel. Dims are padded to a power of two, 16 at least: the least a dot takes."""
    block_d, block_v = (max(16, 1 << (size - 1).bit_length()) for size in (dim, value))
    return {
        "DIM": dim,
        "VALUE": value,
        "BLOCK_D": block_d,
        "BLOCK_V": block_v,
        "BLOCK_Q": block_q,
        "BLOCK_K": block_k,
        "CAUSAL": causal,
        "EVEN": even,
        "WIDE": wide,
        "FORM": form,
    }


def default_form(arch: str, dtype: str) -> str:
    """The tanh instruction where there is one and 11 bits are enough, the exponential elsewhere."""
    return "tanh" if arch.startswith("sm_") and dtype != "fp32" else "exp2"


def default_tiles(step: str, arch: str, dtype: str, dim: int) -> Tiles:
    """Tiles that need no spills; `dim` is the larger of the head and the value dim."""
    if step == "delta":
        return Tiles(64, 64, 4, 1)
    size = next(size for size in (64, 128, 256) if dim <= size)
    if arch == "interpret":
        return Tiles(64, 64, 4, 1)
    table = _SINGLE if dtype == "fp32" else _AMD if arch.startswith("gfx") else _NVIDIA
    return table[step][size]


def layout_tiles(step: str, arch: str, dtype: str, dim: int, block: int) -> Tiles:
    """Tiles for a block-sparse layout: its own blocks, with the warps that their size keeps busy."""
    usual = default_tiles(step, arch, dtype, dim)
    many = block == 128 or (block == 64 and dim > 64 and not arch.startswith("gfx"))  # AMD: few warps, many registers
    return Tiles(block, block, 8 if many else 4, usual.num_stages)


def candidates(step: str, dtype: str, dim: int) -> list[Tiles]:
    """What the autotuner tries on a GPU, pruned by shape: wide heads and wide numbers get small tiles."""
    budget = 128 * 128 * 64 * 2  # block_q · block_k · dim · bytes of the largest tile that does not spill
    if step != "forward":
        budget //= 2
    padded = max(16, 1 << (dim - 1).bit_length())
    found = []
    for block_q, block_k, warps in product((32, 64, 128), (32, 64, 128), (4, 8)):
        scores = block_q * block_k
        if scores * padded * DTYPES[dtype] <= budget and (warps == 4 or scores >= 64 * 128):
            found += [Tiles(block_q, block_k, warps, stages) for stages in ((2, 3) if padded <= 128 else (1, 2))]
    return found or [Tiles(32, 32, 4, 1)]


_NVIDIA = {
    "forward": {64: Tiles(128, 64, 4, 3), 128: Tiles(128, 64, 8, 2), 256: Tiles(64, 32, 8, 1)},
    "dq": {64: Tiles(64, 64, 4, 2), 128: Tiles(64, 64, 8, 2), 256: Tiles(32, 32, 4, 1)},
    "dkdv": {64: Tiles(64, 64, 4, 2), 128: Tiles(64, 64, 8, 2), 256: Tiles(64, 32, 8, 1)},
}
_AMD = {
    "forward": {64: Tiles(128, 64, 4, 2), 128: Tiles(128, 64, 8, 2), 256: Tiles(64, 32, 8, 1)},
    "dq": {64: Tiles(64, 64, 4, 2), 128: Tiles(64, 32, 4, 1), 256: Tiles(32, 32, 4, 1)},
    "dkdv": {64: Tiles(64, 64, 4, 1), 128: Tiles(64, 32, 4, 1), 256: Tiles(32, 32, 4, 1)},
}
_SINGLE = {  # float32, multiplied without the matrix units
    "forward": {64: Tiles(64, 32, 8, 1), 128: Tiles(32, 32, 8, 1), 256: Tiles(32, 16, 8, 1)},
    "dq": {64: Tiles(32, 32, 4, 1), 128: Tiles(32, 16, 8, 1), 256: Tiles(16, 16, 4, 1)},
    "dkdv": {64: Tiles(16, 32, 4, 1), 128: Tiles(16, 32, 8, 1), 256: Tiles(16, 16, 4, 1)},
}

KERNELS = {
    f"{normalizer}_{step}": Kernel(normalizer, step)
    for normalizer in ("softmax", "sigmoid")
    for step in FUNCTIONS
    if (normalizer, step) != ("sigmoid", "delta")
}

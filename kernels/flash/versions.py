"""Can the Triton kernels run here? Versions known to be wrong are refused by name."""

import os
from functools import cache

import torch
from torch import Tensor

KNOWN_BAD = (
    # first and last bad version, where, what goes wrong
    ((3, 4, 0), (3, 7, 0), "hopper", "on Hopper GPUs it can give wrong gradients with a right forward pass"),
    (
        (3, 6, 0),
        (3, 6, 0),
        "interpret",
        "its interpreter cannot run a loop whose bounds are not constants under NumPy 2.4",
    ),
)
OLDEST = (3, 3, 0)


def trouble(device: torch.device) -> str | None:
    """Why the kernels cannot run on this GPU, or None when they can."""
    version = installed()
    if version is None:
        return "Triton is not installed"
    if os.environ.get("TRITON_INTERPRET", "0").lower() in ("1", "true", "on", "yes", "y"):
        return "TRITON_INTERPRET=1 is set; unset it and start a new process to compile for the GPU"
    capability = torch.cuda.get_device_capability(device)
    if torch.version.hip is None and capability < (8, 0):
        return f"the GPU has compute capability {capability[0]}.{capability[1]}, the kernels need 8.0"
    return known_bad(version, "hopper" if torch.version.hip is None and capability[0] == 9 else "gpu")


def known_bad(version: tuple[int, ...], where: str) -> str | None:
    """What is wrong with this Triton, or None. `where`: "hopper", "gpu" or "interpret"."""
    name = ".".join(map(str, version))
    if version < OLDEST:
        return f"Triton {name} is older than {'.'.join(map(str, OLDEST))}; install triton==3.7.1"
    for first, last, place, what in KNOWN_BAD:
        if first <= version <= last and place == where:
            return f"Triton {name} is refused: {what}; install triton==3.7.1"
    return None


@cache
def installed() -> tuple[int, ...] | None:
    """The version of Triton as numbers, without importing it."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return tuple(int(part) for part in version("triton").split("+")[0].split(".")[:3] if part.isdigit())
    except PackageNotFoundError:
        return None


def require(impl: str, q: Tensor) -> None:
    """Raise unless `impl` ("triton" or "interpret") can run on q."""
    version = installed()
    if version is None:
        raise RuntimeError(f"impl={impl!r}: Triton is not installed (it exists for Linux on x86-64); use impl='tiled'")
    if q.dtype == torch.float64:
        raise TypeError(f"q: got float64, impl={impl!r} takes float32, float16 and bfloat16; use impl='tiled'")
    if impl == "triton":
        if q.device.type != "cuda":
            raise RuntimeError(
                f"impl='triton': needs tensors on a GPU, q is on {q.device.type}. Without a GPU, impl='interpret' runs"
                " the same kernels in Triton's interpreter (TRITON_INTERPRET=1, which kernels sets by itself when no"
                " GPU is there)"
            )
        if problem := trouble(q.device):
            raise RuntimeError(f"impl='triton': {problem}")
        return
    if q.dtype == torch.bfloat16:
        raise TypeError(
            "q: got bfloat16, which Triton's interpreter computes wrongly without saying so; use float32 or float16, or"
            " impl='tiled'"
        )
    if q.device.type not in ("cpu", "meta"):
        raise RuntimeError(f"impl='interpret': needs tensors on the CPU, q is on {q.device.type}; use impl='triton'")
    if problem := known_bad(version, "interpret"):
        raise RuntimeError(f"impl='interpret': {problem}")
    if not interpreting():
        raise RuntimeError(
            "impl='interpret': Triton was imported as a compiler in this process. Set TRITON_INTERPRET=1 in the"
            " environment before Python starts (kernels does so by itself where no GPU is, if it is imported before"
            " Triton)"
        )


def interpreting() -> bool:
    """True when the kernels of this process run in the interpreter."""
    import triton.language as tl
    from triton.runtime.interpreter import InterpretedFunction

    from kernels.flash import attention

    return isinstance(attention.forward, InterpretedFunction) and isinstance(tl.sum, InterpretedFunction)

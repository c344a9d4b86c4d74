"""When is a kernel right? Its error against float64 is at most twice that of plain PyTorch at the same precision, plus
a floor.

The rule is fair to every precision: it asks no more than the numbers can hold, and no less than the plain formula
gives.
"""

from typing import Any

import torch
from torch import Tensor

NAMES = ("out", "dq", "dk", "dv", "dbias")
TANH_ERROR = 2.0**-11  # of the GPU's tanh instruction (PTX manual: tanh.approx.f32); a weight ½ + ½ tanh errs by half


def agree(name: str, got: Tensor, exact: Tensor, peer: Tensor, floor: float | None = None) -> float:
    """The error of `got`; AssertionError with name and numbers where it is more than 2 × the peer's + floor.

    exact: the float64 result. peer: PyTorch's at the precision of `got`.
    floor: absolute; 4 units in the last place of the largest number of `exact` when None.
    """
    if got.shape != exact.shape:
        raise AssertionError(f"{name}: shape {tuple(got.shape)}, wanted {tuple(exact.shape)}")
    if not torch.isfinite(got).all():
        raise AssertionError(f"{name}: {int((~torch.isfinite(got)).sum())} numbers are NaN or infinite")
    exact = exact.double()
    if floor is None:
        floor = 4 * torch.finfo(got.dtype).eps * max(float(exact.abs().max()), 1e-3)
    error, allowed = largest(got.double() - exact), largest(peer.double() - exact)
    if not error <= 2 * allowed + floor:
        raise AssertionError(
            f"{name}: error {error:.3g}, PyTorch at {got.dtype} errs by {allowed:.3g}, floor {floor:.3g}"
        )
    return error


def largest(x: Tensor) -> float:
    return float(x.abs().max()) if x.numel() else 0.0


def results(
    q: Tensor, k: Tensor, v: Tensor, *, impl: str, dtype: torch.dtype | None = None, **options
) -> dict[str, Tensor]:
    """The output and every gradient by name of `kernels.attention` under a fixed random gradient.

    dtype: cast the inputs first; float64 with impl="reference" is the exact answer. A tensor bias gets a gradient too.
    """
    from kernels.api import attention

    dtype = q.dtype if dtype is None else dtype
    inputs = [copy_strides(x, dtype).requires_grad_() for x in (q, k, v)]
    if isinstance(options.get("bias"), Tensor):
        options["bias"] = options["bias"].to(dtype).detach().requires_grad_()
        inputs.append(options["bias"])
    out = attention(*inputs[:3], impl=impl, **options)
    draw = torch.Generator("cpu").manual_seed(1)
    weight = torch.randn(out.shape, generator=draw, dtype=torch.float64, device="cpu")
    weight = weight.to(q.dtype).to(device=out.device, dtype=dtype)  # the same numbers at every precision
    return dict(zip(NAMES, [out.detach(), *torch.autograd.grad(out, inputs, weight)]))


def copy_strides(x: Tensor, dtype: torch.dtype) -> Tensor:
    """A copy that keeps gaps between rows, so that a kernel meets the strides of the original."""
    if x.is_contiguous() or 0 in x.stride():
        return x.detach().to(dtype, copy=True)
    room = torch.empty(x.untyped_storage().nbytes() // x.element_size(), dtype=dtype, device=x.device).fill_(
        float("nan")
    )
    return room.as_strided(x.shape, x.stride(), x.storage_offset()).copy_(x.detach())


def check(
    q: Tensor, k: Tensor, v: Tensor, *, impl: str, floor: float | None = None, weight_error: float = 0.0, **options
) -> dict[str, float]:
    """Errors by name of one call and its backward. AssertionError where one breaks the rule of `agree`.

    weight_error: what the hardware is known to put on a single weight (TANH_ERROR / 2 for the tanh form); errors of
    many weights add up like a random walk, and four times that is allowed on top of the floor.
    """
    got = results(q, k, v, impl=impl, **options)
    peer = results(q, k, v, impl="reference", **options)
    exact = results(q, k, v, impl="reference", dtype=torch.float64, **options)
    floors = dict.fromkeys(got, floor)
    if floor is None:
        floors = _floors(q, k, v, exact, options, weight_error)
    return {name: agree(name, got[name], exact[name], peer[name], floors[name]) for name in got}


def _floors(
    q: Tensor, k: Tensor, v: Tensor, exact: dict[str, Tensor], options: dict[str, Any], weight_error: float
) -> dict[str, float]:
    """4 units in the last place, and what cancels inside dS: dP = dO · v, and for softmax rowsum(dO ∘ O), O rounded to
    its type.
    """
    floors = {name: 4 * torch.finfo(q.dtype).eps * max(largest(x), 1e-3) for name, x in exact.items()}
    scale = options.get("scale")
    scale = q.shape[-1] ** -0.5 if scale is None else abs(scale)
    lost = torch.finfo(torch.float32).eps * row(v)
    if options.get("normalizer", "softmax") == "softmax":
        lost += torch.finfo(q.dtype).eps * row(exact["out"])
    lost *= v.shape[-1] ** 0.5  # the length of a row of dO
    rough = 4 * weight_error * row(v) * v.shape[-1] ** 0.5  # dS for a wrong weight
    for name, size, count in (("dq", scale * row(k), k), ("dk", scale * row(q), q), ("dbias", 1, None)):
        if name in floors:
            floors[name] += lost * size + rough * size * (1 if count is None else count.shape[2] ** 0.5)
    floors["out"] += 4 * weight_error * k.shape[2] ** 0.5 * largest(v)
    floors["dv"] += 4 * weight_error * (q.shape[1] // k.shape[1] * q.shape[2]) ** 0.5 * 4
    return floors


def row(x: Tensor) -> float:
    """The length of the longest row."""
    return float(x.double().norm(dim=-1).max())

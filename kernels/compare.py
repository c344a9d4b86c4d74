"""When is a kernel right? Its error against float64 is at most twice that of plain PyTorch at the same precision, plus
a floor.

The rule is fair to every precision: it asks no more than the numbers can hold, and no less than the plain formula
gives.
"""

from contextlib import nullcontext
from typing import Any
from unittest import mock

import torch
from torch import Tensor

NAMES = ("out", "dq", "dk", "dv", "dbias")


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


class _Coarse(torch.autograd.Function):
    """σ by the tanh instruction, whose result is off by up to 2⁻¹¹ of itself (PTX manual: tanh.approx.f32)."""

    @staticmethod
    def forward(ctx, x):
        mantissa, exponent = torch.frexp(torch.tanh(x / 2))
        weights = 0.5 + 0.5 * torch.ldexp((mantissa * 2**10).round() / 2**10, exponent)
        ctx.save_for_backward(weights)
        return weights

    @staticmethod
    def backward(ctx, grad):
        (weights,) = ctx.saved_tensors
        return grad * weights * (1 - weights)


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


def check(q: Tensor, k: Tensor, v: Tensor, *, impl: str, **options: Any) -> dict[str, float]:
    """Errors by name of one call and its backward. AssertionError where one breaks the rule of `agree`."""
    ours = {name: value for name, value in options.items() if name not in ("floor", "weight_error", "tanh")}
    return judge(results(q, k, v, impl=impl, **ours), q, k, v, **options)


def judge(
    got: dict[str, Tensor],
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    floor: float | None = None,
    weight_error: float = 0.0,
    tanh: bool = False,
    **options: Any,
) -> dict[str, float]:
    """The same for the `results` of anybody.

    floor: absolute, and relative to the largest number where that is above 1; what the sizes suggest when None.
    weight_error: what is known to be wrong with a single weight; errors of many add up like a random walk, and four
    times that is allowed on top of the floor. tanh: PyTorch's peer has to make do with the GPU's tanh instruction.
    """
    with mock.patch("torch.sigmoid", _Coarse.apply) if tanh else nullcontext():
        peer = results(q, k, v, impl="reference", **options)
    exact = results(q, k, v, impl="reference", dtype=torch.float64, **options)
    if floor is None:
        floors = _floors(q, k, v, exact, options, weight_error)
    else:
        floors = {name: floor * max(1.0, largest(x)) for name, x in exact.items()}
        if "dbias" in got:
            floors["dbias"] *= _shared(q, k, exact["dbias"]) ** 0.5
    return {name: agree(name, got[name], exact[name], peer[name], floors[name]) for name in got}


def _floors(
    q: Tensor, k: Tensor, v: Tensor, exact: dict[str, Tensor], options: dict[str, Any], weight_error: float
) -> dict[str, float]:
    """4 units in the last place; what cancels inside dS: dP = dO · v, and for softmax rowsum(dO ∘ O), O rounded to its
    type; and what a weight lacks because scores and their log-sum-exp are rounded: as much as they are large.
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
            size *= _shared(q, k, exact[name]) ** 0.5 if name == "dbias" else 1
            floors[name] += lost * size + rough * size * (1 if count is None else count.shape[2] ** 0.5)
    score = scale * row(q) * row(k) + sum(largest(x) * far for x, far in _added(k, options))
    score *= torch.finfo(torch.float32).eps / 2  # such a bound is not met: of 3,200 random problems none came to half
    floors = {name: floor + score * largest(exact[name]) for name, floor in floors.items()}
    floors["out"] += 4 * weight_error * k.shape[2] ** 0.5 * largest(v)
    floors["dv"] += 4 * weight_error * (q.shape[1] // k.shape[1] * q.shape[2]) ** 0.5 * 4
    return floors


def _added(k: Tensor, options: dict[str, Any]) -> list[tuple[Tensor, int]]:
    """What is added to scores, each with its factor at most."""
    given = (options.get("bias"), 1), (options.get("alibi"), k.shape[2])
    return [(x.masked_fill(x.isinf(), 0), far) for x, far in given if isinstance(x, Tensor)]


def _shared(q: Tensor, k: Tensor, dbias: Tensor) -> float:
    """How many scores one number of a bias is added to: rounding errors add up like a random walk."""
    return q.shape[0] * q.shape[1] * q.shape[2] * k.shape[2] / dbias.numel()


def row(x: Tensor) -> float:
    """The length of the longest row."""
    return float(x.double().norm(dim=-1).max())

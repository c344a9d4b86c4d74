"""The operation as PyTorch sees it: `seqlab::attention`, with its backward, known to autograd, torch.compile and meta
tensors.

An implementation is a module with two functions, found by name when it is first asked for:

    forward(q, k, v, spec)                                  -> out, lse     lse: None where the backward needs no state
    backward(grad, q, k, v, out, lse, spec, wanted)         -> dq, dk, dv, dbias     wanted: which of these are asked
                                                              for; others may be anything, dbias then is None

Softmax keeps its output and one log-sum-exp per row for the backward; sigmoid keeps nothing but q, k and v.
"""

import sys
from dataclasses import replace
from importlib import import_module
from types import ModuleType
from typing import Any, Sequence  # noqa: UP035  (the Sequence that schemas of torch before 2.7 know)

import torch
from torch import Tensor
from torch.autograd import forward_ad

from kernels.choice import choose, require
from kernels.layout import BlockLayout
from kernels.plain import is_plain
from kernels.spec import Spec

ONCE = "attention can be differentiated once; for a second derivative use impl='reference'"
IMPLEMENTATIONS = {"tiled": "kernels.tiled", "triton": "kernels.flash.launch", "interpret": "kernels.flash.launch"}


def attention(q: Tensor, k: Tensor, v: Tensor, spec: Spec, impl: str) -> Tensor:
    """Run `spec` through the registered operation."""
    if is_plain(q, k, v, spec.bias, spec.key_padding, spec.alibi) and forward_ad._current_level < 0:
        if torch.is_grad_enabled() and any(x.requires_grad for x in (q, k, v, spec.bias) if x is not None):
            return _Attention.apply(q, k, v, spec.bias, spec, impl)
        return _run("forward", q, v, spec, impl, q, k, v, replace(spec, kept=False))[0]
    layout = spec.layout
    tables = [] if layout is None else [layout.offsets, layout.indices, layout.offsets_t, layout.indices_t]
    _refuse_transforms(q, k, v, spec.bias, spec.key_padding, spec.alibi)
    out, _ = torch.ops.seqlab.attention(
        q,
        k,
        v,
        spec.bias,
        spec.key_padding,
        spec.alibi,
        tables,
        0 if layout is None else layout.block,
        spec.normalizer,
        spec.causal,
        spec.shift,
        spec.scale,
        impl,
    )
    return out


class _Attention(torch.autograd.Function):
    """The same without PyTorch's dispatcher, which costs a short sequence more than its attention."""

    @staticmethod
    def forward(ctx, q, k, v, bias, spec, impl):
        out, lse = _run("forward", q, v, spec, impl, q, k, v, spec)
        state = (None, None) if lse is None else (out, lse)
        ctx.save_for_backward(q, k, v, *state, bias, spec.key_padding, spec.alibi)
        ctx.spec, ctx.impl = replace(spec, bias=None), impl
        return out

    @staticmethod
    def backward(ctx, grad):
        if torch.is_grad_enabled():
            raise RuntimeError(ONCE)
        q, k, v, out, lse, bias, _, _ = ctx.saved_tensors
        spec, wanted = replace(ctx.spec, bias=bias), ctx.needs_input_grad[:4]
        *found, dbias = _run("backward", q, v, spec, ctx.impl, grad.resolve_neg(), q, k, v, out, lse, spec, wanted)
        return *found, dbias, None, None


@torch.library.custom_op("seqlab::attention", mutates_args=())
def _forward(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    bias: Tensor | None,
    key_padding: Tensor | None,
    alibi: Tensor | None,
    tables: Sequence[Tensor],
    block: int,
    normalizer: str,
    causal: bool,
    shift: float,
    scale: float,
    impl: str,
) -> tuple[Tensor, Tensor]:
    spec = _spec(q, k, bias, key_padding, alibi, tables, block, normalizer, causal, shift, scale)
    out, lse = _run("forward", q, v, spec, impl, q, k, v, spec)
    return out, q.new_empty(0, dtype=_wide(q)) if lse is None else lse


@_forward.register_fake
def _(q, k, v, bias, key_padding, alibi, tables, block, normalizer, causal, shift, scale, impl):
    batch, heads, n_query, _ = q.shape
    out = q.new_empty(batch, heads, n_query, v.shape[-1])
    return out, q.new_empty((batch, heads, n_query) if normalizer == "softmax" else 0, dtype=_wide(q))


@torch.library.custom_op("seqlab::attention_backward", mutates_args=())
def _backward(
    grad: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    out: Tensor | None,
    lse: Tensor | None,
    bias: Tensor | None,
    key_padding: Tensor | None,
    alibi: Tensor | None,
    tables: Sequence[Tensor],
    block: int,
    normalizer: str,
    causal: bool,
    shift: float,
    scale: float,
    impl: str,
    wanted: Sequence[bool],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    spec = _spec(q, k, bias, key_padding, alibi, tables, block, normalizer, causal, shift, scale)
    dq, dk, dv, dbias = _run("backward", q, v, spec, impl, grad, q, k, v, out, lse, spec, wanted)
    return dq, dk, dv, q.new_empty(0) if dbias is None else dbias


@_backward.register_fake
def _(grad, q, k, v, out, lse, bias, key_padding, alibi, tables, block, normalizer, causal, shift, scale, impl, wanted):
    dbias = q.new_empty(bias.shape, dtype=bias.dtype) if wanted[3] else q.new_empty(0)
    return q.new_empty(q.shape), k.new_empty(k.shape), v.new_empty(v.shape), dbias


def _keep(ctx, inputs, output):
    q, k, v, bias, key_padding, alibi, tables, *numbers = inputs
    out, lse = output if numbers[1] == "softmax" else (None, None)
    ctx.save_for_backward(q, k, v, out, lse, bias, key_padding, alibi, *tables)
    ctx.numbers = numbers
    ctx.mark_non_differentiable(output[1])


def _differentiate(ctx, grad, _):
    if torch.is_grad_enabled():
        raise RuntimeError(ONCE)
    q, k, v, out, lse, bias, key_padding, alibi, *tables = ctx.saved_tensors
    wanted = list(ctx.needs_input_grad[:4])
    dq, dk, dv, dbias = torch.ops.seqlab.attention_backward(
        grad, q, k, v, out, lse, bias, key_padding, alibi, tables, *ctx.numbers, wanted
    )
    return dq, dk, dv, dbias if wanted[3] else None, *[None] * 2, [None] * len(tables), *[None] * 6


_forward.register_autograd(_differentiate, setup_context=_keep)


def _refuse_transforms(*inputs: Tensor | None) -> None:
    """The operation has a backward, but no forward-mode derivative, and torch.func's transforms do not know it: say so
    rather than lose it.
    """
    if torch.compiler.is_compiling():
        return
    given = [x for x in inputs if x is not None]
    if any(torch._C._functorch.is_functorch_wrapped_tensor(x) for x in given):  # type: ignore
        raise NotImplementedError(
            "attention: torch.func (grad, vmap, jvp) transforms impl='reference' only; ask for it"
        )
    if forward_ad._current_level >= 0 and any(forward_ad.unpack_dual(x).tangent is not None for x in given):
        raise NotImplementedError("attention has no forward-mode derivative (jvp); use impl='reference'")


def _run(step: str, q: Tensor, v: Tensor, spec: Spec, impl: str, *arguments: Any) -> Any:
    """One of the implementation's two functions. It is given the dtypes it is to compute in: autocast is over."""
    function = getattr(_implementation(impl, q, v, spec), step)
    if not torch.is_autocast_enabled(q.device.type):
        return function(*arguments)
    with torch.amp.autocast(q.device.type, enabled=False):
        return function(*arguments)


def _implementation(impl: str, q: Tensor, v: Tensor, spec: Spec) -> ModuleType:
    """Chosen when the operation runs, so that a compiled graph carries "auto" along."""
    if impl == "auto":
        impl = choose(q, v=v, layout=spec.layout).impl if q.device.type == "cuda" else "tiled"
    elif impl != "tiled":
        require(impl, q, v, spec)
    return sys.modules.get(IMPLEMENTATIONS[impl]) or import_module(IMPLEMENTATIONS[impl])


def _wide(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)


def _spec(q, k, bias, key_padding, alibi, tables, block, normalizer, causal, shift, scale) -> Spec:
    layout = BlockLayout(block, q.shape[2], k.shape[2], *tables) if tables else None
    return Spec(normalizer, scale, shift, causal, bias, key_padding, alibi, layout)

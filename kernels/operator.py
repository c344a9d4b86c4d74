"""The operation as PyTorch sees it: `seqlab::attention`, with its backward, known to autograd, torch.compile and meta
tensors.

An implementation is a module with two functions, found by name when it is first asked for:

    forward(q, k, v, spec)                                  -> out, lse     lse: None where the backward needs no state
    backward(grad, q, k, v, out, lse, spec, want_bias)      -> dq, dk, dv, dbias     dbias: None unless wanted

Softmax keeps its output and one log-sum-exp per row for the backward; sigmoid keeps nothing but q, k and v.
"""

from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

import torch
from torch import Tensor
from torch.autograd import forward_ad

from kernels.choice import choose, require
from kernels.layout import BlockLayout
from kernels.spec import Spec

IMPLEMENTATIONS = {"tiled": "kernels.tiled", "triton": "kernels.flash.launch", "interpret": "kernels.flash.launch"}


def attention(q: Tensor, k: Tensor, v: Tensor, spec: Spec, impl: str) -> Tensor:
    """Run `spec` through the registered operation."""
    layout = spec.layout
    tables = [] if layout is None else [layout.offsets, layout.indices, layout.offsets_t, layout.indices_t]
    _refuse_tangents(q, k, v, spec.bias)
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
    with torch.amp.autocast(q.device.type, enabled=False):
        out, lse = _implementation(impl, q, v, spec).forward(q, k, v, spec)
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
    want_bias: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    spec = _spec(q, k, bias, key_padding, alibi, tables, block, normalizer, causal, shift, scale)
    run = _implementation(impl, q, v, spec).backward
    with torch.amp.autocast(q.device.type, enabled=False):
        dq, dk, dv, dbias = run(grad, q, k, v, out, lse, spec, want_bias)
    return dq, dk, dv, q.new_empty(0) if dbias is None else dbias


@_backward.register_fake
def _(
    grad, q, k, v, out, lse, bias, key_padding, alibi, tables, block, normalizer, causal, shift, scale, impl, want_bias
):
    dbias = q.new_empty(bias.shape, dtype=bias.dtype) if want_bias else q.new_empty(0)
    return q.new_empty(q.shape), k.new_empty(k.shape), v.new_empty(v.shape), dbias


def _keep(ctx, inputs, output):
    q, k, v, bias, key_padding, alibi, tables, *numbers = inputs
    out, lse = output if numbers[1] == "softmax" else (None, None)
    ctx.save_for_backward(q, k, v, out, lse, bias, key_padding, alibi, *tables)
    ctx.numbers = numbers
    ctx.mark_non_differentiable(output[1])


def _differentiate(ctx, grad, _):
    if torch.is_grad_enabled():
        raise RuntimeError("attention can be differentiated once; for a second derivative use impl='reference'")
    q, k, v, out, lse, bias, key_padding, alibi, *tables = ctx.saved_tensors
    want_bias = ctx.needs_input_grad[3]
    dq, dk, dv, dbias = torch.ops.seqlab.attention_backward(
        grad, q, k, v, out, lse, bias, key_padding, alibi, tables, *ctx.numbers, want_bias
    )
    return dq, dk, dv, dbias if want_bias else None, *[None] * 2, [None] * len(tables), *[None] * 6


_forward.register_autograd(_differentiate, setup_context=_keep)


def _refuse_tangents(*inputs: Tensor | None) -> None:
    """The operation has a backward, but no forward-mode derivative: say so rather than lose it."""
    if torch.compiler.is_compiling() or forward_ad._current_level < 0:
        return
    for x in inputs:
        if x is not None and forward_ad.unpack_dual(x).tangent is not None:
            raise NotImplementedError("attention has no forward-mode derivative (jvp); use impl='reference'")


def _implementation(impl: str, q: Tensor, v: Tensor, spec: Spec) -> ModuleType:
    """Chosen when the operation runs, so that a compiled graph carries "auto" along."""
    if impl == "auto":
        impl = choose(q, v=v, layout=spec.layout).impl
    elif impl != "tiled":
        require(impl, q, v, spec)
    return import_module(IMPLEMENTATIONS[impl])


def _wide(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)


def _spec(q, k, bias, key_padding, alibi, tables, block, normalizer, causal, shift, scale) -> Spec:
    layout = BlockLayout(block, q.shape[2], k.shape[2], *tables) if tables else None
    return Spec(normalizer, scale, shift, causal, bias, key_padding, alibi, layout)

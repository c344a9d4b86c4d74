"""`kernels.attention`: the arguments, checked and brought into one form."""

import math
import numbers
from typing import TypeGuard

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kernels import native, operator, reference
from kernels.layout import BlockLayout
from kernels.spec import NORMALIZERS, Spec

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
IMPLS = ("auto", "reference", "tiled", "triton", "interpret")


def attention(
    q: Float[Tensor, "batch head query dim"],
    k: Float[Tensor, "batch kv_head key dim"],
    v: Float[Tensor, "batch kv_head key value"],
    *,
    normalizer: str = "softmax",
    layout: BlockLayout | None = None,
    causal: bool = False,
    bias: Float[Tensor, "..."] | float | None = None,
    key_padding: Bool[Tensor, "batch key"] | None = None,
    alibi: Float[Tensor, "..."] | None = None,
    scale: float | None = None,
    impl: str = "auto",
) -> Float[Tensor, "batch head query value"]:
    """`normalizer(scale · q kᵀ + bias − alibi · distance) v`, without ever storing the n × n scores.

    normalizer:   "softmax", or "sigmoid", where each weight stands alone: 1 / (1 + exp(−score))
    layout:       a BlockLayout; blocks of keys that a block of queries does not list get weight 0 and cost nothing
    causal:       query i sees keys j ≤ i + n_key − n_query, so the last query sees the last key
    bias:         added to the scores: a number, or a tensor that broadcasts to "batch head query key" (differentiable).
                  None is 0 for softmax and −log n_key for sigmoid (Ramapuram et al. 2024, section 2); any other bias
                  takes the place of that default
    key_padding:  true = a real key
    alibi:        slopes, "head" or "batch head": adds −slope · |i + n_key − n_query − j|, not differentiated
    scale:        1/√dim when None
    impl:         "auto" (see `choose`), "reference" (dense PyTorch), "tiled" (PyTorch and C++, memory O(n)),
                  "triton" (GPU), "interpret" (the same Triton source on the CPU, slow: for learning and testing)

    Heads of q may be a multiple of those of k and v (grouped queries). A row that sees no key gives zeros.
    Raises ValueError or TypeError that names the argument, RuntimeError when `impl` cannot run here.
    """
    if layout is None and impl in ("auto", "tiled") and not torch.compiler.is_compiling():
        out = native.attention(q, k, v, normalizer, causal, bias, key_padding, alibi, scale)
        if out is not None:
            return out
    if isinstance(q, Tensor) and q.device.type in ("cpu", "cuda") and torch.is_autocast_enabled(q.device.type):
        dtype, narrow = torch.get_autocast_dtype(q.device.type), (torch.float16, torch.bfloat16, torch.float32)
        q, k, v = (x.to(dtype) if isinstance(x, Tensor) and x.dtype in narrow else x for x in (q, k, v))  # as PyTorch
    spec = read(q, k, v, normalizer, layout, causal, bias, key_padding, alibi, scale)
    if impl not in IMPLS:
        raise ValueError(f"impl: got {impl!r}, wanted one of {', '.join(IMPLS)}")
    if impl == "reference" or q.shape[0] == 0:  # of an empty batch nothing is computed
        return reference.attention(q, k, v, spec)
    return operator.attention(q, k, v, spec, impl)


def read(
    q, k, v, normalizer="softmax", layout=None, causal=False, bias=None, key_padding=None, alibi=None, scale=None
) -> Spec:
    """Check every argument of `attention` and bring it into the form of `Spec`."""
    _check_tensors(q, k, v)
    (batch, heads, n_query, dim), n_key = q.shape, k.shape[2]
    if normalizer not in NORMALIZERS:
        raise ValueError(f"normalizer: got {normalizer!r}, wanted one of {', '.join(NORMALIZERS)}")
    _check_types(layout, causal, bias, key_padding, alibi, scale)
    for name, x in (("bias", bias), ("key_padding", key_padding), ("alibi", alibi)):
        if isinstance(x, Tensor):
            _same_device(name, x, q)
    shift = -math.log(n_key) if bias is None and normalizer == "sigmoid" else 0.0
    if isinstance(bias, numbers.Real):
        shift, bias = float(bias) if normalizer == "sigmoid" else 0.0, None  # softmax cannot see it
    if bias is not None:
        bias = _bias(bias, (batch, heads, n_query, n_key), q)
    if key_padding is not None:
        if key_padding.dtype != torch.bool:
            raise TypeError(f"key_padding: got {key_padding.dtype}, wanted bool (true = a real key)")
        if key_padding.shape != (batch, n_key):
            raise ValueError(
                f"key_padding: got shape {tuple(key_padding.shape)}, wanted (batch, key) = {(batch, n_key)}"
            )
    if alibi is not None:
        alibi = _slopes(alibi, batch, heads, q)
    if layout is not None:
        _check_layout(layout, heads, n_query, n_key)
        layout = layout.to(q.device)
    scale = dim**-0.5 if scale is None else float(scale)
    return Spec(normalizer, scale, shift, bool(causal), bias, key_padding, alibi, layout)


def _check_types(layout, causal, bias, key_padding, alibi, scale) -> None:
    """One sentence for each argument of a wrong type."""

    def number(x: object) -> TypeGuard[float]:
        return isinstance(x, numbers.Real) and not isinstance(x, bool)

    fits = (
        (
            "layout",
            layout,
            layout is None or isinstance(layout, BlockLayout),
            "a BlockLayout (BlockLayout.from_mask makes one of a grid)",
        ),
        ("causal", causal, isinstance(causal, bool), "True or False; a mask is a layout, key_padding or a bias of −∞"),
        ("bias", bias, bias is None or number(bias) or isinstance(bias, Tensor), "a number or a torch tensor"),
        (
            "key_padding",
            key_padding,
            key_padding is None or isinstance(key_padding, Tensor),
            "a torch tensor of booleans",
        ),
        ("alibi", alibi, alibi is None or isinstance(alibi, Tensor), "a torch tensor of slopes"),
        ("scale", scale, scale is None or number(scale), "a number; a trained scale belongs into q"),
    )
    for name, value, fit, wanted in fits:
        if not fit:
            raise TypeError(f"{name}: got {type(value).__name__}, wanted {wanted}")
    for name, value in (("bias", bias), ("scale", scale)):
        if number(value) and not math.isfinite(value):
            raise ValueError(f"{name}: got {value}, wanted a finite number")


def _check_tensors(q: Tensor, k: Tensor, v: Tensor) -> None:
    for name, x in (("q", q), ("k", k), ("v", v)):
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}: got {type(x).__name__}, wanted a torch tensor (batch, head, token, dim)")
        if x.is_nested or x.layout is not torch.strided:
            kind = "nested" if x.is_nested else str(x.layout).removeprefix("torch.").strip("_")
            raise TypeError(f"{name}: got a {kind} tensor, wanted a dense one: pad it, or call .to_dense()")
        if x.ndim != 4:
            raise ValueError(f"{name}: got shape {tuple(x.shape)}, wanted four axes (batch, head, token, dim)")
        if x.dtype not in FLOATS:
            raise TypeError(f"{name}: got {x.dtype}, wanted float16, bfloat16, float32 or float64")
        if 0 in x.shape[1:]:
            raise ValueError(
                f"{name}: got shape {tuple(x.shape)}, wanted at least one head, token and dim (a batch may be empty)"
            )
        if x.dtype != q.dtype:
            raise TypeError(f"{name}: got {x.dtype}, q is {q.dtype}; cast them to one")
        _same_device(name, x, q)
    if k.shape[:3] != v.shape[:3]:
        raise ValueError(f"v: got shape {tuple(v.shape)}, k has {tuple(k.shape)}; every key carries one value")
    if k.shape[0] != q.shape[0] or k.shape[3] != q.shape[3]:
        raise ValueError(f"k: got shape {tuple(k.shape)}, q has {tuple(q.shape)}; batch and dim must agree")
    if q.shape[1] % k.shape[1]:
        raise ValueError(
            f"k: {k.shape[1]} heads, q has {q.shape[1]}; wanted a divisor of it (each key head serves a group of"
            " queries)"
        )


def _bias(bias: Tensor, shape: tuple[int, ...], q: Tensor) -> Tensor:
    if not bias.dtype.is_floating_point:
        raise TypeError(
            f"bias: got {bias.dtype}, wanted a floating-point tensor; a boolean mask is a layout or key_padding"
        )
    fits = bias.ndim <= 4 and all(b in (1, s) for b, s in zip(bias.shape[::-1], shape[::-1]))
    if not fits:
        raise ValueError(
            f"bias: got shape {tuple(bias.shape)}, which does not broadcast to (batch, head, query, key) = {shape}"
        )
    return bias[(None,) * (4 - bias.ndim)]


def _slopes(alibi: Tensor, batch: int, heads: int, q: Tensor) -> Tensor:
    if alibi.shape not in ((heads,), (batch, heads)):
        raise ValueError(
            f"alibi: got shape {tuple(alibi.shape)}, wanted one slope per head, {(heads,)} or {(batch, heads)}"
        )
    if not alibi.dtype.is_floating_point:
        raise TypeError(f"alibi: got {alibi.dtype}, wanted floating-point slopes")
    if alibi.requires_grad:
        raise ValueError("alibi: the slopes are not differentiated; detach them, or train a bias= tensor instead")
    return alibi.to(torch.promote_types(q.dtype, torch.float32)).view(-1, heads)


def _check_layout(layout: BlockLayout, heads: int, n_query: int, n_key: int) -> None:
    if (layout.n_query, layout.n_key) != (n_query, n_key):
        raise ValueError(
            f"layout: made for {layout.n_query} queries and {layout.n_key} keys, got {n_query} and {n_key}; build it"
            " for these lengths"
        )
    if layout.heads not in (1, heads):
        raise ValueError(f"layout: {layout.heads} heads, q has {heads}; wanted one pattern for all or one per head")


def _same_device(name: str, x: Tensor, q: Tensor) -> None:
    if x.device != q.device:
        raise ValueError(f"{name}: on {x.device}, q is on {q.device}; move them to one device")

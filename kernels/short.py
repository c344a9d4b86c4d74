"""The short way of a call without options, where the C++ kernel runs.

PyTorch's own attention takes a short sequence twenty microseconds; what Python checks, chooses and packs would be as
many again. So that is done once for a kind of call, its dtypes, shapes and strides, and found again by it.
"""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from kernels import native, operator
from kernels.plain import unwatched
from kernels.spec import NORMALIZERS, plain


def attention(q: Tensor, k: Tensor, v: Tensor, normalizer: str, causal: bool) -> Tensor | None:
    """The output, or None: then the call takes the long way, where a wrong argument is told as well."""
    if not (unwatched() and type(q) is type(k) is type(v) is Tensor and q.is_cpu and k.is_cpu and v.is_cpu):
        return None
    if torch.is_autocast_enabled("cpu") or forward_ad._current_level >= 0 or normalizer not in NORMALIZERS:
        return None
    try:
        of_q, of_k, of_v = ((x.dtype, x.shape, x.stride()) for x in (q, k, v))
    except RuntimeError:  # a sparse or a nested tensor has none
        return None
    kind = *of_q, *of_k, *of_v, normalizer, causal
    numbers = _numbers(*kind, torch.get_num_threads()) if native.takes(q) else None
    if numbers is None or q.is_neg() or k.is_neg() or v.is_neg():
        return None
    if torch.is_grad_enabled() and (q.requires_grad or k.requires_grad or v.requires_grad):
        return _Attention.apply(q, k, v, kind, numbers)
    out = torch.empty_like(q, memory_format=torch.contiguous_format)
    _solve("attention_forward", numbers, q, k, v, 0, 0, 0, out.data_ptr())
    return out


@lru_cache(1024)
def _numbers(*kind: Any) -> bytes | None:
    """What tiled.cpp is told beside addresses; None where an argument is wrong, or has to be copied before."""
    like, of_q, q_strides, like_k, of_k, k_strides, like_v, of_v, v_strides, normalizer, causal, threads, *rest = kind
    if not (like is like_k is like_v and like in native.KINDS and len(of_q) == 4 == len(of_k)):
        return None
    fits = of_k == of_v and of_q[::3] == of_k[::3] and 0 not in of_q + of_k and of_q[1] % of_k[1] == 0
    if not fits or of_q[3] > 1 and not q_strides[3] == k_strides[3] == v_strides[3] == 1:
        return None
    strides = *q_strides[:3], *k_strides[:3], *v_strides[:3], *(rest or native.NONE)[:3]
    return native.numbers(of_q, of_v, like, strides, plain(normalizer, of_q[3], of_k[2], causal), threads)


def _solve(step, numbers, q, k, v, lse, grad, result, out=0, new_lse=0, dq=0, dk=0, dv=0) -> None:
    inputs = q.data_ptr(), k.data_ptr(), v.data_ptr(), 0, 0, lse, grad, result, 0, 0, 0
    native.solve(step, native.ADDRESSES.pack(*inputs, out, new_lse, dq, dk, dv, 0) + numbers)


class _Attention(torch.autograd.Function):
    """With what the backward needs: softmax its output and one log-sum-exp a row, sigmoid nothing but q, k and v."""

    @staticmethod
    def forward(ctx, q, k, v, kind, numbers):
        out, lse = torch.empty_like(q, memory_format=torch.contiguous_format), None
        *_, normalizer, _ = kind
        if normalizer == "softmax":
            lse = torch.empty(*q.shape[:3], dtype=native.wide(q), device=q.device)
        _solve("attention_forward", numbers, q, k, v, 0, 0, 0, out.data_ptr(), 0 if lse is None else lse.data_ptr())
        ctx.save_for_backward(q, k, v, *((None, None) if lse is None else (out, lse)))
        ctx.kind = kind
        return out

    @staticmethod
    def backward(ctx, grad):
        if torch.is_grad_enabled():
            raise RuntimeError(operator.ONCE)
        q, k, v, out, lse = ctx.saved_tensors
        grad = native.rows(grad.resolve_neg())
        dq, dk, dv = (torch.empty_like(x, memory_format=torch.contiguous_format) for x in (q, k, v))
        numbers = _numbers(*ctx.kind, torch.get_num_threads(), *grad.stride())
        lse, out = (0, 0) if lse is None else (lse.data_ptr(), out.data_ptr())
        found = dq.data_ptr(), dk.data_ptr(), dv.data_ptr()
        _solve("attention_backward", numbers, q, k, v, lse, grad.data_ptr(), out, 0, 0, *found)
        return dq, dk, dv, None, None

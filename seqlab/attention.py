"""Attention, written to be read: scores, a normalizer, a mix of values. The oracle that every kernel is compared with.

    scores  = scale * q kᵀ + bias                    who cares about whom, and how much
    weights = normalizer(scores, allowed)            softmax, hardmax, sigmoid, average
    out     = weights v                              each query's mix of the values

Axis words, here and everywhere: `batch head query key dim`. Leading axes are free, so the same function serves one
sequence ("query dim") and a batch of many heads.
"""

from __future__ import annotations

import math
from typing import Any, Literal, overload

import torch
from einops import einsum
from jaxtyping import Bool, Float
from torch import Tensor

from seqlab.normalizers import Normalizer, Scores, average, hardmax, sigmoid, softmax, step

__all__ = ["allowed_keys", "attention", "average", "boltzmann", "hardmax", "sigmoid", "softmax", "step"]


@overload
def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    normalizer: Normalizer = ...,
    pattern: Any = ...,
    causal: bool = ...,
    key_padding: Tensor | None = ...,
    bias: Tensor | None = ...,
    scale: float | None = ...,
    return_weights: Literal[False] = ...,
) -> Tensor: ...
@overload
def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    normalizer: Normalizer = ...,
    pattern: Any = ...,
    causal: bool = ...,
    key_padding: Tensor | None = ...,
    bias: Tensor | None = ...,
    scale: float | None = ...,
    return_weights: Literal[True],
) -> tuple[Tensor, Tensor]: ...
def attention(
    q: Float[Tensor, "*batch query dim"],
    k: Float[Tensor, "*batch key dim"],
    v: Float[Tensor, "*batch key value"],
    *,
    normalizer: Normalizer = softmax(),
    pattern: Any = None,
    causal: bool = False,
    key_padding: Bool[Tensor, "*padding key"] | None = None,
    bias: Float[Tensor, "*bias query key"] | None = None,
    scale: float | None = None,
    return_weights: bool = False,
) -> (
    Float[Tensor, "*batch query value"] | tuple[Float[Tensor, "*batch query value"], Float[Tensor, "*batch query key"]]
):
    """`normalizer(scale * q kᵀ + bias) v`, and the weights too with `return_weights=True`.

    pattern:      who may look at whom: boolean "query key" (true = may look), or an object whose `.at(n)` gives one
    causal:       query i sees keys up to i, aligned at the last key: j ≤ i + n_key - n_query
    key_padding:  boolean "*batch key", true = a real key; broadcasts over heads when it lacks that axis
    bias:         added to the scores, such as ALiBi
    scale:        1/√dim when None; the papers on universality use 1

    Raises ValueError where shapes disagree, TypeError where a mask is not boolean.
    """
    _check_shapes(q, k, v)
    scores = einsum(q, k, "... query dim, ... key dim -> ... query key")
    scores = scores * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if bias is not None:
        scores = scores + _broadcastable(bias, scores, "bias")
    weights = normalizer(scores, allowed_keys(scores, pattern=pattern, causal=causal, key_padding=key_padding))
    out = einsum(weights, v, "... query key, ... key value -> ... query value")
    return (out, weights) if return_weights else out


def allowed_keys(
    scores: Scores,
    *,
    pattern: Any = None,
    causal: bool = False,
    key_padding: Bool[Tensor, "*padding key"] | None = None,
) -> Bool[Tensor, "*batch query key"]:
    """Where each query may look, as one boolean tensor of the shape of `scores`: pattern, causal, padding together."""
    n_query, n_key = scores.shape[-2:]
    allowed = torch.ones(scores.shape, dtype=torch.bool, device=scores.device)
    if pattern is not None:
        mask = pattern.at(n_key) if hasattr(pattern, "at") else pattern
        mask = torch.as_tensor(getattr(mask, "mask", mask), device=scores.device)
        allowed = allowed & _boolean(_broadcastable(mask, scores, "pattern"), "pattern")
    if causal:
        last = torch.arange(n_query, device=scores.device) + n_key - n_query
        allowed = allowed & (torch.arange(n_key, device=scores.device) <= last[:, None])
    if key_padding is not None:
        real = _boolean(key_padding, "key_padding")
        while real.ndim < scores.ndim - 1:  # insert the head axis
            real = real.unsqueeze(-2)
        allowed = allowed & _broadcastable(real.unsqueeze(-2), scores, "key_padding")
    return allowed


def boltzmann(a: Float[Tensor, "*batch n"], beta: float = 1.0) -> Float[Tensor, "*batch"]:
    """The Boltzmann operator `boltz(a) = Σ a_i p_i`, `p = softmax(beta * a)` (Kajitsuka & Sato 2023, section 4).

    It is one attention head that looks at the numbers `a` with the query 1: not the largest entry, but a summary of
    the whole multiset that changes whenever an entry does.
    """
    weights = softmax(beta)(a.unsqueeze(-2)).squeeze(-2)
    return einsum(weights, a, "... n, ... n -> ...")


def _check_shapes(q: Tensor, k: Tensor, v: Tensor) -> None:
    for name, x in (("q", q), ("k", k), ("v", v)):
        if x.ndim < 2:
            raise ValueError(f"{name}: got shape {tuple(x.shape)}, wanted at least two axes, (…, token, dim)")
    if q.shape[-1] != k.shape[-1]:
        raise ValueError(
            f"k: dim is {k.shape[-1]}, q has dim {q.shape[-1]}; a score is their inner product, so they must agree"
        )
    if k.shape[-2] != v.shape[-2]:
        raise ValueError(f"v: {v.shape[-2]} tokens, k has {k.shape[-2]}; every key carries one value")
    if not q.shape[:-2] == k.shape[:-2] == v.shape[:-2]:
        got = ", ".join(f"{name} {tuple(x.shape[:-2])}" for name, x in (("q", q), ("k", k), ("v", v)))
        raise ValueError(f"batch and head axes differ: {got}; transpose or expand before the call")
    if not q.dtype == k.dtype == v.dtype:
        raise TypeError(f"dtypes differ: q {q.dtype}, k {k.dtype}, v {v.dtype}; cast them to one")


def _boolean(mask: Tensor, name: str) -> Tensor:
    if mask.dtype != torch.bool:
        raise TypeError(
            f"{name}: got dtype {mask.dtype}, wanted bool (true = may look); an additive mask goes into bias="
        )
    return mask


def _broadcastable(x: Tensor, scores: Tensor, name: str) -> Tensor:
    try:
        torch.broadcast_to(x, scores.shape)
    except RuntimeError:
        raise ValueError(
            f"{name}: got shape {tuple(x.shape)}, which does not broadcast to the scores' {tuple(scores.shape)}"
        ) from None
    return x

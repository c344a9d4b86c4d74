"""`impl="reference"`: the formula on whole score matrices, differentiated by PyTorch. O(n²) memory, any device."""

import math

import torch
from einops import einsum, rearrange, repeat
from torch import Tensor

from kernels.spec import Spec


def attention(q: Tensor, k: Tensor, v: Tensor, spec: Spec) -> Tensor:
    if q.device.type in ("cpu", "cuda") and torch.is_autocast_enabled(q.device.type):  # the inputs are cast already
        with torch.amp.autocast(q.device.type, enabled=False):
            return attention(q, k, v, spec)
    groups = q.shape[1] // k.shape[1]
    k, v = (repeat(x, "batch head key dim -> batch (head group) key dim", group=groups) for x in (k, v))
    wide = torch.promote_types(q.dtype, torch.float32)
    scores = einsum(q.to(wide), k.to(wide), "batch head query dim, batch head key dim -> batch head query key")
    scores = scores * spec.scale + spec.shift
    if spec.bias is not None:
        scores = scores + spec.bias
    if spec.alibi is not None:
        slopes = rearrange(spec.alibi, "batch head -> batch head 1 1")
        scores = scores - slopes * distance(q.shape[2], k.shape[2], q.device)
    seen = visible(spec, q.shape[2], k.shape[2], q.device)
    if spec.normalizer == "sigmoid":
        weights = torch.sigmoid(scores)
        weights = weights if seen is None else weights.masked_fill(~seen, 0)
    else:
        scores = scores if seen is None else scores.masked_fill(~seen, -math.inf)
        highest = scores.amax(-1, keepdim=True).detach()
        weights = torch.exp(scores - highest.masked_fill(highest == -math.inf, 0))
        total = weights.sum(-1, keepdim=True)
        weights = weights / total.masked_fill(total == 0, 1)
    return einsum(weights.to(v.dtype), v, "batch head query key, batch head key dim -> batch head query dim")


def distance(n_query: int, n_key: int, device: torch.device) -> Tensor:
    """`|i + n_key − n_query − j|`, "query key"."""
    query = torch.arange(n_query, dtype=torch.long, device=device) + n_key - n_query
    return (query[:, None] - torch.arange(n_key, dtype=torch.long, device=device)).abs()


def visible(spec: Spec, n_query: int, n_key: int, device: torch.device) -> Tensor | None:
    """Who may look at whom, broadcastable to "batch head query key", or None when everybody may."""
    seen = None
    if spec.layout is not None:
        seen = rearrange(spec.layout.to(device).mask(), "head query key -> 1 head query key")
    if spec.causal:
        query = torch.arange(n_query, dtype=torch.long, device=device) + n_key - n_query
        lower = torch.arange(n_key, dtype=torch.long, device=device) <= query[:, None]
        seen = lower if seen is None else seen & lower
    if spec.key_padding is not None:
        real = rearrange(spec.key_padding, "batch key -> batch 1 1 key")
        seen = real if seen is None else seen & real
    return seen

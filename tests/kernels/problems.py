"""Inputs for the kernel tests: odd sizes, gaps between rows, hidden keys, huge logits."""

from __future__ import annotations

import torch
from torch import Tensor

from kernels.layout import BlockLayout


def qkv(
    n_query: int = 40,
    n_key: int | None = None,
    *,
    dim: int = 16,
    value: int | None = None,
    batch: int = 1,
    heads: int = 2,
    kv_heads: int | None = None,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
    size: float = 1.0,
    gaps: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """q, k and v. gaps: heads and tokens interleaved in memory, as a projection leaves them, unused rows between."""
    draw = torch.Generator().manual_seed(seed)

    def make(count: int, tokens: int, width: int) -> Tensor:
        if not gaps:
            return (size * torch.randn(batch, count, tokens, width, generator=draw)).to(dtype)
        wide = (size * torch.randn(batch, tokens, count, width + 3, generator=draw)).to(dtype)
        return wide[..., 1 : width + 1].transpose(1, 2)

    n_key = n_query if n_key is None else n_key
    kv_heads = heads if kv_heads is None else kv_heads
    return make(heads, n_query, dim), make(kv_heads, n_key, dim), make(kv_heads, n_key, dim if value is None else value)


def padding(batch: int, n_key: int) -> Tensor:
    """Real keys in front, a third of them missing; the last sequence of a batch has none at all."""
    real = torch.arange(n_key) < torch.linspace(n_key * 2 / 3, 0 if batch > 1 else n_key / 2, batch)[:, None]
    return real


def layout(n_query: int, n_key: int, block: int, *, heads: int = 1, share: float = 0.4, seed: int = 0) -> BlockLayout:
    """Random blocks; the second row of blocks lists nothing."""
    draw = torch.Generator().manual_seed(seed)
    grid = torch.rand(heads, -(-n_query // block), -(-n_key // block), generator=draw) < share
    grid[:, 1:2] = False
    return BlockLayout.from_mask(grid, block, n_query=n_query, n_key=n_key)


def bias(n_query: int, n_key: int, *, seed: int = 0) -> Tensor:
    """A bias for scores in which a quarter of the keys is hidden by −∞, and one query sees nothing."""
    draw = torch.Generator().manual_seed(seed)
    values = torch.randn(n_query, n_key, generator=draw)
    values[torch.rand(n_query, n_key, generator=draw) < 0.25] = -torch.inf
    values[n_query // 2] = -torch.inf
    return values

"""Where a token stands: the codes that let attention, blind to order by itself, tell first from last."""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor


def ramp(length: int, dim: int) -> Float[Tensor, "length dim"]:
    """`E = (0, 1, …, n-1)` in every coordinate: token k is moved by k, out of the reach of the others.

    Yun et al. 2019, Theorem 3: with tokens in [0, 1)^d all n shifted tokens are different, which is all the proof
    needs.
    """
    return (
        torch.arange(_positive(length, "length"), dtype=torch.get_default_dtype())[:, None].expand(length, dim).clone()
    )


def rotary(
    x: Float[Tensor, "*batch token dim"], positions: Int[Tensor, "token"] | None = None
) -> Float[Tensor, "*batch token dim"]:
    """RoPE: turn each pair of coordinates by an angle that grows with the position (Su et al. 2021).

    Inner products of turned queries and keys depend on the distance of their positions alone.
    """
    if positions is None:
        positions = torch.arange(x.shape[-2], device=x.device)
    dim, dtype = x.shape[-1], torch.promote_types(x.dtype, torch.float32)
    if dim < 2 or dim % 2:
        raise ValueError(f"dim: got {dim}, wanted an even number ≥ 2 (coordinates are turned in pairs)")
    frequencies = torch.pow(10_000.0, -torch.arange(0, dim, 2, dtype=dtype, device=x.device) / dim)
    angles = (positions[:, None] * frequencies).to(x.dtype)
    a, b = rearrange(x, "... token (half two) -> two ... token half", two=2)
    turned = torch.stack([a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()], dim=-1)
    return rearrange(turned, "... token half two -> ... token (half two)")


def alibi_slopes(heads: int) -> Float[Tensor, "head"]:
    """One slope per head, `2^(-8 h / heads)` for h = 1 … heads, where heads is a power of two (Press et al. 2022).

    Otherwise those of the power of two below, and then every other one of the power above, as in the authors' code.
    """
    below = 1 << (_positive(heads, "heads").bit_length() - 1)
    slopes = lambda power: torch.pow(2.0, -8.0 * torch.arange(1, power + 1) / power)
    return torch.cat([slopes(below), slopes(2 * below)[::2][: heads - below]])


def alibi(slopes: Float[Tensor, "head"], n_query: int, n_key: int) -> Float[Tensor, "head query key"]:
    """The bias `-slope * |i - j|`, positions aligned at the last key."""
    query = torch.arange(n_query) + n_key - n_query
    distance = (query[:, None] - torch.arange(n_key)[None, :]).abs()
    return -slopes[:, None, None] * distance


def _positive(value: int, name: str) -> int:
    if value < 1:
        raise ValueError(f"{name}: got {value}, wanted at least 1")
    return value

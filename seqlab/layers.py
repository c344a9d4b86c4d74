"""Transformer blocks as their papers state them, and the counter that reads a model's size off its parts.

| paper symbol (Yun et al. 2019, section 2)  | here                                       |
| ------------------------------------------ | ------------------------------------------ |
| X, one column per token (d × n)            | x, one row per token: "batch token dim"    |
| h heads of size m, r hidden units          | heads, head_dim, hidden                    |
| W_K, W_Q, W_V, W_O (per head)              | key, query, value, out (all heads at once) |
| σ_S, σ_H                                   | softmax(), hardmax()                       |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

import kernels
from seqlab.attention import allowed_keys, attention, softmax
from seqlab.normalizers import Normalizer

Tokens = Float[Tensor, "batch token dim"]
Weights = Float[Tensor, "batch head query key"]
Row = Float[Tensor, "dim"]
Matrix = Float[Tensor, "out dim"]


class SelfAttention(nn.Module):
    """Multi-head self-attention without residual: `Σ_h W_O^h (weights_h W_V^h x)`.

    impl: None is `seqlab.attention`, the oracle; otherwise one of `kernels.attention`, for softmax and sigmoid
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        head_dim: int | None = None,
        *,
        normalizer: Normalizer = softmax(),
        pattern: object | None = None,
        causal: bool = False,
        scale: float | None = None,
        bias: bool = False,
        impl: str | None = None,
        linear: Callable[[int, int, bool], nn.Linear] = nn.Linear,
    ):
        super().__init__()
        if head_dim is None:
            if dim % heads:
                raise ValueError(f"heads: {heads} heads do not divide dim {dim}; choose a divisor, or give head_dim")
            head_dim = dim // heads
        self.dim, self.heads, self.head_dim = dim, heads, head_dim
        self.normalizer, self.pattern, self.causal, self.scale, self.impl = normalizer, pattern, causal, scale, impl
        self.query, self.key, self.value = (linear(dim, heads * head_dim, bias) for _ in range(3))
        self.out = linear(heads * head_dim, dim, bias)

    def forward(self, x: Tokens, *, values: Tokens | None = None, key_padding: Tensor | None = None) -> Tokens:
        if self.impl is None:
            return self.with_weights(x, values=values, key_padding=key_padding)[0]
        q, k, v = self._heads(x, values)
        name, gain, shift = self.normalizer.kernel(q.shape[-2])
        bias = torch.tensor(shift, dtype=q.dtype, device=q.device)
        if self.pattern is not None:
            allowed = allowed_keys(torch.empty(q.shape[0], self.heads, *[q.shape[-2]] * 2), pattern=self.pattern)
            bias = bias.masked_fill(~allowed.to(q.device), -torch.inf)
        scale = gain * (self.head_dim**-0.5 if self.scale is None else self.scale)
        options: Any = dict(normalizer=name, bias=bias, causal=self.causal, scale=scale, impl=self.impl)
        mixed = cast(Any, kernels.attention)(q, k, v, key_padding=key_padding, **options)
        return self.out(rearrange(mixed, "batch head token dim -> batch token (head dim)"))

    def _heads(self, x: Tokens, values: Tokens | None = None) -> list[Tensor]:
        """Queries, keys and values, "batch head token dim" each; the values read `values`, x when None."""
        if x.shape[-1] != self.dim:
            raise ValueError(f"x: got dim {x.shape[-1]}, this layer was made for dim {self.dim}")
        return [
            rearrange(part(read), "batch token (head dim) -> batch head token dim", head=self.heads)
            for part, read in ((self.query, x), (self.key, x), (self.value, x if values is None else values))
        ]

    def with_weights(
        self, x: Tokens, *, values: Tokens | None = None, key_padding: Tensor | None = None
    ) -> tuple[Tokens, Weights]:
        """The output and the attention weights "batch head query key".

        values: what the values read, x when None;  key_padding: as in `attention`
        """
        q, k, v = self._heads(x, values)
        options: Any = dict(normalizer=self.normalizer, pattern=self.pattern, causal=self.causal, scale=self.scale)
        mixed, weights = attention(q, k, v, return_weights=True, key_padding=key_padding, **options)
        return self.out(rearrange(mixed, "batch head token dim -> batch token (head dim)")), weights

    def connections(self, length: int) -> int:
        """How many (query, key) pairs a head looks at in a sequence of `length` tokens."""
        return int(allowed_keys(torch.empty(length, length), pattern=self.pattern, causal=self.causal).sum())


class FeedForward(nn.Module):
    """Token-wise `W_2 φ(W_1 x + b_1) + b_2`, without residual."""

    def __init__(
        self,
        dim: int,
        hidden: int,
        activation: Literal["relu", "gelu"] | Callable[[Tensor], Tensor] = "relu",
        linear: Callable[[int, int], nn.Linear] = nn.Linear,
    ):
        super().__init__()
        if not callable(activation) and activation not in ("relu", "gelu"):
            raise ValueError(f"activation: got {activation!r}, wanted 'relu', 'gelu' or a function")
        self.hidden = hidden
        self.activation = activation if callable(activation) else {"relu": F.relu, "gelu": F.gelu}[activation]
        self.up, self.down = linear(dim, hidden), linear(hidden, dim)

    def forward(self, x: Tokens) -> Tokens:
        return self.down(self.activation(self.up(x)))


class UnitWise:
    """Activations, one for each hidden unit."""

    def __init__(self, each: Sequence[Callable[[Tensor], Tensor]]):
        self.each = tuple(each)

    def __call__(self, t: Tensor) -> Tensor:
        if len(set(self.each)) == 1:
            return self.each[0](t)
        return torch.stack([activation(t[..., k]) for k, activation in enumerate(self.each)], dim=-1)


class ResidualBlock(nn.Module):
    """`x + Attn(x)`, then `x + η ⊙ FF(x)`; None leaves a part out. η: a factor a coordinate (Xu & Sato 2024)."""

    def __init__(self, attention: SelfAttention | None, feed_forward: FeedForward | None, label: str = ""):
        super().__init__()
        self.attention, self.feed_forward, self.label = attention, feed_forward, label

    def forward(self, x: Tokens, eta: Row | None = None) -> Tokens:
        x = x if self.attention is None else x + self.attention(x)
        added = torch.zeros_like(x) if self.feed_forward is None else self.feed_forward(x)
        return x + (added if eta is None else eta * added)


def bare(columns: int, rows: int, bias: bool = True) -> nn.Linear:
    """A linear map whose weights are yet to be given: none are drawn."""
    made = nn.Linear.__new__(nn.Linear)
    nn.Module.__init__(made)
    made.in_features, made.out_features = columns, rows
    made.weight = nn.Parameter(torch.empty(rows, columns, device="meta"))
    made.register_parameter("bias", nn.Parameter(torch.empty(rows, device="meta")) if bias else None)
    return made


def linear(weight: Matrix, bias: Tensor | None = None) -> nn.Linear:
    """A linear map with these weights."""
    made = bare(*weight.shape[::-1], bias=bias is not None)
    made.weight = nn.Parameter(weight.detach().clone())
    if bias is not None:
        made.bias = nn.Parameter(bias.detach().clone())
    return made


class YunBlock(nn.Module):
    """The block of Yun et al. 2019, eqs. (1) and (2): residuals, no LayerNorm, no 1/√m.

        Attn(X) = X + Σ_h W_O W_V X σ[(W_K X)ᵀ (W_Q X)]
        FF(X)   = Attn(X) + W_2 ReLU(W_1 Attn(X) + b_1) + b_2

    The default (heads, head_dim, hidden) = (2, 1, 4) is the paper's: all its power comes from depth.
    """

    def __init__(
        self,
        dim: int,
        heads: int = 2,
        head_dim: int = 1,
        hidden: int = 4,
        *,
        normalizer: Normalizer = softmax(),
        pattern: object | None = None,
    ):
        super().__init__()
        self.attention = SelfAttention(dim, heads, head_dim, normalizer=normalizer, pattern=pattern, scale=1.0)
        self.feed_forward = FeedForward(dim, hidden)

    def forward(self, x: Tokens) -> Tokens:
        x = x + self.attention(x)
        return x + self.feed_forward(x)


class Block(nn.Module):
    """The block that is trained in practice, a norm before each part: x + Attn(norm x), then x + FF(norm x).

    attention: any map of the normalized tokens, to which `forward` hands on what is `seen`, such as a mask
    """

    def __init__(self, dim: int, attention: nn.Module, feed_forward: nn.Module, norm: type[nn.Module] = nn.LayerNorm):
        super().__init__()
        self.norm_1, self.norm_2 = norm(dim), norm(dim)
        self.attention: Any = attention
        self.feed_forward = feed_forward

    def forward(self, x: Tokens, *seen: object, rows: slice = slice(None)) -> Float[Tensor, "batch row dim"]:
        """rows: the tokens that `attention` answers for, all by default; a last layer may be asked for fewer."""
        x = x[:, rows] + self.attention(self.norm_1(x), *seen)
        return x + self.feed_forward(self.norm_2(x))

    def with_weights(self, x: Tokens) -> tuple[Tokens, Weights]:
        """The output and the attention weights "batch head query key", from an attention that tells them."""
        mixed, weights = self.attention.with_weights(self.norm_1(x))
        x = x + mixed
        return x + self.feed_forward(self.norm_2(x)), weights


class Fused(nn.Module):
    """Multi-head attention with one matrix for all queries, keys and values, and `attend` between it and the way back.

    attend: (q, k, v, and what else `forward` is given) → the mix of each query, all "batch head token dim"
    """

    def __init__(self, dim: int, heads: int, attend: Callable[..., Tensor]):
        super().__init__()
        self.heads, self.attend = heads, attend
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x: Tokens, *seen: object) -> Float[Tensor, "batch row dim"]:
        q, k, v = rearrange(
            self.qkv(x), "batch token (three head dim) -> three batch head token dim", three=3, head=self.heads
        )
        return self.out(rearrange(self.attend(q, k, v, *seen), "batch head token dim -> batch token (head dim)"))


def parameters(model: nn.Module) -> int:
    """How many numbers the model has learned; what is used in several places, or looped, counts once."""
    return sum(parameter.numel() for parameter in model.parameters())


@dataclass(frozen=True)
class Counts:
    """The size of a model in the papers' terms. `connections` sums over attention layers, per head."""

    layers: int
    heads: int
    head_dim: int
    width: int
    hidden: int
    parameters: int
    connections: int

    def __str__(self) -> str:
        return " · ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in asdict(self).items())


def count(model: nn.Module, length: int) -> Counts:
    """Count layers, heads, width, parameters, and connections for sequences of `length` tokens.

    A layer is one SelfAttention; heads, head_dim, width and hidden are the largest over the layers. A module that is
    applied in several places (tied weights) counts as a layer each time it is registered, its parameters once.
    """
    if length < 1:
        raise ValueError(f"length: got {length}, wanted at least one token")
    modules = [module for _, module in model.named_modules(remove_duplicate=False)]
    layers = [module for module in modules if isinstance(module, SelfAttention)]
    tables = [module for module in modules if isinstance(module, FeedForward)]
    return Counts(
        layers=len(layers),
        heads=max((layer.heads for layer in layers), default=0),
        head_dim=max((layer.head_dim for layer in layers), default=0),
        width=max((layer.dim for layer in layers), default=0),
        hidden=max((table.hidden for table in tables), default=0),
        parameters=parameters(model),
        connections=sum(layer.connections(length) for layer in layers),
    )

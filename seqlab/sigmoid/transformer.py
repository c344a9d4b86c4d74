"""One small transformer with every switch of the paper, that tells everything it computes to whoever asks.

| paper symbol (Ramapuram et al. 2024)        | here                                                             |
| ------------------------------------------- | ---------------------------------------------------------------- |
| σ(Q Kᵀ/√d_qk + b) V                         | `weights="sigmoid"`, `bias`: "zero", "trained", "input", "keys"  |
| b = -log n                                  | "trained" (n of the configuration), "input" (n of this input)    |
| ALiBi, RoPE                                 | `positions`: "alibi", "rope"; also "learned", "none"             |
| QK-norm: LayerNorm of q and k in each head  | `qk_norm`                                                        |
| LayerScale: x + γ ∘ attn(x)                 | `layer_scale`, what γ starts at                                  |
| hybrid-norm: x + norm(attn(x))              | `hybrid_norm`                                                    |
| n^-α in front of the weights                | `power`, which is α                                              |

`model(inputs, real, record=f)` calls `f(layer, name, tensor)` with every intermediate, layer 0 being the embedding;
without `record` the same lines run and nothing is told. `seqlab.sigmoid.telemetry` turns what is told into norms.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from einops import einsum
from jaxtyping import Bool, Float
from torch import Tensor, nn

from seqlab.layers import Block, FeedForward, Fused, Tokens
from seqlab.positions import rotary
from seqlab.sigmoid.bias import alibi_bias, log_bias
from seqlab.train.fit import fresh

Record = Callable[[int, str, Tensor], None]
Tell = Callable[[str, Tensor], None]
Bias = Literal["zero", "trained", "input", "keys"]
Positions = Literal["learned", "rope", "alibi", "none"]


class Batch(NamedTuple):
    """Inputs: ids "batch token" or vectors "batch token feature". Targets: one a token, or one a sequence (pooled).

    A target of -100 is not asked for.
    """

    inputs: Tensor
    targets: Tensor
    real: Tensor | None = None  # bool "batch token", false where a token only fills up the batch


@dataclass(frozen=True)
class Config:
    """`tokens`: size of the vocabulary, for ids; `features`: size of a frame or patch, for vectors; one of the two.

    bias:    "zero"     b = 0
             "trained"  b = -log length, the length of the configuration, whatever the input
             "input"    b = -log n, n the number of tokens of this input, filling included
             "keys"     b = -log of the number of keys that the row may see: its own i under a causal mask, the real
                        tokens alone under padding
    pooled:  one answer a sequence, from the mean over its real tokens; otherwise one a token
    """

    classes: int
    length: int
    tokens: int | None = None
    features: int | None = None
    causal: bool = False
    pooled: bool = False
    weights: Literal["softmax", "sigmoid"] = "softmax"
    bias: Bias = "zero"
    positions: Positions = "learned"
    qk_norm: bool = False
    layer_scale: float | None = None
    hybrid_norm: bool = False
    power: float = 0.0
    dim: int = 64
    heads: int = 4
    layers: int = 2
    hidden: int = 128

    def __post_init__(self) -> None:
        if (self.tokens is None) == (self.features is None):
            raise ValueError(f"tokens {self.tokens}, features {self.features}: give one, for ids or for vectors")
        for name, choices in (
            ("weights", ("softmax", "sigmoid")),
            ("bias", get_args(Bias)),
            ("positions", get_args(Positions)),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}: got {getattr(self, name)!r}, wanted one of {', '.join(choices)}")
        for name in ("classes", "length", "dim", "heads", "layers", "hidden"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, wanted at least 1")
        if self.weights == "softmax" and (self.bias != "zero" or self.power):
            raise ValueError(
                f"bias {self.bias!r}, power {self.power}: softmax does not feel a bias and has a row sum of 1 already"
            )
        if self.dim % self.heads:
            raise ValueError(f"heads: {self.heads} heads do not divide dim {self.dim}")


class Transformer(nn.Module):
    """Pre-norm blocks between an embedding and a linear output, as `config` says."""

    def __init__(self, config: Config):
        super().__init__()
        self.config, c = config, config
        self.embed = nn.Embedding(c.tokens, c.dim) if c.tokens else nn.Linear(c.features, c.dim)
        if c.tokens:
            nn.init.normal_(self.embed.weight, std=0.02)
        if c.positions == "learned":
            self.place = nn.Parameter(torch.randn(c.length, c.dim) * 0.02)
        fed = lambda: nn.Sequential(FeedForward(c.dim, c.hidden, "gelu"), LayerScale(c.dim, c.layer_scale))
        self.blocks = nn.ModuleList(Block(c.dim, Attention(c), fed()) for _ in range(c.layers))
        self.norm, self.out = nn.LayerNorm(c.dim), nn.Linear(c.dim, c.classes)

    def forward(
        self,
        inputs: Tensor,
        real: Bool[Tensor, "batch token"] | None = None,
        *,
        bias: Bias | None = None,
        record: Record | None = None,
    ) -> Float[Tensor, "batch *token classes"]:
        """Logits, one row a token, or one a sequence when pooled.

        bias:    another choice of b than the configuration's, to ask what a trained model does with it
        record:  called with (layer, name, tensor) for all that happens
        """
        n = inputs.shape[1]
        if real is not None and (real.dtype != torch.bool or real.shape != inputs.shape[:2]):
            got, wanted = f"{real.dtype} {tuple(real.shape)}", tuple(inputs.shape[:2])
            raise ValueError(f"real: got {got}, wanted bool {wanted}: one entry a token, true where it is real")
        if bias is not None and bias not in get_args(Bias):
            raise ValueError(f"bias: got {bias!r}, wanted one of {', '.join(get_args(Bias))}")
        if self.config.positions == "learned" and n > self.config.length:
            raise ValueError(f"inputs: got {n} tokens, the learned positions end at {self.config.length}")
        tell = record or (lambda layer, name, value: None)
        allowed = self.allowed(n, real)
        tell(0, "allowed", allowed)
        shift = self.shift(allowed, bias or self.config.bias)
        x = self.embed(inputs)
        if self.config.positions == "learned":
            x = x + self.place[:n]
        tell(0, "residual", x)
        for layer, block in enumerate(self.blocks, 1):
            x = block(x, allowed, shift, partial(tell, layer))
            tell(layer, "residual", x)
        return self.out(self.pool(self.norm(x), real) if self.config.pooled else self.norm(x))

    def allowed(self, n: int, real: Tensor | None = None) -> Bool[Tensor, "batch_or_1 1 query key"]:
        """Which keys a query may see: real ones, and under a causal mask none behind it."""
        allowed = torch.ones(1, 1, n, n, dtype=torch.bool)
        allowed = allowed.tril() if self.config.causal else allowed
        return allowed if real is None else allowed & real[:, None, None, :]

    def shift(self, allowed: Tensor, bias: Bias = "zero") -> Tensor | None:
        """What is added to the scores: b, and ALiBi in full."""
        n, shift = allowed.shape[-1], 0.0
        if bias == "keys":
            shift = -allowed.sum(-1, keepdim=True).clamp(min=1).log()
        elif bias != "zero":
            shift = torch.tensor(log_bias(n if bias == "input" else self.config.length))
        if self.config.positions == "alibi":
            shift = shift + alibi_bias(self.config.heads, n)
        return shift if isinstance(shift, Tensor) else None

    @staticmethod
    def pool(x: Tokens, real: Tensor | None) -> Float[Tensor, "batch dim"]:
        """The mean over real tokens; zeros where there are none."""
        if real is None:
            return x.mean(1)
        return (x * real[..., None]).sum(1) / real.sum(1, keepdim=True).clamp(min=1)

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        """Mean negative log-likelihood of the targets, in nats."""
        logits = self(batch.inputs, batch.real)
        return F.cross_entropy(logits.flatten(0, -2), batch.targets.flatten())

    @torch.no_grad()
    def accuracy(self, batch: Batch) -> float:
        """Share of targets that get the largest logit."""
        right = self(batch.inputs, batch.real).argmax(-1) == batch.targets
        return right[batch.targets >= 0].float().mean().item()


class LayerScale(nn.Module):
    """γ ∘ x, one learned number a coordinate; without a start value, x."""

    def __init__(self, dim: int, start: float | None):
        super().__init__()
        self.gamma = None if start is None else nn.Parameter(torch.full((dim,), start))

    def forward(self, x: Tokens) -> Tokens:
        return x if self.gamma is None else self.gamma * x


class Attention(Fused):
    """All heads, and what is done to them before they are added to the stream: hybrid-norm, LayerScale."""

    def __init__(self, config: Config):
        super().__init__(config.dim, config.heads, self.mix)
        self.config, c = config, config
        norm = lambda wanted, size: nn.LayerNorm(size) if wanted else nn.Identity()
        self.norm_q, self.norm_k = (norm(c.qk_norm, c.dim // c.heads) for _ in range(2))
        self.norm_after, self.scale = norm(c.hybrid_norm, c.dim), LayerScale(c.dim, c.layer_scale)

    def forward(self, x: Tokens, allowed: Tensor, shift: Tensor | None, tell: Tell) -> Tokens:
        x = super().forward(x, allowed, shift, tell)
        tell("projected", x)
        x = self.scale(self.norm_after(x))
        tell("added", x)
        return x

    def mix(self, q: Tensor, k: Tensor, v: Tensor, allowed: Tensor, shift: Tensor | None, tell: Tell) -> Tensor:
        """Scores, weights, mix of the values, for all heads."""
        c, q, k = self.config, self.norm_q(q), self.norm_k(k)
        if c.positions == "rope":
            q, k = rotary(q), rotary(k)
        scores = einsum(q, k, "b h query dim, b h key dim -> b h query key") / math.sqrt(q.shape[-1])
        if shift is not None:
            scores = scores + shift
        scores = scores.masked_fill(~allowed, -math.inf)  # σ(0) is 1/2: a hidden key must be at -∞, not at 0
        if c.weights == "softmax":
            weights = scores.softmax(-1).masked_fill(~allowed, 0)  # a row that sees nothing would be NaN, and spread
        else:
            weights = scores.sigmoid()
        if c.power:
            weights = weights * allowed.sum(-1, keepdim=True).clamp(min=1).float().pow(-c.power)
        mixed = einsum(weights, v, "b h query key, b h key dim -> b h query dim")
        for name, value in (("scores", scores), ("weights", weights), ("mixed", mixed)):
            tell(name, value)
        return mixed


def make(config: Config, seed: int) -> Transformer:
    """A fresh model; the same seed gives the same weights, and the global generator is left alone."""
    return fresh(lambda: Transformer(config), seed)

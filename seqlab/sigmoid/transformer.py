"""One small transformer with every switch of the paper.

| paper symbol (Ramapuram et al. 2024)        | here                                                             |
| ------------------------------------------- | ---------------------------------------------------------------- |
| σ(Q Kᵀ/√d_qk + b) V                         | `weights="sigmoid"`, `bias`: "zero", "trained", "input", "keys"  |
| b = -log n                                  | "trained" (n of the configuration), "input" (n of this input)    |
| ALiBi, RoPE                                 | `positions`: "alibi", "rope"; also "learned", "none"             |
| QK-norm: LayerNorm of q and k in each head  | `qk_norm`                                                        |
| LayerScale: x + γ ∘ attn(x)                 | `layer_scale`, what γ starts at                                  |
| hybrid-norm: x + norm(attn(x))              | `hybrid_norm`                                                    |
| n^-α in front of the weights                | `power`, which is α                                              |

`seqlab.sigmoid.telemetry` listens to what it computes and turns that into norms.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from einops import einsum
from jaxtyping import Bool, Float
from torch import Tensor, nn

from seqlab.attention import sigmoid, softmax
from seqlab.layers import Block, FeedForward, Fused, Tokens
from seqlab.positions import rotary
from seqlab.sigmoid.bias import alibi_bias
from seqlab.train.fit import fresh

Bias = Literal["zero", "trained", "input", "keys"]


class Batch(NamedTuple):
    """Inputs: ids "batch token" or vectors "batch token feature". Targets: one a token, or one a sequence (pooled).

    A target of -100 is not asked for.
    """

    inputs: Tensor
    targets: Tensor
    real: Tensor | None = None  # bool "batch token", false where a token only fills up the batch


@dataclass(frozen=True)
class Config:
    """`classes`: how many answers there are, and how many ids, unless inputs are vectors of `features` entries.

    bias:    "zero"     b = 0
             "trained"  b = -log length, the length of the configuration, whatever the input
             "input"    b = -log n, n the number of tokens of this input, filling included
             "keys"     b = -log of the number of keys that the row may see: its own i under a causal mask, the real
                        tokens alone under padding
    pooled:  one answer a sequence, from the mean over its real tokens; otherwise one a token
    """

    classes: int
    length: int
    features: int | None = None
    causal: bool = False
    pooled: bool = False
    weights: Literal["softmax", "sigmoid"] = "softmax"
    bias: Bias = "zero"
    positions: Literal["learned", "rope", "alibi", "none"] = "learned"
    qk_norm: bool = False
    layer_scale: float | None = None
    hybrid_norm: bool = False
    power: float = 0.0
    dim: int = 64
    heads: int = 4
    layers: int = 2

    def __post_init__(self) -> None:
        if self.positions not in ("learned", "rope", "alibi", "none"):
            raise ValueError(f"positions: got {self.positions!r}, wanted learned, rope, alibi or none")
        if self.weights == "softmax" and (self.bias != "zero" or self.power):
            raise ValueError(
                f"bias {self.bias!r}, power {self.power}: softmax does not feel a bias and has a row sum of 1 already"
            )


class Transformer(nn.Module):
    """Pre-norm blocks between an embedding and a linear output, as `config` says.

    attention: the class of its attention, `Attention` where none is given
    """

    def __init__(self, config: Config, attention: "type[Attention] | None" = None):
        super().__init__()
        self.config, c = config, config
        self.embed = nn.Linear(c.features, c.dim) if c.features else nn.Embedding(c.classes, c.dim)
        if not c.features:
            nn.init.normal_(self.embed.weight, std=0.02)
        if c.positions == "learned":
            self.place = nn.Parameter(torch.randn(c.length, c.dim) * 0.02)
        fed = lambda: nn.Sequential(FeedForward(c.dim, 2 * c.dim, "gelu"), layer_scale(c))
        self.blocks = nn.ModuleList(Block(c.dim, (attention or Attention)(c), fed()) for _ in range(c.layers))
        self.norm, self.out = nn.LayerNorm(c.dim), nn.Linear(c.dim, c.classes)
        self.entered = nn.Identity()  # these change nothing: one can listen to them

    def forward(
        self, inputs: Tensor, real: Bool[Tensor, "batch token"] | None = None, *, bias: Bias | None = None
    ) -> Float[Tensor, "batch *token classes"]:
        """Logits, one row a token, or one a sequence when pooled.

        real: false where a token only fills up the batch
        bias: another choice of b than the configuration's, to ask what a trained model does with it
        """
        n, x = inputs.shape[1], self.embed(inputs)
        if self.config.positions == "learned":
            x = x + self.place[:n]
        allowed = self.allowed(n, real)
        shift = self.shift(allowed, bias or self.config.bias)
        x = self.entered(x)
        for block in self.blocks:
            x = block(x, allowed, shift)
        return self.out(self.pool(self.norm(x), real) if self.config.pooled else self.norm(x))

    def allowed(self, n: int, real: Tensor | None = None) -> Bool[Tensor, "batch_or_1 1 query key"]:
        """Which keys a query may see: real ones, and under a causal mask none behind it."""
        allowed = torch.ones(1, 1, n, n, dtype=torch.bool)
        allowed = allowed.tril() if self.config.causal else allowed
        return allowed if real is None else allowed & real[:, None, None, :]

    def shift(self, allowed: Tensor, bias: Bias = "zero") -> Tensor:
        """What is added to the scores: b, and ALiBi in full."""
        n = allowed.shape[-1]
        shift = {
            "zero": torch.zeros(()),
            "trained": torch.tensor(-math.log(self.config.length)),
            "input": torch.tensor(-math.log(n)),
            "keys": -allowed.sum(-1, keepdim=True).clamp(min=1).log(),
        }[bias]
        return shift + alibi_bias(self.config.heads, n) if self.config.positions == "alibi" else shift

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
    """γ ∘ x, one learned number a coordinate."""

    def __init__(self, dim: int, start: float):
        super().__init__()
        self.gamma = nn.Parameter(torch.full((dim,), start))

    def forward(self, x: Tokens) -> Tokens:
        return self.gamma * x


def layer_scale(config: Config) -> nn.Module:
    """LayerScale where the configuration has a start value for it, x otherwise."""
    return nn.Identity() if config.layer_scale is None else LayerScale(config.dim, config.layer_scale)


class Attention(Fused):
    """All heads, and what is done to them before they are added to the stream: hybrid-norm, LayerScale."""

    def __init__(self, config: Config):
        super().__init__(config.dim, config.heads, self.mix)
        norm = lambda wanted, size: nn.LayerNorm(size) if wanted else nn.Identity()
        self.norm_q, self.norm_k = (norm(config.qk_norm, config.dim // config.heads) for _ in range(2))
        self.normalizer = {"softmax": softmax(), "sigmoid": sigmoid(0.0)}[config.weights]
        self.rope, self.power = config.positions == "rope", config.power
        self.weights, self.mixed = nn.Identity(), nn.Identity()  # these change nothing: one can listen to them
        self.norm_after, self.scale = norm(config.hybrid_norm, config.dim), layer_scale(config)

    def forward(self, x: Tokens, *seen: Any) -> Tokens:
        return self.scale(self.norm_after(super().forward(x, *seen)))

    def mix(self, q: Tensor, k: Tensor, v: Tensor, allowed: Tensor, shift: Tensor) -> Tensor:
        """Scores, weights, mix of the values, for all heads."""
        q, k = self.norm_q(q), self.norm_k(k)
        if self.rope:
            q, k = rotary(q), rotary(k)
        scores = einsum(q, k, "b h query dim, b h key dim -> b h query key") / math.sqrt(q.shape[-1]) + shift
        weights = self.normalizer(scores, allowed)
        if self.power:
            weights = weights * allowed.sum(-1, keepdim=True).clamp(min=1).float().pow(-self.power)
        return self.mixed(einsum(self.weights(weights), v, "b h query key, b h key dim -> b h query dim"))


def make(config: Config, seed: int) -> Transformer:
    """A fresh model; the same seed gives the same weights, and the global generator is left alone."""
    return fresh(lambda: Transformer(config), seed)

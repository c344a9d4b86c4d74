"""Cheaper ways to mix tokens, and a small model in which one takes the place of another, at equal parameters.

| paper symbol (Yun et al. 2019, section 5)                      | name                |
| -------------------------------------------------------------- | ------------------- |
| multi-head attention                                           | "attention"         |
| bi-linear projection X + W_O X W_P, W_P (n × n)                | BilinearProjection  |
| depth-wise separable convolution with a gated linear unit      | SeparableConvolution |
| attention whose score matrix is 1/n everywhere                 | "average"           |
| no mixing at all: a token-wise model                           | "none"              |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqlab.attention import average
from seqlab.layers import Block, FeedForward, SelfAttention, Tokens, parameters
from seqlab.train.fit import windows

Batch = Int[Tensor, "batch token feature"]  # the last feature is the target


class BilinearProjection(nn.Module):
    """`W_O X W_P`: every position has fixed weights for every other, whatever the tokens say."""

    def __init__(self, dim: int, length: int, *, causal: bool = False):
        super().__init__()
        self.causal = causal
        self.places = nn.Parameter(torch.randn(length, length) / length**0.5)
        self.out = nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tokens) -> Tokens:
        places = self.places.tril() if self.causal else self.places
        return self.out(einsum(places, x, "query key, batch key dim -> batch query dim"))


class SeparableConvolution(nn.Module):
    """A gated linear unit, then a convolution along the tokens with `filters` filters shared by the coordinates."""

    def __init__(self, dim: int, length: int, *, filters: int = 8, causal: bool = False):
        super().__init__()
        if dim % filters:
            raise ValueError(f"filters: got {filters}, wanted a divisor of dim {dim}")
        self.causal, self.width = causal, length if causal else 2 * length - 1
        self.gate = nn.Linear(dim, 2 * dim)
        self.filters = nn.Parameter(torch.randn(filters, self.width) / length**0.5)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Tokens) -> Tokens:
        x = rearrange(
            F.glu(self.gate(x), dim=-1), "batch key (filter dim) -> batch key filter dim", filter=len(self.filters)
        )
        place = torch.arange(x.shape[1])
        offset = place - place[:, None] + (self.width - 1 if self.causal else self.width // 2)
        weights = self.filters[:, offset.clamp(max=self.width - 1)]  # the same number along each diagonal
        weights = weights.tril() if self.causal else weights
        mixed = einsum(weights, x, "filter query key, batch key filter dim -> batch query filter dim")
        return self.out(rearrange(mixed, "batch query filter dim -> batch query (filter dim)"))


class Nothing(nn.Module):
    """Adds nothing: the block is token-wise."""

    def forward(self, x: Tokens) -> Tokens:
        return torch.zeros_like(x)


class _Attention(SelfAttention):
    """The same, with PyTorch's fused function: training asks for no weights."""

    def forward(self, x: Tokens) -> Tokens:
        q, k, v = (
            rearrange(part(x), "batch token (head dim) -> batch head token dim", head=self.heads)
            for part in (self.query, self.key, self.value)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.out(rearrange(mixed, "batch head token dim -> batch token (head dim)"))


class _Average(nn.Module):
    """Attention with every weight 1/n: queries and keys would change nothing, so it has none."""

    def __init__(self, dim: int, causal: bool):
        super().__init__()
        self.causal, self.normalizer = causal, average()
        self.value, self.out = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tokens) -> Tokens:
        allowed = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool)
        weights = self.normalizer(torch.zeros(x.shape[1], x.shape[1]), allowed.tril() if self.causal else allowed)
        return self.out(einsum(weights, self.value(x), "query key, batch key dim -> batch query dim"))


MIXERS: dict[str, Callable[..., nn.Module]] = {
    "attention": lambda dim, length, heads, causal: _Attention(dim, heads, causal=causal),
    "convolution": lambda dim, length, heads, causal: SeparableConvolution(dim, length, causal=causal),
    "bilinear": lambda dim, length, heads, causal: BilinearProjection(dim, length, causal=causal),
    "average": lambda dim, length, heads, causal: _Average(dim, causal),
    "none": lambda dim, length, heads, causal: Nothing(),
}


def mixer(kind: str, dim: int, length: int, *, heads: int = 4, causal: bool = False) -> nn.Module:
    """The mixing half of a block, without residual. Raises ValueError on an unknown kind."""
    if kind not in MIXERS:
        raise ValueError(f"kind: got {kind!r}, wanted one of {', '.join(MIXERS)}")
    return MIXERS[kind](dim, length, heads, causal)


class MixerModel(nn.Module):
    """Embeddings (one per input feature, and the position), pre-norm blocks, a linear output.

    kinds: the mixer of each layer, or one for all of them. The hidden width of each feed-forward part is chosen so that
    every layer has nearly as many parameters as one with attention and `hidden` units.
    """

    def __init__(
        self,
        kinds: str | Sequence[str],
        sizes: tuple[int, ...],
        classes: int,
        length: int,
        *,
        dim: int = 32,
        layers: int = 2,
        hidden: int = 64,
        heads: int = 4,
        causal: bool = False,
        seed: int = 0,
    ):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embed = nn.ModuleList(nn.Embedding(size, dim) for size in (*sizes, length))
            whole = parameters(mixer("attention", dim, length, heads=heads)) + hidden * (2 * dim + 1)
            chosen = (kinds,) * layers if isinstance(kinds, str) else tuple(kinds)
            mixers = [mixer(kind, dim, length, heads=heads, causal=causal) for kind in chosen]
            widths = [round((whole - parameters(mix)) / (2 * dim + 1)) for mix in mixers]
            if min(widths) < 1:
                raise ValueError(f"hidden: got {hidden}, too few parameters for {chosen}; raise hidden")
            fed = [FeedForward(dim, width, "gelu") for width in widths]
            self.blocks = nn.ModuleList(Block(dim, *parts) for parts in zip(mixers, fed))
            self.norm, self.out = nn.LayerNorm(dim), nn.Linear(dim, classes)

    def forward(self, features: Batch) -> Float[Tensor, "batch token classes"]:
        place = torch.arange(features.shape[1])
        x = self.embed[-1](place) + sum(table(features[..., i]) for i, table in enumerate(self.embed[:-1]))
        for block in self.blocks:
            x = block(x)
        return self.out(self.norm(x))

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        """Mean negative log-likelihood of the targets batch[..., -1], in nats."""
        logits = self(batch[..., :-1])
        return F.cross_entropy(rearrange(logits, "b t c -> (b t) c"), rearrange(batch[..., -1], "b t -> (b t)"))

    @torch.no_grad()
    def accuracy(self, batch: Batch) -> float:
        """The share of targets that get the largest output."""
        return (self(batch[..., :-1]).argmax(-1) == batch[..., -1]).double().mean().item()


def recall(*, keys: int = 16, length: int = 8, batch: int = 64, seed: int = 0) -> Iterator[Batch]:
    """Endless batches of a task that needs mixing by content: features (key, value, question), target the answer.

    The `length` tokens of a sequence have different keys out of `keys`, and a value each out of 8. Every token asks for
    the value of one of the keys present. Where that key stands differs from sequence to sequence.
    """
    if length > keys:
        raise ValueError(f"length: got {length}, wanted at most {keys}, the number of keys")
    draw = torch.Generator().manual_seed(seed)
    while True:
        key = torch.rand(batch, keys, generator=draw).argsort(1)[:, :length]
        value = torch.randint(8, (batch, length), generator=draw)
        asked = torch.randint(length, (batch, length), generator=draw)
        yield torch.stack([key, value, key.gather(1, asked), value.gather(1, asked)], dim=-1)


def next_characters(ids: Int[Tensor, token], *, length: int = 32, batch: int = 32, seed: int = 0) -> Iterator[Batch]:
    """Endless windows of a text: the feature is a character, the target the next one."""
    for window in windows(ids, batch=batch, length=length + 1, seed=seed):
        yield torch.stack([window[:, :-1], window[:, 1:]], dim=-1)

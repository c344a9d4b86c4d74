"""Cheaper ways to mix tokens, and a small model in which one takes the place of another, at equal parameters.

| paper symbol (Yun et al. 2019, section 5)                      | name                |
| -------------------------------------------------------------- | ------------------- |
| multi-head attention                                           | "attention"         |
| bi-linear projection X + W_O X W_P, W_P (n × n)                | BilinearProjection  |
| depth-wise separable convolution with a gated linear unit      | SeparableConvolution |
| attention whose score matrix is 1/n everywhere                 | Average             |
| no mixing at all: a token-wise model                           | "none"              |
"""

from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

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


class Average(nn.Module):
    """Attention with every weight 1/n: queries and keys would change nothing, so it has none."""

    def __init__(self, dim: int, *, causal: bool = False):
        super().__init__()
        self.causal = causal
        self.value, self.out = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tokens) -> Tokens:
        seen = torch.ones(x.shape[1], x.shape[1])
        seen = seen.tril() if self.causal else seen
        weights = seen / seen.sum(-1, keepdim=True)
        return self.out(einsum(weights, self.value(x), "query key, batch key dim -> batch query dim"))


class Nothing(nn.Module):
    """Adds nothing: the block is token-wise."""

    def forward(self, x: Tokens) -> Tokens:
        return torch.zeros_like(x)


DIM, LAYERS, HEADS, HIDDEN = 32, 2, 4, 64
MIXERS: dict[str, Callable[..., nn.Module]] = {
    "attention": lambda length, causal: SelfAttention(DIM, HEADS, causal=causal),
    "convolution": lambda length, causal: SeparableConvolution(DIM, length, causal=causal),
    "bilinear": lambda length, causal: BilinearProjection(DIM, length, causal=causal),
    "average": lambda length, causal: Average(DIM, causal=causal),
    "none": lambda length, causal: Nothing(),
}


class MixerModel(nn.Module):
    """Embeddings (one per input feature, and the position), pre-norm blocks, a linear output.

    kinds: the mixer of each layer, or one for all of them. The hidden width of each feed-forward part is chosen so that
    every layer has nearly as many parameters as one with attention and `HIDDEN` units.
    """

    def __init__(
        self,
        kinds: str | Sequence[str],
        sizes: tuple[int, ...],
        classes: int,
        length: int,
        *,
        causal: bool = False,
    ):
        super().__init__()
        chosen = (kinds,) * LAYERS if isinstance(kinds, str) else tuple(kinds)
        if unknown := set(chosen) - set(MIXERS):
            raise ValueError(f"kinds: got {', '.join(unknown)}, wanted some of {', '.join(MIXERS)}")
        self.embed = nn.ModuleList(nn.Embedding(size, DIM) for size in (*sizes, length))
        whole = parameters(MIXERS["attention"](length, causal)) + HIDDEN * (2 * DIM + 1)
        mixers = [MIXERS[kind](length, causal) for kind in chosen]
        widths = [round((whole - parameters(mixer)) / (2 * DIM + 1)) for mixer in mixers]
        fed = [FeedForward(DIM, width, "gelu") for width in widths]
        self.blocks = nn.ModuleList(Block(DIM, *parts) for parts in zip(mixers, fed))
        self.norm, self.out = nn.LayerNorm(DIM), nn.Linear(DIM, classes)

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


def recall(*, batch: int = 64, seed: int = 0) -> Iterator[Batch]:
    """Endless batches of a task that needs mixing by content: features (key, value, question), target the answer.

    The 8 tokens of a sequence have different keys out of 16, and a value each out of 8. Every token asks for the value
    of one of the keys present. Where that key stands differs from sequence to sequence.
    """
    draw = torch.Generator().manual_seed(seed)
    while True:
        key = torch.rand(batch, 16, generator=draw).argsort(1)[:, :8]
        value = torch.randint(8, (batch, 8), generator=draw)
        asked = torch.randint(8, (batch, 8), generator=draw)
        yield torch.stack([key, value, key.gather(1, asked), value.gather(1, asked)], dim=-1)


def next_characters(ids: Int[Tensor, "token"], *, length: int = 32, batch: int = 32, seed: int = 0) -> Iterator[Batch]:
    """Endless windows of a text: the feature is a character, the target the next one."""
    for window in windows(ids, batch=batch, length=length + 1, seed=seed):
        yield torch.stack([window[:, :-1], window[:, 1:]], dim=-1)

"""What a model went through while it read one text: the scores of all heads, and the stream after each layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from einops import einsum, rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqlab.layers import SelfAttention
from seqlab.start import encoder


class ModelMissing(FileNotFoundError):
    """A model that is an extra is not installed; the message holds the command that installs it."""


@dataclass(frozen=True)
class Trace:
    """One text under the microscope.

    scores: before the softmax, scaled, with everything added that the model adds; -inf where a query may not look
    hidden: entry 0 is what enters the first layer, entry l what layer l leaves
    """

    tokens: list[str]
    scores: Float[Tensor, "layer head query key"]
    hidden: Float[Tensor, "state token dim"]

    @property
    def weights(self) -> Float[Tensor, "layer head query key"]:
        """Softmax of the scores: all models that are looked at here have that normalizer."""
        return self.scores.softmax(-1)


@dataclass(frozen=True)
class Specimen:
    """A model that can be looked at; `example` is a text of the kind that it was made for.

    encode: a text → its tokens and their ids;  trace: these → what the model makes of them
    maps:   W_Q and W_K of every head of every layer that has weights of its own
    """

    name: str
    model: nn.Module
    encode: Callable[[str], tuple[list[str], Int[Tensor, "token"]]]
    trace: Callable[[list[str], Int[Tensor, "token"]], Trace]
    example: str

    def read(self, text: str) -> Trace:
        """The text under the microscope. Raises ValueError where the model cannot read it."""
        tokens, ids = self.encode(text)
        if not tokens:
            raise ValueError("text: got nothing to read, wanted at least one token")
        return self.trace(tokens, ids)

    def mixed(self, text: str, seed: int = 0) -> tuple[Int[Tensor, "token"], Trace]:
        """The control for whatever is said of a text: its tokens in random order, the first and the last in place.

        -> (which token stands where, what the model makes of it)
        """
        tokens, ids = self.encode(text)
        draw, n = torch.Generator().manual_seed(seed), len(tokens)
        order = torch.cat([torch.tensor([0]), 1 + torch.randperm(n - 2, generator=draw), torch.tensor([n - 1])])
        return order, self.trace([tokens[at] for at in order], ids[order])

    @property
    def maps(self) -> tuple[Float[Tensor, "layer head size dim"], Float[Tensor, "layer head size dim"]]:
        layers = [part for part in self.model.modules() if isinstance(part, SelfAttention)]
        split = lambda part, heads: rearrange(part.weight.detach(), "(head size) dim -> head size dim", head=heads)
        queries, keys = zip(*((split(part.query, part.heads), split(part.key, part.heads)) for part in layers))
        return torch.stack(queries), torch.stack(keys)


class Encoder(encoder.Encoder):
    """The encoder of lab 00 (BERT and ALBERT), with a `trace`."""

    def trace(self, tokens: list[str], ids: Int[Tensor, "token"]) -> Trace:
        """All that happens while it reads one text."""
        hidden = self(ids[None])[:, 0]
        parts = [self.layers[at % len(self.layers)].attention for at in range(self.depth)]
        return Trace(tokens, torch.stack([head_scores(part, x) for part, x in zip(parts, hidden)]), hidden)


def head_scores(part: SelfAttention, x: Float[Tensor, "*batch token dim"]) -> Float[Tensor, "*batch head query key"]:
    """The scores of a layer of attention on what it reads, -inf where a causal one may not look."""
    q, k = (
        rearrange(read(x), "... token (head size) -> ... head token size", head=part.heads)
        for read in (part.query, part.key)
    )
    scores = einsum(q, k, "... query size, ... key size -> ... query key") * part.head_dim**-0.5
    return (
        scores.masked_fill(~torch.ones_like(scores[0], dtype=torch.bool).tril(), -torch.inf) if part.causal else scores
    )


def shuffled(model: nn.Module, seed: int = 0) -> dict[str, Tensor]:
    """The control for whatever is said of weights: the same numbers, those of each matrix in random order.

    A `state_dict`; vectors (biases and norms) stay.
    """
    draw = torch.Generator().manual_seed(seed)
    mixed = lambda w: w.flatten()[torch.randperm(w.numel(), generator=draw)].view_as(w) if w.ndim > 1 else w
    return {name: mixed(weight) for name, weight in model.state_dict().items()}

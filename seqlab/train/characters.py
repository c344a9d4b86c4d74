"""A causal transformer over characters, small enough to train on a laptop, and the novel that labs train on."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqlab import data
from seqlab.layers import Block, FeedForward, SelfAttention
from seqlab.train import checkpoint

FILE = data.FOLDER / "austen.pt"


def encode(text: str, alphabet: str) -> Int[Tensor, "token"]:
    """Ids of the characters of `text`: their places in `alphabet`; ValueError names the first one that it lacks."""
    ids = {character: at for at, character in enumerate(alphabet)}
    unknown = next((character for character in text if character not in ids), None)
    if unknown is not None:
        raise ValueError(f"text: the character {unknown!r} is not in the alphabet {alphabet!r}")
    return torch.tensor([ids[character] for character in text], dtype=torch.long)


@lru_cache
def novel() -> tuple[str, Int[Tensor, "_"], Int[Tensor, "_"]]:
    """*Pride and Prejudice*: (its alphabet, ids of the first nine tenths, ids of the last, which is for testing)."""
    text = data.austen()
    alphabet = "".join(sorted(set(text)))
    learn, test = (encode(part, alphabet) for part in data.split(text))
    return alphabet, learn, test


@dataclass(frozen=True)
class CharConfig:
    """`alphabet`: every character the model knows, in the order of their ids; `context`: the longest input."""

    alphabet: str
    dim: int = 96
    heads: int = 4
    layers: int = 4
    context: int = 96


@dataclass
class Trace:
    """Everything a forward pass went through. `hidden[0]` is the embedding, `hidden[l]` the output of layer l."""

    logits: Float[Tensor, "batch token alphabet"]
    hidden: Float[Tensor, "state batch token dim"]
    weights: Float[Tensor, "layer batch head query key"]


class CharModel(nn.Module):
    """Next-character transformer: embedding + learned position, pre-norm blocks, tied output."""

    def __init__(self, config: CharConfig):
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(len(config.alphabet), config.dim)
        self.position = nn.Embedding(config.context, config.dim)
        block = lambda dim: Block(
            dim, SelfAttention(dim, config.heads, causal=True, bias=True), FeedForward(dim, 4 * dim, "gelu")
        )
        self.blocks = nn.ModuleList(block(config.dim) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.dim)
        for embedding in (self.embed, self.position):
            nn.init.normal_(embedding.weight, std=0.02)

    def encode(self, text: str) -> Int[Tensor, "token"]:
        """Ids of the characters of `text`."""
        return encode(text, self.config.alphabet)

    def decode(self, ids: Int[Tensor, "token"]) -> str:
        """The characters of `ids`."""
        return "".join(self.config.alphabet[i] for i in ids.tolist())

    def forward(self, ids: Int[Tensor, "batch token"]) -> Float[Tensor, "batch token alphabet"]:
        x = self._embedded(ids)
        for block in self.blocks:
            x = block(x)
        return self._logits(x)

    def trace(self, ids: Int[Tensor, "batch token"]) -> Trace:
        """The forward pass with all hidden states and attention weights kept."""
        hidden, weights = [self._embedded(ids)], []
        for block in self.blocks:
            x, w = cast(Block, block).with_weights(hidden[-1])
            hidden.append(x)
            weights.append(w)
        return Trace(self._logits(hidden[-1]), torch.stack(hidden), torch.stack(weights))

    def loss(self, ids: Int[Tensor, "batch token"]) -> Float[Tensor, ""]:
        """Mean negative log-likelihood per character, in nats, of ids[:, 1:] given what came before."""
        logits = self(ids[:, :-1])
        return nn.functional.cross_entropy(
            rearrange(logits, "batch token alphabet -> (batch token) alphabet"),
            rearrange(ids[:, 1:], "batch token -> (batch token)"),
        )

    @torch.no_grad()
    def write(
        self, start: str, length: int, *, temperature: float = 0.8, generator: torch.Generator | None = None
    ) -> str:
        """Continue `start` by `length` sampled characters."""
        ids = self.encode(start)[None]
        for _ in range(length):
            logits = self(ids[:, -self.config.context :])[:, -1] / temperature
            ids = torch.cat([ids, torch.multinomial(logits.softmax(-1), 1, generator=generator)], dim=1)
        return self.decode(ids[0])

    def _embedded(self, ids: Tensor) -> Tensor:
        if ids.shape[-1] > self.config.context:
            raise ValueError(f"ids: got {ids.shape[-1]} tokens, this model reads at most {self.config.context}")
        return self.embed(ids) + self.position.weight[: ids.shape[-1]]

    def _logits(self, x: Tensor) -> Tensor:
        return self.norm(x) @ self.embed.weight.T


def load(path: Path | str = FILE) -> CharModel:
    """Read a model written by `checkpoint.save`; FileNotFoundError or ValueError say what is wrong with the file."""
    return checkpoint.load(path, lambda config: CharModel(CharConfig(**config)), "seqlab's character model")

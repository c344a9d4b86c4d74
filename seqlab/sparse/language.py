"""A small transformer that sees what a pattern shows, and text at one sparsity: *Pride and Prejudice*, pattern by pattern.

All patterns but dense have about 700 of the 2,080 causal connections of 64 tokens, per layer and head (within 3 %), so
that only *which* keys are seen differs. Every model is judged on the same 128 stretches of the held-out tenth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqlab import data
from seqlab import patterns as P
from seqlab.patterns import Pattern
from seqlab.train.fit import Watcher, evaluate, fit, windows

DIM, HEADS = 64, 4
N, DEPTH, STEPS, LONG, BATCH = 64, 2, 300, 900, 16

PATTERNS: dict[str, Callable[[int], Pattern]] = {  # seed of the run → pattern; only the random one uses the seed
    "dense": lambda seed: P.full(),
    "window": lambda seed: P.window(11),
    "strided": lambda seed: P.strided(8).union(),
    "fixed": lambda seed: P.fixed(20).union(),
    "star": lambda seed: P.window(10) | P.relays([N // 2]),  # a relay that the second half of the text can hear
    "random": lambda seed: P.random(20, seed),
}


def masks(pattern: Pattern, depth: int, n: int, heads: int = HEADS) -> Bool[Tensor, "layer head query key"]:
    """What each layer and head may see, causal. ValueError where the heads do not divide or a query sees nothing."""
    causal = pattern.causal().at(n).masks(by_head=True)
    if heads % causal.shape[1]:
        raise ValueError(
            f"pattern: {pattern.name} has {causal.shape[1]} heads, which do not divide the model's {heads}"
        )
    if not causal.any(-1).all():
        query = int((~causal.any(-1)).nonzero()[0, -1])
        raise ValueError(f"pattern: in {pattern.name}, query {query} sees no key up to itself; add .with_self()")
    return causal[torch.arange(depth) % causal.shape[0]].repeat_interleave(heads // causal.shape[1], dim=1)


class SparseModel(nn.Module):
    """Causal pre-norm transformer with learned positions; layer l sees set l of the pattern (mod p).

    scored: the positions whose next token counts in `loss` and `accuracy`.
    """

    def __init__(self, pattern: Pattern, depth: int, *, tokens: int, n: int, scored: slice):
        super().__init__()
        self.scored = scored
        self.register_buffer("masks", masks(pattern, depth, n))
        self.embed, self.position = nn.Embedding(tokens, DIM), nn.Parameter(torch.randn(n, DIM) * 0.02)
        self.blocks = nn.ModuleList(Block() for _ in range(depth))
        self.norm, self.out = nn.LayerNorm(DIM), nn.Linear(DIM, tokens)
        nn.init.normal_(self.embed.weight, std=0.02)

    def forward(self, ids: Int[Tensor, "batch token"], rows: slice = slice(None)) -> Float[Tensor, "batch row symbol"]:
        """Logits of the next token at the positions `rows`."""
        x = self.embed(ids) + self.position
        for block, mask in zip(self.blocks[:-1], self.masks[:-1]):
            x = block(x, mask)
        return self.out(self.norm(self.blocks[-1](x, self.masks[-1], rows)))

    def loss(self, ids: Int[Tensor, "batch token"]) -> Float[Tensor, ""]:
        """Mean nats per scored token."""
        logits, target = self(ids, self.scored), ids[:, 1:][:, self.scored]
        return F.cross_entropy(logits.flatten(0, 1), target.flatten())

    @torch.no_grad()
    def accuracy(self, ids: Int[Tensor, "batch token"]) -> float:
        """Share of scored tokens that are predicted right."""
        return (self(ids, self.scored).argmax(-1) == ids[:, 1:][:, self.scored]).float().mean().item()


class Block(nn.Module):
    """Pre-norm block; masked keys are outside the softmax, not zeroed behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(DIM), nn.LayerNorm(DIM)
        self.qkv, self.mix = nn.Linear(DIM, 3 * DIM), nn.Linear(DIM, DIM)
        self.feed_forward = nn.Sequential(nn.Linear(DIM, 4 * DIM), nn.ReLU(), nn.Linear(4 * DIM, DIM))

    def forward(
        self, x: Float[Tensor, "batch token dim"], mask: Bool[Tensor, "head query key"], rows: slice = slice(None)
    ) -> Float[Tensor, "batch row dim"]:
        """`rows`: which queries are wanted; the keys are all tokens."""
        q, k, v = rearrange(self.qkv(self.norm_1(x)), "b token (three h dim) -> three b h token dim", three=3, h=HEADS)
        mixed = F.scaled_dot_product_attention(q[:, :, rows], k, v, attn_mask=mask[:, rows])
        x = x[:, rows] + self.mix(rearrange(mixed, "b h token dim -> b token (h dim)"))
        return x + self.feed_forward(self.norm_2(x))


def cost(model: SparseModel) -> tuple[int, float]:
    """(connections, sparsity) over all layers and heads; sparsity 0 is causal dense."""
    connections, n = int(model.masks.sum()), model.masks.shape[-1]
    return connections, 1 - connections / (model.masks[..., 0, 0].numel() * n * (n + 1) // 2)


@dataclass
class TextResult:
    """One trained model; `nats` per held-out character."""

    pattern: str
    depth: int
    seed: int
    nats: float
    losses: list[float] = field(repr=False)
    connections: int
    sparsity: float
    seconds: float


def train(
    pattern: Pattern,
    depth: int = DEPTH,
    *,
    steps: int = STEPS,
    seed: int = 0,
    name: str | None = None,
    watch: Watcher | None = None,
) -> TextResult:
    """Next character, all 63 positions count. Same arguments, same result; an interrupt goes through."""
    alphabet, learn, test = _text()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = SparseModel(pattern, depth, tokens=len(alphabet), n=N, scored=slice(0, N - 1))
    batches = windows(learn, batch=BATCH, length=N, seed=seed)
    history = fit(model, batches, steps=steps, lr=3e-3, watch=watch)
    if history.interrupted:
        raise KeyboardInterrupt
    nats = evaluate(model, windows(test, batch=64, length=N, seed=0), 2)
    connections, sparsity = cost(model)
    return TextResult(name or pattern.name, depth, seed, nats, history.loss, connections, sparsity, history.seconds)


def quick(
    names: Iterable[str] = ("fixed", "random"),
    *,
    steps: int = 150,
    seed: int = 0,
    watch: Watcher | None = None,
) -> list[TextResult]:
    """A few of `PATTERNS`, live: the defaults take 8 to 15 seconds on one core."""
    return [train(PATTERNS[name](seed), steps=steps, seed=seed, name=name, watch=watch) for name in names]


@lru_cache
def _text() -> tuple[str, Tensor, Tensor]:
    text = data.austen()
    alphabet = "".join(sorted(set(text)))
    ids = {character: at for at, character in enumerate(alphabet)}
    learn, test = (torch.tensor([ids[character] for character in part]) for part in data.split(text))
    return alphabet, learn, test

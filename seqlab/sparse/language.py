"""A small transformer that sees what a pattern shows, and text at one sparsity: *Pride and Prejudice* by pattern.

All patterns but dense have about 700 of the 2,080 causal connections of 64 tokens, per layer and head (within 3 %), so
that only *which* keys are seen differs. Every model is judged on the same 128 stretches of the held-out tenth.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seqlab import patterns as P
from seqlab.layers import Block, FeedForward, Fused
from seqlab.train import experiment
from seqlab.train.characters import novel
from seqlab.train.fit import evaluate, windows

DIM, HEADS = 64, 4
N, DEPTH, STEPS, LONG, BATCH = 64, 2, 300, 900, 16

PATTERNS: dict[str, Callable[[int], P.Pattern]] = {  # seed of the run → pattern; only the random one uses the seed
    "dense": lambda seed: P.full(),
    "window": lambda seed: P.window(11),
    "strided": lambda seed: P.strided(8).union(),
    "fixed": lambda seed: P.fixed(20).union(),
    "star": lambda seed: P.window(10) | P.relays([N // 2]),  # a relay that the second half of the text can hear
    "random": lambda seed: P.random(20, seed),
}


def masks(pattern: P.Pattern, depth: int, n: int, heads: int = HEADS) -> Bool[Tensor, "layer head query key"]:
    """What each layer and head may see, causal. ValueError where the heads do not divide or a query sees nothing."""
    causal = pattern.causal().at(n).masks(by_head=True)
    if heads % causal.shape[1]:
        raise ValueError(
            f"pattern: {pattern.name} has {causal.shape[1]} heads, which do not divide the model's {heads}"
        )
    if not causal.any(-1).all():
        query = int((~causal.any(-1)).nonzero()[0, -1])
        raise ValueError(
            f"pattern: in {pattern.name}, query {query} sees no key up to itself; join it with patterns.own()"
        )
    return causal[torch.arange(depth) % causal.shape[0]].repeat_interleave(heads // causal.shape[1], dim=1)


def masked(
    q: Tensor, k: Tensor, v: Tensor, mask: Bool[Tensor, "head query key"], rows: slice = slice(None)
) -> Float[Tensor, "batch head row dim"]:
    """What the queries `rows` find; masked keys are outside the softmax, not zeroed behind it."""
    return F.scaled_dot_product_attention(q[:, :, rows], k, v, attn_mask=mask[:, rows])


class SparseModel(nn.Module):
    """Causal pre-norm transformer with learned positions; layer l sees set l of the pattern (mod p).

    scored: the positions whose next token counts in `loss` and `accuracy`.
    """

    def __init__(self, pattern: P.Pattern, depth: int, *, tokens: int, n: int, scored: slice):
        super().__init__()
        self.scored = scored
        self.register_buffer("masks", masks(pattern, depth, n))
        self.embed, self.position = nn.Embedding(tokens, DIM), nn.Parameter(torch.randn(n, DIM) * 0.02)
        self.blocks = nn.ModuleList(
            Block(DIM, Fused(DIM, HEADS, masked), FeedForward(DIM, 4 * DIM)) for _ in range(depth)
        )
        self.norm, self.out = nn.LayerNorm(DIM), nn.Linear(DIM, tokens)
        nn.init.normal_(self.embed.weight, std=0.02)

    def forward(self, ids: Int[Tensor, "batch token"], rows: slice = slice(None)) -> Float[Tensor, "batch row symbol"]:
        """Logits of the next token at the positions `rows`, the only ones that the last layer computes."""
        x = self.embed(ids) + self.position
        for block, mask in zip(self.blocks[:-1], self.masks[:-1]):
            x = block(x, mask)
        return self.out(self.norm(self.blocks[-1](x, self.masks[-1], rows, rows=rows)))

    def loss(self, ids: Int[Tensor, "batch token"]) -> Float[Tensor, ""]:
        """Mean nats per scored token."""
        logits, target = self(ids, self.scored), ids[:, 1:][:, self.scored]
        return F.cross_entropy(logits.flatten(0, 1), target.flatten())

    @torch.no_grad()
    def accuracy(self, ids: Int[Tensor, "batch token"]) -> float:
        """Share of scored tokens that are predicted right."""
        return (self(ids, self.scored).argmax(-1) == ids[:, 1:][:, self.scored]).float().mean().item()


def cost(model: SparseModel) -> tuple[int, float]:
    """(connections, sparsity) over all layers and heads; sparsity 0 is causal dense."""
    connections, n = int(model.masks.sum()), model.masks.shape[-1]
    return connections, 1 - connections / (model.masks[..., 0, 0].numel() * n * (n + 1) // 2)


def train(
    pattern: P.Pattern | str, depth: int = DEPTH, seed: int = 0, *, steps: int = STEPS, **options: object
) -> dict:
    """Next character, all 63 positions count: the cell of a pattern, or of one of `PATTERNS`; held-out "nats"."""
    alphabet, learn, test = novel()
    pattern, which = chosen(PATTERNS, pattern, depth, seed)
    make = lambda: SparseModel(pattern, depth, tokens=len(alphabet), n=N, scored=slice(0, N - 1))
    batches = windows(learn, batch=BATCH, length=N, seed=seed)
    model, found = experiment.train(make, batches, seed=seed, steps=steps, **options)
    nats = evaluate(model, windows(test, batch=64, length=N, seed=0), 2)
    connections, sparsity = cost(model)
    return which | dict(nats=nats, connections=connections, sparsity=sparsity) | found


def chosen(patterns: dict, pattern: P.Pattern | str, depth: int, seed: int) -> tuple[P.Pattern, dict]:
    """(the pattern itself, what names the cell), for a pattern or the name of one of `patterns`."""
    name, made = (pattern, patterns[pattern](seed)) if isinstance(pattern, str) else (pattern.name, pattern)
    return made, dict(pattern=name, depth=depth, seed=seed)

"""Longer context at equal compute: a small transformer, six ways to spend 28 connections a token, and how they are compared.

| paper (Zaheer et al. 2020)        | here                                                                              |
| --------------------------------- | --------------------------------------------------------------------------------- |
| block b                           | `BLOCK` = 4 tokens                                                                |
| window w, random r, global g      | `ARMS`: 7 blocks of keys a token, except for "dense"                              |
| ETC: global tokens in front       | `Arm.extra` = 4 learned tokens; their rows and columns count as connections too   |
| truncated input                   | "truncated": the sequence is cut into pieces of 28 tokens, each dense             |

Every arm of an experiment has the same steps, batches, seeds and parameters (but for the extra tokens), and is judged on
the same targets, in the middle of the sequence, at every context. What an arm owes to distant tokens is then measured
by exchanging them: `foreign` replaces all that a window cannot reach anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from kernels import attention
from seqlab import patterns as P
from seqlab.patterns import Pattern
from seqlab.positions import rotary
from seqlab.train import measured
from seqlab.train.fit import Watcher, fit

BLOCK, BUDGET, DEPTH, DIM, HEADS = 4, 28, 2, 64, 4
SCORED, WIDEST = 32, 512  # targets lie in the middle 32 tokens; the longest context measured
REACH = DEPTH * 16  # no chain of DEPTH windows of 7 blocks goes further
CONTEXTS, SEEDS, STEPS, TOKENS = (64, 128, 256, 512), (0, 1, 2), 200, 2048  # TOKENS: in a batch, at every context
GAP = -100  # a position that is no target

Ids = Int[Tensor, "batch token"]
Pair = tuple[Ids, Ids]  # what the model reads, and what it should say (GAP: nothing)


class Arm(NamedTuple):
    """`make(seed)` is the pattern; only random parts use the seed. `extra` global tokens stand in front."""

    make: Callable[[int], Pattern]
    extra: int = 0


def _blocks(window: int, random: int, seed: int) -> Pattern:
    """A window and, for each head, random blocks of its own."""
    draw = [
        P.bigbird(BLOCK, global_blocks=0, window=window, random_blocks=random, seed=HEADS * seed + head)
        for head in range(HEADS)
    ]
    return P.per_head(*draw) if random else draw[0]


ARMS: dict[str, Arm] = {
    "window": Arm(lambda seed: _blocks(7, 0, seed)),
    "window + random": Arm(lambda seed: _blocks(5, 2, seed)),
    "window + global": Arm(lambda seed: P.extended(_blocks(5, 0, seed), BLOCK), BLOCK),
    "BigBird": Arm(lambda seed: P.extended(_blocks(3, 2, seed), BLOCK), BLOCK),
    "truncated": Arm(lambda seed: P.blocks(BUDGET)),
    "dense": Arm(lambda seed: P.full()),
}


class LongModel(nn.Module):
    """Pre-norm transformer whose layers see a pattern through the block-sparse kernels; every token gets an answer.

    A convolution over five neighbours, the same in every arm, reads word order and codons, so that attention is left
    with what lies further off. Half of each head is turned by position (RoPE), half reads content alone.
    classes: None says that the answers are tokens; the last layer is then the embedding, transposed.
    """

    def __init__(self, arm: Arm, seed: int, context: int, *, tokens: int, classes: int | None = None):
        super().__init__()
        pattern = arm.make(seed)
        instance = pattern.at(context + arm.extra)
        self.connections = sum(instance.connections()) / len(instance.connections()) / pattern.heads / context
        dense = instance.connections()[0] == pattern.heads * instance.n**2
        self.layout = None if dense else instance.layout(BLOCK, exact=True)
        self.embed = nn.Embedding(tokens, DIM)
        self.stem = nn.Conv1d(DIM, DIM, 5, padding=2)
        self.blocks = nn.ModuleList(Block() for _ in range(DEPTH))
        self.norm, self.out = nn.LayerNorm(DIM), nn.Linear(DIM, classes or tokens)
        self.front = nn.Parameter(torch.randn(arm.extra, DIM) * 0.05)  # last: the arms share all other first values
        nn.init.normal_(self.embed.weight, std=0.05)
        if classes is None:
            self.out.weight = self.embed.weight

    def forward(self, ids: Ids, at: Bool[Tensor, "batch token"]) -> Float[Tensor, "target answer"]:
        """Logits at the chosen positions."""
        x = self.embed(ids)
        x = x + self.stem(x.mT).mT
        x = torch.cat([self.front.expand(len(x), -1, -1), x], 1)
        for block in self.blocks:
            x = block(x, self.layout)
        return self.out(self.norm(x[:, len(self.front) :][at]))

    def loss(self, pair: Pair) -> Float[Tensor, ""]:
        """Mean nats per target."""
        ids, targets = pair
        return F.cross_entropy(self(ids, targets != GAP), targets[targets != GAP])

    @torch.no_grad()
    def judge(self, pair: Pair) -> tuple[Float[Tensor, target], Bool[Tensor, target]]:
        """(nats, answered right) of each target, in reading order."""
        nats, right = [], []
        for ids, targets in zip(*(part.split(max(1, 2 * TOKENS // part.shape[1])) for part in pair)):
            logits, wanted = self(ids, targets != GAP), targets[targets != GAP]
            nats.append(F.cross_entropy(logits, wanted, reduction="none"))
            right.append(logits.argmax(-1) == wanted)
        return torch.cat(nats), torch.cat(right)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(DIM), nn.LayerNorm(DIM)
        self.qkv, self.mix = nn.Linear(DIM, 3 * DIM), nn.Linear(DIM, DIM)
        self.feed_forward = nn.Sequential(nn.Linear(DIM, 4 * DIM), nn.GELU(), nn.Linear(4 * DIM, DIM))

    def forward(self, x: Float[Tensor, "batch token dim"], layout: object) -> Float[Tensor, "batch token dim"]:
        q, k, v = rearrange(self.qkv(self.norm_1(x)), "b token (three h dim) -> three b h token dim", three=3, h=HEADS)
        mixed = attention(_turned(q), _turned(k), v, layout=layout)
        x = x + self.mix(rearrange(mixed, "b h token dim -> b token (h dim)"))
        return x + self.feed_forward(self.norm_2(x))


def _turned(x: Float[Tensor, "batch head token dim"]) -> Float[Tensor, "batch head token dim"]:
    by_place, by_content = x.chunk(2, -1)
    return torch.cat([rotary(by_place), by_content], -1)


@dataclass(frozen=True)
class Task:
    """What is learned. `test` and its parts hold the same targets, in the same order, at every context.

    batches:  (context, seed) → endless training pairs of TOKENS tokens
    test:     context → the pairs of the held-out part
    scores:   (nats, right) of the targets → named means
    """

    name: str
    tokens: int
    classes: int | None
    batches: Callable[[int, int], Iterator[Pair]]
    test: Callable[[int], Pair]
    scores: Callable[[Tensor, Tensor], dict[str, float]]


def middle(whole: Int[Tensor, "batch whole"], context: int) -> Ids:
    """The middle `context` tokens."""
    if not 0 < context <= whole.shape[1] or (whole.shape[1] - context) % 2:
        raise ValueError(f"context: got {context}, wanted an even number up to {whole.shape[1]}")
    start = (whole.shape[1] - context) // 2
    return whole[:, start : start + context]


def scored(targets: Int[Tensor, "batch whole"]) -> Int[Tensor, "batch whole"]:
    """Only the middle SCORED tokens stay targets."""
    at = torch.full_like(targets, GAP)
    middle(at, SCORED).copy_(middle(targets, SCORED))
    return at


def foreign(ids: Ids) -> Ids:
    """All that lies further than REACH from every target comes from the sequence half the set away: other places, real ones.

    A window of 7 blocks cannot notice; up to a context of SCORED + 2 REACH tokens nothing changes.
    """
    swapped = ids.roll(len(ids) // 2, 0)
    keep = min(SCORED + 2 * REACH, ids.shape[1])
    middle(swapped, keep).copy_(middle(ids, keep))
    return swapped


@dataclass
class Result:
    """One trained model. `scores`: named means over the same held-out targets; "…, foreign": distant context exchanged.

    connections: per token, layer and head
    """

    arm: str
    context: int
    seed: int
    scores: dict[str, float]
    losses: list[float] = field(repr=False)
    connections: float
    parameters: int
    seconds: float


def train(
    task: Task, arm: str, context: int, *, steps: int = STEPS, seed: int = 0, watch: Watcher | None = None
) -> Result:
    """Train and judge. Same arguments, same result; the global generator is untouched; an interrupt goes through."""
    if arm not in ARMS:
        raise ValueError(f"arm: got {arm!r}, wanted one of {', '.join(ARMS)}")
    if not SCORED <= context <= WIDEST or context % 2:
        raise ValueError(f"context: got {context} tokens, wanted an even number from {SCORED} to {WIDEST}")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LongModel(ARMS[arm], seed, context, tokens=task.tokens, classes=task.classes)
    history = fit(model, task.batches(context, seed), steps=steps, lr=3e-3, watch=watch)
    if history.interrupted:
        raise KeyboardInterrupt
    model.eval()
    ids, targets = task.test(context)
    scores = task.scores(*model.judge((ids, targets)))
    if context > SCORED + 2 * REACH:
        distant = task.scores(*model.judge((foreign(ids), targets)))
        scores |= {f"{name}, foreign": value for name, value in distant.items()}
    parameters = sum(p.numel() for p in model.parameters())
    return Result(arm, context, seed, scores, history.loss, model.connections, parameters, history.seconds)


def table(cells: Iterable[dict | Result], score: str) -> dict[tuple[str, int], list[float]]:
    """(arm, context) → one value per seed, in the order of the cells. Cells without that score are left out."""
    out: dict[tuple[str, int], list[float]] = {}
    for cell in (cell if isinstance(cell, dict) else vars(cell) for cell in cells):
        if score in cell["scores"]:
            out.setdefault((cell["arm"], cell["context"]), []).append(cell["scores"][score])
    return out


def gap(better: Iterable[float], worse: Iterable[float]) -> tuple[float, float]:
    """(how much lower the mean of `better` is, the wider of the two ranges over seeds); a loss, so lower is better."""
    better, worse = list(better), list(worse)
    return fmean(worse) - fmean(better), max(max(better) - min(better), max(worse) - min(worse))


def beats(better: Iterable[float], worse: Iterable[float]) -> bool:
    """Every seed of `better` has a lower loss than every seed of `worse`, and the gap of the means exceeds the spread."""
    better, worse = list(better), list(worse)
    difference, spread = gap(better, worse)
    return max(better) < min(worse) and difference > spread


def measure(part: str, setting: dict, todo: Iterable[tuple[str, int, int]], run: Callable[..., Result], path: Path):
    """Run the cells (arm, context, seed) that `path` lacks, see `measured.measure`."""

    def cell(*which: object) -> dict:
        values = asdict(run(*which))
        return values | {"loss": fmean(values.pop("losses")[-20:])}

    measured.measure(path, part, setting, ("arm", "context", "seed"), todo, cell)


def setting(**more: object) -> dict:
    """What every arm has in common, for the file of results."""
    same = dict(block=BLOCK, budget=BUDGET, depth=DEPTH, dim=DIM, heads=HEADS, steps=STEPS, tokens=TOKENS)
    return same | dict(scored=SCORED, widest=WIDEST, reach=REACH) | more

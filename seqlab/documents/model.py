"""Longer context at equal compute: a small transformer, six ways to spend 28 connections a token, one comparison.

| paper (Zaheer et al. 2020)        | here                                                                             |
| --------------------------------- | -------------------------------------------------------------------------------- |
| block b                           | `BLOCK` = 4 tokens                                                               |
| window w, random r, global g      | `ARMS`: 7 blocks of keys a token, except for "dense"                             |
| ETC: global tokens in front       | `Arm.extra` = 4 learned tokens; their rows and columns count as connections too  |
| truncated input                   | "truncated": the sequence is cut into pieces of 28 tokens, each dense            |

Every arm of an experiment has the same steps, batches, seeds and parameters (but for the extra tokens), and is judged
on the same targets, in the middle of the sequence, at every context. What an arm owes to distant tokens is then
measured by exchanging them: `foreign` replaces all that a window cannot reach anyway.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from kernels import attention
from seqlab import patterns as P
from seqlab.layers import Block, FeedForward, Fused
from seqlab.positions import rotary
from seqlab.train import experiment
from seqlab.train.experiment import Part, by, seeded

BLOCK, BUDGET, DEPTH, DIM, HEADS = 4, 28, 2, 64, 4
SCORED, WIDEST = 32, 512  # targets lie in the middle 32 tokens; the longest context measured
REACH = DEPTH * 16  # no chain of DEPTH windows of 7 blocks goes further
STEPS, TOKENS = 200, 2048  # TOKENS: in a batch, at every context
GAP = -100  # a position that is no target
MASK, RATE = 0, 0.15  # the token that hides another, and how often

Ids = Int[Tensor, "batch token"]
Pair = tuple[Ids, Ids]  # what the model reads, and what it should say (GAP: nothing)
Batches = Callable[[int, int], Iterator[Pair]]


class Arm(NamedTuple):
    """`make(seed)` is the pattern; only random parts use the seed. `extra` global tokens stand in front."""

    make: Callable[[int], P.Pattern]
    extra: int = 0


def _blocks(window: int, random: int, seed: int) -> P.Pattern:
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
        self.blocks = nn.ModuleList(
            Block(DIM, Fused(DIM, HEADS, by_layout), FeedForward(DIM, 4 * DIM, "gelu")) for _ in range(DEPTH)
        )
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
    def judge(self, pair: Pair) -> tuple[Float[Tensor, "target"], Bool[Tensor, "target"]]:
        """(nats, answered right) of each target, in reading order."""
        nats, right = [], []
        for ids, targets in zip(*(part.split(max(1, 2 * TOKENS // part.shape[1])) for part in pair)):
            logits, wanted = self(ids, targets != GAP), targets[targets != GAP]
            nats.append(F.cross_entropy(logits, wanted, reduction="none"))
            right.append(logits.argmax(-1) == wanted)
        return torch.cat(nats), torch.cat(right)


def by_layout(q: Tensor, k: Tensor, v: Tensor, layout: object) -> Float[Tensor, "batch head token dim"]:
    """Attention by the block-sparse kernels; half of each query and key is turned by its position."""
    return attention(_turned(q), _turned(k), v, layout=layout)


def _turned(x: Float[Tensor, "batch head token dim"]) -> Float[Tensor, "batch head token dim"]:
    by_place, by_content = x.chunk(2, -1)
    return torch.cat([rotary(by_place), by_content], -1)


@dataclass(frozen=True)
class Task:
    """What is learned. The targets that are judged are the same, in the same order, at every context.

    batches:   (context, seed) → endless training pairs of TOKENS tokens
    held_out:  the pairs of the held-out part in the widest context, targets in the middle alone (`scored`)
    scores:    (nats, right) of the targets → named means
    """

    name: str
    tokens: int
    classes: int | None
    batches: Batches
    held_out: Callable[[], Pair]
    scores: Callable[[Tensor, Tensor], dict[str, float]]

    def test(self, context: int) -> Pair:
        """The held-out part at this context."""
        ids, targets = self.held_out()
        return middle(ids, context), middle(targets, context)

    def shuffled(self) -> "Task":
        """The control: in training, each sequence gets the answers of another one."""

        def batches(context: int, seed: int) -> Iterator[Pair]:
            for ids, targets in self.batches(context, seed):
                yield ids, targets.roll(1, 0)

        return replace(self, name=f"{self.name}, shuffled", batches=batches)


def bits(parts: int = 1) -> Callable[[Tensor, Tensor], dict[str, float]]:
    """Scores of a task: the loss in bits, of a token that has so many parts in bits a part, and the share right."""
    return lambda nats, right: {
        "loss": nats.mean().item() / (parts * math.log(2)),
        "accuracy": right.float().mean().item(),
    }


def masking(
    name: str, tokens: int, sequences: Batches, test: Callable[[], Ids], scores: Callable, least: int = MASK
) -> Task:
    """A share RATE of the tokens is replaced by MASK; those of them above `least` are asked for.

    sequences: (context, seed) → endless pairs, of which the first are the tokens;  test: those of the held-out part
    """

    def masked(ids: Ids, generator: torch.Generator) -> Pair:
        mask = torch.rand(ids.shape, generator=generator) < RATE
        return torch.where(mask, MASK, ids), torch.where(mask & (ids > least), ids, GAP)

    def batches(context: int, seed: int) -> Iterator[Pair]:
        generator = torch.Generator().manual_seed(seed)
        for ids, _ in sequences(context, seed):
            yield masked(ids, generator)

    def held_out() -> Pair:
        ids, targets = masked(test(), torch.Generator().manual_seed(0))
        return ids, scored(targets)

    return Task(name, tokens, None, batches, held_out, scores)


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
    """All that lies further than REACH from every target comes from the sequence half the set away: real, elsewhere.

    A window of 7 blocks cannot notice; up to a context of SCORED + 2 REACH tokens nothing changes.
    """
    swapped = ids.roll(len(ids) // 2, 0)
    keep = min(SCORED + 2 * REACH, ids.shape[1])
    middle(swapped, keep).copy_(middle(ids, keep))
    return swapped


# A cell has "arm", "context", "seed"; "scores": named means over the same held-out targets, "…, foreign" with the
# distant context exchanged; "connections": per token, layer and head; "parameters", "seconds", the loss in training.
Result = dict


def train(task: Task, arm: str, context: int, seed: int = 0, *, steps: int = STEPS, **options: object) -> Result:
    """Train and judge. Same arguments, same result; options as in `fit`."""
    if arm not in ARMS:
        raise ValueError(f"arm: got {arm!r}, wanted one of {', '.join(ARMS)}")
    if not SCORED <= context <= WIDEST or context % 2:
        raise ValueError(f"context: got {context} tokens, wanted an even number from {SCORED} to {WIDEST}")
    make = lambda: LongModel(ARMS[arm], seed, context, tokens=task.tokens, classes=task.classes)
    model, found = experiment.train(make, task.batches(context, seed), seed=seed, steps=steps, **options)
    ids, targets = task.test(context)
    scores = task.scores(*model.judge((ids, targets)))
    if context > SCORED + 2 * REACH:
        distant = task.scores(*model.judge((foreign(ids), targets)))
        scores |= {f"{name}, foreign": value for name, value in distant.items()}
    return dict(arm=arm, context=context, seed=seed, scores=scores, connections=model.connections) | found


def part(task: Task, cells: Iterable[tuple[str, int]], steps: int = STEPS, **setting: object) -> Part:
    """The (arm, context) of a task, each with every seed; `setting` beside what all of them have in common."""
    same = dict(block=BLOCK, budget=BUDGET, depth=DEPTH, dim=DIM, heads=HEADS, tokens=TOKENS)
    same |= dict(scored=SCORED, widest=WIDEST, reach=REACH, task=task.name, steps=steps)
    return Part(partial(train, task, steps=steps), ("arm", "context", "seed"), seeded(cells), same | setting)


def table(cells: Iterable[Result], score: str) -> dict[tuple[str, int], list[float]]:
    """(arm, context) → one value per seed, in the order of the cells. Cells without that score are left out."""
    return by("arm", "context")(({**cell, **cell["scores"]} for cell in cells if score in cell["scores"]), score)


def beats(better: Sequence[float], worse: Sequence[float]) -> bool:
    """Every seed of `better` has a lower loss than every seed of `worse`."""
    return experiment.beats(better, worse, lower=True)

"""Memorisation by one attention layer: labels that belong to (token, set), labels that belong to an order, and real text.

| paper symbol (Kajitsuka & Sato 2023)          | here                                                                |
| --------------------------------------------- | ------------------------------------------------------------------- |
| one layer: attention, then feed-forward       | `Memoriser`: x + W_O head(x), then one hidden ReLU layer            |
| W_K, W_Q, W_V ∈ R^{s×d}; tied in section 5    | `Arm.rank` is s; `Arm.tied`: one matrix for all three               |
| what is memorised                             | `seqlab.one_layer.book`: sets, orders and a book                          |

`python -m seqlab.one_layer.trained` trains all arms with three seeds, resumable; the result comes with seqlab: `results()`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from statistics import fmean

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqlab.attention import Normalizer, attention, average, hardmax, softmax
from seqlab.one_layer.book import CLASSES, LENGTHS, MEMBERS, SETS, TEST, TOKENS, TRAIN, Labelled, book, orders, sets
from seqlab.train import measured
from seqlab.train.fit import Watcher, fit

SEEDS = (0, 1, 2)
FILE = Path(__file__).with_name("trained.json")


@dataclass(frozen=True)
class Arm:
    """What a model may use. attention: None, "average", "hardmax" or "softmax"; rank: of W_K, W_Q and W_V."""

    attention: str | None = None
    rank: int = 1
    positions: bool = False
    tied: bool = False


@dataclass(frozen=True)
class Part:
    """One experiment: its data by seed, its arms, and the training that all arms share. batch: sequences, 0 for all."""

    make: Callable[[int], Labelled]
    arms: dict[str, Arm]
    dim: int
    width: int
    steps: int
    lr: float
    batch: int = 0


def ceiling(ids: Int[Tensor, "sequence token"], labels: Int[Tensor, "sequence token"], arm: Arm) -> float:
    """The exact best accuracy on these places of any weights of `arm`: a majority for all that it cannot tell apart.

    Without attention that is the token; with it the token and the multiset of its sequence; with positions also the
    place, and then the order. Hardmax without positions: the token and the winner of its query, under the best order of the
    keys for each query (exactly tied scores, which training does not meet, are left out).
    """
    if arm.attention == "hardmax" and not arm.positions:
        return _hardmax_ceiling(ids, labels)
    groups: dict[Hashable, Counter] = defaultdict(Counter)
    for row, wanted in zip(ids.tolist(), labels.tolist()):
        context = () if arm.attention is None else tuple(row) if arm.positions else tuple(sorted(row))
        for place, (token, label) in enumerate(zip(row, wanted)):
            if label >= 0:
                groups[token, context, place if arm.positions else 0][label] += 1
    return _majority(groups.values()) / int((labels >= 0).sum())


def _majority(groups: Iterable[Counter]) -> int:
    return sum(max(group.values()) for group in groups if group)


def _hardmax_ceiling(ids: Int[Tensor, "sequence token"], labels: Int[Tensor, "sequence token"]) -> float:
    """Per query token the best order of all keys, by dynamic programming over the set of keys that come first."""
    right = 0
    everything = sorted(set(ids.flatten().tolist()))
    if len(everything) > 12:
        raise ValueError(f"ids: {len(everything)} different tokens; the search over orders of keys is for at most 12")
    for query in everything:
        cases = [
            (frozenset(row), wanted[row.index(query)])
            for row, wanted in zip(ids.tolist(), labels.tolist())
            if query in row
        ]

        @lru_cache(None)
        def best(left: frozenset[int], cases: tuple = tuple(cases)) -> int:
            if not any(keys <= left for keys, _ in cases):
                return 0
            return max(
                _majority([Counter(label for keys, label in cases if key in keys and keys <= left)])
                + best(left - {key})
                for key in left
            )

        right += best(frozenset(everything))
    return right / labels.numel()


def straight_through() -> Normalizer:
    """Hardmax forwards, the gradient of softmax backwards."""

    def apply(scores: Tensor, allowed: Tensor) -> Tensor:
        soft = softmax().apply(scores, allowed)
        return hardmax().apply(scores.detach(), allowed) + (soft - soft.detach())  # the bracket is exactly 0

    return Normalizer("hardmax, straight through", apply)


class Memoriser(nn.Module):
    """Embedding, one head of rank `arm.rank` added to it, one hidden ReLU layer, a label per token."""

    def __init__(self, arm: Arm, labelled: Labelled, dim: int, width: int):
        super().__init__()
        self.arm = arm
        self.embed = nn.Embedding(labelled.vocabulary, dim, padding_idx=0)
        self.position = nn.Parameter(torch.randn(labelled.ids.shape[1], dim)) if arm.positions else None
        if arm.attention is not None:
            self.weights = {"average": average(), "hardmax": straight_through(), "softmax": softmax()}[arm.attention]
            self.query, self.key, self.value = (nn.Linear(dim, arm.rank, bias=False) for _ in range(3))
            if arm.tied:
                self.query = self.key = self.value
            self.out = nn.Linear(arm.rank, dim, bias=False)
        self.hidden, self.read = nn.Linear(dim, width), nn.Linear(width, len(labelled.classes))

    def forward(self, ids: Int[Tensor, "sequence token"]) -> Float[Tensor, "sequence token label"]:
        """Logits."""
        x = self.embed(ids)
        if self.position is not None:
            x = x + self.position
        if self.arm.attention is not None:
            q, k, v = self.query(x), self.key(x), self.value(x)
            x = x + self.out(attention(q, k, v, normalizer=self.weights, scale=1.0, key_padding=ids != 0))
        return self.read(torch.relu(self.hidden(x)))

    def loss(self, batch: tuple[Tensor, Tensor]) -> Float[Tensor, ""]:
        """Mean nats per labelled place."""
        ids, labels = batch
        return F.cross_entropy(self(ids).flatten(0, 1), labels.flatten(), ignore_index=-1)

    @torch.no_grad()
    def accuracy(self, ids: Int[Tensor, "sequence token"], labels: Int[Tensor, "sequence token"]) -> float:
        """Share of labelled places that are right."""
        right = (self(ids).argmax(-1) == labels)[labels >= 0]
        return right.double().mean().item()


PARTS = {
    "random labels": Part(
        sets,
        {
            "none": Arm(),
            "average, rank 1": Arm("average", 1),
            "average, rank 4": Arm("average", 4),
            "hardmax, rank 4": Arm("hardmax", 4),
            "softmax, rank 1": Arm("softmax", 1),
            "softmax, rank 4": Arm("softmax", 4),
        },
        dim=8,
        width=128,
        steps=2500,
        lr=5e-3,
    ),
    "order": Part(
        orders,
        {
            "none": Arm(),
            "softmax, rank 4": Arm("softmax", 4),
            "softmax, rank 4, positions": Arm("softmax", 4, positions=True),
        },
        dim=8,
        width=128,
        steps=2500,
        lr=5e-3,
    ),
    "book": Part(
        book,
        {
            "none": Arm(),
            "none, positions": Arm(positions=True),
            "tied rank 1": Arm("softmax", 1, tied=True),
            "tied rank 8": Arm("softmax", 8, tied=True),
            "tied rank 1, positions": Arm("softmax", 1, positions=True, tied=True),
        },
        dim=64,
        width=256,
        steps=2000,
        lr=5e-3,
        batch=100,
    ),
}


@dataclass
class Result:
    """One trained model. ceiling: no weights can do better on the training data; test: None where there is no such data."""

    part: str
    arm: str
    seed: int
    accuracy: float
    ceiling: float
    test: float | None
    losses: list[float] = field(repr=False)
    parameters: int
    seconds: float


def train(part: str, arm: str, seed: int = 0, *, steps: int | None = None, watch: Watcher | None = None) -> Result:
    """Train one arm of `PARTS`, as long as all others. The seed is that of the data, the weights and the batches.

    Same arguments, same result; the global generator is untouched. KeyboardInterrupt goes through.
    """
    plan = PARTS[part]
    labelled = plan.make(seed)
    ids, labels = labelled.part()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Memoriser(plan.arms[arm], labelled, plan.dim, plan.width)
    batches = _batches(ids, labels, plan.batch, seed)
    history = fit(model, batches, steps=steps or plan.steps, lr=plan.lr, weight_decay=0.0, watch=watch)
    if history.interrupted:
        raise KeyboardInterrupt
    test = model.accuracy(*labelled.part(test=True)) if labelled.train < len(labelled.ids) else None
    parameters = sum(p.numel() for p in model.parameters())
    best = ceiling(ids, labels, plan.arms[arm])
    return Result(part, arm, seed, model.accuracy(ids, labels), best, test, history.loss, parameters, history.seconds)


def _batches(ids: Tensor, labels: Tensor, batch: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless passes over all sequences, shuffled anew each time; all at once where `batch` is 0."""
    draw = torch.Generator().manual_seed(seed)
    while True:
        for chosen in torch.randperm(len(ids), generator=draw).split(batch or len(ids)):
            yield ids[chosen], labels[chosen]


QUICK = (("random labels", "none"), ("random labels", "hardmax, rank 4"), ("random labels", "softmax, rank 4"))


def quick(
    cells: Iterable[tuple[str, str]] = QUICK,
    *,
    steps: int | None = 1000,
    seed: int = 0,
    watch: Watcher | None = None,
) -> list[Result]:
    """A few (part, arm of `PARTS`), live, with fewer steps than `results()`: about 8 seconds on one core."""
    return [train(part, arm, seed, steps=steps, watch=watch) for part, arm in cells]


def results(path: Path = FILE) -> dict:
    """What `python -m seqlab.one_layer.trained` measured: for each of `PARTS` "setting", "minutes" and "cells" (one dict per model)."""
    return measured.load(path)


def by_arm(cells: Iterable[dict | Result], value: str = "accuracy") -> dict[str, list[float]]:
    """arm → one value per seed, in the order of the cells: dicts of `results()`, or Results."""
    table: dict[str, list[float]] = {}
    for cell in (cell if isinstance(cell, dict) else vars(cell) for cell in cells):
        table.setdefault(cell["arm"], []).append(cell[value])
    return table


def setting(part: str) -> dict:
    """What a cell of `results()` depends on, beside its arm and seed."""
    plan = PARTS[part]
    chosen = {name: getattr(plan, name) for name in ("dim", "width", "steps", "lr", "batch")}
    if part == "book":
        return chosen | {"text": "austen", "train": TRAIN, "test": TEST, "words": list(LENGTHS)}
    return chosen | {"tokens": TOKENS, "members": MEMBERS, "sequences": SETS, "classes": CLASSES}


def measure(part: str, todo: Iterable[tuple[str, int]], run: Callable[..., Result], path: Path = FILE) -> None:
    """Run the cells (arm, seed) that `path` lacks, see `measured.measure`."""

    def cell(arm: str, seed: int) -> dict:
        values = asdict(run(part, arm, seed))
        return values | {"loss": fmean(values.pop("losses")[-20:])}

    measured.measure(path, part, setting(part), ("arm", "seed"), todo, cell)


def main() -> None:
    torch.set_num_threads(1)
    for part, plan in PARTS.items():
        measure(part, [(arm, seed) for seed in SEEDS for arm in plan.arms], train)


if __name__ == "__main__":
    main()

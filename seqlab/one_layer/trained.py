"""Memorisation by one attention layer: labels that belong to (token, set), that belong to an order, and real text.

| paper symbol (Kajitsuka & Sato 2023)          | here                                                                |
| --------------------------------------------- | ------------------------------------------------------------------- |
| one layer: attention, then feed-forward       | `Memoriser`: x + W_O head(x), then one hidden ReLU layer            |
| W_K, W_Q, W_V ∈ R^{s×d}; tied in section 5    | `Arm.rank` is s; `Arm.tied`: one matrix for all three               |
| what is memorised                             | `seqlab.one_layer.book`: sets, orders and a book                    |

`python -m seqlab.one_layer --full` trains all arms with three seeds, resumable; the result comes with seqlab:
`results()`.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqlab.attention import average, hardmax, softmax
from seqlab.layers import SelfAttention
from seqlab.normalizers import Normalizer
from seqlab.one_layer.book import CLASSES, LENGTHS, MEMBERS, SETS, TEST, TOKENS, TRAIN, Labelled, book, orders, sets
from seqlab.train import experiment
from seqlab.train.experiment import Experiment, Part, by, seeded
from seqlab.train.fit import epochs


@dataclass(frozen=True)
class Arm:
    """What a model may use. attention: None, "average", "hardmax" or "softmax"; rank: of W_K, W_Q and W_V."""

    attention: str | None = None
    rank: int = 1
    positions: bool = False
    tied: bool = False


def ceiling(ids: Int[Tensor, "sequence token"], labels: Int[Tensor, "sequence token"], arm: Arm) -> float:
    """The exact best accuracy on these places of any weights of `arm`: a majority for all that it cannot tell apart.

    Without attention that is the token; with it the token and the multiset of its sequence; with positions also the
    place, and then the order. Hardmax without positions: the token and the winner of its query, under the best order of
    the keys for each query (exactly tied scores, which training does not meet, are left out).
    """
    winner = arm.attention == "hardmax" and not arm.positions
    groups: dict[Hashable, list[tuple[frozenset, int]]] = defaultdict(list)
    for row, wanted in zip(ids.tolist(), labels.tolist()):
        seen = None if arm.attention is None or winner else tuple(row if arm.positions else sorted(row))
        for place, (token, label) in enumerate(zip(row, wanted)):
            if label >= 0:
                groups[token, seen, place if arm.positions else 0].append((frozenset(row), label))
    right = sum(_best_order(tuple(g)) if winner else _majority(label for _, label in g) for g in groups.values())
    return right / int((labels >= 0).sum())


def _majority(labels: Iterable[int]) -> int:
    return Counter(labels).most_common(1)[0][1]


@lru_cache(None)
def _best_order(cases: tuple[tuple[frozenset, int], ...]) -> int:
    """The most labels right under any order of the keys: the first key wins in the sets that hold it, and these get one
    label; the second in what is left, and so on.
    """
    return max(
        (
            _majority(label for keys, label in cases if first in keys)
            + _best_order(tuple(case for case in cases if first not in case[0]))
            for first in frozenset().union(*(keys for keys, _ in cases))
        ),
        default=0,
    )


def straight_through() -> Normalizer:
    """Hardmax forwards, the gradient of softmax backwards."""

    def apply(scores: Tensor, allowed: Tensor) -> Tensor:
        soft = softmax().apply(scores, allowed)
        return hardmax().apply(scores.detach(), allowed) + (soft - soft.detach())  # the bracket is exactly 0

    return Normalizer("hardmax, straight through", apply)


class Memoriser(nn.Module):
    """Embedding, one head of rank `arm.rank` added to it, one hidden ReLU layer, a label per token.

    impl: as in `SelfAttention`
    """

    def __init__(self, arm: Arm, labelled: Labelled, dim: int, width: int, impl: str | None = None):
        super().__init__()
        self.arm = arm
        self.embed = nn.Embedding(labelled.vocabulary, dim, padding_idx=0)
        self.position = nn.Parameter(torch.randn(labelled.ids.shape[1], dim)) if arm.positions else None
        if arm.attention is not None:
            weights = {"average": average(), "hardmax": straight_through(), "softmax": softmax()}[arm.attention]
            self.attention = SelfAttention(dim, 1, arm.rank, normalizer=weights, scale=1.0, impl=impl)
            if arm.tied:
                self.attention.query = self.attention.key = self.attention.value
        self.hidden, self.read = nn.Linear(dim, width), nn.Linear(width, len(labelled.classes))

    def forward(self, ids: Int[Tensor, "sequence token"]) -> Float[Tensor, "sequence token label"]:
        """Logits."""
        x = self.embed(ids)
        if self.position is not None:
            x = x + self.position
        if self.arm.attention is not None:
            x = x + self.attention(x, key_padding=ids != 0)
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


@dataclass(frozen=True)
class Plan:
    """One part: its data by seed, its arms, and what all arms share. batch: sequences, 0 for all."""

    make: Callable[[int], Labelled]
    arms: dict[str, Arm]
    setting: dict


EXACT = dict(
    dim=8, width=128, steps=2500, lr=5e-3, batch=0, tokens=TOKENS, members=MEMBERS, sequences=SETS, classes=CLASSES
)
TEXT = dict(dim=64, width=256, steps=2000, lr=5e-3, batch=100, text="austen", train=TRAIN, test=TEST, words=LENGTHS)
PARTS = {
    "random labels": Plan(
        sets,
        {
            "none": Arm(),
            "average, rank 1": Arm("average", 1),
            "average, rank 4": Arm("average", 4),
            "hardmax, rank 4": Arm("hardmax", 4),
            "softmax, rank 1": Arm("softmax", 1),
            "softmax, rank 4": Arm("softmax", 4),
        },
        EXACT,
    ),
    "order": Plan(
        orders,
        {
            "none": Arm(),
            "softmax, rank 4": Arm("softmax", 4),
            "softmax, rank 4, positions": Arm("softmax", 4, positions=True),
        },
        EXACT,
    ),
    "book": Plan(
        book,
        {
            "none": Arm(),
            "none, positions": Arm(positions=True),
            "tied rank 1": Arm("softmax", 1, tied=True),
            "tied rank 8": Arm("softmax", 8, tied=True),
            "tied rank 1, positions": Arm("softmax", 1, positions=True, tied=True),
        },
        TEXT,
    ),
}


def train(part: str, arm: str, seed: int = 0, *, steps: int | None = None) -> dict:
    """Train one arm of `PARTS`, as long as all others. The seed is that of the data, the weights and the batches.

    "ceiling": no weights can do better on the training data; "test": None where there is no such data. Same arguments,
    same result.
    """
    plan = PARTS[part]
    labelled, setting = plan.make(seed), plan.setting
    ids, labels = labelled.part()
    rows = epochs(len(ids), batch=setting["batch"] or len(ids), seed=seed)
    model, found = experiment.train(
        lambda: Memoriser(plan.arms[arm], labelled, setting["dim"], setting["width"]),
        ((ids[chosen], labels[chosen]) for chosen in rows),
        seed=seed,
        steps=steps or setting["steps"],
        lr=setting["lr"],
        weight_decay=0.0,
    )
    scores = {"accuracy": model.accuracy(ids, labels), "ceiling": ceiling(ids, labels, plan.arms[arm])}
    scores["test"] = model.accuracy(*labelled.part(test=True)) if labelled.train < len(labelled.ids) else None
    return {"part": part, "arm": arm, "seed": seed} | scores | found


def parts() -> dict[str, Part]:
    """All of `PARTS`."""
    return {
        name: Part(partial(train, name), ("arm", "seed"), seeded((arm,) for arm in plan.arms), plan.setting)
        for name, plan in PARTS.items()
    }


QUICK = (("random labels", "none"), ("random labels", "hardmax, rank 4"), ("random labels", "softmax, rank 4"))
EXPERIMENT = Experiment(Path(__file__).with_name("trained.json"), parts)
results, by_arm = EXPERIMENT.results, by("arm")

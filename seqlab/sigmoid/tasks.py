"""The tasks: text, images, speech, copying; and the variants of attention that are compared, one change at a time.

Language: characters of *Pride and Prejudice*, causal. Vision: Fashion-MNIST, 4 × 4 patches, mean-pooled. Speech:
Japanese Vowels, 7 to 29 frames, padded. Copying: `0 s 0 s`, causal. Each variant of `VARIANTS` differs from plain
sigmoid (b = 0) or softmax in one thing; "best practice" puts together what the paper uses in such a setting, "softmax,
same extras" is its control.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from einops import rearrange

from seqlab import data
from seqlab.sigmoid.transformer import Batch, Config
from seqlab.sparse import copying
from seqlab.train.characters import novel
from seqlab.train.fit import epochs, windows

SIGMOID = dict(weights="sigmoid")

VARIANTS: dict[str, dict] = {
    "softmax": {},
    "sigmoid": SIGMOID,
    "b = -log n": SIGMOID | dict(bias="trained"),
    "b = -log keys": SIGMOID | dict(bias="keys"),
    "QK-norm": SIGMOID | dict(qk_norm=True),
    "LayerScale": SIGMOID | dict(layer_scale=1e-4),
    "hybrid-norm": SIGMOID | dict(hybrid_norm=True),
    "1/√n": SIGMOID | dict(power=0.5),
    "1/n": SIGMOID | dict(power=1.0),
    "ALiBi": SIGMOID | dict(positions="alibi"),
    "softmax, ALiBi": dict(positions="alibi"),
}


@dataclass(frozen=True)
class Modality:
    """One task: its model, its data, its budget.

    best:    what the paper uses in this setting: "best practice" is sigmoid with this
    score:   "nats" (lower is better) or "accuracy" (higher is better)
    skip:    variants that make no sense here, or add nothing
    """

    config: Config
    train: Callable[[int], Iterator[Batch]]
    test: Callable[[], list[Batch]]
    steps: int
    best: dict
    score: str = "accuracy"
    skip: tuple[str, ...] = ("ALiBi", "softmax, ALiBi")
    lr: float = 3e-3

    @property
    def changes(self) -> dict[str, dict]:
        """Name of a variant → what is other than in softmax."""
        extras = {key: value for key, value in self.best.items() if key != "bias"}
        return VARIANTS | {"best practice": SIGMOID | self.best, "softmax, same extras": extras}

    @property
    def variants(self) -> tuple[str, ...]:
        """The names of all variants."""
        return tuple(name for name in self.changes if name not in self.skip)

    def variant(self, name: str) -> Config:
        """The configuration of a variant."""
        if name not in self.changes:
            raise ValueError(f"variant: got {name!r}, wanted one of {', '.join(self.variants)}")
        return replace(self.config, **self.changes[name])


def text_batches(length: int, batch: int, seed: int, *, test: bool = False) -> Iterator[Batch]:
    """Endless windows of the novel, or of its held-out tenth; each token's target is the next character."""
    for ids in windows(novel()[2 if test else 1], batch=batch, length=length + 1, seed=seed):
        yield Batch(ids[:, :-1], ids[:, 1:])


@lru_cache
def pictures() -> dict[str, Batch]:
    """49 patches of 4 × 4 pixels each."""
    arrays = data.fashion()
    patches = lambda x: (rearrange(x, "b (i p) (j q) -> b (i j) (p q)", p=4, q=4) - 0.286) / 0.353
    return {part: Batch(patches(arrays[f"x_{part}"]), arrays[f"y_{part}"]) for part in ("train", "test")}


@lru_cache
def utterances() -> dict[str, Batch]:
    """Filled up to 29 frames."""
    arrays = data.vowels()
    return {part: Batch(arrays[f"x_{part}"], arrays[f"y_{part}"], arrays[f"real_{part}"]) for part in ("train", "test")}


def shuffled(source: Batch, batch: int, seed: int) -> Iterator[Batch]:
    """Endless batches, each epoch in an order of its own."""
    for rows in epochs(len(source.targets), batch=batch, seed=seed):
        yield Batch(*(None if part is None else part[rows] for part in source))


def copies(length: int, batch: int, seed: int) -> Iterator[Batch]:
    """`0 s 0 s` (`seqlab.sparse.copying`): only the second s is asked for."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        ids = copying.sequences(batch, generator, length)
        targets = ids[:, 1:].clone()
        targets[:, : length // 2] = -100
        yield Batch(ids[:, :-1], targets)


@lru_cache
def modalities() -> dict[str, Modality]:
    """Language, vision, speech; and "copying", where the unfixed sigmoid lags."""
    return {"language": language(), "vision": vision(), "speech": speech(), "copying": copying_task()}


def language(
    layers: int = 2, length: int = 64, *, dim: int = 48, positions: str = "rope", lr: float = 3e-3, steps: int = 200
) -> Modality:
    """Next character, 1,024 of them a step; 8,192 of them are the test, in pieces of 16 stretches."""

    def test() -> list[Batch]:
        inputs, targets, _ = next(text_batches(length, 8192 // length, 0, test=True))
        return [Batch(*part) for part in zip(inputs.split(16), targets.split(16))]

    return Modality(
        Config(len(novel()[0]), length, causal=True, positions=positions, dim=dim, layers=layers),
        lambda seed: text_batches(length, 1024 // length, seed),
        test,
        steps,
        best=dict(bias="keys", positions="alibi", hybrid_norm=True),
        score="nats",
        skip=(),
        lr=lr,
    )


def vision(layers: int = 3, *, steps: int = 200) -> Modality:
    """What is on the picture?"""
    return Modality(
        Config(10, 49, features=16, pooled=True, dim=48, layers=layers),
        lambda seed: shuffled(pictures()["train"], 32, seed),
        lambda: [pictures()["test"]],
        steps,
        best=dict(bias="trained", layer_scale=1e-4),
        skip=("ALiBi", "softmax, ALiBi", "b = -log keys"),  # every row sees all 49 patches
    )


def speech(layers: int = 2, *, steps: int = 150) -> Modality:
    """Who of nine is speaking?"""
    return Modality(
        Config(9, 29, features=12, pooled=True, dim=32, layers=layers),
        lambda seed: shuffled(utterances()["train"], 27, seed),
        lambda: [utterances()["test"]],
        steps,
        best=dict(bias="keys", qk_norm=True),
    )


def copying_task(length: int = 128, *, steps: int = 140) -> Modality:
    """Say again what was said length/2 tokens ago: each answer is in one of all the keys."""
    return Modality(
        Config(copying.SYMBOLS + 1, length, causal=True, positions="rope", dim=48),
        lambda seed: copies(length, 1024 // length, seed),
        lambda: [next(copies(length, 32, 10**6))],
        steps,
        best=dict(bias="keys", hybrid_norm=True),
        skip=("ALiBi", "softmax, ALiBi", "LayerScale", "1/√n"),
    )

"""Softmax and sigmoid attention at one budget, task by task and fix by fix; where a fix is needed; other lengths.

`python -m seqlab.sigmoid.modalities` measures everything with three seeds, resumable. The result comes with seqlab:
`results()`. Three words for a comparison with softmax: `matches`, the mean over seeds is not worse than softmax's worst seed;
`overlaps`, the best seed is not worse than softmax's worst; `lags`, even the best seed is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import torch
import torch.nn.functional as F

from seqlab.sigmoid.microscope import Run, follow
from seqlab.sigmoid.tasks import Modality, copying_task, language, modalities, speech, text, vision
from seqlab.sigmoid.transformer import Batch, Bias, Transformer, make
from seqlab.train import measured
from seqlab.train.fit import windows

SEEDS = (0, 1, 2)
FILE = Path(__file__).with_name("modalities.json")


@dataclass
class Result:
    """One trained model: mean nats and accuracy on the test part, the curves of its training."""

    variant: str
    seed: int
    nats: float
    accuracy: float
    run: Run


def start(
    task: Modality, variant: str, seed: int, *, steps: int | None = None, probes: int = 6
) -> tuple[Transformer, Iterator[Run]]:
    """A fresh model, and its training, which waits to be driven: `for run in training: …`."""
    model = make(task.variant(variant), seed)
    first = task.test()[0]
    probe = Batch(*(None if part is None else part[:16] for part in first))
    return model, follow(
        model, task.train(seed), steps=task.steps if steps is None else steps, lr=task.lr, probe=probe, probes=probes
    )


def train(task: Modality | str, variant: str, seed: int = 0, *, steps: int | None = None) -> Result:
    """Train one variant and judge it on the test part. Same arguments, same result on one machine."""
    task = modalities()[task] if isinstance(task, str) else task
    model, steps_of = start(task, variant, seed, steps=steps)
    for run in steps_of:
        pass
    return Result(variant, seed, *judge(model, task), run)


@torch.no_grad()
def judge(model: Transformer, task: Modality) -> tuple[float, float]:
    """(nats, accuracy) on the test part."""
    test = task.test()
    sizes = [batch.targets.numel() for batch in test]
    mean = lambda values: sum(v * n for v, n in zip(values, sizes)) / sum(sizes)
    return mean([model.loss(batch).item() for batch in test]), mean([model.accuracy(batch) for batch in test])


QUICK = (("language", 50), ("vision", 50), ("speech", 80))


def quick(variants: Sequence[str] = ("softmax", "sigmoid", "b = -log n"), seed: int = 0) -> dict[str, list[Result]]:
    """A short version, live: three variants on the three modalities, about ten seconds on one core."""
    return {name: [train(name, variant, seed, steps=steps) for variant in variants] for name, steps in QUICK}


def results(path: Path = FILE) -> dict:
    """What `python -m seqlab.sigmoid.modalities` measured: a part for each of `modalities()`, two of them longer, "search", "lengths".

    Each has "setting", "minutes" and "cells", one dict a trained model: "variant", "seed", "nats", "accuracy",
    "curve" ([step, smoothed loss] pairs), "probed" (steps) and "probes" (measure → a list of layers for each of them).
    """
    return measured.load(path)


def by_variant(cells: Iterable[dict | Result], value: str) -> dict[str, list[float]]:
    """variant → one value per seed."""
    table: dict[str, list[float]] = {}
    for cell in (cell if isinstance(cell, dict) else vars(cell) for cell in cells):
        table.setdefault(cell["variant"], []).append(cell[value])
    return table


def matches(values: Sequence[float], reference: Sequence[float], score: str) -> bool:
    """Whether the mean of `values` is not worse than the worst of `reference`: within its seed spread, or better.

    10^-4 is forgiven: shipped numbers have four digits.
    """
    if score not in ("nats", "accuracy"):
        raise ValueError(f"score: got {score!r}, wanted 'nats' (lower is better) or 'accuracy' (higher is better)")
    if score == "nats":
        return fmean(values) <= max(reference) + 1e-4
    return fmean(values) >= min(reference) - 1e-4


def overlaps(values: Sequence[float], reference: Sequence[float], score: str) -> bool:
    """Whether some seed of `values` is not worse than some seed of `reference`: the opposite of `lags`."""
    return not lags(values, reference, score)


def lags(values: Sequence[float], reference: Sequence[float], score: str) -> bool:
    """Whether even the best of `values` is worse than the worst of `reference`."""
    return min(values) > max(reference) if score == "nats" else max(values) < min(reference)


SEARCH: dict[str, Callable[[], Modality]] = {
    "language, 8 layers, n = 256": lambda: language(8, 256, dim=32, steps=100),
    "language, 8 layers, n = 256, rate 0.01": lambda: language(8, 256, dim=32, steps=100, lr=1e-2),
    "speech, 8 layers": lambda: speech(8),
    "vision, 8 layers": lambda: vision(8, steps=100),
    "copying, n = 32": lambda: copying_task(32),
    "copying, n = 64": lambda: copying_task(64),
    "copying, n = 256": lambda: copying_task(256, steps=200),
}
LONGER = 450  # steps of "speech, longer"
COPYING_LONGER = 420  # steps of "copying, longer"
SEARCHED = ("softmax", "sigmoid", "b = -log keys")

LENGTHS = (64, 128, 256)
KEPT = {  # trained variant → choices of b at the test: name → bias
    "softmax": {"": "zero"},
    "sigmoid": {"": "zero"},
    "b = -log n": {"b of the training length": "trained", "b of this length": "input"},
    "b = -log keys": {"": "keys"},
}


def lengths(variant: str, seed: int, *, steps: int = 200, positions: str = "alibi") -> dict[str, list[float]]:
    """Train at 64 characters; nats at 64, 128 and 256, for each choice of b that `KEPT` names.

    Only the last 64 characters of a window count, the same ones for every length: what differs is how much is seen.
    """
    task = language(length=LENGTHS[0], positions=positions, steps=steps)
    model, training_run = start(task, variant, seed)
    for _ in training_run:
        pass
    table = {}
    for name, bias in KEPT[variant].items():
        table[f"{variant}, {name}" if name else variant] = [_tail_nats(model, n, bias) for n in LENGTHS]
    return table


@torch.no_grad()
def _tail_nats(model: Transformer, n: int, bias: Bias) -> float:
    ids = next(windows(text()[2], batch=64, length=LENGTHS[-1] + 1, seed=0))[:, -n - 1 :]
    logits = torch.cat([model(part[:, :-1], bias=bias)[:, -LENGTHS[0] :] for part in ids.split(16)])
    return F.cross_entropy(logits.flatten(0, 1), ids[:, -LENGTHS[0] :].flatten()).item()


def as_cell(result: Result) -> dict:
    """What is shipped of a result: 30 points of the smoothed loss, and the probes."""
    run, smooth = result.run, result.run.smooth()
    at = sorted({round(k * (len(smooth) - 1) / 29) for k in range(30)})
    return {
        "variant": result.variant,
        "seed": result.seed,
        "nats": result.nats,
        "accuracy": result.accuracy,
        "curve": [[step + 1, smooth[step]] for step in at],
        "gradient": max(run.gradient),
        "probed": run.probed,
        "probes": {name: layers for name, layers in run.probes.items() if name in SHIPPED},
        "seconds": run.seconds,
    }


SHIPPED = ("row sum", "attention norm", "mixed norm", "added norm", "residual norm", "entropy", "saturated")


def main(parts: Sequence[str] = (), path: Path = FILE) -> None:
    """Measure the parts named, or all."""
    torch.set_num_threads(1)
    plain = ("variant", "seed")
    for name, task, variants in (
        *((name, task, task.variants) for name, task in modalities().items()),
        ("speech, longer", speech(steps=LONGER), ("softmax", "sigmoid", "b = -log n", "b = -log keys")),
        ("copying, longer", copying_task(steps=COPYING_LONGER), ("softmax", "sigmoid", "b = -log n")),
    ):
        todo = [(variant, seed) for seed in SEEDS for variant in variants]
        if not parts or name in parts:
            measured.measure(path, name, _setting(task), plain, todo, lambda *which: as_cell(train(task, *which)))
    if not parts or "lengths" in parts:
        setting = _setting(language(length=LENGTHS[0])) | dict(lengths=list(LENGTHS))
        todo = [(positions, variant, seed) for seed in SEEDS for positions in ("alibi", "rope") for variant in KEPT]
        run = lambda positions, variant, seed: {
            "positions": positions,
            "variant": variant,
            "seed": seed,
            "nats": lengths(variant, seed, positions=positions),
        }
        measured.measure(path, "lengths", setting, ("positions", *plain), todo, run)
    if not parts or "search" in parts:
        todo = [(setting, variant) for setting in SEARCH for variant in SEARCHED]
        run = lambda setting, variant: {"setting": setting} | as_cell(train(SEARCH[setting](), variant))
        settings = {name: _setting(make()) for name, make in SEARCH.items()}
        measured.measure(path, "search", settings, ("setting", "variant"), todo, run)


def _setting(task: Modality) -> dict:
    return json.loads(json.dumps(asdict(task.config) | dict(steps=task.steps, lr=task.lr, score=task.score)))


if __name__ == "__main__":
    main(sys.argv[1:])

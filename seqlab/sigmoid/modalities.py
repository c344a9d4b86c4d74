"""Softmax and sigmoid attention at one budget, task by task and fix by fix; where a fix is needed; other lengths.

`python -m seqlab.sigmoid --full [part …]` measures everything with three seeds, resumable. The result comes with
seqlab: `results()`. Three words for a comparison with softmax, see `verdict`: matches, overlaps, lags.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import fmean

import torch
import torch.nn.functional as F

from seqlab.sigmoid.tasks import Modality, copying_task, language, modalities, speech, text_batches, vision
from seqlab.sigmoid.telemetry import Run, follow
from seqlab.sigmoid.transformer import Batch, Bias, Transformer, make
from seqlab.train.experiment import Experiment, Part, beats, by, seeded


def start(task: Modality, variant: str, seed: int, *, steps: int | None = None) -> tuple[Transformer, Iterator[Run]]:
    """A fresh model, and its training, which waits to be driven: `for run in training: …`."""
    model, steps = make(task.variant(variant), seed), task.steps if steps is None else steps
    probe = Batch(*(None if part is None else part[:16] for part in task.test()[0]))
    return model, follow(model, task.train(seed), steps=steps, lr=task.lr, probe=probe)


def train(task: Modality | str, variant: str, seed: int = 0, *, steps: int | None = None) -> dict:
    """Train one variant and judge it on the test part. Same arguments, same result on one machine.

    A cell has mean nats and accuracy, 30 points of the smoothed loss, and the probes (measure → step → layer).
    """
    task = modalities()[task] if isinstance(task, str) else task
    model, training = start(task, variant, seed, steps=steps)
    *_, run = training
    test, smooth = task.test(), run.smooth()  # batches of one size
    with torch.no_grad():
        nats = fmean(model.loss(batch).item() for batch in test)
    at = sorted({round(k * (len(smooth) - 1) / 29) for k in range(30)})
    return {
        "variant": variant,
        "seed": seed,
        "nats": nats,
        "accuracy": fmean(map(model.accuracy, test)),
        "curve": [[step + 1, smooth[step]] for step in at],
        "gradient": max(run.gradient),
        "probed": run.probed,
        "probes": run.probes,
        "seconds": run.seconds,
    }


def verdict(values: Sequence[float], reference: Sequence[float], score: str) -> str:
    """`values`, one a seed, beside those of `reference`, such as softmax; "nats" are better low, "accuracy" high.

    matches:   the mean is not worse than the worst of the reference: within its seed spread, or better
    overlaps:  the best is not worse than that
    lags:      even the best is

    10^-4 is forgiven to a match: shipped numbers have four digits.
    """
    sign = {"nats": -1, "accuracy": 1}[score]
    values, reference = ([sign * x for x in row] for row in (values, reference))
    if fmean(values) >= min(reference) - 1e-4:
        return "matches"
    return "lags" if beats(reference, values) else "overlaps"


QUICK = (("language", 50), ("vision", 50), ("speech", 80))
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


def lengths(positions: str, variant: str, seed: int, *, steps: int = 200) -> dict:
    """Train at 64 characters; "nats" at 64, 128 and 256, for each choice of b that `KEPT` names.

    Only the last 64 characters of a window count, the same ones for every length: what differs is how much is seen.
    """
    model, training = start(language(length=LENGTHS[0], positions=positions, steps=steps), variant, seed)
    for _ in training:
        pass
    nats = {
        f"{variant}, {name}" if name else variant: [_tail_nats(model, n, bias) for n in LENGTHS]
        for name, bias in KEPT[variant].items()
    }
    return {"positions": positions, "variant": variant, "seed": seed, "nats": nats}


@torch.no_grad()
def _tail_nats(model: Transformer, n: int, bias: Bias) -> float:
    inputs, targets, _ = next(text_batches(LENGTHS[-1], 64, 0, test=True))
    logits = torch.cat([model(part, bias=bias)[:, -LENGTHS[0] :] for part in inputs[:, -n:].split(16)])
    return F.cross_entropy(logits.flatten(0, 1), targets[:, -LENGTHS[0] :].flatten()).item()


def searched(setting: str, variant: str) -> dict:
    """One cell of the search for a setting that needs the fix."""
    return {"setting": setting} | train(SEARCH[setting](), variant)


def parts() -> dict[str, Part]:
    """Each of `modalities()`, two of them longer, other lengths, and the search."""
    plans = {name: (task, task.variants) for name, task in modalities().items()}
    plans["speech, longer"] = speech(steps=LONGER), ("softmax", "sigmoid", "b = -log n", "b = -log keys")
    plans["copying, longer"] = copying_task(steps=COPYING_LONGER), ("softmax", "sigmoid", "b = -log n")
    setting = lambda task: asdict(task.config) | dict(steps=task.steps, lr=task.lr, score=task.score)
    plain, at_64 = ("variant", "seed"), setting(language(length=LENGTHS[0]))
    found = {
        name: Part(partial(train, task), plain, seeded((variant,) for variant in variants), setting(task))
        for name, (task, variants) in plans.items()
    }
    cells = seeded((positions, variant) for positions in ("alibi", "rope") for variant in KEPT)
    found["lengths"] = Part(lengths, ("positions", *plain), cells, at_64 | dict(lengths=LENGTHS))
    cells = [(name, variant) for name in SEARCH for variant in SEARCHED]
    settings = {name: setting(make()) for name, make in SEARCH.items()}
    return found | {"search": Part(searched, ("setting", "variant"), cells, settings)}


EXPERIMENT = Experiment(Path(__file__).with_name("modalities.json"), parts)
results, by_variant = EXPERIMENT.results, by("variant")

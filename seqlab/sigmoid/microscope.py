"""Training, one step at a time: loss and gradient of each step, and now and then every norm of every layer.

The loop is that of `seqlab.train.fit.fit` turned inside out: whoever drives it decides when the next step comes, so that a
Stop button gets its turn, and sees the length of the gradient before it is clipped, where trouble shows first.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import nn

from seqlab.sigmoid.telemetry import MEASURES, measure
from seqlab.sigmoid.transformer import Batch, Transformer


@dataclass
class Run:
    """What a training left behind. loss[i] and gradient[i] belong to step i + 1; probes[measure][k] to probed[k].

    A probe holds one number a layer: `probes["row sum"][k][layer]`.
    """

    steps: int
    loss: list[float] = field(default_factory=list)
    gradient: list[float] = field(default_factory=list)
    probed: list[int] = field(default_factory=list)
    probes: dict[str, list[list[float]]] = field(default_factory=lambda: {name: [] for name in MEASURES})
    seconds: float = 0.0

    @property
    def done(self) -> bool:
        return len(self.loss) == self.steps

    def smooth(self, width: int = 10) -> list[float]:
        """The loss, averaged over the last `width` steps."""
        return [
            sum(part) / len(part) for at in range(1, len(self.loss) + 1) if (part := self.loss[max(0, at - width) : at])
        ]


def follow(
    model: Transformer,
    batches: Iterator[Batch],
    *,
    steps: int,
    lr: float,
    probe: Batch,
    probes: int = 8,
    weight_decay: float = 0.01,
    warmup: float = 0.05,
) -> Iterator[Run]:
    """Train with AdamW, warm-up and cosine decay; yield the growing Run before the first and after every step.

    probe:   the batch on which the norms are measured, before the first step and `probes` times more
    warmup:  share of the steps in which the rate rises; 0 for none

    Raises FloatingPointError when the loss stops being finite.
    """
    if steps < 1:
        raise ValueError(f"steps: got {steps}, wanted at least 1")
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay, betas=(0.9, 0.98))
    run, started = Run(steps), time.perf_counter()
    due = {round(k * steps / probes) for k in range(probes + 1)}
    _look(model, probe, run, 0)
    yield run
    for step in range(1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = lr * rate(step, steps, warmup)
        loss = model.loss(next(batches))
        if not torch.isfinite(loss):
            raise FloatingPointError(f"loss is {loss.item()} at step {step}; lower lr (now {lr})")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        run.gradient.append(nn.utils.clip_grad_norm_(model.parameters(), 1.0).item())
        optimizer.step()
        run.loss.append(loss.item())
        if step in due:
            _look(model, probe, run, step)
        run.seconds = time.perf_counter() - started
        yield run


def rate(step: int, steps: int, warmup: float) -> float:
    """The learning rate of a step in units of the largest: a straight rise, then half a cosine down to a tenth."""
    rising = max(1, round(steps * warmup))
    if step <= rising:
        return step / rising
    return 0.1 + 0.45 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


def _look(model: Transformer, probe: Batch, run: Run, step: int) -> None:
    run.probed.append(step)
    for name, layers in measure(model, probe).items():
        run.probes[name].append(layers)

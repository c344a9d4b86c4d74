"""One training loop for every lab: seeded, watchable, stopped without loss."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor, nn
from tqdm.auto import tqdm


@dataclass
class History:
    """What a run left behind. `loss[i]` belongs to `step[i]`; losses in the model's own unit (nats for CharModel)."""

    step: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def steps(self) -> int:
        return self.step[-1] if self.step else 0


Watcher = Callable[[History], None]


def fit(
    model: nn.Module,
    batches: Iterator[Tensor],
    *,
    steps: int,
    lr: float = 3e-3,
    weight_decay: float = 0.1,
    warmup: float = 0.05,
    watch: Watcher | None = None,
    every: int = 10,
    checkpoint: Path | str | None = None,
    save: Callable[[nn.Module, Path], None] | None = None,
) -> History:
    """Train `model` for `steps` batches with AdamW, warm-up and cosine decay; `model.loss(batch)` is what falls.

    watch:       called with the History after the first step, then every `every` steps and at the end, e.g. a live plot
    checkpoint:  written with `save(model, path)` at the end, also after an interrupt

    Interrupting (the ■ button, Ctrl-C) stops after the current step and keeps everything learned so far.
    Raises FloatingPointError, with the step, when the loss stops being finite.
    """
    if steps < 1:
        raise ValueError(f"steps: got {steps}, wanted at least 1")
    if (checkpoint is None) != (save is None):
        raise ValueError("checkpoint and save go together: a path, and the function that writes a model there")
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay, betas=(0.9, 0.98))
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _warm_cosine(step, steps, warmup))
    history, started = History(), time.perf_counter()
    was_training = model.training
    model.train()
    bar = tqdm(total=steps, desc="training", unit="step", file=sys.stdout, leave=False, mininterval=0.5)
    try:
        for step in range(1, steps + 1):
            loss = model.loss(next(batches))
            if not torch.isfinite(loss):
                raise FloatingPointError(
                    f"loss is {loss.item()} at step {step}; lower lr (now {lr}), or look for infinite inputs"
                )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            rate.step()
            history.step.append(step)
            history.loss.append(loss.item())
            bar.set_postfix(loss=f"{history.loss[-1]:.3f}", refresh=False)
            bar.update()
            if watch and (step == 1 or step % every == 0 or step == steps):
                watch(history)
    except KeyboardInterrupt:
        history.interrupted = True
        print(f"Stopped after step {history.steps} of {steps}; the model keeps what it has learned.")
    finally:
        bar.close()
        history.seconds = time.perf_counter() - started
        model.train(was_training)
    if checkpoint is not None:
        save(model, Path(checkpoint))
    return history


def windows(ids: Int[Tensor, token], *, batch: int, length: int, seed: int) -> Iterator[Int[Tensor, "batch length"]]:
    """Endless random windows of `length` tokens, the same ones for the same seed."""
    if len(ids) < length:
        raise ValueError(f"ids: got {len(ids)} tokens, wanted at least one window of {length}")
    generator = torch.Generator().manual_seed(seed)
    while True:
        start = torch.randint(len(ids) - length + 1, (batch,), generator=generator)
        yield ids[start[:, None] + torch.arange(length)]


@torch.no_grad()
def evaluate(model: nn.Module, batches: Iterator[Tensor], count: int) -> float:
    """Mean of `model.loss` over `count` batches."""
    was_training = model.training
    model.eval()
    mean = sum(model.loss(next(batches)).item() for _ in range(count)) / count
    model.train(was_training)
    return mean


def _warm_cosine(step: int, steps: int, warmup: float) -> float:
    rising = max(1, int(steps * warmup))
    if step < rising:
        return (step + 1) / rising
    return 0.1 + 0.45 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))

"""One training loop for every lab: seeded, watchable, stopped without loss."""

import inspect
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.optim import Optimizer
from tqdm.auto import tqdm

Model = TypeVar("Model", bound=nn.Module)


@dataclass
class History:
    """What a run left behind. `loss[i]`, in the model's own unit, and `gradient[i]`, its length before it is clipped,
    belong to `step[i]`."""

    step: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    gradient: list[float] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def steps(self) -> int:
        return len(self.step)


Watcher = Callable[[History], None]


def warm_cosine(step: int, steps: int, warmup: float = 0.05) -> float:
    """The learning rate of step 1 … steps in units of the largest: a straight rise, then half a cosine to a tenth."""
    rising = max(1, int(steps * warmup))
    if step <= rising:
        return step / rising
    return 0.1 + 0.45 * (1 + math.cos(math.pi * (step - 1 - rising) / max(1, steps - rising)))


def uncompiled(kind: type[Optimizer]) -> Callable[..., Any]:
    """An optimizer of PyTorch without its doors to the compiler. Each of them loads it, which takes seconds at the
    first step, although nothing is compiled here; the numbers are the same.
    """
    inner = {name: inspect.unwrap(getattr(kind, name)) for name in ("add_param_group", "zero_grad", "step")}
    return type(kind.__name__, (kind,), inner | {"step": torch.no_grad()(inner["step"])})


def adamw(model: nn.Module, lr: float, weight_decay: float) -> Optimizer:
    """The optimizer of every training here."""
    return uncompiled(torch.optim.AdamW)(model.parameters(), lr=lr, weight_decay=weight_decay, betas=(0.9, 0.98))


def descend(
    history: History,
    model: nn.Module,
    batches: Iterator[Any],
    *,
    steps: int,
    lr: float,
    weight_decay: float,
    rate: Callable[[int, int], float] = warm_cosine,
    optimizer: Optimizer | None = None,
) -> Iterator[None]:
    """The loop of `fit` for who wants to drive it: each turn is one step of AdamW, and `history` grows by it.

    A history that has steps already goes on after them; `optimizer` is then the one that made them.

    Raises FloatingPointError, with the step, when the loss stops being finite.
    """
    if steps < 1:
        raise ValueError(f"steps: got {steps}, wanted at least 1")
    optimizer = optimizer or adamw(model, lr, weight_decay)
    started = time.perf_counter() - history.seconds
    for step in range(history.steps + 1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = lr * rate(step, steps)
        loss = cast(Any, model).loss(next(batches))
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"loss is {loss.item()} at step {step}; lower lr (now {lr}), or look for infinite inputs"
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        history.gradient.append(nn.utils.clip_grad_norm_(model.parameters(), 1.0).item())
        optimizer.step()
        history.step.append(step)
        history.loss.append(loss.item())
        history.seconds = time.perf_counter() - started
        yield


def fit(
    model: nn.Module,
    batches: Iterator[Tensor],
    *,
    steps: int,
    lr: float = 3e-3,
    weight_decay: float = 0.1,
    watch: Watcher | None = None,
    every: int = 10,
) -> History:
    """Train `model` for `steps` batches with AdamW, warm-up and cosine decay; `model.loss(batch)` is what falls.

    watch: called with the History after the first step, then every `every` steps and at the end, e.g. a live plot

    Interrupting (the ■ button, Ctrl-C) stops after the current step and keeps everything learned so far. Raises what
    `descend` raises.
    """
    history, was_training = History(), model.training
    model.train()
    bar = tqdm(total=steps, desc="training", unit="step", file=sys.stdout, leave=False, mininterval=0.5)
    try:
        for _ in descend(history, model, batches, steps=steps, lr=lr, weight_decay=weight_decay):
            bar.set_postfix(loss=f"{history.loss[-1]:.3f}", refresh=False)
            bar.update()
            if watch and (history.steps in (1, steps) or history.steps % every == 0):
                watch(history)
    except KeyboardInterrupt:
        history.interrupted = True
        print(f"Stopped after step {history.steps} of {steps}; the model keeps what it has learned.")
    finally:
        bar.close()
        model.train(was_training)
    return history


def fresh(make: Callable[[], Model], seed: int) -> Model:
    """A model as `make` draws it from this seed; the global generator is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def windows(ids: Int[Tensor, "token"], *, batch: int, length: int, seed: int) -> Iterator[Int[Tensor, "batch length"]]:
    """Endless random windows of `length` tokens, the same ones for the same seed."""
    if len(ids) < length:
        raise ValueError(f"ids: got {len(ids)} tokens, wanted at least one window of {length}")
    generator = torch.Generator().manual_seed(seed)
    while True:
        start = torch.randint(len(ids) - length + 1, (batch,), generator=generator)
        yield ids[start[:, None] + torch.arange(length)]


def epochs(count: int, *, batch: int, seed: int) -> Iterator[Int[Tensor, "batch"]]:
    """Endless batches of the numbers below `count`, each epoch in an order of its own; only whole batches."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        for rows in torch.randperm(count, generator=generator).split(batch):
            if len(rows) == batch:
                yield rows


@torch.no_grad()
def evaluate(model: nn.Module, batches: Iterator[Tensor], count: int) -> float:
    """Mean of `model.loss` over `count` batches."""
    was_training = model.training
    model.eval()
    mean = sum(cast(Any, model).loss(next(batches)).item() for _ in range(count)) / count
    model.train(was_training)
    return mean

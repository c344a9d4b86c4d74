"""What a forward pass went through, as numbers a layer: norms, row sums, entropy, saturation; and how they move.

`follow` trains one step at a time: whoever drives it decides when the next step comes, so that a Stop button gets its
turn, and sees the length of the gradient before it is clipped, where trouble shows first.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from statistics import fmean

import torch
from torch import Tensor

from seqlab.sigmoid.transformer import Batch, Transformer
from seqlab.train.fit import History, descend

MEASURES = {  # name → what it says
    "row sum": "mean sum of a row of weights",
    "attention norm": "mean length of a row of weights",
    "mixed norm": "mean length of weights times values, a head",
    "added norm": "mean length of what is added to the stream: after hybrid-norm and LayerScale",
    "residual norm": "mean length of a token in the stream, after the layer",
    "entropy": "mean entropy of a row scaled to sum 1, in nats",
    "saturated": "share of weights above 0.99 or below a hundredth of 1 / keys: P (1 - P) is nearly 0 there",
}
PROBES = 6


@contextmanager
def listening(model: Transformer, hear: Callable[[str, Tensor], object]) -> Iterator[None]:
    """Inside, `hear(name, tensor)` is called with what the model computes, layer by layer.

    residual (the embedding first), weights, mixed (before the heads are joined), added
    """
    parts = [(model.entered, "residual")]
    for block in model.blocks:
        parts += [(block.attention.weights, "weights"), (block.attention.mixed, "mixed")]
        parts += [(block.attention, "added"), (block, "residual")]
    with ExitStack() as hooks:
        for part, name in parts:
            told = lambda _, read, made, name=name: hear(name, made)
            hooks.enter_context(part.register_forward_hook(told))
        yield


def of_weights(weights: Tensor, allowed: Tensor) -> dict[str, Tensor]:
    """The measures of weights "batch head query key", a number a row; only keys that a row may see count."""
    allowed = allowed.expand(weights.shape)
    keys, sums = allowed.sum(-1, keepdim=True), weights.sum(-1, keepdim=True)
    share = weights / sums.clamp(min=1e-30)
    flat = ((weights > 0.99) | (weights < 0.01 / keys)) & allowed
    return {
        "row sum": sums[..., 0],
        "attention norm": weights.norm(dim=-1),
        "entropy": -torch.xlogy(share, share).sum(-1),
        "saturated": flat.sum(-1) / keys[..., 0],
    }


@torch.no_grad()
def measure(model: Transformer, batch: Batch) -> dict[str, list[float]]:
    """All of `MEASURES` on one batch, one number a layer; only rows of real tokens count.

    "residual norm" has one more entry than the others, the embedding in front.
    """
    table: dict[str, list[float]] = {name: [] for name in MEASURES}
    allowed, real = model.allowed(batch.inputs.shape[1], batch.real), batch.real

    def hear(name: str, value: Tensor) -> None:
        found = of_weights(value, allowed) if name == "weights" else {f"{name} norm": value.norm(dim=-1)}
        for measured, rows in found.items():  # "batch token" or "batch head token"
            told = rows if real is None else rows.movedim(1, -1)[real] if rows.ndim > 2 else rows[real]
            table[measured].append(told.mean().item())

    with listening(model, hear):
        model(batch.inputs, batch.real)
    return table


@dataclass
class Run(History):
    """What a training left behind. probes[measure][k] belongs to step probed[k].

    A probe holds one number a layer: `probes["row sum"][k][layer]`.
    """

    probed: list[int] = field(default_factory=list)
    probes: dict[str, list[list[float]]] = field(default_factory=lambda: {name: [] for name in MEASURES})

    def smooth(self) -> list[float]:
        """The loss, averaged over the last ten steps."""
        return [fmean(self.loss[max(0, at - 10) : at]) for at in range(1, self.steps + 1)]


def follow(model: Transformer, batches: Iterator[Batch], *, steps: int, lr: float, probe: Batch) -> Iterator[Run]:
    """Train with AdamW, warm-up and cosine decay; yield the growing Run before the first and after every step.

    probe: the batch on which the norms are measured, before the first step and `PROBES` times more

    Raises what `descend` raises.
    """
    run, due = Run(), {round(k * steps / PROBES) for k in range(PROBES + 1)}

    def look() -> Run:
        if run.steps in due:
            run.probed.append(run.steps)
            for name, layers in measure(model, probe).items():
                run.probes[name].append(layers)
        return run

    yield look()
    for _ in descend(run, model, batches, steps=steps, lr=lr, weight_decay=0.01, rate=rate):
        yield look()


def rate(step: int, steps: int) -> float:
    """`warm_cosine` with a rise that is rounded, and a fall that begins one step sooner."""
    rising = max(1, round(0.05 * steps))
    if step <= rising:
        return step / rising
    return 0.1 + 0.45 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))

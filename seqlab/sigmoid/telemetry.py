"""What a forward pass went through, as numbers a layer: norms, row sums, entropy, saturation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from einops import rearrange
from torch import Tensor

from seqlab.sigmoid.transformer import Batch, Bias, Transformer

MEASURES = {  # name → what it says
    "row sum": "mean sum of a row of weights",
    "attention norm": "mean length of a row of weights",
    "mixed norm": "mean length of weights times values, a head",
    "projected norm": "mean length of what leaves the attention",
    "added norm": "mean length of what is added to the stream: after hybrid-norm and LayerScale",
    "residual norm": "mean length of a token in the stream, after the layer",
    "entropy": "mean entropy of a row scaled to sum 1, in nats",
    "at one": "share of weights above 0.99: P (1 - P) is nearly 0, so nothing is learned there",
    "at zero": "share of weights below a hundredth of 1 / keys",
    "saturated": "both shares together",
}


@contextmanager
def listening(model: Transformer, hear: Callable[[str, Tensor], object]) -> Iterator[None]:
    """Inside, `hear(name, tensor)` is called with what the model computes, layer by layer.

    residual (the embedding first), weights, mixed (before the heads are joined), projected, added
    """
    apart = lambda x: rearrange(x, "batch token (head dim) -> batch head token dim", head=model.config.heads)
    told = lambda name: lambda _, read, made: hear(name, made)
    with ExitStack() as hooks:
        hooks.enter_context(model.blocks[0].register_forward_pre_hook(lambda _, read: hear("residual", read[0])))
        for block in model.blocks:
            weigh, out = block.attention.weigh, block.attention.out
            hooks.enter_context(out.register_forward_pre_hook(lambda _, read: hear("mixed", apart(read[0]))))
            for part, name in {weigh: "weights", out: "projected", block.attention: "added", block: "residual"}.items():
                hooks.enter_context(part.register_forward_hook(told(name)))
        yield


def of_weights(weights: Tensor, allowed: Tensor) -> dict[str, Tensor]:
    """The measures of weights "batch head query key", a number a row; only keys that a row may see count."""
    allowed = allowed.expand(weights.shape)
    keys, sums = allowed.sum(-1), weights.sum(-1)
    share = weights / sums.clamp(min=1e-30)[..., None]
    near = weights > 0.99, weights < 0.01 / keys[..., None]
    at_one, at_zero = ((where & allowed).sum(-1) / keys for where in near)
    return {
        "row sum": sums,
        "attention norm": weights.norm(dim=-1),
        "entropy": -torch.xlogy(share, share).sum(-1),
        "at one": at_one,
        "at zero": at_zero,
        "saturated": at_one + at_zero,
    }


@torch.no_grad()
def measure(model: Transformer, batch: Batch, *, bias: Bias | None = None) -> dict[str, list[float]]:
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
        model(batch.inputs, batch.real, bias=bias)
    return table

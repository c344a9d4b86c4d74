"""A written program as the start of training: does gradient descent keep it, sharpen it, or leave it?"""

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqlab.normalizers import Normalizer
from seqlab.train.fit import History, descend, epochs, fresh
from seqlab.written.program import Program
from seqlab.written.real import Transformer

Tokens = Int[Tensor, "sequence token"]
Want = Callable[[Tokens], Float[Tensor, "sequence token answer"]]


def start(program: Program, normalizer: Normalizer, *, random: int | None = None) -> Transformer:
    """The layers of a program, to be trained; what reads the tokens and the answers stays as it is written.

    random: a seed with which all weights of the layers are drawn anew, as PyTorch draws those of a fresh layer
    """
    module = program.module(normalizer)
    if random is not None:
        fresh(lambda: module.blocks.apply(_drawn), random)
    module.enter.requires_grad_(False)
    module.leave.requires_grad_(False)
    return module


def _drawn(part: nn.Module) -> None:
    if isinstance(part, nn.Linear):
        part.reset_parameters()


def train_on(module: Transformer, want: Want, tokens: Tokens, *, steps: int, seed: int, lr: float = 1e-2) -> History:
    """Gradient descent on the mean squared error, in batches of 32 of the sequences."""
    batches: Iterator[Tensor] = (tokens[rows] for rows in epochs(len(tokens), batch=32, seed=seed))
    cast(Any, module).loss = lambda batch: (module(batch) - want(batch)).square().mean()
    history = History()
    for _ in descend(history, module, batches, steps=steps, lr=lr, weight_decay=0.0):
        pass
    return history


@torch.no_grad()
def error(module: Transformer, want: Want, tokens: Tokens) -> float:
    """The largest error of an answer."""
    return (module(tokens) - want(tokens)).abs().max().item()


@torch.no_grad()
def accuracy(module: Transformer, want: Want, tokens: Tokens) -> float:
    """The share of answers that are right when they are rounded to whole numbers."""
    return ((module(tokens) - want(tokens)).abs() < 0.5).double().mean().item()


@torch.no_grad()
def looks(module: Transformer, tokens: Tokens) -> Float[Tensor, "sequence head query key"]:
    """The attention weights of the first layer."""
    x = module.enter(tokens[..., None].to(module.enter.weight))
    return cast(Any, module.blocks[0]).attention.with_weights(x + module.places.at(tokens.shape[1]).T.to(x))[1]


@torch.no_grad()
def moved(module: Transformer, before: Transformer) -> float:
    """How far the weights are from others, in units of those."""
    new, old = (torch.cat([weight.flatten() for weight in each.blocks.parameters()]) for each in (module, before))
    return ((new - old).norm() / old.norm()).item()


def with_parts(module: Transformer, other: Transformer, parts: Iterable[str]) -> Transformer:
    """A copy in which the named maps of the first layer's attention are those of another module."""
    made = copy.deepcopy(module)
    for part in parts:
        getattr(made.blocks[0].attention, part).load_state_dict(getattr(other.blocks[0].attention, part).state_dict())
    return made

"""The same model with one thing changed: an encoder without positions or attention, heads of a lower rank, bfloat16.

Every function leaves its model as it was.
"""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from seqlab.contextual import contextual_mapping
from seqlab.layers import SelfAttention
from seqlab.microscope.specimens import chemistry
from seqlab.microscope.trace import Encoder, shuffled
from seqlab.normalizers import average
from seqlab.start.reaction import REACTION, ReactionModel
from seqlab.theorem import Verdict

SWITCHES = {
    "weights": "the same weights in random order",
    "average": "all heads average, whatever their scores",
    "attention": "attention adds nothing",
    "positions": "every token gets the position code of the first",
}
PARTS = {  # whose results are rounded, by name
    "embedding": r"mapped|norm",
    "queries and keys": r".*\.(query|key)",
    "values and way back": r".*\.(value|out)",
    "feed-forward": r".*\.(up|down)",
    "norms, which are the stream": r"layers.*norm.*",
}


def broken(model: Encoder, **switches: bool) -> Encoder:
    """The model under some of SWITCHES."""
    made = copy.deepcopy(model)
    if switches.get("weights"):
        made.load_state_dict(shuffled(model))
    if switches.get("positions"):
        made.position.weight.copy_(made.position.weight[:1].expand_as(made.position.weight))
    for layer in made.layers:
        if switches.get("average"):
            layer.attention.normalizer = average()
        if switches.get("attention"):
            nn.init.zeros_(layer.attention.out.weight)
            nn.init.zeros_(layer.attention.out.bias)
    return made


@cache
def strings(alphabet: str = "CNOF", length: int = 4) -> list[str]:
    """All strings of so many letters."""
    return list(map("".join, itertools.product(alphabet, repeat=length)))


def names(model: Encoder, texts: Sequence[str]) -> Float[Tensor, "state text token dim"]:
    """The stream at every token of texts that are equally long, without [CLS] and [SEP]; float64 where the model is."""
    return model(torch.stack([chemistry().encode(text)[1] for text in texts]))[:, :, 1:-1]


def margin(names: Float[Tensor, "text token dim"], texts: Sequence[str]) -> float:
    """How far the closest two of all names that must differ are apart."""
    return contextual_mapping(names, texts, "identity").margin


def check(texts: Sequence[str] = (), **switches: bool) -> Verdict:
    """Does the chemistry model give every token of every text a name of its own?

    Computed in float64, where names that are equal by construction are equal up to 1e-9.
    """
    texts = texts or strings()
    model = broken(copied(chemistry().model, torch.float64), **switches)
    return contextual_mapping(names(model, texts)[-1], texts, "identity", margin=1e-9)


def copied(model: Encoder, dtype: torch.dtype) -> Encoder:
    """The model with weights of this kind."""
    return copy.deepcopy(model).to(dtype)


def filled_in(model: Encoder) -> int:
    """How many tokens of REACTION, hidden one at a time, a changed chemistry model names."""
    reader = ReactionModel()
    reader.encoder = model
    return sum(guess == token for token, guess in reader.fill_in(REACTION))


def of_rank(model: Encoder, rank: int, draw: torch.Generator | None = None) -> Encoder:
    """The model with heads whose W_K W_Qᵀ, biases included, has this rank: its largest directions, or drawn ones."""
    made = copy.deepcopy(model)
    for part in (part for part in made.modules() if isinstance(part, SelfAttention)):
        q, k = (
            rearrange(torch.cat([x.weight, x.bias[:, None]], 1), "(head size) dim -> head size dim", head=part.heads)
            for x in (part.query, part.key)
        )
        (base_q, core_q), (base_k, core_k) = (torch.linalg.qr(x.mT) for x in (q, k))
        left, values, right = torch.linalg.svd(core_q @ core_k.mT)
        order = torch.arange(len(values[0])) if draw is None else torch.randperm(len(values[0]), generator=draw)
        values = values * (order < rank)
        for linear, new in ((part.query, base_q @ (left * values[:, None])), (part.key, base_k @ right.mT)):
            flat = rearrange(new, "head dim size -> (head size) dim")
            linear.weight.copy_(flat[:, :-1])
            linear.bias.copy_(flat[:, -1])
    return made


@contextmanager
def rounded(model: nn.Module, parts: str, dtype: torch.dtype = torch.bfloat16) -> Iterator[None]:
    """What the parts of this name (a regular expression) give is rounded to the dtype."""
    with ExitStack() as stack:
        for name, part in model.named_modules():
            if re.fullmatch(parts, name):
                stack.enter_context(part.register_forward_hook(lambda _, __, out: out.to(dtype).to(out.dtype)))
        yield

"""A program as an ordinary PyTorch module, made of the blocks in `seqlab.layers`: weights and names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqlab.exact import Piecewise, relu
from seqlab.layers import FeedForward, ResidualBlock, SelfAttention, UnitWise, bare
from seqlab.normalizers import NORMALIZERS, Normalizer
from seqlab.patterns.seen import Seen, heads, of_table
from seqlab.written.forms import Form
from seqlab.written.listing import labelled, matrices
from seqlab.written.parts import Sweep

if TYPE_CHECKING:
    from seqlab.written.program import Program

MOST = 100_000  # layers that a module may have
WHERE = {"W_Q": "attention.query", "W_K": "attention.key", "W_V": "attention.value", "W_O": "attention.out"}
WHERE |= {"W_1": "feed_forward.up", "W_2": "feed_forward.down"}


class Transformer(nn.Module):
    """The module of a program: "batch token read" to "batch token answer". Made by `Program.module`, or by `load`.

    shape:  all of it but the weights, in plain words and numbers; it is saved in the `state_dict`, beside the weights
    rules:  what depends on the length: positions, loops, patterns

    `torch.save(module.state_dict(), path)` and `load(torch.load(path))` need no program; so does `torch.save(module,
    path)`. Saved, it knows sequences of up to 32 tokens, and of lengths that it has met.
    """

    def __init__(self, shape: Mapping, normalizer: Normalizer, rules: Sequence[Seen], impl: str | None = None):
        super().__init__()
        width, self.shape, self.rules, self.reads = len(shape["names"]), shape, rules, shape["reads"]
        self.places, self.loops, *patterns = rules
        self.enter = bare(sum(size or 1 for size in self.reads), width)
        self.blocks = nn.ModuleList(block(width, each, normalizer, patterns, impl=impl) for each in shape["layers"])
        self.leave = bare(width, shape["answers"])
        self.register_buffer("clock", torch.empty(shape["clock"], width) if shape["clock"] else None)

    def forward(self, tokens: Any, loops: int | None = None) -> Tensor:
        x, single = batched(torch.as_tensor(tokens, device=self.leave.weight.device), len(self.reads))
        x = self.enter(torch.stack(one_by_one(x, self.reads), dim=-1).to(self.leave.weight))
        x = x + self.places.at(x.shape[1]).T.to(x)
        clock: Any = self.clock
        for t in range(int(self.loops.at(x.shape[1])) if loops is None else loops):
            x = torch.where(clock[0] != 0, t * clock[0], x) if self.shape["ticks"] else x
            for block in self.blocks:
                x = block(x, clock[t] if self.shape["clock"] and not self.shape["ticks"] else None)
        return self.leave(x)[0] if single else self.leave(x)

    def get_extra_state(self) -> dict:
        known = [{n: torch.as_tensor(value) for n, value in rule.table().items()} for rule in self.rules]
        return {**self.shape, "rules": known, "labels": [block.label for block in self.blocks]}

    def set_extra_state(self, state: Mapping) -> None:
        if state["names"] != self.shape["names"]:
            raise ValueError(f"names: these weights are for {state['names']}, this module has {self.shape['names']}")


def load(state: Mapping, impl: str | None = None) -> Transformer:
    """The module of a saved `state_dict`, such as `load(torch.load(path))`."""
    shape = state["_extra_state"]
    kind, numbers = shape["normalizer"]
    if kind not in NORMALIZERS:
        raise ValueError(f"normalizer: {kind} cannot be made of what was saved; save and load the module itself")
    rules = [of_table(known, "a saved rule") for known in shape["rules"]]
    made = Transformer(shape, NORMALIZERS[kind](**numbers), rules, impl)
    made.load_state_dict(state, assign=True)
    return made


def block(width: int, layer: Mapping, normalizer: Normalizer, patterns: Sequence[Seen], impl: str | None) -> nn.Module:
    """One layer of a program, without its weights."""
    (count, wide, sees), attention, units = layer["heads"], None, None
    if count:
        options: dict[str, Any] = dict(
            normalizer=normalizer, pattern=None if sees is None else patterns[sees], scale=1.0, impl=impl
        )
        attention = SelfAttention(width, count, wide, bias=True, linear=bare, **options)
        attention.out = bare(count * wide, width, bias=False)
    if layer["units"]:
        bends = [Piecewise(tuple(breaks), tuple(map(tuple, pieces))) for breaks, pieces in layer["units"]]
        units = FeedForward(width, len(bends), UnitWise([F.relu if bend == relu else bend for bend in bends]), bare)
        units.down = bare(len(bends), width, bias=False)
    return ResidualBlock(attention, units, layer["label"])


def module(program: Program, normalizer: Normalizer, dtype: torch.dtype, impl: str | None) -> Transformer:
    """The module of a program, see `Program.module`."""
    names, inputs, total = program.names, program.inputs, program.count().layers
    parts = [part.levels and part.some(MOST) if isinstance(part, Sweep) else [part] for part in program.layers]
    layers = [layer for part in parts for layer in part]
    if len(layers) < total:
        raise ValueError(f"module: {total:,} layers, wanted sweeps of at most {MOST:,}; use run")
    ticks = isinstance(program.clock, Form)
    clock = [program.clock.weights] if ticks else program.clock or ()
    seen = [heads([head.sees for head in layer.heads]) for layer in layers]
    patterns = list(dict.fromkeys(each for each in seen if each))
    start = {name: Form({name: 1} if name in inputs else {}, program.start.get(name, 0)) for name in names}
    answers = {f"answer {k}": answer for k, answer in enumerate(program.answers)}
    weights = weights_of(dict(enter=labelled(start, inputs), leave=labelled(answers, names)))
    weights |= {"clock": grid([[row.get(name, 0) for name in names] for row in clock])} if clock else {}
    told = []
    for k, (layer, sees) in enumerate(zip(layers, seen)):
        made = matrices(layer, names)
        weights |= weights_of({f"blocks.{k}.{WHERE[title]}": rows for title, rows in made.items()})
        wide = len(made["W_Q"]) // max(len(layer.heads), 1)
        bends = [(unit.activation.breaks, unit.activation.pieces) for unit in layer.units]
        told.append(
            dict(
                label=layer.label,
                heads=[len(layer.heads), wide, sees and patterns.index(sees)],
                units=[[[*map(float, breaks)], [[*map(float, piece)] for piece in pieces]] for breaks, pieces in bends],
            )
        )
    place = lambda n: grid([program.place(name, n) if name in program.positions else [0] * n for name in names])
    rules = [Seen(place, "positions"), Seen(program.times, "loops"), *patterns]
    shape = dict(
        names=names,
        reads=program.sizes,
        answers=len(program.answers),
        clock=len(clock),
        ticks=ticks,
        normalizer=[type(normalizer).__name__, dict(vars(normalizer))],
        layers=told,
    )
    made = Transformer(shape, normalizer, rules, impl)
    made.load_state_dict({**weights, "_extra_state": shape}, assign=True)
    return made.to(dtype)


def weights_of(maps: Mapping[str, Mapping[str, Mapping[str, object]]]) -> dict[str, Tensor]:
    """Labelled matrices as the weights of linear maps of these names; the column "1" is the bias."""
    made = {}
    for where, rows in maps.items():
        if any(rows.values()):
            numbers = grid([list(row.values()) for row in rows.values()])
            bias = any("1" in row for row in rows.values())
            made[f"{where}.weight"] = numbers[:, :-1].contiguous() if bias else numbers
            made |= {f"{where}.bias": numbers[:, -1].contiguous()} if bias else {}
    return made


def grid(rows: list[list[Any]]) -> Tensor:
    """Exact numbers in float64, infinite where it holds no such number."""
    as_float = lambda value: float(value) if abs(value) < 2**1023 else math.inf * (1 if value > 0 else -1)
    return torch.tensor([[as_float(value) for value in row] for row in rows], dtype=torch.float64)


def batched(x: Any, reads: int) -> tuple[object, bool]:
    """Array or tensor "sequence token read", whatever axes were left out; and whether it was a single sequence."""
    x = x[..., None] if reads == 1 and x.ndim < 3 else x
    single = x.ndim == 2
    x = x[None] if single else x
    if x.ndim != 3 or 0 in x.shape:
        raise ValueError(f"tokens: got shape {tuple(x.shape)}, wanted (sequence, token, {reads}), at least one of each")
    return x, single


def one_by_one(x: Any, sizes: Sequence[int]) -> list:
    """Array or tensor "sequence token read" as one "sequence token" for each coordinate.

    sizes: for each read 0, or how many coordinates a number is spread out to, a one-hot
    """
    if x.shape[-1] == sum(size or 1 for size in sizes) > len(sizes):
        return [x[..., k] for k in range(x.shape[-1])]
    if x.shape[-1] != len(sizes):
        raise ValueError(f"tokens: got {x.shape[-1]} numbers a token, wanted {len(sizes)}, one for each read")
    made: list[Any] = []
    for k, size in enumerate(sizes):
        spread: Any = [(x[..., k] == at) * 1 for at in range(size)] or [x[..., k]]
        if size and not cast(Any, sum(spread) == 1).all():
            raise ValueError(f"tokens: got {x[..., k].min()} to {x[..., k].max()}, a one-hot takes 0 to {size - 1}")
        made += spread
    return made

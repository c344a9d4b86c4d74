"""A program as an ordinary PyTorch module, made of the blocks in `seqlab.layers`: weights and names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from seqlab.attention import Normalizer
from seqlab.exact import relu
from seqlab.layers import FeedForward, ResidualBlock, SelfAttention, UnitWise, linear
from seqlab.patterns.seen import Seen, heads
from seqlab.written.forms import Form, OneHot
from seqlab.written.listing import matrices
from seqlab.written.parts import Layer, Sweep

if TYPE_CHECKING:
    from seqlab.written.program import Program

MOST = 100_000  # layers that a module may have


def block(layer: Layer, names: list[str], normalizer: Normalizer, impl: str | None) -> ResidualBlock:
    """One layer of a program."""
    weights, attention, units = matrices(layer, names), None, None
    with torch.device("meta"):  # no weights are drawn
        if layer.heads:
            grid, wide = heads([head.sees for head in layer.heads]), len(weights["W_Q"]) // len(layer.heads)
            options = dict(normalizer=normalizer, pattern=grid, scale=1.0, bias=True, impl=impl)
            attention = SelfAttention(len(names), len(layer.heads), wide, **options)
        if layer.units:
            bends = [unit.activation for unit in layer.units]
            bend = UnitWise(bends) if len(set(bends)) > 1 else "relu" if bends[0] == relu else bends[0]
            units = FeedForward(len(names), len(layer.units), bend)
    if attention:
        attention.query, attention.key, attention.value = (
            filled(weights[title], True) for title in ("W_Q", "W_K", "W_V")
        )
        attention.out = filled(weights["W_O"])
    if units:
        units.up, units.down = filled(weights["W_1"], True), filled(weights["W_2"])
    return ResidualBlock(attention, units, layer.label)


class Transformer(nn.Module):
    """The module of a program: "batch token read" to "batch token answer". Made by `Program.module`.

    The names of coordinates and the labels of layers are in the `state_dict`, beside the weights. It is saved and
    loaded as any module, `torch.save(module, path)`, and needs no program from there on.
    """

    def __init__(self, program: Program, normalizer: Normalizer, dtype: torch.dtype, impl: str | None):
        super().__init__()
        names = program.names
        parts = [part.levels and part.some(MOST) if isinstance(part, Sweep) else [part] for part in program.layers]
        layers = [layer for part in parts for layer in part]
        if len(layers) < program.count().layers:
            raise ValueError(f"module: {program.count().layers:,} layers, wanted sweeps of at most {MOST:,}; use run")
        self.reads, self.names, self.rows = program.reads, names, len(program.reads)
        entries = {name: {"read": {each: int(each == name) for each in program.inputs}} for name in names}
        start = {name: {**entries[name]["read"], "1": program.start.get(name, 0)} for name in names}
        self.enter = filled(start, True)
        self.blocks = nn.ModuleList(block(layer, names, normalizer, impl) for layer in layers)
        answers = {
            str(k): {**{n: form.weights.get(n, 0) for n in names}, "1": form.constant}
            for k, form in enumerate(program.answers)
        }
        self.leave = filled(answers, True)
        self.places = Seen(
            lambda n: grid([program.place(m, n) if m in program.positions else [0] * n for m in names]), "positions"
        )
        self.loops = Seen(program.times, "loops")
        clock = [program.clock.weights] if isinstance(program.clock, Form) else program.clock
        self.ticks = isinstance(program.clock, Form)
        self.register_buffer("clock", clock and grid([[row.get(name, 0) for name in names] for row in clock]))
        self.to(dtype)

    def forward(self, tokens: object, loops: int | None = None) -> Tensor:
        x, single = batched(torch.as_tensor(tokens, device=self.leave.weight.device), self.rows)
        x = self.enter(torch.stack(one_by_one(x, self.reads), dim=-1).to(self.leave.weight))
        x = x + self.places.at(x.shape[1]).T.to(x)
        for t in range(self.loops.at(x.shape[1]) if loops is None else loops):
            x = torch.where(self.clock[0] != 0, t * self.clock[0], x) if self.ticks else x
            for block in self.blocks:
                x = block(x, None if self.clock is None or self.ticks else self.clock[t])
        return self.leave(x)[0] if single else self.leave(x)

    def get_extra_state(self) -> dict[str, list[str]]:
        return {"names": self.names, "labels": [block.label for block in self.blocks]}

    def set_extra_state(self, state: dict[str, list[str]]) -> None:
        if state["names"] != self.names:
            raise ValueError(f"names: these weights are for {state['names']}, this module has {self.names}")


def filled(rows: Mapping[str, Mapping[str, object]], bias: bool = False) -> nn.Linear:
    """A linear map with the weights of a labelled matrix; with `bias`, its last column is that."""
    weight = grid([list(row.values()) for row in rows.values()])
    return linear(weight[:, :-1], weight[:, -1]) if bias else linear(weight)


def grid(rows: list[list[object]]) -> Tensor:
    """Exact numbers in float64, infinite where it holds no such number."""
    as_float = lambda value: float(value) if abs(value) < 2**1023 else math.inf * (1 if value > 0 else -1)
    return torch.tensor([[as_float(value) for value in row] for row in rows], dtype=torch.float64)


def batched(x: object, reads: int) -> tuple[object, bool]:
    """Array or tensor "sequence token read", whatever axes were left out; and whether it was a single sequence."""
    x = x[..., None] if reads == 1 and x.ndim < 3 else x
    single = x.ndim == 2
    x = x[None] if single else x
    if x.ndim != 3 or 0 in x.shape:
        raise ValueError(f"tokens: got shape {tuple(x.shape)}, wanted (sequence, token, {reads}), at least one of each")
    return x, single


def one_by_one(x: object, reads: Sequence) -> list:
    """Array or tensor "sequence token read" as one "sequence token" for each coordinate; one-hots are spread out."""
    wide = sum(len(tuple(read)) for read in reads)
    if x.shape[-1] not in (wide, len(reads)):
        raise ValueError(f"tokens: got {x.shape[-1]} numbers a token, wanted {len(reads)}, one for each read")
    made = []
    for k, read in enumerate(reads if x.shape[-1] < wide else range(wide)):
        spread = range(len(read)) if isinstance(read, OneHot) else None
        if spread and not ((x[..., k] >= 0) & (x[..., k] < len(read))).all():
            raise ValueError(f"tokens: got {x[..., k].min()} to {x[..., k].max()}, {read} takes 0 to {len(read) - 1}")
        made += [(x[..., k] == at) * 1 for at in spread] if spread else [x[..., k]]
    return made

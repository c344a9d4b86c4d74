"""One transformer block applied again and again, with and without a clock.

| paper symbol (Xu & Sato 2024)      | here                                                                           |
| ---------------------------------- | ------------------------------------------------------------------------------ |
| TF, L2 ∘ TF^r ∘ L1                 | `Block`, `LoopedTransformer`; r is `loops`, an argument of every call          |
| PE(t), TE(t)                       | `sinusoid`, `Clock.encode`                                                     |
| (α1, α2, γ1, γ2)(t), W5 = 0        | `Clock(dim, 4)`: gates and scales, whose last layer starts at 0                |
| LT, TMLT                           | `Config(clock="none")`, `Config(clock="modulated")`                            |
| a stack of L layers                | `Config(layers=L)`: equal compute to L loops of one block, L times its weights |
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqlab.layers import FeedForward, SelfAttention, Tokens, parameters

CLOCKS = ("none", "additive", "modulated")
SIZE = 256  # numbers of the timestep encoding


@dataclass(frozen=True)
class Config:
    """Which transformer is looped.

    loops:      r in training, and in calls that do not say
    clock:      "none"; "additive": c(t) is added to the stream before loop t; "modulated": scales and gates of loop t
    gate:       where the gates of "modulated" start. 0, the paper's, makes every loop the identity at first; 1 makes
                the untrained model the same function as the one without a clock, which suits short training
    layers:     distinct blocks; a loop goes through all of them. 1 is the looped transformer
    stopped:    the clock says 1 at every loop: all of its parameters, no time. What a clock gains beyond this is time's
    published:  the normalization of the published baseline: values and feed-forward read the stream as it is
    """

    dim: int = 48
    heads: int = 4
    hidden: int = 192
    loops: int = 4
    clock: str = "none"
    gate: float = 1.0
    layers: int = 1
    stopped: bool = False
    published: bool = False

    def __post_init__(self):
        if self.clock not in CLOCKS:
            raise ValueError(f"clock: got {self.clock!r}, wanted one of {CLOCKS}")
        if self.layers < 1 or self.loops < 1:
            raise ValueError(f"layers, loops: got {self.layers} and {self.loops}, wanted at least 1 of each")


def rms(x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
    """Each token over its root mean square; nothing to learn."""
    return F.rms_norm(x, x.shape[-1:])


def sinusoid(t: int, size: int = SIZE) -> Float[Tensor, "size"]:
    """PE(t): size/2 cosines, then as many sines, of t · 10,000^(-2i/size)."""
    angles = t * torch.exp(-math.log(10_000) * torch.arange(size // 2) * 2 / size)
    return torch.cat([angles.cos(), angles.sin()])


class Clock(nn.Module):
    """W5 SiLU(TE(t)) + b5 in `parts` pieces of `dim`; TE(t) = W4 SiLU(W3 PE(t) + b3) + b4; W5 and b5 start at 0."""

    def __init__(self, dim: int, parts: int):
        super().__init__()
        self.parts = parts
        self.encode = nn.Sequential(nn.Linear(SIZE, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.emit = nn.Linear(dim, parts * dim)
        nn.init.zeros_(self.emit.weight)
        nn.init.zeros_(self.emit.bias)

    def forward(self, t: int) -> Float[Tensor, "part dim"]:
        code = sinusoid(t).to(self.emit.weight)
        return rearrange(self.emit(F.silu(self.encode(code))), "(part dim) -> part dim", part=self.parts)


class Block(nn.Module):
    """x ← x + α1 ⊙ Attn((1 + γ1) ⊙ RMS(x)), then x ← x + α2 ⊙ FF((1 + γ2) ⊙ RMS(x)).

    Without a clock α = 1 and γ = 0, the proper pre-norm block. `published`: only queries and keys see RMS(x); the
    values and the feed-forward part see x itself. options: those of `SelfAttention`, such as `causal`
    """

    def __init__(self, dim: int, heads: int, hidden: int, published: bool = False, **options: Any):
        super().__init__()
        self.published, self.attention = published, SelfAttention(dim, heads, bias=True, **options)
        self.feed_forward = FeedForward(dim, hidden, "gelu")

    def forward(self, x: Tokens, modulation: Float[Tensor, "4 dim"] | None = None) -> Tokens:
        gate_1, gate_2, scale_1, scale_2 = (1.0, 1.0, 0.0, 0.0) if modulation is None else modulation
        values = (1 + scale_1) * x if self.published else None
        x = x + gate_1 * self.attention((1 + scale_1) * rms(x), values=values)
        return x + gate_2 * self.feed_forward((1 + scale_2) * (x if self.published else rms(x)))


class LoopedTransformer(nn.Module):
    """Sequences of token ids in, one answer out, read at the last token. In between, `loops` times the same weights.

    L1 is the embedding plus a position; L2 normalizes and is affine. options: those of `SelfAttention`
    """

    def __init__(self, vocabulary: int, length: int, classes: int, config: Config = Config(), **options: Any):
        super().__init__()
        self.config, self.length = config, length
        self.embed, self.position = nn.Embedding(vocabulary, config.dim), nn.Parameter(torch.randn(length, config.dim))
        block = lambda: Block(config.dim, config.heads, config.hidden, config.published, **options)
        self.blocks = nn.ModuleList(block() for _ in range(config.layers))
        self.read = nn.Linear(config.dim, classes)  # before the clock: one seed, one block, whatever the clock
        self.clock = (
            Clock(config.dim, {"additive": 1, "modulated": 4}[config.clock]) if config.clock != "none" else None
        )

    def step(self, x: Tokens, t: int) -> Tokens:
        """Loop t, counted from 1."""
        signal = self.clock(1 if self.config.stopped else t) if self.clock is not None else None
        if self.config.clock == "additive":
            x, signal = x + signal[0], None
        if signal is not None:
            signal = torch.cat([self.config.gate + signal[:2], signal[2:]])
        for block in self.blocks:
            x = block(x, signal)
        return x

    def states(
        self, ids: Int[Tensor, "batch token"], loops: int | None = None
    ) -> Float[Tensor, "loop batch token dim"]:
        """The stream before the first loop and after each of `loops`."""
        return torch.stack(list(self._stream(ids, self.config.loops if loops is None else loops)))

    def _stream(self, ids: Tensor, loops: int) -> Iterator[Tensor]:
        if loops < 0:
            raise ValueError(f"loops: got {loops}, wanted 0 or more")
        if ids.ndim != 2 or ids.shape[1] != self.length:
            raise ValueError(
                f"ids: got {ids.shape[-1]} tokens in shape {tuple(ids.shape)}, wanted (batch, {self.length}), as this "
                "model was made"
            )
        x = self.embed(ids) + self.position
        yield x
        for t in range(1, loops + 1):
            x = self.step(x, t)
            yield x

    def answer(self, state: Float[Tensor, "*more token dim"]) -> Float[Tensor, "*more answer"]:
        """Logits from any state: the answer that the model would give if it stopped here."""
        return self.read(rms(state[..., -1, :]))

    def forward(self, ids: Int[Tensor, "batch token"], loops: int | None = None) -> Float[Tensor, "batch answer"]:
        """Logits after `loops` loops."""
        return self.answer(self.states(ids, loops)[-1])

    def loss(self, batch: tuple[Tensor, Tensor, int | None]) -> Float[Tensor, ""]:
        """Mean nats. batch: ids, right answers, loops (None: those of the config)."""
        ids, wanted, loops = batch
        return F.cross_entropy(self(ids, loops), wanted)

    @torch.no_grad()
    def accuracies(self, ids: Int[Tensor, "batch token"], wanted: Int[Tensor, "batch"], most: int) -> list[float]:
        """Share of right answers if the model stops after 0, 1, …, `most` loops; 1,024 questions at a time are held."""
        right = [0] * (most + 1)
        for some, answers in zip(ids.split(1024), wanted.split(1024)):
            for t, state in enumerate(self._stream(some, most)):
                right[t] += int((self.answer(state).argmax(-1) == answers).sum())
        return [n / len(ids) for n in right]


def passes(config: Config) -> int:
    """How many times a token goes through a block: the measure of compute. Equal parameters are not equal passes."""
    return config.layers * config.loops


def wider(config: Config, target: int, vocabulary: int, length: int, classes: int) -> Config:
    """`config` without a clock and with `hidden` so large that the model has at least `target` parameters."""
    plain = replace(config, clock="none")
    missing = target - parameters(LoopedTransformer(vocabulary, length, classes, plain))
    return replace(plain, hidden=plain.hidden + max(0, -(-missing // ((2 * plain.dim + 1) * plain.layers))))


@torch.no_grad()
def residuals(states: Float[Tensor, "loop ..."]) -> list[float]:
    """‖h_{t+1} - h_t‖ / ‖h_t‖ for each loop: 0 at a fixed point."""
    flat = states.flatten(1)
    return ((flat[1:] - flat[:-1]).norm(dim=1) / flat[:-1].norm(dim=1)).tolist()

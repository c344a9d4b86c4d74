"""Residual layers with explicit weights, and stacks of them.

| paper symbol (Yun et al. 2019, section 2 and Definition of the modified class) | name                       |
| ------------------------------------------------------------------------------ | -------------------------- |
| W_K = W_Q = W_V = uᵀ, query bias -b_Q, W_O = c e^(1)                           | Heads(code, thresholds, c) |
| X + v φ(wᵀX + b)                                                               | PiecewiseFeedForward       |
| a composition of blocks with hardmax and φ (2 heads, size 1, width 1)          | Stack                      |
| the same with softmax and ReLU (2 heads, size 1, width 4)                      | Stack.with_relu, .blocks() |
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqlab.attention import Normalizer, hardmax
from seqlab.layers import FeedForward, SelfAttention, Tokens, YunBlock
from seqlab.stack.activations import Piecewise

Row = Float[Tensor, "dim"]


class Heads(SelfAttention):
    """Heads of size one that read the id `l = code · x` and write to the first coordinate only.

    Head h: scores l_k (l_j - thresholds[h]), values l_k, output times gains[h]. With hardmax it gives query j

        gains[h] · (max l if l_j > thresholds[h], min l if l_j < thresholds[h])
    """

    def __init__(
        self, code: Row, thresholds: Sequence[float], gains: Sequence[float], *, normalizer: Normalizer = hardmax()
    ):
        if len(thresholds) != len(gains):
            raise ValueError(f"gains: got {len(gains)} for {len(thresholds)} thresholds; wanted one per head")
        heads, dim = len(gains), len(code)
        with torch.device("meta"):  # no weights are drawn
            super().__init__(dim, heads, 1, normalizer=normalizer, scale=1.0)
        read = code.expand(heads, dim)
        write = torch.zeros(dim, heads, dtype=code.dtype)
        write[0] = torch.tensor(gains, dtype=code.dtype)
        self.query = _linear(read, -torch.tensor(thresholds, dtype=code.dtype))
        self.key, self.value, self.out = _linear(read), _linear(read), _linear(write)

    def padded(self, heads: int) -> Heads:
        """The same with idle heads (gain 0) up to `heads`."""
        idle = [0.0] * (heads - self.heads)
        gains = self.out.weight[0].tolist() + idle
        thresholds = (-self.query.bias).tolist() + idle
        return Heads(self.key.weight[0], thresholds, gains, normalizer=self.normalizer)


class SparseHeads(Heads):
    """`Heads` that see a pattern: every token looks at its own neighbourhood only.

    A token with an empty neighbourhood gets 0.
    """

    def __init__(
        self,
        pattern: object,
        code: Row,
        thresholds: Sequence[float],
        gains: Sequence[float],
        *,
        normalizer: Normalizer = hardmax(),
    ):
        super().__init__(code, thresholds, gains, normalizer=normalizer)
        self.pattern = pattern

    def padded(self, heads: int) -> SparseHeads:
        wide = super().padded(heads)
        gains, thresholds = wide.out.weight[0].tolist(), (-wide.query.bias).tolist()
        return SparseHeads(self.pattern, self.key.weight[0], thresholds, gains, normalizer=self.normalizer)


class PiecewiseFeedForward(FeedForward):
    """`write · φ(read · x + shift)`: one hidden unit."""

    def __init__(self, read: Row, shift: float, write: Row, phi: Piecewise):
        with torch.device("meta"):
            super().__init__(len(read), 1)
        self.activation, self.phi, self.shift = phi, phi, shift
        self.up = _linear(read[None], torch.tensor([shift], dtype=read.dtype))
        self.down = _linear(write[:, None], torch.zeros_like(write))

    def with_relu(self, epsilon: float) -> FeedForward:
        """Four ReLU units in place of φ (Lemma 9), see `Piecewise.hinges`."""
        read, write = self.up.weight[0], self.down.weight[:, 0]
        constant, parts = self.phi.hinges(epsilon)
        signs, kinks, weights = (torch.tensor(column, dtype=read.dtype) for column in zip(*parts))
        with torch.device("meta"):
            made = FeedForward(len(read), 4)
        made.up = _linear(signs[:, None] * read, signs * (self.shift - kinks))
        made.down = _linear(write[:, None] * weights, constant * write)
        return made


class Residual(nn.Module):
    """`x + inner(x)`: one layer of the proof. `part` and `label` say which."""

    def __init__(self, inner: nn.Module, part: str, label: str):
        super().__init__()
        self.inner, self.part, self.label = inner, part, label

    def forward(self, x: Tokens) -> Tokens:
        return x + self.inner(x)


class Positions(nn.Module):
    """`x + E`, E = (0, 1, …, n-1) in every coordinate."""

    part, label = "positions", "add the position to every coordinate"

    def __init__(self, length: int, dim: int, dtype: torch.dtype = torch.float64):
        super().__init__()
        self.code = nn.Parameter(torch.arange(length, dtype=dtype)[:, None].repeat(1, dim), requires_grad=False)

    def forward(self, x: Tokens) -> Tokens:
        if x.shape[1:] != self.code.shape:
            raise ValueError(f"x: got {tuple(x.shape[1:])} (token, dim), the positions are {tuple(self.code.shape)}")
        return x + self.code


@dataclass(frozen=True)
class Frame:
    """What a stepper shows after one layer: its part of the proof, its label, and the tokens "batch token dim"."""

    part: str
    label: str
    tokens: Tensor


class Stack(nn.Module):
    """Layers one after another. `part` names: quantise, positions, sweep, global, reject, values."""

    def __init__(self, layers: Iterable[nn.Module]):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def __len__(self) -> int:
        return len(self.layers)

    def forward(self, x: Tokens) -> Tokens:
        for layer in self.layers:
            x = layer(x)
        return x

    def trace(self, x: Tokens) -> list[Frame]:
        """The tokens after every layer, the input first."""
        frames = [Frame("input", "input", x)]
        for layer in self.layers:
            x = layer(x)
            frames.append(Frame(layer.part, layer.label, x))
        return frames

    def count(self, part: str) -> int:
        """How many layers belong to a part."""
        return sum(layer.part == part for layer in self.layers)

    def feed_forward_layers(self) -> int:
        """How many feed-forward layers there are; attention layers are counted by `seqlab.layers.count`."""
        return sum(isinstance(module, FeedForward) for module in self.modules())

    def with_normalizer(self, normalizer: Normalizer) -> Stack:
        """The same weights with another normalizer in every head, such as softmax(λ)."""
        made = copy.deepcopy(self)
        for module in made.modules():
            if isinstance(module, SelfAttention):
                module.normalizer = normalizer
        return made

    def with_relu(self, epsilon: float) -> Stack:
        """Four ReLUs in place of every φ."""
        return self._map(lambda inner: inner.with_relu(epsilon) if isinstance(inner, PiecewiseFeedForward) else inner)

    def blocks(self) -> Stack:
        """Every layer as a whole block of the paper: two heads and a feed-forward part, the unused half zero."""
        return Stack(_block(layer) if isinstance(layer, Residual) else layer for layer in self.layers)

    def _map(self, change: Callable[[nn.Module], nn.Module]) -> Stack:
        return Stack(
            Residual(change(layer.inner), layer.part, layer.label) if isinstance(layer, Residual) else layer
            for layer in self.layers
        )


def _block(layer: Residual) -> YunBlock:
    inner = layer.inner
    weight = next(inner.parameters())
    hidden = inner.hidden if isinstance(inner, FeedForward) else 1
    dim = inner.dim if isinstance(inner, SelfAttention) else inner.up.in_features
    with torch.device("meta"):
        block = YunBlock(dim, hidden=hidden)
    nothing = weight.new_zeros(dim)
    if isinstance(inner, Heads):
        block.attention = inner.padded(2)
        block.feed_forward = PiecewiseFeedForward(nothing, 0.0, nothing, _ZERO)
    else:
        block.attention = Heads(nothing, (0.0, 0.0), (0.0, 0.0))
        block.feed_forward = inner
    block.part, block.label = layer.part, layer.label
    return block


_ZERO = Piecewise((0.0, 1.0), ((0, 0.0), (0, 0.0), (0, 0.0)))


def _linear(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    made.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
    if bias is not None:
        made.bias = nn.Parameter(bias.detach().clone(), requires_grad=False)
    return made

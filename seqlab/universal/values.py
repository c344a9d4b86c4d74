"""The table of values by feed-forward layers, and the whole network: g ≈ f.

| paper symbol (Yun et al. 2019, Lemma 7 and Proposition 4)              | name                        |
| ---------------------------------------------------------------------- | --------------------------- |
| f̄ = Σ_L f(C_L) 1{X ∈ S_L}, C_L the centre of the cube S_L              | piecewise(f, x, levels)     |
| A_L = f(C_L)                                                           | Approximation.values        |
| q(L)_j, g_c(L)_j                                                       | names, `column` in .layers  |
| X - (M + 1) 1 φ(uᵀX), then X + e^(i) φ(e^(i)ᵀX)                        | part "reject", 1 + d layers |
| X + (A_L - g_c(L))_j φ(uᵀX - q(L)_j), one layer per name               | part "values"               |
| d_p(f, g)                                                              | distance(f, g, …)           |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from einops import rearrange, reduce
from jaxtyping import Bool, Float
from torch import Tensor

from seqlab.attention import Normalizer
from seqlab.layers import Tokens
from seqlab.stack.activations import negative_part, window_activation
from seqlab.stack.blocks import PiecewiseFeedForward, Positions, Residual, Stack
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness
from seqlab.universal import lemmas
from seqlab.universal.mapping import ContextualMapping, Mixing, Names, Sequences, contextual_mapping
from seqlab.universal.quantiser import Quantiser
from seqlab.universal.shift import code, column_ids

Function = Callable[[Tensor], Tensor]  # "batch token dim" -> "batch token dim"

THEOREM = Statement(
    "universal approximation",
    "Yun et al. 2019, main theorem",
    "For every continuous f (permutation equivariant unless positions are added) and every ε some g of the class has "
    "d_p(f, g) ≤ ε, p < ∞.",
    (
        Hypothesis("names", "the names are a contextual mapping"),
        Hypothesis("symmetric", "positions are added, or f is permutation equivariant"),
    ),
)
TABLE = Statement(
    "the network is its table",
    "Yun et al. 2019, Proposition 4 and Lemma 9",
    "The network gives f at the centre of the input's cell (zero where tokens fall in one cell and no positions are "
    "added) outside the strips of width ε below the edges of the cells.",
    (Hypothesis("hard", "hardmax, or softmax with a scale that brings all names within δ/2"),),
)


@dataclass(frozen=True)
class Approximation:
    """The network for a function f: quantiser, contextual mapping, table. Made by `approximate`."""

    f: Function
    mapping: ContextualMapping

    @cached_property
    def cells(self) -> Sequences:
        """The sequences that the table lists, one of each reordering where there are no positions."""
        return cells(self.mapping)

    @cached_property
    def names(self) -> Names:
        """Their names, exact, in units of δ."""
        return self.mapping.names(self.cells)

    @cached_property
    def values(self) -> Float[Tensor, "cell token dim"]:
        """A_L: f at the centres of the cells."""
        centres = (torch.tensor(self.cells, dtype=torch.float64) + 0.5) / self.mapping.levels
        return _apply(self.f, centres)

    @property
    def formula(self) -> int:
        """Feed-forward layers: d + d/δ to quantise, 1 + d to reject, one per name."""
        m = self.mapping
        return m.dim + m.dim * m.levels + 1 + m.dim + m.length * len(self.cells)

    def stack(self, normalizer: Normalizer | None = None, dtype: torch.dtype = torch.float64) -> Stack:
        """The whole network on "batch token dim". `.with_relu(ε)` and softmax(λ) make it a transformer of the paper."""
        m = self.mapping
        first = Quantiser(m.levels, m.dim, m.marker / m.levels).layers(dtype)
        positions = [Positions(m.length, m.dim, dtype)] if m.positions else []
        return Stack(first + positions + m.layers(normalizer, dtype) + self.table(dtype))

    def table(self, dtype: torch.dtype = torch.float64) -> list[Residual]:
        """The layers that reject bad columns and then, from the largest name down, turn names into values.

        In this order a column meets windows above it, and after its own it lies below all: φ and its ReLUs are exactly
        zero there, so that no rounding piles up.
        """
        m, delta = self.mapping, 1 / self.mapping.levels
        u = torch.tensor(code(m.levels, m.dim), dtype=dtype)
        unit, ones = torch.eye(m.dim, dtype=dtype), torch.ones(m.dim, dtype=dtype)
        low, high = (float(edge) * delta for edge in (self.names.min(), self.names.max()))
        good = window_activation(low - delta / 2, high + delta / 2, inside=0.0, outside=1.0)
        reject = PiecewiseFeedForward(u, 0.0, -(self._bound() + 1) * ones, good)
        layers = [Residual(reject, "reject", "bad columns become negative")]
        for i in range(m.dim):
            zero = PiecewiseFeedForward(unit[i], 0.0, unit[i], negative_part())
            layers.append(Residual(zero, "reject", f"coordinate {i}: negative becomes 0"))
        window = window_activation(-delta / 2, delta / 2)
        for cell, token in _descending(self.names):
            name = int(self.names[cell, token])
            column = torch.tensor(self._column(cell, token), dtype=dtype)
            write = self.values[cell, token].to(dtype) - column
            layers.append(Residual(PiecewiseFeedForward(u, -name * delta, write, window), "values", f"name {name:,}"))
        return layers

    def reference(self, x: Tokens) -> Tokens:
        """What the network is to compute, by looking up the cell directly. For comparison only."""
        return piecewise(self.f, x, self.mapping.levels, positions=self.mapping.positions)

    def check(
        self, epsilon: float, *, p: float = 2, samples: int = 4000, seed: int = 0, model: Callable | None = None
    ) -> Verdict:
        """d_p(f, g) ≤ epsilon, g the real stack (or `model`), estimated on random inputs in [0, 1)^(n × d).

        The margin is epsilon less the estimate. The witness carries (x, g(x), f(x)) with the largest difference.
        """
        x = _uniform(samples, self.mapping, seed)
        got, want = (model or self.stack())(x), _apply(self.f, x)
        error = _distance(got, want, p)
        symmetric = self.mapping.positions or _symmetric(self.f, x)
        statement = THEOREM.under(names=self.mapping.check().holds, symmetric=symmetric)
        options = dict(statement=statement, checked=samples, notes=[f"d_{p:g}(f, g) ≈ {error:.4g}"])
        if error <= epsilon:
            return Verdict(True, epsilon - error, **options)
        at = int(reduce((got - want).abs(), "batch token dim -> batch", "max").argmax())
        objects = tuple(_short(t[at]) for t in (x, got, want))
        return Verdict(
            False, epsilon - error, Witness("at x = {} g is {}, f is {}".format(*objects), objects), **options
        )

    def check_table(
        self,
        *,
        normalizer: Normalizer | None = None,
        relu: float | None = None,
        samples: int = 4000,
        seed: int = 0,
        tolerance: float = 1e-6,
    ) -> Verdict:
        """The stack reproduces its table on random continuous inputs, but for the strips that ReLUs of width ε cost.

        normalizer:  hardmax unless given
        relu:        ε of the four-ReLU replacement (None keeps φ: no strips). Take a power of two: then the slopes 1/ε
                     are exact, and the table is free of the rounding G²/ε · 2^-53 (G the largest name) of other ε

        It holds if no input outside the strips differs by more than `tolerance`; the margin is the tolerance less the
        largest difference there. The notes give the observed shares, and 1 - (1 - ε/δ)^nd, the volume of the strips.
        The witness carries (x, got, wanted) of the worst input.
        """
        m = self.mapping
        x = _uniform(samples, m, seed)
        stack = self.stack(normalizer)
        stack = stack if relu is None else stack.with_relu(relu)
        got, want = stack(x), self.reference(x)
        difference = reduce((got - want).abs().nan_to_num(torch.inf), "batch token dim -> batch", "max")
        strips = in_strips(x, m.levels, relu or 0.0)
        worst = difference.masked_fill(strips, 0.0).max().item()
        wrong = (difference > tolerance).double().mean().item()
        volume = 1 - (1 - (relu or 0.0) * m.levels) ** (m.length * m.dim)
        inside = strips.double().mean().item()
        notes = (f"{wrong:.3%} of the inputs differ; {inside:.3%} lie in the strips, whose volume is {volume:.3%}",)
        statement = TABLE.under(hard=normalizer is None or lemmas.blocks(m, normalizer).holds)
        options = dict(statement=statement, checked=samples, notes=notes)
        if worst <= tolerance:
            return Verdict(True, tolerance - worst, **options)
        at = int(difference.masked_fill(strips, 0.0).argmax())
        objects = tuple(_short(t[at]) for t in (x, got, want))
        text = "at x = {} the network gives {}, the table {}".format(*objects)
        return Verdict(False, tolerance - worst, Witness(text, objects), **options)

    def _column(self, cell: int, token: int) -> list[float]:
        """g_c(L)_j: the grid column (moved by its position) with the first coordinate shifted up to its name."""
        m = self.mapping
        column = self.cells[cell, token].astype(object) + (m.levels * token if m.positions else 0)
        column[0] += int(self.names[cell, token]) - int(column_ids(column[None], m.levels)[0])
        return [float(entry) / m.levels for entry in column]

    def _bound(self) -> float:
        """M: more than any entry of any sequence of G_δ^+ can reach, each token being shifted at most twice."""
        m = self.mapping
        start = 2 * (m.marker / m.levels + m.length) * sum(code(m.levels, m.dim))
        return float((1 + m.spread) * (1 + m.gain) ** (2 * m.length) * start)


def approximate(
    f: Function,
    levels: int,
    dim: int = 1,
    length: int = 2,
    *,
    positions: bool = False,
    gain: int | None = None,
    spread: int | None = None,
    mixing: Mixing = "two heads",
) -> Approximation:
    """The network of Proposition 4 for f on [0, 1)^(n × d): "batch token dim" to the same, in float64.

    Without positions f should be permutation equivariant; `Approximation.check` says what happens when it is not.
    Raises ValueError on bad sizes, where f returns another shape, or where a value is so large that it would be taken
    for a name (the proof tacitly has all names above all values).
    """
    switches = dict(positions=positions, gain=gain, spread=spread, mixing=mixing)
    made = Approximation(f, contextual_mapping(levels, dim, length, **switches))
    read = made.values @ torch.tensor(code(levels, dim), dtype=torch.float64)
    largest, first = read.max().item(), float(made.names.min() - 1) / levels
    if mixing == "two heads" and made.mapping.spread and largest >= first:
        raise ValueError(
            f"f: a value with id {largest:.4g} reaches the names, which start at {first:.4g}; scale f down"
        )
    return made


def cells(mapping: ContextualMapping) -> Sequences:
    """All sequences, or without positions one of each reordering: the one whose ids increase."""
    sequences = mapping.sequences()
    if mapping.positions:
        return sequences
    return sequences[(np.diff(mapping.ids(sequences), axis=1) > 0).all(axis=1)]


def piecewise(f: Function, x: Tokens, levels: int, *, positions: bool) -> Tokens:
    """f at the centre of the cell of x, zero where a token is out of [0, 1) or, without positions, two share a cell."""
    level = torch.floor(x * levels)
    inside = reduce((x >= 0) & (x < 1), "batch token dim -> batch 1 1", "all")
    good = inside if positions else inside & _distinct(level, levels)
    return torch.where(good, _apply(f, (level + 0.5) / levels), 0.0)


def distance(
    f: Function, g: Function, dim: int, length: int, *, p: float = 2, samples: int = 2**17, seed: int = 0
) -> float:
    """d_p(f, g) = (∫ ‖f(X) - g(X)‖_p^p dX)^(1/p) over [0, 1)^(n × d), by `samples` scrambled Sobol points."""
    points = torch.quasirandom.SobolEngine(length * dim, scramble=True, seed=seed).draw(samples, dtype=torch.float64)
    x = rearrange(points, "batch (token dim) -> batch token dim", token=length)
    return _distance(_apply(f, x), _apply(g, x), p)


def in_strips(x: Tokens, levels: int, epsilon: float) -> Bool[Tensor, batch]:
    """Whether some coordinate lies within ε below an edge k/levels: where ReLUs cannot jump in time."""
    to_edge = torch.ceil(x * levels) / levels - x
    return reduce((to_edge <= epsilon) & (to_edge > 0), "batch token dim -> batch", "any")


def _distance(a: Tensor, b: Tensor, p: float) -> float:
    if not 1 <= p < float("inf"):
        raise ValueError(f"p: got {p}, wanted 1 ≤ p < ∞ (the construction does not converge uniformly)")
    return reduce((a - b).abs() ** p, "batch token dim -> batch", "sum").mean().item() ** (1 / p)


def _distinct(level: Tensor, levels: int) -> Tensor:
    weights = float(levels) ** torch.arange(level.shape[-1], dtype=level.dtype)
    ids = torch.sort(level @ weights, dim=-1).values
    return rearrange((ids[:, 1:] != ids[:, :-1]).all(dim=-1), "batch -> batch 1 1")


def _apply(f: Function, x: Tensor) -> Tensor:
    y = f(x)
    if y.shape != x.shape:
        raise ValueError(f"f: returned shape {tuple(y.shape)} for inputs {tuple(x.shape)}, wanted the same shape")
    return y


def _symmetric(f: Function, x: Tensor) -> bool:
    x = x[:50]
    return torch.allclose(f(x.flip(1)), f(x).flip(1)) and torch.allclose(f(x.roll(1, 1)), f(x).roll(1, 1))


def _uniform(samples: int, mapping: ContextualMapping, seed: int) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.rand(samples, mapping.length, mapping.dim, generator=draw, dtype=torch.float64)


def _descending(names: Names) -> list[tuple[int, int]]:
    places = [(i, k) for i in range(names.shape[0]) for k in range(names.shape[1])]
    return sorted(places, key=lambda place: names[place], reverse=True)


def _short(x: Tensor) -> list:
    return [
        round(value, 6) if x.shape[-1] == 1 else value for value in rearrange(x, "token dim -> (token dim)").tolist()
    ]

"""The table of values by feed-forward layers, and the whole network: g ≈ f.

| paper symbol (Yun et al. 2019, Lemma 7 and Proposition 4)              | name                        |
| ---------------------------------------------------------------------- | --------------------------- |
| f̄ = Σ_L f(C_L) 1{X ∈ S_L}, C_L the centre of the cube S_L              | piecewise(f, x, levels)     |
| A_L = f(C_L)                                                           | Approximation.values        |
| q(L)_j, (A_L - g_c(L))_j                                               | names, `_added`             |
| X - (M + 1) 1 φ(uᵀX), then X + e^(i) φ(e^(i)ᵀX)                        | "reject", 1 + d layers      |
| X + (A_L - g_c(L))_j φ(uᵀX - q(L)_j), one layer per name               | "look up"                   |
| d_p(f, g)                                                              | distance(f, g, …)           |
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np
import torch
from einops import rearrange, reduce
from jaxtyping import Bool, Float
from torch import Tensor

from seqlab.layers import Tokens
from seqlab.normalizers import Normalizer
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness, judge
from seqlab.universal import lemmas
from seqlab.universal.activations import window_activation, with_relu
from seqlab.universal.mapping import ContextualMapping, Mixing, Names, Sequences, contextual_mapping
from seqlab.universal.quantiser import Quantiser
from seqlab.written import Layer, Program, Sweep, Unit
from seqlab.written.real import Transformer

Function = Callable[[Tensor], Tensor]  # "batch token dim" -> "batch token dim"

THEOREM = Statement(
    "universal approximation",
    "Yun et al. 2019, main theorem",
    "For every continuous f (permutation equivariant unless positions are added) and every ε some g of the class has "
    "d_p(f, g) ≤ ε, p < ∞.",
    (
        Hypothesis("names", "the names are a contextual mapping"),
        Hypothesis("symmetric", "positions are added, or f is permutation equivariant"),
        Hypothesis("compact", "inputs lie in the compact set for which the network was made"),
        Hypothesis("length", "sequences have the length for which it was made"),
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
        """The sequences that the table lists, of each reordering, where there are no positions, the one with rising
        ids.
        """
        sequences = self.mapping.sequences()
        rising = (np.diff(self.mapping.ids(sequences), axis=1) > 0).all(axis=1)
        return sequences if self.mapping.positions else sequences[rising]

    @cached_property
    def names(self) -> Names:
        """Their names, exact, in units of δ."""
        return self.mapping.names(self.cells).astype(object)

    @cached_property
    def ids(self) -> Names:
        """Their ids before the sweep."""
        return self.mapping.ids(self.cells).astype(object)

    @cached_property
    def values(self) -> Float[Tensor, "cell token dim"]:
        """A_L: f at the centres of the cells."""
        centres = (torch.tensor(self.cells, dtype=torch.float64) + 0.5) / self.mapping.levels
        return evaluate(self.f, centres)

    def program(self) -> Program:
        """The whole network as a text: quantise, name, reject, look up; tokens in [0, 1)^d to values.

        Names are looked up from the largest down. In this order a column meets windows above it, and after its own it
        lies below all: φ and its ReLUs are exactly zero there, so that no rounding piles up.
        """
        m, delta, x, u = self.mapping, Fraction(1, self.mapping.levels), self.mapping.x, self.mapping.u
        names = m.program(delta)
        quantise = Quantiser(m.levels, m.dim, m.marker // m.levels).layers(x)
        low, high = (delta * edge for edge in (self.names.min(), self.names.max()))
        good = window_activation(low - delta / 2, high + delta / 2, inside=0, outside=1)
        reject = [
            Layer(units=Unit(u, -(self._bound() + 1) * sum(x), good), label="reject: bad columns become negative")
        ]
        reject += [Layer(units=Unit(-each, each), label=f"reject: {each}, negative becomes 0") for each in x]
        window, places = window_activation(-delta / 2, delta / 2), {}
        for at in np.ndindex(self.names.shape):
            places.setdefault(self.names[at], []).append(at)

        def look_up(name: int) -> list[Layer]:
            writes = [sum(a * each for a, each in zip(self._added(*at), x)) for at in places[name]]
            units = [Unit(u - name * delta, write, window) if write.weights else [] for write in writes]
            return [Layer(units=unit, label=f"look up: name {int(name):,}") for unit in units]

        table = Sweep(u / delta, sorted(places, reverse=True), look_up, idle=m.mixing == "two heads")
        return replace(names, answers=x, layers=[quantise, names.layers, reject, table])

    def stack(self, normalizer: Normalizer | None = None, relu: float | None = None) -> Transformer:
        """The same as PyTorch layers. softmax(λ), and ReLUs of width ε, make it a transformer of the paper."""
        return (with_relu(self.program(), relu) if relu else self.program()).module(normalizer).requires_grad_(False)

    def reference(self, x: Tokens) -> Tokens:
        """What the network is to compute, by looking up the cell directly. For comparison only."""
        return piecewise(self.f, x, self.mapping.levels, positions=self.mapping.positions)

    def check(self, epsilon: float) -> Verdict:
        """d_2(f, g) ≤ epsilon, g the real layers, estimated on 4,000 random inputs in [0, 1)^(n × d).

        The margin is epsilon less the estimate. The witness carries (x, g(x), f(x)) with the largest difference.
        """
        x = _uniform(4000, self.mapping)
        got, want = self.stack()(x), evaluate(self.f, x)
        error = _distance(got, want, 2)
        order = self.mapping.positions or symmetric(self.f, x[:50])
        statement = THEOREM.under(names=self.mapping.check().holds, symmetric=order)
        witness = lambda: _worst("at x = {} g is {}, f is {}", x, got, want, (got - want).abs())
        notes = (f"d_2(f, g) ≈ {error:.4g}",)
        return judge(epsilon - error, statement, witness=witness, checked=len(x), notes=notes)

    def check_table(
        self, *, normalizer: Normalizer | None = None, relu: float | None = None, samples: int = 4000
    ) -> Verdict:
        """The layers reproduce the table on random continuous inputs, but for the strips that ReLUs of width ε cost.

        normalizer:  hardmax unless given
        relu:        ε of the four-ReLU replacement (None keeps φ: no strips). Take a power of two: then the slopes 1/ε
                     are exact, and the table is free of the rounding G²/ε · 2^-53 (G the largest name) of other ε

        It holds if no input outside the strips differs by 1e-6 or more; the margin is 1e-6 less the largest difference
        there. The notes give the observed shares, and 1 - (1 - ε/δ)^nd, the volume of the strips.
        The witness carries (x, got, wanted) of the worst input.
        """
        m, width = self.mapping, relu or 0.0
        x = _uniform(samples, m)
        got, want, strips = self.stack(normalizer, relu)(x), self.reference(x), in_strips(x, m.levels, width)
        difference = reduce((got - want).abs().nan_to_num(torch.inf), "batch token dim -> batch", "max")
        outside, wrong, inside = difference.masked_fill(strips, 0.0), difference > 1e-6, strips.double().mean()
        volume = 1 - (1 - width * m.levels) ** (m.length * m.dim)
        where = f"{inside:.3%} lie in the strips, whose volume is {volume:.3%}"
        notes = (f"{wrong.double().mean():.3%} of the inputs differ; {where}",)
        statement = TABLE.under(hard=normalizer is None or lemmas.blocks(m, normalizer).holds)
        witness = lambda: _worst("at x = {} the network gives {}, the table {}", x, got, want, outside)
        return judge(1e-6 - outside.max().item(), statement, witness=witness, checked=samples, notes=notes)

    def _added(self, cell: int, token: int) -> list[Fraction]:
        """(A_L - g_c(L))_j: the value less the grid column, whose first coordinate was shifted up to its name."""
        m, at = self.mapping, (cell, token)
        shifted = [self.names[at] - self.ids[at]] + [0] * (m.dim - 1)
        column = [Fraction(int(k) + more) / m.levels for k, more in zip(self.cells[at], shifted)]
        return [Fraction(value) - entry for value, entry in zip(self.values[at].tolist(), column)]

    def _bound(self) -> int:
        """M: more than any entry of any sequence of G_δ^+ can reach, each token being shifted at most twice."""
        m = self.mapping
        start = 2 * (m.marker // m.levels + m.length) * m.box
        return (1 + m.spread) * (1 + m.gain) ** (2 * m.length) * start


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
    largest = sum(made.values[..., i] * levels**i for i in range(dim)).max().item()
    first = float(made.names.min() - 1) / levels
    if mixing == "two heads" and made.mapping.spread and largest >= first:
        raise ValueError(
            f"f: a value with id {largest:.4g} reaches the names, which start at {first:.4g}; scale f down"
        )
    return made


def piecewise(f: Function, x: Tokens, levels: int, *, positions: bool) -> Tokens:
    """f at the centre of the cell of x, zero where a token is out of [0, 1) or, without positions, two share a cell."""
    level = torch.floor(x * levels)
    inside = reduce((x >= 0) & (x < 1), "batch token dim -> batch 1 1", "all")
    same = (level[:, :, None] == level[:, None]).all(-1)  # "batch token token", true on the diagonal
    alone = reduce(same, "batch token other -> batch 1 1", "sum") == x.shape[1]
    good = inside if positions else inside & alone
    return torch.where(good, evaluate(f, (level + 0.5) / levels), 0.0)


def distance(f: Function, g: Function, dim: int, length: int, *, p: float = 2, samples: int = 2**17) -> float:
    """d_p(f, g) = (∫ ‖f(X) - g(X)‖_p^p dX)^(1/p) over [0, 1)^(n × d), by `samples` scrambled Sobol points."""
    points = torch.quasirandom.SobolEngine(length * dim, scramble=True, seed=0).draw(samples, dtype=torch.float64)
    x = rearrange(points, "batch (token dim) -> batch token dim", token=length)
    return _distance(evaluate(f, x), evaluate(g, x), p)


def in_strips(x: Tokens, levels: int, epsilon: float) -> Bool[Tensor, "batch"]:
    """Whether some coordinate lies within ε below an edge k/levels: where ReLUs cannot jump in time."""
    to_edge = torch.ceil(x * levels) / levels - x
    return reduce((to_edge <= epsilon) & (to_edge > 0), "batch token dim -> batch", "any")


def _distance(a: Tensor, b: Tensor, p: float) -> float:
    if not 1 <= p < float("inf"):
        raise ValueError(f"p: got {p}, wanted 1 ≤ p < ∞ (the construction does not converge uniformly)")
    return reduce((a - b).abs() ** p, "batch token dim -> batch", "sum").mean().item() ** (1 / p)


def evaluate(f: Function, x: Tokens) -> Tensor:
    """f(x) in float64. Raises ValueError where f returns no tensor, another shape, or numbers that are not finite."""
    y = f(x)
    if not isinstance(y, Tensor) or y.shape != x.shape:
        got = f"shape {tuple(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
        raise ValueError(f"f: returned {got} for inputs {tuple(x.shape)}, wanted a tensor of the same shape")
    if not y.isfinite().all():
        raise ValueError("f: returned NaN or an infinity somewhere; wanted a continuous function on [0, 1]")
    return y.detach().double()


def symmetric(f: Function, x: Tokens) -> bool:
    """Whether f is permutation equivariant on x: turned round, and moved on by one, tokens keep their values."""
    y = evaluate(f, x)
    orders = (lambda tokens: tokens.flip(1), lambda tokens: tokens.roll(1, 1))
    return all(torch.allclose(evaluate(f, order(x)), order(y)) for order in orders)


def _uniform(samples: int, mapping: ContextualMapping) -> Tensor:
    draw = torch.Generator().manual_seed(0)
    return torch.rand(samples, mapping.length, mapping.dim, generator=draw, dtype=torch.float64)


def _worst(text: str, x: Tensor, got: Tensor, want: Tensor, difference: Tensor) -> Witness:
    """The input with the largest difference, and what became of it."""
    at = int(difference.reshape(len(x), -1).amax(dim=1).argmax())
    objects = tuple(t[at].flatten().tolist() for t in (x, got, want))
    return Witness(text.format(*([round(value, 6) for value in row] for row in objects)), objects)

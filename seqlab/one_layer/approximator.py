"""Any continuous permutation equivariant function: a quantiser, one attention layer of rank one, a table.

| symbol (Kajitsuka & Sato 2023, Proposition 1) | name                                                          |
| --------------------------------------------- | ------------------------------------------------------------- |
| F_1^FF                                        | the quantiser of `seqlab.universal`, then + δ/2               |
| F^SA, F_2^FF                                  | OneLayerMemoriser.network on all sequences of different cells |
| d_p(f, g)                                     | error(p)                                                      |

Cells are named by their centres, so that no token is zero. Inputs with two tokens in one cell are not in the table: the
network returns something between its values there, and their volume shrinks with δ.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from einops import rearrange, reduce
from jaxtyping import Bool
from torch import Tensor

from seqlab import universal
from seqlab.layers import Tokens
from seqlab.one_layer.memoriser import LARGEST, OneLayerMemoriser, memorise
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness, judge

Function = Callable[[Tensor], Tensor]  # "batch token dim" -> "batch token dim"

PROPOSITION_1 = Statement(
    "Proposition 1",
    "Kajitsuka & Sato 2023, Proposition 1",
    "For every continuous permutation equivariant f and every ε some network of a quantiser, one softmax head of rank"
    " one and a feed-forward layer has d_p(f, g) < ε, p < ∞.",
    (Hypothesis("symmetric", "f is permutation equivariant"),),
)


@dataclass(frozen=True)
class Approximator:
    """The network g for a function f on [0, 1)^(n × d), with 1/δ = `levels`. Made by `approximate`."""

    f: Function
    levels: int
    dim: int
    length: int
    memoriser: OneLayerMemoriser

    def quantise(self, x: Tokens) -> Tokens:
        """The centre of every token's cell, by d + d/δ feed-forward layers and one bias."""
        return universal.quantiser(self.levels, self.dim, self.length).stack()(x) + 0.5 / self.levels

    def __call__(self, x: Tokens) -> Tokens:
        return self.memoriser.network(self.quantise(x))

    def duplicates(self, x: Tokens) -> Bool[Tensor, batch]:
        """Whether two tokens share a cell."""
        weights = self.levels ** torch.arange(self.dim)
        cells = (torch.floor(x * self.levels).long() * weights).sum(-1)
        return (cells.sort(dim=-1).values.diff(dim=-1) == 0).any(-1)

    def sample(self, samples: int = 2**14, seed: int = 0) -> Tokens:
        """Scrambled Sobol points in [0, 1)^(n × d)."""
        points = torch.quasirandom.SobolEngine(self.length * self.dim, scramble=True, seed=seed).draw(
            samples, dtype=torch.float64
        )
        return rearrange(points, "batch (token dim) -> batch token dim", token=self.length)

    def error(self, p: float = 2, *, samples: int = 2**14, seed: int = 0) -> tuple[float, float, float]:
        """d_p(f, g), the same over inputs without duplicates only, and the volume of duplicates; all estimated."""
        if not 1 <= p < math.inf:
            raise ValueError(f"p: got {p}, wanted 1 ≤ p < ∞ (at the edges of cells the error does not vanish)")
        x = self.sample(samples, seed)
        powers = reduce((self(x) - self.f(x)).abs() ** p, "batch token dim -> batch", "sum")
        twice = self.duplicates(x)
        good = powers.masked_fill(twice, 0.0)
        return powers.mean().item() ** (1 / p), good.mean().item() ** (1 / p), twice.double().mean().item()

    def check(self, epsilon: float, *, p: float = 2, samples: int = 2**14, seed: int = 0) -> Verdict:
        """d_p(f, g) < epsilon.

        The margin is epsilon less the estimate; the witness carries (x, g(x), f(x)) at the worst.
        """
        total, good, volume = self.error(p, samples=samples, seed=seed)

        def worst() -> Witness:
            x = self.sample(samples, seed)
            got, want = self(x), self.f(x)
            at = int(reduce((got - want).abs(), "batch token dim -> batch", "max").argmax())
            objects = tuple([round(v, 4) for v in t[at].flatten().tolist()] for t in (x, got, want))
            return Witness("at x = {} g is {}, f is {}".format(*objects), objects)

        x = self.sample(min(samples, 64), seed)
        return judge(
            epsilon - total,
            PROPOSITION_1.under(symmetric=torch.allclose(self.f(x.flip(1)), self.f(x).flip(1))),
            witness=worst,
            checked=samples,
            notes=[f"d_{p:g} = {total:.4g}, without duplicates {good:.4g}; volume of duplicates {volume:.4g}"],
        )


def approximate(
    f: Function, levels: int, dim: int = 1, length: int = 2, *, kappa: float | None = None, seed: int = 0
) -> Approximator:
    """The network of Proposition 1: f takes "batch token dim" to the same shape, in float64.

    Raises ValueError where the table would have more than 5,000 entries or float64 cannot hold its ids.
    """
    cells = levels**dim
    size = math.comb(cells, length) * length
    if levels < 2 or dim < 1 or length < 2 or cells < length:
        raise ValueError(
            f"levels, dim, length: got {levels}, {dim}, {length}; wanted ≥ 2, ≥ 1, ≥ 2 and at least as many cells as"
            " tokens"
        )
    if size > LARGEST:
        raise ValueError(
            f"levels, dim, length: {size:,} table entries for ({levels}, {dim}, {length}), wanted at most {LARGEST:,}"
        )
    centres = [tuple((k + 0.5) / levels for k in cell) for cell in itertools.product(range(levels), repeat=dim)]
    sequences = list(itertools.combinations(centres, length))
    x = torch.tensor(sequences, dtype=torch.float64)
    values = f(x)
    if values.shape != x.shape:
        raise ValueError(f"f: returned shape {tuple(values.shape)} for inputs {tuple(x.shape)}, wanted the same shape")
    made = memorise(x, values, kappa=kappa, seed=seed)
    if made.arithmetic != "float64":
        raise ValueError(
            f"levels: float64 cannot hold the ids of {len(sequences):,} sequences on {cells} cells; take a coarser grid"
        )
    return Approximator(f, levels, dim, length, made)


def error_curve(
    f: Function, levels: Sequence[int], dim: int = 1, length: int = 2, *, p: float = 2
) -> list[tuple[int, float, float, float]]:
    """(levels, d_p, d_p without duplicates, volume of duplicates) for every grid."""
    return [(n, *approximate(f, n, dim, length).error(p)) for n in levels]

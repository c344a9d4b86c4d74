"""Any continuous permutation equivariant function: a quantiser, one attention layer of rank one, a table.

| symbol (Kajitsuka & Sato 2023, Proposition 1) | name                                                          |
| --------------------------------------------- | ------------------------------------------------------------- |
| F_1^FF                                        | the quantiser of `seqlab.universal`, then + δ/2               |
| F^SA, F_2^FF                                  | OneLayerMemoriser.network on all sequences of different cells |
| d_p(f, g)                                     | error(p)                                                      |

For every continuous permutation equivariant f and every ε some such network has d_p(f, g) < ε, p < ∞. Cells are named
by their centres, so that no token is zero. Inputs with two tokens in one cell are not in the table: the network returns
something between its values there, and their volume shrinks with δ.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from seqlab import universal
from seqlab.layers import Tokens
from seqlab.one_layer.memoriser import LARGEST, memorise

Function = Callable[[Tensor], Tensor]  # "batch token dim" -> "batch token dim"


@dataclass(frozen=True)
class Approximator:
    """The network g for a function f on [0, 1)^(n × d), with 1/δ = `levels`. Made by `approximate`."""

    f: Function
    levels: int
    dim: int
    length: int
    network: nn.Sequential

    def quantise(self, x: Tokens) -> Tokens:
        """The centre of every token's cell, by d + d/δ feed-forward layers and one bias."""
        return universal.quantiser(self.levels, self.dim, self.length).stack()(x) + 0.5 / self.levels

    def __call__(self, x: Tokens) -> Tokens:
        return self.network(self.quantise(x))

    def duplicates(self, x: Tokens) -> Bool[Tensor, "batch"]:
        """Whether two tokens share a cell."""
        cells = torch.floor(x * self.levels)
        same = (cells[:, :, None] == cells[:, None]).all(dim=-1)
        return same.sum(dim=(1, 2)) > self.length  # each shares its own

    def error(self, p: float = 2) -> tuple[float, float, float]:
        """d_p(f, g), and over inputs without duplicates only, both estimated; the volume of duplicates, exactly."""
        listed = lambda x: torch.where(self.duplicates(x)[:, None, None], self.f(x), self(x))
        total, good = (universal.distance(self.f, g, self.dim, self.length, p=p, samples=2**14) for g in (self, listed))
        cells = self.levels**self.dim
        return total, good, 1 - math.perm(cells, self.length) / cells**self.length


def approximate(f: Function, levels: int, dim: int = 1, length: int = 2) -> Approximator:
    """The network of Proposition 1: f takes "batch token dim" to the same shape, in float64.

    Raises ValueError where the table would have more than 5,000 entries or float64 cannot hold its ids.
    """
    size = math.comb(levels**dim, length) * length
    if not 0 < size <= LARGEST:
        raise ValueError(
            f"levels, dim, length: {size:,} table entries for ({levels}, {dim}, {length}), wanted 1 to {LARGEST:,}: at"
            " least as many cells as tokens, and not many more"
        )
    centres = [tuple((k + 0.5) / levels for k in cell) for cell in itertools.product(range(levels), repeat=dim)]
    x = torch.tensor([*itertools.combinations(centres, length)], dtype=torch.float64)
    values = f(x)
    if values.shape != x.shape:
        raise ValueError(f"f: returned shape {tuple(values.shape)} for inputs {tuple(x.shape)}, wanted the same shape")
    return Approximator(f, levels, dim, length, memorise(x, values).network)


def error_curve(
    f: Function, levels: Sequence[int], dim: int = 1, length: int = 2, *, p: float = 2
) -> list[tuple[int, float, float, float]]:
    """(levels, d_p, d_p without duplicates, volume of duplicates) for every grid."""
    return [(n, *approximate(f, n, dim, length).error(p)) for n in levels]

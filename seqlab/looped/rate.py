"""How the error falls with the loops: the packed block against every term of the theorem that can be evaluated.

| paper symbol (Xu & Sato 2024, Theorem 3.6)                  | name here                                     |
| ----------------------------------------------------------- | --------------------------------------------- |
| (Nd)^(1/p) [ω_tok(δ√d) + ω_cont(δ√(Nd))]                    | `Bound.token`, `Bound.contextual`             |
| ω_f(δ√(Nd))                                                 | `Bound.sequence`                              |
| O(N^(2/p) δ^(d/p)): two tokens in one cell                  | `Bound.repeated`                              |
| O(((Mδ)^-1 dN)^(1/p)): an input in a ramp                   | `Bound.ramps`                                 |
| r^(-1/((N+1)d+1))                                           | `rate(dim, length)`                           |

The constants of the two O-terms are evaluated here: there the error is at most the range of f in each of the Nd
entries, on a volume of at most N(N-1)/2 · δ^d, and Nd(δ^-1 - 1)/M.
"""

from collections import namedtuple
from collections.abc import Sequence

import torch
from einops import rearrange

from seqlab.looped.blocks import STEEP
from seqlab.looped.budget import loops_for
from seqlab.looped.moduli import Function, moduli
from seqlab.looped.packed import Packed, packed
from seqlab.universal.values import distance


class Bound(namedtuple("Bound", "token contextual sequence repeated ramps")):
    """The terms of Theorem 3.6, factors included. `total` is the bound; the moduli are those found on a grid."""

    @property
    def total(self) -> float:
        return sum(self)


# One δ: the theorem's r, the loops that the built block needs, its error in L^p, and the bound.
Point = namedtuple("Point", "levels r built error bound")


def rate(dim: int = 1, length: int = 2) -> float:
    """The exponent of r in the error of a Lipschitz function: -1 / ((N+1)d + 1)."""
    return -1 / ((length + 1) * dim + 1)


def bound(
    f: Function,
    levels: int,
    dim: int = 1,
    length: int = 2,
    *,
    p: float = 2,
    slope: float = STEEP,
    points: int | None = None,
) -> Bound:
    """The five terms at δ = 1/levels. points: of the grid for the moduli, 4 levels + 1 unless given."""
    entries, points = length * dim, points or 4 * levels + 1
    shape = dict(length=length, dim=dim, points=points, p=p)
    near, far = moduli(f, dim**0.5 / levels, **shape), moduli(f, entries**0.5 / levels, **shape)
    axis = torch.linspace(0, 1, points, dtype=torch.float64)
    grid = rearrange(torch.cartesian_prod(*[axis] * entries), "b ... -> b (...)")
    values = f(rearrange(grid, "b (token dim) -> b token dim", token=length))
    whole, share = entries ** (1 / p), (values.max() - values.min()).item()
    twice, ramps = length * (length - 1) / 2 / levels**dim, entries * (levels - 1) / float(slope)
    return Bound(
        whole * near.token.value,
        whole * far.contextual.value,
        far.sequence.value,
        whole * share * twice ** (1 / p),
        whole * share * ramps ** (1 / p),
    )


@torch.no_grad()
def error(made: Packed, *, p: float = 2, samples: int = 2**14, network: bool = False, seed: int = 0) -> float:
    """‖network - f‖ in L^p over [0, 1)^(N × d), by Sobol points.

    network: run the module of real layers in float64 on every point; otherwise look its cells up in `operator`, which
    is the same outside the ramps and much faster
    """
    t, g = made.table, made.program.module() if network else made.lookup
    return distance(t.f, g, t.dim, t.length, p=p, samples=samples, seed=seed)


def curve(
    f: Function, levels: Sequence[int], dim: int = 1, length: int = 2, *, clock: bool = False, p: float = 2
) -> list[Point]:
    """Error and bound at each δ = 1/levels."""
    blocks = {n: packed(f, n, dim, length, clock=clock) for n in levels}
    measured = lambda n, made: (made.program.loops, error(made, p=p), bound(f, n, dim, length, p=p))
    return [Point(n, loops_for(n, dim, length), *measured(n, made)) for n, made in blocks.items()]


@torch.no_grad()
def slope_errors(
    f: Function,
    levels: int,
    slopes: Sequence[int],
    dim: int = 1,
    length: int = 2,
    *,
    p: float = 2,
    samples: int = 2**13,
) -> list[float]:
    """What ramps cost: the distance in L^p of the block with a clock to that with perfect steps, for each slope M."""
    blocks = [packed(f, levels, dim, length, clock=True, slope=slope) for slope in slopes]
    return [distance(b.program.module(), b.lookup, dim, length, p=p, samples=samples) for b in blocks]

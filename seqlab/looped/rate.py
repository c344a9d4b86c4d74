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

from seqlab.looped.blocks import STEEP
from seqlab.looped.budget import loops_for
from seqlab.looped.moduli import moduli
from seqlab.looped.packed import Packed, packed
from seqlab.theorem import Statement, Verdict, judge
from seqlab.universal.values import Function, distance

RATE = Statement(
    "rate of looped transformers",
    "Xu & Sato 2024, Theorem 3.6",
    "With r loops one tied block comes within the sum of the five terms at δ(r) of f, in L^p.",
)


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


def bound(f: Function, levels: int, dim: int = 1, length: int = 2, *, p: float = 2, slope: float = STEEP) -> Bound:
    """The five terms at δ = 1/levels; the moduli on a grid of 4 levels + 1 points."""
    entries, points = length * dim, 4 * levels + 1
    shape = dict(length=length, dim=dim, points=points, p=p)
    near, far = moduli(f, dim**0.5 / levels, **shape), moduli(f, entries**0.5 / levels, **shape)
    axis = torch.linspace(0, 1, points, dtype=torch.float64)
    grid = torch.cartesian_prod(*[axis] * entries).reshape(-1, length, dim)
    whole, share = entries ** (1 / p), (f(grid).max() - f(grid).min()).item()
    twice, ramps = length * (length - 1) / 2 / levels**dim, entries * (levels - 1) / float(slope)
    return Bound(
        whole * near.token.value,
        whole * far.contextual.value,
        far.sequence.value,
        whole * share * twice ** (1 / p),
        whole * share * ramps ** (1 / p),
    )


@torch.no_grad()
def error(made: Packed, samples: int = 2**14) -> float:
    """‖network - f‖ in L² over [0, 1)^(N × d), by Sobol points, the network by its `lookup`: it is the same outside the
    ramps, and much faster.
    """
    return distance(made.table.f, made.lookup, made.table.dim, made.table.length, samples=samples)


def curve(f: Function, levels: Sequence[int], *, clock: bool = False) -> list[Point]:
    """Error and bound at each δ = 1/levels, for two tokens of one number each."""
    blocks = {n: packed(f, n, clock=clock) for n in levels}
    return [Point(n, loops_for(n), made.program.loops, error(made), bound(f, n)) for n, made in blocks.items()]


def check_rate(points: Sequence[Point]) -> Verdict:
    """The error is within the bound at every δ. The margin is the smallest difference."""
    left, worst = min((point.bound.total - point.error, point) for point in points)
    why = f"1/δ = {worst.levels}: the error is {worst.error:.4g}, the bound {worst.bound.total:.4g}"
    return judge(left, RATE, witness=why, holds=left >= 0, checked=len(points))


@torch.no_grad()
def slope_errors(f: Function, levels: int, slopes: Sequence[int], samples: int = 2**13) -> list[float]:
    """What ramps cost: the distance in L² of the block with a clock to that with perfect steps, for each slope M."""
    blocks = [packed(f, levels, clock=True, slope=slope) for slope in slopes]
    return [distance(made.program.module(), made.lookup, 1, 2, samples=samples) for made in blocks]

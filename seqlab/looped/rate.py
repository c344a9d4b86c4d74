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

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from einops import rearrange

from seqlab.looped.budget import loops_for
from seqlab.looped.moduli import moduli
from seqlab.looped.packed import Packed, packed
from seqlab.looped.stages import STEEP
from seqlab.looped.table import Function, Table
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness
from seqlab.universal.values import distance

STEPS = Statement(
    "neighbouring ids, neighbouring labels",
    "Xu & Sato 2024, proof of Theorem 3.6, stage 3",
    "The largest step between the labels of neighbouring contextual ids is at most ω_tok(δ√d) + ω_cont(δ√(Nd)).",
    (
        Hypothesis("order", "the ids are ordered by token, then by context: the labels are not shuffled"),
        Hypothesis("fill", "ids that no input has are filled in a straight line"),
        Hypothesis("neighbours", "consecutive ids are neighbouring cells: d = 1 and N ≤ 2, else a carry leaps"),
    ),
)

RATE = Statement(
    "rate of looped transformers",
    "Xu & Sato 2024, Theorem 3.6",
    "With r loops one tied block comes within the sum of the five terms at δ(r) of f, in L^p.",
)


@dataclass(frozen=True)
class Bound:
    """The terms of Theorem 3.6, factors included. `total` is the bound; the moduli are those found on a grid."""

    token: float
    contextual: float
    sequence: float
    repeated: float
    ramps: float

    @property
    def total(self) -> float:
        return self.token + self.contextual + self.sequence + self.repeated + self.ramps


@dataclass(frozen=True)
class Point:
    """One δ: the theorem's r, the loops that the built block needs, its error in L^p, and the bound."""

    levels: int
    r: int
    built: int
    error: float
    bound: Bound


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


def error(made: Packed, *, p: float = 2, samples: int = 2**14, network: bool = False, seed: int = 0) -> float:
    """‖network - f‖ in L^p over [0, 1)^(N × d), by Sobol points.

    network: run the module of real layers in float64 on every point; otherwise look its cells up in `operator`, which
    is the same outside the ramps and much faster
    """
    t = made.table
    module = made.network() if network else None
    g = (lambda x: module(x, made.loops)) if network else made.lookup
    return distance(t.f, g, t.dim, t.length, p=p, samples=samples, seed=seed)


def curve(
    f: Function, levels: Sequence[int], dim: int = 1, length: int = 2, *, clock: bool = False, p: float = 2
) -> list[Point]:
    """Error and bound at each δ = 1/levels."""
    found = []
    for n in levels:
        made = packed(f, n, dim, length, clock=clock)
        terms = bound(f, n, dim, length, p=p)
        found.append(Point(n, loops_for(n, dim, length), made.loops, error(made, p=p), terms))
    return found


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
    """What ramps cost: the distance in L^p of the block with a clock to the same with perfect steps, for each slope M."""
    found = []
    for slope in slopes:
        made = packed(f, levels, dim, length, clock=True, slope=slope)
        module = made.network()
        found.append(distance(lambda x: module(x, made.loops), made.lookup, dim, length, p=p, samples=samples))
    return found


def check_rate(points: Sequence[Point], *, clock: bool = False) -> Verdict:
    """The error is within the bound at every δ. The margin is the smallest difference."""
    worst = min(points, key=lambda point: point.bound.total - point.error)
    margin = worst.bound.total - worst.error
    text = f"1/δ = {worst.levels}: the error is {worst.error:.4g}, the bound {worst.bound.total:.4g}"
    notes = tuple(f"1/δ = {q.levels}: {q.error:.4g} ≤ {q.bound.total:.4g}, r = {q.r:,}" for q in points)
    kind = Hypothesis("clock", "with a clock (Theorem 4.2)" if clock else "without a clock (Lemma 4.1)")
    statement = Statement(RATE.id, RATE.source, RATE.text, (kind,))
    return Verdict(margin >= 0, margin, None if margin >= 0 else Witness(text), statement, len(points), "", notes)


def check_steps(made: Table, *, shuffled: bool = False, points: int | None = None) -> Verdict:
    """The largest step of the labels of a table against the two moduli, found by program. Margin: the difference.

    With d ≥ 2 or N ≥ 3 some consecutive ids are far apart, as 09 and 10 are: a digit is carried over, and a token or
    one of the others leaps from one end of a coordinate to its other end, in fewer ids than it passes cells.
    """
    terms = dict(length=made.length, dim=made.dim, points=points or 4 * made.levels + 1, p=float("inf"))
    token = moduli(made.f, made.token_shift, **terms).token.value
    context = moduli(made.f, made.context_shift, **terms).contextual.value
    limit, step = token + context, made.largest_step
    pairs = enumerate(itertools.pairwise(made.labels), 1)
    k = max(pairs, key=lambda pair: max(abs(b - a) for a, b in zip(*pair[1])))[0]
    witness = None
    if step > limit:
        witness = Witness(f"from id {k - 1} to id {k} the label moves by {step:.4g}, more than {limit:.4g}", (k - 1, k))
    notes = (f"largest step {step:.4g}, token modulus {token:.4g}, contextual modulus {context:.4g}",)
    neighbours = made.dim == 1 and made.length <= 2
    statement = STEPS.under(order=not shuffled, fill=made.fill == "line", neighbours=neighbours)
    return Verdict(step <= limit, limit - step, witness, statement, len(made.labels) - 1, "", notes)

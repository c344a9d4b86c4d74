"""The Boltzmann operator: softmax attention read as a summary of a set, with its derivatives and bounds as verdicts.

| symbol (Kajitsuka & Sato 2023, section 4; formulas derived)       | name           |
| ----------------------------------------------------------------- | -------------- |
| boltz(a) = Σ a_i p_i, p = softmax(a)                              | boltz          |
| ∂boltz/∂a_i = p_i (1 + a_i - boltz(a))                            | gradient       |
| ∂²boltz/∂a_i² = p_i (2 - g_i - 2 p_i (1 - g_i)), g = boltz(a) - a | in check_shape |
| log n + 1: from this distance below the maximum on, decreasing    | check_shape    |
| log n + 3: concave                                                | check_shape    |
| max a - log n ≤ boltz(a) ≤ max a                                  | check_bounds   |
"""

import math
from collections.abc import Callable

import torch
from einops import reduce
from jaxtyping import Float
from scipy.special import lambertw
from torch import Tensor

from seqlab.attention import boltzmann as boltz
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness, judge

GRADIENT = Statement(
    "gradient of boltz",
    "derived; Kajitsuka & Sato 2023 have an equivalent lemma",
    "∂boltz/∂a_i = p_i (1 + a_i - boltz(a)), p = softmax(a).",
)
BOUNDS = Statement(
    "bounds of boltz",
    "derived; Kajitsuka & Sato 2023 have an equivalent lemma",
    "max a - log n ≤ boltz(a) ≤ max a.",
)
SHAPE = Statement(
    "boltz below the maximum",
    "derived; Kajitsuka & Sato 2023 have an equivalent lemma",
    "boltz decreases in a_i where max a - a_i > log n + 1, and is concave in a_i where max a - a_i > log n + 3.",
    (Hypothesis("below", "a_i lies so far below the maximum"),),
)


def gradient(a: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
    """p_i (1 + a_i - boltz(a)): positive near the maximum, negative far below it."""
    return torch.softmax(a, -1) * (1 + a - boltz(a)[..., None])


def gap(n: int) -> float:
    """2 log n + 3: levels further apart than this are enough for Lemma 1."""
    return 2 * math.log(n) + 3


def deepest(n: int) -> float:
    """The largest value of max a - boltz(a): W((n-1)/e) ≤ log n, W the Lambert function (derived).

    It is reached where all entries but one lie 1 + W((n-1)/e) below that one. There boltz stops increasing, so
    1 + W((n-1)/e) is the sharp form of log n + 1.
    """
    return float(lambertw((n - 1) / math.e).real)


def check_gradient(formula: Callable[[Tensor], Tensor] = gradient) -> Verdict:
    """`formula` against automatic differentiation on random a of length 1 to 8, standard deviation 3, in float64.

    The margin is 1e-12 less the largest difference; the witness carries (a, formula(a), autograd).
    """
    draw = torch.Generator().manual_seed(0)
    worst, objects = -1.0, ()
    for n in range(1, 9):
        a = 3 * torch.randn(125, n, generator=draw, dtype=torch.float64)
        want = torch.autograd.grad(boltz(a.requires_grad_()).sum(), a)[0]
        a = a.detach()
        got = formula(a)
        error = reduce((got - want).abs(), "sample n -> sample", "max").nan_to_num(math.inf)
        if error.max() > worst:
            worst, at = error.max().item(), error.argmax()
            objects = tuple(x[at].tolist() for x in (a, got, want))
    witness = Witness.of("at a = {} the formula gives {}, automatic differentiation {}", *objects)
    return judge(1e-12 - worst, GRADIENT, witness=witness, checked=8 * len(a))


def check_bounds(*, length: int = 8, depth: Callable[[int], float] = math.log) -> Verdict:
    """max a - depth(n) ≤ boltz(a) ≤ max a on 1,000 random a of several sizes; `depth` is log n unless given.

    One sample in four puts all entries but one at the depth where boltz is lowest (see `deepest`). The margin is the
    smallest slack, plus a rounding allowance of 1e-12; the witness carries (a, boltz(a)).
    """
    a = _draw(length)
    a[::4] = -1 - deepest(length)
    a[::4, 0] = 0
    value, largest = boltz(a), reduce(a, "sample n -> sample", "max")
    slack = torch.minimum(value - largest + depth(length), largest - value) + 1e-12
    at = slack.argmin()
    witness = Witness.of("boltz({}) = {:.6g}", a[at].tolist(), value[at].item())
    return judge(slack[at].item(), BOUNDS, witness=witness, checked=len(a))


def check_shape(decreasing: float | None = None, concave: float | None = None, *, length: int = 5) -> Verdict:
    """The signs of both derivatives in a coordinate that lies just so far below the maximum, on 1,000 random others.

    decreasing, concave:  the distances, log n + 1 and log n + 3 unless given: smaller ones break the statement

    In half the samples all other coordinates but the maximum lie as low as this one, which is the hardest case. The
    margin is the smallest of -f'/p and -f''/p; the witness carries (a, derivative / p, its order).
    """
    found, below = [], []
    for order, (given, enough) in enumerate(((decreasing, 1), (concave, 3)), start=1):
        distance = math.log(length) + enough if given is None else given
        below.append(distance >= math.log(length) + enough)
        a = -_draw(length).abs()
        a[::2, 1:] = -distance
        a[:, 0], a[:, 1] = 0, -distance
        p, g = torch.softmax(a, -1)[:, 1], boltz(a) - a[:, 1]
        slack = g - 1 if order == 1 else g - 2 + 2 * p * (1 - g)
        at = slack.argmin()
        found.append((slack[at].item(), (a[at].tolist(), -slack[at].item(), order)))
    smallest, objects = min(found)
    witness = Witness.of(
        "at a = {0} the derivative of order {2} in the second coordinate, over p, is {1:.4g} ≥ 0", *objects
    )
    return judge(smallest, SHAPE.under(below=all(below)), witness=witness, checked=2 * len(a))


def _draw(length: int) -> Float[Tensor, "sample n"]:
    draw = torch.Generator().manual_seed(0)
    size = 10 ** (2 * torch.rand(1000, 1, generator=draw, dtype=torch.float64) - 1)
    return size * torch.randn(1000, length, generator=draw, dtype=torch.float64)

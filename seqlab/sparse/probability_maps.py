"""Probability maps: what may stand where softmax stands, and the one property that the proof needs of it.

| paper symbol                                  | name                                                   |
| --------------------------------------------- | ------------------------------------------------------ |
| ρ (Yun et al. 2020, section 2)                | a `Normalizer`; ρ[t v] is `MAPS[name].at(t)`           |
| Assumption 2: ζ, η, t                         | `check_sharpening(map, zeta, eta)`, `map.scale(…)`     |
| sparsemax (Martins & Astudillo 2016)          | `sparsemax(beta)`                                      |
| α-entmax at α = 1.5 (Peters et al. 2019)      | `entmax15(beta)`                                       |

`attention(q, k, v, normalizer=sparsemax())` works like any other: masks act before the map, a row with nothing allowed
gives zeros.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from einops import rearrange, reduce
from torch import Tensor

from seqlab.attention import average, hardmax, sigmoid, softmax
from seqlab.normalizers import Normalizer
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness, judge

SHARPENING = Statement(
    "sharpening",
    "Yun et al. 2020, Assumption 2",
    "For any ζ > 0 and 0 < η ≤ 1 some t > 0 gives the largest of the scores t·v a weight of at least 1 - η, for every v"
    " whose largest entry leads by at least ζ.",
    (Hypothesis("scale", "the map has a bound for n, ζ and η, and t is at least that"),),
)
SCALES = tuple(10.0**k for k in range(-2, 7))  # tried where a map has no bound of its own


def sparsemax(beta: float = 1.0) -> Normalizer:
    """The point of the simplex nearest to `beta * scores`: `max(z - τ, 0)`, τ such that the weights sum to 1.

    Keys that lag the largest by 1 / beta or more get exactly 0.
    """
    return _entmax("sparsemax", 2, beta)


def entmax15(beta: float = 1.0) -> Normalizer:
    """1.5-entmax of `beta * scores`: `max(z/2 - τ, 0)²`, τ such that the weights sum to 1; between softmax and
    sparsemax.

    Keys that lag the largest by 2 / beta or more get exactly 0.
    """
    return _entmax("entmax15", 1.5, beta)


def _entmax(name: str, alpha: float, beta: float) -> Normalizer:
    """α-entmax: `max((α - 1) z - τ, 0)^(1/(α - 1))`. With the largest z at 0, τ lies between -1 and 0: halved 60 times.

    Not for training: the weights have the gradient of a fixed τ.
    """
    if not 0 <= beta < math.inf:
        raise ValueError(f"beta: got {beta}, wanted a finite number ≥ 0 (the limit beta → ∞ is hardmax())")

    def apply(scores: Tensor, allowed: Tensor) -> Tensor:
        z = ((alpha - 1) * beta * scores.double()).masked_fill(~allowed, -math.inf)
        z = (z - z.amax(dim=-1, keepdim=True)).nan_to_num(nan=-2.0, neginf=-2.0)  # -2 is below every τ
        low, high = -torch.ones_like(z[..., :1]), torch.zeros_like(z[..., :1])
        for _ in range(60):
            middle = (low + high) / 2
            enough = ((z - middle).clamp(min=0) ** (1 / (alpha - 1))).sum(dim=-1, keepdim=True) >= 1
            low, high = torch.where(enough, middle, low), torch.where(enough, high, middle)
        return ((z - low).clamp(min=0) ** (1 / (alpha - 1))).masked_fill(~allowed, 0).to(scores.dtype)

    return Normalizer(f"{name}(beta={beta:g})", apply)


def scale_free() -> Normalizer:
    """softmax(v / max |v|): weights that sum to 1, and that no scale sharpens. It violates Assumption 2."""

    def apply(scores: Tensor, allowed: Tensor) -> Tensor:
        size = reduce(scores.abs().masked_fill(~allowed, 0), "... query key -> ... query 1", "max")
        return softmax().apply(scores / size.masked_fill(size == 0, 1), allowed)

    return Normalizer("scale_free()", apply)


class ProbabilityMap(NamedTuple):
    """A map and its family of sharpened versions: `at(t)` weighs scores v by ρ[t v].

    scale(n, ζ, η) is a t that Assumption 2 asks for, or None where there is none.
    """

    at: Callable[[float], Normalizer]
    scale: Callable[[int, float, float], float] | None = None


def _softmax_scale(n: int, zeta: float, eta: float) -> float:
    """ζ^-1 log((n-1)(1-η)/η): the worst v has all others ζ behind (derived)."""
    odds = (n - 1) * (1 - eta) / eta
    return math.log(odds) / zeta if odds > 1 else 0.0


def _sparsemax_scale(n: int, zeta: float, eta: float) -> float:
    """(1 - ηn/(n-1)) / ζ: with all others g = tζ < 1 behind, they share (n-1)(1-g)/n (derived)."""
    return max(1 - eta * n / (n - 1), 0.0) / zeta if n > 1 else 0.0


MAPS = {
    "softmax": ProbabilityMap(softmax, _softmax_scale),
    "hardmax": ProbabilityMap(lambda t: hardmax(), lambda n, zeta, eta: 0.0),
    "sparsemax": ProbabilityMap(sparsemax, _sparsemax_scale),
    "entmax15": ProbabilityMap(entmax15, lambda n, zeta, eta: 2 / zeta),  # there all weight is on the largest (derived)
    "average": ProbabilityMap(lambda t: average()),
    "scale_free": ProbabilityMap(lambda t: _scaled(scale_free(), t)),
    "sigmoid": ProbabilityMap(lambda t: _scaled(sigmoid(0.0), t)),
}


def check_sharpening(
    map: ProbabilityMap | str,
    n: int = 8,
    zeta: float = 0.5,
    eta: float = 0.01,
    *,
    scale: float | None = None,
    draws: int = 200,
    seed: int = 0,
) -> Verdict:
    """Assumption 2 for one ζ and η: at the map's own scale, the largest entry gets ≥ 1 - η, on the worst v and random
    ones.

    scale:  another t; a map without a bound is tried at t = 0.01 … 10^6, and fails when it fails at all of these

    The margin is η less the largest weight on all others. The witness carries (v, t, weights): a v that leads by ζ
    and does not get its weight, or (first of all) weights that do not sum to 1.
    """
    map = MAPS[map] if isinstance(map, str) else map
    v, bound = _leading_by(n, zeta, draws, seed), map.scale(n, zeta, eta) if map.scale else None
    scales = SCALES if bound is None else (max(bound, 1e-6) * (1 + 1e-9),)
    scales = scales if scale is None else (scale,)
    margin, witness = max((_margin(map.at(t), v, t, eta) for t in scales), key=lambda found: found[0])
    notes = [f"t = {scales[0]:.4g}" if len(scales) == 1 else f"t from {scales[0]:g} to {scales[-1]:g}, the best counts"]
    return judge(
        margin,
        SHARPENING.under(scale=bound is not None and min(scales) >= bound),
        witness=witness,
        holds=margin >= 0,
        checked=len(v) * len(scales),
        unit="weight",
        notes=notes,
    )


def _margin(rho: Normalizer, v: Tensor, t: float, eta: float) -> tuple[float, Witness]:
    """By how much the worst row passes, and that row."""
    weights = rearrange(rho(rearrange(v, "draw key -> draw 1 key")), "draw 1 key -> draw key")
    off = (weights.sum(dim=-1) - 1).abs()
    rest = weights.scatter(-1, v.argmax(dim=-1, keepdim=True), 0.0).sum(dim=-1)
    if (off > 1e-9).any() or (weights < 0).any():
        at, margin = int(off.argmax()), -float(off.max())
        text = f"the weights of {_short(v[at])} at t = {t:g} sum to {weights[at].sum():.4g}, not to 1"
    else:
        at, margin = int(rest.argmax()), eta * (1 + 1e-9) - float(rest.max())
        text = f"v = {_short(v[at])} at t = {t:g}: all but the largest keep {rest[at]:.4g} > η = {eta:g}"
    return margin, Witness(text, (v[at].tolist(), t, weights[at].tolist()))


def _leading_by(n: int, zeta: float, draws: int, seed: int) -> Tensor:
    """Rows whose largest entry leads by at least ζ, float64: all others exactly ζ behind (at several levels), and
    random.
    """
    draw = torch.Generator().manual_seed(seed)
    worst = torch.zeros(3, n, dtype=torch.float64)
    worst[:, 0] = zeta
    worst += torch.tensor([[0.0], [-2 * zeta], [3.0]], dtype=torch.float64)
    v = torch.randn(draws, n, generator=draw, dtype=torch.float64)
    top = v.argmax(dim=-1, keepdim=True)
    second = v.scatter(-1, top, -math.inf).amax(dim=-1, keepdim=True)
    lead = zeta * (1 + torch.rand(draws, 1, generator=draw, dtype=torch.float64))
    return torch.cat([worst, v.scatter(-1, top, second + lead)])


def _scaled(rho: Normalizer, t: float) -> Normalizer:
    return Normalizer(f"{rho.name} of {t:g} times the scores", lambda scores, allowed: rho.apply(t * scores, allowed))


def _short(v: Tensor) -> str:
    return f"({', '.join(f'{x:.3g}' for x in v[:6].tolist())}{', …' if len(v) > 6 else ''})"

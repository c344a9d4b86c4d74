"""Probability maps: what may stand where softmax stands, and the one property that the proof needs of it.

| paper symbol                                  | name                                                   |
| --------------------------------------------- | ------------------------------------------------------ |
| ρ (Yun et al. 2020, section 2)                | a `Normalizer`; ρ[t v] is `MAPS[name].at(t)`           |
| Assumption 2: ζ, η, t                         | `check_sharpening(map, zeta, eta)`, `map.scale(…)`     |
| sparsemax (Martins & Astudillo 2016)          | `sparsemax(beta)`                                      |
| α-entmax at α = 1.5 (Peters et al. 2019)      | `entmax15(beta)`                                       |

`attention(q, k, v, normalizer=sparsemax())` works like any other: masks act before the map, a row with nothing allowed
gives zeros, gradients flow through the tokens with positive weight.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from einops import rearrange, reduce
from torch import Tensor

from seqlab.attention import Normalizer, average, hardmax, sigmoid, softmax
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness

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
    return _thresholded("sparsemax", _finite(beta), _sparsemax)


def entmax15(beta: float = 1.0) -> Normalizer:
    """1.5-entmax of `beta * scores`: `max(z/2 - τ, 0)²`, τ such that the weights sum to 1; between softmax and
    sparsemax.

    Keys that lag the largest by 2 / beta or more get exactly 0.
    """
    return _thresholded("entmax15", _finite(beta), _entmax15)


def scale_free() -> Normalizer:
    """softmax(v / max |v|): weights that sum to 1, and that no scale sharpens. It violates Assumption 2."""

    def apply(scores: Tensor, allowed: Tensor) -> Tensor:
        size = reduce(scores.abs().masked_fill(~allowed, 0), "... query key -> ... query 1", "max")
        return softmax().apply(scores / size.masked_fill(size == 0, 1), allowed)

    return Normalizer("scale_free()", apply)


@dataclass(frozen=True)
class ProbabilityMap:
    """A map and its family of sharpened versions: `at(t)` weighs scores v by ρ[t v].

    scale(n, ζ, η) is a t that Assumption 2 asks for, or None where there is none.
    """

    name: str
    at: Callable[[float], Normalizer]
    scale: Callable[[int, float, float], float] | None = None

    def __repr__(self) -> str:
        return self.name


def _softmax_scale(n: int, zeta: float, eta: float) -> float:
    """ζ^-1 log((n-1)(1-η)/η): the worst v has all others ζ behind (derived)."""
    odds = (n - 1) * (1 - eta) / eta
    return math.log(odds) / zeta if odds > 1 else 0.0


def _sparsemax_scale(n: int, zeta: float, eta: float) -> float:
    """(1 - ηn/(n-1)) / ζ: with all others g = tζ < 1 behind, they share (n-1)(1-g)/n (derived)."""
    return max(1 - eta * n / (n - 1), 0.0) / zeta if n > 1 else 0.0


def _entmax15_scale(n: int, zeta: float, eta: float) -> float:
    """2/ζ: from there on all the weight is on the largest (derived)."""
    return 2 / zeta


MAPS = {
    each.name: each
    for each in (
        ProbabilityMap("softmax", softmax, _softmax_scale),
        ProbabilityMap("hardmax", lambda t: hardmax(), lambda n, zeta, eta: 0.0),
        ProbabilityMap("sparsemax", sparsemax, _sparsemax_scale),
        ProbabilityMap("entmax15", entmax15, _entmax15_scale),
        ProbabilityMap("average", lambda t: average()),
        ProbabilityMap("scale_free", lambda t: _scaled(scale_free(), t)),
        ProbabilityMap("sigmoid", lambda t: _scaled(sigmoid(0.0), t)),
    )
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

    Raises ValueError for n < 2, ζ ≤ 0, η outside (0, 1] or an unknown map.
    """
    if isinstance(map, str):
        if map not in MAPS:
            raise ValueError(f"map: got {map!r}, wanted one of {', '.join(MAPS)}")
        map = MAPS[map]
    for name, good, wanted in (
        ("n", n >= 2, "at least 2"),
        ("zeta", zeta > 0, "> 0"),
        ("eta", 0 < eta <= 1, "in (0, 1]"),
    ):
        if not good:
            raise ValueError(f"{name}: got {dict(n=n, zeta=zeta, eta=eta)[name]}, wanted {wanted}")
    v = _leading_by(n, zeta, draws, seed)
    bound = map.scale(n, zeta, eta) if map.scale else None
    if scale is None:
        scales = SCALES if bound is None else (max(bound, 1e-6) * (1 + 1e-9),)
    else:
        scales = (scale,)
    best: tuple[float, Witness | None] = (-math.inf, None)
    for t in scales:
        best = max(best, _margin(map.at(t), v, t, eta), key=lambda found: found[0])
    enough = bound is not None and min(scales) >= bound
    notes = [f"t = {scales[0]:.4g}" if len(scales) == 1 else f"t from {scales[0]:g} to {scales[-1]:g}, the best counts"]
    options = dict(statement=SHARPENING.under(scale=enough), checked=len(v) * len(scales), unit="weight", notes=notes)
    return Verdict(best[1] is None, best[0], best[1], **options)


def _margin(rho: Normalizer, v: Tensor, t: float, eta: float) -> tuple[float, Witness | None]:
    weights = rearrange(rho(rearrange(v, "draw key -> draw 1 key")), "draw 1 key -> draw key")
    total = weights.sum(dim=-1)
    largest = v.argmax(dim=-1, keepdim=True)
    rest = weights.scatter(-1, largest, 0.0).sum(dim=-1)
    off = (total - 1).abs()
    if (off > 1e-9).any() or (weights < 0).any():
        at = int(off.argmax())
        text = f"the weights of {_short(v[at])} at t = {t:g} sum to {total[at]:.4g}, not to 1"
        return -float(off[at]), Witness(text, (v[at].tolist(), t, weights[at].tolist()))
    at = int(rest.argmax())
    margin = eta * (1 + 1e-9) - float(rest[at])
    text = f"v = {_short(v[at])} at t = {t:g}: all but the largest keep {rest[at]:.4g} > η = {eta:g}"
    return margin, Witness(text, (v[at].tolist(), t, weights[at].tolist())) if margin < 0 else None


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


def _thresholded(name: str, beta: float, weigh: Callable[[Tensor], Tensor]) -> Normalizer:
    """Maps that cut at a threshold: shifted so that the largest is 0, where -4 is below every threshold."""

    def apply(scores: Tensor, allowed: Tensor) -> Tensor:
        scores = (beta * scores).masked_fill(~allowed, -math.inf)
        highest = reduce(scores, "... query key -> ... query 1", "max")
        highest = highest.masked_fill(highest == -math.inf, 0)  # a row with no allowed key
        z = (scores - highest).masked_fill(~allowed, -4.0).clamp(min=-4.0)
        return weigh(z).masked_fill(~allowed, 0)

    return Normalizer(f"{name}(beta={beta:g})", apply)


def _sparsemax(z: Tensor) -> Tensor:
    """The support is the longest k with 1 + k z_(k) > Σ_{j≤k} z_(j), largest first; then τ = (Σ_support z - 1) / k."""
    with torch.no_grad():
        ordered = z.sort(dim=-1, descending=True).values
        k = torch.arange(1, z.shape[-1] + 1, dtype=z.dtype, device=z.device)
        size = (1 + k * ordered > ordered.cumsum(dim=-1)).sum(dim=-1, keepdim=True).clamp(min=1)
        support = z >= ordered.gather(-1, size - 1)
    count = support.sum(dim=-1, keepdim=True).to(z.dtype)
    tau = ((z * support).sum(dim=-1, keepdim=True) - 1) / count
    return (z - tau).clamp(min=0) * support


def _entmax15(z: Tensor) -> Tensor:
    """With y = z/2 and k largest: τ_k = mean - √((1 - Σ(y - mean)²) / k); the support is the longest k with τ_k ≤
    y_(k).
    """
    y = z / 2
    with torch.no_grad():
        ordered = y.sort(dim=-1, descending=True).values
        k = torch.arange(1, z.shape[-1] + 1, dtype=z.dtype, device=z.device)
        mean = ordered.cumsum(dim=-1) / k
        spread = (ordered**2).cumsum(dim=-1) - k * mean**2
        tau = mean - ((1 - spread) / k).clamp(min=0).sqrt()
        size = (tau <= ordered).sum(dim=-1, keepdim=True).clamp(min=1)
        support = y >= ordered.gather(-1, size - 1)
    count = support.sum(dim=-1, keepdim=True).to(z.dtype)
    mean = (y * support).sum(dim=-1, keepdim=True) / count
    spread = (((y - mean) * support) ** 2).sum(dim=-1, keepdim=True)
    tau = mean - ((1 - spread) / count).clamp(min=torch.finfo(z.dtype).tiny).sqrt()
    return (y - tau).clamp(min=0) ** 2 * support


def _scaled(rho: Normalizer, t: float) -> Normalizer:
    return Normalizer(f"{rho.name} of {t:g} times the scores", lambda scores, allowed: rho.apply(t * scores, allowed))


def _finite(beta: float) -> float:
    if not math.isfinite(beta) or beta < 0:
        raise ValueError(f"beta: got {beta}, wanted a finite number ≥ 0 (the limit beta → ∞ is hardmax())")
    return beta


def _short(v: Tensor) -> str:
    return f"({', '.join(f'{x:.3g}' for x in v[:6].tolist())}{', …' if len(v) > 6 else ''})"

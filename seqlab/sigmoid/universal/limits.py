"""From steps back to sigmoids: how steep they must be, and how large the gain; a switch for each hypothesis.

| paper symbol (Ramapuram et al. 2024) | name                                                    |
| ------------------------------------ | ------------------------------------------------------- |
| σ(λ ·) → H as λ → ∞                  | steep_errors(mapping, scales), steep_threshold(mapping) |
| a name falls into its own window     | check_steep(mapping, scale)                             |
| c ≥ δ^-d                             | gains_that_work(levels, dim, length)                    |

λ stands in front of scores (id - threshold)(id - threshold) in squared units of δ.
"""

from collections.abc import Iterable
from dataclasses import replace

from seqlab.attention import hardmax, sigmoid
from seqlab.normalizers import Sigmoid
from seqlab.sigmoid.universal.mapping import SigmoidMapping, contextual_mapping
from seqlab.theorem import Hypothesis, Statement, Verdict
from seqlab.universal.lemmas import blocks
from seqlab.universal.limits import name_errors, threshold

STEEP = Statement(
    "steep sigmoid heads name the tokens",
    "Ramapuram et al. 2024, proof of Theorem 3.1",
    "With sigmoids that are steep enough every name is less than δ/2 from the exact one, so a table of values"
    " finds it.",
    (Hypothesis("steep", "the scale is large"),),
)
SWITCHES = {
    "head_1": "without head 1",
    "head_2": "without head 2",
    "head_3": "without head 3",
    "head_4": "without head 4",
    "small_gain": "gain 1",
    "no_global": "no global sum",
    "negative": "ids centred at 0",
    "repeated": "tokens repeated in a sequence",
    "softmax": "softmax in the same heads",
    "blunt": "sigmoids that are not steep",
}


def steep_errors(mapping: SigmoidMapping, scales: Iterable[float], normalizer: Sigmoid = sigmoid(0.0)) -> list[float]:
    """For each scale λ the largest error of a name by real heads over all sequences, in units of δ, in float64.

    normalizer: sigmoid() has a bias of -log n, which a large λ overcomes
    Raises ValueError where names reach 2^53, from where on float64 skips integers.
    """
    return name_errors(mapping, [replace(normalizer, gain=scale) for scale in scales], delta=1)


def check_steep(mapping: SigmoidMapping, scale: float) -> Verdict:
    """Every name of the real network is within half a unit of the exact one.

    The margin is 1/2 less the largest error. The witness carries (sequence, token, got, wanted).
    """
    verdict = blocks(mapping, sigmoid(0.0, scale), delta=1)
    return replace(verdict, statement=STEEP.under(steep=verdict.holds))


def steep_threshold(mapping: SigmoidMapping, *, tolerance: float = 0.5) -> float:
    """The scale λ from which on every name is within `tolerance` units of δ; 0 asks for the exact float64 integers.

    See `universal.limits.threshold`, as for what is raised.
    """
    return threshold(lambda scales: steep_errors(mapping, scales), tolerance=tolerance)


def gains_that_work(levels: int, dim: int = 1, length: int = 3) -> dict[int, bool]:
    """Gain 1 … δ^-d -> whether the construction is a contextual mapping with it. δ^-d is enough, not always needed."""
    return {
        gain: contextual_mapping(levels, dim, length, gain=gain).check().holds for gain in range(1, levels**dim + 1)
    }


def check(levels: int = 8, dim: int = 1, length: int = 3, **broken: bool) -> Verdict:
    """The contextual mapping, exact, on all sequences of `length` different tokens; each switch breaks one thing.

    negative:  ids from -δ^-d / 2 on in place of 1, 2, …
    softmax:   its limit in the same heads, which then make one half of the hardmax construction's max - min
    blunt:     real heads at λ = 4 per squared unit of δ; fails where a name is δ/2 or more off (other switches still
               apply)

    On grids as small as (δ^-d, n) = (4, 2) some broken constructions still name every token; on the default no single
    switch leaves it whole. Two can: heads 1 and 2 alone add half the ids above less half the others, which names every
    token here. Raises ValueError for a switch that is not in SWITCHES.
    """
    on = {name for name, wanted in broken.items() if wanted}
    if unknown := broken.keys() - SWITCHES:
        raise ValueError(f"switches: got {sorted(unknown)}, wanted some of {', '.join(SWITCHES)}")
    edits = {
        "small_gain": {"gain": 1},
        "no_global": {"spread": 0},
        "negative": {"lowest": -(levels**dim // 2)},
        "softmax": {"normalizer": hardmax()},
    }
    removed = tuple(h for h in range(4) if f"head_{h + 1}" in on)
    made = {option: value for name in on for option, value in edits.get(name, {}).items()}
    mapping = contextual_mapping(levels, dim, length, removed=removed, **made)
    verdict = mapping.check(repeated="repeated" in on)
    return check_steep(mapping, 4.0) if verdict and "blunt" in on else verdict

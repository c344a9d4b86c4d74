"""From steps back to sigmoids: how steep they must be, and how large the gain.

| paper symbol (Ramapuram et al. 2024) | name                                                    |
| ------------------------------------ | ------------------------------------------------------- |
| σ(λ ·) → H as λ → ∞                  | steep_errors(mapping, scales), steep_threshold(mapping) |
| a name falls into its own window     | check_steep(mapping, scale)                             |
| c ≥ δ^-d                             | gains_that_work(levels, dim, length)                    |

λ stands in front of scores (id - threshold)(id - threshold) in squared units of δ.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from seqlab.attention import sigmoid
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
    gains = range(1, levels**dim + 1)
    return {gain: contextual_mapping(levels, dim, length, gain=gain).check().holds for gain in gains}

"""From steps back to sigmoids: how steep they must be, and how large the gain.

| paper symbol (Ramapuram et al. 2024) | name                                                   |
| ------------------------------------ | ------------------------------------------------------ |
| σ(λ ·) → H as λ → ∞                  | steep_errors(mapping, scales), steep_threshold(mapping) |
| a name falls into its own window     | check_steep(mapping, scale)                            |
| c ≥ δ^-d                             | gains_that_work(levels, dim, length)                   |
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from seqlab.attention import Normalizer, sigmoid
from seqlab.sigmoid.universal.mapping import SigmoidMapping, contextual_mapping
from seqlab.theorem import Hypothesis, Statement, Verdict, Witness
from seqlab.universal.limits import threshold
from seqlab.universal.mapping import speak
from seqlab.universal.shift import code

STEEP = Statement(
    "steep sigmoid heads name the tokens",
    "Ramapuram et al. 2024, proof of Theorem 3.1",
    "With sigmoids that are steep enough every name is less than δ/2 from the exact one, so a table of values"
    " finds it.",
    (Hypothesis("steep", "the scale is large"), Hypothesis("sigmoid", "the heads use sigmoid")),
)


def steep_names(mapping: SigmoidMapping, scale: float, normalizer: Normalizer | None = None) -> Tensor:
    """The names by real heads in float64, scores λ = `scale` times (id - threshold)(id - threshold), in units of δ."""
    u = torch.tensor(code(mapping.levels, mapping.dim), dtype=torch.float64)
    with torch.no_grad():
        return mapping.stack(scale, normalizer)(torch.from_numpy(mapping.sequences()).double()) @ u


def steep_errors(mapping: SigmoidMapping, scales: Iterable[float], normalizer: Normalizer | None = None) -> list[float]:
    """For each scale λ the largest error of a name over all sequences, in units of δ, in float64.

    normalizer: sigmoid(0) unless given, such as sigmoid() with its bias -log n, which a large λ overcomes.
    Raises ValueError where names reach 2^53, from where on float64 skips integers.
    """
    exact = mapping.names(mapping.sequences())
    if (largest := int(abs(exact).max())) >= 2**53:
        raise ValueError(f"mapping: names reach {largest:.3g}, float64 counts to 2^53 only; take a smaller case")
    exact = torch.tensor(exact.astype(float))
    return [
        (steep_names(mapping, scale, normalizer) - exact).abs().nan_to_num(math.inf).max().item() for scale in scales
    ]


def check_steep(mapping: SigmoidMapping, scale: float, *, normalizer: Normalizer | None = None) -> Verdict:
    """Every name of the real network is within half a unit of the exact one.

    The margin is 1/2 less the largest error. The witness carries (sequence, token, got, wanted).
    """
    sequences = mapping.sequences()
    exact = torch.tensor(mapping.names(sequences).astype(float))
    got = steep_names(mapping, scale, normalizer)
    error = (got - exact).abs().nan_to_num(math.inf)
    worst = error.max().item()
    holds = worst < 0.5
    statement = STEEP.under(
        steep=holds or normalizer is not None, sigmoid=(normalizer or sigmoid(0)).name.startswith("sigmoid")
    )
    options = dict(statement=statement, checked=len(sequences), unit="units of delta")
    if holds:
        return Verdict(True, 0.5 - worst, **options)
    row, k = divmod(int(error.argmax()), mapping.length)
    spoken, a, b = speak(sequences[row : row + 1])[0], got[row, k].item(), exact[row, k].item()
    text = f"token {k} ({spoken[k]}) of {spoken} is named {a:.6g}, wanted {b:.6g} at scale {scale:g}"
    return Verdict(False, 0.5 - worst, Witness(text, (spoken, k, a, b)), **options)


def steep_threshold(mapping: SigmoidMapping, *, tolerance: float = 0.5, precision: float = 0.01) -> float:
    """The scale λ from which on every name is within `tolerance` units of δ; 0 asks for the exact float64 integers.

    See `universal.limits.threshold`, as for what is raised.
    """
    return threshold(lambda scales: steep_errors(mapping, scales), tolerance=tolerance, precision=precision)


def gains_that_work(levels: int, dim: int = 1, length: int = 3) -> dict[int, bool]:
    """Gain 0 … δ^-d -> whether the construction is a contextual mapping with it. δ^-d is enough, not always needed."""
    return {gain: bool(contextual_mapping(levels, dim, length, gain=gain).check()) for gain in range(levels**dim + 1)}

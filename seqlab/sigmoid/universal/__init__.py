"""Sigmoid attention names the contexts too (Ramapuram et al. 2024, Theorem 3.1).

Quantising and the table of values are those of `universal`; only the attention part changes. A sigmoid cannot return a
maximum, so the selective shift adds a sum, and it takes four heads in place of two.

| module   | what it builds                                                                  |
| -------- | ------------------------------------------------------------------------------- |
| shift    | the selective sum by four heads                                                 |
| mapping  | the sweep and the global sum: the contextual mapping                            |
| lemmas   | what the proof says on the way, each as a verdict                               |
| limits   | sigmoids for steps: error curves, thresholds, gains; a switch for each hypothesis |

The construction is a `seqlab.written.Program`: print it, run it exactly, or take it as PyTorch layers.

| paper symbol (Ramapuram et al. 2024)  | name here                                                          |
| ------------------------------------- | ------------------------------------------------------------------ |
| X (n × d, a row per token)            | x, "batch token dim"                                               |
| δ, D = δ^-d, n                        | 1 / `levels`, `SigmoidMapping.columns`, `length`                   |
| Ψ_σ(X; b, b')                         | `selective_sum(ids, low, high)`, `four_heads`, `shift_heads`       |
| c                                     | `gain`                                                             |
| T_σ^{4,1,4}                           | `mapping.program().module(sigmoid(0, λ))`: four heads of size one  |
| λ                                     | `gain` of a sigmoid, in squared units of δ                         |

    mapping = universal.contextual_mapping(levels=6, dim=1, length=3)
    mapping.check()                                       # holds on all 120 sequences; 7 attention layers = formula
    mapping.program()                                     # its text
    universal.steep_errors(mapping, [10, 100])            # largest error of a name, real heads in float64
"""

from seqlab.sigmoid.universal.lemmas import closed_form, layer_count, read_back, remainders
from seqlab.sigmoid.universal.limits import (
    SWITCHES,
    check,
    check_steep,
    gains_that_work,
    steep_errors,
    steep_threshold,
)
from seqlab.sigmoid.universal.mapping import THEOREM, SigmoidMapping, contextual_mapping
from seqlab.sigmoid.universal.shift import check_shift, four_heads, selective_sum, shift_heads

__all__ = [
    "SWITCHES",
    "THEOREM",
    "SigmoidMapping",
    "check",
    "check_shift",
    "check_steep",
    "closed_form",
    "contextual_mapping",
    "four_heads",
    "gains_that_work",
    "layer_count",
    "read_back",
    "remainders",
    "selective_sum",
    "shift_heads",
    "steep_errors",
    "steep_threshold",
]

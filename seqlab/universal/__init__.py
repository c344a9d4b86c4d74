"""A transformer written down by a proof (Yun et al. 2019, "Are Transformers universal approximators … ?").

Feed-forward layers quantise, attention gives every token of every sequence a name, feed-forward layers look the value
of that name up. In reading order:

| module      | what it builds                                                                 |
| ----------- | ------------------------------------------------------------------------------ |
| activations | φ: linear pieces, one of them constant; the same from four ReLUs               |
| quantiser   | d + d/δ layers of width one that round down and mark what is out of range      |
| shift       | the selective shift by two heads of size one                                   |
| mapping     | the sweep and the global shift: the contextual mapping (Lemma 6)               |
| lemmas      | what the proof says on the way, each as a verdict                              |
| values      | the table by feed-forward layers, and the whole network g ≈ f                  |
| limits      | softmax for hardmax, ReLU for φ, δ → 0: error curves, thresholds, volumes      |
| budget      | what (n, d, ε, Lipschitz constant) cost, and where machines stop               |

Each is a `seqlab.written.Program`, or makes one: print it, run it exactly, or take it as PyTorch layers.

| paper symbol                        | name here                                                  |
| ----------------------------------- | ---------------------------------------------------------- |
| δ, 1/δ                              | the unit of all exact integers; `levels`                   |
| d, n                                | `dim`, `length`                                            |
| X (d × n, a column per token)       | x, "batch token dim": a row per token                      |
| u = (1, δ^-1, …, δ^-(d-1)), l = uᵀX | `ContextualMapping.u`, `.ids`                              |
| b_Q, b_Q', ψ, Ψ                     | thresholds low and high; `shift_heads`, `selective_shift`  |
| δ^-d before Ψ                       | `gain`                                                     |
| δ^-(n+1)d-1 before the last ψ       | `spread`                                                   |
| l̃, q(L)                             | `ContextualMapping.swept`, `.names`                        |
| E                                   | `positions=True`: the coordinate p of token k is k         |
| -J                                  | `marker`                                                   |
| t_l, t_r, A_L                       | smallest and largest good name; `Approximation.values`     |
| λ, ε                                | `beta` of `softmax(beta)`; `epsilon` of `with_relu`        |
"""

from seqlab.universal.activations import hinges, marker_activation, rounding_activation, window_activation, with_relu
from seqlab.universal.budget import Budget, budget, finest
from seqlab.universal.lemmas import block_names, blocks, bounds, closed_form, layer_count, range_of_names
from seqlab.universal.limits import (
    duplicate_volume,
    error_curve,
    loglog_slope,
    relu_errors,
    softmax_errors,
    softmax_threshold,
    strip_volume,
    tokenwise_floor,
)
from seqlab.universal.mapping import ContextualMapping, contextual_mapping
from seqlab.universal.quantiser import Quantiser, quantiser
from seqlab.universal.shift import Unshared, check_shift, selective_shift, shift_heads
from seqlab.universal.values import THEOREM, Approximation, approximate, distance, in_strips, piecewise

__all__ = [
    "Approximation",
    "Budget",
    "ContextualMapping",
    "Quantiser",
    "THEOREM",
    "Unshared",
    "approximate",
    "block_names",
    "blocks",
    "bounds",
    "budget",
    "check_shift",
    "closed_form",
    "contextual_mapping",
    "distance",
    "duplicate_volume",
    "error_curve",
    "finest",
    "hinges",
    "in_strips",
    "layer_count",
    "loglog_slope",
    "marker_activation",
    "piecewise",
    "quantiser",
    "range_of_names",
    "relu_errors",
    "rounding_activation",
    "selective_shift",
    "shift_heads",
    "softmax_errors",
    "softmax_threshold",
    "strip_volume",
    "tokenwise_floor",
    "window_activation",
    "with_relu",
]

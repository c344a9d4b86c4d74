"""How much a head's output can move: the Jacobian's largest singular value, and the bound for sigmoid attention.

| paper symbol (Ramapuram et al. 2024, Theorem 3.2)     | name                                            |
| ----------------------------------------------------- | ----------------------------------------------- |
| X = (x_1, …, x_n), n tokens                           | x, "token dim"                                  |
| W_q, W_k, W_v (they act on columns: W_q x_i)          | Head.w_q, .w_k, .w_v, "head dim"                |
| A = {⟨W_q x_i, W_k x_j⟩}, scale and b absorbed        | head.scores(x)                                  |
| ‖J‖_2                                                 | jacobian_norm(head, x): exact, or by iteration  |
| σ_∞ = n sup_A σ, σ'_∞ = n sup_A σ'                    | sigma_sup, slope_sup of `bound(head, x)`        |

    ‖J‖_2 ≤ ‖W_v‖ (σ_∞ + 2 σ'_∞ ‖W_qᵀ W_k‖ · mean ‖x_i‖²)

The three parts of the sum are the three ways in which x moves the output: as a value, as a query, as a key. The bound is
sharp: equal tokens along an eigenvector of W_qᵀ W_k reach it (`sharp_case`).

| module  | what it holds                                                             |
| ------- | ------------------------------------------------------------------------- |
| heads   | `Head`, and the norm of its Jacobian, exact or by iteration               |
| trials  | heads and tokens: random, sharp, hard for softmax, on a sphere, by ascent |
| verdict | the bound, as a verdict with a switch for each step of its proof          |
"""

from seqlab.sigmoid.regularity.heads import EXACT, Head, Norm, identity_head, jacobian, jacobian_norm
from seqlab.sigmoid.regularity.trials import cases, hard_for_softmax, on_sphere, own_tests, push_up, sharp_case
from seqlab.sigmoid.regularity.verdict import MISTAKES, STATEMENT, SWITCHES, Bound, bound, check, check_bound

__all__ = [
    "EXACT",
    "MISTAKES",
    "STATEMENT",
    "SWITCHES",
    "Bound",
    "Head",
    "Norm",
    "bound",
    "cases",
    "check",
    "check_bound",
    "hard_for_softmax",
    "identity_head",
    "jacobian",
    "jacobian_norm",
    "on_sphere",
    "own_tests",
    "push_up",
    "sharp_case",
]

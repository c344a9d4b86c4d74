"""Sparse attention names the contexts too (Yun et al. 2020, "O(n) Connections are Expressive Enough").

Quantising, the table of values and the way back to softmax are those of `universal`; only the attention part changes.

| module  | what it builds                                                                        |
| ------- | ------------------------------------------------------------------------------------- |
| shift   | the selective shift by two heads restricted to a pattern, and the all-max-shift       |
| mapping | positions along a chain, the sweep along it, s all-max-shifts: the contextual mapping |
| lemmas  | what the proof says on the way, each as a verdict                                     |

| paper symbol (Yun et al. 2020)              | name here                                              |
| ------------------------------------------- | ------------------------------------------------------ |
| A_k^l, p                                    | `pattern`, `pattern.p`                                 |
| γ                                           | `SparseMapping.order`: order[i] is the i-th token      |
| s                                           | `steps`: how many all-max-shifts                       |
| E_γ(1) = n-1, E_γ(i) = i-2                  | `positions_along(order)`                               |
| Ψ^l(Z; b_Q, b_Q')                           | `sparse_shift(ids, seen, low, high)`, `shift_heads`    |
| Ω^l(Z; c), c = 2 s n δ^-nd-1                | `all_max_shift(ids, seen, c)`, `coefficient`           |
| p(n-1)δ^-d + s                              | `SparseMapping.formula`                                |

    mapping = sparse_universal.contextual_mapping(patterns.strided(2), levels=2, length=4)
    mapping.check()                                       # holds on all 16 sequences; 14 attention layers = formula
"""

from seqlab.sparse.lemmas import chain_steps, layer_count
from seqlab.sparse.mapping import SPARSE_LEMMA, SparseMapping, contextual_mapping, positions_along
from seqlab.sparse.shift import all_max_shift, check_sparse_shift, shift_heads, sparse_shift

__all__ = [
    "SPARSE_LEMMA",
    "SparseMapping",
    "all_max_shift",
    "chain_steps",
    "check_sparse_shift",
    "contextual_mapping",
    "layer_count",
    "positions_along",
    "shift_heads",
    "sparse_shift",
]

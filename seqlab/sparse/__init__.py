"""Sparse attention names the contexts too (Yun et al. 2020, "O(n) Connections are Expressive Enough").

Quantising, the table of values and the way back to softmax are those of `universal`; only the attention part changes.

| module  | what it holds                                                                         |
| ------- | ------------------------------------------------------------------------------------- |
| mapping | positions along a chain, the sweep along it, s all-max-shifts: the contextual mapping |
| view    | `ChainView`: the same layer by layer, which no import of the package brings with it   |

| paper symbol (Yun et al. 2020)              | name here                                              |
| ------------------------------------------- | ------------------------------------------------------ |
| A_k^l, p                                    | `pattern`, `pattern.p`                                 |
| γ                                           | `SparseMapping.order`: order[i] is the i-th token      |
| s                                           | `steps`: how many all-max-shifts                       |
| E_γ(1) = n-1, E_γ(i) = i-2                  | `positions_along(order)`                               |
| Ψ^l(Z; b_Q, b_Q'), Ω^l(Z; c)                | the layers of `SparseMapping.program()`                |
| c = 2 s n δ^-nd-1                           | `coefficient`                                          |
| p(n-1)δ^-d + s                              | `SparseMapping.formula`                                |

    mapping = sparse.contextual_mapping(patterns.strided(2), levels=2, length=4)
    mapping.check()                                       # holds on all 16 sequences; 14 attention layers = formula
"""

from seqlab.sparse.mapping import SPARSE_LEMMA, SparseMapping, coefficient, contextual_mapping, positions_along

__all__ = ["SPARSE_LEMMA", "SparseMapping", "coefficient", "contextual_mapping", "positions_along"]

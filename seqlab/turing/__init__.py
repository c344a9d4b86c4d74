"""A Turing machine run by a sparse-attention decoder (Zaheer et al. 2020, appendix B, after Pérez et al. 2019).

One machine step takes a block of decoder rows. Each row sees at most two rows: a past compute row, whose written symbol
is a candidate for the cell under the head, and its own best candidate so far. The minimum is associative, so two edges
a row find what a full row of attention would. Everything is a `Fraction`: nothing is rounded, nothing is trained.

| module   | what it builds                                                                   |
| -------- | -------------------------------------------------------------------------------- |
| machine  | machines as text, the plain simulator, five machines                             |
| graph    | rows and blocks, the two edges of a row, positional codes, the slots of a vector |
| lookup   | the look-up score, attention by the smallest absolute one, where floats lose it  |
| decoder  | the layers, the rows that come out, what can be read in them                     |
| verdict  | decoder against simulator, step by step and look-up by look-up                   |

| paper symbol                           | name here                                                     |
| -------------------------------------- | ------------------------------------------------------------- |
| M = (Q, Σ, δ, q_init, F)               | `Machine`: states, symbols, rules, start, halt                |
| # (blank)                              | `blank`                                                       |
| q^(j), s^(j), c^(j), v^(j), m^(j)      | `Step`: state, symbol, head, wrote, move                      |
| ℓ(j)                                   | `last_visit(steps, j)`; None where the paper says j-1         |
| i                                      | `row` - 1: rows count from 1, as in the paper's edges         |
| g(i), h(i)                             | `block(row)`, `computes(row)`                                 |
| edges of node j(j+1)/2 + k             | `edges(row)`                                                  |
| pos(i)                                 | `position(row)`                                               |
| d = 2|Q| + 4|Σ| + 16; q1, s1, x1, …    | `layout(…)`: the slots                                        |
| w, u1 … u4                             | slots s4 and x13 … x16: the best candidate so far             |
| α, β                                   | slots s3 and x7: the nearest input symbol and its cell        |
| Q_4, K_4                               | `query(...)`, `key(..., printed_sign=False)`                  |
"""

from seqlab.turing.decoder import Row, Run, decode
from seqlab.turing.graph import block, computes, edges, layout, position, rows_for
from seqlab.turing.lookup import attend, first_lost, key, query, score
from seqlab.turing.machine import SHIPPED, Machine, Step, shipped
from seqlab.turing.verdict import check, last_visit, look_ups

__all__ = [
    "SHIPPED",
    "Machine",
    "Row",
    "Run",
    "Step",
    "attend",
    "block",
    "check",
    "computes",
    "decode",
    "edges",
    "first_lost",
    "key",
    "last_visit",
    "layout",
    "look_ups",
    "position",
    "query",
    "rows_for",
    "score",
    "shipped",
]

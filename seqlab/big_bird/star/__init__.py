"""The star is enough: a relay token gathers and scatters, and every token gets a name (Zaheer et al. 2020, appendix A).

| module  | what it builds                                                                              |
| ------- | ------------------------------------------------------------------------------------------- |
| mapping | ids, n phases of low and high shift, the broadcast: the contextual mapping in exact integers |
| layers  | the same by real two-head layers, one for every level of every sweep                         |
| lemmas  | what the proof says on the way, each as a verdict                                            |

| paper symbol (Zaheer et al. 2020, appendix A)  | name here                                                     |
| ---------------------------------------------- | ------------------------------------------------------------- |
| S; D ⊇ S                                       | `star_graph(length)`; `StarMapping.seen`                      |
| x_0                                            | token 0, the relay; l_0 = δ^-nd                               |
| u = (1, δ^-1, …, δ^-(d-1), δ^-nd)              | `code(levels, dim, length)`                                   |
| E: row i is δ^-(i-1)d, row 1 is 0              | `places(levels, dim, length)`                                 |
| low shift, high shift of phase k               | the sweeps ("low", k) and ("high", k) of `StarMapping.sweeps` |
| S_k, T_k                                       | `StarMapping.bounds`: here the sharp ones, S_k ≤ f̃_0^k < T_k  |
| f_k, f̃_0^k                                     | ids of token k and of token 0 after phase k, see `trace`      |
| δ^-n²d                                         | `StarMapping.broadcast`                                       |

    mapping = star.contextual_mapping(levels=2, dim=1, length=3)
    mapping.check()                                 # holds on all 8 sequences
    star.check(2, 1, 3, no_relay=True)              # fails: two tokens share a name
"""

from seqlab.big_bird.star.layers import agreement, literal, literal_layers
from seqlab.big_bird.star.lemmas import larger_graphs, order, relay_code
from seqlab.big_bird.star.mapping import (
    STAR_LEMMA,
    Move,
    StarMapping,
    Sweep,
    check,
    code,
    contextual_mapping,
    places,
    star_graph,
)

__all__ = [
    "STAR_LEMMA",
    "Move",
    "StarMapping",
    "Sweep",
    "agreement",
    "check",
    "code",
    "contextual_mapping",
    "larger_graphs",
    "literal",
    "literal_layers",
    "order",
    "places",
    "relay_code",
    "star_graph",
]

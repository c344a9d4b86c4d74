"""The star is enough: a relay token gathers and scatters, and every token gets a name (Zaheer et al. 2020, appendix A).

| module  | what it holds                                                                           |
| ------- | --------------------------------------------------------------------------------------- |
| mapping | n phases of low and high shift, the broadcast: the contextual mapping as a `Program`    |
| lemmas  | what the proof says on the way, each as a verdict                                       |

    mapping = star.contextual_mapping(levels=2, dim=1, length=3)
    mapping.check()                                 # holds on all 8 sequences
    mapping.program()                               # the text: 67,713 layers of two heads
    star.check(2, 1, 3, no_relay=True)              # fails: two tokens share a name
"""

from seqlab.big_bird.star.lemmas import order, relay_code
from seqlab.big_bird.star.mapping import STAR_LEMMA, StarMapping, check, contextual_mapping, star_graph

__all__ = ["STAR_LEMMA", "StarMapping", "check", "contextual_mapping", "order", "relay_code", "star_graph"]

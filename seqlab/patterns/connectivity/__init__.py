"""Assumption 1 of Yun et al. 2020 as verdicts with witnesses, by computation or by a certificate that is checked.

| condition        | name                                    | how                                                       |
| ---------------- | --------------------------------------- | --------------------------------------------------------- |
| 1  self          | `self_loops(instance)`                  | every row, at any n                                       |
| 2  chain         | `hamiltonian_chain(instance).check()`   | an order that is verified; searched for small n           |
| 3  reachability  | `reachability(instance).check()`        | bit matrices up to n = 4,096, certificates beyond         |
| all              | `assumption_1(instance)`                |                                                           |

Where heads differ, a token sees in a layer what its heads see together.
"""

from seqlab.patterns.connectivity.assumption import ASSUMPTION_1, Assumption, assumption_1, self_loops
from seqlab.patterns.connectivity.certificates import Hub, Intervals, Relays, Unheard, heard
from seqlab.patterns.connectivity.chain import Chain, check_chain, hamiltonian_chain
from seqlab.patterns.connectivity.obstacles import Cover, Isolated, Residues
from seqlab.patterns.connectivity.reach import Reach, hops, reachability

__all__ = [
    "ASSUMPTION_1",
    "Assumption",
    "Chain",
    "Cover",
    "Hub",
    "Intervals",
    "Isolated",
    "Reach",
    "Relays",
    "Residues",
    "Unheard",
    "assumption_1",
    "check_chain",
    "hamiltonian_chain",
    "heard",
    "hops",
    "reachability",
    "self_loops",
]

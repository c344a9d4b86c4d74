"""One layer is enough (Kajitsuka & Sato 2023): softmax attention as the Boltzmann operator, with weights of rank one.

One head names every token of every sequence by the set around it, one ReLU layer looks the name up. Names that differ
by less than any float are compared exactly by `seqlab.names.exact`. In reading order:

| module       | what it builds                                                                        |
| ------------ | ------------------------------------------------------------------------------------- |
| boltzmann    | boltz, its derivatives and bounds                                                     |
| lemma        | Lemma 1: sets of separated levels have separated values; their order                  |
| sequences    | the data, read once: r_min, r_max, ε of Definition 1; which labels are consistent     |
| projection   | a direction in which no two tokens come too close                                     |
| head         | W_K, W_Q, W_V of rank one, κ, the ids in any arithmetic                               |
| mapping      | Theorem 2: achieved and guaranteed separation; what floats keep, and at which κ       |
| hardmax      | Theorem 1: one layer of hardmax heads cannot                                          |
| memoriser    | Corollary 1: any consistent labelling, fitted by a table of hinges                    |
| approximator | Proposition 1: quantiser, one attention layer, table                                  |
| certificate  | the same for a reader's own labelled text                                             |
| switches     | the whole, with a switch for every hypothesis                                         |

| paper symbol                       | name here                                     |
| ---------------------------------- | --------------------------------------------- |
| X^(i), V^(i), V                    | `Data.coded`, `.bags`, `.vectors`             |
| N, n, d, s                         | sequences, `length`, `dim`, 1                 |
| r_min, r_max, ε                    | `Data.r_min`, `.r_max`, `.epsilon`            |
| boltz                              | `boltz`                                       |
| v, κ, ε / (4 r_max)                | `direction`, `kappa`, `shift`                 |
| q(X)_k, δ                          | `ids`, `guaranteed` (log10)                   |
"""

from seqlab.one_layer import boltzmann, hardmax, lemma, mapping, projection
from seqlab.one_layer.approximator import approximate, error_curve
from seqlab.one_layer.certificate import certificate
from seqlab.one_layer.head import rank_one_head, theorem_delta, theorem_kappa
from seqlab.one_layer.mapping import achieved, best_scale, collisions_by_scale, first_collision
from seqlab.one_layer.memoriser import memorise
from seqlab.one_layer.sequences import inconsistency, read
from seqlab.one_layer.switches import SWITCHES, check_one_layer

__all__ = [
    "SWITCHES",
    "achieved",
    "approximate",
    "best_scale",
    "boltzmann",
    "certificate",
    "check_one_layer",
    "collisions_by_scale",
    "error_curve",
    "first_collision",
    "hardmax",
    "inconsistency",
    "lemma",
    "mapping",
    "memorise",
    "projection",
    "rank_one_head",
    "read",
    "theorem_delta",
    "theorem_kappa",
]

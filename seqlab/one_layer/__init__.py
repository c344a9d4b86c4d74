"""One layer is enough (Kajitsuka & Sato 2023): softmax attention as the Boltzmann operator, with weights of rank one.

One head names every token of every sequence by the set around it, one ReLU layer looks the name up. In reading order:

| module       | what it builds                                                                        |
| ------------ | ------------------------------------------------------------------------------------- |
| boltzmann    | boltz, its derivatives and bounds                                                     |
| lemma        | Lemma 1: sets of separated levels have separated values; their order                  |
| separated    | the data, and r_min, r_max, ε of Definition 1                                         |
| projection   | a direction in which no two tokens come too close                                     |
| head         | W_K, W_Q, W_V of rank one, κ, the ids in any arithmetic                               |
| logspace     | differences of names too small for any float, exactly                                 |
| mapping      | Theorem 2: achieved and guaranteed separation as logarithms; collisions in floats     |
| hardmax      | Theorem 1: one layer of hardmax heads cannot                                          |
| scale        | the κ whose names float64 keeps furthest apart                                        |
| labels       | numbers or classes; the pair of places that makes a labelling inconsistent            |
| table        | a look-up table as one ReLU layer                                                     |
| memoriser    | Corollary 1: any consistent labelling, fitted                                         |
| approximator | Proposition 1: quantiser, one attention layer, table                                  |
| certificate  | the same for a reader's own labelled text                                             |
| switches     | the whole, with a switch for every hypothesis                                         |

| paper symbol                       | name here                                     |
| ---------------------------------- | --------------------------------------------- |
| X^(i), V^(i), V                    | `Data.sequences`, `.sets`, `.vocabulary`      |
| N, n, d, s                         | sequences, `length`, `dim`, `size`            |
| r_min, r_max, ε                    | `Separation`                                  |
| boltz                              | `boltz`                                       |
| v, κ, ε / (4 r_max)                | `direction`, `kappa`, `shift`                 |
| q(X)_k, r, δ                       | `ids`, `radius`, `guaranteed` (log10)         |
"""

from seqlab.one_layer import (
    approximator,
    boltzmann,
    hardmax,
    lemma,
    mapping,
    memoriser,
    projection,
    separated,
    switches,
)
from seqlab.one_layer.approximator import Approximator, approximate, error_curve
from seqlab.one_layer.boltzmann import boltz, exact_boltz, gradient, second_derivative
from seqlab.one_layer.certificate import Certificate, certificate
from seqlab.one_layer.head import RankOneHead, rank_one_head, smallest_kappa, theorem_delta, theorem_kappa
from seqlab.one_layer.labels import inconsistency
from seqlab.one_layer.logspace import Names
from seqlab.one_layer.mapping import (
    achieved,
    closest,
    collisions,
    collisions_by_scale,
    first_collision,
    float_separation,
    readings,
)
from seqlab.one_layer.memoriser import Memoriser, corollary, memorise
from seqlab.one_layer.scale import best_scale
from seqlab.one_layer.separated import Data, Separation, data, measure
from seqlab.one_layer.switches import SWITCHES, check
from seqlab.one_layer.table import Table, table

__all__ = [
    "SWITCHES",
    "Approximator",
    "Certificate",
    "Data",
    "Memoriser",
    "Names",
    "RankOneHead",
    "Separation",
    "Table",
    "achieved",
    "approximate",
    "approximator",
    "best_scale",
    "boltz",
    "boltzmann",
    "certificate",
    "check",
    "closest",
    "collisions",
    "collisions_by_scale",
    "corollary",
    "data",
    "error_curve",
    "exact_boltz",
    "first_collision",
    "float_separation",
    "gradient",
    "hardmax",
    "inconsistency",
    "lemma",
    "mapping",
    "measure",
    "memoriser",
    "memorise",
    "projection",
    "rank_one_head",
    "readings",
    "second_derivative",
    "separated",
    "smallest_kappa",
    "switches",
    "table",
    "theorem_delta",
    "theorem_kappa",
]

"""One block applied again and again computes any function (Xu & Sato 2024, "On Expressive Power of Looped Transformers").

The same weights in every loop: first they count cells, then they name the sequence, then they walk along a table to the
value. Without a clock the table sits in the digits of one number, and neighbouring values differ by at most one step;
with a clock every step can be its own.

| module    | what it builds                                                                         |
| --------- | -------------------------------------------------------------------------------------- |
| program   | a block written unit by unit, run in exact fractions or as real layers; L_1 and L_2    |
| budget    | δ(r), the loops of the stages, the sizes that the theorems state                       |
| stages    | token ids and sequence id, each as loops of one tied block                             |
| digits    | a table in the ternary digits of one number, and where floating point loses them       |
| memoriser | k ↦ y_k without a clock (Lemma 4.1) and with one (Theorem 4.2)                         |
| table     | contextual ids and their labels                                                        |
| packed    | all three stages in one block, with flags or with a clock                              |
| switches  | its hypotheses, to be broken one by one                                                |
| rate      | its error against r, and against the terms of the bound                                |

| paper symbol                   | name here                                                             |
| ------------------------------ | --------------------------------------------------------------------- |
| δ^-1, d, N                     | `levels`, `dim`, `length`                                             |
| X (d × N, a column per token)  | x, "batch token dim": a row per token                                 |
| r                              | `loops`                                                               |
| L_1, TF, L_2                   | `LoopedTransformer.enter`, `.block`, `.leave`                         |
| m, q                           | `Program.embedding`, `Program.width`                                  |
| η(t)                           | `Program.clock`                                                       |
| M                              | `slope`                                                               |
| z_n, uᵀz, k                    | coordinates z and acc; `Table.id(z, acc)`                             |
| θ, ε                           | `pack(digits)`, `largest_step(labels)`                                |
"""

from seqlab.looped.budget import (
    LEMMA_4_1,
    THEOREM_3_6,
    THEOREM_4_2,
    StageLoops,
    check_loops,
    delta,
    finest,
    loops_for,
    stage_loops,
)
from seqlab.looped.digits import check_digits, first_wrong, greedy_digits, largest_step, pack, unpack
from seqlab.looped.memoriser import Memoriser, approximation, memoriser, roughness
from seqlab.looped.packed import Packed, below_largest, packed, times_mean
from seqlab.looped.program import Head, LoopedTransformer, Program, TiedBlock, Unit
from seqlab.looped.rate import Bound, Point, bound, check_rate, check_steps, curve, error, rate, slope_errors
from seqlab.looped.stages import check_floor, check_sequence, floor_ids, in_ramps, sequence_id, token_ids
from seqlab.looped.switches import switches
from seqlab.looped.table import Table, table

__all__ = [
    "LEMMA_4_1",
    "THEOREM_3_6",
    "THEOREM_4_2",
    "Bound",
    "Head",
    "LoopedTransformer",
    "Memoriser",
    "Packed",
    "Point",
    "Program",
    "StageLoops",
    "Table",
    "TiedBlock",
    "Unit",
    "approximation",
    "below_largest",
    "bound",
    "check_digits",
    "check_floor",
    "check_loops",
    "check_rate",
    "check_sequence",
    "check_steps",
    "curve",
    "delta",
    "error",
    "finest",
    "first_wrong",
    "floor_ids",
    "greedy_digits",
    "in_ramps",
    "largest_step",
    "loops_for",
    "memoriser",
    "pack",
    "packed",
    "rate",
    "roughness",
    "sequence_id",
    "slope_errors",
    "stage_loops",
    "switches",
    "table",
    "times_mean",
    "token_ids",
    "unpack",
]

"""One block applied again and again computes any function (Xu & Sato 2024, "On Expressive Power of Looped
Transformers").

The same weights in every loop: first they count cells, then they name the sequence, then they walk along a table to the
value. Without a clock the table sits in the digits of one number, and neighbouring values differ by at most one step;
with a clock every step can be its own.

| module    | what it builds                                                                         |
| --------- | -------------------------------------------------------------------------------------- |
| budget    | δ(r), the loops of the stages, the sizes that the theorems state                       |
| digits    | a table in the ternary digits of one number, and where floating point loses them       |
| table     | contextual ids and their labels                                                        |
| blocks    | the programs: token ids, sequence id, a walk along a table, all three in one block     |
| packed    | that one block for a function, with flags or with a clock                              |
| moduli    | whom a function listens to                                                             |
| rate      | its error against r, and the terms of the bound                                        |
| checks    | the stages and the block run on all that they are for, and the hypotheses as switches  |
| view      | the cold open: tokens that walk to their labels; state_view: the packed block at work   |

A block is a `Program` of seqlab.written: a text that runs exactly, and as real layers.

| paper symbol                   | name here                                                             |
| ------------------------------ | --------------------------------------------------------------------- |
| δ^-1, d, N                     | `levels`, `dim`, `length`                                             |
| X (d × N, a column per token)  | x, "batch token dim": a row per token                                 |
| r                              | `loops`                                                               |
| L_1, TF, L_2                   | `Program.reads` and `.start`, `.layers`, `.answers`                   |
| m, q                           | `sizes(program)`                                                      |
| η(t)                           | `Program.clock`                                                       |
| M                              | `slope`                                                               |
| z_n, uᵀz, k                    | coordinates z and acc; `ContextualTable.id(z, acc)`                   |
| θ, ε                           | `pack(digits)`, `largest_step(labels)`                                |
"""

from seqlab.looped.blocks import sequence_id, token_ids, walk
from seqlab.looped.budget import (
    LEMMA_4_1,
    THEOREM_3_6,
    THEOREM_4_2,
    StageLoops,
    check_loops,
    check_size,
    delta,
    loops_for,
    sizes,
    stage_loops,
)
from seqlab.looped.checks import check_floor, check_packed, check_sequence, check_walk, switches
from seqlab.looped.digits import (
    approximation,
    first_wrong,
    greedy_digits,
    largest_step,
    pack,
    roughness,
    unpack,
)
from seqlab.looped.moduli import check_moduli
from seqlab.looped.packed import Packed, below_largest, packed, times_mean, weights_used
from seqlab.looped.rate import Bound, Point, bound, check_rate, curve, error, rate, slope_errors
from seqlab.looped.table import ContextualTable, check_steps, contextual_table, floor_ids

__all__ = [
    "LEMMA_4_1",
    "THEOREM_3_6",
    "THEOREM_4_2",
    "Bound",
    "ContextualTable",
    "Packed",
    "Point",
    "StageLoops",
    "approximation",
    "below_largest",
    "bound",
    "check_floor",
    "check_loops",
    "check_moduli",
    "check_packed",
    "check_rate",
    "check_sequence",
    "check_size",
    "check_steps",
    "check_walk",
    "contextual_table",
    "curve",
    "delta",
    "error",
    "first_wrong",
    "floor_ids",
    "greedy_digits",
    "largest_step",
    "loops_for",
    "pack",
    "packed",
    "rate",
    "roughness",
    "sequence_id",
    "sizes",
    "slope_errors",
    "stage_loops",
    "switches",
    "times_mean",
    "token_ids",
    "unpack",
    "walk",
    "weights_used",
]

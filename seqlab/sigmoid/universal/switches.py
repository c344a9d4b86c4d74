"""The whole construction on one small grid, with a switch that breaks each of its hypotheses."""

from __future__ import annotations

from seqlab.sigmoid.universal.limits import check_steep
from seqlab.sigmoid.universal.mapping import contextual_mapping
from seqlab.theorem import Verdict

SWITCHES = {
    "head_1": "without head 1",
    "head_2": "without head 2",
    "head_3": "without head 3",
    "head_4": "without head 4",
    "small_gain": "gain 1",
    "no_global": "no global sum",
    "negative": "ids centred at 0",
    "repeated": "tokens repeated in a sequence",
    "softmax": "softmax in the same heads",
    "blunt": "sigmoids that are not steep",
}


def check(
    levels: int = 8,
    dim: int = 1,
    length: int = 3,
    *,
    head_1: bool = False,
    head_2: bool = False,
    head_3: bool = False,
    head_4: bool = False,
    small_gain: bool = False,
    no_global: bool = False,
    negative: bool = False,
    repeated: bool = False,
    softmax: bool = False,
    blunt: bool = False,
) -> Verdict:
    """The contextual mapping, exact, on all sequences of `length` different tokens; each switch breaks one thing.

    negative:  ids from -δ^-d / 2 on in place of 1, 2, …
    softmax:   its limit in the same heads, which then make one half of the hardmax construction's max - min
    blunt:     real heads at λ = 4 per squared unit of δ; fails where a name is δ/2 or more off (other switches still
               apply)

    On grids as small as (δ^-d, n) = (4, 2) some broken constructions still name every token; on the default no single
    switch leaves it whole. Two can: heads 1 and 2 alone add half the ids above less half the others, which names every
    token here.
    """
    mapping = contextual_mapping(
        levels,
        dim,
        length,
        gain=1 if small_gain else None,
        spread=0 if no_global else None,
        lowest=-(levels**dim // 2) if negative else 1,
        removed=tuple(h for h, gone in enumerate((head_1, head_2, head_3, head_4)) if gone),
        kind="softmax" if softmax else "sigmoid",
    )
    verdict = mapping.check(repeated=repeated)
    return check_steep(mapping, 4.0) if verdict and blunt else verdict

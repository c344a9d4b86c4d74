"""The whole construction on one small grid, with a switch that breaks each of its hypotheses."""

from __future__ import annotations

from seqlab.attention import hardmax
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


def check(levels: int = 8, dim: int = 1, length: int = 3, **broken: bool) -> Verdict:
    """The contextual mapping, exact, on all sequences of `length` different tokens; each switch breaks one thing.

    negative:  ids from -δ^-d / 2 on in place of 1, 2, …
    softmax:   its limit in the same heads, which then make one half of the hardmax construction's max - min
    blunt:     real heads at λ = 4 per squared unit of δ; fails where a name is δ/2 or more off (other switches still
               apply)

    On grids as small as (δ^-d, n) = (4, 2) some broken constructions still name every token; on the default no single
    switch leaves it whole. Two can: heads 1 and 2 alone add half the ids above less half the others, which names every
    token here. Raises ValueError for a switch that is not in SWITCHES.
    """
    on = {name for name, wanted in broken.items() if wanted}
    if unknown := broken.keys() - SWITCHES:
        raise ValueError(f"switches: got {sorted(unknown)}, wanted some of {', '.join(SWITCHES)}")
    edits = {
        "small_gain": {"gain": 1},
        "no_global": {"spread": 0},
        "negative": {"lowest": -(levels**dim // 2)},
        "softmax": {"normalizer": hardmax()},
    }
    removed = tuple(h for h in range(4) if f"head_{h + 1}" in on)
    made = {option: value for name in on for option, value in edits.get(name, {}).items()}
    mapping = contextual_mapping(levels, dim, length, removed=removed, **made)
    verdict = mapping.check(repeated="repeated" in on)
    return check_steep(mapping, 4.0) if verdict and "blunt" in on else verdict

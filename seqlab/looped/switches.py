"""The hypotheses of the packed block as switches, for a view that breaks them one by one."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch

from seqlab.looped.packed import Packed, below_largest, packed, times_mean
from seqlab.looped.table import Function
from seqlab.theorem import Verdict

WITHOUT_CLOCK = {
    "short": "one loop too few",
    "flags": "no flags: all stages work in every loop",
    "digits": "the digits in float64",
    "slope": "steps of slope 8",
    "labels": "labels shuffled",
    "repeated": "repeated tokens too",
}
WITH_CLOCK = {name: label for name, label in WITHOUT_CLOCK.items() if name != "digits"} | {
    "flags": "the clock does not separate the stages",
    "clock": "the clock stands still",
}


def switches(
    f: Function | None = None, levels: int = 3, *, clock: bool = False, shuffle: int = 2
) -> tuple[Callable[..., Verdict], dict[str, str]]:
    """`check(**{switch: broken})` of the packed block for f, and a label for each switch: `TheoremView(*switches())`.

    f: `below_largest` unless given, with a clock `times_mean`: every switch but "labels" under a clock breaks those
    """
    f = f or (times_mean if clock else below_largest)

    @cache
    def block(flags: bool, slope: bool, labels: bool, stopped: bool) -> Packed:
        steep = {"slope": 8} if slope else {}
        return packed(
            f, levels, clock=clock, flags=not flags, shuffle=shuffle if labels else None, stopped=stopped, **steep
        )

    def check(
        *,
        short: bool = False,
        flags: bool = False,
        digits: bool = False,
        slope: bool = False,
        labels: bool = False,
        repeated: bool = False,
        clock: bool = False,
    ) -> Verdict:
        made = block(flags, slope, labels, clock)
        return made.check(loops=made.loops - short, dtype=torch.float64 if digits else None, repeated=repeated)

    return check, dict(WITH_CLOCK if clock else WITHOUT_CLOCK)

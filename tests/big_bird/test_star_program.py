"""The star's construction as a program gives, name by name, what its own arithmetic gives."""

import numpy as np
import pytest

from seqlab.big_bird import star
from seqlab.big_bird.star import relay

SIZES = [(2, 1, 2), (2, 1, 3), (3, 1, 2), (3, 1, 3), (2, 2, 2), (2, 2, 3), (2, 1, 5)]  # 1/δ, d, n


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("broken", [{}, {"low": False}, {"high": False}, {"broadcast": 1}, {"late": True}], ids=str)
def test_both_ways(size, broken):
    old, new = star.contextual_mapping(*size, **broken), relay.contextual_mapping(*size, **broken)
    sequences = old.sequences()
    for sweeps, kinds in ((None, ("low", "high", "broadcast")), (2 * size[2], ("low", "high")), (0, ())):
        got = new.codes(new.sequences(), sweeps)
        assert (got == np.array([old.codes(each, kinds) for each in sequences], dtype=object)).all()
    assert new.program().count().layers == old.layer_count() == new.formula
    assert new.depth == {kind: old.layer_count(kind) for kind in ("low", "high", "broadcast")}
    assert str(new.check()) == str(old.check())


@pytest.mark.parametrize("switch", ["no_relay", "no_low", "no_high", "weak_broadcast", "late", "more_edges"])
def test_switches_both_ways(switch):
    for size in SIZES[:5]:
        assert str(relay.check(*size, **{switch: True})) == str(star.check(*size, **{switch: True}))

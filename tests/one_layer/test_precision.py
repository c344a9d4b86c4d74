"""Names in five precisions: exact gaps agree with independent arithmetic, floats are those of the head, deaths are
where they are.
"""

import math
from fractions import Fraction

import pytest

from seqlab.names.separation import exact_names, names, separation, subsets
from seqlab.one_layer import precision
from seqlab.one_layer.precision import DTYPES, KAPPAS, last_alive, named, parse, places

LINE = (1, 2, 3, 4, 5)


def with_mpmath(tokens, size, kappa, digits=120):
    """log10 of the smallest gap between names of one token, by other means: mpmath, one exponential per score."""
    import mpmath

    with mpmath.workdps(digits):
        found = []
        for a, chosen in places(tokens, size):
            weights = [mpmath.exp(mpmath.mpf(kappa) * a * b) for b in chosen]
            total = mpmath.fsum(w * b for w, b in zip(weights, chosen))
            found.append((a, total / mpmath.fsum(weights)))
        found.sort()
        return float(mpmath.log10(min(b - a for (s, a), (t, b) in zip(found, found[1:]) if s == t)))


@pytest.mark.parametrize("tokens, size", [(LINE, 3), ((1, 2, 3), 2), ((-3, 1, 2.5, 4.25), 2), ((1, 2, 3, 4, 5, 6), 4)])
@pytest.mark.parametrize("kappa", [0.01, 0.5, 2.33, 5.197])
def test_exact_gaps_agree_with_mpmath(tokens, size, kappa):
    found = named(tokens, size, kappa)
    assert found.alive and found.log10_gap == pytest.approx(with_mpmath(tokens, size, kappa), abs=1e-9)


def test_exact_names_are_those_of_separation():
    sets = [tuple(map(int, row)) for row in subsets(LINE, 3).tolist()]
    for kappa in (0.0, 0.3, 4.0, math.inf):
        want = [name for row in exact_names(sets, kappa) for name in row]
        assert named(LINE, 3, kappa).names == pytest.approx([float(name) for name in want], rel=1e-15)
    every = separation(subsets(LINE, 3), 1.0, exact=True).margin  # of different tokens, too
    assert 10 ** named(LINE, 3, 1.0).log10_gap >= every * (1 - 1e-9)


def test_a_gap_far_below_the_smallest_float_has_a_logarithm():
    gap = named(LINE, 3, 300.0).log10_gap
    assert -3000 < gap < -1000
    slope = (named(LINE, 3, 320.0).log10_gap - gap) / 20  # e^(-κ · whole number), up to a factor
    assert slope * math.log(10) == pytest.approx(round(slope * math.log(10)), abs=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kappa", [0.0, 0.2, 1.0, 6.0, math.inf])
def test_floats_are_the_head_in_that_type(dtype, kappa):
    found, want = named(LINE, 3, kappa, dtype), names(subsets(LINE, 3).to(DTYPES[dtype]), kappa).double().flatten()
    assert found.names == tuple(want.tolist())
    pairs = [(token, name) for (token, _), name in zip(places(LINE, 3), found.names)]
    assert found.distinct == len({*pairs}) and found.alive == (len({*pairs}) == 30)
    assert (found.log10_gap == -math.inf) == (not found.alive)
    assert [pairs.count(pair) for pair in pairs] == list(found.shared)


def test_where_they_die():
    deaths = {p: last_alive(LINE, 3, p) for p in precision.PRECISIONS}
    assert deaths["exact"] == max(k for k in KAPPAS if math.isfinite(k))
    assert 2 <= deaths["float64"] < 3 and 0.8 <= deaths["float32"] < 1.5 and 0.2 <= deaths["float16"] < 0.8
    assert 0.1 <= deaths["bfloat16"] < 0.5
    for dtype in DTYPES:
        after = [k for k in KAPPAS if k > deaths[dtype]]
        assert named(LINE, 3, deaths[dtype], dtype).alive and not any(named(LINE, 3, k, dtype).alive for k in after)


def test_average_and_hardmax_are_exact():
    sums = {(token, sum(chosen)) for token, chosen in places(LINE, 3)}
    winners = {(token, max(chosen)) for token, chosen in places(LINE, 3)}
    assert named(LINE, 3, 0.0).distinct == len(sums) == 27 and named(LINE, 3, math.inf).distinct == len(winners) == 12
    assert named((-2, -1, 1, 3), 2, math.inf).distinct == 6


def test_the_token_zero_sees_only_the_mean():
    found = named((0, 1, 2, 3, 4, 5), 4, 2.0)
    shared = [(token, chosen) for n, (token, chosen) in zip(found.shared, places(range(6), 4)) if n > 1]
    assert not found.alive and found.log10_gap == -math.inf and {token for token, _ in shared} == {0}
    assert (0, (0, 1, 4, 5)) in shared and (0, (0, 2, 3, 5)) in shared


def test_what_overflows_has_no_name():
    found = named((1, 5, 9), 2, 2000.0, "float16")  # 2000 · 81 is beyond 65,504
    assert 0 in found.shared and not found.alive and found.log10_gap == -math.inf


def test_tokens_typed_by_hand():
    assert parse("3; 1 2.5,-4", 2) == (-4, 1, Fraction(5, 2), 3)
    for text, size, why in (
        ("1 2 x", 2, "not a list"),
        ("1e999999999 1 2", 2, "not a list"),
        ("1/0 2 3", 2, "not a list"),
        ("nan 1 2", 2, "not a list"),
        ("1 2", 2, "got 2, wanted 3 to 7"),
        ("", 2, "got 0"),
        ("1 1 2", 2, "twice"),
        ("1 2 10", 2, "below 10"),
        ("1 2 0.001", 2, "two decimals"),
        ("1 2 3", 3, "wanted 2 to 2"),
        ("1 2 3", 1, "size: got 1"),
    ):
        with pytest.raises(ValueError, match=why):
            parse(text, size)


@pytest.mark.parametrize("kappa", [0.05, 1.0, 20.0])
def test_symmetric_tokens_and_equal_names(kappa):
    """-a among -S is named minus the name of a among S, so {-1, 1} gives two names and nothing collides by rounding."""
    found = dict(zip(places((-2, -1, 1, 2), 2), named((-2, -1, 1, 2), 2, kappa).names))
    for (token, chosen), name in found.items():
        assert found[-token, tuple(sorted(-b for b in chosen))] == pytest.approx(-name, rel=1e-12)

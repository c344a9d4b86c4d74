"""The data, the projection, the head of rank one, Theorem 2 in log space, collisions, Theorem 1."""

import itertools
import math
import random
from fractions import Fraction

import pytest
import torch

from seqlab import one_layer as ol
from seqlab.attention import softmax
from seqlab.contextual import contextual_mapping
from seqlab.names.exact import ExactNames, arithmetic
from seqlab.one_layer import hardmax, mapping, projection
from seqlab.one_layer.exercises.sets import confuse

FIVE = list(itertools.combinations([1, 2, 3, 4, 5], 3))


def random_sequences(seed, *, dims=(1, 4), sizes=(4, 8), most=40):
    draw = random.Random(seed)
    d, v = draw.randint(*dims), draw.randint(*sizes)
    n = draw.randint(2, v - 1)
    words = [tuple(draw.gauss(0, 1) for _ in range(d)) for _ in range(v)]
    return [draw.sample(words, n) for _ in range(draw.randint(5, most))]


def brute_separation(head, digits=200):
    """log10 of the closest two ids of one token, all pairs, straight from the definition, in so many digits."""
    context = arithmetic(digits)
    t = [context.mpf(p.numerator) / p.denominator for p in head.projected]
    ids = {}
    for token, bag in head.data.contexts:
        weights = [context.exp(context.mpf(head.kappa) * t[token] * t[b]) for b in bag]
        ids.setdefault(token, {})[frozenset(bag)] = sum(w * t[b] for w, b in zip(weights, bag)) / sum(weights)
    gaps = [abs(a - b) for names in ids.values() for a, b in itertools.combinations(names.values(), 2)]
    return float(context.log10(min(gaps) * context.mpf(head.shift)))


def test_data_is_read_once_and_separation_is_measured():
    data = ol.read([(1, 2), (2, 5)])
    assert ol.read(data) is data and (data.r_min, data.r_max, data.epsilon) == (1.0, 5.0, 1.0)
    assert (len(data.vectors), data.length, data.dim, len(data.places)) == (3, 2, 1, 4)
    assert data.hypotheses == {"nonzero": True, "distinct": True, "length": True}
    odd = ol.read([[(0, 0), (1, 0)], [(1, 0), (1, 0), (0, 3)]])
    assert odd.hypotheses == {"nonzero": False, "distinct": False, "length": False}
    assert odd.clash(lambda i, k: odd.coded[i][k], lambda i, k: i) == ((0, 1), (1, 0))
    assert [odd.places[at] for at in odd.contexts.values()] == [(0, 0), (0, 1), (1, 0), (1, 2)]
    rows = odd.each(lambda x: x.sum(-1))
    assert [row.tolist() for row in rows] == [[0, 1], [1, 1, 3]] and odd.by_context(rows).tolist() == [0, 1, 1, 3]
    assert odd.closest(torch.tensor([9.0, 1.0, 3.5, 2.0])) == 2.5  # of the token (1, 0), in its two sets
    assert odd.show(1) == "((1, 0), (1, 0), (0, 3))" and odd.show(1, 2) == "(0, 3)"


@pytest.mark.parametrize(
    "sequences, message",
    [
        ([], "wanted one dimension"),
        ([[1], [(1, 2)]], r"of \[1, 2\] numbers"),
        ([[1], []], r"sequences\[1\]"),
        ([[1, (1, 2)]], "dimension"),
        ([[1], [1, math.nan]], r"sequences\[1\]"),
        ([["a"]], "finite number"),
    ],
)
def test_data_refuses_what_it_cannot_read(sequences, message):
    with pytest.raises(ValueError, match=message):
        ol.read(sequences)


def test_projection_keeps_the_guarantee():
    for seed in range(5):
        x = ol.read(random_sequences(seed, dims=(2, 4))).vectors
        found = projection.search(x, seed=seed)
        assert projection.check_direction(x, found)
        fewer, more = (projection.product(x, projection.search(x, seed=seed, candidates=k)) for k in (50, 400))
        assert fewer <= more * (1 + 1e-12)
    assert projection.search(torch.tensor([[1.0], [3.0]], dtype=torch.float64)).tolist() == [1.0]
    x = torch.tensor([[1.0, 1.0], [1.0, 2.0]], dtype=torch.float64)
    bad = projection.check_direction(x, [1.0, 0.0])
    assert not bad and bad.witness.objects == ([1.0, 1.0], [1.0, 2.0]) and bad.margin < 0
    assert not projection.check_direction(x, [2.0, 1.0])
    assert projection.check_direction(x, [0.0, 1.0])
    with pytest.raises(ValueError, match="one number per dimension"):
        projection.check_direction(x, [1.0])


def test_projection_says_when_it_finds_none():
    x = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)  # one token twice: no direction separates it
    assert projection.product(x, torch.tensor([0.6, 0.8], dtype=torch.float64)) == 0
    tight = torch.randn(9, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    failed = 0
    for seed in range(40):
        try:
            projection.search(tight, candidates=1, seed=seed)
        except ValueError as error:
            failed += "candidates" in str(error)
    assert 0 < failed < 40


def test_the_numbers_of_the_theorem_for_five_words():
    literal, smallest = ol.rank_one_head(FIVE, "theorem"), ol.rank_one_head(FIVE)
    assert round(literal.kappa) == 2645 and smallest.kappa == pytest.approx(5.197, abs=1e-3)
    n, r_min, r_max, epsilon, large = 3, 1, 5, 1, 6**4 * (2 * math.log(3) + 3) * math.pi  # δ as printed
    front = 2 * math.log(n) ** 2 * epsilon**2 * r_min / (r_max**2 * large)
    printed = math.log10(front) - large * r_max**2 / (4 * epsilon * r_min) / math.log(10)
    assert printed == pytest.approx(-57442.2, abs=0.1)
    assert literal.guaranteed == pytest.approx(printed, rel=1e-12) == ol.theorem_delta(literal.data)
    assert ol.achieved(literal) == pytest.approx(-17231.9, abs=0.1)
    assert ol.achieved(smallest) == pytest.approx(-34.7, abs=0.05)
    assert 10.0**literal.guaranteed == 0  # why logarithms


def test_log_space_agrees_with_brute_force():
    for seed in range(6):
        head = ol.rank_one_head(random_sequences(seed, most=12), 2.0)
        assert mapping.closest(head)[0] == pytest.approx(brute_separation(head, 400), abs=1e-9)


def test_log_space_where_leading_terms_cancel_and_where_scores_are_flat():
    names = ExactNames([1, 2, 3, 4, 5, 0], 3.0)
    assert names.difference((1, (0, 1, 4)), (1, (0, 1, 4))) == 0
    assert float(names.difference((5, (0, 4, 5)), (5, (1, 2, 5)))) == pytest.approx(1 / 3)
    assert names.difference((5, (0, 3, 5)), (5, (1, 2, 5))) == 0  # both average 5/3
    tokens = [Fraction(1), 1 + Fraction(1, 10**30), 2]
    got = ExactNames(tokens, 1.0).difference((2, (0, 2)), (2, (1, 2)))
    fine = ExactNames(tokens, 1.0, digits=120)
    assert abs(got / (fine.name((2, (0, 2))) - fine.name((2, (1, 2)))) - 1) < 1e-15


def test_names_of_different_tokens_are_compared_exactly():
    names = ExactNames([-2, -1, 1, 2], 3.0)
    assert names.difference((0, (0, 1)), (0, (0, 1))) == 0
    one, other = names.difference((0, (0, 1)), (3, (0, 3))), names.difference((3, (0, 3)), (0, (0, 1)))
    assert one == -other < 0
    twin = ExactNames([Fraction(1, 2), 1, 2, 4], 0.5)  # scores 1/2 · 2 = 1 · 1: equal in sets where the weights agree
    assert twin.difference((1, (1, 1)), (2, (1, 1))) == 0  # a bag of one value has one name, whoever asks


def test_average_and_hardmax_are_the_ends_of_the_scale():
    average, hardmax = (ExactNames([1, 2, 3, 4], kappa) for kappa in (0, math.inf))
    assert average.difference((0, (0, 1, 3)), (3, (0, 1, 3))) == 0 and float(average.name((0, (0, 1, 3)))) == 7 / 3
    assert float(hardmax.name((0, (0, 1, 3)))) == 4 and hardmax.difference((1, (0, 3)), (2, (1, 3))) == 0


def test_the_ladder_is_in_order_where_digits_do_not_suffice():
    for kappa in (1.0, 30.0, 3000.0):  # forty digits, some hundreds, more than are tried
        names = ExactNames([1, 2, 3, 4, 5], kappa)
        order, steps = names.ladder([(1, bag) for bag in itertools.combinations(range(5), 3)])
        assert len(order) == 10 and all(step > 0 for step in steps)
        assert all(names.difference(b, a) > 0 for a, b in itertools.combinations(order, 2))


def test_log_space_takes_the_short_way_only_where_it_is_as_good():
    for kappa in (0.3, 3.0, 9.0, 30.0):  # differences above and below the first eighteen digits
        names, fine = (ExactNames([1, 2, 3, 4, 5], kappa, digits=digits) for digits in (40, 900))
        for first, second in itertools.combinations(itertools.combinations(range(5), 3), 2):
            want = fine.name((2, first)) - fine.name((2, second))
            assert abs(names.difference((2, first), (2, second)) / want - 1) < 1e-17


def test_log_space_counts_repetitions():
    names = ExactNames([1, 2, 4], Fraction(7, 10))
    for first, second in (((0, 0, 2), (0, 2, 2)), ((0, 1, 1), (0, 1, 2)), ((1, 1, 2), (1, 2))):
        one, other = (first[0], first), (first[0], second)
        got = names.difference(one, other)
        assert got == pytest.approx(float(names.name(one) - names.name(other)), rel=1e-12)
        assert got != 0 and names.difference(other, one) == -got


def test_theorem_2_on_random_data():
    for seed in range(24):
        for kappa in ("smallest", "theorem") if seed < 6 else ("smallest",):
            verdict = mapping.check_theorem_2(random_sequences(seed, most=15), kappa)
            assert verdict and verdict.margin > 0 and not verdict._broken(), verdict


def test_ranks_and_the_forward_pass():
    head = ol.rank_one_head(random_sequences(3, dims=(3, 3)), 1.5)
    query, key, value, out = head.weights.values()
    assert head.ranks == (1, 1, 1) and key.shape == (1, 3) and out.shape == (3, 1)
    assert (key.T @ query).norm() == pytest.approx(1.5)
    assert (out @ value).norm() == pytest.approx(head.shift)
    for row, codes, bag in zip(head.ids(), head.data.coded, head.data.bags):
        want = [head.projected[token] + Fraction(head.shift * float(head.names.name((token, bag)))) for token in codes]
        assert (row @ head.direction).tolist() == pytest.approx([*map(float, want)], abs=1e-13)


def test_what_breaks_theorem_2():
    assert "guaranteed" in str(mapping.check_theorem_2(FIVE).notes) and "no guarantee" in str(
        mapping.check_theorem_2(FIVE, 1.0).notes
    )
    flat = mapping.check_theorem_2([(0, 1, 4, 5), (0, 2, 3, 5)], 1.0)
    assert not flat and flat.margin == -math.inf and "no token is zero" in str(flat)
    (i, k), (j, l) = flat.witness.objects
    assert {(i, k), (j, l)} == {(0, 0), (1, 0)}
    long = mapping.check_theorem_2(FIVE, 1.0, shift=2.0)
    assert not long and "longer than r" in str(long)
    with pytest.raises(ValueError, match="zero"):
        ol.rank_one_head([(0, 1, 2)])
    with pytest.raises(ValueError, match="zero"):
        ol.rank_one_head([(0, 1, 2)], "theorem")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"kappa": 0}, "kappa"),
        ({"kappa": "hot"}, "hot"),
        ({"shift": 0}, "shift"),
    ],
)
def test_head_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        ol.rank_one_head(FIVE, **options)


def test_floats_lose_names_as_the_scale_grows():
    assert ol.collisions_by_scale(FIVE, (0.05, 0.5, 1, 2, 5.2, 20)) == [0, 0, 0, 0, 8, 16]
    with pytest.raises(ValueError, match="different signs"):
        ol.first_collision(FIVE[:1])
    single = ol.collisions_by_scale(FIVE, (0.05, 2), torch.float32)
    assert single[0] == 0 and single[1] > 0
    first = ol.first_collision(FIVE)
    below, above = ol.collisions_by_scale(FIVE, (first * 0.95, first * 1.01))
    assert below == 0 < above
    moderate, hot = ol.rank_one_head(FIVE, 1.0), ol.rank_one_head(FIVE, 20.0)
    in_floats = [contextual_mapping(list(map(list, head.ids())), head.data.coded, "set") for head in (moderate, hot)]
    assert in_floats[0] and not in_floats[1]
    assert math.isfinite(ol.achieved(hot))


def test_the_kernels_agree():
    head = ol.rank_one_head(FIVE, 1.0)
    for dtype, impl, tolerance in (
        (torch.float32, "interpret", 1e-6),
        (torch.float64, "tiled", 1e-14),
        (torch.float32, "auto", 1e-6),
    ):
        assert head.through_kernels(dtype, impl=impl) <= tolerance


PAIRS = [((0, 1, 4, 5), (0, 2, 3, 5)), ((0, 1, 5, 6), (0, 2, 4, 6)), ((0, 2, 4), (0, 1, 3, 4))]


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("options", [{}, {"base": (1, 2), "direction": (2, -1)}, {"heads_per_layer": 8}])
def test_no_hardmax_head_tells_the_sets_apart(pair, options):
    verdict = hardmax.check_theorem_1(*pair, **options)
    assert verdict and not verdict._broken()
    assert not hardmax.check_theorem_1(*pair, normalizer=softmax(), **options)
    assert hardmax.softmax_difference(*pair) > 1e-6


def test_ties_are_exact_and_a_fifth():
    query, key, _ = hardmax.heads((2, -1))
    x = hardmax.line(hardmax.FIRST, (1, 2), (2, -1))
    scores = torch.einsum("hsd,nd,hse,me->hnm", query, x, key, x)
    tied = (scores == scores[..., :1]).all(-1).all(-1)
    assert tied.double().mean() == 0.2 and tied[::5].all()


def test_counterexamples_are_found_and_others_are_none():
    for numbers in (hardmax.FIRST, (0, 1, 5, 6), (0, 1, 2, 7, 9)):
        found = confuse(numbers)
        assert set(found) != set(numbers) and hardmax.summary(found) == hardmax.summary(numbers)
    assert confuse((0, 1, 2, 3)) is None
    other = hardmax.check_theorem_1((0, 1, 4, 5), (0, 2, 4, 5))
    assert not other and "same mean" in str(other)
    for pair in (((0, 1), (2, 3)), ((0, 1, 2), (2, 1, 0))):
        with pytest.raises(ValueError, match="differ and share a token"):
            hardmax.check_theorem_1(*pair)

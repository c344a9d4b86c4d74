"""Four steep heads, the sweep of sums and the global sum: exact, by real attention, and every switch with a witness."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch

from seqlab import universal
from seqlab.attention import hardmax, sigmoid, softmax, step
from seqlab.layers import count
from seqlab.sigmoid import universal as su

SIZES = [(4, 1, 2), (6, 1, 3), (8, 1, 4), (2, 2, 3), (3, 2, 3), (2, 3, 2), (5, 1, 4)]  # 1/δ, d, n


def plain_names(sequence, levels, gain, spread, lowest=1):
    """The construction once more in plain Python, by the closed form Ψ alone, for positive ids."""
    ids = [lowest + sum(a * levels**i for i, a in enumerate(np.atleast_1d(token).tolist())) for token in sequence]
    columns = levels ** np.size(sequence[0])
    for level in range(lowest, lowest + columns):
        above = sum(l for l in ids if l > level)
        ids = [l + gain * above if l == level else l for l in ids]
    return [l + spread * sum(ids) for l in ids]


def test_the_shift_is_its_closed_form_on_500_draws():
    verdict = su.check_shift()
    assert verdict and verdict.checked == 500 and verdict.margin == 0.5
    assert all(h.holds for h in verdict.statement.hypotheses)


@pytest.mark.parametrize(
    "switch, broken",
    [
        *(({"removed": (h,)}, "four_heads") for h in range(4)),
        ({"removed": (0, 1, 2, 3)}, "four_heads"),
        ({"on_threshold": True}, "off_threshold"),
        ({"normalizer": hardmax()}, "sigmoid"),
        ({"normalizer": softmax(1000.0)}, "steep sigmoid"),
        ({"normalizer": sigmoid(0.0, 2.0)}, "steep"),
        ({"removed": (0, 1, 2, 3), "normalizer": sigmoid(0.0, 1000.0)}, "four_heads steep"),
    ],
)
def test_a_broken_shift_has_a_witness(switch, broken):
    verdict = su.check_shift(200, seed=3, **switch)
    ids, low, high, got, want = verdict.witness.objects
    assert not verdict and verdict.margin < 0
    assert [h.name for h in verdict.statement.hypotheses if not h.holds] == broken.split()
    assert want == tuple(sum(l for l in ids if l > high) if low < k < high else 0 for k in ids) != got


def test_a_small_error_is_an_error_too():
    verdicts = [su.check_shift(1, seed, removed=(2,)) for seed in range(60)]
    assert {verdict.holds for verdict in verdicts} == {True, False} and any(-5 < v.margin < 0 for v in verdicts)
    assert all(verdict.holds == (verdict.margin > 0) for verdict in verdicts)


def test_steep_heads_reach_the_shift():
    assert su.check_shift(200, normalizer=step().soft(1000.0)).margin == 0.5
    margins = [su.check_shift(100, normalizer=sigmoid(0.0, scale)).margin for scale in (3.0, 30.0, 300.0)]
    assert margins == sorted(margins) and margins[0] < 0


def test_heads_with_fractions_and_big_integers():
    run = lambda ids, low, high, removed=(): su.shift_heads(removed).run([(id, low, high) for id in ids])[:, 0].tolist()
    assert run([Fraction(5, 2), 3, 10**30], Fraction(9, 4), Fraction(11, 4)) == [10**30 + 3, 0, 0]
    assert run([2**62, 3], 0, 5) == [0, 2**62]  # beyond int64 on the way
    assert run([5000, 3], Fraction(0.1), Fraction(5.3)) == [0, 5000]  # 0.1 is a fraction over 2^55
    assert run([1, 4], Fraction(1, 2), Fraction(3, 2), (3,)) == [4, Fraction(5, 2)]


def test_bad_inputs():
    with pytest.raises(ValueError, match="low < high"):
        su.selective_sum(torch.tensor([1]), 2, 1)
    for options, what in (
        ({"levels": 1}, "levels"),
        ({"levels": 4, "length": 1}, "length"),
        ({"levels": 4, "gain": -1}, "gain"),
        ({"levels": 4, "spread": -1}, "spread"),
        ({"levels": 4, "removed": (4,)}, "removed"),
        ({"levels": 4, "normalizer": sigmoid(0.0)}, "normalizer"),
    ):
        with pytest.raises((TypeError, ValueError), match=what):
            su.contextual_mapping(**options).check()
    for removed, draws, what in (((7,), 5, "removed"), ((), 0, "draws"), ((), -1, "draws")):
        with pytest.raises(ValueError, match=what):
            su.check_shift(draws, removed=removed)
    with pytest.raises(ValueError, match=" 0 sequences"):
        su.contextual_mapping(2, 1, 3).sequences()
    with pytest.raises(ValueError, match="wanted 1 to 20,000"):
        su.contextual_mapping(16, 1, 4).sequences()
    with pytest.raises(ValueError, match="wanted some of head_1"):
        su.check(head_5=True)
    with pytest.raises(ValueError, match="sequences"):
        su.contextual_mapping(4, 1, 3).names(np.zeros((1, 2, 1), dtype=int))
    with pytest.raises(ValueError, match="2\\^53"):
        su.steep_errors(su.contextual_mapping(4, 1, 4, gain=1000), [100.0])


@pytest.mark.parametrize("size", SIZES)
def test_contextual_mapping_on_all_sequences(size):
    levels, dim, length = size
    mapping = su.contextual_mapping(*size)
    verdict = mapping.check()
    assert verdict and verdict.margin >= 1 and all(h.holds for h in verdict.statement.hypotheses)
    sequences = mapping.sequences()
    names = mapping.names(sequences)
    spoken = [tuple(map(tuple, row)) for row in sequences.tolist()]
    for at in (0, len(spoken) // 3, -1):
        assert names[at].tolist() == plain_names(spoken[at], levels, mapping.gain, mapping.spread)
    assert names.dtype == np.int64
    per_set = {frozenset(row): frozenset(row_names) for row, row_names in zip(spoken, names.tolist())}
    assert all(len(found) == length for found in per_set.values())  # condition 1
    assert not any(a & b for a, b in itertools.combinations(list(per_set.values())[:200], 2))  # condition 2
    assert su.closed_form(mapping) and su.remainders(mapping) and su.layer_count(mapping)


@pytest.mark.parametrize("size", SIZES[:5])
def test_real_heads_give_the_exact_names(size):
    mapping = su.contextual_mapping(*size)
    sequences = mapping.sequences()
    built = mapping.program().module().requires_grad_(False)
    got = built(torch.from_numpy(sequences).double())[..., 0]
    assert got.tolist() == mapping.names(sequences).astype(float).tolist()
    counts = count(built, mapping.length)
    assert (counts.layers, counts.heads, counts.head_dim) == (mapping.columns + 1, 4, 1)
    yun = universal.contextual_mapping(*size)
    assert mapping.formula == yun.formula


def test_the_sum_is_read_back_by_remainders():
    assert su.read_back(4 * (1 + 3) ** 1 - 3 * 4, gain=3, length=1) == [4]
    mapping = su.contextual_mapping(7, 1, 3, gain=6)  # one less than the proof asks for: the remainders just fit
    assert su.remainders(mapping).margin == 0
    small = su.remainders(su.contextual_mapping(7, 1, 3, gain=4))
    total, got, want = small.witness.objects
    assert not small and got != want


def test_a_changed_sweep_is_no_closed_form():
    verdict = su.closed_form(su.contextual_mapping(5, 1, 3, removed=(1,)))
    assert not verdict and verdict.margin < 0


def test_layer_count_sees_a_missing_layer_and_a_missing_head():
    assert not su.layer_count(su.contextual_mapping(4, 1, 2, spread=0))
    assert not su.layer_count(su.contextual_mapping(4, 1, 2, removed=(2,)))


@pytest.mark.parametrize("switch", su.SWITCHES)
def test_every_switch_breaks_the_theorem_with_a_witness(switch):
    verdict = su.check(levels=6 if switch not in ("softmax", "negative", "small_gain") else 8, **{switch: True})
    assert not verdict and verdict.witness.objects
    broken = [h.name for h in verdict.statement.hypotheses if not h.holds]
    expected = {
        "small_gain": "gain",
        "no_global": "global_sum",
        "negative": "positive",
        "repeated": "distinct",
        "softmax": "sigmoid",
        "blunt": "steep",
    }
    assert broken == [expected.get(switch, "four_heads")]


def test_witnesses_hold_in_the_plain_program():
    for options in ({"gain": 1}, {"spread": 0}):
        mapping = su.contextual_mapping(6, 1, 3, **options)
        verdict = mapping.check()
        (a, k), (b, l) = verdict.witness.objects
        assert not verdict and set(a) != set(b)
        again = lambda s, mapping=mapping: plain_names(s, 6, mapping.gain, mapping.spread)
        assert again(a)[k] == again(b)[l]


def test_on_the_smallest_grid_some_broken_constructions_still_name():
    assert su.contextual_mapping(4, 1, 2, removed=(0,)).check()
    assert not su.contextual_mapping(4, 1, 2, removed=(2,)).check()
    assert su.contextual_mapping(6, 1, 3, normalizer=hardmax()).check()
    assert not su.contextual_mapping(4, 1, 2, normalizer=hardmax()).check()


def test_ordered_sequences_are_not_told_apart():
    verdict = su.contextual_mapping(4, 1, 2).check("identity")
    (a, _), (b, _) = verdict.witness.objects
    assert not verdict and sorted(a) == sorted(b)


@pytest.mark.parametrize("normalizer", [sigmoid(0.0), sigmoid()], ids=["b = 0", "b = -log n"])
def test_steep_sigmoids_become_exact(normalizer):
    mapping = su.contextual_mapping(6, 1, 3)
    errors = su.steep_errors(mapping, [10.0, 100.0, 1000.0, 10_000.0], normalizer)
    assert errors[0] > 1 > 1e-3 > errors[1] and errors[2:] == [0, 0]


def test_the_threshold_of_steepness():
    mapping = su.contextual_mapping(4, 1, 2)
    right, exact = su.steep_threshold(mapping), su.steep_threshold(mapping, tolerance=0)
    assert 30 < right < 50 < exact < 200
    assert su.check_steep(mapping, right) and not su.check_steep(mapping, right / 1.1)
    with pytest.raises(ValueError, match="no scale"):
        su.steep_threshold(mapping, tolerance=-1)


def test_gains_that_work():
    found = su.gains_that_work(6, 1, 3)
    assert not found[1] and found[6]


def test_the_trace_shows_every_layer():
    mapping = su.contextual_mapping(4, 1, 2)
    trace = mapping.program().trace(np.array([[[2], [0]]]))
    assert [label.split()[0] for label in trace.labels] == ["start", "id", "id", "the"]  # ids 2 and 4 are not there
    states = [state.flatten().tolist() for state in trace.states]
    assert states[:3] == [[3, 1], [3, 1 + 4 * 3], [3 + 4 * 13, 13]]
    assert states[-1] == mapping.names(np.array([[[2], [0]]])).flatten().tolist()

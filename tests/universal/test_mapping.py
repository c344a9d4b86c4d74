"""The sweep and the global shift: Lemma 6, Lemma 10, counts, switches with witnesses, softmax, precision."""

import itertools

import numpy as np
import pytest
import torch

from seqlab import universal
from seqlab.attention import softmax
from seqlab.universal.limits import threshold

CASES = [(4, 1, 3), (2, 2, 3), (3, 2, 3), (2, 3, 3), (6, 1, 4)]
WITH_POSITIONS = [(2, 1, 3), (3, 1, 3), (4, 1, 3), (2, 2, 2), (3, 2, 2), (2, 2, 3), (2, 3, 3), (3, 2, 3), (6, 1, 4)]
EXACT_MARGINS = {(4, 1, 3): 21, (2, 2, 3): 21, (3, 2, 3): 136, (2, 3, 3): 105, (6, 1, 4): 85}


def plain_names(sequence, levels, dim, length, gain=None, spread=None):
    """The construction once more, in plain Python: what witnesses are checked against."""
    ids = [sum(a * levels**i for i, a in enumerate(np.atleast_1d(token).tolist())) for token in sequence]
    gain = levels**dim if gain is None else gain
    spread = levels ** ((length + 1) * dim + 1) if spread is None else spread
    for level in range(levels**dim):
        jump = gain * (max(ids) - min(ids))
        ids = [l + jump if l == level else l for l in ids]
    return [l + spread * (max(ids) if l > 0 else min(ids)) for l in ids]


def conditions(names, sequences):
    """(names differ inside each sequence, names differ between sequences that are no reorderings), by brute force."""
    inside = all(len(set(row)) == len(row) for row in names)
    owner = {}
    between = True
    for row, sequence in zip(names, sequences):
        key = tuple(sorted(sequence))
        for name in set(row):
            between &= owner.setdefault(name, key) == key
    return inside, between


def spoken(sequences):
    return [tuple(map(tuple, sequence)) for sequence in sequences.tolist()]


@pytest.mark.parametrize("case", CASES)
def test_contextual_mapping(case):
    mapping = universal.contextual_mapping(*case)
    verdict = mapping.check()
    assert verdict and verdict.margin == EXACT_MARGINS[case] and verdict.unit == "units of delta"
    sequences = mapping.sequences()
    names = mapping.names(sequences).tolist()
    assert verdict.checked == len(sequences)
    assert conditions(names, spoken(sequences)) == (True, True)
    assert names[-1] == plain_names(sequences[-1], *case)
    for verdict in (universal.bounds(mapping), universal.closed_form(mapping), universal.range_of_names(mapping)):
        assert verdict, verdict


def test_the_example_of_the_design():
    verdict = universal.contextual_mapping(levels=4, dim=1, length=3).check()
    assert verdict.checked == 24 and verdict.notes == ("5 attention layers, the formula says 5",)
    assert not universal.contextual_mapping(levels=4, dim=1, length=3, gain=1).check()


@pytest.mark.parametrize("case", WITH_POSITIONS)
def test_contextual_mapping_with_positions(case):
    mapping = universal.contextual_mapping(*case, positions=True)
    verdict = mapping.check()
    assert verdict and verdict.checked == case[0] ** (case[1] * case[2])
    for verdict in (universal.closed_form(mapping), universal.blocks(mapping), universal.layer_count(mapping)):
        assert verdict, verdict


@pytest.mark.parametrize("case", [(4, 1, 3), (2, 2, 2), (2, 2, 3), (3, 1, 3)])
def test_bad_columns_keep_out_with_positions(case):
    assert universal.range_of_names(universal.contextual_mapping(*case, positions=True))


@pytest.mark.parametrize("levels", [2, 3, 5, 8])
def test_two_tokens_of_one_coordinate_are_met_twice(levels):
    """One sequence jumps into the second window: the proof's step fails, though the names stay different."""
    mapping = universal.contextual_mapping(levels, 1, 2, positions=True)
    verdict = universal.closed_form(mapping)
    sequence, swept, wanted = verdict.witness.objects
    assert not verdict and sequence == (levels - 1, 0)
    assert wanted[0] == 2 * levels - 1 < swept[0]  # it should have stayed where the sweep meets it again
    assert mapping.check()
    assert universal.closed_form(universal.contextual_mapping(levels, 1, 2, positions=True, gain=levels + 1))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("positions", [False, True])
def test_layers_are_counted(case, positions):
    levels, dim, length = case
    mapping = universal.contextual_mapping(*case, positions=positions)
    size = mapping.program().count(length)
    assert size.layers == mapping.formula == (length if positions else 1) * levels**dim + 1
    assert (size.heads, size.width, size.units) == (2 * size.layers - 1, dim + positions, 0)
    assert universal.layer_count(mapping)
    assert not universal.layer_count(universal.contextual_mapping(*case, positions=positions, skip=(0,)))


@pytest.mark.parametrize("case", CASES)
def test_real_heads_give_the_exact_names(case):
    mapping = universal.contextual_mapping(*case)
    sequences = mapping.sequences()
    got = universal.block_names(mapping, sequences)
    exact = torch.tensor(mapping.names(sequences).astype(float))
    power_of_two = case[0] & (case[0] - 1) == 0
    assert torch.equal(got, exact) if power_of_two else torch.equal(got.round(), exact)
    assert universal.blocks(mapping)


def test_names_are_equivariant():
    mapping = universal.contextual_mapping(3, 2, 3)
    sequences = mapping.sequences()
    assert np.array_equal(mapping.names(sequences[:, ::-1]), mapping.names(sequences)[:, ::-1])


@pytest.mark.parametrize("case", CASES)
def test_gain_one_breaks_both_conditions(case):
    mapping = universal.contextual_mapping(*case, gain=1)
    sequences = mapping.sequences()
    assert conditions(mapping.names(sequences).tolist(), spoken(sequences)) == (False, False)
    verdict = mapping.check()
    assert not verdict
    (a, k), (b, l) = verdict.witness.objects
    assert (a, k) != (b, l)
    assert plain_names(a, *case, gain=1)[k] == plain_names(b, *case, gain=1)[l]


@pytest.mark.parametrize("case, holds", [((4, 1, 3), True), ((6, 1, 4), True), ((6, 1, 3), False), ((3, 2, 3), False)])
def test_gain_two_breaks_larger_cases(case, holds):
    mapping = universal.contextual_mapping(*case, gain=2)
    sequences = mapping.sequences()
    assert conditions(mapping.names(sequences).tolist(), spoken(sequences)) == (True, holds)
    assert mapping.check().holds is holds


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("switch", [dict(descending=True), dict(skip=(1,))])
def test_order_and_a_skipped_level_are_no_negative_controls(case, switch):
    assert universal.contextual_mapping(*case, **switch).check()


@pytest.mark.parametrize("case", CASES)
def test_without_the_global_shift_sequences_share_names(case):
    verdict = universal.contextual_mapping(*case, spread=0).check()
    (a, k), (b, l) = verdict.witness.objects
    assert not verdict and sorted(a) != sorted(b)
    assert plain_names(a, *case, spread=0)[k] == plain_names(b, *case, spread=0)[l]


def test_too_small_a_spread_fails():
    case = (3, 2, 3)
    verdict = universal.contextual_mapping(*case, spread=1).check()
    (a, k), (b, l) = verdict.witness.objects
    assert not verdict and sorted(a) != sorted(b)
    assert plain_names(a, *case, spread=1)[k] == plain_names(b, *case, spread=1)[l]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("mixing", ["one head", "average", "none"])
def test_other_mixing_fails(case, mixing):
    mapping = universal.contextual_mapping(*case, mixing=mixing)
    verdict = mapping.check()
    if mixing == "average" and case in [(4, 1, 3), (2, 2, 3)]:
        assert verdict  # so few sequences that the sum of the tokens tells them apart
        return
    assert not verdict
    (a, k), (b, l) = verdict.witness.objects
    assert sorted(a) != sorted(b)
    if mixing == "one head":
        return
    assert a[k] == b[l]
    first, second = (
        universal.block_names(mapping, np.array(s).reshape(1, case[2], case[1]))[0, at].item()
        for s, at in zip((a, b), (k, l))
    )
    assert first == pytest.approx(second, rel=1e-12)


def test_average_heads_add_the_mean():
    mapping = universal.contextual_mapping(2, 2, 2, mixing="average")
    sequences = mapping.sequences()
    exact = torch.tensor([[float(name) for name in row] for row in mapping.names(sequences)], dtype=torch.float64)
    torch.testing.assert_close(universal.block_names(mapping, sequences), exact)


def test_one_real_head_moves_every_token():
    mapping = universal.contextual_mapping(2, 1, 2, mixing="one head")
    sequences = mapping.sequences()
    exact = torch.tensor(mapping.names(sequences).astype(float))
    torch.testing.assert_close(universal.block_names(mapping, sequences), exact)


def test_repeated_tokens_share_a_name():
    verdict = universal.contextual_mapping(4, 1, 3).check(repeated=True)
    (a, k), (b, l) = verdict.witness.objects
    assert not verdict and a == b and k != l and a[k] == a[l] and "equal tokens" in str(verdict.witness)


def test_without_positions_reorderings_share_names():
    verdict = universal.contextual_mapping(4, 1, 3).check("identity")
    (a, k), (b, l) = verdict.witness.objects
    assert not verdict and a != b and sorted(a) == sorted(b)
    assert plain_names(a, 4, 1, 3)[k] == plain_names(b, 4, 1, 3)[l]
    assert universal.contextual_mapping(4, 1, 3, positions=True).check("identity")


def test_lemma_10_needs_the_gain_and_no_positions():
    mapping = universal.contextual_mapping(4, 1, 3, gain=2)
    sequence, largest, lower, upper = universal.bounds(mapping).witness.objects
    assert largest < lower == 48 and upper == 183
    beyond = universal.bounds(universal.contextual_mapping(4, 1, 3, positions=True))
    assert not beyond and beyond.witness.objects[1] > 183


def test_a_small_marker_hides_among_the_good():
    mapping = universal.contextual_mapping(4, 1, 3)
    broken = universal.range_of_names(mapping, marker=5)
    sequence, token, name, smallest, largest = broken.witness.objects
    assert not broken and smallest <= name <= largest and min(sequence) == -5
    assert plain_names(sequence, 4, 1, 3)[token] == name


def test_a_threshold_that_does_not_last_is_none():
    assert threshold(lambda scales: [1 / scale for scale in scales], tolerance=0.1) == pytest.approx(10, rel=0.02)
    with pytest.raises(ValueError, match="no threshold"):
        threshold(lambda scales: [1 / scale if scale < 100 else 1.0 for scale in scales], tolerance=0.1)
    with pytest.raises(ValueError, match="no scale up to"):
        threshold(lambda scales: [1.0 for _ in scales], tolerance=0.1)


@pytest.mark.parametrize("case, expected", [((2, 1, 3), 66), ((2, 2, 2), 31), ((3, 1, 3), 213)])
def test_softmax_has_a_threshold(case, expected):
    mapping = universal.contextual_mapping(*case, positions=True)
    threshold = universal.softmax_threshold(mapping)
    assert threshold == pytest.approx(expected, rel=0.03)
    steep, cold = (universal.blocks(mapping, softmax(scale)) for scale in (threshold * 1.01, threshold / 1.05))
    assert steep and [h.holds for h in (*steep.statement.hypotheses, *cold.statement.hypotheses)] == [
        True,
        True,
        False,
        True,
    ]
    sequence, token, got, exact = cold.witness.objects
    assert not cold and abs(got - exact) > 0.5 and cold.margin == pytest.approx(0.5 - abs(got - exact))
    assert universal.softmax_errors(mapping, [1000.0])[0] < 1e-9


def test_float32_dies_where_the_names_outgrow_24_bits():
    for case in CASES[:3]:
        fits = universal.Budget(*case).fits("float32")
        assert universal.blocks(universal.contextual_mapping(*case), dtype=torch.float32).holds is fits
    assert [universal.Budget(*case).fits("float32") for case in CASES[:3]] == [True, True, False]
    assert universal.Budget(6, 1, 3).bits == 23  # 1/6 is rounded as well
    assert not universal.blocks(universal.contextual_mapping(6, 1, 3), dtype=torch.float32)


def test_big_integers_stay_exact():
    mapping = universal.contextual_mapping(8, 2, 8)
    sequence = np.array([[[k, 7 - k] for k in range(8)]])
    names = mapping.names(sequence)
    assert names[0].tolist() == plain_names(sequence[0], 8, 2, 8)
    assert max(names[0]) > 2**64


def test_sequences_are_all_there():
    assert len(universal.contextual_mapping(4, 1, 3).sequences()) == 4 * 3 * 2
    assert len(universal.contextual_mapping(4, 1, 3).sequences(repeated=True)) == 4**3
    with_positions = universal.contextual_mapping(2, 1, 3, positions=True).sequences()
    assert {tuple(row) for row in with_positions[:, :, 0].tolist()} == set(itertools.product(range(2), repeat=3))


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: universal.contextual_mapping(4, 1, 1), ["length", "at least 2"]),
        (lambda: universal.contextual_mapping(4, 1, 3, gain=-1), ["gain", "-1"]),
        (lambda: universal.contextual_mapping(4, 1, 3, spread=-2), ["spread", "-2"]),
        (lambda: universal.contextual_mapping(2, 1, 3).sequences(), ["length", "grid has 2"]),
        (lambda: universal.contextual_mapping(10, 2, 4).sequences(), ["sequences", "20,000"]),
        (lambda: universal.contextual_mapping(4, 1, 3).names(np.zeros((1, 2, 1), dtype=int)), ["sequences", "(3, 1)"]),
        (lambda: universal.contextual_mapping(4, 1, 3).check("order"), ["equivalence"]),
    ],
)
def test_errors(make, words):
    with pytest.raises(Exception) as caught:
        make()
    assert all(word in str(caught.value) for word in words), str(caught.value)

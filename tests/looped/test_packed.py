"""One block with all three stages: end to end, its size, its switches, its error against the theorem's bound."""

import itertools
from fractions import Fraction

import pytest
import torch

from seqlab import looped
from seqlab.layers import count

FUNCTIONS = [looped.times_mean, looped.below_largest]


@pytest.mark.parametrize("f", FUNCTIONS)
@pytest.mark.parametrize("levels, loops", [(2, 13), (3, 47), (4, 115)])
def test_end_to_end_in_exact_arithmetic(f, levels, loops):
    with_clock, without = looped.packed(f, levels, clock=True), looped.packed(f, levels)
    exact = with_clock.check()
    assert exact and exact.margin == 1e-12
    verdict = without.check()
    assert verdict and verdict.margin >= without.table.largest_step / 2 - 1e-12
    assert with_clock.loops == without.loops == loops
    assert looped.check_loops(without.stages, levels) and looped.check_steps(without.table)


@pytest.mark.parametrize("levels, dim, length", [(2, 1, 2), (4, 1, 3), (2, 2, 2), (2, 2, 3), (3, 1, 1)])
def test_other_sizes_with_a_clock(levels, dim, length):
    made = looped.packed(looped.times_mean, levels, dim, length, clock=True)
    assert made.check(dtype=torch.float64) and looped.check_loops(made.stages, levels, dim, length)
    assert (made.program.embedding, made.program.width) == (2 * dim + 6, 2 * dim + 6)


def test_the_size_does_not_depend_on_length_or_accuracy():
    sizes = set()
    for levels, length in [(2, 2), (3, 2), (4, 3)]:
        made = looped.packed(looped.times_mean, levels, 1, length)
        network = made.network()
        size = count(network, length)
        assert (size.heads, size.head_dim, size.layers, size.width, size.hidden) == (1, 1, 1, 12, 26)
        sizes.add(size.parameters)
        assert made.check_size()
    assert len(sizes) == 1
    assert looped.packed(looped.times_mean, 2, 3).check_size()


def test_the_same_weights_in_every_loop():
    for clock in (False, True):
        made = looped.packed(looped.times_mean, 2, clock=clock)
        network = made.network()
        used = network.applied(torch.rand(3, 2, 1, dtype=torch.float64), made.loops)
        assert len(used) == made.loops and len(set(used)) == 1


@pytest.mark.parametrize("f", FUNCTIONS)
@pytest.mark.parametrize("levels", [2, 3])
@pytest.mark.parametrize("clock", [False, True])
def test_operator_is_the_exact_network(f, levels, clock):
    made = looped.packed(f, levels, clock=clock)
    for cells in itertools.product(range(levels), repeat=2):
        out = made.exact([made.table.point(z, Fraction(1, 3)) for z in cells])
        got = torch.tensor([[float(v) for v in row] for row in out], dtype=torch.float64)
        torch.testing.assert_close(got, made.operator[cells], rtol=0, atol=1e-12)


@pytest.mark.parametrize("levels, clock", [(2, False), (4, True)])
def test_real_layers_on_random_inputs(levels, clock):
    made = looped.packed(looped.below_largest, levels, clock=clock)
    x = torch.rand(1000, 2, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(made.network()(x, made.loops), made.lookup(x), rtol=0, atol=1e-6)
    torch.testing.assert_close(made.network()(x.flip(1), made.loops).flip(1), made.lookup(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize("clock", [False, True])
def test_the_right_edge_is_counted_once(clock):
    made = looped.packed(looped.times_mean, 2, clock=clock)
    x = torch.tensor([[[0.25], [1.0]]], dtype=torch.float64)
    torch.testing.assert_close(made.network()(x, made.loops), made.lookup(x), rtol=0, atol=1e-9)


def test_terms_of_the_bound():
    terms = looped.bound(looped.below_largest, 4, slope=2**10)
    assert terms.token == pytest.approx(2**0.5 / 4) and terms.contextual == pytest.approx(2**0.5 * 0.3125)
    assert terms.repeated == pytest.approx(2**0.5 * 4**-0.5) and terms.ramps == pytest.approx(
        2**0.5 * (6 / 2**10) ** 0.5
    )
    assert terms.sequence == pytest.approx(0.5) and looped.rate() == -0.25 and looped.rate(2, 3) == -1 / 9
    assert terms.total == sum((terms.token, terms.contextual, terms.sequence, terms.repeated, terms.ramps))


def test_more_loops_than_needed_change_nothing():
    made = looped.packed(looped.times_mean, 2)
    x = torch.rand(200, 2, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    network = made.network()
    torch.testing.assert_close(network(x, 34), network(x, made.loops), rtol=0, atol=1e-9)


@pytest.mark.parametrize("f", FUNCTIONS)
@pytest.mark.parametrize(
    "switch, broken", [("flags", dict(flags=False)), ("slope", dict(slope=8)), ("labels", dict(shuffle=1))]
)
def test_switches_without_a_clock(f, switch, broken):
    verdict = looped.packed(f, 4, **broken).check()
    assert not verdict and verdict.margin < 0 and verdict.witness.objects
    assert [h.name for h in verdict.statement.hypotheses if not h.holds] == [switch]


def test_digits_and_loops_without_a_clock():
    made = looped.packed(looped.times_mean, 3)
    for dtype in (torch.float64, torch.float32):
        assert not made.check(dtype=dtype)
    assert looped.packed(looped.times_mean, 2).check(dtype=torch.float64)
    few = made.check(loops=made.loops - 1)
    assert not few and few.witness.objects[0] in ((1, 2), (2, 1))


@pytest.mark.parametrize(
    "switch, broken", [("flags", dict(flags=False)), ("slope", dict(slope=8)), ("clock", dict(stopped=True))]
)
def test_switches_with_a_clock(switch, broken):
    verdict = looped.packed(looped.times_mean, 3, clock=True, **broken).check()
    assert not verdict and [h.name for h in verdict.statement.hypotheses if not h.holds] == [switch]


def test_a_clock_does_not_mind_shuffled_labels_but_repeated_tokens():
    assert looped.packed(looped.times_mean, 4, clock=True, shuffle=1).check()
    made = looped.packed(looped.times_mean, 4, clock=True)
    assert not made.check(repeated=True) and len(set(made.check(repeated=True).witness.objects[0])) == 1
    assert not made.check(loops=made.loops - 1)


@pytest.mark.parametrize("clock", [False, True])
def test_every_switch_breaks_the_theorem_but_shuffling_under_a_clock(clock):
    check, labels = looped.switches(clock=clock)
    assert check()
    for name in labels:
        verdict = check(**{name: True})
        holds = clock and name == "labels"
        assert bool(verdict) == holds, (name, str(verdict))
        assert len([h for h in verdict.statement.hypotheses if not h.holds]) == 1


def test_trace_says_which_stage_is_at_work():
    made = looped.packed(looped.times_mean, 3)
    frames = made.trace(torch.tensor([[[0.1], [0.9]]], dtype=torch.float64), made.loops + 2)
    parts = [frame.part for frame in frames]
    assert parts[:6] == ["input", "tokens", "tokens", "sequence", "sequence", "values"]
    assert parts[-3:] == ["values", "done", "done"] and len(frames) == made.loops + 3
    at = made.program.names.index
    assert frames[2].tokens[0, :, at("z")].tolist() == [0, 2] and frames[4].tokens[0, :, at("acc")].tolist() == [6, 6]
    assert [frame.tokens[0, 0, at("in2")].item() for frame in frames[:3]] == [0, 0, 1]
    assert [frame.tokens[0, 0, at("in3")].item() for frame in frames[3:6]] == [0, 1, 1]


def test_table_fills_and_orders():
    table = looped.table(looped.times_mean, 4)
    assert len(table.used) == 12 and len(table.labels) == 2 * 16 * 3 + 14 + 1
    assert table.labels[table.id(3, 14)] == table.values[(2, 3), 3]
    shuffled = looped.table(looped.times_mean, 4, shuffle=1)
    assert sorted(shuffled.values.values()) == sorted(table.values.values())
    assert not looped.check_steps(shuffled, shuffled=True)
    assert not looped.check_steps(looped.table(looped.below_largest, 4, fill="hold"))


def test_a_carry_makes_consecutive_ids_strangers():
    """In two coordinates the other token leaps from one end of the first to the other while the id grows by 1."""
    others = lambda x: x.sum(1, keepdim=True) - x
    verdict = looped.check_steps(looped.table(others, 4, 2), points=5)
    assert not verdict and [h.name for h in verdict.statement.hypotheses if not h.holds] == ["neighbours"]
    assert looped.table(others, 4, 2).largest_step == pytest.approx(3 / 4)
    plain = looped.check_steps(looped.table(others, 6))
    assert plain and all(h.holds for h in plain.statement.hypotheses)


def test_rounding_under_a_clock_counts_as_a_broken_hypothesis():
    made = looped.packed(looped.below_largest, 5, clock=True)
    rough, fine = made.check(dtype=torch.float32), made.check(dtype=torch.float64)
    assert not rough and fine
    assert all([h.name for h in v.statement.hypotheses if not h.holds] == ["exact"] for v in (rough, fine))


@pytest.mark.parametrize("clock", [False, True])
def test_error_is_within_the_bound_and_falls(clock):
    for f in FUNCTIONS:
        points = looped.curve(f, [2, 3, 4], clock=clock)
        assert looped.check_rate(points, clock=clock) and [q.r for q in points] == [34, 164, 514]
        errors = [q.error for q in points]
        assert errors == sorted(errors, reverse=True) and all(q.built < q.r for q in points)
    far = [looped.Point(q.levels, q.r, q.built, 10.0, q.bound) for q in points]
    assert not looped.check_rate(far)


def test_ramps_cost_what_their_volume_says():
    errors = looped.slope_errors(looped.times_mean, 4, [16, 64, 256, 1024], samples=2**12)
    assert errors == sorted(errors, reverse=True)
    assert errors[0] / errors[-1] == pytest.approx(8, rel=0.4)
    made = looped.packed(looped.times_mean, 4, clock=True)
    assert looped.error(made, samples=2**10, network=True) == pytest.approx(looped.error(made, samples=2**10), abs=1e-3)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: looped.packed(looped.times_mean, 4, slope=3), ["slope", "1/δ = 4"]),
        (lambda: looped.packed(looped.times_mean, 4, stopped=True), ["stopped", "clock=True"]),
        (lambda: looped.table(looped.times_mean, 2, 1, 3), ["length", "the grid has 2"]),
        (lambda: looped.table(looped.times_mean, 40, 1, 4), ["sets of tokens", "5,000"]),
        (lambda: looped.table(lambda x: x[:, :1], 3), ["f: returned shape"]),
        (lambda: looped.table(lambda x: 3, 3), ["f: returned int"]),
        (lambda: looped.table(lambda x: x / 0, 3), ["NaN or an infinity"]),
        (lambda: looped.packed(lambda x: x.cumsum(1), 3), ["not permutation equivariant", "(1, 0)"]),
        (lambda: looped.table(lambda x: x + x.roll(1, 1) - x.roll(2, 1), 4, 1, 3), ["not permutation equivariant"]),
        (lambda: looped.table(looped.times_mean, 3, fill="steps"), ["fill", "'steps'"]),
    ],
)
def test_errors(make, words):
    with pytest.raises(ValueError) as caught:
        make()
    assert all(word in str(caught.value) for word in words), str(caught.value)

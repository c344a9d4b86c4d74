"""One block with all three stages: end to end, its size, its switches, its error against the theorem's bound."""

import itertools
from fractions import Fraction

import pytest
import torch

from seqlab import looped
from seqlab.universal import distance

FUNCTIONS = [looped.times_mean, looped.below_largest]


@pytest.mark.parametrize("f", FUNCTIONS)
@pytest.mark.parametrize("levels, loops", [(2, 13), (3, 47), (4, 115)])
def test_end_to_end_in_exact_arithmetic(f, levels, loops):
    with_clock, without = looped.packed(f, levels, clock=True), looped.packed(f, levels)
    exact = looped.check_packed(with_clock)
    assert exact and exact.margin == 1e-12
    verdict = looped.check_packed(without)
    assert verdict and verdict.margin >= without.table.largest_step / 2 - 1e-12
    assert with_clock.program.loops == without.program.loops == loops
    assert looped.check_loops(without.stages, levels) and looped.check_steps(without.table)


@pytest.mark.parametrize("levels, dim, length", [(2, 1, 2), (4, 1, 3), (2, 2, 2), (2, 2, 3), (3, 1, 1)])
def test_other_sizes_with_a_clock(levels, dim, length):
    made = looped.packed(looped.times_mean, levels, dim, length, clock=True)
    assert looped.check_packed(made, dtype=torch.float64) and looped.check_loops(made.stages, levels, dim, length)
    assert looped.sizes(made.program) == (2 * dim + 6, 2 * dim + 6)


def test_the_size_does_not_depend_on_length_or_accuracy():
    sizes = set()
    for levels, length in [(2, 2), (3, 2), (4, 3)]:
        made = looped.packed(looped.times_mean, levels, 1, length)
        size = made.program.count()
        assert looped.sizes(made.program) == (12, 26) and (size.heads, size.layers, size.width) == (1, 1, 12)
        sizes.add(size.units)
        assert looped.check_size(made.program, looped.THEOREM_3_6)
    assert len(sizes) == 1
    assert looped.check_size(looped.packed(looped.times_mean, 2, 3).program, looped.THEOREM_3_6)


def test_the_same_weights_in_every_loop():
    for clock in (False, True):
        made = looped.packed(looped.times_mean, 2, clock=clock)
        used = looped.weights_used(made.program.module(), torch.rand(3, 2, 1, dtype=torch.float64))
        assert len(used) == made.program.loops and len(set(used)) == 1


@pytest.mark.parametrize("f", FUNCTIONS)
@pytest.mark.parametrize("levels", [2, 3])
@pytest.mark.parametrize("clock", [False, True])
def test_operator_is_the_exact_network(f, levels, clock):
    made = looped.packed(f, levels, clock=clock)
    cells = list(itertools.product(range(levels), repeat=2))
    out = made.program.run([[made.table.point(z, Fraction(1, 3)) for z in each] for each in cells]).astype(float)
    torch.testing.assert_close(torch.tensor(out), made.operator.reshape(out.shape), rtol=0, atol=1e-12)


@pytest.mark.parametrize("levels, clock", [(2, False), (4, True)])
def test_real_layers_on_random_inputs(levels, clock):
    made = looped.packed(looped.below_largest, levels, clock=clock)
    x = torch.rand(1000, 2, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(made.program.module()(x), made.lookup(x), rtol=0, atol=1e-6)
    torch.testing.assert_close(made.program.module()(x.flip(1)).flip(1), made.lookup(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize("clock", [False, True])
def test_the_right_edge_is_counted_once(clock):
    made = looped.packed(looped.times_mean, 2, clock=clock)
    x = torch.tensor([[[0.25], [1.0]]], dtype=torch.float64)
    torch.testing.assert_close(made.program.module()(x), made.lookup(x), rtol=0, atol=1e-9)


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
    network = made.program.module()
    torch.testing.assert_close(network(x, 34), network(x, made.program.loops), rtol=0, atol=1e-9)


@pytest.mark.parametrize("f", FUNCTIONS)
@pytest.mark.parametrize(
    "switch, broken", [("flags", dict(flags=False)), ("slope", dict(slope=8)), ("labels", dict(shuffle=1))]
)
def test_switches_without_a_clock(f, switch, broken):
    verdict = looped.check_packed(looped.packed(f, 4, **broken))
    assert not verdict and verdict.margin < 0 and verdict.witness.objects
    assert [h.name for h in verdict.statement.hypotheses if not h.holds] == [switch]


def test_digits_and_loops_without_a_clock():
    made = looped.packed(looped.times_mean, 3)
    for dtype in (torch.float64, torch.float32):
        assert not looped.check_packed(made, dtype=dtype)
    assert looped.check_packed(looped.packed(looped.times_mean, 2), dtype=torch.float64)
    few = looped.check_packed(made, loops=made.program.loops - 1)
    assert not few and few.witness.objects[0] in ((1, 2), (2, 1))


@pytest.mark.parametrize(
    "switch, broken", [("flags", dict(flags=False)), ("slope", dict(slope=8)), ("clock", dict(stopped=True))]
)
def test_switches_with_a_clock(switch, broken):
    verdict = looped.check_packed(looped.packed(looped.times_mean, 3, clock=True, **broken))
    assert not verdict and [h.name for h in verdict.statement.hypotheses if not h.holds] == [switch]


def test_a_clock_does_not_mind_shuffled_labels_but_repeated_tokens():
    assert looped.check_packed(looped.packed(looped.times_mean, 4, clock=True, shuffle=1))
    made = looped.packed(looped.times_mean, 4, clock=True)
    assert (
        not looped.check_packed(made, repeated=True)
        and len(set(looped.check_packed(made, repeated=True).witness.objects[0])) == 1
    )
    assert not looped.check_packed(made, loops=made.program.loops - 1)


@pytest.mark.parametrize("clock", [False, True])
def test_every_switch_breaks_the_theorem_but_shuffling_under_a_clock(clock):
    check, labels = looped.switches(clock=clock)
    assert check()
    for name in labels:
        verdict = check(**{name: True})
        holds = clock and name == "labels"
        assert bool(verdict) == holds, (name, str(verdict))
        assert len([h for h in verdict.statement.hypotheses if not h.holds]) == 1


def test_stages_work_one_after_the_other():
    made = looped.packed(looped.times_mean, 3)
    loops = made.program.loops
    assert made.stages == (2, 2, loops - 4)
    states = made.trace(torch.tensor([[0.1], [0.9]], dtype=torch.float64), loops + 2).states
    column = lambda name: [state[0, :, made.program.names.index(name)].tolist() for state in states]
    assert len(states) == loops + 3 and column("z")[2] == [0, 2] and column("acc")[4] == [6, 6]
    assert [flag for flag, _ in column("in2")[:3]] == [0, 0, 1] and [f for f, _ in column("in3")[3:6]] == [0, 1, 1]


def test_table_fills_and_orders():
    table = looped.contextual_table(looped.times_mean, 4)
    assert len(table.used) == 12 and len(table.labels) == 2 * 16 * 3 + 14 + 1
    assert table.labels[table.id(3, 14)] == table.values[(2, 3), 3]
    shuffled = looped.contextual_table(looped.times_mean, 4, shuffle=1)
    assert sorted(shuffled.values.values()) == sorted(table.values.values())
    assert not looped.check_steps(shuffled)


def test_a_carry_makes_consecutive_ids_strangers():
    """In two coordinates the other token leaps from one end of the first to the other while the id grows by 1."""
    others = lambda x: x.sum(1, keepdim=True) - x
    verdict = looped.check_steps(looped.contextual_table(others, 4, 2), points=5)
    assert not verdict and [h.name for h in verdict.statement.hypotheses if not h.holds] == ["neighbours"]
    assert looped.contextual_table(others, 4, 2).largest_step == pytest.approx(3 / 4)
    plain = looped.check_steps(looped.contextual_table(others, 6))
    assert plain and all(h.holds for h in plain.statement.hypotheses)


def test_rounding_under_a_clock_counts_as_a_broken_hypothesis():
    made = looped.packed(looped.below_largest, 5, clock=True)
    rough, fine = looped.check_packed(made, dtype=torch.float32), looped.check_packed(made, dtype=torch.float64)
    assert not rough and fine
    assert all([h.name for h in v.statement.hypotheses if not h.holds] == ["exact"] for v in (rough, fine))


@pytest.mark.parametrize("clock", [False, True])
def test_error_is_within_the_bound_and_falls(clock):
    for f in FUNCTIONS:
        points = looped.curve(f, [2, 3, 4], clock=clock)
        assert looped.check_rate(points) and [q.r for q in points] == [34, 164, 514]
        errors = [q.error for q in points]
        assert errors == sorted(errors, reverse=True) and all(q.built < q.r for q in points)
    far = [looped.Point(q.levels, q.r, q.built, 10.0, q.bound) for q in points]
    assert not looped.check_rate(far)


def test_ramps_cost_what_their_volume_says():
    errors = looped.slope_errors(looped.times_mean, 4, [16, 64, 256, 1024], 2**12)
    assert errors == sorted(errors, reverse=True)
    assert errors[0] / errors[-1] == pytest.approx(8, rel=0.4)
    made = looped.packed(looped.times_mean, 4, clock=True)
    by_layers = distance(looped.times_mean, made.program.module(), 1, 2, samples=2**10)
    assert by_layers == pytest.approx(looped.error(made, 2**10), abs=1e-3)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: looped.packed(looped.times_mean, 4, slope=3), ["slope", "1/δ = 4"]),
        (lambda: looped.packed(looped.times_mean, 4, stopped=True), ["stopped", "clock=True"]),
        (lambda: looped.contextual_table(looped.times_mean, 2, 1, 3), ["length", "the grid has 2"]),
        (lambda: looped.contextual_table(looped.times_mean, 40, 1, 4), ["sets of tokens", "5,000"]),
        (lambda: looped.contextual_table(lambda x: x[:, :1], 3), ["f: returned shape"]),
        (lambda: looped.contextual_table(lambda x: 3, 3), ["f: returned int"]),
        (lambda: looped.contextual_table(lambda x: x / 0, 3), ["NaN or an infinity"]),
        (lambda: looped.packed(lambda x: x.cumsum(1), 3), ["not permutation equivariant"]),
        (
            lambda: looped.contextual_table(lambda x: x + x.roll(1, 1) - x.roll(2, 1), 4, 1, 3),
            ["not permutation equivariant"],
        ),
    ],
)
def test_errors(make, words):
    with pytest.raises(ValueError) as caught:
        make()
    assert all(word in str(caught.value) for word in words), str(caught.value)

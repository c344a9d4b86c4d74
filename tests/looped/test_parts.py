"""Programs and modules, the loops of the first two stages, δ(r)."""

from fractions import Fraction

import pytest
import torch

from seqlab import looped
from seqlab.looped import Head, Program, StageLoops, Unit
from seqlab.looped.program import step


def test_loop_quantiser_is_the_exact_floor():
    verdict = looped.check_floor(8, samples=2000)
    assert verdict and verdict.margin == 0.5 and verdict.checked == 2008
    assert looped.check_floor(3, 2) and looped.check_floor(5, 1, seed=3)
    assert looped.token_ids(8).width == 2 and looped.token_ids(8).head is None


@pytest.mark.parametrize("broken", [dict(loops=6), dict(slope=16), dict(slope=8)])
def test_loop_quantiser_breaks(broken):
    verdict = looped.check_floor(8, **broken)
    assert not verdict and verdict.witness.objects and any(not h.holds for h in verdict.statement.hypotheses)


def test_the_right_edge_belongs_to_the_last_cell_and_more_loops_change_nothing():
    module = looped.token_ids(4, 2).module()
    x = torch.tensor([[[1.0, 1.0], [0.25, 0.5], [0.0, 0.999]]], dtype=torch.float64)
    assert module(x, 3).flatten().tolist() == [15, 1 + 4 * 2, 12] == looped.floor_ids(x, 4).flatten().tolist()
    inside = x[:, 1:]
    assert torch.equal(module(inside, 50), module(inside, 3))
    assert looped.in_ramps(
        torch.tensor([[0.2499999, 0.1], [0.25, 0.1], [0.9999999, 0.0]]).double(), 4, 2**20
    ).tolist() == [
        True,
        False,
        False,
    ]


def test_twenty_sets_have_twenty_ids():
    verdict = looped.check_sequence(6, 3)
    assert verdict and verdict.margin == 0.5 and verdict.notes[0] == "20 ids for 20 sequences, smallest gap 1"
    assert looped.check_sequence(7, 2) and looped.check_sequence(5, 5) and looped.check_sequence(4, 1)
    (name,), *_ = looped.sequence_id(6).exact([[1], [5], [3]], 3)
    assert name == 5 * 36 + 3 * 6 + 1
    for ids in ([0, 1, 2], [4, 5, 3]):
        assert (
            looped.sequence_id(6).exact([[k] for k in ids], 3) == [[max(ids) * 36 + (max(ids) - 1) * 6 + min(ids)]] * 3
        )


@pytest.mark.parametrize("broken", [dict(loops=2), dict(base=2), dict(mark=False), dict(repeated=True)])
def test_sequence_ids_break(broken):
    verdict = looped.check_sequence(6, 3, **broken)
    assert not verdict and "share the sequence id" in verdict.witness.text
    assert [h.name for h in verdict.statement.hypotheses if not h.holds] == (
        ["distinct"] if "repeated" in broken else list(broken)
    )


def test_real_layers_and_fractions_agree():
    program = looped.sequence_id(6)
    ids = [[4], [0], [5], [2]]
    module = program.module()
    assert module.block.attention.heads == 1 and module.block.attention.head_dim == 1
    for loops in range(6):
        exact = [[float(v) for v in row] for row in program.exact(ids, loops)]
        assert module(torch.tensor(ids, dtype=torch.float64)[None], loops)[0].tolist() == exact


def test_weights_are_the_same_object_in_every_loop():
    module = looped.sequence_id(6).module()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    used = module.applied(torch.tensor([[[1.0], [2.0]]], dtype=torch.float64), 7)
    assert used == [module.block.feed_forward.up.weight.data_ptr()] * 7
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_clock_multiplies_what_the_feed_forward_adds():
    units = tuple(step({"a": 1}, 0, {"b": 1}, "copy"))
    clock = ({"b": Fraction(1, 2)}, {"b": -3}, {})
    program = Program(("a", "b"), ("a",), {"b": 10}, units, bias={"a": 1}, clock=clock)
    assert program.exact([[1]], 3) == [[10 + Fraction(1, 2) - 3]]
    assert program.module()(torch.ones(1, 1, 1, dtype=torch.float64), 3).item() == 7.5


def test_a_query_of_zero_sees_the_mean_of_all():
    program = Program(("q", "k", "out"), ("q", "k"), {"out": 0}, (), Head({"q": 1}, {"k": 1}, "out"))
    assert program.exact([[0, 1], [2, 2], [-1, 5]], 1) == [[Fraction(8, 3)], [5], [1]]


def test_loop_counts_and_delta():
    assert [looped.loops_for(n) for n in (1, 2, 3, 4, 10)] == [4, 34, 164, 514, 20002]
    assert [looped.delta(r) for r in (4, 34, 164, 514, 20002)] == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4, 1 / 10])
    for dim, length, levels in [(1, 2, 7), (2, 2, 5), (1, 4, 3), (3, 1, 10)]:
        r = looped.loops_for(levels, dim, length)
        assert looped.delta(r, dim, length) == pytest.approx(1 / levels)
        assert looped.finest(r, dim, length) == levels and looped.finest(r - 1, dim, length) == levels - 1
        allowed = looped.stage_loops(levels, dim, length)
        assert allowed.total < r and looped.check_loops(allowed, levels, dim, length)
    assert not looped.check_loops(StageLoops(3, 3, 5), 4) and not looped.check_loops(StageLoops(3, 2, 128), 4)
    assert looped.check_loops(StageLoops(3, 2, 127), 4).margin == 1  # not one loop to spare, and none too many


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: looped.token_ids(1), ["levels", "at least 2"]),
        (lambda: looped.token_ids(8, slope=4), ["slope", "at least 1/δ = 8"]),
        (lambda: looped.token_ids(4).exact([[Fraction(1, 2)]], -1), ["loops", "-1"]),
        (lambda: looped.memoriser([1, 2], clock=True).recall(loops=2), ["loops", "written for 1"]),
        (lambda: looped.check_sequence(3, 4), ["length", "there are 3"]),
        (lambda: looped.delta(2), ["loops", "more loops than tokens"]),
        (lambda: looped.stage_loops(4, 0), ["dim", "at least 1"]),
        (lambda: Program(("a",), ("a",), {"b": 0}, ()), ["names", "'b'"]),
        (lambda: Program(("a",), ("a",), {"a": 0}, (Unit({"z": 1}, 0, {"a": 1}, ""),)), ["names", "'z'"]),
    ],
)
def test_errors(make, words):
    with pytest.raises(ValueError) as caught:
        make()
    assert all(word in str(caught.value) for word in words), str(caught.value)

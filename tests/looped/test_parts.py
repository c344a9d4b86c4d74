"""Programs and modules, the loops of the first two stages, δ(r)."""

import pytest
import torch

from seqlab import looped
from seqlab.looped import StageLoops


def test_loop_quantiser_is_the_exact_floor():
    verdict = looped.check_floor(8)
    assert verdict and verdict.margin == 0.5 and verdict.checked == 2009
    assert looped.check_floor(3, 2) and looped.check_floor(5)
    size = looped.token_ids(8).count()
    assert size.units == 2 and size.heads == 0


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


def test_twenty_sets_have_twenty_ids():
    verdict = looped.check_sequence(6, 3)
    assert verdict and verdict.margin == 0.5 and verdict.notes[0] == "20 ids for 20 sequences, smallest gap 1"
    assert looped.check_sequence(7, 2) and looped.check_sequence(5, 5) and looped.check_sequence(4, 1)
    (name,), *_ = looped.sequence_id(6).run([1, 5, 3])
    assert name == 5 * 36 + 3 * 6 + 1
    for ids in ([0, 1, 2], [4, 5, 3]):
        name = max(ids) * 36 + (max(ids) - 1) * 6 + min(ids)
        assert looped.sequence_id(6).run(ids).tolist() == [[name]] * 3


@pytest.mark.parametrize("broken", [dict(loops=2), dict(base=2), dict(mark=False), dict(repeated=True)])
def test_sequence_ids_break(broken):
    verdict = looped.check_sequence(6, 3, **broken)
    assert not verdict and "share the sequence id" in verdict.witness.text
    assert [h.name for h in verdict.statement.hypotheses if not h.holds] == (
        ["distinct"] if "repeated" in broken else list(broken)
    )


def test_real_layers_and_fractions_agree():
    program, ids = looped.sequence_id(6), [4, 0, 5, 2]
    module = program.module()
    assert module.blocks[0].attention.heads == 1 and module.blocks[0].attention.head_dim == 1
    for loops in range(6):
        assert module(ids, loops).tolist() == program.run(ids, loops).astype(float).tolist()


def test_weights_are_the_same_object_in_every_loop():
    module = looped.sequence_id(6).module()
    before = {name: value.clone() for name, value in module.named_parameters()}
    used = looped.weights_used(module, torch.arange(7.0, dtype=torch.float64))
    assert used == [module.blocks[0].feed_forward.up.weight.data_ptr()] * 7
    assert all(torch.equal(value, before[name]) for name, value in module.named_parameters())


def test_loop_counts_and_delta():
    assert [looped.loops_for(n) for n in (1, 2, 3, 4, 10)] == [4, 34, 164, 514, 20002]
    assert [looped.delta(r) for r in (4, 34, 164, 514, 20002)] == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4, 1 / 10])
    for dim, length, levels in [(1, 2, 7), (2, 2, 5), (1, 4, 3), (3, 1, 10)]:
        r = looped.loops_for(levels, dim, length)
        assert looped.delta(r, dim, length) == pytest.approx(1 / levels)
        allowed = looped.stage_loops(levels, dim, length)
        assert allowed.total < r and looped.check_loops(allowed, levels, dim, length)
    assert not looped.check_loops(StageLoops(3, 3, 5), 4) and not looped.check_loops(StageLoops(3, 2, 128), 4)
    assert looped.check_loops(StageLoops(3, 2, 127), 4).margin == 1  # not one loop to spare, and none too many


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: looped.token_ids(1), ["levels", "at least 2"]),
        (lambda: looped.token_ids(8, slope=4), ["slope", "at least 1/δ = 8"]),
        (lambda: looped.token_ids(4).run([0], -1), ["loops", "-1"]),
        (lambda: looped.walk([1, 2], clock=True).run([0], 2), ["loops", "written for"]),
        (lambda: looped.check_sequence(3, 4), ["length", "there are 3"]),
        (lambda: looped.delta(2), ["loops", "more loops than tokens"]),
        (lambda: looped.stage_loops(4, 0), ["dim", "at least 1"]),
    ],
)
def test_errors(make, words):
    with pytest.raises(ValueError) as caught:
        make()
    assert all(word in str(caught.value) for word in words), str(caught.value)

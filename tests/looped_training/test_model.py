"""The looped transformer: weights are tied, clocks start as nothing, each switch changes one thing."""

import math

import pytest
import torch

from seqlab.looped_training import Block, Clock, Config, LoopedTransformer, parameters, passes, residuals, rms, sinusoid
from seqlab.looped_training.memoriser import Memoriser, table
from seqlab.looped_training.model import wider

IDS = torch.tensor([[0, 1, 2, 3, 0], [3, 3, 1, 0, 2]])


def model(seed=0, **options):
    torch.manual_seed(seed)
    return LoopedTransformer(4, 5, 3, Config(dim=8, heads=2, hidden=12, **options))


def test_sinusoid_is_cosines_then_sines():
    code = sinusoid(3, 6)
    angles = [3 / 10_000 ** (2 * i / 6) for i in range(3)]
    assert code.tolist() == pytest.approx([math.cos(a) for a in angles] + [math.sin(a) for a in angles])
    assert sinusoid(1).shape == (256,)


def test_states_are_one_block_again_and_again():
    made = model()
    states = made.states(IDS, 3)
    assert states.shape == (4, 2, 5, 8)
    for t in range(3):
        torch.testing.assert_close(made.blocks[0](states[t]), states[t + 1])
    torch.testing.assert_close(made(IDS, 3), made.answer(states)[3])
    torch.testing.assert_close(made(IDS, 2), made.answer(made.states(IDS, 5))[2])
    torch.testing.assert_close(made(IDS), made(IDS, 4))


def test_loops_cost_passes_not_parameters():
    assert parameters(model(loops=1)) == parameters(model(loops=9))
    assert passes(Config(loops=9)) == 9 and passes(Config(loops=1, layers=9)) == 9
    block = parameters(Block(8, 2, 12))
    assert parameters(model(layers=3, loops=1)) - parameters(model(loops=3)) == 2 * block


def test_every_clock_starts_as_no_clock():
    plain = model()(IDS, 3)
    for clock in ("additive", "modulated"):
        torch.testing.assert_close(model(clock=clock)(IDS, 3), plain)
    closed = model(clock="modulated", gate=0.0).states(IDS, 3)
    assert all(torch.equal(closed[0], state) for state in closed)


def test_a_clock_that_ticks_makes_loops_differ():
    made = model(clock="modulated")
    x = made.states(IDS, 0)[0]
    assert torch.equal(made.step(x, 1), made.step(x, 2))
    torch.nn.init.normal_(made.clock.emit.weight)
    assert not torch.allclose(made.step(x, 1), made.step(x, 2), atol=1e-3)
    stopped = model(clock="modulated", stopped=True)
    stopped.load_state_dict(made.state_dict())
    assert torch.equal(stopped.step(x, 7), made.step(x, 1)) and parameters(stopped) == parameters(made)
    plain = model()
    assert torch.equal(plain.step(x, 1), plain.step(x, 2))


def test_the_modulated_block_by_hand():
    torch.manual_seed(1)
    block, x, m = Block(8, 2, 12), torch.randn(2, 5, 8), torch.randn(4, 8)
    keep = torch.zeros(8)
    gates_closed = block(x, torch.stack([keep, keep, m[2], m[3]]))
    assert torch.equal(gates_closed, x)
    only_ff = block(x, torch.stack([keep, m[1], m[2], m[3]]))
    torch.testing.assert_close(only_ff, x + m[1] * block.feed_forward((1 + m[3]) * rms(x)))
    torch.testing.assert_close(block(x, torch.stack([keep + 1, keep + 1, keep, keep])), block(x))


@pytest.mark.parametrize("published", [False, True])
def test_both_parts_by_hand(published):
    """With softmax over heads written out; in the published block only queries and keys are normalized."""
    torch.manual_seed(2)
    block, x, m = Block(8, 2, 12, published), 3 * torch.randn(1, 5, 8), torch.randn(4, 8)
    seen = (1 + m[2]) * x / x.square().mean(-1, keepdim=True).sqrt()
    value, mixed = block.attention.value((1 + m[2]) * x if published else seen), []
    for h in (slice(0, 4), slice(4, 8)):
        scores = block.attention.query(seen)[..., h] @ block.attention.key(seen)[..., h].mT / 2
        mixed.append(scores.softmax(-1) @ value[..., h])
    y = x + m[0] * block.attention.out(torch.cat(mixed, -1))
    inside = y if published else y / y.square().mean(-1, keepdim=True).sqrt()
    wanted = y + m[1] * block.feed_forward((1 + m[3]) * inside)
    torch.testing.assert_close(block(x, m), wanted, atol=1e-4, rtol=1e-4)


def test_the_additive_clock_adds_to_the_stream_before_the_block():
    made = model(clock="additive")
    torch.nn.init.normal_(made.clock.emit.weight)
    x = made.states(IDS, 0)[0]
    torch.testing.assert_close(made.step(x, 2), made.blocks[0](x + made.clock(2)[0]))
    assert not torch.allclose(made.step(x, 2), made.step(x, 3), atol=1e-3)


def test_published_normalization_lets_the_stream_grow_with_its_size():
    proper, published = Block(8, 2, 12), Block(8, 2, 12, published=True)
    published.load_state_dict(proper.state_dict())
    x = torch.randn(1, 5, 8, generator=torch.Generator().manual_seed(0))
    added = lambda block, size: (block(size * x) - size * x).norm().item()
    assert added(proper, 1e4) < 1.5 * added(proper, 1)
    assert added(published, 1e4) > 1e3 * added(published, 1)


def test_wider_has_at_least_as_many_parameters():
    target = parameters(model(clock="modulated"))
    config = wider(Config(dim=8, heads=2, hidden=12), target, 4, 5, 3)
    found = parameters(LoopedTransformer(4, 5, 3, config))
    assert config.clock == "none" and target <= found < target + 2 * 8 + 1


def test_residuals():
    states = torch.tensor([[[3.0, 4.0]], [[3.0, 4.0]], [[0.0, 4.0]]])
    assert residuals(states) == pytest.approx([0, 3 / 5])


@pytest.mark.parametrize(
    "bad, message",
    [
        (dict(clock="wall"), "clock: got 'wall'"),
        (dict(loops=0), "at least 1"),
    ],
)
def test_bad_configs(bad, message):
    with pytest.raises(ValueError, match=message):
        Config(**bad)


def test_bad_inputs():
    with pytest.raises(ValueError, match="got 4 tokens"):
        model()(IDS[:, :4])
    with pytest.raises(ValueError, match="loops: got -1"):
        model()(IDS, -1)
    assert Clock(8, 4)(1).shape == (4, 8)


def test_memoriser_with_eta_one_is_the_one_without():
    k, y = table("random", 7, 0)
    torch.manual_seed(0)
    plain = Memoriser(3)
    clocked = Memoriser(3, clock=True)
    clocked.load_state_dict({**clocked.state_dict(), **plain.state_dict()})
    torch.testing.assert_close(plain(k), clocked(k))
    clocked.eta.data.zero_()
    torch.testing.assert_close(clocked(k), clocked.leave(clocked.enter(k[:, None]))[:, 0])
    assert y.abs().max() <= 1 and not torch.equal(y, table("random", 7, 1)[1])
    with pytest.raises(ValueError, match="labels"):
        table("rough", 7, 0)


def test_the_clock_counts_loops_from_one():
    made = model(clock="additive")
    with torch.no_grad():
        made.clock.emit.weight.normal_(generator=torch.Generator().manual_seed(0))
    states = made.states(IDS, 2)
    torch.testing.assert_close(states[1], made.step(states[0], 1))
    torch.testing.assert_close(states[2], made.step(states[1], 2))
    assert not torch.allclose(states[1], made.step(states[0], 0), atol=1e-3)


def test_accuracies_do_not_depend_on_how_the_questions_are_cut():
    made, draw = model(), torch.Generator().manual_seed(0)
    ids, wanted = torch.randint(4, (1500, 5), generator=draw), torch.randint(3, (1500,), generator=draw)
    whole = (made.answer(made.states(ids, 3)).argmax(-1) == wanted).double().mean(-1)
    assert made.accuracies(ids, wanted, 3) == pytest.approx(whole.tolist(), abs=2e-3)

"""A program as PyTorch layers: the same answers, weights with names, saved and loaded without the program."""

import copy
from fractions import Fraction

import numpy as np
import pytest
import torch

from seqlab import looped, patterns, universal
from seqlab import sparse as sparse_universal
from seqlab.attention import hardmax, softmax, step
from seqlab.looped.packed import times_mean
from seqlab.sigmoid import universal as sigmoid_universal
from seqlab.written import Head, Layer, Piecewise, Program, Unit, coordinates, one_hot
from seqlab.written.real import load
from tests.written.test_programs import TASKS

x, p, y = coordinates("x p y")
HALF = Fraction(1, 2)


def floats(numbers):
    return torch.tensor(np.asarray(numbers).astype(float))


def agree(program, tokens, tolerance=0.0):
    module = program.module()
    with torch.no_grad():
        got = module(torch.tensor(np.asarray(tokens).astype(float)))
    torch.testing.assert_close(got, floats(program.run(tokens)), rtol=tolerance, atol=tolerance)
    return module


def test_papers_as_layers():
    for mapping in (
        universal.contextual_mapping(3, 2, 2),
        universal.contextual_mapping(3, 1, 3, positions=True),
        sparse_universal.contextual_mapping(patterns.strided(2), 2, 1, 4),
        sigmoid_universal.contextual_mapping(4, 1, 3),
    ):
        agree(mapping.program(), mapping.sequences())
    for clock in (False, True):
        made = looped.packed(times_mean, 2, 1, 2, clock=clock)
        points = [[made.table.point(z, Fraction(1, 2)) for z in cells] for cells in made.table.sets]
        agree(made.program, points, 1e-9)


def shift():
    """One to the left, by looking for the position before."""
    p2 = coordinates("p2")
    places = {p: range, p2: lambda n: [k * k for k in range(n)]}
    head = Head((2 * (p - 1), -1), (p, p2), value=x, write=y, sees="causal")
    return Program([x], [y], [Layer([head])], positions=places)


def test_saved_and_loaded_it_gives_the_same(tmp_path):
    program = Program(
        [x], [y], [Layer([Head(1, x, x, y, sees=patterns.window(1)), Head(1, -x, x, y, sees=lambda n: np.eye(n) > 0)])]
    )
    for each in (program, shift()):
        tokens = torch.randint(5, (7, 6))
        module = agree(each, tokens)
        assert torch.equal(copy.deepcopy(module)(tokens), module(tokens))
        torch.save(module, tmp_path / "module.pt")
        assert torch.equal(torch.load(tmp_path / "module.pt", weights_only=False)(tokens), module(tokens))
        torch.save(module.state_dict(), tmp_path / "state.pt")
        state = torch.load(tmp_path / "state.pt")
        assert state["_extra_state"]["names"] == each.names and len(state) > 5
        alone = load(state)
        assert torch.equal(alone(tokens), module(tokens)) and alone.state_dict().keys() == state.keys()
        assert torch.equal(load(alone.state_dict())(tokens), module(tokens))
        fresh = each.module()
        with torch.no_grad():
            for parameter in fresh.parameters():
                parameter.zero_()
        fresh.load_state_dict(state)
        assert torch.equal(fresh(tokens), module(tokens))
        assert module.to(torch.float32)(tokens).dtype == torch.float32
    with pytest.raises(ValueError, match="names"):
        shift().module().load_state_dict(program.module().state_dict(), strict=False)


@pytest.mark.parametrize("name", TASKS)
def test_every_state_dict_is_enough(name, tmp_path):
    task = TASKS[name]()
    rows = [s for s in task.inputs if len(s) == len(task.inputs[-1])]
    for normalizer in (None, softmax(3.0), step().soft(5.0)):
        module, tokens = task.program.module(normalizer, torch.float32), torch.tensor(np.asarray(rows).astype(float))
        torch.save(module.state_dict(), tmp_path / "state.pt")
        alone = load(torch.load(tmp_path / "state.pt"))
        torch.testing.assert_close(alone(tokens), module(tokens), rtol=0, atol=0, equal_nan=True)
        assert alone.leave.weight.dtype == torch.float32


def test_what_was_loaded_trains_on_and_takes_kernels():
    program, tokens = shift(), torch.randint(5, (16, 6))
    state = program.module(softmax(1.0)).state_dict()
    alone, fast = load(state), load(program.module(softmax(1.0), torch.float32).state_dict(), impl="tiled")
    torch.testing.assert_close(fast(tokens), alone(tokens).float(), rtol=1e-4, atol=1e-4)
    before = alone(tokens).sum()
    before.backward()
    torch.optim.SGD(alone.parameters(), 1e-3).step()
    assert alone(tokens).sum() != before and all(each.requires_grad for each in alone.parameters())
    with pytest.raises(ValueError, match="up to 32 tokens"):
        alone(torch.zeros(1, 40))
    state["_extra_state"]["normalizer"][0] = "Mine"
    with pytest.raises(ValueError, match="Mine cannot be made"):
        load(state)


def test_no_weights_are_drawn():
    torch.manual_seed(0)
    want = torch.rand(1)
    torch.manual_seed(0)
    universal.contextual_mapping(3, 2, 2).program().module()
    assert torch.equal(torch.rand(1), want)


def test_softmax_with_the_gap_of_the_trace_is_hardmax():
    program, tokens = shift(), torch.randint(5, (7, 6))
    gap = program.trace(tokens).gap
    assert gap == 1
    soft = program.module(hardmax().soft(800 / float(gap)))
    torch.testing.assert_close(soft(tokens), floats(program.run(tokens)), rtol=0, atol=0)
    blunt = program.module(softmax(1.0))
    assert (blunt(tokens) - floats(program.run(tokens))).abs().max() > 0.1


@pytest.mark.parametrize("normalizer", [softmax(50.0), step().soft(50.0)], ids=repr)
@pytest.mark.parametrize("impl", ["reference", "tiled"])
def test_kernels(normalizer, impl):
    program = Program([x], [y], [Layer([Head(x - 2 - HALF, x, x, y, sees="causal"), Head(1, -x, x, -y)])])
    tokens = torch.randint(5, (3, 6))
    want, got = (program.module(normalizer, torch.float32, impl=way)(tokens) for way in (None, impl))
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)


def test_it_trains_on():
    module = shift().module(softmax(1.0))
    tokens = torch.randint(5, (16, 6))
    want = torch.cat([tokens[:, :1], tokens[:, :-1]], dim=1)[..., None].double()
    optimiser = torch.optim.Adam(module.parameters(), 5e-3)
    losses = []
    for _ in range(40):
        loss = (module(tokens) - want).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_one_hot_clock_and_other_activations():
    s, t, out = one_hot("s", 3), coordinates("t"), coordinates("out")
    jump = Piecewise((1, 2), ((0, 0), (0, 5), (1, HALF)))
    units = [Unit(s.number + t, out, jump), Unit(s[2] - t, out)]
    program = Program([s], [out], [Layer([Head(s, s, 1, y)], units)], loops=3, clock=t)
    tokens = np.array([[0, 1, 2, 1], [2, 2, 0, 1]])
    agree(program, tokens)
    with pytest.raises(ValueError, match="0 to 2"):
        program.run([[0, 3]])
    with pytest.raises(ValueError, match="0 to 2"):
        program.module()(torch.tensor([[0, 3]]))

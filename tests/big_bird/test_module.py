import io

import pytest
import torch

from seqlab.attention import attention
from seqlab.big_bird import BigBirdAttention, Plan
from seqlab.layers import SelfAttention, count
from tests.typecheck import plain

PLAN = Plan(4, random_blocks=2, heads=2, seed=5)


def layers(plan=PLAN, **options):
    made = [
        BigBirdAttention(6, 2, 3, plan=plan, impl=impl, bias=True, **options).double()
        for impl in ("dense", "blocked", "kernel")
    ]
    for layer in made[1:]:
        layer.load_state_dict(made[0].state_dict())
    return made


def test_three_ways_one_result():
    x = torch.randn(2, 41, 6, dtype=torch.float64)
    real = torch.rand(2, 41) > 0.3
    dense, *others = (layer(x, real) for layer in layers())
    for out in others:
        torch.testing.assert_close(out, dense, rtol=0, atol=1e-12)


def test_takes_the_place_of_self_attention_and_gives_it_back():
    full = SelfAttention(6, 2, bias=True).double()
    layer = BigBirdAttention(6, 2, plan=PLAN, bias=True).double()
    layer.load_state_dict(full.state_dict())
    x = torch.randn(1, 41, 6, dtype=torch.float64)
    assert not torch.allclose(layer(x), full(x))
    full.pattern = PLAN.mask(41)
    torch.testing.assert_close(layer(x), full(x), rtol=0, atol=1e-12)
    torch.testing.assert_close(layer.with_weights(x)[0], full(x), rtol=0, atol=1e-12)
    SelfAttention(6, 2, bias=True).double().load_state_dict(dict(layer.named_parameters()))


def test_scale_and_gradients_reach_every_parameter():
    for layer in layers(scale=1.0):
        x = torch.randn(1, 40, 6, dtype=torch.float64)
        q, k, v = (part(x).unflatten(-1, (2, 3)).transpose(1, 2) for part in (layer.query, layer.key, layer.value))
        want = attention(q, k, v, pattern=PLAN.mask(40), scale=1.0).transpose(1, 2).flatten(2)
        out = layer(x)
        torch.testing.assert_close(out, layer.out(want), rtol=0, atol=1e-12)
        out.square().sum().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in layer.parameters())


def test_a_reloaded_layer_has_the_same_random_blocks():
    first, second = (BigBirdAttention(6, 2, plan=plan) for plan in (PLAN, Plan(4, seed=6, extra=3, global_tokens=(1,))))
    file = io.BytesIO()
    torch.save(torch.nn.Sequential(second, first).state_dict(), file)
    file.seek(0)
    both = torch.nn.Sequential(BigBirdAttention(6, 2), BigBirdAttention(6, 2))
    both.load_state_dict(torch.load(file, weights_only=True))
    x = torch.randn(1, 43, 6)
    for ours, theirs in zip(both, (second, first)):
        assert ours.plan == theirs.plan
        assert torch.equal(ours(x), theirs(x)) and torch.equal(ours.with_weights(x)[0], theirs.with_weights(x)[0])


def test_counts_connections():
    layer = BigBirdAttention(6, 2, plan=PLAN)
    assert layer.connections(41) == int(PLAN.mask(41).sum()) // 2
    assert count(layer, 41).connections == layer.connections(41)
    assert "plan=Plan(block=4" in repr(layer)


def test_errors():
    with pytest.raises(ValueError, match="impl: got 'flash'"):
        plain(BigBirdAttention.__init__)(BigBirdAttention.__new__(BigBirdAttention), 6, 2, impl="flash")
    with pytest.raises(ValueError, match="plan: has 3 heads, wanted 2"):
        BigBirdAttention(6, 2, plan=Plan(heads=3))
    with pytest.raises(ValueError, match="x: got dim 5"):
        BigBirdAttention(6, 2, plan=PLAN)(torch.randn(1, 40, 5))
    with pytest.raises(ValueError, match=r"x: got shape \(40, 6\), wanted \(batch, token, dim\)"):
        plain(BigBirdAttention.forward)(BigBirdAttention(6, 2, plan=PLAN), torch.randn(40, 6))
    with pytest.raises(ValueError, match="plan: has 2 heads, wanted 3"):
        BigBirdAttention(6, 3).set_extra_state(BigBirdAttention(6, 2, plan=PLAN).get_extra_state())

"""Blocks, kernels and the masked dense oracle compute the same: forward and gradients, in float64."""

from dataclasses import replace

import pytest
import torch

import kernels
from seqlab.attention import attention
from seqlab.big_bird import Plan, blocked_attention, dense_attention, kernel_attention
from tests.big_bird.test_plan import PLANS, by_hand
from tests.typecheck import plain

WAYS = {"blocked": blocked_attention, "kernel": kernel_attention}
each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def heads_of(plan, n, *, batch=2, dim=5, value=3, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    heads = max(plan.heads, 2)
    sizes = (dim, dim, value)
    return [torch.randn(batch, heads, n, d, generator=generator, dtype=dtype).requires_grad_() for d in sizes]


def with_gradients(function, tensors):
    out = function(*tensors)
    weight = torch.randn(out.shape, generator=torch.Generator().manual_seed(9), dtype=out.dtype)
    return [out, *torch.autograd.grad((out * weight).sum(), tensors)]


def oracle(plan, n, key_padding=None, scale=None):
    """The readable attention under a mask that was written down token by token."""
    mask = torch.stack([by_hand(plan, n, head) for head in range(plan.heads)])
    return lambda q, k, v: attention(q, k, v, pattern=mask, key_padding=key_padding, scale=scale)


def same(got, want, tolerance=1e-10):
    for ours, theirs in zip(got, want, strict=True):
        assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
        assert float((ours - theirs).detach().abs().max()) < tolerance


@each_way
@pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])
@pytest.mark.parametrize("plan, n", PLANS.values(), ids=PLANS)
def test_equals_the_masked_dense_oracle(plan, n, padded, way):
    real = None
    if padded:
        real = torch.rand(2, n, generator=torch.Generator().manual_seed(1)) > 0.4
        real[1, n // 3 :] = False  # whole blocks of padding, the global last one among them
    tensors = heads_of(plan, n)
    got = with_gradients(lambda q, k, v: way(q, k, v, plan, real), tensors)
    assert all(x.isfinite().all() for x in got)
    same(got, with_gradients(oracle(plan, n, real), tensors))


@each_way
def test_at_the_size_of_the_claim(way):
    plan = Plan(16, heads=4)
    tensors = heads_of(plan, 256, batch=1, dim=16, value=16)
    same(
        with_gradients(lambda *x: way(*x, plan), tensors),
        with_gradients(lambda *x: dense_attention(*x, plan), tensors),
    )


@each_way
def test_a_sequence_of_padding_gives_zeros_and_no_gradient(way):
    plan = PLANS["tokens, blocks, extra"][0]
    tensors = heads_of(plan, 46)
    real = torch.ones(2, 46, dtype=torch.bool)
    real[0] = False
    out, *gradients = with_gradients(lambda q, k, v: way(q, k, v, plan, real), tensors)
    assert not out[0].any() and out[1].abs().min() > 0
    assert all(not g[0].any() for g in gradients)


@each_way
def test_what_stands_in_the_padding_counts_for_nothing(way):
    plan = Plan(4, random_blocks=1, global_tokens=(30,), seed=2)
    q, k, v = (x.detach() for x in heads_of(plan, 40))
    real = (torch.arange(40) < 27).expand(len(q), 40)
    wanted = way(q, k, v, plan, real)
    for odd in (float("nan"), float("inf"), 1e300):
        k, v = (x.masked_fill(~real[:, None, :, None], odd).requires_grad_() for x in (k, v))
        out = way(q, k, v, plan, real)
        assert torch.equal(out, wanted)
        for grad in torch.autograd.grad(out.sum(), (k, v)):
            assert grad.isfinite().all() and not grad[:, :, 27:].any()


@each_way
def test_scale_and_float32(way):
    plan, n = PLANS["etc"]
    tensors = heads_of(plan, n, dtype=torch.float32)
    got = with_gradients(lambda q, k, v: way(q, k, v, plan, scale=0.3), tensors)
    same(got, with_gradients(oracle(plan, n, scale=0.3), tensors), 1e-5)


def test_the_kernels_take_the_layout_itself():
    plan = Plan(4, random_blocks=2, heads=2)
    q, k, v = heads_of(plan, 61)
    out = kernels.attention(q, k, v, layout=plan.layout(61))
    torch.testing.assert_close(out, blocked_attention(q, k, v, plan), rtol=0, atol=1e-12)


def test_no_key_comes_around_the_end():
    """Without global blocks a roll would show the last block to the first."""
    plan = Plan(4, global_blocks=(), random_blocks=0)
    q, k, v = heads_of(plan, 32)
    seen = torch.autograd.grad(blocked_attention(q, k, v, plan)[:, :, :4].sum(), v)[0]
    assert seen[:, :, :8].any() and not seen[:, :, 8:].any()


def test_a_key_that_two_parts_reach_counts_once():
    """Equal scores: weights are uniform over the keys, so a duplicate would weigh double."""
    plan = Plan(2, 3, (0, 1, -1), 2)
    n = 24
    q, v = torch.zeros(1, 1, n, 1, dtype=torch.float64), torch.eye(n, dtype=torch.float64)[None, None]
    weights = blocked_attention(q, q, v, plan)[0, 0]
    mask = plan.mask(n)[0]
    torch.testing.assert_close(weights, mask / mask.sum(1, keepdim=True).double())


def test_global_rows_hear_everyone():
    """Columns alone are a common mistake."""
    plan = Plan(2, 1, (0,), 0)
    q, k, v = heads_of(plan, 20)
    heard = torch.autograd.grad(blocked_attention(q, k, v, plan)[:, :, 0].sum(), v)[0]
    assert (heard != 0).all()


def test_memory_is_linear():
    from seqlab.big_bird.budget import stored

    short, long = stored("blocked", 1024), stored("blocked", 4096)
    assert 3.9 < long / short < 4.1


@pytest.mark.parametrize("way", [blocked_attention, kernel_attention, dense_attention])
def test_errors_name_the_argument(way):
    plan = Plan(4, random_blocks=1, heads=2)
    q, k, v = (x.detach() for x in heads_of(plan, 40))
    for arguments, error, words in (
        ((q[0], k, v, plan), ValueError, "q: got shape"),
        ((q.long(), k, v, plan), TypeError, "q: got torch.int64, wanted float16"),
        ((q, k.float(), v, plan), TypeError, "k: got torch.float32, q is torch.float64"),
        ((q, k[:, :, :-1], v, plan), ValueError, "v: got shape"),
        ((q, k[:, :, :-1], v[:, :, :-1], plan), ValueError, "shapes differ"),
        ((q, k[:, :1], v[:, :1], plan), ValueError, "shapes differ"),
        ((q, k, v, replace(plan, heads=3)), ValueError, "plan: has 3 heads, wanted 2"),
        ((q, k, v, plan, torch.ones(2, 40)), TypeError, "key_padding: got torch.float32"),
        ((q, k, v, plan, torch.ones(2, 39, dtype=torch.bool)), ValueError, "key_padding: got shape"),
        ((q[:, :, :12], k[:, :, :12], v[:, :, :12], plan), ValueError, "random_blocks: got 1"),
    ):
        with pytest.raises(error, match=words):
            plain(way)(*arguments)

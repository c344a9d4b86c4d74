"""Where nobody looks: NaN and infinity, nothing at all, views of views, transforms; every implementation alike."""

import math

import pytest
import torch

import kernels
from kernels import BlockLayout
from kernels.compare import check
from kernels.flash import versions
from tests.kernels.problems import layout, padding, qkv

both = pytest.mark.parametrize("normalizer", ["softmax", "sigmoid"])
IMPLS = ["reference", "tiled"]
if versions.installed() is not None and versions.interpreting():
    IMPLS.append("interpret")
every = pytest.mark.parametrize("impl", IMPLS)
LEAST = torch.finfo(torch.float32).min


@both
@every
def test_nan_in_a_padded_key_reaches_nobody(normalizer, impl):
    q, k, v = qkv(20, 24, batch=2)
    real = torch.arange(24) < torch.tensor([[20], [9]])
    want = kernels.attention(q, k, v, key_padding=real, normalizer=normalizer, impl=impl)
    k[0, :, 20:], k[1, :, 9:] = math.nan, math.inf
    torch.testing.assert_close(kernels.attention(q, k, v, key_padding=real, normalizer=normalizer, impl=impl), want)


@every
@pytest.mark.parametrize("causal", [False, True])
def test_an_infinite_score_is_a_weight_of_one_or_zero_under_sigmoid(impl, causal):
    q, k, v = qkv(21, 33)
    q[0, 0, 3, 2], q[0, 1, 5, 0] = math.inf, -math.inf
    want = kernels.attention(q, k, v, normalizer="sigmoid", causal=causal, impl="reference")
    assert torch.isfinite(want).all()
    torch.testing.assert_close(kernels.attention(q, k, v, normalizer="sigmoid", causal=causal, impl=impl), want)


@both
@every
def test_a_bias_of_the_least_number_does_not_hide(normalizer, impl):
    q, k, v = qkv(20, 24)
    added = torch.full((20, 24), LEAST)
    added[1] = -math.inf
    added[2, ::2] = 0
    out = kernels.attention(q, k, v, bias=added, normalizer=normalizer, impl=impl)
    row = v.mean(2) if normalizer == "softmax" else torch.zeros_like(v[:, :, 0])
    torch.testing.assert_close(out[:, :, 0], row)
    torch.testing.assert_close(out, kernels.attention(q, k, v, bias=added, normalizer=normalizer, impl="reference"))


@both
@every
@pytest.mark.parametrize("scale", [1e-46, -1e-46, 1e-40])
def test_a_scale_too_small_for_float32_is_zero(normalizer, impl, scale):
    q, k, v = qkv(20, 24)
    got, want = (
        kernels.attention(q, k, v, scale=x, causal=True, normalizer=normalizer, impl=impl) for x in (scale, 0.0)
    )
    torch.testing.assert_close(got, want)


@both
@pytest.mark.parametrize("impl", ["auto", *IMPLS])
def test_an_empty_batch_gives_an_empty_batch(normalizer, impl):
    q, k, v = (x.requires_grad_() for x in qkv(5, 7, batch=0, heads=4, kv_heads=2, value=3))
    bias = torch.zeros(5, 7, requires_grad=True)
    options = {"key_padding": torch.ones(0, 7, dtype=torch.bool), "alibi": torch.ones(4), "layout": layout(5, 7, 4)}
    out = kernels.attention(q, k, v, bias=bias, normalizer=normalizer, impl=impl, **options)
    assert out.shape == (0, 4, 5, 3) and out.dtype == q.dtype
    out.sum().backward()
    assert q.grad.shape == q.shape and v.grad.shape == v.shape and (bias.grad == 0).all()


def test_autocast_leaves_float64_alone():
    q, k, v = (x.double() for x in qkv(8))
    with torch.autocast("cpu", torch.bfloat16):
        out = kernels.attention(q, k, v)
        assert out.dtype == torch.nn.functional.scaled_dot_product_attention(q, k, v).dtype == torch.float64


@both
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("shape", [(2, 5, 1, 1), (1, 1, 1, 1), (2, 1, 3, 2), (1, 3, 1, 7), (3, 2, 5, 1)])
def test_every_view_is_read_right(normalizer, dtype, shape):
    x = torch.randn(shape).to(dtype)
    wide = torch.randn(*shape[:-1], 2 * shape[-1] + 1).to(dtype)
    for view in (
        x.transpose(1, 2), x.mT, x.flip(0), wide[..., 1::2], x.expand(shape), x[:1].expand(4, *shape[1:]),
        x.permute(3, 2, 1, 0), x.contiguous(memory_format=torch.channels_last),
    ):  # fmt: skip
        check(view, view, view, impl="tiled", normalizer=normalizer)


@pytest.mark.parametrize("name", ["offsets", "indices", "offsets_t", "indices_t"])
@pytest.mark.parametrize("place", [-1, 2, 2_000_000_000])
def test_a_layout_that_points_outside_cannot_be_made(name, place):
    tables = {"offsets": [[0, 1, 2]], "indices": [0, 1], "offsets_t": [[0, 1, 2]], "indices_t": [0, 1]}
    tables[name] = [[0, place, 1]] if name.startswith("offsets") else [0, place]
    with pytest.raises(ValueError, match=rf"^{name}: got .*wanted"):
        BlockLayout(16, 32, 32, **{key: torch.tensor(x) for key, x in tables.items()})


@pytest.mark.parametrize("impl", ["auto", "tiled"])
@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # of torch.func itself
def test_transforms_are_told_which_implementation_knows_them(impl):
    q, k, v = qkv(8)
    calls = {
        "grad": lambda f: torch.func.grad(lambda x: f(x).sum())(q),
        "vmap": lambda f: torch.func.vmap(f)(torch.stack([q, q])),
        "jvp": lambda f: torch.func.jvp(f, (q,), (q,)),
        "vmap over a bias": lambda f: torch.func.vmap(lambda b: f(q, bias=b))(torch.randn(3, 8, 8)),
    }
    for call in calls.values():
        with pytest.raises(NotImplementedError, match="impl='reference'"):
            call(lambda x, **options: kernels.attention(x, k, v, impl=impl, **options))
        call(lambda x, **options: kernels.attention(x, k, v, impl="reference", **options))


@both
@every
def test_padding_of_everything_and_of_nothing(normalizer, impl):
    q, k, v = qkv(9, 70, batch=2)
    real = padding(2, 70)
    real[0] = True
    out = kernels.attention(q, k, v, key_padding=real, normalizer=normalizer, impl=impl)
    torch.testing.assert_close(out[:1], kernels.attention(q[:1], k[:1], v[:1], normalizer=normalizer, impl=impl))
    assert (out[1] == 0).all()

"""The short way of a plain call gives the bits of the long one, and leaves to it what it does not know."""

import pytest
import torch

import kernels
from kernels import native, short
from tests.kernels.problems import qkv

KINDS = {
    "one token": dict(n_query=1, heads=3),
    "a few rows beside whole vectors": dict(n_query=35, n_key=21),
    "views": dict(n_query=49, gaps=True),
    "grouped": dict(n_query=20, n_key=70, heads=6, kv_heads=2, batch=2),
    "bfloat16": dict(n_query=37, dtype=torch.bfloat16),
    "float64": dict(n_query=70, n_key=50, dtype=torch.float64, dim=7),
}


@pytest.fixture(autouse=True)
def compiled():
    if native._library()[0] is None:
        pytest.skip("there is no compiler")


@pytest.mark.parametrize("normalizer", ["softmax", "sigmoid"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_bits_of_the_long_way(normalizer, causal, kind):
    inputs = [x.requires_grad_() for x in qkv(**KINDS[kind])]
    assert short.attention(*inputs, normalizer, causal) is not None
    found = []
    for scale in (None, inputs[0].shape[3] ** -0.5):  # an option, though the same number
        out = kernels.attention(*inputs, normalizer=normalizer, causal=causal, scale=scale)
        totals = out.sum(), out.mT.square().sum()  # the gradient of the one is a number, spread out
        found.append([out, *(g for x in totals for g in torch.autograd.grad(x, inputs, retain_graph=True))])
        with torch.no_grad():
            found[-1].append(kernels.attention(*inputs, normalizer=normalizer, causal=causal, scale=scale))
    assert all(torch.equal(a, b) for a, b in zip(*found))


def test_an_expanded_input_is_read_where_it_lies():
    q, k, v = qkv(33)
    many = [x[:, :1, :1].expand(3, 4, 33, 16) for x in (q, k, v)]
    out = short.attention(*many, "softmax", False)
    assert out is not None and out.is_contiguous()
    torch.testing.assert_close(out, many[2])


@pytest.mark.parametrize(
    "change",
    [
        lambda q, k, v: (q, k, v.double()),
        lambda q, k, v: (q, k[:, :, :-1], v),
        lambda q, k, v: (q.half(), k.half(), v.half()),
        lambda q, k, v: (q[..., :0], k[..., :0], v[..., :0]),
        lambda q, k, v: (q.mT.contiguous().mT, k, v),
        lambda q, k, v: (q[0], k[0], v[0]),
        lambda q, k, v: (q.to("meta"), k.to("meta"), v.to("meta")),
        lambda q, k, v: (torch.nn.Parameter(q), k, v),
        lambda q, k, v: (q, k._neg_view(), v),
        lambda q, k, v: (q.to_sparse(), k, v),
        lambda q, k, v: (q.tolist(), k, v),
    ],
)
def test_what_it_leaves_to_the_long_way(change):
    assert short.attention(*change(*qkv(20)), "softmax", False) is None
    with native.disabled():
        assert short.attention(*qkv(20), "softmax", False) is None
    with torch.autocast("cpu", torch.bfloat16):
        assert short.attention(*qkv(20), "softmax", False) is None


@pytest.mark.parametrize("scale", [None, 0.3])
def test_memory_that_holds_the_other_sign(scale):
    """As imaginary parts of conjugated numbers do: inputs, a bias, the gradient of the output."""
    q, k, v = qkv(20, n_key=24)
    bias = None if scale is None else torch.randn(20, 24)
    found = []
    for minus in (torch.neg, torch._neg_view):
        inputs = [minus(x).requires_grad_() for x in (q, k, v)]
        out = kernels.attention(*inputs, scale=scale, bias=None if bias is None else minus(bias))
        found.append([out, *torch.autograd.grad(out, inputs, v[:, :, :20])])
        inputs = [x.clone().requires_grad_() for x in (q, k, v)]
        found[-1] += torch.autograd.grad(kernels.attention(*inputs, scale=scale), inputs, minus(v[:, :, :20]))
    assert all(torch.equal(a, b) for a, b in zip(*found))


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("kind", ["sparse_coo", "nested"])
def test_a_tensor_that_is_not_dense_is_refused(kind):
    x = torch.randn(2, 2, 4, 4)
    odd = x.to_sparse() if kind == "sparse_coo" else torch.nested.nested_tensor([x[0], x[1]])
    with pytest.raises(TypeError, match=f"q: got a {kind} tensor"):
        kernels.attention(odd, odd, odd)

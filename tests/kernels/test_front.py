"""The short way of a plain call gives the bits of the long one, and leaves to it what it does not know."""

import pytest
import torch
from torch.autograd import forward_ad

import kernels
from kernels import native
from tests.kernels.problems import padding, qkv

both = pytest.mark.parametrize("normalizer", ["softmax", "sigmoid"])
KINDS = {
    "one token": dict(n_query=1, heads=3),
    "a few rows beside whole vectors": dict(n_query=35, n_key=21),
    "views": dict(n_query=49, gaps=True),
    "grouped": dict(n_query=20, n_key=70, heads=6, kv_heads=2, batch=2),
    "bfloat16": dict(n_query=37, dtype=torch.bfloat16),
    "float64": dict(n_query=70, n_key=50, dtype=torch.float64, dim=7),
}
OPTIONS = {
    "a bias for all": lambda: {"bias": torch.randn(2, 4, 20, 24)},
    "a bias of each key": lambda: {"bias": torch.randn(24)},
    "a bias of each query and head": lambda: {"bias": torch.randn(4, 20, 1)},
    "a bias of each sequence": lambda: {"bias": torch.randn(2, 1, 1, 1)},
    "a bias read across": lambda: {"bias": torch.randn(24, 20).T},
    "a narrow bias": lambda: {"bias": torch.randn(20, 24).bfloat16()},
    "a bias of one number": lambda: {"bias": torch.randn(())},
    "a number": lambda: {"bias": -0.25},
    "padding": lambda: {"key_padding": padding(2, 24)},
    "padding with gaps": lambda: {"key_padding": padding(2, 48)[:, ::2]},
    "slopes": lambda: {"alibi": torch.rand(4)},
    "slopes of each sequence": lambda: {"alibi": torch.rand(2, 4).double()},
    "scale": lambda: {"scale": 0.3},
    "all": lambda: {"bias": torch.randn(20, 24), "key_padding": padding(2, 24), "alibi": torch.rand(4), "scale": 0.3},
}


@pytest.fixture(autouse=True)
def compiled():
    if native._front() is None:
        pytest.skip("there is no compiler, or no header of Python")


def attempt(*inputs, normalizer="softmax", causal=False, bias=None, key_padding=None, alibi=None, scale=None):
    return native.attention(*inputs, normalizer, causal, bias, key_padding, alibi, scale)


def found(inputs, **options):
    """The output in training and without, and gradients: of a sum, whose gradient is one number spread out, too."""
    wanted = [x for x in (*inputs, options.get("bias")) if isinstance(x, torch.Tensor) and x.requires_grad]
    out = kernels.attention(*inputs, **options)
    totals = out.sum(), out.mT.square().sum()
    gradients = [g for x in totals for g in torch.autograd.grad(x, wanted, retain_graph=True)]
    with torch.no_grad():
        return [out, *gradients, kernels.attention(*inputs, **options)]


def check_both_ways(monkeypatch, inputs, **options):
    assert attempt(*inputs, **options) is not None
    short = found(inputs, **options)
    monkeypatch.setattr(native, "attention", lambda *_: None)
    assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(short, found(inputs, **options), strict=True))


@both
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_bits_of_the_long_way(monkeypatch, normalizer, causal, kind):
    inputs = [x.requires_grad_() for x in qkv(**KINDS[kind])]
    check_both_ways(monkeypatch, inputs, normalizer=normalizer, causal=causal)


@both
@pytest.mark.parametrize("trained", [False, True], ids=["given", "trained"])
@pytest.mark.parametrize("name", OPTIONS)
def test_the_bits_of_the_long_way_with_options(monkeypatch, normalizer, trained, name):
    torch.manual_seed(0)
    inputs, options = [x.requires_grad_() for x in qkv(20, 24, heads=4, kv_heads=2, batch=2)], OPTIONS[name]()
    if isinstance(options.get("bias"), torch.Tensor):
        options["bias"].requires_grad_(trained)
    check_both_ways(monkeypatch, inputs, normalizer=normalizer, causal=trained, **options)


@pytest.mark.parametrize(
    "change",
    [
        lambda q, k, v: (q.mT.contiguous().mT, k, v),
        lambda q, k, v: (torch.nn.Parameter(q), k.requires_grad_(), v),
        lambda q, k, v: (q, k.detach(), v.requires_grad_()),
    ],
    ids=["read across", "parameter", "values alone"],
)
def test_the_bits_of_the_long_way_for_other_inputs(monkeypatch, change):
    q, k, v = qkv(20)
    check_both_ways(monkeypatch, change(q, k, v.requires_grad_()))


def test_an_expanded_input_is_read_where_it_lies():
    q, k, v = qkv(33)
    many = [x[:, :1, :1].expand(3, 4, 33, 16) for x in (q, k, v)]
    out = attempt(*many)
    assert out is not None and out.is_contiguous()
    torch.testing.assert_close(out, many[2])


@pytest.mark.parametrize(
    "change",
    [
        lambda q, k, v: (q, k, v.double()),
        lambda q, k, v: (q, k[:, :, :-1], v),
        lambda q, k, v: (q.half(), k.half(), v.half()),
        lambda q, k, v: (q[..., :0], k[..., :0], v[..., :0]),
        lambda q, k, v: (q[:0], k[:0], v[:0]),
        lambda q, k, v: (q[0], k[0], v[0]),
        lambda q, k, v: (q.to("meta"), k.to("meta"), v.to("meta")),
        lambda q, k, v: (q, k._neg_view(), v),
        lambda q, k, v: (q.to_sparse(), k, v),
        lambda q, k, v: (q.tolist(), k, v),
        lambda q, k, v: (q.as_subclass(type("Own", (torch.Tensor,), {})), k, v),
        lambda q, k, v: (torch._efficientzerotensor(q.shape), k, v),
    ],
)
def test_what_it_leaves_to_the_long_way(change):
    assert attempt(*change(*qkv(20))) is None


@pytest.mark.parametrize(
    "options",
    [
        {"normalizer": "hardmax"},
        {"normalizer": None},
        {"causal": 1},
        {"bias": torch.zeros(3, 20)},
        {"bias": torch.zeros(1, 1, 1, 20, 20)},
        {"bias": torch.zeros(20, 20, dtype=torch.bool)},
        {"bias": torch.zeros(20)._neg_view()},
        {"bias": float("nan")},
        {"bias": [0.0]},
        {"key_padding": torch.ones(1, 20)},
        {"key_padding": torch.ones(20, dtype=torch.bool)},
        {"alibi": torch.ones(3)},
        {"alibi": torch.ones(2, requires_grad=True)},
        {"alibi": torch.ones(2, dtype=torch.long)},
        {"scale": float("inf")},
        {"scale": torch.ones(())},
    ],
    ids=str,
)
def test_options_that_it_leaves_to_the_long_way(options):
    assert attempt(*qkv(20), **options) is None


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_where_somebody_looks_on():
    q, k, v = qkv(20)
    seen = []

    def look(x):
        seen.append(attempt(x, x, x))
        return x

    with native.disabled():
        look(q)
    with torch.autocast("cpu", torch.bfloat16):
        look(q)
    with torch.utils._python_dispatch.TorchDispatchMode():
        look(q)
    with torch.inference_mode(), forward_ad.dual_level():
        assert look(q) is q and seen.pop() is not None, "neither changes the numbers"
    torch.func.vmap(look)(torch.stack([q, q]))
    torch.func.grad(lambda x: look(x).sum())(q)
    with forward_ad.dual_level():
        look(forward_ad.make_dual(q, k))
    torch.fx.experimental.proxy_tensor.make_fx(look)(q)
    assert seen == [None] * len(seen) and len(seen) == 7


@both
def test_its_backward_runs_once_and_for_one_gradient(normalizer):
    q, k, v = (x.requires_grad_() for x in qkv(20))
    out = attempt(q, k, v, normalizer=normalizer)
    with pytest.raises(RuntimeError, match="for a second derivative use impl='reference'"):
        torch.autograd.grad(out.sum(), q, create_graph=True)
    with pytest.raises(NotImplementedError, match="one gradient at a time"):
        torch.autograd.grad(out, q, torch.stack([out, out]).detach(), is_grads_batched=True, retain_graph=True)
    torch.autograd.grad(out.sum(), q)
    with pytest.raises(RuntimeError, match="a second time"):
        torch.autograd.grad(out.sum(), q)


def test_a_changed_input_is_noticed_before_the_backward():
    q, k, v = qkv(20)
    out = attempt(q.requires_grad_(), k, v)
    k += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_only_what_is_asked_for_gets_a_gradient():
    q, k, v = qkv(20, 24)
    bias = torch.randn(20, 24, requires_grad=True)
    attempt(q, k, v.requires_grad_(), bias=bias).sum().backward(inputs=[v])
    assert q.grad is None and k.grad is None and bias.grad is None and v.grad is not None


@pytest.mark.parametrize("scale", [None, 0.3])
def test_memory_that_holds_the_other_sign(scale):
    """As imaginary parts of conjugated numbers do: inputs, a bias, the gradient of the output."""
    q, k, v = qkv(20, n_key=24)
    bias = None if scale is None else torch.randn(20, 24)
    results = []
    for minus in (torch.neg, torch._neg_view):
        inputs = [minus(x).requires_grad_() for x in (q, k, v)]
        out = kernels.attention(*inputs, scale=scale, bias=None if bias is None else minus(bias))
        results.append([out, *torch.autograd.grad(out, inputs, v[:, :, :20])])
        inputs = [x.clone().requires_grad_() for x in (q, k, v)]
        results[-1] += torch.autograd.grad(kernels.attention(*inputs, scale=scale), inputs, minus(v[:, :, :20]))
    assert all(torch.equal(a, b) for a, b in zip(*results))


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("kind", ["sparse_coo", "nested"])
def test_a_tensor_that_is_not_dense_is_refused(kind):
    x = torch.randn(2, 2, 4, 4)
    odd = x.to_sparse() if kind == "sparse_coo" else torch.nested.nested_tensor([x[0], x[1]])
    with pytest.raises(TypeError, match=f"q: got a {kind} tensor"):
        kernels.attention(odd, odd, odd)


@pytest.mark.parametrize("lacking", ["source", "flags"])
def test_without_it_the_long_way_goes_on_and_the_status_says_so(monkeypatch, tmp_path, lacking):
    if lacking == "source":
        monkeypatch.setattr(native, "FRONT", tmp_path / "gone.cpp")
    else:
        monkeypatch.setattr(native, "FRONT_FLAGS", ["-fno-such-flag"])
    monkeypatch.setattr(native, "_front", native._front.__wrapped__)
    assert native._front() is None and attempt(*qkv(20)) is None and "by way of Python" in native.status()
    torch.testing.assert_close(kernels.attention(*qkv(20)), kernels.attention(*qkv(20), impl="reference"))

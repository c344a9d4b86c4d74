"""`seqlab::attention` as PyTorch sees it: opcheck, meta tensors, torch.compile; what it refuses; and the readable
oracle.
"""

import math
import subprocess
import sys

import pytest
import torch

import kernels
import kernels.operator  # noqa: F401  (registers the operation)
from kernels.compare import check
from seqlab.attention import attention as oracle
from seqlab.attention import sigmoid, softmax
from seqlab.positions import alibi
from tests.kernels.problems import bias, layout, padding, qkv

both = pytest.mark.parametrize("normalizer", ["softmax", "sigmoid"])
NORMALIZERS = {"softmax": softmax(), "sigmoid": sigmoid()}


def arguments(normalizer, impl, *, sparse=False, trained=False):
    """The registered operation's own arguments."""
    inputs = [x.requires_grad_() for x in qkv(20, 24, kv_heads=1)]
    tables, block = [], 0
    if sparse:
        pattern = layout(20, 24, 16)
        tables, block = [pattern.offsets, pattern.indices, pattern.offsets_t, pattern.indices_t], 16
    added = torch.randn(1, 2, 20, 24, requires_grad=True) if trained else None
    return (*inputs, added, None, None, tables, block, normalizer, False, 0.0, 0.25, impl)


@both
@pytest.mark.parametrize("impl", ["tiled", "interpret"])
@pytest.mark.parametrize("options", [{}, {"sparse": True}, {"trained": True}], ids=["dense", "sparse", "trained bias"])
def test_opcheck(normalizer, impl, options):
    torch.library.opcheck(torch.ops.seqlab.attention.default, arguments(normalizer, impl, **options))


@both
@pytest.mark.parametrize("impl", ["auto", "tiled", "interpret"])
def test_meta_tensors_give_shapes_without_work(normalizer, impl):
    q, k, v = (x.to("meta") for x in qkv(20, 24, kv_heads=1, value=40))
    assert kernels.attention(q, k, v, normalizer=normalizer, impl=impl).shape == (1, 2, 20, 40)


@both
@pytest.mark.parametrize("impl", ["auto", "interpret"])
def test_compiles_without_a_break(normalizer, impl):
    q, k, v = (x.requires_grad_() for x in qkv(20, kv_heads=1))
    pattern = layout(20, 20, 16)

    def run(q, k, v):
        return kernels.attention(2 * q, k, v, normalizer=normalizer, causal=True, layout=pattern, impl=impl).sum()

    compiled = torch.compile(run, fullgraph=True, backend="aot_eager")
    expected = torch.autograd.grad(run(q, k, v), (q, k, v))
    for a, b in zip(torch.autograd.grad(compiled(q, k, v), (q, k, v)), expected):
        torch.testing.assert_close(a, b)


@both
@pytest.mark.parametrize("impl", ["auto", "interpret"])
def test_sigmoid_keeps_only_its_inputs(normalizer, impl):
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: saved.append(x.shape) or x, lambda x: x):
        kernels.attention(*(x.requires_grad_() for x in qkv(20)), normalizer=normalizer, impl=impl)
    assert len(saved) == (5 if normalizer == "softmax" else 3)


@both
@pytest.mark.parametrize("causal", [False, True])
def test_the_reference_is_the_readable_oracle(normalizer, causal):
    q, k, v = (x.double() for x in qkv(20, 24, batch=2))
    real = padding(2, 24)
    got = kernels.attention(q, k, v, normalizer=normalizer, causal=causal, key_padding=real, impl="reference")
    want = oracle(q, k, v, normalizer=NORMALIZERS[normalizer], causal=causal, key_padding=real)
    torch.testing.assert_close(got, want)


def test_the_sigmoid_bias_replaces_the_default():
    q, k, v = (x.double() for x in qkv(20, 24))
    got = kernels.attention(q, k, v, normalizer="sigmoid", bias=0.0, impl="reference")
    torch.testing.assert_close(got, oracle(q, k, v, normalizer=sigmoid(bias=0.0)))
    shifted = kernels.attention(q, k, v, normalizer="sigmoid", bias=-math.log(24), impl="reference")
    torch.testing.assert_close(kernels.attention(q, k, v, normalizer="sigmoid", impl="reference"), shifted)


def test_alibi_is_the_bias_of_the_positions_module():
    q, k, v = (x.double() for x in qkv(20, 24))
    slopes = torch.tensor([0.5, 0.25], dtype=torch.float64)
    got = kernels.attention(q, k, v, alibi=slopes, impl="reference")
    torch.testing.assert_close(got, oracle(q, k, v, bias=alibi(slopes, 20, 24)))


def test_a_row_that_sees_no_key_is_zero_everywhere():
    q, k, v = qkv(20, 10)
    for impl in ("reference", "tiled", "interpret"):
        for normalizer in ("softmax", "sigmoid"):
            out = kernels.attention(q, k, v, normalizer=normalizer, causal=True, impl=impl)
            assert (out[:, :, :10] == 0).all() and torch.isfinite(out).all()


@both
def test_the_reference_agrees_with_itself_in_half(normalizer):
    check(*qkv(20, dtype=torch.bfloat16), impl="reference", normalizer=normalizer, bias=bias(20, 20))


def test_choose_says_what_and_why():
    choice = kernels.choose(*qkv(8))
    assert choice.impl == "tiled" and "cpu" in choice.reason and str(choice).startswith("tiled: ")


@pytest.mark.parametrize(
    "change, error, says",
    [
        ({"normalizer": "hardmax"}, ValueError, "normalizer: got 'hardmax', wanted one of softmax, sigmoid"),
        ({"impl": "cuda"}, ValueError, "impl: got 'cuda'"),
        ({"q": torch.ones(2, 8, 16)}, ValueError, "q: got shape (2, 8, 16), wanted four axes"),
        ({"k": torch.ones(1, 2, 8, 16, dtype=torch.float64)}, TypeError, "k: got torch.float64, q is torch.float32"),
        (
            {"k": torch.ones(1, 3, 8, 16), "v": torch.ones(1, 3, 8, 16)},
            ValueError,
            "k: 3 heads, q has 2; wanted a divisor",
        ),
        ({"v": torch.ones(1, 2, 9, 16)}, ValueError, "v: got shape (1, 2, 9, 16)"),
        ({"k": torch.ones(1, 2, 8, 12)}, ValueError, "k: got shape (1, 2, 8, 12)"),
        ({"key_padding": torch.ones(1, 8)}, TypeError, "key_padding: got torch.float32, wanted bool"),
        (
            {"key_padding": torch.ones(8, dtype=torch.bool)},
            ValueError,
            "key_padding: got shape (8,), wanted (batch, key)",
        ),
        ({"bias": torch.ones(3, 8)}, ValueError, "bias: got shape (3, 8)"),
        ({"bias": torch.ones(8, 8, dtype=torch.bool)}, TypeError, "a boolean mask is a layout or key_padding"),
        ({"bias": math.inf}, ValueError, "bias: got inf"),
        ({"alibi": torch.ones(3)}, ValueError, "alibi: got shape (3,), wanted one slope per head"),
        ({"alibi": torch.ones(2, requires_grad=True)}, ValueError, "alibi: the slopes are not differentiated"),
        ({"layout": kernels.BlockLayout.dense(16, block=8)}, ValueError, "layout: made for 16 queries and 16 keys"),
        ({"layout": layout(8, 8, 4, heads=3)}, ValueError, "layout: 3 heads, q has 2"),
        ({"q": torch.ones(1, 2, 8, 16, dtype=torch.long)}, TypeError, "q: got torch.int64"),
        ({"q": torch.ones(1, 2, 0, 16)}, ValueError, "wanted at least one head, token and dim"),
        ({"q": torch.ones(1, 2, 8, 16, device="meta")}, ValueError, "k: on cpu, q is on meta"),
    ],
)
def test_refusals_name_the_argument(change, error, says):
    q, k, v = qkv(8)
    call = {"q": q, "k": k, "v": v} | change
    with pytest.raises(error) as refusal:
        kernels.attention(call.pop("q"), call.pop("k"), call.pop("v"), **call)
    assert says in str(refusal.value)


def test_importing_kernels_imports_neither_triton_nor_the_implementations():
    code = "import sys, kernels; print([m for m in sys.modules if m.startswith(('triton', 'kernels.'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "change, says",
    [
        ({"q": [1]}, "q: got list, wanted a torch tensor"),
        ({"bias": [1.0]}, "bias: got list, wanted a number or a torch tensor"),
        ({"bias": True}, "bias: got bool"),
        ({"causal": "yes"}, "causal: got str, wanted True or False"),
        ({"causal": torch.ones(8, 8, dtype=torch.bool)}, "causal: got Tensor"),
        (
            {"scale": torch.nn.Parameter(torch.ones(()))},
            "scale: got Parameter, wanted a number; a trained scale belongs into q",
        ),
        ({"layout": torch.ones(8, 8, dtype=torch.bool)}, "layout: got Tensor, wanted a BlockLayout"),
        ({"key_padding": [True] * 8}, "key_padding: got list"),
        ({"alibi": 0.5}, "alibi: got float"),
    ],
)
def test_wrong_types_are_named(change, says):
    q, k, v = qkv(8)
    call = {"q": q, "k": k, "v": v} | change
    with pytest.raises(TypeError) as refusal:
        kernels.attention(call.pop("q"), call.pop("k"), call.pop("v"), **call)
    assert says in str(refusal.value)


@pytest.mark.parametrize("scale", [math.nan, math.inf])
def test_a_scale_that_is_no_number_is_refused(scale):
    with pytest.raises(ValueError, match="scale: got"):
        kernels.attention(*qkv(8), scale=scale)


@both
@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # of torch.func itself
def test_forward_mode_and_second_derivatives_are_refused_not_lost(normalizer):
    q, k, v = qkv(8)
    with pytest.raises((NotImplementedError, RuntimeError), match="reference"):
        torch.func.jvp(lambda x: kernels.attention(x, k, v, normalizer=normalizer), (q,), (q,))
    out = kernels.attention(q.requires_grad_(), k, v, normalizer=normalizer).sum()
    with pytest.raises(RuntimeError, match="for a second derivative use impl='reference'"):
        torch.autograd.grad(out, q, create_graph=True)


@both
@pytest.mark.parametrize("impl", ["reference", "tiled"])
def test_autocast_casts_as_pytorch_does(normalizer, impl):
    q, k, v = qkv(20)
    with torch.autocast("cpu", torch.bfloat16):
        out = kernels.attention(q, k.bfloat16(), v, normalizer=normalizer, impl=impl)
    want = kernels.attention(q.bfloat16(), k.bfloat16(), v.bfloat16(), normalizer=normalizer, impl=impl)
    assert out.dtype == torch.bfloat16 and torch.equal(out, want)


def test_softmax_does_not_see_a_number_added_to_all_scores():
    q, k, v = qkv(8)
    torch.testing.assert_close(kernels.attention(q, k, v, bias=1e8), kernels.attention(q, k, v), rtol=0, atol=0)


@pytest.mark.parametrize("n", [64, 300])
def test_the_output_is_nobodys_view(n):
    assert kernels.attention(*qkv(n), normalizer="sigmoid")._base is None


def test_bfloat16_may_start_anywhere_in_memory():
    x = torch.randn(1 + 2 * 8 * 16).bfloat16()[1:].view(1, 2, 8, 16)
    torch.testing.assert_close(kernels.attention(x, x, x), kernels.attention(x.clone(), x.clone(), x.clone()))


def test_a_changed_layout_is_read_anew():
    a = kernels.BlockLayout.from_rows([[0]] * 4, 16, n_query=64)
    q, k, v = qkv(64)
    kernels.attention(q, k, v, layout=a, impl="interpret")
    a.indices.fill_(1)
    a.indices_t.copy_(torch.arange(4))
    a.offsets_t.copy_(torch.tensor([[0, 0, 4, 4, 4]]))
    got, want = (kernels.attention(q, k, v, layout=a, impl=impl) for impl in ("interpret", "reference"))
    torch.testing.assert_close(got, want)


def test_the_interpreter_runs_from_many_threads():
    from concurrent.futures import ThreadPoolExecutor

    q, k, v = qkv(20)
    with ThreadPoolExecutor(4) as pool:
        outs = list(pool.map(lambda _: kernels.attention(q, k, v, impl="interpret"), range(8)))
    assert all(torch.equal(out, outs[0]) for out in outs)

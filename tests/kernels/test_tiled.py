"""`impl="tiled"`, its C++ kernel and its PyTorch, against float64: the output and every gradient by name."""

import contextlib

import pytest
import torch

import kernels
from kernels import native
from kernels.compare import check, results
from tests.kernels.problems import bias, layout, padding, qkv

both = pytest.mark.parametrize("normalizer", ["softmax", "sigmoid"])


@pytest.fixture(params=["C++", "PyTorch"], autouse=True)
def path(request):
    """Every test runs on both."""
    if request.param == "PyTorch":
        with native.disabled():
            yield request.param
    else:
        yield request.param


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("length", [1, 7, 63, 64, 111, 257])
def test_lengths(normalizer, dtype, length):
    floor = 1e-13 if dtype == torch.float64 else None  # the oracle is no more exact than this
    check(*qkv(length, dtype=dtype), impl="tiled", normalizer=normalizer, floor=floor)


@both
@pytest.mark.parametrize("n_query, n_key", [(1, 70), (63, 111), (111, 63), (64, 128), (300, 700), (700, 300)])
def test_causal_is_aligned_to_the_last_key(normalizer, n_query, n_key):
    check(*qkv(n_query, n_key), impl="tiled", normalizer=normalizer, causal=True)


@both
@pytest.mark.parametrize(
    "dim, value", [(16, 16), (40, 40), (64, 64), (80, 80), (128, 128), (1, 5), (24, 96), (256, 16)]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dims(normalizer, dim, value, dtype):
    check(*qkv(70, 90, dim=dim, value=value, dtype=dtype), impl="tiled", normalizer=normalizer)


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("n_query, heads", [(1, 2), (1, 8), (1, 10), (2, 4), (4, 2), (5, 2)])
def test_few_queries(normalizer, dtype, n_query, heads):
    """At most four rows a key head go a way of their own, in both directions or in none."""
    given = qkv(n_query, 150, heads=heads, kv_heads=2, batch=2, dim=20, value=16, dtype=dtype, gaps=True)
    floor = 5e-13 if dtype == torch.float64 else None
    for added in (torch.randn(2, heads, n_query, 150), torch.randn(n_query, 1), torch.randn(heads, 1, 150)):
        options = {"bias": added, "key_padding": padding(2, 150), "alibi": torch.rand(heads), "causal": True}
        check(*given, impl="tiled", normalizer=normalizer, floor=floor, **options)
    check(*given, impl="tiled", normalizer=normalizer, floor=floor)


@both
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize("causal", [False, True])
def test_grouped_heads_and_gaps_between_rows(normalizer, kv_heads, causal):
    q, k, v = qkv(63, 111, heads=4, kv_heads=kv_heads, batch=2, gaps=True)
    check(q, k, v, impl="tiled", normalizer=normalizer, causal=causal)
    check(q.mT, k.mT[:, :, :, :63], v.mT[:, :, :, :63].contiguous().mT.mT, impl="tiled", normalizer=normalizer)


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_padding(normalizer, dtype):
    q, k, v = qkv(65, 150, batch=3, dtype=dtype)
    check(q, k, v, impl="tiled", normalizer=normalizer, key_padding=padding(3, 150))
    got = results(q, k, v, impl="tiled", normalizer=normalizer, key_padding=padding(3, 150))
    assert all((x[2] == 0).all() for x in got.values()), "the last sequence sees no key"


@both
@pytest.mark.parametrize("causal", [False, True])
def test_alibi(normalizer, causal):
    q, k, v = qkv(65, 130, heads=3, batch=2)
    for slopes in (torch.tensor([0.5, 0.25, 0.01]), torch.rand(2, 3)):
        check(q, k, v, impl="tiled", normalizer=normalizer, alibi=slopes, causal=causal)


@both
@pytest.mark.parametrize("shape", [(), (40,), (30, 1), (3, 1, 1), (3, 30, 40), (2, 1, 30, 40), (2, 3, 30, 40)])
def test_bias_and_its_gradient(normalizer, shape):
    added = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    check(*qkv(30, 40, heads=3, batch=2), impl="tiled", normalizer=normalizer, bias=added)


@pytest.mark.parametrize("seed", range(5))
def test_a_bias_that_many_scores_share_is_summed_finely(seed):
    torch.manual_seed(seed)
    given = qkv(94, 117, heads=4, kv_heads=2, batch=3, dim=5, value=5, seed=seed)
    check(*given, impl="tiled", normalizer="sigmoid", bias=torch.randn(94, 1))


@both
def test_a_bias_that_hides(normalizer):
    check(*qkv(30, 40), impl="tiled", normalizer=normalizer, bias=bias(30, 40))
    check(*qkv(30, 40), impl="tiled", normalizer=normalizer, bias=-2.5)


@both
@pytest.mark.parametrize("block", [1, 10, 16, 48, 64, 80, 300])
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "per head"])
def test_listed_blocks(normalizer, block, shared):
    n_query, n_key = (7, 9) if block == 1 else (257, 333)
    pattern = layout(n_query, n_key, block, heads=1 if shared else 2)
    check(*qkv(n_query, n_key), impl="tiled", normalizer=normalizer, layout=pattern, causal=block % 16 == 0)


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_listed_blocks_with_everything(normalizer, dtype):
    q, k, v = qkv(130, 170, heads=4, kv_heads=2, batch=2, dim=24, value=40, gaps=True, dtype=dtype)
    options = {"layout": layout(130, 170, 32, heads=4), "key_padding": padding(2, 170), "alibi": torch.rand(4)}
    check(q, k, v, impl="tiled", normalizer=normalizer, causal=True, **options)


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_huge_logits(normalizer, dtype):
    q, k, v = qkv(40, 70, dtype=dtype)
    q, k = 100 * q, 100 * k
    assert float((q.float() @ k.float().mT).abs().max()) > 1e4
    check(q, k, v, impl="tiled", normalizer=normalizer)
    check(q, k, v, impl="tiled", normalizer=normalizer, scale=-0.3, causal=True)
    check(q, k, v, impl="tiled", normalizer=normalizer, scale=0.0)


@both
def test_an_empty_layout_gives_zeros(normalizer):
    q, k, v = qkv(100)
    pattern = kernels.BlockLayout.from_mask(torch.zeros(2, 2, dtype=torch.bool), 64, n_query=100, n_key=100)
    assert all((x == 0).all() for x in results(q, k, v, impl="tiled", normalizer=normalizer, layout=pattern).values())


@both
def test_softmax_keeps_the_logarithm_of_each_rows_sum(normalizer):
    import kernels.operator  # noqa: F401

    q, k, v = qkv(50, 90)
    _, lse = torch.ops.seqlab.attention(q, k, v, None, None, None, [], 0, normalizer, True, 0.0, 0.25, "tiled")
    if normalizer == "sigmoid":
        assert lse.numel() == 0
        return
    hidden = torch.arange(90) > torch.arange(50)[:, None] + 40
    torch.testing.assert_close(lse, (0.25 * q @ k.mT).masked_fill(hidden, -torch.inf).logsumexp(-1))


@both
def test_the_same_bits_again_and_with_more_threads(normalizer):
    pattern = kernels.BlockLayout.bigbird(700, block=64)
    q, k, v = qkv(700, heads=4, kv_heads=2)
    first, again = (results(q, k, v, impl="tiled", normalizer=normalizer, layout=pattern) for _ in range(2))
    before = torch.get_num_threads()
    with contextlib.ExitStack() as stack:
        stack.callback(torch.set_num_threads, before)
        torch.set_num_threads(2)
        more = results(q, k, v, impl="tiled", normalizer=normalizer, layout=pattern)
    for name in first:
        assert torch.equal(first[name], again[name]), name
        torch.testing.assert_close(first[name], more[name])


@both
def test_more_heads_than_threads_or_fewer(normalizer):
    """Few heads split the keys in parts, each with its own sum of dq."""
    before = torch.get_num_threads()
    with contextlib.ExitStack() as stack:
        stack.callback(torch.set_num_threads, before)
        torch.set_num_threads(3)
        for kv_heads in (1, 4):
            check(*qkv(520, heads=4, kv_heads=kv_heads, dim=32), impl="tiled", normalizer=normalizer, causal=True)


def test_status_says_what_runs(path):
    assert ("turned off" if path == "PyTorch" else "C++: ") in native.status()


@pytest.mark.parametrize(
    "compiler, words", [(None, "no compiler found"), (["false"], "the build with false failed"), (["./gone"], "failed")]
)
def test_without_a_compiler_pytorch_runs_and_the_status_says_why(monkeypatch, compiler, words):
    monkeypatch.setattr(native, "_compiler", lambda: compiler)
    library, status = native._library.__wrapped__()
    assert library is None and words in status and "PyTorch runs" in status


def test_the_first_line_of_a_failed_build_is_shown(monkeypatch, tmp_path):
    if native._compiler() is None:
        assert "no compiler found" in native._library.__wrapped__()[1]
        return
    broken = tmp_path / "broken.cpp"
    broken.write_text("nonsense;")
    monkeypatch.setattr(native, "SOURCE", broken)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert "broken.cpp:1" in native._library.__wrapped__()[1]
    assert not [x for x in (tmp_path / "seqlab").iterdir()], "nothing is left behind"

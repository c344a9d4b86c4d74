"""The Triton kernels, run by Triton's interpreter, against float64: the output and every gradient by name."""

import math
import subprocess
import sys

import pytest
import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

import kernels
import kernels.api
from kernels.compare import agree, check, results
from kernels.flash import launch, versions
from tests.kernels.problems import bias, layout, padding, qkv

pytest.importorskip("triton")
pytestmark = pytest.mark.skipif(
    versions.installed() is None or not versions.interpreting(), reason="Triton compiles in this process"
)
both = pytest.mark.parametrize("normalizer", ["softmax", "sigmoid"])


@pytest.fixture(autouse=True)
def poisoned(monkeypatch):
    """Outputs start as NaN between canaries, so a missing store and a store too far are both seen."""
    rooms = []
    real = torch.empty

    def empty(*shape, **options):
        shape = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        count = math.prod(shape)
        room = real(count + 128, **options).fill_(12345.0)
        rooms.append((room, count))
        return room[64 : 64 + count].fill_(math.nan).view(*shape)

    class Poison:
        """torch, with another empty."""

        def __getattr__(self, name):
            return getattr(torch, name)

    poison = Poison()
    poison.empty = empty
    poison.empty_like = lambda x: empty(x.shape, dtype=x.dtype, device=x.device)
    monkeypatch.setattr(launch, "torch", poison)
    yield
    for room, count in rooms:
        assert (room[:64] == 12345).all() and (room[64 + count :] == 12345).all(), "a kernel wrote outside its output"


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("length", [1, 7, 63, 64, 111])
def test_lengths(normalizer, dtype, length):
    check(*qkv(length, dtype=dtype), impl="interpret", normalizer=normalizer)


@both
def test_a_long_odd_length(normalizer):
    check(*qkv(257, heads=1), impl="interpret", normalizer=normalizer, causal=True)


@both
@pytest.mark.parametrize("n_query, n_key", [(1, 70), (63, 111), (111, 63), (64, 128), (33, 32)])
def test_causal_is_aligned_to_the_last_key(normalizer, n_query, n_key):
    with launch.tiles(32, 16):
        check(*qkv(n_query, n_key), impl="interpret", normalizer=normalizer, causal=True)


@both
@pytest.mark.parametrize("tiles", [(16, 64), (64, 16), (32, 32), (16, 16)])
@pytest.mark.parametrize("causal", [False, True])
def test_tiles_of_any_shape(normalizer, tiles, causal):
    with launch.tiles(*tiles):
        check(*qkv(70, 90, heads=1), impl="interpret", normalizer=normalizer, causal=causal)


@both
@pytest.mark.parametrize(
    "dim, value", [(16, 16), (40, 40), (64, 64), (80, 80), (128, 128), (256, 16), (1, 5), (24, 96)]
)
def test_dims(normalizer, dim, value):
    check(*qkv(33, dim=dim, value=value, heads=1), impl="interpret", normalizer=normalizer)


@both
@pytest.mark.parametrize("causal", [False, True])
def test_padding_and_a_sequence_without_keys(normalizer, causal):
    options = {"normalizer": normalizer, "key_padding": padding(3, 50), "causal": causal}
    check(*qkv(40, 50, batch=3), impl="interpret", **options)
    out = results(*qkv(40, 50, batch=3), impl="interpret", **options)["out"]
    assert (out[2] == 0).all()


@both
def test_alibi_in_full(normalizer):
    slopes = torch.tensor([[0.5, 0.25, 0.1, 1.0]])
    check(*qkv(40, 50, heads=4, kv_heads=2), impl="interpret", normalizer=normalizer, alibi=slopes[0], causal=True)
    check(
        *qkv(40, 50, heads=4, batch=2),
        impl="interpret",
        normalizer=normalizer,
        alibi=slopes * torch.tensor([[1.0], [2.0]]),
    )


@both
@pytest.mark.parametrize("kv_heads", [1, 2])
def test_grouped_queries(normalizer, kv_heads):
    check(*qkv(40, 50, heads=4, kv_heads=kv_heads, batch=2), impl="interpret", normalizer=normalizer)


@both
def test_rows_with_gaps_between_them(normalizer):
    check(*qkv(63, gaps=True, batch=2, dtype=torch.float16), impl="interpret", normalizer=normalizer)


@both
def test_a_bias_and_its_gradient(normalizer):
    check(*qkv(40, 50, batch=2), impl="interpret", normalizer=normalizer, bias=bias(40, 50))
    check(*qkv(40, 50, batch=2), impl="interpret", normalizer=normalizer, bias=torch.randn(2, 1, 1, 50), causal=True)
    check(*qkv(40, 50), impl="interpret", normalizer=normalizer, bias=-2.5)


@both
@pytest.mark.parametrize("scale", [-0.7, 0.0, 2.0])
def test_scales(normalizer, scale):
    check(*qkv(40, 50), impl="interpret", normalizer=normalizer, scale=scale)


@both
@pytest.mark.parametrize("size", [100.0, 1e3])
def test_huge_logits(normalizer, size):
    """A weight is made again in the backward, from a product in another order: scores differ in their last place."""
    q, k, v = qkv(63, size=size**0.5 * 1.6, dim=64, heads=1)
    last_place = torch.finfo(torch.float32).eps * float((q @ k.mT).abs().max())
    check(q, k, v, impl="interpret", normalizer=normalizer, scale=1.0, weight_error=last_place)


@both
@pytest.mark.parametrize("n_query, n_key, block", [(70, 70, 16), (100, 75, 32), (64, 64, 16), (130, 200, 64)])
@pytest.mark.parametrize("causal", [False, True])
def test_block_sparse(normalizer, n_query, n_key, block, causal):
    sparse = layout(n_query, n_key, block, heads=2)
    check(*qkv(n_query, n_key, kv_heads=1), impl="interpret", normalizer=normalizer, layout=sparse, causal=causal)


@both
@pytest.mark.parametrize("tiles", [(16, 16), (32, 16), (16, 32)])
@pytest.mark.parametrize("causal", [False, True])
def test_a_block_of_a_layout_is_several_tiles(normalizer, tiles, causal):
    with launch.tiles(*tiles):
        options = {"layout": layout(100, 75, 32, heads=2), "causal": causal}
        check(*qkv(100, 75, kv_heads=1), impl="interpret", normalizer=normalizer, **options)


@both
@pytest.mark.parametrize("causal", [False, True])
def test_long_rows_are_shared_by_several_programs(monkeypatch, normalizer, causal):
    monkeypatch.setattr("kernels.flash.lists.LONG", 2)
    sparse = kernels.BlockLayout.bigbird(130, block=16, window=1, random_blocks=0, global_blocks=1)
    assert launch.lists(sparse, 16, 16, False, causal).parts >= 2
    assert (launch.lists(sparse, 16, 16, True, causal).parts >= 2) == (not causal)
    options = {"layout": sparse, "causal": causal, "key_padding": padding(1, 130)}
    check(*qkv(130, kv_heads=1), impl="interpret", normalizer=normalizer, **options)


@both
@pytest.mark.parametrize("asked", ["q", "k", "v"])
def test_gradients_that_nobody_asks_for_are_not_computed(normalizer, asked):
    inputs = dict(zip("qkv", qkv(20)))
    want = results(*inputs.values(), impl="interpret", normalizer=normalizer)[f"d{asked}"]
    inputs[asked].requires_grad_()
    told = []
    start = lambda function, *rest: told.append(function.fn.__name__) or launch._start(function, *rest)
    with launch.setting(start=start):
        out = kernels.attention(*inputs.values(), impl="interpret", normalizer=normalizer)
        draw = torch.Generator().manual_seed(1)
        out.backward(torch.randn(out.shape, generator=draw, dtype=torch.float64).float())
    torch.testing.assert_close(inputs[asked].grad, want, rtol=0, atol=0)
    assert ("backward_query" in told) == (asked == "q") and ("backward_key" in told) == (asked != "q")


@both
def test_few_queries_share_many_keys(monkeypatch, normalizer):
    monkeypatch.setattr(launch, "ALONE", 100)
    monkeypatch.setattr("kernels.flash.lists.SHORT", 2)
    with launch.tiles(16, 32):
        check(*qkv(3, 300, kv_heads=1), impl="interpret", normalizer=normalizer)
    walked = launch.lists(launch._every(3, 300, torch.device("cpu")), 16, 32, True, False, 2)
    assert walked.parts == 5


@both
def test_more_heads_and_batches_than_a_grid_holds(monkeypatch, normalizer):
    monkeypatch.setattr(launch, "PROGRAMS", 2)
    check(*qkv(20, 30, batch=3), impl="interpret", normalizer=normalizer, causal=True)


@both
def test_what_would_be_started_on_a_gpu(normalizer):
    """Without being started: fixed tiles once, or all that the fastest is searched among; the form fits the length."""
    q, k, v = qkv(64, 2048, dim=64, dtype=torch.float16)
    spec = kernels.api.read(q, k, v, normalizer)
    for tune in (False, True):
        told = []
        with launch.setting(start=lambda *started: told.append(started), arch="sm_90", tune=tune):
            launch.forward(q, k, v, spec)
            launch.forward(q, k[:, :, :512], v[:, :, :512], spec)
        assert (len(told) == 2) != tune and len(told) <= 2 * 13
        forms = {int(arguments["n_key"]): arguments["FORM"] for _, _, arguments, *_ in told}
        assert forms == ({2048: "exp2", 512: "tanh"} if normalizer == "sigmoid" else {2048: "exp2", 512: "exp2"})


@both
def test_block_sparse_with_everything(normalizer):
    options = {
        "layout": layout(90, 90, 32),
        "key_padding": padding(2, 90),
        "alibi": torch.tensor([0.1, 0.2]),
        "causal": True,
    }
    check(*qkv(90, batch=2, gaps=True), impl="interpret", normalizer=normalizer, bias=bias(90, 90), **options)


@both
def test_a_layout_of_all_blocks_is_dense(normalizer):
    dense = kernels.BlockLayout.dense(100, block=32)
    q, k, v = qkv(100)
    a = kernels.attention(q, k, v, normalizer=normalizer, impl="interpret")
    b = kernels.attention(q, k, v, normalizer=normalizer, impl="interpret", layout=dense)
    torch.testing.assert_close(a, b)


def test_sdpa_is_a_second_oracle():
    q, k, v = qkv(63, 111, dim=40)
    got = kernels.attention(q, k, v, impl="interpret")
    exact = torch.nn.functional.scaled_dot_product_attention(q.double(), k.double(), v.double())
    agree("out", got, exact, torch.nn.functional.scaled_dot_product_attention(q, k, v))


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_flex_attention_is_a_second_oracle():
    q, k, v = qkv(128, 128, dim=16)
    sparse = layout(128, 128, 32)
    grid = sparse.blocks()[0]
    grid[1, 0] = True  # flex attention divides zero by zero in a row without keys
    sparse = kernels.BlockLayout.from_mask(grid, 32)
    mask = create_block_mask(lambda b, h, i, j: grid[i // 32, j // 32], None, None, 128, 128, device="cpu")
    got = kernels.attention(q, k, v, impl="interpret", layout=sparse)
    exact = flex_attention(q.double(), k.double(), v.double(), block_mask=mask)
    agree("out", got, exact, flex_attention(q, k, v, block_mask=mask))


@both
@pytest.mark.parametrize("far", [2**25, 2**30])
def test_a_head_longer_than_32_bit_offsets(normalizer, far):
    """Rows so far apart that their offsets pass 2³¹; most of that memory is never touched."""
    rows = 2**31 // far + 3
    k = torch.empty(rows * far, dtype=torch.float16).as_strided((1, 1, rows, 16), (0, 0, far, 1))
    q, k_values, v = qkv(5, rows, heads=1, dtype=torch.float16)
    k.copy_(k_values)
    with launch.tiles(16, 16):
        got = kernels.attention(q, k, v, impl="interpret", normalizer=normalizer)
    exact = kernels.attention(q.double(), k.double(), v.double(), impl="reference", normalizer=normalizer)
    agree("out", got, exact, kernels.attention(q, k, v, impl="reference", normalizer=normalizer))


def test_bfloat16_is_refused_with_the_reason():
    with pytest.raises(TypeError, match="interpreter computes wrongly"):
        kernels.attention(*qkv(8, dtype=torch.bfloat16), impl="interpret")


def test_triton_without_a_gpu_names_the_switch():
    with pytest.raises(RuntimeError, match="TRITON_INTERPRET=1"):
        kernels.attention(*qkv(8), impl="triton")


def test_a_wide_head_and_an_odd_block_are_refused():
    with pytest.raises(ValueError, match="head dim 300"):
        kernels.attention(*qkv(8, dim=300), impl="interpret")
    with pytest.raises(ValueError, match="blocks of 48"):
        kernels.attention(*qkv(96), impl="interpret", layout=layout(96, 96, 48))


@pytest.mark.parametrize(
    "version, where, says",
    [
        ((3, 5, 1), "hopper", "3.5.1"),
        ((3, 7, 0), "hopper", "gradients"),
        ((3, 6, 0), "interpret", "3.6.0"),
        ((2, 1, 0), "gpu", "older"),
    ],
)
def test_known_bad_versions_are_refused_by_name(version, where, says):
    assert says in versions.known_bad(version, where)


@pytest.mark.parametrize("version, where", [((3, 7, 1), "hopper"), ((3, 5, 1), "gpu"), ((3, 7, 1), "interpret")])
def test_good_versions_are_not(version, where):
    assert versions.known_bad(version, where) is None


def test_a_compiling_triton_is_told_apart():
    code = (
        "import os; os.environ['TRITON_INTERPRET'] = '0'\n"
        "import torch, kernels\n"
        "x = torch.ones(1, 1, 4, 16)\n"
        "try: kernels.attention(x, x, x, impl='interpret')\n"
        "except RuntimeError as e: print(e)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "before" in done.stdout and "TRITON_INTERPRET=1" in done.stdout

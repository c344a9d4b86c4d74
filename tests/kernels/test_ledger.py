"""The ledger counts what the closed form says, to the byte."""

import pytest
import torch

import kernels
from kernels.flash import launch, versions
from kernels.instruments.ledger import Counts, closed_form, ledger
from kernels.layout import BlockLayout
from tests.kernels.problems import layout, qkv

pytest.importorskip("triton")
pytestmark = pytest.mark.skipif(
    versions.installed() is None or not versions.interpreting(), reason="Triton compiles in this process"
)
both = pytest.mark.parametrize("normalizer", ["softmax", "sigmoid"])
FUNCTIONS = {"forward": "forward", "dq": "backward_query", "dkdv": "backward_key", "delta": "delta"}


def assert_exact(
    normalizer, n_query, n_key, *, dim=16, value=16, sparse=None, causal=False, dtype=torch.float32, tiles=(32, 16)
):
    q, k, v = (x.requires_grad_() for x in qkv(n_query, n_key, dim=dim, value=value, batch=2, kv_heads=1, dtype=dtype))
    with launch.tiles(*tiles), ledger() as book:
        kernels.attention(
            q, k, v, normalizer=normalizer, layout=sparse, causal=causal, impl="interpret"
        ).sum().backward()
    for step, function in FUNCTIONS.items():
        if step == "delta" and normalizer == "sigmoid":
            continue
        want = closed_form(
            step,
            normalizer=normalizer,
            batch=2,
            heads=2,
            kv_heads=1,
            n_query=n_query,
            n_key=n_key,
            dim=dim,
            value=value,
            itemsize=q.element_size(),
            block_q=tiles[0],
            block_k=tiles[1],
            causal=causal,
            layout=sparse,
        )
        got = book.kernels[f"{'attention' if step == 'delta' else normalizer}.{function}"]
        for name in ("loaded", "stored", "matmul_flop", "products"):
            assert getattr(got, name) == getattr(want, name), (step, name)
    return book


@both
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("n_query, n_key", [(32, 32), (35, 50), (50, 35), (1, 33)])
def test_dense(normalizer, n_query, n_key, causal):
    assert_exact(normalizer, n_query, n_key, causal=causal)


@both
def test_padded_dims_and_half_precision(normalizer):
    assert_exact(normalizer, 40, 40, dim=40, value=24)
    assert_exact(normalizer, 40, 40, dtype=torch.float16, tiles=(16, 32))


@both
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("block, n", [(16, 64), (32, 70)])
def test_block_sparse(normalizer, block, n, causal):
    assert_exact(normalizer, n, n, sparse=layout(n, n, block, heads=2), causal=causal)


def test_block_sparse_work_is_linear_in_the_blocks():
    q, k, v = qkv(128, heads=1)
    bytes_, flop = [], []
    for count in (1, 2, 3, 4):
        sparse = BlockLayout.from_rows([range(count)] * 4, 32, n_query=128)
        with ledger() as book:
            kernels.attention(q, k, v, normalizer="sigmoid", layout=sparse, impl="interpret")
        bytes_.append(book.moved)
        flop.append(book.matmul_flop)
    assert len({b - a for a, b in zip(bytes_, bytes_[1:])}) == 1
    assert flop == [flop[0] * count for count in (1, 2, 3, 4)]


def test_sigmoid_reduces_nothing_and_softmax_twice_a_tile():
    for normalizer, a_tile in (("softmax", 2), ("sigmoid", 0)):
        with launch.tiles(32, 32), ledger() as book:
            kernels.attention(*qkv(64, heads=1), normalizer=normalizer, impl="interpret")
        assert book.reductions == a_tile * 4
        assert book.special >= 64 * 64


def test_the_familiar_formula():
    """n_q d + (n_q / block) n_k 2 d elements, as every text on flash attention has it."""
    want = closed_form(
        "forward", normalizer="sigmoid", batch=1, heads=1, n_query=256, n_key=256, dim=64, block_q=64, block_k=64
    )
    assert want.loaded == 4 * (256 * 64 + 4 * 256 * 128) == 589_824 and want.stored == 65_536
    assert want.matmul_flop == 4 * 256 * 256 * 64 == 16_777_216


def test_counting_ends_with_the_block():
    with ledger() as book:
        kernels.attention(*qkv(16), impl="interpret")
    before = book.total
    kernels.attention(*qkv(16), impl="interpret")
    assert book.total == before and "softmax.forward" in str(book)


def test_counts_add_up():
    a = Counts(loaded=3, stored=1, matmul_flop=8) + Counts(loaded=1)
    assert a.moved == 5


def test_an_unknown_step_is_refused():
    with pytest.raises(ValueError, match="step: got 'backward'"):
        closed_form("backward", normalizer="softmax", batch=1, heads=1, n_query=4, n_key=4, dim=4)

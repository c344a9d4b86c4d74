"""The oracle against PyTorch's own attention, its definitions, and its error messages."""

import math

import pytest
import torch
import torch.nn.functional as F

from seqlab.attention import attention, average, boltzmann, hardmax, sigmoid, softmax
from tests.typecheck import plain


def qkv(n_query, n_key, dim=8, value=8, batch=(2, 3), dtype=torch.float64):
    draw = torch.Generator().manual_seed(n_query * 1000 + n_key)
    shapes = [(*batch, n_query, dim), (*batch, n_key, dim), (*batch, n_key, value)]
    return [torch.randn(shape, generator=draw, dtype=dtype) for shape in shapes]


@pytest.mark.parametrize("n_query, n_key", [(1, 1), (63, 63), (7, 111), (111, 7)])
def test_softmax_is_pytorchs(n_query, n_key):
    q, k, v = qkv(n_query, n_key)
    torch.testing.assert_close(attention(q, k, v), F.scaled_dot_product_attention(q, k, v))


def test_gradients_are_pytorchs():
    ours, theirs = ([x.clone().requires_grad_() for x in qkv(5, 9)] for _ in range(2))
    attention(*ours, causal=True).sin().sum().backward()
    mask = torch.arange(9) <= torch.arange(5)[:, None] + 4
    F.scaled_dot_product_attention(*theirs, attn_mask=mask).sin().sum().backward()
    for a, b in zip(ours, theirs):
        torch.testing.assert_close(a.grad, b.grad)


def test_causal_padding_bias_and_scale_together():
    q, k, v = qkv(6, 6)
    padding = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    bias = torch.randn(3, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(6, 6, dtype=torch.bool).tril() & padding[:, None, None, :]
    additive = bias.expand(2, 3, 6, 6).masked_fill(~mask, -math.inf)
    want = F.scaled_dot_product_attention(q, k, v, attn_mask=additive, scale=0.3)
    got = attention(q, k, v, causal=True, key_padding=padding, bias=bias, scale=0.3)
    torch.testing.assert_close(got, want)


def test_non_contiguous_inputs():
    q, k, v = (x.transpose(-1, -2).contiguous().transpose(-1, -2) for x in qkv(9, 9))
    torch.testing.assert_close(attention(q, k, v), F.scaled_dot_product_attention(q, k, v))


@pytest.mark.parametrize("normalizer", [softmax(), softmax(0.0), hardmax(), sigmoid(), average()], ids=repr)
def test_a_fully_masked_row_gives_zeros(normalizer):
    q, k, v = qkv(3, 4, batch=())
    pattern = torch.ones(3, 4, dtype=torch.bool)
    pattern[1] = False
    out, weights = attention(q, k, v, normalizer=normalizer, pattern=pattern, return_weights=True)
    assert (out[1] == 0).all() and (weights[1] == 0).all()
    assert out.isfinite().all() and (out[0] != 0).any()


def test_causal_is_aligned_at_the_last_key():
    _, weights = attention(*qkv(2, 5, batch=()), causal=True, return_weights=True)
    assert (weights[0] > 0).tolist() == [True] * 4 + [False]
    assert (weights[1] > 0).all()


def test_more_queries_than_keys_leave_early_queries_blind():
    out = attention(*qkv(5, 2, batch=()), causal=True)
    assert (out[:3] == 0).all() and (out[3:] != 0).all()


def test_hardmax_shares_ties():
    weights = hardmax()(torch.tensor([[1.0, 3.0, 3.0], [0.0, 0.0, 0.0], [5.0, 1.0, 4.999]]))
    torch.testing.assert_close(weights, torch.tensor([[0, 0.5, 0.5], [1 / 3] * 3, [1.0, 0, 0]]))


def test_hardmax_ties_within_a_tolerance():
    assert hardmax(0.1)(torch.tensor([[1.0, 1.05]])).tolist() == [[0.5, 0.5]]
    with pytest.raises(TypeError, match=r"hardmax\(\)\(scores\)"):
        plain(hardmax)(torch.eye(2))


def test_hardmax_ignores_larger_masked_scores():
    weights = hardmax()(torch.tensor([[9.0, 1.0, 1.0]]), torch.tensor([[False, True, True]]))
    assert weights.tolist() == [[0.0, 0.5, 0.5]]


def test_softmax_goes_from_average_to_hardmax():
    scores = torch.tensor([[0.1, 0.5, 0.5, -2.0]], dtype=torch.float64)
    torch.testing.assert_close(softmax(0.0)(scores), average()(scores))
    torch.testing.assert_close(softmax(1000.0)(scores), hardmax()(scores))


def test_softmax_survives_large_scores():
    assert softmax()(torch.tensor([[1e4, 0.0]])).tolist() == [[1.0, 0.0]]


def test_sigmoid_has_the_papers_bias():
    scores = torch.randn(2, 7, dtype=torch.float64)
    torch.testing.assert_close(sigmoid()(scores), torch.sigmoid(scores - math.log(7)))
    torch.testing.assert_close(sigmoid(bias=0.5)(scores), torch.sigmoid(scores + 0.5))


def test_boltzmann_gradient_is_the_closed_form():
    a = torch.randn(1000, 6, dtype=torch.float64, requires_grad=True)
    boltzmann(a).sum().backward()
    p = a.softmax(-1)
    want = p * (1 + a - boltzmann(a)[:, None])
    assert (a.grad - want).abs().max() < 1e-12


def test_a_pattern_object_is_asked_for_its_mask():
    class Diagonal:
        def at(self, n):
            return torch.eye(n, dtype=torch.bool)

    q, k, v = qkv(4, 4)
    torch.testing.assert_close(attention(q, k, v, pattern=Diagonal()), v)


@pytest.mark.parametrize(
    "change, error, words",
    [
        (dict(k=torch.zeros(4, 7)), ValueError, ["k:", "7", "8"]),
        (dict(v=torch.zeros(3, 8)), ValueError, ["v:", "3", "4"]),
        (dict(q=torch.zeros(2, 4, 8)), ValueError, ["batch", "(2,)"]),
        (dict(q=torch.zeros(4, 8, dtype=torch.float64)), TypeError, ["float64", "float32"]),
        (dict(pattern=torch.zeros(4, 4)), TypeError, ["pattern", "bool", "bias="]),
        (dict(pattern=torch.ones(3, 3, dtype=torch.bool)), ValueError, ["pattern", "(3, 3)", "(4, 4)"]),
    ],
)
def test_errors_name_argument_and_cause(change, error, words):
    arguments = dict(q=torch.zeros(4, 8), k=torch.zeros(4, 8), v=torch.zeros(4, 8)) | change
    with pytest.raises(error) as caught:
        plain(attention)(**arguments)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_softmax_refuses_an_infinite_beta():
    with pytest.raises(ValueError, match="hardmax"):
        softmax(math.inf)

import pytest
import torch

from seqlab.attention import hardmax
from seqlab.layers import Block, FeedForward, SelfAttention, YunBlock, count


def test_yun_block_is_the_papers_formula():
    """Eqs. (1) and (2), written out once more in the paper's own layout: X is d × n, one head at a time."""
    block = YunBlock(3, heads=2, head_dim=1, hidden=4).double()
    x = torch.randn(5, 3, dtype=torch.float64)
    X, attn, ff = x.T, block.attention, block.feed_forward
    out = X.clone()
    for h in range(2):
        W_Q, W_K, W_V = (part.weight[h : h + 1] for part in (attn.query, attn.key, attn.value))
        W_O = attn.out.weight[:, h : h + 1]
        out = out + W_O @ W_V @ X @ torch.softmax((W_K @ X).T @ (W_Q @ X), dim=0)
    out = out + ff.down.weight @ torch.relu(ff.up.weight @ out + ff.up.bias[:, None]) + ff.down.bias[:, None]
    torch.testing.assert_close(block(x[None])[0], out.T)


def test_count_of_the_papers_class():
    stack = torch.nn.Sequential(*(YunBlock(3) for _ in range(6)))
    counts = count(stack, 10)
    assert (counts.layers, counts.heads, counts.head_dim, counts.width, counts.hidden) == (6, 2, 1, 3, 4)
    assert counts.connections == 6 * 100
    assert counts.parameters == 6 * (4 * 6 + 3 * 4 + 4 + 4 * 3 + 3)


def test_connections_follow_mask_and_pattern():
    assert count(Block(8, SelfAttention(8, 2, causal=True), FeedForward(8, 16)), 5).connections == 15
    assert count(SelfAttention(4, 1, pattern=torch.eye(5, dtype=torch.bool)), 5).connections == 5


def test_a_block_shared_by_several_layers_counts_each_time():
    block = YunBlock(3)
    counts = count(torch.nn.Sequential(block, block, block), 4)
    assert counts.layers == 3 and counts.parameters == count(block, 4).parameters


def test_weights_on_request():
    layer = SelfAttention(6, 3, normalizer=hardmax())
    x = torch.randn(2, 7, 6)
    out, weights = layer.with_weights(x)
    assert weights.shape == (2, 3, 7, 7) and torch.equal(out, layer(x))
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 7))


def test_errors():
    with pytest.raises(ValueError, match="divide dim 7"):
        SelfAttention(7, 2)
    with pytest.raises(ValueError, match="got dim 5"):
        SelfAttention(6, 2)(torch.zeros(1, 3, 5))
    with pytest.raises(ValueError, match="length"):
        count(FeedForward(2, 2), 0)

"""Hugging Face transformers, where it is installed: its models on our plan, and its own BigBird against ours."""

import builtins
import math
import re
import subprocess
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
import torch
from einops import rearrange

from seqlab.attention import attention
from seqlab.big_bird import Plan, blocked_attention, interface
from seqlab.normalizers import sigmoid
from tests.places import ROOT
from tests.typecheck import plain

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_without_transformers_it_says_what_to_do(monkeypatch):
    monkeypatch.setattr(interface.metadata, "version", lambda name: interface.OLDEST)
    real = builtins.__import__

    def missing(name, *rest, **options):
        if name == "transformers":
            raise ImportError("No module named 'transformers'")
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match="pip install 'transformers.*BigBirdAttention"):
        interface.register(Plan())


@pytest.mark.parametrize("found", ["4.57.6", "5.0.0", "5.1.0rc1", "5.1.0", "5.10.2"])
def test_a_transformers_that_passes_the_interface_by_is_refused(monkeypatch, capsys, found):
    registry = types.SimpleNamespace(register=lambda name, function: None)
    module = types.SimpleNamespace(AttentionInterface=registry, AttentionMaskInterface=registry)
    monkeypatch.setitem(sys.modules, "transformers", module)
    monkeypatch.setattr(interface.metadata, "version", lambda name: found)
    if found in ("5.1.0", "5.10.2"):
        assert interface.register(Plan(block=8), "ours") == "ours"
        said = capsys.readouterr().out
        assert "'ours'" in said and f"transformers {found}" in said and "block=8" in said
    else:
        with pytest.raises(ImportError, match=f"transformers {found}: .*transformers>=5.1.0"):
            interface.register(Plan())


def test_the_values_of_a_padding_mask_decide_nothing():
    """So a model with a padding mask can be exported: a mask of ones stays a mask."""
    mask = torch.ones(2, 40, dtype=torch.long)
    assert interface._padding(attention_mask=mask, kv_length=40).shape == (2, 40)
    assert interface._padding(kv_length=40) is None


@pytest.mark.parametrize("name", ["", "sdpa", "eager", "someone/kernel", "paged|x"])
def test_names_that_mean_something_else(name):
    with pytest.raises(ValueError, match="name: got"):
        interface.register(Plan(), name)


def test_sigmoid_is_the_kernels_and_has_its_bias():
    with pytest.raises(ValueError, match="normalizer: got 'hardmax'"):
        plain(interface.register)(Plan(), normalizer="hardmax")
    q, plan = torch.randn(1, 2, 40, 4), Plan(4, 3, (), 1, extra=3)
    out, _ = call(query=q, key=q, value=q, plan=plan, normalizer="sigmoid")
    want = attention(q, q, q, pattern=plan.mask(40), normalizer=sigmoid(bias=-math.log(40)))
    torch.testing.assert_close(out, rearrange(want, "batch head token dim -> batch token head dim"))


def test_the_lines_of_the_readme_run(transformers, capsys):
    [lines] = [block for block in re.findall(r"```python\n(.+?)```", README, re.S) if "interface.register" in block]
    exec(lines, found := {})
    assert found["out"].shape == (1, 4096, 64) and found["out"].isfinite().all() and len(lines.splitlines()) <= 10
    assert "sigmoid, computed by the kernels" in capsys.readouterr().out


class Layer(torch.nn.Module):
    is_causal = False


def call(**change):
    q = torch.randn(1, 2, 40, 4)
    given = dict(module=Layer(), query=q, key=q, value=q, attention_mask=None, plan=Plan(4, random_blocks=1))
    return interface._forward(**given | change)


def test_what_big_bird_is_not():
    with pytest.raises(ValueError, match="Layer: is causal"):
        call(is_causal=True)
    with pytest.raises(ValueError, match="dropout: got 0.1"):
        call(dropout=0.1)
    with pytest.raises(ValueError, match="40 queries for 39 keys"):
        call(key=torch.randn(1, 2, 39, 4), value=torch.randn(1, 2, 39, 4))
    with pytest.raises(ValueError, match=r"attention_mask: got shape \(1, 1, 40, 40\)"):
        call(attention_mask=torch.ones(1, 1, 40, 40))


def test_grouped_keys_and_the_layout_of_the_result():
    q, k = torch.randn(1, 4, 40, 4), torch.randn(1, 2, 40, 4)
    out, weights = call(query=q, key=k, value=k, scaling=0.5)
    many = k.repeat_interleave(2, dim=1)
    want = blocked_attention(q, many, many, Plan(4, random_blocks=1), scale=0.5)
    assert weights is None
    torch.testing.assert_close(out, rearrange(want, "batch head token dim -> batch token head dim"))


@pytest.fixture
def transformers():
    return pytest.importorskip("transformers")


def bert(transformers, **options):
    size = dict(vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
    off = dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, max_position_embeddings=128)
    return transformers.BertModel(transformers.BertConfig(**size, **off, **options), add_pooling_layer=False).eval()


@pytest.mark.parametrize("plan", [Plan(8, random_blocks=2, heads=2), Plan(8, 3, (), 1, extra=3)], ids=["itc", "etc"])
def test_bert_on_our_plan_is_bert_under_our_mask(transformers, plan):
    name = interface.register(plan, "seqlab_test")
    ours, eager = (bert(transformers, attn_implementation=x) for x in (name, "eager"))
    eager.load_state_dict(ours.state_dict())
    words = torch.randint(0, 50, (2, 77))
    real = torch.ones(2, 77, dtype=torch.bool)
    real[1, 60:] = False
    allowed = plan.mask(77)[None] & real[:, None, None]
    mask = torch.zeros(allowed.shape).masked_fill(~allowed, torch.finfo(torch.float32).min)
    with torch.no_grad():
        got = ours(words, attention_mask=real).last_hidden_state
        want = eager(words, attention_mask=mask).last_hidden_state
        whole = ours(words).last_hidden_state
    assert float((got - want)[real].abs().max()) < 1e-5
    assert float((whole[0] - want[0]).abs().max()) < 1e-5
    with torch.no_grad():
        full = eager(words).last_hidden_state
    assert float((whole - full).abs().max()) > 1e-3, "the plan is in use"


EXPORT = """
import torch
from transformers import BertConfig, BertModel
from seqlab.big_bird import Plan, interface
small = dict(vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
name = interface.register(Plan(8, random_blocks=1))
model = BertModel(BertConfig(attention_probs_dropout_prob=0.0, attn_implementation=name, **small)).eval()
words, real = torch.randint(0, 50, (2, 77)), torch.ones(2, 77, dtype=torch.long)
real[1, 60:] = 0
for strict in (False, True):
    exported = torch.export.export(model, (words,), {"attention_mask": real}, strict=strict).module()
    for mask in (real, real.flip(0), torch.ones_like(real)):
        got, want = (m(words, attention_mask=mask).last_hidden_state[mask.bool()] for m in (exported, model))
        torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-5)
"""


def test_a_model_with_a_padding_mask_can_be_exported(transformers):
    """In a process of its own: a strict export reads functions, and tests wrap them to check shapes."""
    subprocess.run([sys.executable, "-c", EXPORT], cwd=ROOT, check=True)


def test_the_name_kernels_is_still_ours(transformers):
    import kernels

    assert kernels.BlockLayout and bert(transformers)


def big_bird(transformers, heads=2, block=16, randoms=3):
    config = transformers.BigBirdConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=heads,
        intermediate_size=32,
        max_position_embeddings=4096,
        attention_type="block_sparse",
        block_size=block,
        num_random_blocks=randoms,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return transformers.BigBirdModel(config, add_pooling_layer=False).eval()


def sparse_layers(model):
    return [layer.attention.self for layer in model.encoder.layer]


@pytest.mark.parametrize("padded", [False, True])
def test_equals_big_bird_of_transformers(transformers, monkeypatch, padded):
    """Its random blocks are replaced by the plan's; the rest of the pattern is its own."""
    plan, n = Plan(16, random_blocks=3, heads=2), 16 * 13
    model = big_bird(transformers)
    words = torch.randint(0, 50, (2, n))
    real = torch.ones(2, n, dtype=torch.long)
    if padded:
        real[1, 130:] = 0
    drawn = plan.at(n).random[:, 1:-1].numpy()
    for layer in sparse_layers(model):
        monkeypatch.setattr(layer, "_bigbird_block_rand_mask_with_head", lambda *a, **b: list(drawn))
    with torch.no_grad():
        theirs = model(words, attention_mask=real).last_hidden_state

    def core(q, k, v, *rest, **options):
        out = blocked_attention(q, k, v, plan, real.bool())
        return rearrange(out, "batch head token dim -> batch token head dim"), None

    for layer in sparse_layers(model):
        monkeypatch.setattr(layer, "bigbird_block_sparse_attention", core)
    with torch.no_grad():
        ours = model(words, attention_mask=real).last_hidden_state
    assert float((ours - theirs)[real.bool()].abs().max()) < 1e-4


def test_in_evaluation_transformers_draws_block_0_every_time(transformers):
    """Seen in transformers 5.23: outside of training all random blocks are block 0, so its keys weigh 1 + r times."""
    n, randoms = 16 * 13, 3
    layer = sparse_layers(big_bird(transformers))[0]
    drawn = layer._bigbird_block_rand_mask(4096, 4096, 16, 16, randoms, last_idx=1024)
    if np.any(drawn):
        pytest.fail("transformers draws random blocks in evaluation now: say so in the lab")
    q, k, v = torch.randn(3, 1, 2, n, 8)
    ones = torch.ones(1, n)
    band = torch.ones(1, 1, n // 16 - 4, 16, 48)
    blocks, rows, columns = ones.view(1, n // 16, 16), ones.view(1, 1, n, 1), ones.view(1, 1, 1, n)
    options = dict(seed=0, plan_from_length=None, plan_num_rand_blocks=None)
    run = layer.bigbird_block_sparse_attention
    theirs, _ = run(q, k, v, band, rows, columns, blocks, blocks, 2, randoms, 8, 16, 16, 1, n, n, **options)
    weight = torch.zeros(n, n)
    weight[16:-16, :16] = math.log(1 + randoms)
    ours = attention(q, k, v, pattern=Plan(16, random_blocks=0).mask(n), bias=weight)
    torch.testing.assert_close(
        theirs, rearrange(ours, "batch head token dim -> batch token head dim"), atol=1e-5, rtol=0
    )


def test_the_published_draw_has_our_support(transformers):
    """At 4,096 tokens each query block draws from the same blocks; at 1,024 it may draw the last, which is global."""
    layer = sparse_layers(big_bird(transformers, block=64))[0].train()
    theirs, ours = ([set() for _ in range(64)] for _ in range(2))
    for seed in range(60):
        np.random.seed(seed)
        drawn = layer._bigbird_block_rand_mask(4096, 4096, 64, 64, 3, last_idx=1024)
        for i, row in enumerate(drawn.tolist(), 1):
            theirs[i] |= set(row)
        for i, row in enumerate(replace(Plan.published(heads=1), seed=seed).at(4096).random[0].tolist()):
            ours[i] |= set(row) - {-1}
    assert theirs == ours
    assert 15 in set.union(*theirs[1:15]), "block 15 is the last of 16 blocks, and global"

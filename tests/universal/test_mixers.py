"""Mixers: equal sizes, causality, what each can and cannot see, and the recall task."""

import pytest
import torch

from seqlab.layers import parameters
from seqlab.train.fit import fit, fresh
from seqlab.universal import mixers

KINDS = [*mixers.MIXERS, ("convolution", "attention")]


@pytest.mark.parametrize("kinds", KINDS, ids=str)
@pytest.mark.parametrize("causal", [True, False])
def test_sees_what_it_may(kinds, causal):
    model = mixers.MixerModel(kinds, (9,), 9, 6, causal=causal).eval()
    ids = torch.arange(6)[None, :, None]
    changed = ids.clone()
    changed[0, 3] = 8
    with torch.no_grad():
        moved = ((model(ids) - model(changed)).abs().amax(-1)[0] > 1e-7).tolist()
    alone = kinds == "none"
    assert moved[3]
    assert moved[:3] == [not (causal or alone)] * 3 and moved[4:] == [not alone] * 2


@pytest.mark.parametrize("causal", [True, False])
def test_diagonal_convolution_is_the_readable_one(causal):
    x = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(0))
    layer = mixers.SeparableConvolution(8, 6, filters=4, causal=causal)
    gated = torch.nn.functional.glu(layer.gate(x), -1).transpose(1, 2)
    sides = (layer.width - 1, 0) if causal else (layer.width // 2, layer.width // 2)
    filters = layer.filters.repeat_interleave(2, dim=0)[:, None]
    mixed = torch.nn.functional.conv1d(torch.nn.functional.pad(gated, sides), filters, groups=8)
    torch.testing.assert_close(layer(x), layer.out(mixed.transpose(1, 2)))


def test_equal_parameters():
    sizes = [parameters(mixers.MixerModel(kinds, (60,), 60, 24, causal=True)) for kinds in KINDS]
    assert max(sizes) / min(sizes) < 1.01


def test_same_seed_same_weights_and_the_global_generator_stays():
    state = torch.get_rng_state()
    a, b, c = (fresh(lambda: mixers.MixerModel("attention", (9,), 9, 6), seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(a.out.weight, b.out.weight) and not torch.equal(a.out.weight, c.out.weight)


def test_recall_asks_for_a_key_that_is_there():
    batch = next(mixers.recall(batch=50))
    key, value, question, answer = batch.unbind(-1)
    for k, v, q, a in zip(key.tolist(), value.tolist(), question.tolist(), answer.tolist()):
        assert len(set(k)) == len(k)
        assert [v[k.index(asked)] for asked in q] == a


def test_next_characters_are_the_next_ones():
    batch = next(mixers.next_characters(torch.arange(100), length=5, batch=3))
    assert batch.shape == (3, 5, 2) and (batch[..., 1] == batch[..., 0] + 1).all()


def test_it_learns():
    model = mixers.MixerModel("attention", (16, 8, 16), 8, 8)
    history = fit(model, mixers.recall(batch=32), steps=40, lr=5e-3)
    assert history.loss[-1] < history.loss[0] - 0.2


def test_what_is_no_mixer_is_refused():
    with pytest.raises(ValueError, match="kinds: got fourier, wanted some of .*bilinear"):
        mixers.MixerModel("fourier", (9,), 9, 6)

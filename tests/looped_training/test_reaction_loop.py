"""The pretrained model, looped: 12 loops are the model, by a second implementation; then what each loop says."""

import math

import pytest
import torch
import torch.nn.functional as F

from seqlab.looped_training.reaction_loop import by_loops
from seqlab.start.reaction import KNOWN_MAP, REACTION, ReactionModel, atom_map, atoms_right

MODEL = ReactionModel()


def reference(model, tokens):
    """ALBERT as its paper writes it, head by head, 12 layers one after the other; nothing of seqlab is called."""
    w, heads = model.weights, 8
    norm = lambda x, n: (
        (x - x.mean(-1, keepdim=True)) / (x.var(-1, correction=0, keepdim=True) + 1e-12).sqrt() * w[n + ".weight"]
        + w[n + ".bias"]
    )
    affine = lambda x, n: x @ w[n + ".weight"].T + w[n + ".bias"]
    ids = [model.vocabulary.index(token) for token in tokens]
    e, one = "albert.embeddings.", "albert.encoder.albert_layer_groups.0.albert_layers.0."
    x = (
        w[e + "word_embeddings.weight"][ids]
        + w[e + "position_embeddings.weight"][: len(ids)]
        + w[e + "token_type_embeddings.weight"][0]
    )
    x = affine(norm(x, e + "LayerNorm"), "albert.encoder.embedding_hidden_mapping_in")
    maps = []
    for _layer in range(12):
        q, k, v = (affine(x, one + f"attention.{name}") for name in ("query", "key", "value"))
        size, mixed, rows = q.shape[1] // heads, [], []
        for h in range(heads):
            part = slice(h * size, (h + 1) * size)
            scores = q[:, part] @ k[:, part].T / math.sqrt(size)
            weights = (scores - scores.max(-1, keepdim=True).values).exp()
            weights = weights / weights.sum(-1, keepdim=True)
            rows.append(weights)
            mixed.append(weights @ v[:, part])
        x = norm(x + affine(torch.cat(mixed, -1), one + "attention.dense"), one + "attention.LayerNorm")
        x = norm(x + affine(F.gelu(affine(x, one + "ffn")), one + "ffn_output"), one + "full_layer_layer_norm")
        maps.append(torch.stack(rows))
    y = norm(F.gelu(affine(x, "predictions.dense")), "predictions.LayerNorm")
    return y @ w[e + "word_embeddings.weight"].T + w["predictions.bias"], torch.stack(maps)


@pytest.mark.parametrize("reaction", [REACTION, "CCO.[Na+]>>CC=O"])
def test_twelve_loops_are_the_unlooped_model(reaction):
    trace = MODEL.trace(reaction, loops=12)
    logits, maps = reference(MODEL, trace.tokens)
    torch.testing.assert_close(trace.logits, logits, atol=1e-4, rtol=0)
    torch.testing.assert_close(trace.weights, maps, atol=1e-4, rtol=0)
    assert torch.equal(MODEL.trace(reaction).logits, trace.logits)
    assert (MODEL.trace(reaction, loops=11).logits - logits).abs().max() > 1e-2


def test_a_longer_run_passes_through_the_shorter_ones():
    long = MODEL.trace(REACTION, loops=5)
    short = MODEL.trace(REACTION, loops=3)
    assert long.hidden.shape[0] == 6 and long.weights.shape[0] == 5
    torch.testing.assert_close(long.hidden[:4], short.hidden)
    torch.testing.assert_close(MODEL.scores(long.hidden[3]), short.logits)
    with pytest.raises(ValueError, match="loops: got 0"):
        MODEL.trace(REACTION, loops=0)
    with pytest.raises(ValueError, match="at most"):
        MODEL.trace("C" * 600)


def test_masked_rows_are_what_masking_by_hand_gives():
    tokens = MODEL.tokenize("CCO>>CC=O")
    pairs = MODEL.fill_in("CCO>>CC=O")
    for at, (true, guess) in enumerate(pairs, 1):
        by_hand = MODEL.trace(tokens[:at] + ["[MASK]"] + tokens[at + 1 :]).logits[at].argmax()
        assert true == tokens[at] and guess == MODEL.vocabulary[by_hand]
    assert len(pairs) == len(tokens) - 2


def test_residuals_are_those_of_each_pass():
    hidden = MODEL.trace(REACTION, loops=4).hidden
    wanted = [(b - a).norm().item() / a.norm().item() for a, b in zip(hidden, hidden[1:])]
    assert [reading.residual for reading in by_loops(MODEL, most=4)] == pytest.approx(wanted, rel=1e-4)
    assert len(set(wanted)) == 4


def test_loop_by_loop():
    found = by_loops(MODEL)
    assert [reading.loops for reading in found] == list(range(1, 25)) and found[0].masked == 54
    assert found[11].right == sum(a == b for a, b in MODEL.fill_in(REACTION)) == 53
    assert found[5].right == sum(a == b for a, b in MODEL.fill_in(REACTION, loops=6))
    assert found[10].atoms == atoms_right(atom_map(MODEL.trace(REACTION))) == found[10].atoms_of == 11
    assert found[0].right < found[2].right < found[11].right > found[23].right
    assert found[0].atoms < found[11].atoms
    assert min(reading.residual for reading in found) > 0.1  # no fixed point


def test_the_known_map_is_of_eleven_atoms():
    assert len(KNOWN_MAP) == 11


def test_readings_are_of_the_pass_that_they_name():
    readings, trace = by_loops(MODEL, most=3), MODEL.trace(REACTION, loops=3)
    guesses = [[guess for _, guess in MODEL.fill_in(REACTION, loops=r)] for r in (1, 2, 3)]
    for r in (1, 2):
        assert readings[r].changed == sum(a != b for a, b in zip(*guesses[r - 1 : r + 1])) < 27
    atoms = [atoms_right(atom_map(trace, at, 5)) for at in range(3)]
    assert [reading.atoms for reading in readings] == atoms and atoms[0] < atoms[2]


def test_a_map_wants_a_product():
    with pytest.raises(ValueError, match="no >>"):
        atom_map(MODEL.trace("CCO"))

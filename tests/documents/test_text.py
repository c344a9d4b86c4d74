"""Tasks on real text: what is masked, what counts as distant, that contexts share their targets, the shipped result."""

import pytest
import torch

from seqlab import data
from seqlab.documents import figures, text
from seqlab.documents import model as long_model
from seqlab.documents.model import ARMS, GAP, REACH, SCORED, TOKENS, WIDEST, beats, middle, table

RESULTS = text.results()


def test_eight_plays_with_titles():
    plays = data.shakespeare()
    assert len(plays) == 8 and all(play.strip() and " ACT I\n" in play[:400] for play in plays)
    assert plays[0].startswith("A Midsummer Night's Dream") and min(map(len, plays)) > 80_000


@pytest.mark.parametrize("name, texts", [("austen", 1), ("shakespeare", 8)])
def test_the_corpus_learns_its_words_from_the_training_part(name, texts):
    vocabulary, learn, test = text.corpus(name)
    assert len(learn) == len(test) == texts and len(set(vocabulary)) == len(vocabulary)
    assert torch.cat(learn).unique().tolist() == list(range(1, len(vocabulary)))
    counts = torch.bincount(torch.cat(learn))
    assert counts[2:].min() >= text.RARE and (counts[2:].diff() <= 0).all() and (torch.cat(test) == text.OTHER).any()
    with pytest.raises(ValueError, match="name: got 'bible'"):
        text.corpus("bible")


@pytest.mark.parametrize("task", [text.words_task(), text.play_task()], ids=lambda task: task.name)
def test_targets_are_the_same_at_every_context(task):
    ids, targets = task.test(WIDEST)
    for context in (64, 256):
        nearer, same = task.test(context)
        assert torch.equal(nearer, middle(ids, context)) and torch.equal(same[same != GAP], targets[targets != GAP])
    assert (targets != GAP).any(0).nonzero().min() >= (WIDEST - SCORED) // 2 and (targets != GAP).sum() > 1000
    a, b = next(task.batches(64, 3)), next(task.batches(64, 3))
    assert all(torch.equal(x, y) for x, y in zip(a, b)) and a[0].shape == (TOKENS // 64, 64)
    assert not torch.equal(a[0], next(task.batches(64, 4))[0])


def test_masked_words_are_hidden_and_unknown_ones_are_not_asked_for():
    ids, targets = next(text.words_task().batches(64, 0))
    assert (ids[targets != GAP] == long_model.MASK).all() and (targets[targets != GAP] > text.OTHER).all()
    assert 0.1 < (ids == long_model.MASK).float().mean() < 0.2


def test_stretches_stay_inside_one_text_and_reach_its_ends():
    texts = [torch.arange(0, 70), torch.arange(100, 165), torch.arange(200, 264)]
    seen = set()
    for (ids, source), _ in zip(text._stretches(texts, 64, 0), range(40)):
        assert ((ids[:, 1:] - ids[:, :-1]) == 1).all() and torch.equal(ids[:, 0] // 100, source)
        seen |= set(ids[:, 0].tolist())
    assert seen == {*range(0, 7), 100, 101, 200}


def test_distant_targets():
    ids = torch.full((1, 200), 7)
    targets = torch.full((1, 200), GAP)
    rare = text.FREQUENT + 10
    for at, word in ((100, rare), (101, rare + 1), (102, rare + 2), (103, 5), (104, rare + 3)):
        ids[0, at], targets[0, at] = long_model.MASK, word
    ids[0, 100 + REACH + 1] = rare  # just out of reach
    ids[0, 101 - REACH] = rare + 1  # just within reach
    ids[0, 2], ids[0, 120] = rare + 3, rare + 3  # far and near
    ids[0, 10] = 5  # far, but a frequent word; rare + 2 is nowhere
    assert text.distant(ids, targets).tolist() == [True, False, False, False, False]


def test_the_control_mixes_answers_in_training_only():
    task, control = text.play_task(), text.play_task().shuffled()
    (ids, plays), (same, mixed) = next(task.batches(64, 0)), next(control.batches(64, 0))
    assert torch.equal(ids, same) and torch.equal(plays.roll(1, 0), mixed) and not torch.equal(plays, mixed)
    assert all(torch.equal(a, b) for a, b in zip(task.test(64), control.test(64)))


def test_a_live_run_is_repeatable():
    a, b = (long_model.train(text.play_task(), "window", 64, steps=1) for _ in range(2))
    assert a["losses"] == b["losses"] and a["scores"] == b["scores"] and (a["arm"], a["context"]) == ("window", 64)


def test_the_shipped_result_was_made_with_these_arms():
    for part in text.CELLS:
        cells = RESULTS[part]["cells"]
        vocabulary, learn, _ = text.corpus("austen" if part == "words" else "shakespeare")
        for cell in cells:
            arm, classes = ARMS[cell["arm"]], None if part == "words" else len(learn)
            size = dict(tokens=len(vocabulary), classes=classes)
            model = long_model.LongModel(arm, cell["seed"], cell["context"], **size)
            assert cell["connections"] == round(model.connections, 5)
            assert cell["parameters"] == sum(p.numel() for p in model.parameters())


def test_the_claims_hold_for_every_seed():
    play, other = (table(RESULTS["play"]["cells"], score) for score in ("loss", "loss, foreign"))
    for arm in ("window + random", "window + global", "BigBird", "dense"):
        assert beats(play[arm, 256], play["window", 256]) and beats(play[arm, 256], play["truncated", 256])
        assert beats(play["window", 256], other[arm, 256])  # with another place's distant context the gain is gone
    assert beats(play["BigBird", 256], play["BigBird", 64]) and not beats(play["window", 256], play["window", 64])
    assert not beats(play["BigBird", 64], play["window", 64])
    assert play["window", 256] == other["window", 256]
    right = table(RESULTS["play"]["cells"], "accuracy")
    assert min(right["BigBird", 256]) > 0.95
    assert max(table(RESULTS["play, shuffled"]["cells"], "accuracy")["BigBird", 256]) < 0.25
    words, distant, swapped = (
        table(RESULTS["words"]["cells"], score) for score in ("loss", "distant", "distant, foreign")
    )
    for values in (words, distant):
        for context in (64, 256, 512):  # no gain from distance
            assert not beats(values["BigBird", context], values["window", context])
        assert not any(beats(values[arm, 512], values[arm, 64]) for arm in ("window", "BigBird"))
    assert not beats(distant["BigBird", 256], swapped["BigBird", 256])


def test_figures_say_what_they_show():
    for part in ("play", "words"):
        cells = RESULTS[part]["cells"]
        alt = figures.loss_by_context(cells, unit="bits", title="x").layout.meta["alt"]
        assert "BigBird" in alt and "nan" not in alt

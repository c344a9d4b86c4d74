"""The experiments: their data, their variants, one budget, what was shipped, and that it can be made again."""

import json
import math
from dataclasses import asdict, replace
from statistics import fmean

import pytest
import torch

from seqlab import data
from seqlab.sigmoid import Batch, figures, make, modalities, tasks
from seqlab.sigmoid.modalities import verdict
from seqlab.sigmoid.telemetry import follow, rate
from seqlab.train.fit import fit

SHIPPED = modalities.results()
TASKS = modalities.modalities()


def test_the_data_are_what_they_say():
    pictures, speech = data.fashion(), data.vowels()
    assert pictures["x_train"].shape == (3000, 28, 28) and pictures["x_train"].max() == 1
    assert pictures["y_test"].bincount().min() >= 40
    assert speech["x_train"].shape == (270, 29, 12) and speech["y_test"].shape == (370,)
    assert speech["real_train"].sum() == 4274 and (speech["x_train"][~speech["real_train"]] == 0).all()
    assert speech["real_test"].sum(1).min() == 7 and speech["real_test"].sum(1).max() == 29
    assert (speech["x_train"][speech["real_train"]] != 0).any(-1).all()


def test_patches_are_squares_of_the_picture():
    patches = tasks.pictures()["train"].inputs
    picture = (data.fashion()["x_train"][5] - 0.286) / 0.353
    torch.testing.assert_close(patches[5, 9].reshape(4, 4), picture[4:8, 8:12])


def test_copies_ask_for_the_second_half_alone():
    batch = next(tasks.copies(32, 5, 0))
    assert batch.inputs.shape == batch.targets.shape == (5, 31)
    asked = batch.targets >= 0
    assert asked[:, 16:].all() and not asked[:, :16].any()
    assert torch.equal(batch.targets[asked], batch.inputs[:, 1:16].flatten())


@pytest.mark.parametrize("name", TASKS)
def test_variants_differ_in_what_they_say_and_share_the_budget(name):
    task = TASKS[name]
    plain, soft = asdict(task.variant("sigmoid")), asdict(task.variant("softmax"))
    assert {key for key in plain if plain[key] != soft[key]} == {"weights"}
    for variant in task.variants:
        changed = asdict(task.variant(variant))
        base = soft if variant.startswith("softmax") else plain
        differs = {key for key in changed if changed[key] != base[key]}
        if variant not in ("best practice", "softmax, same extras", "softmax", "sigmoid"):
            assert len(differs) == 1, (variant, differs)
        assert differs <= {"bias", "qk_norm", "layer_scale", "hybrid_norm", "power", "positions"}
    best, control = task.variant("best practice"), task.variant("softmax, same extras")
    assert replace(best, weights="softmax", bias="zero") == control
    with pytest.raises(ValueError, match="variant: got 'nothing'"):
        task.variant("nothing")


def test_every_epoch_sees_everything_once():
    source = Batch(torch.arange(12.0)[:, None, None], torch.arange(12))
    stream = tasks.shuffled(source, 4, 0)
    epochs = [torch.cat([next(stream).targets for _ in range(3)]) for _ in range(2)]
    assert all(sorted(epoch.tolist()) == list(range(12)) for epoch in epochs) and not torch.equal(*epochs)


def test_follow_is_the_loop_of_training_fit():
    """The same clipping, nearly the same rate: the same losses, but for a fall that begins one step sooner."""
    task = modalities.speech()
    models = [make(task.config, 0) for _ in range(2)]
    history = fit(models[0], task.train(0), steps=12, lr=1e-3, weight_decay=0.01)
    for run in follow(models[1], task.train(0), steps=12, lr=1e-3, probe=next(task.train(1))):
        pass
    assert run.loss[:2] == pytest.approx(history.loss[:2], rel=1e-4) and run.loss == pytest.approx(
        history.loss, rel=0.05
    )
    assert [rate(step, 100) for step in (1, 5, 100)] == pytest.approx([0.2, 1.0, 0.1])
    assert run.steps == len(run.gradient) == 12 and run.probed == [0, *sorted(set(run.probed) - {0})]
    assert run.smooth()[11] == pytest.approx(fmean(run.loss[2:]))
    with pytest.raises(ValueError, match="steps: got 0"):
        list(follow(models[0], task.train(0), steps=0, lr=1.0, probe=next(task.train(1))))


def test_a_loss_that_is_not_finite_says_where():
    task = modalities.speech()
    model = make(task.config, 0)
    with torch.no_grad():
        model.out.weight.fill_(math.nan)
    with pytest.raises(FloatingPointError, match="at step 1"):
        list(follow(model, task.train(0), steps=3, lr=1e-3, probe=next(task.train(1))))


def test_training_is_repeatable_and_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    a, b = (modalities.train("speech", "b = -log keys", 1, steps=4) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert a["curve"] == b["curve"] and a["nats"] == b["nats"] and json.dumps(a)


def test_matches_overlaps_lags():
    soft, right = [2.0, 2.2, 2.1], [0.8, 0.95]
    assert verdict([2.1, 2.2, 2.3], soft, "nats") == "matches" != verdict([2.1, 2.3, 2.4], soft, "nats")
    assert verdict([2.15, 9.0], soft, "nats") == "overlaps" and verdict([2.21, 9.0], soft, "nats") == "lags"
    assert verdict([0.7, 0.9], right, "accuracy") == "matches" and verdict([0.7, 0.79], right, "accuracy") == "lags"
    assert verdict([2.2, 9.0], soft, "nats") == verdict([0.8, 0.1], right, "accuracy") == "overlaps"  # a tie
    with pytest.raises(KeyError, match="loss"):
        verdict([1.0], [1.0], "loss")


def test_fresh_norms_shipped_are_those_of_a_fresh_model():
    cell = next(c for c in SHIPPED["language"]["cells"] if (c["variant"], c["seed"]) == ("sigmoid", 0))
    _, training_run = modalities.start(TASKS["language"], "sigmoid", 0)
    run = next(training_run)
    assert run.probes["mixed norm"][0] == pytest.approx(cell["probes"]["mixed norm"][0], rel=1e-2)
    assert run.probes["row sum"][0] == pytest.approx([32.5 / 2] * 2, rel=0.05)


def test_a_shipped_number_can_be_made_again():
    """Other processors round differently."""
    shipped = next(c for c in SHIPPED["speech"]["cells"] if (c["variant"], c["seed"]) == ("b = -log n", 0))
    again = modalities.train("speech", "b = -log n", 0)
    assert again["accuracy"] == pytest.approx(shipped["accuracy"], abs=0.015)
    assert again["curve"][-1][1] == pytest.approx(shipped["curve"][-1][1], abs=0.01)


def test_figures_say_what_they_show():
    language = SHIPPED["language"]["cells"]
    bars = figures.variant_scores(language, "nats", "Language")
    assert (
        "b = -log n 2.290 (2.278 to 2.309)" in bars.layout.meta["alt"] and "lower is better" in bars.layout.meta["alt"]
    )
    curves = figures.training_curves(language[:2], "Language")
    assert [trace.name for trace in curves.data] == ["softmax", "sigmoid"]
    assert len({trace.line.dash for trace in curves.data}) == 2
    alibi = [cell for cell in SHIPPED["lengths"]["cells"] if cell["positions"] == "alibi"]
    picture = figures.length_curves(alibi, modalities.LENGTHS)
    assert len(picture.data) == 5 and "b of this length" in picture.layout.meta["alt"]
    assert picture.layout.title.text.endswith("ALiBi")
    heads = figures.fresh_heads([64, 128], {"softmax": [1.0, 1.0], "b = 0": [32.0, 64.0]}, "row sum")
    assert "b = 0: from 32 to 64" in heads.layout.meta["alt"]
    table = figures.search_table(SHIPPED["search"]["cells"]).data
    assert table.count("<tr>") == 1 + len(modalities.SEARCH) and "–" not in table

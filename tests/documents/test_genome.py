"""The genome's classes against its own codons, models of long context, the exchange of what is distant, the result."""

from statistics import fmean

import pytest
import torch

from seqlab.documents import figures, genome
from seqlab.documents import model as long_model
from seqlab.documents.model import ARMS, GAP, REACH, SCORED, beats, middle, table

RESULTS = genome.results()
CELLS = RESULTS["frame"]["cells"]


def test_classes_agree_with_the_genetic_code():
    """Read in its class's phase, a gene has no stop codon before its end; read in another phase, it has many."""
    bases, classes = genome.genome()
    assert len(bases) == len(classes) == 1_042_519 and set(classes.unique().tolist()) == {GAP, *range(7)}
    stops = {"TAA", "TAG", "TGA"}
    letters = "".join("ACGT"[base] for base in bases[:60_000].tolist())
    found = {}
    for at in range(len(letters) - 2):
        first = int(classes[at])
        if 1 <= first <= 3 and (classes[at : at + 3] > 0).all():
            found.setdefault(first, []).append(letters[at : at + 3] in stops)
    share = {phase: fmean(hits) for phase, hits in found.items()}
    assert share[1] < 0.005 < 0.03 < min(share[2], share[3])
    backward = [
        "".join("TGCA"[base] for base in bases[at - 2 : at + 1].flip(0).tolist()) in stops
        for at in range(20_000, 40_000)
        if classes[at] == 4 and (classes[at - 2 : at + 1] >= 4).all()
    ]
    assert len(backward) > 500 and fmean(backward) < 0.005


def test_stretches_are_the_genome_three_bases_at_a_time():
    bases, classes = genome.genome()
    tokens, own = genome.stretches(torch.tensor([7, 1000]), 5)
    assert tokens.shape == own.shape == (2, 5)
    assert tokens[1, 2] == 1 + 16 * bases[1006] + 4 * bases[1007] + bases[1008] and own[1, 2] == classes[1007]
    assert 1 <= tokens.min() and tokens.max() <= 64


@pytest.mark.parametrize("task", [genome.frame_task(), genome.bases_task()], ids=lambda task: task.name)
def test_targets_are_the_same_at_every_context_and_training_never_sees_the_test_part(task, monkeypatch):
    wanted = {context: (task.test(context)[1], task.test(context)[0]) for context in (64, 128, 512)}
    for targets, ids in wanted.values():
        assert torch.equal(targets[targets != GAP], wanted[64][0][wanted[64][0] != GAP])
        assert (
            torch.equal(middle(ids, 64), wanted[64][1])
            and (middle(targets, SCORED) != GAP).sum() == (targets != GAP).sum()
        )
    bases, _ = genome.genome()
    context = 512
    with monkeypatch.context() as patch:
        patch.setattr(genome, "stretches", lambda starts, length: starts + 3 * length)
        assert max(int(next(drawn).max()) for drawn in [genome.drawn(context, 0)] * 30) <= genome.cut()
    assert genome.cut() <= genome._places().min()
    assert genome._places().max() + 3 * 512 <= len(bases)
    a, b = next(task.batches(64, 3)), next(task.batches(64, 3))
    assert all(torch.equal(x, y) for x, y in zip(a, b)) and a[0].numel() == long_model.TOKENS


def test_masked_bases_are_hidden_and_wanted():
    ids, targets = next(genome.bases_task().batches(64, 0))
    assert torch.equal(ids == long_model.MASK, targets != GAP) and 0.1 < (targets != GAP).float().mean() < 0.2


@pytest.mark.parametrize("arm", ARMS)
def test_what_a_target_can_hear(arm):
    """Gradients: windows and pieces end within REACH, so the exchange leaves them alone; the others hear beyond."""
    torch.manual_seed(0)
    model = long_model.LongModel(ARMS[arm], 0, 256, tokens=65, classes=7)
    ids, given = torch.randint(1, 65, (4, 256), generator=torch.Generator().manual_seed(1)), []
    at = torch.zeros(4, 256, dtype=torch.bool)
    at[:, 112] = True  # the first of the scored middle
    model.embed.register_forward_hook(lambda _, __, out: given.append(out.requires_grad_()))
    logits = model(ids, at)
    reached = torch.autograd.grad(logits.square().sum(), given[0])[0].abs().sum((0, 2)).nonzero().flatten()
    distance = (reached - 112).abs().max()
    swapped = model(long_model.foreign(ids), at)
    if arm in ("window", "truncated"):
        assert distance <= REACH
        torch.testing.assert_close(swapped, logits)
    else:
        assert (distance > REACH) == (arm != "window") and (swapped - logits).abs().max() > 1e-5
    assert arm != "window" or distance > REACH - 5


def test_the_exchange_keeps_the_near_and_changes_the_rest():
    ids = torch.arange(4)[:, None].repeat(1, 256)
    swapped, keep = long_model.foreign(ids), SCORED + 2 * REACH
    assert torch.equal(middle(swapped, keep), middle(ids, keep))
    outside = torch.ones(256, dtype=torch.bool)
    outside[128 - keep // 2 : 128 + keep // 2] = False
    assert torch.equal(swapped[:, outside], ids.roll(2, 0)[:, outside]) and torch.equal(ids[:, 0], torch.arange(4))
    assert torch.equal(long_model.foreign(ids[:, :64]), ids[:, :64])
    for bad in (0, 63, 300):
        with pytest.raises(ValueError, match="context"):
            middle(ids, bad)


def test_every_arm_spends_the_same_and_starts_the_same():
    for context in (256, 512):
        spent = {}
        for name, arm in ARMS.items():
            torch.manual_seed(0)
            model = long_model.LongModel(arm, 0, context, tokens=65, classes=7)
            spent[name] = (
                model.connections,
                sum(p.numel() for p in model.parameters()),
                model.blocks[0].attention.qkv.weight,
            )
        assert spent.pop("dense")[0] == context
        assert all(abs(connections / 28 - 1) < 0.03 for connections, _, _ in spent.values())
        parameters = [count for _, count, _ in spent.values()]
        assert max(parameters) / min(parameters) < 1.005
        assert all(torch.equal(weight, spent["window"][2]) for _, _, weight in spent.values())
    each = ARMS["BigBird"].make(0).at(260).masks(by_head=True)[0]
    assert not torch.equal(each[0], each[1]) and not torch.equal(each, ARMS["BigBird"].make(1).at(260).masks()[0])


def test_training_is_repeatable_and_leaves_the_global_generator_alone():
    before, task = torch.get_rng_state(), genome.frame_task()
    a, b = (long_model.train(task, "BigBird", 128, steps=2, seed=1) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert a["losses"] == b["losses"] and a["scores"] == b["scores"]
    assert set(a["scores"]) == {"loss", "accuracy", "loss, foreign", "accuracy, foreign"}
    few = long_model.train(genome.frame_task(places=80), "window", 64, steps=1)
    assert (few["arm"], few["context"], len(few["losses"])) == ("window", 64, 1)
    assert "loss, foreign" not in few["scores"]


@pytest.mark.parametrize(
    ("arm", "context", "named"), [("bigbird", 64, "arm"), ("BigBird", 63, "context"), ("BigBird", 4096, "context")]
)
def test_bad_arms_and_contexts_are_refused_before_training(arm, context, named):
    with pytest.raises(ValueError, match=f"{named}: got"):
        long_model.train(genome.frame_task(), arm, context, steps=10**6)


def test_baselines():
    baselines = genome.frame_baselines()
    assert baselines["majority"] < 0.2 < 0.65 < baselines["logistic regression"] < 0.75
    assert genome.markov(0) == pytest.approx(1.985, abs=0.001) and genome.markov(5) < genome.markov(2)
    for order in (-1, 30):
        with pytest.raises(ValueError, match=f"order: got {order}, wanted 0 to"):
            genome.markov(order)
    splice = genome.splice()
    assert splice["majority"] < 0.6 and splice["shuffled"] < splice["majority"] and splice["60 bases"] > 0.94
    assert splice["4 bases"] < splice["10 bases"] < splice["40 bases"] + 0.02


def test_the_shipped_result_was_made_with_these_arms():
    for cell in CELLS:
        arm = ARMS[cell["arm"]]
        model = long_model.LongModel(arm, cell["seed"], cell["context"], tokens=65, classes=7)
        assert cell["connections"] == round(model.connections, 5)
        assert cell["parameters"] == sum(p.numel() for p in model.parameters())


def test_the_claims_hold_for_every_seed():
    loss, other, right = (table(CELLS, score) for score in ("loss", "loss, foreign", "accuracy"))
    for context in (64, 128, 256):
        assert beats(loss["BigBird", context], loss["window", context])
    for arm in ("window + random", "window + global", "BigBird", "dense"):
        assert beats(loss[arm, 256], loss["window", 256]) and beats(loss[arm, 256], loss["truncated", 256])
        assert beats(loss[arm, 256], other[arm, 256]) and beats(loss["window", 256], other[arm, 256])
    assert loss["window", 256] == other["window", 256]
    assert beats(loss["BigBird", 128], loss["BigBird", 64])  # it uses what context adds; the window cannot
    assert not beats(loss["window", 256], loss["window", 64])
    assert not beats(loss["BigBird", 512], loss["window", 512])  # in this few steps, more context is no gain
    assert min(right["BigBird", 256]) > genome.frame_baselines()["logistic regression"]
    shuffled = table(RESULTS["frame, shuffled"]["cells"], "accuracy")["BigBird", 256]
    assert max(shuffled) < 0.2
    longer = table(RESULTS["frame, longer"]["cells"], "loss")
    assert beats(longer["BigBird", 256], longer["window", 256])
    bases = table(RESULTS["bases"]["cells"], "loss")
    longest = max(context for _, context in bases)
    assert not any(beats(bases["BigBird", context], bases["window", context]) for context in (64, 256, 512))
    assert not any(beats(bases[arm, longest], bases[arm, 64]) for arm in ("window", "BigBird"))
    assert min(map(min, bases.values())) > genome.markov(3)


def test_figures_say_what_they_show():
    picture = figures.loss_by_context(CELLS, unit="bits per token", title="Frames", levels={"majority": 2.8})
    assert "BigBird" in picture.layout.meta["alt"] and "nan" not in picture.layout.meta["alt"]
    assert len({trace.line.dash for trace in picture.data}) == len(picture.data) == 6

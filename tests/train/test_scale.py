"""Training on several processes: two are one, DDP is FSDP, what dies goes on, and a wrong word is named."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from seqlab.sigmoid.scaled import language_model
from seqlab.sigmoid.transformer import Batch, Transformer
from seqlab.train.scale.__main__ import main
from seqlab.train.scale.config import read
from seqlab.train.scale.corpus import GAP, batches, corpus
from seqlab.train.scale.estimate import cost
from tests.train.two_processes import NAMES, SMALL

ROOT = Path(__file__).parents[2]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def history(folder: Path) -> dict:
    return json.loads((folder / "curve.json").read_text())["history"]


def launched(*arguments: str) -> subprocess.Popen:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*TORCHRUN, *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_two_processes_are_one_and_fsdp_is_ddp(tmp_path):
    with launched("-m", "tests.train.two_processes", str(tmp_path)) as two:
        for name in NAMES:
            main([name, *SMALL, f"out={tmp_path}/{name}"])
        assert two.wait() == 0
    for name in NAMES:
        alone = history(tmp_path / name)
        assert alone["step"] == [1, 2, 3] and len(set(alone["loss"])) == 3
        for shard in ("false", "true"):
            both = history(tmp_path / f"{name}-{shard}")
            for told in ("loss", "gradient"):
                assert both[told] == pytest.approx(alone[told], rel=0, abs=1e-12), (name, shard, told)


def test_a_run_goes_on_where_its_checkpoint_was_with_ddp_or_fsdp(tmp_path, capsys):
    small = ["big_bird", *SMALL, "steps=6", f"out={tmp_path}/b"]
    whole = main(["big_bird", *SMALL, "steps=6", f"out={tmp_path}/a"])
    main(small)
    (tmp_path / "b/step-000000006/.metadata").unlink()  # what is left when saving was cut short
    capsys.readouterr()
    again = main([*small, "shard=true"])
    assert "Goes on after step 4" in capsys.readouterr().out
    assert again.step == whole.step and again.loss == pytest.approx(whole.loss, rel=0, abs=1e-12)
    assert sorted(path.name for path in (tmp_path / "b").glob("step-*")) == ["step-000000004", "step-000000006"]
    assert "<svg" in (tmp_path / "b/curve.html").read_text()
    with pytest.raises(ValueError, match="is a run with lr = 0.003; give another out="):
        main([*small, "lr=1e-3"])


@pytest.mark.slow
def test_a_rank_that_is_killed_begins_again_at_its_checkpoint_and_the_curve_goes_on(tmp_path):
    run = ["-m", "seqlab.train.scale", "sigmoid", "data=shipped", "precision=float64", "batch=4"]
    run += ["steps=60", "keep=5"]
    with launched(*run, f"out={tmp_path}/killed") as killed:
        while not (tmp_path / "killed/step-000000010/.metadata").exists():
            assert killed.poll() is None
            time.sleep(0.02)
        ranks = [child for child in psutil.Process(killed.pid).children() if "seqlab.train.scale" in child.cmdline()]
        os.kill(ranks[1].pid, signal.SIGKILL)
        assert killed.wait() != 0
    for folder, begins in (("killed", "Goes on after step"), ("whole", "A process needs about")):
        with launched(*run, f"out={tmp_path}/{folder}") as again:
            out, _ = again.communicate()
        assert again.returncode == 0 and begins in out
    for told in ("step", "loss", "gradient"):
        assert history(tmp_path / "killed")[told] == history(tmp_path / "whole")[told]


def test_half_precision_leaves_the_loss_whole(tmp_path):
    small = ["sigmoid", *SMALL, f"out={tmp_path}"]
    (half,) = main([*small, "steps=1", "precision=bfloat16"]).loss
    assert half != torch.tensor(half).bfloat16().item() and half == pytest.approx(5.767, rel=0.01)


def test_the_kernels_answer_as_the_lab_does():
    ids = torch.randint(20, (3, 31), generator=torch.Generator().manual_seed(0))
    real = torch.arange(31) < torch.tensor([31, 20, 1])[:, None]
    settings = ("sigmoid", "keys", "alibi"), ("sigmoid", "trained", "rope"), ("softmax", "zero", "learned")
    for weights, bias, positions in settings:
        fast = language_model(
            20, 20, 33, weights=weights, bias=bias, positions=positions, dim=32, heads=4, layers=2, qk_norm=True
        )
        slow = Transformer(fast.config)
        slow.load_state_dict(fast.state_dict())
        batch = Batch(ids, ids, real)
        if bias != "keys":  # which counts real keys in the lab, and all keys of a causal row here
            torch.testing.assert_close(fast.loss(batch), slow.loss(batch))
        torch.testing.assert_close(fast(ids), slow(ids))


def test_a_batch_is_that_of_its_step():
    *_, draw = corpus(read("sigmoid", ["data=shipped"]))
    first = [ids for (ids, _), _ in zip(batches(draw, 0, 2), range(4))]
    assert torch.equal(next(batches(draw, 0, 2, 3))[0], first[3]) and not torch.equal(first[2], first[3])
    assert not torch.equal(next(batches(draw, 1, 2))[0], first[0])


@pytest.mark.parametrize("name", ["big_bird", "one_layer"])
def test_what_is_not_asked_for_has_no_target(name):
    vocabulary, classes, draw = corpus(read(name, ["data=shipped"]))
    inputs, targets = draw(0, 50)
    if name == "big_bird":
        assert ((inputs == 256) == (targets != GAP)).all() and 0.1 < (inputs == 256).float().mean() < 0.2
    else:
        assert ((inputs == 0) == (targets == GAP)).all() and (inputs == 0).any()
    assert inputs.max() < vocabulary and targets.max() < classes


def test_the_estimate_counts_loops_listed_blocks_and_kept_tensors():
    sizes = dict(dim=32, heads=4, layers=2)
    with torch.device("meta"):
        model = language_model(50, 50, 64, positions="rope", **sizes)
    ids = torch.zeros(3, 64, dtype=torch.long)
    weights = sum(p.numel() for p in model.parameters())
    flop, shared, kept = cost(model, ids, ids, narrow=False, parts=2)
    tokens, products = 3 * 64, 2 * (3 * 32**2 + 32**2 + 2 * 32 * 64) + 32 * 50
    attention = 2 * 4.5 * 2 * 3 * 4 * 64 * 64 / 2 * 16  # layers; forwards and backwards; causal
    assert flop == 3 * 2 * tokens * products + attention
    assert shared == 4 * 4 * weights / 2 and kept > 2 * tokens * (4 * 32 + 2 * 64) * 4


@pytest.mark.parametrize(
    "changes, message",
    [
        (["layer=3"], "layer: no key of sigmoid.toml; did you mean layers?"),
        (["wieght_decay=1"], "did you mean weight_decay?"),
        (["lr=fast"], "lr: got 'fast', wanted a value like 0.0003"),
        (["task=tag"], "task: got 'tag', wanted 'next', 'masked' or 'tags'"),
        (["batch=0.5"], "batch: got 0.5, wanted a value like 64"),
    ],
)
def test_a_wrong_word_is_named(changes, message, tmp_path):
    with pytest.raises(ValueError) as error:
        main(["sigmoid", "data=shipped", f"out={tmp_path}", *changes])
    assert message in str(error.value)


def test_what_cannot_be_had_is_said(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="one of big_bird, looped, one_layer, sigmoid, softmax, or the path"):
        read("gpt")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ValueError, match=r"pip install 'seqlab\[huggingface\]'.*data=shipped"):
        main(["one_layer", f"out={tmp_path}"])
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 3)
    with pytest.raises(ValueError, match="batch: got 16, wanted a multiple of 3"):
        main(["sigmoid", "data=shipped", f"out={tmp_path}"])

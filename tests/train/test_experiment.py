"""The kit of experiments: cell by cell, resumable, and every shipped result is complete and of these settings."""

import json
from pathlib import Path

import pytest
import torch
from distributed import LocalCluster
from torch import nn

from seqlab.capstone import quality
from seqlab.documents import genome, text
from seqlab.documents.questions import experiment as questions
from seqlab.looped_training import experiments as looped
from seqlab.one_layer import trained
from seqlab.sigmoid import modalities
from seqlab.sparse import copying
from seqlab.train.cluster import connect, made
from seqlab.train.experiment import SEEDS, Experiment, Part, beats, by, main, seeded, train

SHIPPED = copying, text, genome, questions, trained, modalities, looped, quality
ROOMS = {room.EXPERIMENT.file.name: room for room in SHIPPED}


@pytest.mark.parametrize("file", ROOMS)
def test_a_shipped_result_is_complete_and_of_these_settings(file):
    experiment = ROOMS[file].EXPERIMENT
    shipped, parts = experiment.results(), experiment.parts()
    assert {name for name in shipped if name != "versions"} == set(parts) or set(parts) == {""}
    assert shipped["versions"]["threads"] == 1
    for name, part in parts.items():
        stored = shipped[name] if name else shipped
        assert stored["setting"] == json.loads(json.dumps(part.setting)) and stored["minutes"] > 0
        found = [tuple(cell[entry] for entry in part.names) for cell in stored["cells"]]
        assert len(found) == len(set(found)) and set(found) == set(part.cells)


@pytest.mark.parametrize("whole", [False, True])
def test_measuring_resumes_keeps_other_parts_and_writes_whole_files(tmp_path, whole):
    path, ran, one = tmp_path / "x.json", [], "" if whole else "one"

    def run(name, depth):
        ran.append(name)
        if name == "stops":
            raise KeyboardInterrupt
        scores = {"loss": 1 / 3}
        curve = [[1, 2000 / 3]]
        return {"name": name, "depth": depth, "scores": scores, "curve": curve, "losses": [9.0] + [1.0, 3.0] * 10} | (
            {"seconds": 60.0}
        )

    def measure(setting, *cells, part=one):
        Experiment(path, dict).measure(part, Part(run, ("name", "depth"), cells, setting))

    stored = lambda: json.loads(path.read_text()) if whole else json.loads(path.read_text())["one"]
    if not whole:
        measure({"n": 0}, ("other", 1), part="two")
    with pytest.raises(KeyboardInterrupt):
        measure({"n": (1,)}, ("a", 1), ("stops", 1), ("b", 1))
    assert [cell["name"] for cell in stored()["cells"]] == ["a"]
    measure({"n": (1,)}, ("a", 1), ("b", 1))
    assert ran[-3:] == ["a", "stops", "b"] and stored()["minutes"] == 2
    assert stored()["cells"][1]["scores"] == {"loss": 0.33333} and stored()["cells"][1]["curve"] == [[1, 666.67]]
    assert stored()["cells"][1]["loss"] == 2 and "losses" not in stored()["cells"][1]
    assert "torch" in json.loads(path.read_text())["versions"]
    assert whole or len(json.loads(path.read_text())["two"]["cells"]) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["x.json"]
    measure({"n": 2}, ("a", 1))  # another setting: nothing of the old is kept
    assert ran[-1] == "a" and len(stored()["cells"]) == 1


def few(big: bool = False) -> dict[str, Part]:
    part = Part(lambda name, seed: {"name": name, "seed": seed}, ("name", "seed"), seeded([("a",)]), {"big": big})
    return {"big": part} if big else {"one": part, "two": part}


EXPERIMENT = Experiment(Path("set by the tests"), few)


def test_the_command_measures_what_is_named(tmp_path, capsys):
    experiment = Experiment(tmp_path / "x.json", few)
    main(experiment, arguments=["two"])
    assert not experiment.file.exists() and "two" in (said := capsys.readouterr().out) and "0 of    3 cells" in said
    main(experiment, arguments=["--full", "two"])
    assert set(experiment.results()) == {"two", "versions"} and len(experiment.results()["two"]["cells"]) == len(SEEDS)
    said = capsys.readouterr().out
    assert "0 of    3 cells" in said and "3 of    3 cells" in said
    main(experiment, arguments=["--full", "--big"], big={"action": "store_true"})
    assert {"two", "big"} < set(experiment.results())
    with pytest.raises(SystemExit):
        main(experiment, arguments=["three"])
    assert "no part three; wanted some of one, two" in capsys.readouterr().err


def test_workers_measure_the_same_and_one_of_another_version_is_refused(tmp_path):
    here, away = (Experiment(tmp_path / name, few) for name in ("here.json", "away.json"))
    main(here, arguments=["--full"])
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as dask:
        main(away, arguments=["--full", "--dask", dask.scheduler_address])
        stored = {name: part for name, part in away.results().items() if name != "versions"}
        for name, part in stored.items():
            same = lambda cells: [{**cell, "seconds": 0} for cell in cells]
            assert same(part["cells"]) == same(here.results()[name]["cells"])
        with connect(dask.scheduler_address) as client, pytest.raises(RuntimeError, match="update its checkout"):
            list(made(client, __name__, {}, "one", {"big": True}, [("a", 0)]))


def test_the_table_of_costs_is_that_of_the_files():
    told = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text()
    for room in ROOMS.values():
        package = ".".join(room.__name__.split(".")[:2])
        files = [one.EXPERIMENT for one in ROOMS.values() if one.__name__.startswith(package + ".")]
        parts = [one.results() if "cells" in one.results() else list(one.results().values()) for one in files]
        parts = [part for some in parts for part in (some if isinstance(some, list) else [some]) if "cells" in part]
        cells, minutes = sum(len(part["cells"]) for part in parts), sum(part["minutes"] for part in parts)
        assert f"| `{package}` | {cells} | {minutes:.0f} |" in told


def test_training_starts_at_its_seed_and_an_interrupted_run_is_no_result():
    class Point(nn.Linear):
        def loss(self, batch):
            return self(batch).square().mean()

    def stop(history):
        raise KeyboardInterrupt

    batches = lambda: iter([torch.ones(2, 3)] * 9)
    before = torch.get_rng_state()
    (a, found), (b, again) = (train(lambda: Point(3, 1), batches(), seed=1, steps=4, lr=0.1) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state()) and torch.equal(a.weight, b.weight)
    assert found["losses"] == again["losses"] and len(found["losses"]) == found["parameters"] == 4
    with pytest.raises(KeyboardInterrupt):
        train(lambda: Point(3, 1), batches(), seed=1, steps=4, watch=stop)


def test_tables_have_one_value_a_seed():
    cells = [dict(arm=arm, depth=1, seed=seed, accuracy=0.1 * seed, nats=seed) for seed in (0, 1) for arm in "ab"]
    assert by("arm")(cells, "nats") == {"a": [0, 1], "b": [0, 1]}
    assert by("arm", "depth")(cells) == {("a", 1): [0, 0.1], ("b", 1): [0, 0.1]}


def test_beating_needs_every_seed():
    assert beats([0.9, 0.95], [0.8, 0.88]) and not beats([0.9, 0.8], [0.85, 0.7])
    assert not beats([0.9, 0.95], [0.8, 0.895], margin=0.01) and beats([0.9, 0.95], [0.8, 0.895])
    assert not beats([1.0, 1.0], [1.0, 1.0])
    assert beats([1.0, 1.1], [1.3, 1.4], lower=True) and not beats([1.3, 1.4], [1.0, 1.1], lower=True)
    assert not beats([1.0, 1.1, 1.35], [1.3, 1.4, 1.5], lower=True)  # one seed crosses
    with pytest.raises(ValueError, match="at least 2"):
        beats([1.0], [0.0, 0.0])

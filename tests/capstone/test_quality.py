"""Training, the leaderboard, the two goals, and what came with seqlab."""

import csv
import json
from dataclasses import astuple

import pytest
import torch

from seqlab.capstone import CONTROLS, PAPERS, Design, quality
from seqlab.capstone.cost import flop
from seqlab.capstone.figures import plane
from seqlab.capstone.view import DesignView
from seqlab.train.experiment import SEEDS, beats

SHIPPED, DESIGNS = quality.shipped(), quality.SHIPPED
SMALL = Design(width=16, depth=1, pattern="star", positions="none")


def test_a_training_repeats_and_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    a, b = (quality.train(*astuple(SMALL), 0, steps=2) for _ in range(2))
    assert a["losses"] == b["losses"] and a["accuracy"] == b["accuracy"] and torch.equal(before, torch.get_rng_state())
    assert a["width"] == 16 and a["seed"] == 0 and 0 < a["accuracy"] < 1


def test_the_leaderboard_keeps_what_was_trained_and_goes_on(tmp_path, monkeypatch):
    board, trained = quality.Board(tmp_path / "leaderboard.json", steps=2), []

    def train(*values, steps):
        trained.append(values[-1])
        if len(trained) == 2:
            raise KeyboardInterrupt
        return dict(zip((*quality.AXES, "seed"), values)) | {"accuracy": 0.5 + values[-1] / 10}

    monkeypatch.setattr(quality, "train", train)
    assert board.own() == {} and board.table() == []
    with pytest.raises(KeyboardInterrupt):
        board.measure(SMALL)
    assert quality.Board(tmp_path / "leaderboard.json", steps=2).measure(SMALL) == [0.5, 0.6, 0.7]
    assert trained == [0, 1, 1, 2], "the seed that was stopped is trained again, no other"
    assert board.measure(PAPERS["Yun 2019"], [0]) == [0.5] and [*board.own()] == [SMALL, PAPERS["Yun 2019"]]
    rows = [*csv.DictReader(board.export(tmp_path / "mine.csv").read_text().splitlines())]
    assert [row["design"] for row in rows] == [str(SMALL), str(PAPERS["Yun 2019"])]
    assert rows[0]["known as"] == "yours" and float(rows[0]["FLOP a token"]) == flop(SMALL)
    assert "Leaderboard" in board._repr_html_() and json.loads((tmp_path / "leaderboard.json").read_text())["versions"]


def test_what_is_shipped_is_read_and_not_trained(tmp_path):
    board = quality.Board(tmp_path / "leaderboard.json")
    assert board.measure(PAPERS["Xu 2024"]) == SHIPPED[PAPERS["Xu 2024"]] and not board.file.exists()
    assert len(board.table()) == len(DESIGNS) and board.table()[0]["accuracy"] >= board.table()[-1]["accuracy"]


def test_the_shipped_file_has_all_designs_with_every_seed():
    cells = quality.results()["genome"]["cells"]
    assert {(*(cell[axis] for axis in quality.AXES), cell["seed"]) for cell in cells} == {
        (*astuple(design), seed) for design in DESIGNS.values() for seed in SEEDS
    }
    assert quality.results()["genome"]["setting"] == quality.part([]).setting


def test_what_the_lab_says_of_the_shipped_designs():
    worst = min(min(SHIPPED[design]) for design in PAPERS.values())
    assert worst > max(SHIPPED[CONTROLS["alone"]]) + 0.2 and worst > max(SHIPPED[CONTROLS["window"]])
    for name in PAPERS:
        assert name == "Zaheer 2020" or beats(SHIPPED[PAPERS[name]], SHIPPED[quality.BIG_BIRD])
    assert flop(DESIGNS["one full layer"]) < flop(quality.BIG_BIRD) < flop(PAPERS["Kajitsuka 2023"])


def test_the_first_goal(tmp_path):
    board = quality.Board(tmp_path / "leaderboard.json")
    assert quality.beats_big_bird(DESIGNS["one full layer"], board).margin > 0
    dear = quality.beats_big_bird(PAPERS["Yun 2020"], board)
    assert not dear and "61,376 FLOP a token, Big Bird takes 56,128" in str(dear) and not board.file.exists()
    assert not quality.beats_big_bird(quality.BIG_BIRD, board) and not quality.beats_big_bird(CONTROLS["window"], board)


def test_the_second_goal(tmp_path):
    board = quality.Board(tmp_path / "leaderboard.json")
    assert quality.holds_untrained(CONTROLS["hardmax"], board) and quality.holds_untrained(CONTROLS["window"], board)
    assert "none of the six statements" in str(quality.holds_untrained(CONTROLS["alone"], board))
    for name in PAPERS:
        assert not quality.holds_untrained(PAPERS[name], board)


def test_the_plane_says_what_it_shows():
    alt = plane({PAPERS["Yun 2019"]: [0.7, 0.8], SMALL: [0.5]}, 0.4).layout.meta["alt"]
    assert "Yun 2019 115 thousand, 0.750" in alt and str(SMALL) in alt and "every block alone (0.4)" in alt


def test_the_panel():
    view = DesignView()
    assert "Yun 2019" in view.picture.value and view.picture.value.count("✓ covered") == 4
    view.paper.value = "Ramapuram 2024"
    assert view.design == PAPERS["Ramapuram 2024"] and view.normalizer.value == "sigmoid"
    view.form.value, before = "loop", view.picture.value
    view.pattern.value = "strided"
    assert "form: a loop applies one layer" in view.error.value and view.design.pattern == "full"
    view.pattern.value = "alone"
    assert not view.error.value and "share a name" in view.picture.value and view.picture.value != before

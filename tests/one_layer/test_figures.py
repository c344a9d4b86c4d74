"""Pictures of one layer: their alt text says what they show, and their marks are the numbers given."""

import itertools
import math

import pytest
import torch

from seqlab.attention import boltzmann
from seqlab.one_layer import figures as pictures
from seqlab.one_layer import trained


def ordered(gap, levels, n):
    values = [gap * k for k in range(levels)]
    made = {
        s: float(boltzmann(torch.tensor([values[k] for k in s], dtype=torch.float64)))
        for s in itertools.combinations(range(levels), n)
    }
    return values, made


@pytest.mark.parametrize("levels, n", [(5, 2), (6, 3), (7, 4)])
def test_the_order_goes_up_in_the_largest_entry_and_down_in_all_others(levels, n):
    picture = pictures.order_of_sets(*ordered(1.5, levels, n))
    total = math.comb(levels, n) - 1
    assert f"{total} of {total} steps follow the rule" in picture.layout.meta["alt"]
    assert not any("!" in note.text for note in picture.layout.annotations)
    assert len(picture.data) == n and len(picture.data[0].x) == min(20, total + 1)


def test_the_printed_order_and_where_it_breaks():
    picture = pictures.order_of_sets(*ordered(1.5, 6, 3))
    want = "210, 321, 320, 310, 432, 431, 430, 421, 420, 410, 543, 542, 541, 540, 532"
    assert want in picture.layout.meta["alt"] and list(picture.data[2].y[:4]) == [0.0, 1.5, 0.0, 0.0]
    broken = pictures.order_of_sets(*ordered(1.0, 6, 3))
    assert "16 of 19 steps follow" in broken.layout.meta["alt"]
    assert any("!" in note.text for note in broken.layout.annotations)


def test_decided_by():
    assert pictures.decided_by((4, 2, 1), (4, 3, 0)) == (1, True)
    assert pictures.decided_by((4, 3, 2), (4, 3, 1)) == (2, False)


def test_memorised_shows_seeds_means_and_ceilings():
    cells = [
        {"arm": arm, "seed": seed, "accuracy": a, "ceiling": c, "test": 0.3}
        for arm, values, c in (("none", (0.2, 0.4), 0.5), ("softmax", (0.9, 1.0), 1.0))
        for seed, a in enumerate(values)
    ]
    picture = pictures.memorised(cells, "T", test=True)
    best, means, seeds, unseen = picture.data
    assert (
        list(best.x) == [0.5, 1.0]
        and list(seeds.x) == [0.2, 0.4, 0.9, 1.0]
        and [round(y) for y in seeds.y] == [0, 0, 1, 1]
    )
    assert list(means.x)[:2] == pytest.approx([0.3, 0.95]) and list(unseen.x) == [0.3] * 4
    assert "none 0.300 (0.200 to 0.400; at best 0.500)" in picture.layout.meta["alt"]
    assert "never trained on: none 0.300" in picture.layout.meta["alt"]
    assert len(pictures.memorised(cells, "T").data) == 3


@pytest.mark.parametrize("part", trained.PARTS)
def test_the_shipped_results_can_be_drawn(part):
    picture = pictures.memorised(trained.results()[part]["cells"], part, test=part == "book")
    assert all(arm in picture.layout.meta["alt"] for arm in trained.PARTS[part].arms)
    assert "nan" not in picture.layout.meta["alt"]

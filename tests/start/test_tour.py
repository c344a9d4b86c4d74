"""The tour of lab 00: six ideas that move, six links that lead somewhere, and the picture of the README."""

from ci import tour
from seqlab.start.tour_view import STEPS, TourView, small
from tests.places import ROOT


def test_every_picture_moves_and_leads_to_its_lab():
    steps = [small(step) for step in range(STEPS + 1)]
    for frames in zip(*steps):
        assert len({drawn for *_, drawn in frames}) >= 3 and (ROOT / "labs" / frames[0][1]).exists()
    assert len({href for _, href, _ in steps[0]}) == 6


def test_what_the_pictures_say():
    first, last = ([drawn for *_, drawn in small(step)] for step in (0, STEPS))
    assert "1, 2, 3, 4" in first[0] and "7, 12, 21, 38" in last[0]
    assert "1 of 11" in first[1] and "11 of 11" in last[1]
    assert "5 names for 6 pairs" in first[3] and "6 names for 6 pairs" in last[3]


def test_the_slider_moves_all_of_them():
    view = TourView()
    before = view.picture.value
    view.step.value = 7
    assert before != view.picture.value and view.picture.value.count("<svg") == view.picture.value.count("<a ") == 6


def test_the_picture_of_the_readme_is_the_tour():
    assert tour.FILE.read_text(encoding="utf-8") == tour.drawn() and tour.FILE.stat().st_size < 300_000

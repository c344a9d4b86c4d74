"""The slider over tiles: its numbers are the prediction's, and a tile is compiled where the slider rests."""

import asyncio

import pytest

from kernels.instruments.prediction import GRID, TILE, estimate
from seqlab.sigmoid import prediction_view
from seqlab.sigmoid.prediction_view import PredictionView, clocks, spoken
from seqlab.widgets.contract import sweep


def test_every_tile_shows_its_prediction():
    view, seen = PredictionView(), set()
    for tile in GRID:
        view.tile.value = tile
        shown = view.twin()
        assert f"{spoken(tile)}: sigmoid saves {estimate(tile=tile).gain:.1%}" in shown and "read from" in shown
        assert "published 17.39 %" in shown and shown.count("role='img'") == 2
        seen.add(shown)
    assert len(seen) == len(GRID) and sweep() == ["SelectionSlider “tile”"]


def test_clocks_of_the_tie_are_a_sixteenth():
    needs = clocks(estimate(tile=TILE).sigmoid[0])
    assert needs["special functions"] == pytest.approx(1 / 16) and needs["matrix units"] == pytest.approx(
        1 / 16, rel=2e-3
    )


def test_where_the_slider_rests_a_tile_is_compiled(monkeypatch):
    asked = []

    def compiled(tile, fresh=False):
        asked.extend([tile] * fresh)
        return estimate(tile=tile)

    monkeypatch.setattr(prediction_view, "estimate", compiled)

    async def moved():
        view = PredictionView(fresh=True)
        view.tile.value, view.tile.value = GRID[0], GRID[1]
        await asyncio.sleep(1.0)
        return view

    view = asyncio.run(moved())
    assert asked == [TILE, GRID[1]]  # what it only passed is not compiled
    assert "compiled here and now" in view.twin()

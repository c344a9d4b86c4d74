"""The tile stepper: what it counts is what the closed form says, and it survives every setting."""

import itertools

import pytest

from kernels.instruments.ledger import closed_form
from seqlab.tiles.tile_view import DIM, LENGTH, PATTERNS, TILES, TileView


def settings():
    return list(itertools.product(("softmax", "sigmoid"), PATTERNS, TILES))


@pytest.mark.parametrize("normalizer, pattern, tile", settings())
def test_every_setting_draws_every_step(normalizer, pattern, tile):
    view = TileView()
    view.normalizer.value, view.pattern.value, view.tile.value = normalizer, pattern, tile
    for step in (0, 1, view.step.max):
        view.step.value = step
        assert f"{step} of {view.step.max} tiles" in view.picture.value
    assert "its output is final" in view.picture.value
    assert ("nothing" in view.picture.value) == (normalizer == "sigmoid")


@pytest.mark.parametrize("tile", TILES)
def test_bytes_are_those_of_the_closed_form(tile):
    view = TileView()
    view.tile.value = tile
    view.step.value = view.step.max
    want = closed_form(
        "forward",
        normalizer="sigmoid",
        batch=1,
        heads=1,
        n_query=LENGTH,
        n_key=LENGTH,
        dim=DIM,
        block_q=tile,
        block_k=tile,
    )
    assert f"loaded so far: {want.loaded:,} of {want.loaded:,} bytes" in view.picture.value


def test_the_twin_is_the_picture():
    view = TileView()
    assert view.twin() == view.picture.value
    assert "aria-label" in view.picture.value

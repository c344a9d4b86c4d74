"""Big Bird's view without a browser: every control changes the picture, the blocks are the mask's, extremes hold."""

import itertools
import time

import numpy as np
import pytest
from traitlets import TraitError

from seqlab import patterns
from seqlab.big_bird import small_world
from seqlab.big_bird.view import GLOBAL, RANDOM, WINDOW, BigBirdView, _window_only
from seqlab.widgets.contract import sweep

CONTROLS = ("random", "window", "globals", "block", "n", "source", "where")


def options(control):
    return [value for _, value in control._options_full] if hasattr(control, "options") else [control.min, control.max]


@pytest.mark.parametrize("name", CONTROLS)
def test_every_control_changes_the_picture(name):
    view = BigBirdView(256, 16)
    seen = {view.picture.value}
    for value in (values := [v for v in options(getattr(view, name)) if v != getattr(view, name).value]):
        getattr(view, name).value = value
        seen.add(view.picture.value)
    assert len(seen) == len(values) + 1


def test_the_button_draws_anew():
    view = BigBirdView(1024, 32)
    before = view.kinds()
    view.draw.click()
    after = view.kinds()
    assert "random draw 1" in view.picture.value and not np.array_equal(before, after)
    assert np.array_equal(before == WINDOW, after == WINDOW) and np.array_equal(before == GLOBAL, after == GLOBAL)
    assert (before == RANDOM).sum() == (after == RANDOM).sum()


@pytest.mark.parametrize("where", ["ITC", "ETC"])
@pytest.mark.parametrize("r, w, g", [(0, 1, 0), (2, 3, 3), (5, 7, 4)])
def test_blocks_are_those_of_the_mask(where, r, w, g):
    view = BigBirdView(500, 16)
    view.random.value, view.window.value, view.globals.value, view.where.value = r, w, g, where
    rest = dict(window=w, random_blocks=r)
    pattern = patterns.bigbird(16, global_blocks=g, **rest)
    if where == "ETC" and g:
        pattern = patterns.bigbird_etc(16 * g, 16, **rest)
    kinds, mask = view.kinds(), pattern.at(500 + 16 * g * (where == "ETC")).mask.numpy()
    at = np.arange(len(mask)) // 16
    assert np.array_equal(mask, kinds[at][:, at] > 0)
    inside = (kinds == RANDOM).sum(1)
    assert inside.max() == r and (kinds == GLOBAL).all(1).sum() == g
    assert f"{int(mask.sum()):,}</b> of {mask.size:,}" in view.picture.value
    found = small_world.statistics(view.listed)
    assert f"{found.clustering:.2f}" in view.picture.value


def test_extremes_are_drawn_and_told():
    view = BigBirdView()
    for r, w, g, n, block, where in itertools.product(
        (0, 5), (1, 7), (0, 4), (64, 100, 4000), (8, 128), ("ITC", "ETC")
    ):
        with view.held():  # set all of them, then draw once
            view.random.value, view.window.value, view.globals.value = r, w, g
            view.n.value, view.block.value, view.where.value = n, block, where
        view._draw()
        assert view.source.max == len(view.kinds()) - 1 >= view.source.value
        assert view.picture.value.count("<svg") == 2 and "nan" not in view.picture.value


def test_words_for_the_special_cases():
    view = BigBirdView(1000, 64)
    assert "15 blocks of 64 and one of 40" in view.picture.value
    assert "(2 + 3 + 3) · 64 = <b>512</b>" in view.picture.value
    view.random.value = view.globals.value = 0
    assert "paths grow like n" in view.picture.value
    view.window.value = 1
    assert "islands" in view.picture.value and "∞" in view.picture.value and "never" in view.picture.value
    view.n.value = 64
    assert "full attention" in view.picture.value and "there are none" in view.picture.value
    view.where.value = "ETC"
    assert "With g = 0 nothing is added" in view.picture.value
    view.globals.value = 1
    assert "64 extra tokens stand in front: 128 in all" in view.picture.value


def test_more_blocks_than_edges_can_be_drawn():
    view = BigBirdView(4096, 8)
    assert "only the edges of the chosen block" in view.picture.value and len(view.picture.value) < 200_000


@pytest.mark.parametrize("n, block, limit", [(1024, 8, 0.15), (4096, 8, 0.4)])
def test_it_answers_while_the_slider_moves(n, block, limit):
    view = BigBirdView(n, block)
    view.random.value = 5

    def once():
        _window_only.cache_clear()
        start = time.process_time()
        view._draw()
        return time.process_time() - start

    assert min(once() for _ in range(3)) < 2 * limit


def test_the_twin_the_sweep_and_refusals():
    view = BigBirdView(128, 16)
    assert view.twin() == view.picture.value
    assert view.picture.value.count("aria-label") == 2 and "window, solid" in view.picture.value
    assert sweep()
    for wrong in (dict(block=7), dict(n=65)):
        with pytest.raises(TraitError, match="value not found"):
            BigBirdView(**wrong)

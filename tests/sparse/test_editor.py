"""The pattern editor without a browser: the catalogue, painting, two sets, and the twin."""

import numpy as np
import pytest

from seqlab.colours import ORANGE
from seqlab.sparse.editor import CATALOGUE, PatternEditor
from seqlab.widgets.contract import sweep
from seqlab.widgets.pattern_grid import PatternGrid


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_pattern_of_the_catalogue_is_shown_and_judged(name):
    editor = PatternEditor(9)
    editor.choice.value = name
    assert editor.picture.value.count("<b>") == 3 and "connections a layer" in editor.picture.value
    assert (editor.grid.grid == editor.masks[0]).all()


@pytest.mark.parametrize("name", ["window", "strided", "fixed", "pure star", "random"])
def test_the_ring_shows_when_each_token_hears(name):
    editor = PatternEditor(9, name)
    editor.source.value = 3
    heard = np.arange(9) == 3
    for step in range(editor.hop.max + 1):  # by the definition: a token has heard once it sees one that had
        editor.hop.value = step
        assert f" {heard.sum()} of 9 tokens have heard of token 3" in editor.ring.value
        assert editor.ring.value.count(ORANGE) == heard.sum()
        heard = np.array([any(heard[key] for key in editor.instance.keys(query, step)) for query in range(9)])


def paint(editor, row, column, value):
    grid = editor.grid.grid.copy()
    grid[row, column] = value
    editor.grid.cells = grid.astype(np.uint8).tobytes()


def test_painting_changes_the_verdict_with_a_witness():
    editor = PatternEditor(6, "window")
    assert editor.found.check()
    paint(editor, 2, 2, False)
    assert "token 2 does not see itself" in editor.picture.value and not editor.found.check()
    paint(editor, 2, 2, True)
    assert editor.found.check()


def test_two_sets_are_painted_one_at_a_time():
    editor = PatternEditor(9, "strided")
    assert len(editor.sets.options) == 2 and editor.found.p == 2
    editor.sets.value = 1
    paint(editor, 0, 1, True)
    assert editor.masks[1][0, 1] and editor.pattern.at(9).masks()[1, 0, 1]
    editor.choice.value = "star (ring and relay)"
    assert len(editor.sets.options) == 1 and editor.found.p == 1


def test_unreachable_tokens_and_missing_chains_are_told():
    editor = PatternEditor(6, "own token only")
    assert (
        "never" in editor.picture.value and "none exists" in editor.picture.value and "chain" not in editor.ring.value
    )
    editor.choice.value = "window"
    assert "A chain through all tokens is dashed" in editor.ring.value and len(editor.found.chain.order) == 6


def test_the_size_can_change_and_the_sweep_finds_no_error():
    editor = PatternEditor(8, "fixed")
    editor.size.value = 5
    assert editor.grid.n == 5 and len(editor.grid.cells) == 25
    assert sweep()


def test_the_twin_has_the_grid_and_the_verdict():
    twin = PatternEditor(4, "window")._repr_mimebundle_()["text/html"]
    assert "■ ■ · ·" in twin and "each token sees itself" in twin
    assert "After 1 step 2 of 4 tokens have heard of token 0" in twin


def test_refusals():
    with pytest.raises(ValueError, match="start, n: got 'ring', 12"):
        PatternEditor(12, "ring")
    with pytest.raises(ValueError, match="grid: got shape"):
        PatternGrid().paint(np.ones((3, 4), dtype=bool))


def test_a_grid_begins_empty_and_leaves_a_picture():
    assert not PatternGrid().grid.any() and PatternGrid(n=3).grid.shape == (3, 3) and "·" in PatternGrid().twin()

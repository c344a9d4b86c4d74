"""The chain layer by layer: every step says what the program did, in a shuffled ring and in sets that take turns."""

import re

import pytest
import torch

from seqlab import patterns, sparse
from seqlab.sparse.view import ChainView
from seqlab.widgets.contract import sweep

RING = torch.eye(5).bool()
RING[[2, 0, 4, 1, 3], [3, 2, 0, 4, 1]] = True  # each token sees itself and the one before it
PATTERNS = {
    "one set": patterns.freehand(RING),
    "two": patterns.per_layer(patterns.pure_star(), patterns.freehand(RING)),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_the_words_follow_the_recursion(name):
    mapping = sparse.contextual_mapping(PATTERNS[name], 2, 1, 5)
    view = ChainView(mapping, [1, 0, 1, 1, 0])
    ids = [token + 2 * place for token, place in zip([1, 0, 1, 1, 0], sparse.positions_along(mapping.order))]
    told, reached = [], []
    for step in range(view.step.max + 1):
        view.step.value = step
        told += re.findall(
            r"token (\d) jumps by 2 · \(([\d,]+) − (\d+)\) to ([\d,]+)", view.picture.value.split("<svg")[0]
        )
        reached += re.findall(r"reached (\d) of 5", view.picture.value.split("<svg")[0])
    want, chain = [], mapping.order
    for before, token in zip(chain, chain[1:]):
        ids[token], old = ids[token] + 2 * (ids[before] - ids[token]), ids[token]
        want.append((str(token), str(ids[before]), str(old), str(ids[token])))
    assert told == want and len(reached) == mapping.steps and reached[-1] == "5" != reached[-2]
    assert view.twin() == view.picture.value


def test_a_layer_whose_set_has_no_turn_moves_nothing():
    view = ChainView(sparse.contextual_mapping(PATTERNS["two"], 2, 1, 5), [1, 0, 1, 1, 0], step=1)
    assert "stands in another set" in view.picture.value and "set 2" in view.picture.value
    view.next.click()
    assert "Set 2 has its turn. Token 1 sees tokens 1, 4." in view.picture.value


def test_where_there_is_no_chain_the_connection_is_missing():
    view = ChainView(sparse.contextual_mapping(patterns.pure_star(), 2, 1, 4), [1, 0, 1, 1])
    assert "not seen" in view.picture.value and sweep()

"""The constructions of three papers as programs give, name by name, what the rooms' own arithmetic gives."""

import numpy as np
import pytest

from seqlab import patterns, universal
from seqlab import sparse as sparse_universal
from seqlab.sigmoid import universal as sigmoid_universal
from tests.written import papers


def same(got, want):
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape and (got == want).all()


@pytest.mark.parametrize("size", [(4, 1, 3), (3, 2, 2), (5, 1, 4), (6, 1, 4), (6, 1, 5)])
def test_yun_2019(size):
    mapping = universal.contextual_mapping(*size)
    sequences = mapping.sequences()
    same(papers.yun2019(*size).run(sequences)[..., 0], mapping.names(sequences))


@pytest.mark.parametrize("size", [(3, 1, 3), (2, 2, 2), (4, 1, 4), (5, 2, 2)])
def test_yun_2019_with_positions(size):
    mapping = universal.contextual_mapping(*size, positions=True)
    sequences = mapping.sequences()
    same(papers.yun2019(*size, positions=True).run(sequences)[..., 0], mapping.names(sequences))


@pytest.mark.parametrize("broken", [{"gain": 1}, {"spread": 1}, {"spread": 0}, {"skip": (1,)}, {"descending": True}])
def test_yun_2019_broken(broken):
    mapping = universal.contextual_mapping(4, 1, 3, **broken)
    for repeated in (False, True):
        sequences = mapping.sequences(repeated=repeated)
        same(papers.yun2019(4, 1, 3, **broken).run(sequences)[..., 0], mapping.names(sequences))


def test_yun_2019_with_one_head_moves_all_tokens():
    mapping = universal.contextual_mapping(4, 1, 3, mixing="one head")
    sequences = mapping.sequences()
    same(papers.yun2019(4, 1, 3, one_head=True).run(sequences)[..., 0], mapping.names(sequences))


CASES = [(patterns.window(1), n) for n in (2, 3)] + [(patterns.star(), n) for n in (2, 3)] + [(patterns.strided(2), 2)]


@pytest.mark.parametrize("pattern, levels", CASES, ids=lambda value: str(value))
def test_yun_2020(pattern, levels):
    mapping = sparse_universal.contextual_mapping(pattern, levels, 1, 4)
    sequences = mapping.sequences()
    program = papers.yun2020(mapping.pattern, levels, 1, 4, mapping.order, mapping.steps)
    same(program.run(sequences)[..., 0], mapping.names(sequences))
    assert program.count().layers == mapping.formula


BROKEN = [{}, *({"removed": (h,)} for h in range(4)), {"lowest": -2}, {"gain": 1}, {"normalizer": papers.hardmax()}]


@pytest.mark.parametrize("size", [(4, 1, 3), (3, 2, 2), (5, 1, 4), (4, 1, 2), (6, 1, 3), (8, 1, 3), (8, 1, 4)])
@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_ramapuram_2024(size, broken):
    mapping = sigmoid_universal.contextual_mapping(*size, **broken)
    sequences = mapping.sequences()
    same(papers.ramapuram2024(*size, **broken).run(sequences)[..., 0], mapping.names(sequences))

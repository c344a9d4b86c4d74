"""Tasks: answers against plain Python, and no test question in training."""

from functools import lru_cache

import pytest
import torch

from seqlab.looped_training import Pointers, Strings, edit_distance, lcs
from seqlab.looped_training.tasks import _hash, pairs


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def slow_lcs(a, b):
    @lru_cache(None)
    def go(i, j):
        if not i or not j:
            return 0
        return go(i - 1, j - 1) + 1 if a[i - 1] == b[j - 1] else max(go(i - 1, j), go(i, j - 1))

    return go(len(a), len(b))


def slow_edit(a, b, border=2):
    @lru_cache(None)
    def go(i, j):
        if not i or not j:
            return border * (i + j)
        return min(go(i - 1, j - 1) + 3 * (a[i - 1] != b[j - 1]), go(i - 1, j) + 2, go(i, j - 1) + 2)

    return go(len(a), len(b))


@pytest.mark.parametrize("size, letters", [(1, 2), (5, 2), (7, 4)])
def test_string_answers(size, letters):
    a, b = pairs(60, size, letters, draw(), copies=True)
    rows = list(zip(map(tuple, a.tolist()), map(tuple, b.tolist())))
    assert lcs(a, b).tolist() == [slow_lcs(*row) for row in rows]
    assert edit_distance(a, b).tolist() == [slow_edit(*row) for row in rows]
    assert edit_distance(a, b, border=1).tolist() == [slow_edit(*row, border=1) for row in rows]


def test_the_published_border_is_not_the_distance():
    a, b = torch.tensor([[0, 1, 2, 3]]), torch.tensor([[1, 2, 3, 0]])
    assert edit_distance(a, b).item() == 4 and edit_distance(a, b, border=1).item() == 3
    assert edit_distance(a, a).item() == edit_distance(a, a, border=1).item() == 0
    assert lcs(a, torch.tensor([[3, 2]])).item() == 1


def test_lcs_and_distance_agree():
    """With gaps of 2 and no exchange cheaper than two gaps: distance = 2 (m + n - 2 LCS)."""
    a, b = pairs(100, 6, 3, draw(), copies=False)
    assert torch.equal(edit_distance(a, b, substitute=4), 2 * (12 - 2 * lcs(a, b)))


def test_copies_are_close():
    a, b = pairs(4000, 8, 4, draw(), copies=True)
    c, d = pairs(4000, 8, 4, draw(), copies=False)
    assert edit_distance(a, b).float().mean() < 0.8 * edit_distance(c, d).float().mean()
    assert b.min() == 0 and b.max() == 3
    far, near = pairs(4000, 20, 10, draw(), copies=True)
    close = (edit_distance(far, near) <= 30).double().mean()  # copies; others are further apart
    assert 0.56 < close < 0.64
    assert 0.01 < (edit_distance(a, b) == 0).float().mean() < 0.1


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_pointers(hops):
    task = Pointers(hops, nodes=4)
    ids, wanted = task.draw(50, draw())
    assert ids.shape == (50, 5) and ids.min() >= 0 and ids.max() < 4
    for row, answer in zip(ids.tolist(), wanted.tolist()):
        at = row[-1]
        for _ in range(hops):
            at = row[at]
        assert at == answer


def test_training_and_test_share_no_question():
    number = lambda ids: (ids * 3 ** torch.arange(4)).sum(1)
    task = Pointers(2, nodes=3)
    train, test = task.draw(3000, draw())[0], task.draw(3000, draw(), test=True)[0]
    assert not set(number(train).tolist()) & set(number(test).tolist())
    assert set(number(test).tolist()) == set(range(0, 81, 11))
    strings = Strings("edit", 4)
    train, test = strings.draw(2000, draw())[0], strings.draw(300, draw(), test=True)[0]
    pair = lambda ids: _hash(torch.cat([ids[:, :4], ids[:, 5:9]], 1)) % 11 == 0
    assert not pair(train).any() and pair(test).all() and len(test) == 300


def test_layout_and_classes():
    for task in (Strings("lcs", 3), Strings("edit", 3, letters=5)):
        (ids, wanted), (vocabulary, length, classes) = task.draw(400, draw()), task.shape
        assert ids.shape == (400, length) and ids.max() < vocabulary and 0 <= wanted.min() <= wanted.max() < classes
        assert (ids[:, 3] == task.letters).all() and (ids[:, -1] == task.letters + 1).all()
    assert Pointers(2, nodes=5).shape == (5, 6, 5)
    assert torch.equal(task.draw(5, draw(1))[0], task.draw(5, draw(1))[0])


def test_baselines():
    assert Pointers(1).baseline(4000) == pytest.approx(1 / 6, abs=0.03)
    assert 0.4 < Strings("lcs", 6).baseline(4000) < 0.6


def test_bad_tasks():
    for hops, nodes in ((1, 1), (1, 2), (1, 15), (0, 6)):
        with pytest.raises(ValueError, match="nodes"):
            Pointers(hops, nodes)
    with pytest.raises(ValueError, match="pairs of strings"):
        Strings("lcs", 1, letters=2)
    assert len(Strings("lcs", 1, letters=3).draw(5, draw(), test=True)[1]) == 5
    with pytest.raises(ValueError, match="kind"):
        Strings("hamming", 3)
    with pytest.raises(ValueError, match="size"):
        Strings("lcs", 0)

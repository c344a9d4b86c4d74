"""What the programs of a block-sparse kernel walk: each listed tile once, and none is at work long after the others."""

import heapq

import pytest
import torch

from kernels import BlockLayout
from kernels.flash import lists as made
from kernels.flash.lists import lists
from tests.kernels.problems import layout


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("by_query", [True, False])
@pytest.mark.parametrize("sizes", [(32, 32), (16, 32), (32, 16), (8, 8)])
def test_every_tile_is_walked_once(monkeypatch, sizes, by_query, causal):
    monkeypatch.setattr(made, "LONG", 2)
    sparse = layout(100, 130, 32, heads=2, share=0.6)
    walked, (block_q, block_k) = lists(sparse, *sizes, by_query, causal), sizes
    met = torch.zeros(2, 100, 130, dtype=torch.int)
    for head, items in enumerate(walked.items.tolist()):
        for tile, begin, change, second, end, part in items:
            assert begin <= change <= second <= end
            for place in range(begin, end):
                other = int(walked.indices[place])
                row, column = (tile, other) if by_query else (other, tile)
                rows = slice(row * block_q, (row + 1) * block_q)
                met[head, rows, column * block_k : (column + 1) * block_k] += 1
                first = row * block_q + 130 - 100  # the last key that its first query sees
                cut, whole = causal and (column + 1) * block_k - 1 > first, (column + 1) * block_k <= 130
                if by_query:
                    assert (place < change) == (whole and not cut)
                else:
                    whole = (row + 1) * block_q <= 100
                    assert (place < change) == (cut and whole) and (place >= second) == (not whole)
    seen = sparse.mask()
    if causal:
        last = torch.arange(100)[:, None] + 30
        assert (met[seen & (torch.arange(130) <= last)] == 1).all()
    assert ((met == seen) | (causal & (met == 0))).all()


def test_parts_are_named_and_their_tiles_told():
    sparse = BlockLayout.bigbird(64 * 100, block=64)
    walked = lists(sparse, 64, 64, True, False)
    parts = [item[5] for item in walked.items[0].tolist() if item[5] >= 0]
    assert sorted(parts) == list(range(walked.parts)) and walked.parts > 0
    for tile, first, behind in walked.splits.tolist():
        mine = {item[5] for item in walked.items[0].tolist() if item[0] == tile}
        assert mine == set(range(first, behind))
    assert lists(sparse, 64, 64, True, False) is walked
    assert lists(BlockLayout.dense(64 * 100), 64, 64, True, False).parts == 0  # rows all alike


def makespan(lengths: list[int], at_once: int) -> int:
    """When the last program ends: each begins, in turn, where one has ended."""
    ends = [0] * at_once
    for length in lengths:
        heapq.heapreplace(ends, ends[0] + length)
    return max(ends)


@pytest.mark.parametrize("by_query", [True, False])
@pytest.mark.parametrize("heads", [8, 16, 32, 64])
def test_global_rows_are_not_at_work_long_after_the_others(heads, by_query):
    """On 132 multiprocessors with 4 programs each; whole rows took 6.7, 3.4, 2.0 and 1.4 times the ideal."""
    sparse, at_once = BlockLayout.bigbird(16384, block=64), 4 * 132
    items = lists(sparse, 64, 64, by_query, False).items[0].tolist()
    lengths = [end - begin for _, begin, _, _, end, _ in items for _ in range(heads)]
    ideal = sum(lengths) / at_once
    assert makespan(lengths, at_once) <= 1.3 * ideal
    rows = (sparse.offsets[0, 1:] - sparse.offsets[0, :-1]).tolist()
    assert makespan([length for _ in range(heads) for length in rows], at_once) > 1.35 * ideal

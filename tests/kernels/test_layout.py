"""Block layouts: built three ways, transposed, refused."""

import numpy
import pytest
import torch

from kernels import BlockLayout


def same(a, b):
    return all(torch.equal(getattr(a, n), getattr(b, n)) for n in ("offsets", "indices", "offsets_t", "indices_t"))


def test_mask_and_rows_build_the_same_layout():
    grid = torch.rand(2, 5, 7, generator=torch.Generator().manual_seed(0)) < 0.4
    rows = [[row.nonzero().flatten().tolist() for row in head] for head in grid]
    a = BlockLayout.from_mask(grid, 16, n_query=75, n_key=110)
    b = BlockLayout.from_rows(rows, 16, n_query=75, n_key=110)
    assert same(a, b) and torch.equal(a.blocks(), grid) and a.listed == int(grid.sum())
    turned = BlockLayout(16, a.n_key, a.n_query, a.offsets_t, a.indices_t, a.offsets, a.indices)
    assert torch.equal(turned.blocks(), grid.transpose(1, 2)) and a.mask().shape == (2, 75, 110)


def test_the_lists_are_slices_of_one_array():
    layout = BlockLayout.from_rows([[0, 2], [], [1]], 4, n_query=12)
    assert layout.offsets.tolist() == [[0, 2, 2, 3]] and layout.indices.tolist() == [0, 2, 1]
    assert layout.offsets_t.tolist() == [[0, 1, 2, 3]] and layout.indices_t.tolist() == [0, 2, 0]


def test_bigbird_has_its_three_parts():
    layout = BlockLayout.bigbird(64 * 40, block=64, global_blocks=2, window=3, random_blocks=3, seed=1)
    grid = layout.blocks()[0]
    assert grid[0].all() and grid[-1].all() and grid[:, 0].all() and grid[:, -1].all()
    i = torch.arange(1, 39)
    assert grid[i, i].all() and grid[i, i - 1].all() and grid[i, i + 1].all()
    assert (grid[3:37].sum(1) == 2 + 3 + 3).all()
    assert same(layout, BlockLayout.bigbird(64 * 40, seed=1)) and not same(layout, BlockLayout.bigbird(64 * 40, seed=2))


def test_random_blocks_come_from_the_whole_row():
    grid = BlockLayout.bigbird(64 * 200, seed=0).blocks()[0]
    far = [abs(int(j) - i) for i in range(1, 199) for j in grid[i, 1:-1].nonzero().flatten() + 1]
    assert max(far) > 150


@pytest.mark.parametrize("n", [1, 63, 64, 65, 200, 500])
def test_short_sequences_are_dense_rather_than_wrong(n):
    layout = BlockLayout.bigbird(n, block=64)
    assert layout.mask().shape == (1, n, n) and layout.blocks().any(-1).all()


def test_a_long_layout_is_quick_and_linear():
    assert BlockLayout.bigbird(1_000_000).listed < 15 * 1_000_000 / 64


@pytest.mark.parametrize(
    "build, says",
    [
        (lambda: BlockLayout.from_mask(torch.ones(2, 2), 16), "mask: got torch.float32"),
        (
            lambda: BlockLayout.from_mask(torch.ones(2, 2, dtype=torch.bool), 16, n_query=70),
            "n_query: 70 tokens are 5 blocks",
        ),
        (lambda: BlockLayout.from_rows([[0], [2]], 16, n_query=32), "query block 1 lists key block 2, wanted 0 to 1"),
        (lambda: BlockLayout.from_rows([[0]], 16, n_query=32), "rows: got 1, wanted 2"),
        (lambda: BlockLayout.from_rows([[0]], 0, n_query=1), "block: got 0"),
        (lambda: BlockLayout.bigbird(128, window=2), "window: got 2 blocks, wanted an odd number"),
    ],
)
def test_refusals(build, says):
    with pytest.raises((ValueError, TypeError)) as refusal:
        build()
    assert says in str(refusal.value)


def test_whole_numbers_of_other_libraries_are_whole_numbers():
    layout = BlockLayout.dense(numpy.int64(64), block=numpy.int32(16))
    assert (layout.n_query, layout.block) == (64, 16) and type(layout.n_query) is int and type(layout.block) is int
    with pytest.raises(ValueError, match="block: got 16.0, wanted a whole number"):
        BlockLayout.dense(64, block=16.0)


def test_a_copy_elsewhere_is_made_once_until_the_lists_change():
    sparse = BlockLayout.bigbird(256, block=16)
    elsewhere = sparse.to("meta")
    assert sparse.to("meta") is elsewhere and elsewhere.indices.is_meta
    sparse.indices.add_(0)
    assert sparse.to("meta") is not elsewhere

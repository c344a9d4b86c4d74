"""The algebra against masks, masks against definitions, attention with a pattern, layouts, and error messages."""

import copy
import pickle
import re

import numpy as np
import pytest
import torch

import kernels
from kernels.layout import BlockLayout
from seqlab import patterns
from seqlab.attention import attention
from seqlab.patterns import per_head, per_layer
from seqlab.patterns.runs import contains, count, expand, join, packed, runs, without_self

N = [1, 2, 3, 7, 16, 23]


def grid(n, sees):
    return torch.tensor([[bool(sees(k, j)) for j in range(n)] for k in range(n)])


DEFINITIONS = {
    "full": (patterns.full(), [lambda n, k, j: True]),
    "own": (patterns.own(), [lambda n, k, j: j == k]),
    "window": (patterns.window(2), [lambda n, k, j: abs(k - j) <= 2]),
    "dilated": (patterns.dilated(2, 3), [lambda n, k, j: (k - j) % 3 == 0 and abs(k - j) <= 6]),
    "strided": (patterns.strided(4), [lambda n, k, j: abs(k - j) <= 4, lambda n, k, j: (k - j) % 4 == 0]),
    "fixed": (
        patterns.fixed(4),
        [lambda n, k, j: k // 4 == j // 4, lambda n, k, j: j == k or (j + 1) % 4 == 0 or j == n - 1 and n % 4],
    ),
    "axial": (patterns.axial(4), [lambda n, k, j: k // 4 == j // 4, lambda n, k, j: (k - j) % 4 == 0]),
    "pure_star": (patterns.pure_star(), [lambda n, k, j: j == k or 0 in (k, j)]),
    "star": (
        patterns.star(),
        [lambda n, k, j: j == k or n - 1 in (k, j) or (k - j) % (n - 1) in (1, n - 2)],
    ),
    "causal": (patterns.window(2).causal(), [lambda n, k, j: 0 <= k - j <= 2]),
    "global": (patterns.window(1) | patterns.relays(range(2)), [lambda n, k, j: abs(k - j) <= 1 or min(k, j) < 2]),
    "no self": (patterns.dilated(1, 2).without_self(), [lambda n, k, j: abs(k - j) == 2]),
    "with self": (patterns.window(2).without_self() | patterns.own(), [lambda n, k, j: abs(k - j) <= 2]),
    "extended": (patterns.extended(patterns.stride(3), 2), [lambda n, k, j: min(k, j) < 2 or (k - j) % 3 == 0]),
}


@pytest.mark.parametrize("name", DEFINITIONS)
@pytest.mark.parametrize("n", N)
def test_catalogue_is_as_defined(name, n):
    pattern, sets = DEFINITIONS[name]
    if name == "star" and n < 2:
        assert pattern.at(1).mask.tolist() == [[True]]
        return
    at = pattern.at(n)
    want = torch.stack([grid(n, lambda k, j: sees(n, k, j)) for sees in sets])
    assert torch.equal(at.masks(), want)
    assert at.connections() == tuple(want.sum(dim=(1, 2)).tolist())
    assert at.keys(n // 2, layer=1) == want[1 % len(sets)][n // 2].nonzero()[:, 0].tolist()
    query, key = expand(at.rows(layer=1))
    assert np.array_equal(np.stack([query, key], 1), want[1 % len(sets)].nonzero().numpy())


@pytest.mark.parametrize("n", [16, 64])
def test_connections_of_the_papers(n):
    w = int(n**0.5)
    counts = {
        patterns.strided(w): ((2 * w + 1) * n - w * (w + 1), n * n // w),
        patterns.fixed(w): (n * w, n * n // w + n - n // w),
        patterns.star(): (5 * n - 4,),
        patterns.window(1): (3 * n - 2,),
        patterns.pure_star(): (3 * n - 2,),
        patterns.full(): (n * n,),
    }
    for pattern, want in counts.items():
        assert pattern.at(n).connections() == want
    known = {16: [(124, 64), (64, 76), (76,), (46,)], 64: [(1016, 512), (512, 568), (316,), (190,)]}
    assert list(counts.values())[:4] == known[n]


def test_growth_of_connections():
    lengths = [16, 64, 256, 1024]
    makers = {1.5: [patterns.strided, patterns.fixed], 1.0: [lambda w: patterns.star(), lambda w: patterns.window(1)]}
    for slope, made in makers.items():
        for make in made:
            counts = [max(make(int(n**0.5)).at(n).connections()) for n in lengths]
            assert np.polyfit(np.log(lengths), np.log(counts), 1)[0] == pytest.approx(slope, abs=0.05)


def test_random_draws_once_and_without_repetition():
    mask = patterns.random(3, seed=1).at(50).mask
    assert (mask.sum(1) == 4).all() and mask.diagonal().all()
    assert torch.equal(mask, patterns.random(3, seed=1).at(50).mask)
    assert not torch.equal(mask, patterns.random(3, seed=2).at(50).mask)
    assert patterns.random(9).at(5).mask.all()
    heard = patterns.random(8).at(2000).mask.sum(0) - 1  # in-degrees of a fair draw: mean 8, variance 8
    assert 6.5 < heard.double().var() < 9.5
    part = patterns.random(3).at(50).rows(queries=np.arange(20, 30))
    whole = patterns.random(3).at(50).rows()
    chosen = (whole.query >= 20) & (whole.query < 30)
    assert np.array_equal(part.first, whole.first[chosen])  # rows do not depend on which others are asked for


@pytest.mark.parametrize("n", [1, 16, 63, 200])
def test_bigbird_is_the_kernels(n):
    options = dict(block=16, global_blocks=2, window=3, random_blocks=2, seed=3)
    layout = BlockLayout.bigbird(n, **options)
    at = patterns.bigbird(**options).at(n)
    assert torch.equal(at.mask, layout.mask()[0])
    assert torch.equal(at.layout(16, exact=True).blocks(), layout.blocks())


def test_laid_out_is_its_layouts_head_by_head():
    grid = torch.rand(3, 5, 5, generator=torch.Generator().manual_seed(0)) < 0.4
    grid[1, 2] = False
    layouts = {n: BlockLayout.from_mask(grid, 4, n_query=n, n_key=n) for n in (17, 20)}
    tables = lambda n: (4, layouts[n].offsets, layouts[n].indices)  # noqa: E731
    pattern = patterns.laid_out(tables, heads=3)
    for n, layout in layouts.items():
        assert torch.equal(pattern.at(n).mask, layout.mask())
        assert pattern.at(n).connections() == (int(layout.mask().sum()),)
    empty = BlockLayout.from_mask(grid[0] & False, 4)
    assert not patterns.laid_out(lambda n: (4, empty.offsets, empty.indices)).at(20).mask.any()


def test_bigbird_etc():
    mask = patterns.bigbird_etc(4, 8).at(36).mask
    assert mask[:4].all() and mask[:, :4].all()
    inner = torch.arange(32) // 8
    assert torch.equal(mask[4:, 4:], (inner[:, None] - inner).abs() <= 1)


def test_freehand():
    drawn = torch.tensor([[1, 0, 1], [1, 1, 0], [0, 0, 1]], dtype=torch.bool)
    assert torch.equal(patterns.freehand(drawn).at(3).mask, drawn)
    two = patterns.freehand(torch.stack([drawn, drawn.T]))
    assert two.p == 2 and torch.equal(two.at(3).masks()[1], drawn.T)
    with pytest.raises(ValueError, match="drawn for 3 tokens"):
        patterns.freehand(drawn).at(4).connections()
    with pytest.raises(ValueError, match="square"):
        patterns.freehand([[True, False, True]])
    with pytest.raises(TypeError, match="wanted bool"):
        patterns.freehand([[1, 0], [0, 1]])


def test_algebra():
    a, b, n = patterns.strided(3), patterns.star(), 10
    (first, second), (other,) = a.at(n).masks(), b.at(n).masks()
    assert torch.equal((a | b).at(n).masks(), torch.stack([first | other, second | other]))
    assert torch.equal(a.union().at(n).mask, first | second)
    assert torch.equal(per_layer(a, b).at(n).masks(), torch.stack([first, second, other]))
    assert torch.equal(a.layer(5).at(n).mask, second)
    heads = per_head(a.layer(0), b, heads=4).at(n)
    assert heads.heads == 4 and torch.equal(heads.mask, torch.stack([first, first, other, other]))
    assert heads.connections() == (2 * int(first.sum()) + 2 * int(other.sum()),)
    assert torch.equal(heads.pattern.merged_heads().at(n).mask, first | other)
    mixed = (per_head(a, b) | patterns.own()).at(n)
    assert (mixed.p, mixed.heads) == (2, 2) and torch.equal(mixed.masks(by_head=True)[1], torch.stack([second, other]))


def test_attention_takes_patterns():
    draw = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 2, 11, 4, generator=draw, dtype=torch.float64) for _ in range(3))
    heads = per_head(patterns.window(1), patterns.star())
    for pattern in (patterns.window(2), patterns.fixed(4).layer(1), heads):
        want = attention(q, k, v, pattern=pattern.at(11).mask)
        assert torch.equal(attention(q, k, v, pattern=pattern), want)
        assert torch.equal(attention(q, k, v, pattern=pattern.at(11)), want)
    with pytest.raises(ValueError, match=r"layer\(l\)"):
        attention(q, k, v, pattern=patterns.strided(3))


def test_kernels_take_layouts():
    draw = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 2, 50, 8, generator=draw) for _ in range(3))
    at = (patterns.blocks(16) | patterns.relays(range(16))).at(50)
    got = kernels.attention(q, k, v, layout=at.layout(16, exact=True), impl="reference")
    torch.testing.assert_close(got, attention(q, k, v, pattern=at))


@pytest.mark.parametrize("pattern", [patterns.window(3), patterns.stride(8), patterns.stride(5), patterns.random(2)])
@pytest.mark.parametrize("n, block", [(32, 4), (30, 4), (7, 16)])
def test_layout_lists_every_block_with_a_connection(pattern, n, block):
    at = pattern.at(n)
    size = -(-n // block) * block
    padded = torch.zeros(size, size, dtype=torch.bool)
    padded[:n, :n] = at.mask
    want = padded.view(size // block, block, size // block, block).any(dim=3).any(dim=1)
    layout = at.layout(block)
    assert torch.equal(layout.blocks()[0], want) and (layout.n_query, layout.n_key) == (n, n)
    if torch.equal(layout.mask()[0], at.mask):
        assert torch.equal(at.layout(block, exact=True).blocks(), layout.blocks())
        return
    with pytest.raises(ValueError, match="whole blocks") as refused:
        at.layout(block, exact=True)
    of_block = r"queries of block (\d+) have (\d+) of (\d+) connections with keys of block (\d+)"
    i, filled, of, j = map(int, re.search(of_block, str(refused.value)).groups())
    there = at.mask[i * block : (i + 1) * block, j * block : (j + 1) * block]
    assert (int(there.sum()), there.numel()) == (filled, of) and 0 < filled < of


def test_layouts_per_head():
    layout = per_head(patterns.blocks(4), patterns.full()).at(8).layout(4)
    assert layout.heads == 2 and layout.blocks().sum(dim=(1, 2)).tolist() == [2, 4]


def test_run_arithmetic_against_sets():
    draw = np.random.default_rng(0)
    for _ in range(200):
        n, m = int(draw.integers(1, 20)), int(draw.integers(0, 12))
        query = np.sort(draw.integers(0, n, m))
        rows = runs(query, draw.integers(0, n, m), draw.integers(0, n, m), draw.integers(1, 5, m))
        pairs = {(q, k) for q, a, b, s in zip(rows.query, rows.first, rows.last, rows.step) for k in range(a, b + 1, s)}
        query, key = expand(rows)
        assert list(zip(query, key)) == sorted(pairs) and count(rows, n) == len(pairs)
        asked, wanted = np.arange(n), draw.integers(0, n, n)
        assert contains(rows, asked, wanted).tolist() == [(q, k) in pairs for q, k in zip(asked, wanted)]
        again = packed(query, key)
        assert set(zip(*expand(again))) == pairs and (np.diff(again.query * 99 + again.first) > 0).all()
        assert set(zip(*expand(without_self(rows)))) == {(q, k) for q, k in pairs if q != k}
        assert len(join([rows, rows])) == 2 * len(rows)


def test_counts_at_a_million_without_a_matrix():
    n = 1_000_000
    assert patterns.full().at(n).connections() == (n * n,)
    assert patterns.strided(1000).at(n).connections() == (2001 * n - 1000 * 1001, n * 1000)
    assert patterns.fixed(1000).at(n).connections() == (n * 1000, n * 1000 + n - 1000)
    assert patterns.star().at(n).connections() == (5 * n - 4,)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: patterns.window(-1), "radius: got -1"),
        (lambda: patterns.strided(0), "width: got 0"),
        (lambda: patterns.random(-1), "keys: got -1"),
        (lambda: patterns.bigbird(16, window=2), "odd number"),
        (lambda: patterns.window().at(0), "n: got 0"),
        (lambda: patterns.star(5).at(3).mask, "relay: got position 5"),
        (lambda: patterns.window().at(3).keys(3), "query: got 3"),
        (lambda: per_head(patterns.window(), patterns.star(), heads=3), "multiple of 2"),
        (lambda: per_head(per_head(patterns.window(), patterns.star()), patterns.star()), "heads of its own"),
        (lambda: patterns.window().at(8).layout(0), "block: got 0"),
        (lambda: patterns.strided(2).at(8).layout(4), "say which layer"),
    ],
)
def test_errors_teach(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_names_and_immutability():
    pattern = patterns.window(1) | patterns.star()
    assert repr(pattern) == "window(1) | star()" and repr(pattern.at(16)) == "window(1) | star() at n = 16"
    with pytest.raises(AttributeError):
        pattern.name = "other"


@pytest.mark.parametrize(
    "pattern",
    [*(pattern for pattern, _ in DEFINITIONS.values())]
    + [patterns.random(2), patterns.bigbird(4), patterns.bigbird_etc(2, 4, random_blocks=1), patterns.axial(3)]
    + [per_head(patterns.window(1), patterns.star()), patterns.freehand(torch.eye(12) > 0).union()],
    ids=repr,
)
def test_patterns_can_be_copied_and_sent(pattern):
    for other in (pickle.loads(pickle.dumps(pattern)), copy.deepcopy(pattern)):
        assert other.name == pattern.name and torch.equal(other.at(12).masks(), pattern.at(12).masks())


def test_a_mask_made_in_another_mode_serves_training_later():
    at = patterns.bigbird(4).at(20)
    with torch.inference_mode():
        assert at.mask.any()
    x = torch.randn(1, 20, 3, requires_grad=True)
    attention(x, x, x, pattern=at).sum().backward()
    assert x.grad.isfinite().all()

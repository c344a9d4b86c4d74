"""Statistics against closed forms, against networkx, against the graph of tokens one by one, and against the paper's
story.
"""

import itertools
import math
import time

import networkx
import numpy as np
import pytest

from kernels import BlockLayout
from seqlab import patterns
from seqlab.big_bird import Plan, small_world
from seqlab.big_bird.small_world import (
    bigbird,
    clustering,
    growth,
    hubs,
    of_edges,
    of_layout,
    paths,
    random_edges,
    ring,
    ring_random,
    spectral_gap,
    statistics,
    union,
    watts_strogatz,
)
from seqlab.patterns import per_head
from tests.typecheck import plain as untyped

LENGTHS = (64, 128, 256, 512, 1024)


def tokens(layout):
    """The undirected support as networkx sees it, one vertex a token."""
    mask = layout.mask().any(0).numpy()
    made = networkx.from_numpy_array((mask | mask.T).astype(int))
    made.remove_edges_from(networkx.selfloop_edges(made))
    return made


def plain(made):
    """(edges, clustering, mean path, diameter, gap) the slow way."""
    a = networkx.to_numpy_array(made)
    root = np.sqrt(a.sum(1))
    gap = 1 - np.linalg.eigvalsh(a / root[:, None] / root)[-2]
    path, diameter = networkx.average_shortest_path_length(made), networkx.diameter(made)
    return made.number_of_edges(), networkx.average_clustering(made), path, diameter, gap


LAYOUTS = {
    "window": patterns.window(3).at(41).layout(1),
    "whole": patterns.full().at(7).layout(3),
    "two": patterns.full().at(2).layout(2),
    "without self": patterns.full().without_self().at(7).layout(1),
    "causal": patterns.full().causal().at(9).layout(1),
    "star": patterns.pure_star().at(23).layout(1),
    "ring and relay": patterns.star().at(23).layout(1),
    "strided, two sets": patterns.strided(5).union().at(38).layout(1),
    "random": patterns.random(3).at(50).layout(1),
    "global": (patterns.window(2) | patterns.relays(range(3))).at(45).layout(1),
    "heads differ": per_head(patterns.window(1), patterns.random(1, seed=3)).at(30).layout(1),
    "bigbird": BlockLayout.bigbird(61, block=4, random_blocks=2),
    "bigbird, one block short": BlockLayout.bigbird(57, block=8, global_blocks=1, random_blocks=1),
    "bigbird, tokens": BlockLayout.bigbird(64, block=1, random_blocks=2),
    "bigbird, no hubs": BlockLayout.bigbird(62, block=4, global_blocks=0, random_blocks=1, seed=2),
    "plan": Plan(4, random_blocks=1, heads=2).layout(50),
    "etc": patterns.bigbird_etc(8, 4).at(50).layout(4),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_blocks_have_the_statistics_of_their_tokens(name):
    layout = LAYOUTS[name]
    g, found = of_layout(layout), statistics(layout)
    edges, clustered, path, diameter, gap = plain(tokens(layout))
    assert (g.n, g.edges, found.edges, found.diameter) == (layout.n_query, edges, edges, diameter)
    assert found.clustering == pytest.approx(clustered, abs=1e-12)
    assert found.mean_path == pytest.approx(path, abs=1e-12) and found.gap == pytest.approx(gap, abs=1e-9)


def test_blocks_are_vertices():
    assert of_layout(patterns.full().at(500).layout(64)).sizes.tolist() == [64] * 7 + [52]
    assert len(bigbird(1000, 16).sizes) == 63
    with pytest.raises(ValueError, match="tokens of block 0 do not see each other; take blocks of one token"):
        of_layout(BlockLayout.from_mask(~np.eye(3, dtype=bool), 4))


@pytest.mark.parametrize("n, w", [(9, 2), (25, 4), (64, 6), (101, 10)])
def test_ring(n, w):
    found = statistics(ring(n, w))
    steps = [math.ceil(2 * min(k, n - k) / w) for k in range(1, n)]
    assert found.clustering == pytest.approx(3 * (w - 2) / (4 * (w - 1))) and found.edges == n * w // 2
    assert found.mean_path == pytest.approx(sum(steps) / (n - 1)) and found.diameter == max(steps)
    waves = [sum(2 * math.cos(2 * math.pi * k * j / n) for j in range(1, w // 2 + 1)) / w for k in range(1, n)]
    assert found.gap == pytest.approx(1 - max(waves), abs=1e-9)


@pytest.mark.parametrize("n", [2, 3, 10, 100])
def test_complete_and_star(n):
    one, other = np.array(list(itertools.combinations(range(n), 2))).T
    for whole in (of_edges(n, one, other), of_layout(patterns.full().at(n).layout(n))):
        found = statistics(whole)
        assert (found.mean_path, found.diameter) == (1, 1) and found.clustering == pytest.approx(float(n > 2))
        assert found.gap == pytest.approx(n / (n - 1))
    if n > 2:
        found = statistics(hubs(n, 1))
        assert (found.edges, found.clustering, found.diameter) == (n - 1, 0, 2)
        assert found.mean_path == pytest.approx(2 - 2 / n) and found.gap == pytest.approx(1)


def test_not_connected():
    found = statistics(patterns.blocks(4).at(12).layout(4))
    assert found.mean_path == found.diameter == math.inf and found.gap == 0 and found.clustering == 1
    assert "not connected: some tokens never hear of each other" in str(found)
    assert spectral_gap(of_edges(3, np.array([0]), np.array([1]))) == 0


def test_makers():
    drawn = random_edges(200, 3, seed=1)
    assert drawn.degrees.min() >= 3 and 560 < drawn.edges <= 600
    assert not (drawn.links != random_edges(200, 3, seed=1).links).nnz
    assert (drawn.links != random_edges(200, 3, seed=2).links).nnz
    assert not (watts_strogatz(50, 6, 0.0).links != ring(50, 6).links).nnz
    assert watts_strogatz(50, 6, 0.5).edges == 150 and (watts_strogatz(50, 6, 0.5).links != ring(50, 6).links).nnz
    both = ring_random(50, 4, 2, seed=3)
    assert ((both.links - ring(50, 4).links) < 0).nnz == 0 and both.edges > ring(50, 4).edges
    assert union(ring(20, 4), hubs(20, 2)).degrees.tolist()[:4] == [19, 19, 4, 4 + 1]


def mean(makes, of):
    return np.mean([of(make) for make in makes])


def test_paths_of_the_ring_and_of_the_small_world():
    for n, far, near in zip(LENGTHS, (5.8, 11.1, 21.8, 43.1, 85.8), (1.95, 2.28, 2.58, 2.86, 3.19)):
        assert paths(ring(n))[0] == pytest.approx(far, rel=0.01)
        assert mean([ring_random(n, seed=seed) for seed in range(3)], lambda g: paths(g)[0]) == pytest.approx(
            near, rel=0.02
        )


def test_clustering_of_ring_random_and_mixture():
    """Random: six draws a token. The mixture is at 0.27 at 64 tokens, at 0.15 at 1,024."""
    several = range(6)
    for n, low, mixed in ((64, 0.17, 0.25), (1024, 0.0107, 0.15)):
        assert clustering(ring(n)) == pytest.approx(0.6)
        assert mean([random_edges(n, 6, seed) for seed in several], clustering) == pytest.approx(low, rel=0.05)
        mixture = [ring_random(n, seed=seed) for seed in several]
        assert mean(mixture, clustering) == pytest.approx(mixed, rel=0.1)


def test_gaps():
    n, several = 256, range(8)
    draws = [random_edges(n, 3, seed) for seed in several]
    assert spectral_gap(ring(n)) == pytest.approx(0.0014, rel=0.05)
    assert spectral_gap(union(ring(n), hubs(n, 2))) == pytest.approx(0.25, rel=0.05)
    assert mean(draws, spectral_gap) == pytest.approx(0.26, rel=0.05)
    assert mean([union(ring(n), g) for g in draws], spectral_gap) == pytest.approx(0.34, rel=0.05)
    assert mean([union(ring(n), g, hubs(n, 2)) for g in draws], spectral_gap) == pytest.approx(0.45, rel=0.05)


@pytest.mark.parametrize(
    "g", [union(ring(700), hubs(700, 2)), ring_random(600), watts_strogatz(900, 6, 0.02), ring(600)]
)
def test_iterated_eigenvalues_are_the_dense_ones(g, monkeypatch):
    found = spectral_gap(g)
    monkeypatch.setattr(small_world, "DENSE", 1000)
    assert found == pytest.approx(spectral_gap(g), rel=0.01)


def test_100_000_tokens():
    start = time.process_time()
    bird = statistics(bigbird(100_000, 64))
    assert time.process_time() - start < 60
    assert bird.diameter == 2 and 1.9 < bird.mean_path < 2 and bird.gap > 0.3
    assert spectral_gap(ring(100_000)) == pytest.approx(9.21e-9, rel=0.01)
    with pytest.raises(ValueError, match="wanted at most 4,096 vertices"):
        statistics(ring(100_000))


def test_the_ring_grows_like_n_and_the_small_world_like_log_n():
    far = growth(LENGTHS, [paths(ring(n))[0] for n in LENGTHS])
    near = growth(LENGTHS, [paths(ring_random(n))[0] for n in LENGTHS])
    assert far.exponent == pytest.approx(1, abs=0.05) and far.better == "linear" and far.linear_off < far.log_off / 100
    assert near.better == "logarithmic" and near.log_off < near.linear_off / 25
    assert growth([1, 10, 100], [1.0, 2.0, 3.0]).log_off == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("far", [[2.0, 2.0, 2.0, 2.0], [1.0 / 3] * 4, [4.0, 3.0, 2.0, 1.0], [3.0, 2.5, 2.5, 2.0]])
def test_paths_that_do_not_grow_follow_no_law(far):
    assert growth([64, 128, 256, 512], far).better == "neither"


def test_refusals():
    with pytest.raises(
        TypeError, match=r"of: got Instance, wanted a graph, or a layout: pattern.at\(1024\).layout\(1\)"
    ):
        untyped(statistics)(patterns.window().at(9))
    for call, message in (
        (lambda: statistics(of_edges(1, np.array([0]), np.array([0]))), "one token alone"),
        (lambda: of_edges(0, np.array([], int), np.array([], int)), "n: got 0"),
        (lambda: ring(10, 3), "neighbours: got 3"),
        (lambda: ring(6, 6), "neighbours: got 6"),
        (lambda: watts_strogatz(20, 4, 1.5), "share: got 1.5"),
        (lambda: union(ring(10, 4), ring(12, 4)), "same tokens"),
        (lambda: union(ring(100, 4), bigbird(100, 10)), "one vertex each"),
        (lambda: union(), "got none"),
        (lambda: growth([1, 2], [1.0, 2.0]), "3 lengths"),
        (lambda: growth([1, 2, 3], [1.0, 2.0]), "a path each"),
        (lambda: growth([1, 2, 3], [1.0, 2.0, math.inf]), "not connected"),
        (lambda: growth([1, 2, 3], [1.0, 2.0, math.nan]), "mean_paths: got nan"),
        (lambda: growth([1, 2, 3], [1.0, 0.0, 2.0]), "mean_paths: got 0.0"),
        (lambda: growth([0, 2, 3], [1.0, 2.0, 3.0]), "lengths: got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            call()

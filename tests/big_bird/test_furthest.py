"""Task 1: the full layer is right everywhere, a sparse one where it can see, and orthogonal pairs are found through it."""

import pytest
import torch

from seqlab import patterns
from seqlab.big_bird import furthest as task
from tests.typecheck import plain


@pytest.mark.parametrize(("n", "dim", "seed"), [(64, 36, 0), (7, 3, 1), (33, 5, 2), (2, 1, 3), (1, 4, 0)])
def test_one_full_layer_solves_it(n, dim, seed):
    u = task.unit_vectors(n, dim, seed)
    assert task.score(u) == task.Score(n, n, n)
    wanted = [max(range(n), key=lambda k: float((u[k] - u[j]).norm())) for j in range(n)]
    assert task.furthest(u).tolist() == wanted
    if n > 1:
        assert torch.equal(task.solve(u), u[wanted])


def test_the_layer_is_the_papers():
    layer = task.furthest_layer(3)
    assert (layer.heads, layer.head_dim, layer.dim, layer.scale) == (1, 6, 6, 1.0)
    x = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], dtype=torch.float64)
    assert layer.query(x).tolist() == [-1, -2, -3, 0, 0, 0]
    assert layer.key(x).tolist() == [1, 2, 3, 0, 0, 0]
    assert layer.value(x).tolist() == [0, 0, 0, 1, 2, 3]
    assert layer.out(x).tolist() == x.tolist()


def test_check_and_its_switches():
    verdict = task.check()
    assert verdict and 0 < verdict.margin < 1 and verdict.checked == 64
    broken = {"full": dict(pattern=patterns.random(7)), "hard": dict(soft=True), "unit": dict(stretched=True)}
    for name, switch in broken.items():
        verdict = task.check(**switch)
        assert not verdict and -1 <= verdict.margin < 0
        assert [h.name for h in verdict.statement.hypotheses if not h.holds] == [name]
        j, best, keys = verdict.witness.objects
        assert j != best and (best in keys) == (name != "full")


@pytest.mark.parametrize(
    "pattern",
    [
        patterns.random(7),
        patterns.window(3),
        patterns.pure_star(),
        patterns.bigbird(8, random_blocks=1),
        patterns.full(),
        patterns.random(3).causal(),
    ],
    ids=lambda p: p.name,
)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_sparse_layer_is_right_exactly_where_it_can_see(pattern, seed):
    u = task.unit_vectors(64, 36, seed)
    score = task.score(u, pattern)
    wanted, seen = task.furthest(u), pattern.at(64).mask
    assert score.in_sight == sum(bool(seen[j, wanted[j]]) for j in range(64)) == score.right
    assert task.ceiling(u, pattern, 1) >= score.in_sight


def test_eight_keys_of_64_see_about_an_eighth():
    right = [task.score(task.unit_vectors(64, 36, s), patterns.random(7, seed=s)).right for s in range(40)]
    assert abs(sum(right) / (40 * 64) - 7 / 64) < 0.03  # its own vector is never the furthest: seven that count


def test_arrival_is_a_ceiling_that_grows_with_depth():
    u, ring = task.unit_vectors(64, 36), patterns.window(2)
    ceilings = [task.ceiling(u, ring, layers) for layers in range(40)]
    assert ceilings == sorted(ceilings) and ceilings[0] == 0 and ceilings[-1] == 64
    assert task.ceiling(u, patterns.pure_star(), 2) == 64
    assert task.reachable(patterns.window(1), 5, 1).tolist() == patterns.window(1).at(5).mask.tolist()
    alternating = patterns.per_layer(patterns.window(1), patterns.own())
    assert task.reachable(alternating, 9, 2).tolist() == patterns.window(1).at(9).mask.tolist()
    with pytest.raises(ValueError, match="layers: got -1"):
        task.reachable(ring, 4, -1)


def brute(vectors):
    inner = vectors @ vectors.T
    return any(int(inner[i, j]) == 0 for i in range(len(vectors)) for j in range(i))


def test_orthogonal_pairs_are_found_and_only_they():
    draw, both = torch.Generator().manual_seed(0), set()
    for _ in range(120):
        n, dim = (int(torch.randint(2, high, (), generator=draw)) for high in (14, 9))
        vectors = (torch.rand(n, dim, generator=draw) < 0.6).long()
        vectors[vectors.sum(-1) == 0, 0] = 1
        pair = task.orthogonal_pair(vectors)
        assert (pair is not None) == brute(vectors)
        both.add(pair is not None)
        if pair:
            assert int(vectors[pair[0]] @ vectors[pair[1]]) == 0
    assert both == {True, False}


def test_a_sparse_task_misses_a_pair():
    vectors = torch.tensor([[1, 1, 0, 0], [1, 0, 1, 0], [0, 1, 1, 0], [1, 1, 1, 1], [0, 0, 1, 1]])
    assert task.orthogonal_pair(vectors) == (0, 4)
    assert task.orthogonal_pair(vectors, lambda u: task.solve(u, patterns.window(1))) is None


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="wanted a matrix of 0 and 1"):
        task.orthogonal_pair(torch.tensor([[0, 2]]))
    with pytest.raises(ValueError, match=r"vectors\[1\]: got the zero vector"):
        task.orthogonal_pair(torch.tensor([[0, 1], [0, 0]]))
    for shape in ((3,), (0, 3)):
        with pytest.raises(ValueError, match="u: got shape .* at least one token"):
            plain(task.solve)(torch.zeros(shape))
    booleans = torch.tensor([[True, False], [True, True], [False, True]])
    assert plain(task.orthogonal_pair)(booleans) == (0, 2)
    with pytest.raises(ValueError, match="n, dim: got 0"):
        task.unit_vectors(0, 3)

"""Task 1, as lab 04 writes it: the full layer is right everywhere, a sparse one where it can see, and orthogonal pairs
are found through it."""

import json
from types import SimpleNamespace

import pytest
import torch

from seqlab import patterns
from tests.places import ROOT


def cells(*ids):
    """What these cells of lab 04 define."""
    notebook = json.loads((ROOT / "labs" / "04_big_bird.ipynb").read_text())
    source = {cell["id"]: "".join(cell["source"]) for cell in notebook["cells"]}
    names = {"torch": torch, "patterns": patterns}
    for id in ids:
        exec(source[id], names)
    return SimpleNamespace(**names)


task = cells("task", "task-pairs")


@pytest.mark.parametrize(("n", "dim", "seed"), [(64, 36, 0), (7, 3, 1), (33, 5, 2), (2, 1, 3), (1, 4, 0)])
def test_one_full_layer_solves_it(n, dim, seed):
    u = task.unit_vectors(n, dim, seed)
    assert torch.allclose(u.norm(dim=-1), torch.ones(n, dtype=u.dtype))
    assert task.score(u) == (n, n)
    wanted = [max(range(n), key=lambda k: float((u[k] - u[j]).norm())) for j in range(n)]
    assert torch.equal(task.furthest(u), u[wanted])


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
    right, in_sight = task.score(u, pattern)
    best, seen = torch.cdist(u, u).argmax(dim=-1), pattern.at(64).mask
    assert in_sight == sum(bool(seen[j, best[j]]) for j in range(64)) == right


def test_eight_keys_of_64_see_about_an_eighth():
    right = [task.score(task.unit_vectors(64, 36, s), patterns.random(7, seed=s))[0] for s in range(40)]
    assert abs(sum(right) / (40 * 64) - 7 / 64) < 0.03  # its own vector is never the furthest: seven that count


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
    assert task.orthogonal_pair(task.boolean) == (0, 4)
    assert task.orthogonal_pair(task.boolean, lambda u: task.furthest(u, patterns.window(1))) is None

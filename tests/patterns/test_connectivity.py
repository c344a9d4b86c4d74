"""Assumption 1: against brute force, on the named patterns, with witnesses, by computation and by certificate."""

import itertools
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from seqlab import patterns
from seqlab.patterns import connectivity
from seqlab.patterns.connectivity.chain import find_cover
from seqlab.patterns.connectivity.reach import by_certificate, by_matrices, find_closed, graph


def heard_sets(sets, n, steps):
    """S^1, S^2, … by the definition."""
    now = [{k} for k in range(n)]
    for t in range(steps):
        now = [set().union(*(now[j] for j in sets[t % len(sets)][k])) for k in range(n)]
        yield now


def brute_chain(sets, n):
    union = [set().union(*(each[k] for each in sets)) for k in range(n)]
    orders = itertools.permutations(range(n))
    return any(all(order[i] in union[order[i + 1]] for i in range(n - 1)) for order in orders)


def brute_s(sets, n):
    seen = set()
    for t, now in enumerate(heard_sets(sets, n, 10_000), start=1):
        if all(len(each) == n for each in now):
            return t
        state = (t % len(sets), tuple(map(frozenset, now)))
        if state in seen:
            return None
        seen.add(state)


def digraphs(count, seed):
    draw = random.Random(seed)
    for _ in range(count):
        n, p, density = draw.randint(1, 6), draw.randint(1, 3), draw.choice([0.15, 0.3, 0.5])
        loops = draw.random() < 0.6
        one = lambda k: {j for j in range(n) if draw.random() < density or (loops and j == k)}  # noqa: B023
        sets = [[one(k) for k in range(n)] for _ in range(p)]
        grid = torch.tensor([[[j in each[k] for j in range(n)] for k in range(n)] for each in sets])
        yield n, sets, loops, patterns.freehand(grid).at(n)


def test_agrees_with_brute_force():
    found = {True: 0, False: 0}
    for n, sets, loops, at in digraphs(200, seed=0):
        chain, s = brute_chain(sets, n), brute_s(sets, n)
        got = connectivity.hamiltonian_chain(at)
        assert got.status == ("found" if chain else "none exists") and got.check().holds == chain
        reach = connectivity.reachability(at)
        assert reach.check().holds == (s is not None) and reach.s == s and reach.how == "computation"
        if s is None:
            query, key = reach.pair
            assert any(key not in now[query] for now in heard_sets(sets, n, 4 * n * len(sets)))
        verdict = connectivity.self_loops(at)
        assert verdict.holds == all(k in each[k] for each in sets for k in range(n))
        if not verdict:
            token, layer = verdict.witness.objects
            assert token not in sets[layer][token]
        if s is None and loops:
            query, key = reach.pair
            assert all(key not in now[query] for now in heard_sets(sets, n, 4 * n * len(sets)))
        assert connectivity.assumption_1(at).check().holds == (verdict.holds and chain and s is not None)
        found[chain and s is not None] += 1
    assert min(found.values()) > 20


def test_certificates_never_contradict_brute_force():
    certified = 0
    for n, sets, loops, at in digraphs(200, seed=1):
        reach = by_certificate(at)
        if reach:
            certified += 1
            assert reach.how == "certificate" and reach.s == brute_s(sets, n)
            if reach.s is None:
                query, key = reach.pair
                assert all(key not in now[query] for now in heard_sets(sets, n, 4 * n * len(sets)))
    assert certified > 80


@pytest.mark.parametrize("n", [9, 16, 25, 64])
def test_p_and_s_of_the_papers(n):
    w = int(n**0.5)
    table = [
        (patterns.strided(w), 2, 2),
        (patterns.fixed(w), 2, 2),
        (patterns.axial(w), 2, 2),
        (patterns.star(), 1, 2),
        (patterns.window(1), 1, n - 1),
        (patterns.window(3), 1, -(-(n - 1) // 3)),
        (patterns.pure_star(), 1, 2),
        (patterns.full(), 1, 1),
    ]
    for pattern, p, s in table:
        known = connectivity.assumption_1(pattern.at(n))
        assert (known.p, known.s) == (p, s), pattern
        assert known.check().holds == (pattern.name != "pure_star()"), pattern
        assert by_certificate(pattern.at(n)).s == s


W = {256: 16, 1_000_000: 1000}
NAMED = {
    # name: (pattern of width w, s at n (None: never), chain)
    "full": (lambda w: patterns.full(), lambda n: 1, "found"),
    "window": (lambda w: patterns.window(1), lambda n: n - 1, "found"),
    "dilated": (lambda w: patterns.dilated(2, 3), lambda n: None, "none exists"),
    "strided": (lambda w: patterns.strided(w), lambda n: 2, "found"),
    "fixed": (lambda w: patterns.fixed(w), lambda n: 2, "found"),
    "star": (lambda w: patterns.star(), lambda n: 2, "found"),
    "pure_star": (lambda w: patterns.pure_star(), lambda n: 2, "none exists"),
    "random": (lambda w: patterns.random(3), lambda n: None, "none exists"),
    "bigbird": (lambda w: patterns.bigbird(64), lambda n: 1 + (n > 256), "found"),
    "bigbird_etc": (lambda w: patterns.bigbird_etc(64, 64), lambda n: 2, "found"),
}


def held_memory():
    """Bytes held now, the peak counted anew from here; None where the system (Linux) offers no such counter."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return memory("VmRSS")


def memory(row):
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[row].split()[0]) * 1024


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("n, how", [(256, "computation"), (1_000_000, "certificate")])
def test_named_patterns_at_scale(name, n, how):
    make, s, chain = NAMED[name]
    before = held_memory()
    known = connectivity.assumption_1(make(W[n]).at(n))
    assert known.self_loops and known.chain.status == chain
    assert known.reach.how == how and known.s == s(n)
    assert known.check().holds == (chain == "found" and s(n) is not None)
    assert before is None or memory("VmHWM") - before < 2_000_000_000


@pytest.mark.parametrize("width", [3, 7])
def test_the_search_finds_the_chain_of_axial(width):
    """Row by row, every other row backwards."""
    for n in (4, 17, 49, 63):
        known = connectivity.hamiltonian_chain(patterns.axial(width).at(n))
        assert known.status == "found" and known.check()


def test_the_order_of_the_sets_counts():
    """From own blocks outwards two steps do, starting with the summaries it takes three."""
    fixed = patterns.fixed(3)
    turned = patterns.per_layer(fixed.layer(1), fixed.layer(0))
    assert connectivity.reachability(fixed.at(9)).s == 2 and connectivity.reachability(turned.at(9)).s == 3


@pytest.mark.parametrize("n", [3, 5, 8])
def test_without_self_loops_it_may_take_a_quadratic_number_of_steps(n):
    """Wielandt 1950: a ring with one short cut needs (n - 1)² + 1 steps, and no pattern of one set needs more."""
    ring = torch.eye(n).roll(1, 1)
    ring[-1, 1] = 1
    assert connectivity.reachability(patterns.freehand(ring.bool()).at(n)).s == (n - 1) ** 2 + 1


def test_causal_patterns_never_reach():
    for n in (8, 5000):
        reach = connectivity.reachability(patterns.star().causal().at(n))
        verdict = reach.check()
        assert not verdict and verdict.witness.objects == (0, 1)
        assert reach.how == ("computation" if n == 8 else "certificate")


def test_certificates_do_not_need_whole_blocks():
    """The last block is short, so that two runs of relays are needed: the summaries and the last token."""
    for n, width in ((5000, 71), (1_000_000, 997)):
        assert connectivity.reachability(patterns.fixed(width).at(n)).s == 2


@pytest.mark.parametrize("n", [4, 5, 9, 400])
def test_the_pure_star_has_no_chain(n):
    chain = connectivity.hamiltonian_chain(patterns.pure_star().at(n))
    assert chain.status == "none exists" and not chain.check() and chain.proof
    assert connectivity.hamiltonian_chain(patterns.pure_star().at(3)).status == "found"


def test_an_order_is_verified():
    at = patterns.window(1).at(6)
    assert connectivity.check_chain(at, [5, 4, 3, 2, 1, 0])
    verdict = connectivity.hamiltonian_chain(at, [0, 1, 3, 2, 4, 5]).check()
    assert not verdict and verdict.witness.objects == (1, 3)
    with pytest.raises(ValueError, match="once"):
        connectivity.check_chain(at, [0, 0, 1, 2, 3, 4])


def test_search_finds_hidden_chains():
    for seed in range(5):
        n = 40
        order = np.random.default_rng(seed).permutation(n)
        grid = torch.eye(n, dtype=torch.bool) | (torch.rand(n, n, generator=torch.Generator().manual_seed(seed)) < 0.08)
        grid[order[1:].copy(), order[:-1].copy()] = True
        chain = connectivity.hamiltonian_chain(patterns.freehand(grid).at(n), seconds=20)
        assert chain.status == "found" and "search" in chain.how and chain.check()


def test_search_proves_and_admits():
    bow = torch.zeros(7, 7, dtype=torch.bool)  # three triangles that share token 0: matched, but no path
    for a, b in ((1, 2), (3, 4), (5, 6)):
        for x, y in itertools.permutations((0, a, b), 2):
            bow[x, y] = True
    chain = connectivity.hamiltonian_chain(patterns.freehand(bow).at(7))
    assert chain.status == "none exists" and "tried all" in chain.how
    n = 60
    two = torch.zeros(n, n, dtype=torch.bool)  # a bipartite graph with sides 32 and 28
    two[:32, 32:] = two[32:, :32] = True
    proof = connectivity.hamiltonian_chain(patterns.freehand(two).at(n))
    assert proof.status == "none exists" and isinstance(proof.proof, connectivity.Cover) and "meet every" in proof.how
    hard = torch.rand(400, 400, generator=torch.Generator().manual_seed(0)) < 0.011
    told = connectivity.hamiltonian_chain(patterns.freehand(hard | hard.T).at(400), seconds=0.0)
    assert told.status in ("not found", "none exists") and not told.check()
    large = connectivity.hamiltonian_chain(patterns.random(40).at(3000))
    assert large.status == "not found" and "there may be one" in str(large.check().witness)


def test_wrong_obstacles_are_refused():
    at = patterns.window(1).at(12)
    for members in (np.arange(12) % 2 == 0, np.arange(12) == 0, np.ones(12, dtype=bool), np.zeros(12, dtype=bool)):
        assert not connectivity.Closed(members).check(at)
    assert connectivity.Closed(np.arange(12) % 3 == 1).check(patterns.dilated(2, 3).at(12))
    first, most, none = np.arange(12) == 0, np.arange(12) < 11, np.zeros(12, dtype=bool)
    assert not connectivity.Cover(first, first).check(at) and not connectivity.Cover(most, none).check(at)
    assert connectivity.Cover(first, first).check(patterns.pure_star().at(12))


def test_what_nearly_has_a_certificate_has_none():
    assert by_certificate(patterns.strided(4).at(16)).s == 2
    assert by_certificate(patterns.per_layer(patterns.window(1), patterns.stride(4)).at(16)) is None  # gaps
    turned = patterns.per_layer(patterns.summaries(4), patterns.blocks(4))
    assert by_certificate(turned.at(16)) is None and by_matrices(turned.at(16)).s == 3
    assert by_certificate(patterns.per_layer(patterns.window(1), patterns.window(3)).at(40)).s == 20
    assert by_certificate(patterns.window(0).at(5)).s is None


def test_obstacles_against_brute_force():
    closed = covers = 0
    for n, sets, loops, at in digraphs(200, seed=3):
        union = [set().union(*(each[k] for each in sets)) | {k} for k in range(n)]
        *_, heard = heard_sets([union], n, n)
        found = find_closed(graph(at))
        assert (found is None) == all(len(each) == n for each in heard)
        assert found is None or found.check(at)
        cover = find_cover(graph(at))
        assert cover is None or (cover.check(at) and not brute_chain(sets, n))
        closed, covers = closed + bool(found), covers + bool(cover)
    assert closed > 40 and covers > 20


def test_one_token():
    known = connectivity.assumption_1(patterns.window().at(1))
    assert known.check() and known.s == 1


def test_no_certificate_is_said():
    gaps = patterns.per_layer(patterns.window(1), patterns.stride(4))
    assert connectivity.reachability(gaps.at(16)).s == 4
    with pytest.raises(ValueError, match="no certificate found"):
        connectivity.reachability(gaps.at(5000))


def test_matrices_stand_in_where_there_is_no_certificate():
    at = ((patterns.window(64) | patterns.random(2)).without_self() | patterns.own()).at(1100)
    assert by_certificate(at) is None
    found = connectivity.reachability(at)
    seen, steps = at.mask.float(), 1
    heard = seen
    while not heard.all():
        heard, steps = ((seen @ heard) > 0).float(), steps + 1
    assert (found.how, found.s) == ("computation", steps)

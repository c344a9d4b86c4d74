"""Assumption 1: against brute force, on the named patterns, with witnesses, by computation and by certificate."""

import itertools
import random
import resource
import time

import numpy as np
import pytest
import torch

from seqlab import patterns
from seqlab.patterns import connectivity
from seqlab.patterns.connectivity import certificates as by


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
        if not loops:
            continue
        s = brute_s(sets, n)
        try:
            reach = connectivity.reachability(at, "certificate")
        except ValueError:
            continue
        certified += 1
        assert reach.how == "certificate"
        assert (reach.upper is None) == (s is None)
        assert s is None or reach.lower <= s <= reach.upper
    assert certified > 40


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
        certified = connectivity.reachability(pattern.at(n), "certificate")
        assert certified.lower <= s <= certified.upper and certified.s in (s, None)


W = {4096: 64, 1_000_000: 1000}
NAMED = {
    # name: (pattern of width w, s at n (None: never), chain)
    "full": (lambda w: patterns.full(), lambda n: 1, "found"),
    "window": (lambda w: patterns.window(1), lambda n: n - 1, "found"),
    "dilated": (lambda w: patterns.dilated(2, 3), lambda n: None, "none exists"),
    "strided": (lambda w: patterns.strided(w), lambda n: 2, "found"),
    "fixed": (lambda w: patterns.fixed(w), lambda n: 2, "found"),
    "axial": (lambda w: patterns.axial(w), lambda n: 2, "found"),
    "star": (lambda w: patterns.star(), lambda n: 2, "found"),
    "pure_star": (lambda w: patterns.pure_star(), lambda n: 2, "none exists"),
    "random": (lambda w: patterns.random(3), lambda n: None, "none exists"),
    "bigbird": (lambda w: patterns.bigbird(64), lambda n: 2, "found"),
    "bigbird_etc": (lambda w: patterns.bigbird_etc(64, 64), lambda n: 2, "found"),
}


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("n, how", [(4096, "computation"), (1_000_000, "certificate")])
def test_named_patterns_at_scale(name, n, how):
    make, s, chain = NAMED[name]
    started = time.process_time()
    known = connectivity.assumption_1(make(W[n]).at(n))
    assert known.self_loops and known.chain.status == chain
    assert known.reach.how == how and known.s == s(n) and (known.reach.upper is None) == (s(n) is None)
    assert known.check().holds == (chain == "found" and s(n) is not None)
    assert time.process_time() - started < 10  # seconds of CPU
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2_000_000  # KB, all tests so far


@pytest.mark.parametrize("width", [7, 64, 100])
def test_axial_has_a_chain_at_every_length(width):
    for n in (1, 2, 63, 64, 65, 200, 701):
        known = connectivity.hamiltonian_chain(patterns.axial(width).at(n))
        assert known.status == "found" and known.check()


def test_the_order_of_the_sets_counts():
    """From own blocks outwards two steps do, starting with the summaries it takes three."""
    fixed = patterns.fixed(3)
    turned = patterns.per_layer(fixed.layer(1), fixed.layer(0))
    assert connectivity.reachability(fixed.at(9)).s == 2 and connectivity.reachability(turned.at(9)).s == 3


def test_causal_patterns_never_reach():
    for n in (8, 5000):
        reach = connectivity.reachability(patterns.star().causal().at(n))
        verdict = reach.check()
        assert not verdict and verdict.witness.objects == (0, 1)
        assert reach.how == ("computation" if n == 8 else "certificate")


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


def test_wrong_certificates_are_refused():
    at = patterns.window(1).at(12)
    assert by.Hub(0, 2, 2).check(at) is None and by.Hub(0, 11, 11).check(at) == 22
    assert connectivity.Residues(2).check(at) is None and connectivity.Isolated(0, True).check(at) is None
    assert by.Unheard(0, 5, 5).check(at) is None and by.Unheard(0, 5, 4).check(at)
    assert connectivity.Cover(frozenset({0}), frozenset({0})).check(at) is None
    assert by.Intervals().check(patterns.star().at(12)) is None
    strided = patterns.strided(4).at(16)
    relays = by.find_relays(strided)
    assert relays.check(strided) == 2 and relays.check(patterns.strided(3).at(16)) is None
    assert relays.check(patterns.per_layer(patterns.window(1), patterns.stride(4)).at(16)) is None
    assert by.Intervals().check(patterns.per_layer(patterns.window(1), patterns.window(3)).at(40)) == 20


def test_one_token():
    known = connectivity.assumption_1(patterns.window().at(1))
    assert known.check() and known.s == 1


def test_hops():
    assert connectivity.hops(patterns.window(1).at(6), 1).tolist() == [1, 1, 1, 2, 3, 4]
    assert connectivity.hops(patterns.strided(3).at(9))[4].tolist() == [2, 1, 1, 1, 1, 1, 1, 1, 2]
    assert connectivity.hops(patterns.blocks(2).at(4))[0].tolist() == [1, 1, -1, -1]
    for n, sets, loops, at in digraphs(40, seed=2):
        want = np.full((n, n), -1)
        for t, now in enumerate(heard_sets(sets, n, 4 * n * len(sets)), start=1):
            for query, keys in enumerate(now):
                for key in keys:
                    want[query, key] = t if want[query, key] < 0 else want[query, key]
        got = connectivity.hops(at)
        assert np.array_equal(got, want)
        if loops and (got > 0).all():
            assert got.max() == connectivity.reachability(at).s
    with pytest.raises(ValueError, match="at most 1,024"):
        connectivity.hops(patterns.full().at(2000))


def test_no_certificate_is_said():
    n = 200
    ring = torch.eye(n, dtype=torch.bool)
    at = patterns.freehand(ring | ring.roll(1, 0) | ring.roll(-1, 0)).at(n)
    assert connectivity.reachability(at).s == n // 2
    with pytest.raises(ValueError, match="no certificate found"):
        connectivity.reachability(at, "certificate")

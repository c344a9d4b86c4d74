"""The sparse contextual mapping: all sequences, counts, real heads, other probability maps, every switch with a
witness.
"""

import itertools

import numpy as np
import pytest

from seqlab import patterns, sparse, universal
from seqlab.attention import softmax
from seqlab.sparse.probability_maps import entmax15, sparsemax

MAKERS = {
    "strided": lambda n: patterns.strided(int(n**0.5)),
    "fixed": lambda n: patterns.fixed(int(n**0.5)),
    "star": lambda n: patterns.star(),
    "window": lambda n: patterns.window(1),
}
SIZES = [(2, 1, 4), (3, 1, 4), (2, 2, 4), (3, 2, 4), (2, 1, 9)]  # 1/δ, d, n
LAYERS = {  # p(n-1)δ^-d + s, by hand; the star of four tokens is complete, so s = 1
    "strided": [14, 20, 26, 56, 34],
    "fixed": [14, 20, 26, 56, 34],
    "star": [7, 10, 13, 28, 18],
    "window": [9, 12, 15, 30, 24],
}


def plain_names(sequence, sets, levels, order, steps, gain=None, c=None):
    """The construction once more, in plain Python: what witnesses are checked against. Ids must stay above 0."""
    n, dim = len(sequence), np.size(sequence[0])
    tokens = [np.atleast_1d(token).tolist() for token in sequence]
    gain = levels**dim if gain is None else gain
    c = 2 * steps * n * levels ** (n * dim + 1) if c is None else c
    unit = sum(levels**i for i in range(dim))
    ids = [sum(a * levels**i for i, a in enumerate(token)) for token in tokens]
    for i, k in enumerate(order):
        ids[k] += levels * unit * (i - 1 if i else n - 1)
    for i in range(1, n):
        active = next((seen for seen in sets if order[i - 1] in seen[order[i]]), sets[0])
        for level in range(levels**dim):
            at = (i - 1) * levels * unit + level
            jump = lambda k: max(ids[j] for j in active[k]) - min(ids[j] for j in active[k])  # noqa: B023
            ids = [l + gain * jump(k) if l == at else l for k, l in enumerate(ids)]
    assert min(ids) > 0
    for step in range(steps):
        ids = [l + c * max(ids[j] for j in sets[step % len(sets)][k]) for k, l in enumerate(ids)]
    return ids


def again(mapping, sequence, **switches):
    return plain_names(sequence, mapping.seen, mapping.levels, mapping.order, mapping.steps, **switches)


def refuted(mapping, **switches):
    """The verdict fails, and its witness is one in the plain program too. Returns the broken hypotheses."""
    verdict = mapping.check()
    (a, k), (b, l) = verdict.witness.objects
    assert not verdict and (a, k) != (b, l) and "without positions" not in str(verdict.witness)
    assert again(mapping, a, **switches)[k] == again(mapping, b, **switches)[l]
    return [h.name for h in verdict.statement.hypotheses if not h.holds]


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("size", SIZES)
def test_contextual_mapping_on_all_sequences(name, size):
    levels, dim, length = size
    mapping = sparse.contextual_mapping(MAKERS[name](length), *size)
    verdict = mapping.check()
    assert verdict and verdict.margin >= 1 and all(h.holds for h in verdict.statement.hypotheses)
    assert verdict.checked == levels ** (dim * length) and verdict.unit == "units of delta"
    assert mapping.formula == LAYERS[name][SIZES.index(size)] == mapping.program().count().layers
    assert universal.layer_count(mapping)
    sequences = mapping.sequences()
    names = mapping.names(sequences).tolist()
    assert len(set(itertools.chain(*names))) == length * len(sequences)  # both conditions at once
    for at in (0, len(sequences) // 3, -1):
        assert names[at] == again(mapping, [tuple(token) for token in sequences[at].tolist()])


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("size", [size for size in SIZES if size != (3, 2, 4)])
def test_c_of_one_fails(name, size):
    mapping = sparse.contextual_mapping(MAKERS[name](size[2]), *size, c=1)
    assert refuted(mapping, c=1) == ["coefficient"]


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("size", [(2, 1, 4), (3, 1, 4), (2, 2, 4)])
def test_real_sparse_heads_give_the_exact_names(name, size):
    assert universal.blocks(sparse.contextual_mapping(MAKERS[name](4), *size))


def test_where_float64_ends():
    verdict = universal.blocks(sparse.contextual_mapping(patterns.window(1), 2, 1, 9))
    assert not verdict and verdict.witness.objects[3] > 2**53


def test_other_probability_maps():
    """Scores differ by δ²/2 at least: sparsemax is exact from 2/δ² on, 1.5-entmax from 4/δ² on, softmax later."""
    mapping = sparse.contextual_mapping(patterns.strided(2), 2, 1, 4)
    for rho in (sparsemax(8.0), entmax15(16.0), softmax(300.0)):
        assert universal.blocks(mapping, rho), rho
    for rho in (sparsemax(4.0), entmax15(8.0), softmax(8.0)):
        assert not universal.blocks(mapping, rho), rho


def test_layers_keep_the_pattern():
    mapping = sparse.contextual_mapping(patterns.window(1), 2, 1, 4)
    size = mapping.program().count(4)
    assert size.heads == 2 * size.layers - mapping.steps and size.connections == size.heads * (3 * 4 - 2)
    (counts,) = universal.layer_count(mapping).notes
    assert "layers=9" in counts


def test_positions_follow_the_chain():
    assert sparse.positions_along([2, 0, 3, 1]) == [0, 2, 3, 1]
    mapping = sparse.contextual_mapping(patterns.axial(2), 2, 1, 4)
    assert mapping.order != (0, 1, 2, 3) and mapping.check()


@pytest.mark.parametrize("pattern", [patterns.star(), patterns.full()])
def test_without_self_loops(pattern):
    mapping = sparse.contextual_mapping(pattern.without_self(), 2, 1, 4)
    assert refuted(mapping) == ["self_loops"]


def test_self_loops_are_sufficient_but_not_always_needed():
    assert sparse.contextual_mapping(patterns.star().without_self(), 2, 1, 5).check()


@pytest.mark.parametrize("length", [4, 5])
def test_without_a_chain(length):
    mapping = sparse.contextual_mapping(patterns.pure_star(), 2, 1, length)
    assert mapping.assumption.chain.status == "none exists"
    assert refuted(mapping) == ["chain"]


def test_an_order_that_is_no_chain():
    mapping = sparse.contextual_mapping(patterns.window(1), 2, 1, 4, order=[0, 2, 1, 3])
    assert refuted(mapping) == ["chain"]


@pytest.mark.parametrize("steps", [None, 1, 9])
def test_without_reachability(steps):
    """Whatever the number of steps, token 0 of a causal pattern has the same name whatever comes later."""
    mapping = sparse.contextual_mapping(patterns.window(1).causal(), 2, 1, 4, steps=steps)
    assert refuted(mapping) == ["reachability"]
    names = mapping.names(mapping.sequences())
    assert len(set(names[:, 0].tolist())) == 2


def test_two_halves():
    """Tokens of one half have equal names for sequences that differ in the other half only."""
    mapping = sparse.contextual_mapping(patterns.blocks(2), 2, 1, 4, steps=6)
    assert refuted(mapping) == ["chain", "reachability"]
    same = mapping.names(np.array([[0, 1, 0, 0], [0, 1, 1, 1]])[:, :, None])
    assert same[0, :2].tolist() == same[1, :2].tolist()


@pytest.mark.parametrize("pattern, steps", [(patterns.window(1), 2), (patterns.strided(2), 1)])
def test_one_step_too_few(pattern, steps):
    assert refuted(sparse.contextual_mapping(pattern, 2, 1, 4, steps=steps)) == ["reachability"]


def test_gain_one():
    mapping = sparse.contextual_mapping(patterns.star(), 2, 1, 4, gain=1)
    assert refuted(mapping, gain=1) == ["gain"]


@pytest.mark.parametrize(
    "switches, message",
    [
        (dict(steps=-1), "steps: got -1"),
        (dict(c=-1), "c: got -1"),
        (dict(levels=1), "levels"),
        (dict(length=1), "length"),
    ],
)
def test_errors_teach(switches, message):
    with pytest.raises(ValueError, match=message):
        sparse.contextual_mapping(patterns.window(), **switches)

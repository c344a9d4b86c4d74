"""The star's contextual mapping: all sequences, layer counts, real layers, every invariant, every switch with a
witness.
"""

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from seqlab import patterns
from seqlab.big_bird import star

SIZES = [(2, 1, 2), (2, 1, 3), (3, 1, 2), (3, 1, 3), (2, 2, 2), (2, 2, 3), (2, 1, 5)]  # 1/δ, d, n
SMALL = SIZES[:3]


def plain_codes(levels, dim, length, broadcast=True):
    """All sequences at once, in plain Python: every level of every sweep is visited, held by a token or not."""
    n, d, big = length, levels**dim, levels ** (length * dim)
    first = [levels * levels ** ((k - 1) * dim) if k > 1 else 0 for k in range(1, n + 1)]
    starts = itertools.product(*(range(first[k], first[k] + d) for k in range(n)))
    rows = [[levels * big, *start] for start in starts]
    seen = [range(1, n + 1), *([0, k] for k in range(1, n + 1))]

    def sweep(start, stop, gain):
        for v in range(start, stop):
            for at, ids in enumerate(rows):
                if v in ids:
                    spread = [max(ids[j] for j in s) - min(ids[j] for j in s) for s in seen]
                    rows[at] = [l + gain * spread[k] if l == v else l for k, l in enumerate(ids)]

    for k in range(n):
        sweep(first[k], first[k] + d, d)
        relays = [ids[0] for ids in rows]
        sweep(min(relays), max(relays) + 1, big)
    if broadcast:
        sweep(levels * big + 1, max(ids[0] for ids in rows) + 1, levels ** (n * n * dim))
    return sorted(rows)


@pytest.mark.parametrize("size", SIZES)
def test_both_conditions_on_all_sequences(size):
    levels, dim, length = size
    mapping = star.contextual_mapping(*size)
    verdict = mapping.check()
    assert verdict and verdict.margin >= 1 and all(h.holds for h in verdict.statement.hypotheses)
    assert verdict.checked == levels ** (dim * length)
    names = mapping.names(mapping.sequences())
    assert len(set(names.ravel().tolist())) == length * len(names)
    assert star.order(mapping).holds and star.order(mapping).margin >= 1


@pytest.mark.parametrize("size", SMALL)
def test_the_program_is_the_plain_one(size):
    mapping = star.contextual_mapping(*size)
    for sweeps, broadcast in ((2 * size[2], False), (None, True)):
        got = sorted(mapping.codes(mapping.sequences(), sweeps).tolist())
        assert got == plain_codes(*size, broadcast=broadcast)


@pytest.mark.parametrize(
    ("size", "low", "high", "broadcast"),
    [
        ((2, 1, 2), 4, 10, 420),
        ((3, 1, 2), 6, 56, 18_018),
        ((3, 1, 3), 9, 13_611, 42_919_254),
        ((2, 2, 3), 12, 198_915, 2_137_971_264),
        ((2, 1, 5), 10, 18_129_541, 71_864_914_208),
    ],
)
def test_layer_counts(size, low, high, broadcast):
    mapping = star.contextual_mapping(*size)
    assert mapping.depth == {"low": low, "high": high, "broadcast": broadcast}
    assert mapping.program().count().layers == mapping.formula == low + high + broadcast
    assert f"{high:,}" in mapping.check().notes[0]


@pytest.mark.parametrize("size", SIZES)
def test_bounds_are_sharp_but_for_the_last(size):
    """Some sequence leaves the relay at S_k, another at T_k - 1; S_n and T_n take f_1 as free."""
    mapping = star.contextual_mapping(*size)
    for k in range(1, mapping.length + 1):
        relay = mapping.codes(mapping.sequences(), 2 * k)[:, 0]
        low, high = mapping.bounds[k]
        assert low <= relay.min() and relay.max() < high
        if k < mapping.length:
            assert (relay.min(), relay.max() + 1) == (low, high)


@pytest.mark.parametrize(
    ("size", "sweeps"), [((2, 1, 2), None), ((2, 1, 3), 6), ((2, 2, 2), 4), ((3, 1, 2), 4)], ids=str
)
def test_real_layers_give_the_exact_codes(size, sweeps):
    """From tokens in [0, 1), one layer of two hardmax heads a level; compared in units of δ."""
    mapping = star.contextual_mapping(*size)
    program, sequences = mapping.program(Fraction(1, mapping.levels)), mapping.sequences()
    module = replace(program, layers=program.layers[:sweeps]).module().requires_grad_(False)
    rows = torch.tensor(np.pad(sequences, ((0, 0), (1, 0), (0, 0)))) / mapping.levels
    got, want = mapping.levels * module(rows)[..., 0], mapping.codes(sequences, sweeps)
    assert (got - torch.tensor(want.astype(float))).abs().max() < 0.01
    assert len(module.blocks) == program.count().layers - (0 if sweeps is None else mapping.depth["broadcast"])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("switch", "broken"),
    [
        ("no_relay", "star"),
        ("no_low", "low"),
        ("no_high", "high"),
        ("weak_broadcast", "broadcast"),
        ("late", "range"),
    ],
)
def test_every_switch_breaks_it_with_a_witness(size, switch, broken):
    verdict = star.check(*size, **{switch: True})
    assert not verdict and verdict.margin == 0
    assert [h.name for h in verdict.statement.hypotheses if not h.holds] == [broken]
    (a, k), (b, l) = verdict.witness.objects
    assert (
        (a, k) != (b, l) and "share a name" in str(verdict.witness) and "without positions" not in str(verdict.witness)
    )


@pytest.mark.parametrize("size", SIZES)
def test_any_graph_that_contains_the_star(size):
    """With more edges the ids before the broadcast are the star's, and every token keeps a name of its own."""
    n, plain = size[2] + 1, star.contextual_mapping(*size)
    gathered = plain.codes(plain.sequences(), 2 * size[2])
    draw, graph = torch.Generator().manual_seed(0), star.star_graph(size[2])
    more = [graph | (torch.rand(n, n, generator=draw) < share) for share in (1.0, 0.5, 0.5)]
    for edges in (*more, (patterns.window(1) | patterns.random(1) | patterns.relays([0])).at(n).mask):
        mapping = star.contextual_mapping(*size, edges=edges)
        assert mapping.check() and (mapping.codes(mapping.sequences(), 2 * size[2]) == gathered).all()
    assert mapping.seen[0] == (True,) * n and star.check(*size, more_edges=True)
    for edges in more:
        edges[-1, 0] = False  # the last token no longer sees the relay
        mapping = star.contextual_mapping(*size, edges=edges)
        assert not mapping.check() or (mapping.codes(mapping.sequences(), 2 * size[2]) != gathered).any()
        assert not mapping.check().statement.hypotheses[0].holds


def test_more_edges_change_names():
    plain, full = star.contextual_mapping(2, 1, 3), star.contextual_mapping(2, 1, 3, edges=torch.ones(4, 4).bool())
    assert (plain.codes([(0, 1, 0)]) != full.codes([(0, 1, 0)])).any()


def test_columns_without_rows_are_not_a_star():
    """Everyone sees the relay, the relay sees nobody: nothing is gathered."""
    grid = star.star_graph(3)
    grid[0] = False
    verdict = star.contextual_mapping(2, 1, 3, edges=grid).check()
    assert not verdict and not verdict.statement.hypotheses[0].holds


@pytest.mark.parametrize("size", SIZES)
def test_the_relays_code_alone(size):
    mapping = star.contextual_mapping(*size)
    verdict = star.relay_code(mapping)
    coarse = size[:2] == (2, 1) and size[2] >= 3
    assert verdict.holds != coarse
    assert verdict.statement.hypotheses[0].holds != coarse
    if coarse:
        a, b = mapping.codes(list(verdict.witness.objects), 2 * size[2])
        assert verdict.witness.objects[0] != verdict.witness.objects[1] and a[0] == b[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"no_low": True}, "token 1 did not move alone"),
        ({"no_high": True}, "the relay did not move alone"),
        ({"edges": torch.eye(4, dtype=torch.bool)}, "token 1 did not move alone"),
    ],
    ids=str,
)
def test_order_fails_where_a_shift_is_missing(options, words):
    verdict = star.order(star.contextual_mapping(2, 1, 3, **options))
    assert not verdict and verdict.margin <= 0 and words in str(verdict.witness)


def test_trace_says_who_reads_whom():
    trace = star.contextual_mapping(2, 1, 3).program().trace(np.array([0, 1, 0, 1]))
    labels = [label.split(":")[0] for label in trace.labels[1:]]
    assert labels[:6] == [f"{kind} shift, phase {k}" for k in (1, 2, 3) for kind in ("low", "high")]
    assert set(labels[6:]) == {"broadcast"}
    moved = [np.argwhere((after != before)[0].any(axis=-1)) for before, after in itertools.pairwise(trace.states)]
    assert [each.ravel().tolist() for each in moved] == [[1], [0], [2], [0], [3], [0], [1], [2], [3], [0]]
    up, down = (head[0] for head in trace.weights[0])  # token 1 adds the relay's id and takes its own away
    assert up[1].tolist() == [1, 0, 0, 0] and down[1].tolist() == [0, 1, 0, 0]
    up, down = (head[0] for head in trace.weights[1])  # the relay adds f_1 and takes l_2 away
    assert up[0].tolist() == [0, 1, 0, 0] and down[0].tolist() == [0, 0, 1, 0]


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="wanted 4 × 4: the relay comes first"):
        star.contextual_mapping(2, 1, 3, edges=star.star_graph(2))
    with pytest.raises(ValueError, match="wanted below 2\\^63"):
        star.contextual_mapping(2, 1, 7)
    for sequence in ((0, 1), (0, 1, 2), (0, 1, 0.5), ((0,), (1,), (None,))):
        with pytest.raises(ValueError, match="wanted each to be 3 tokens of 1 whole numbers 0 to 1"):
            star.contextual_mapping(2, 1, 3).codes([sequence])


def test_names_do_not_overflow():
    mapping = star.contextual_mapping(2, 1, 6)
    names = mapping.names(mapping.sequences())
    assert names.max() > 2**63 and mapping.check()

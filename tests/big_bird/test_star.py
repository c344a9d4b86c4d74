"""The star's contextual mapping: all sequences, layer counts, literal layers, every invariant, every switch with a
witness.
"""

import itertools

import pytest
import torch

from seqlab import patterns
from seqlab.big_bird import star
from tests.typecheck import plain

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
    names = [mapping.names(s) for s in mapping.sequences()]
    assert len(set(itertools.chain(*names))) == length * len(names)
    assert star.order(mapping).holds and star.order(mapping).margin >= 1


@pytest.mark.parametrize("size", SMALL)
def test_operator_is_the_plain_program(size):
    mapping = star.contextual_mapping(*size)
    for kinds, broadcast in ((("low", "high"), False), (("low", "high", "broadcast"), True)):
        assert sorted(mapping.codes(s, kinds) for s in mapping.sequences()) == plain_codes(*size, broadcast=broadcast)


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
    assert [mapping.layer_count(kind) for kind in ("low", "high", "broadcast")] == [low, high, broadcast]
    assert mapping.layer_count() == low + high + broadcast
    assert f"{high:,}" in mapping.check().notes[0]


@pytest.mark.parametrize("size", SIZES)
def test_bounds_are_sharp_but_for_the_last(size):
    """Some sequence leaves the relay at S_k, another at T_k - 1; S_n and T_n take f_1 as free."""
    mapping = star.contextual_mapping(*size)
    relay = [[m.after for m in mapping.trace(s) if m.kind == "high"] for s in mapping.sequences()]
    for k, column in enumerate(zip(*relay), start=1):
        low, high = mapping.bounds[k]
        assert low <= min(column) and max(column) < high
        if k < mapping.length:
            assert (min(column), max(column) + 1) == (low, high)


@pytest.mark.parametrize(
    ("size", "kinds"),
    [
        ((2, 1, 2), ("low", "high", "broadcast")),
        ((2, 1, 3), ("low", "high")),
        ((2, 2, 2), ("low", "high")),
        ((3, 1, 2), ("low", "high")),
    ],
)
def test_literal_layers_agree(size, kinds):
    mapping = star.contextual_mapping(*size)
    verdict = star.agreement(mapping, kinds)
    assert verdict and verdict.margin > 0.49
    assert sum(1 for _ in star.literal_layers(mapping, kinds)) == sum(map(mapping.layer_count, kinds))
    assert verdict.notes == (f"{sum(map(mapping.layer_count, kinds)):,} layers run",)


def test_literal_layers_on_a_larger_graph_and_a_wrong_one():
    grid = torch.ones(3, 3, dtype=torch.bool)
    assert star.agreement(star.contextual_mapping(2, 1, 2, edges=grid))
    with pytest.raises(ValueError, match="layers, wanted at most 100,000"):
        star.literal(star.contextual_mapping(3, 1, 3))


def test_agreement_can_fail(monkeypatch):
    monkeypatch.setattr(star.layers, "places", lambda *sizes: [0, 0, 3])
    verdict = star.agreement(star.contextual_mapping(2, 1, 2), ("low", "high"))
    assert not verdict and verdict.margin < 0 and len(verdict.witness.objects) == 4


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
    assert star.larger_graphs(*size, draws=4)
    assert star.check(*size, more_edges=True) and star.check(*size, relay_sees_itself=True)
    verdict = star.larger_graphs(*size, draws=2, missing=True)
    assert not verdict and verdict.witness
    n = size[2] + 1
    bird = patterns.window(1).with_random(1, seed=0).with_global(1)
    assert star.contextual_mapping(*size, edges=bird).seen[0] == tuple(range(n))
    assert star.contextual_mapping(*size, edges=bird).check()


def test_more_edges_change_names_but_not_what_was_gathered():
    plain, full = star.contextual_mapping(2, 1, 3), star.contextual_mapping(2, 1, 3, edges=patterns.full())
    assert plain.codes((0, 1, 0), ("low", "high")) == full.codes((0, 1, 0), ("low", "high"))
    assert plain.names((0, 1, 0)) != full.names((0, 1, 0))


def test_columns_without_rows_are_not_a_star():
    """Everyone sees the relay, the relay sees nobody: nothing is gathered."""
    grid = star.star_graph(3)
    grid[0] = False
    verdict = star.contextual_mapping(2, 1, 3, edges=grid).check()
    assert not verdict and not verdict.statement.hypotheses[0].holds


@pytest.mark.parametrize("size", SIZES)
def test_the_relays_code_alone(size):
    verdict = star.relay_code(star.contextual_mapping(*size))
    coarse = size[:2] == (2, 1) and size[2] >= 3
    assert verdict.holds != coarse
    assert verdict.statement.hypotheses[0].holds != coarse
    if coarse:
        mapping = star.contextual_mapping(*size)
        a, b = verdict.witness.objects
        assert a != b and mapping.codes(a, ("low", "high"))[0] == mapping.codes(b, ("low", "high"))[0]


@pytest.mark.parametrize("options", [{"low": False}, {"high": False}, {"edges": torch.eye(4, dtype=torch.bool)}])
def test_order_fails_where_a_shift_is_missing(options):
    verdict = star.order(star.contextual_mapping(2, 1, 3, **options))
    assert not verdict and verdict.margin <= 0
    assert any(words in str(verdict.witness) for words in ("moved, wanted token", "f_1 is 0, not"))


def test_trace_says_who_reads_whom():
    mapping = star.contextual_mapping(2, 1, 3)
    trace = mapping.trace((1, 0, 1))
    kinds = [(m.kind, m.phase, m.token) for m in trace]
    assert kinds[:6] == [("low", 1, 1), ("high", 1, 0), ("low", 2, 2), ("high", 2, 0), ("low", 3, 3), ("high", 3, 0)]
    assert [m.token for m in trace[6:]] == [1, 2, 3, 0] and {m.kind for m in trace[6:]} == {"broadcast"}
    assert all((m.largest, m.smallest) == (0, m.token) for m in trace if m.token and m.kind != "high")
    assert [(m.largest, m.smallest) for m in trace if m.kind == "high"] == [(1, 2), (2, 3), (3, 1)]
    assert all(m.ids[m.token] == m.after and m.after > m.before for m in trace)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="broadcast: got -1"):
        star.contextual_mapping(2, 1, 3, broadcast=-1)
    with pytest.raises(ValueError, match="wanted 4 × 4: the relay comes first"):
        star.contextual_mapping(2, 1, 3, edges=star.star_graph(2))
    with pytest.raises(ValueError, match="wanted 3 tokens of 1 numbers"):
        star.contextual_mapping(2, 1, 3).names((0, 1))
    with pytest.raises(ValueError, match="whole numbers 0 to 1"):
        star.contextual_mapping(2, 1, 3).names((0, 1, 2))
    for sequence in ((0, 1, 0.5), "010", ((0,), (1,), (None,))):
        with pytest.raises(ValueError, match="wanted 3 tokens of whole numbers 0 to 1"):
            plain(star.StarMapping.ids)(star.contextual_mapping(2, 1, 3), sequence)
    with pytest.raises(ValueError, match="sequences, wanted at most"):
        star.contextual_mapping(3, 2, 5).check()


def test_numbers_of_a_tensor_do_not_overflow():
    mapping = star.contextual_mapping(2, 1, 7)
    sequence = (1, 0, 1, 1, 0, 0, 1)
    names = mapping.names(list(torch.tensor(sequence)))
    assert names == mapping.names(sequence) and max(names) > 2**63


def test_literal_is_the_stack_of_literal_layers():
    mapping = star.contextual_mapping(2, 1, 3)
    x = star.layers.tokens(mapping, mapping.sequences())
    for layer in star.literal_layers(mapping, ("low", "high")):
        x = layer(x)
    u = torch.tensor(star.code(2, 1, 3), dtype=torch.float64)
    assert torch.equal(2 * (x @ u), star.literal(mapping, ("low", "high")))

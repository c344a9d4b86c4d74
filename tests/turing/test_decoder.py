"""The Turing machine in the decoder: against the simulator, against full attention, and with the printed sign."""

import random
from fractions import Fraction

import numpy as np
import pytest

from seqlab import turing
from seqlab.turing import Machine, block, check, computes, decode, edges, last_visit, rows_for, shipped

WORDS = {
    "increment": ("", "0", "1", "1011", "11111"),
    "palindrome": ("", "a", "ab", "abba", "abaab"),
    "bouncing": ("", "0", "0110", "1" * 7),
    "busy_beaver_3": ("", "11", "01"),
    "busy_beaver_4": ("", "101"),
}
CASES = [(name, word) for name, words in WORDS.items() for word in words]


def absolute_score(steps, j, m, sign):
    """The formula, from the simulator's numbers alone: nothing of the decoder is used."""
    e, e_m = Fraction(1, j + 1), Fraction(1, m + 1)
    return abs(e * e_m * (steps[j].head - sign * steps[m].head + e * e_m / 3))


def best_so_far(steps, j, k, sign):
    """What row k of block j must keep: the best of step j-1 and of steps 0 … k-1; a set, for ties."""
    sizes = {m: absolute_score(steps, j, m, sign) for m in {j - 1, *range(k)}}
    return {m for m, size in sizes.items() if size == min(sizes.values())}


def random_machine(draw):
    states, symbols = "ABCD"[: draw.randint(1, 4)], "_01"[: draw.randint(2, 3)]
    rules = {
        (q, s): (draw.choice(states + "H"), draw.choice(symbols), draw.choice("LLNRR"))
        for q in states
        for s in symbols
        if draw.random() < 0.95 or (q, s) == ("A", "_")
    }
    known = {q for q, _ in rules}
    rules = {pair: (rule[0] if rule[0] in known else "H", *rule[1:]) for pair, rule in rules.items()}
    word = "".join(draw.choice(symbols) for _ in range(draw.randint(0, 5)))
    return Machine(rules, "A", halt=("H",), symbols=tuple(symbols)), word


def test_edges_are_the_papers():
    assert edges(1) == (1,)
    for j in range(1, 12):
        for k in range(1, j + 2):
            row, half = j * (j + 1) // 2 + k, j * (j + 1) // 2
            assert set(edges(row)) == {k * (k + 1) // 2, half if k == 1 else row}
            assert block(row) == j
            assert computes(row) == (k == j + 1)
            assert len(edges(row)) <= 2 and max(edges(row)) <= row
            assert all(seen == row or computes(seen) for seen in edges(row))
    with pytest.raises(ValueError, match="nonnegative"):
        block(0)


def test_positional_code_and_width():
    assert turing.position(5) == (1, 3, Fraction(1, 3), Fraction(1, 9), 0, 0, 0, 0, 0)
    assert turing.position(6)[4] == 1
    width = 2 * 3 + 4 * 2 + 16
    slots = turing.layout(3, 2)
    u = list(range(width))[slots.pop("u")]
    places = [at for slot in slots.values() for at in (range(width)[slot] if isinstance(slot, slice) else [slot])]
    assert places == list(range(width)) and u == [slots[f"x{n}"] for n in range(13, 17)]


@pytest.mark.parametrize(("name", "word"), CASES)
def test_shipped_machines_run_as_simulated(name, word):
    machine = shipped(name)
    verdict = check(machine, word, 24)
    assert verdict.holds and verdict.margin > 0, verdict
    run = decode(machine, word, 12)
    assert run.steps == machine.simulate(word, 12)
    assert len(run.rows) == rows_for(12) == 78


def test_a_long_run():
    verdict = check(shipped("busy_beaver_4"), "", 110)
    assert verdict.holds and verdict.checked == 110
    assert "6,105 rows" in verdict.notes[0] and verdict.notes[1].startswith("0 of ")


def test_random_machines_run_as_simulated():
    draw, look_ups = random.Random(0), 0
    for at in range(30):
        machine, word = random_machine(draw)
        verdict = check(machine, word, 60 if at == 0 else 16)
        assert verdict.holds, f"{verdict}\n{machine}"
        look_ups += turing.look_ups(decode(machine, word, 8))[1]
    assert look_ups > 100


@pytest.mark.parametrize("printed_sign", [False, True])
def test_two_edges_a_row_find_what_full_attention_finds(printed_sign):
    """Up to the first wrong symbol the kept step of every row is the argmin over all it has seen."""
    machine, sign = shipped("bouncing"), -1 if printed_sign else 1
    run, steps = decode(machine, "0110", 24, printed_sign=printed_sign), shipped("bouncing").simulate("0110", 24)
    right = next((j for j in range(24) if run.steps[j] != steps[j]), 24)
    assert (right < 24) == printed_sign
    for j in range(1, right):
        for k, row in enumerate(run.block(j)[:-1], start=1):
            best = best_so_far(steps, j, k, sign)
            assert row.kept in best if len(best) == 1 else row.kept is None


def test_different_steps_never_tie_and_the_last_visit_wins():
    draw = random.Random(1)
    for _ in range(300):
        j = draw.randint(2, 30)
        heads = [0]
        for _ in range(j):
            heads.append(heads[-1] + draw.choice((-1, 0, 1)))
        steps = [turing.Step(m, "A", c, "_", "_", 0) for m, c in enumerate(heads)]
        sizes = [absolute_score(steps, j, m, 1) for m in range(j)]
        assert len(set(sizes)) == j
        visit = last_visit(steps, j)
        assert visit == max((m for m in range(j) if heads[m] == heads[j]), default=None)
        if visit is not None:
            assert sizes[visit] == min(sizes)


@pytest.mark.parametrize("kept_edge", [0, -1])
def test_neither_edge_can_be_spared(monkeypatch, kept_edge):
    monkeypatch.setattr(turing.decoder, "edges", lambda row: (edges(row)[kept_edge],))
    verdict = check(shipped("bouncing"), "0110", 20)
    assert not verdict.holds and verdict.margin <= 0


def test_recency_comes_from_the_last_term(monkeypatch):
    """Without the third term all visits to the cell tie, and their symbols are mixed."""
    monkeypatch.setattr(turing.decoder, "key", lambda u1, u2, u4, printed_sign: (u1, -u4, 0 * u2))
    verdict = check(shipped("bouncing"), "0110", 20)
    assert not verdict.holds and "keeps the write of a mixture" in str(verdict.witness)


def test_rows_can_be_read():
    run = decode(shipped("bouncing"), "01", 8)
    assert run.tape(0) == {0: "0", 1: "1"}
    assert run.tape(3) == {0: "1", 1: "0", 2: "_"}
    compute = run.block(3)[-1]
    assert (compute.state, compute.head, compute.symbol, compute.wrote, compute.move) == ("left", 1, "0", "1", -1)
    assert compute.computes and compute.edges == compute.attends == (10,)
    look_up = run.block(3)[-2]
    assert look_up.kept == 1 and set(look_up.attends) <= set(look_up.edges)
    assert not look_up.computes and len(look_up.scores) == len(look_up.edges)


@pytest.mark.parametrize(
    ("name", "word"), [("increment", "1011"), ("palindrome", "abba"), ("bouncing", "0110"), ("busy_beaver_3", "")]
)
def test_the_printed_sign_fails_where_the_formula_says(name, word):
    machine = shipped(name)
    verdict = check(machine, word, 30, printed_sign=True)
    assert not verdict.holds and verdict.margin <= 0
    assert "broken: the key carries" in str(verdict)
    at, row, wanted, _ = verdict.witness.objects
    steps = machine.simulate(word, 30)
    expected = None
    for j in range(1, 30):
        visit = last_visit(steps, j)
        seen = [] if visit is None else range(1 if visit == j - 1 else visit + 1, j + 1)
        lost = [k for k in seen if best_so_far(steps, j, k, sign=-1) != {visit}]
        if lost:
            expected = (j, j * (j + 1) // 2 + lost[0])
            break
    assert (at, row) == expected
    assert wanted == steps[at]


def test_the_printed_sign_shows_on_the_tape():
    """Not only the look-up: the run itself goes wrong, at a step where the simulator disagrees."""
    machine = shipped("bouncing")
    run, steps = decode(machine, "0110", 40, printed_sign=True), machine.simulate("0110", 40)
    assert run.steps != steps
    wrong, total = turing.look_ups(run)
    assert wrong > total / 4
    assert turing.look_ups(decode(machine, "0110", 40))[0] == 0


def test_a_machine_that_never_returns_does_not_notice_the_sign():
    machine = Machine.parse("start: A\nA _ -> A 1 R\n")
    verdict = check(machine, "", 12, printed_sign=True)
    assert verdict.holds and "0 of 0 look-ups" in verdict.notes[1]


def wild_machine(draw):
    """Up to 12 states and 10 symbols of any script and length, halting or not, with moves in all spellings."""
    symbols = draw.sample(["_", "0", "1", "é", "日", "αβ", "two words"[:3], "#", "->", "ß", "10"], draw.randint(1, 10))
    states = [draw.choice(("q", "состояние", "状態")) + str(n) for n in range(draw.randint(1, 12))]
    known = {*states, "H"}
    rules = {
        (q, s): (draw.choice([*states, "H"]), draw.choice(symbols), draw.choice(draw.choice(("LNR", "LSR", "LLR"))))
        for q in states
        for s in symbols
        if draw.random() < 0.9 or s == symbols[0]
    }
    assert {q for q, _ in rules} | {"H"} == known
    return Machine(rules, states[0], ("H",), symbols[0], tuple(symbols)), [
        draw.choice(symbols) for _ in range(draw.choice((0, 0, 1, 3, 8)))
    ]


def test_wild_machines_run_as_simulated():
    draw, left = random.Random(7), 0
    for at in range(30):
        machine, word = wild_machine(draw)
        steps = 60 if at == 0 else draw.choice((1, 2, 9, 20))
        verdict = check(machine, word, steps)
        assert verdict.holds, f"{verdict}\n{machine} {word}"
        left += min(step.head for step in machine.simulate(word, steps)) < 0
    assert left > 5


@pytest.mark.parametrize(
    ("machine", "word"),
    [
        (Machine({}, "H", halt=("H",)), ""),
        (Machine({("A", "_"): ("H", "_", "N")}, "A", halt=("H",)), ""),
        (Machine({("A", "_"): ("A", "_", "L")}, "A"), ""),
        (Machine({("A", " "): ("A", "x", "L")}, "A", blank=" "), "xx"),
        (Machine({("A", " "): ("B", "日", "S"), ("B", "日"): ("A", " ", "L")}, "A", blank=" "), ""),
    ],
)
def test_machines_at_the_edge(machine, word):
    verdict = check(machine, word, 24)
    assert verdict.holds and verdict.checked == 24 and "300 rows" in verdict.notes[0]


@pytest.mark.parametrize("name", ["increment", "palindrome", "bouncing", "busy_beaver_3", "busy_beaver_4"])
@pytest.mark.parametrize(
    ("switch", "broken"), [("no_random", "random"), ("no_local", "local"), ("printed_sign", "minus")]
)
def test_every_switch_fails_with_a_witness(name, switch, broken):
    machine = shipped(name)
    word = {"increment": "1011", "palindrome": "abba", "bouncing": "0110"}.get(name, "")
    verdict = check(machine, word, 24, **{switch: True})
    assert not verdict.holds and verdict.margin <= 0 and str(verdict.margin) != "-0.0"
    assert [h.name for h in verdict.statement.hypotheses if not h.holds] == [broken]
    at, row, wanted, _ = verdict.witness.objects
    assert wanted == machine.simulate(word, 24)[at] and block(row) == at
    run = decode(machine, word, 12, **{switch: True})
    assert max(len(r.edges) for r in run.rows) == (2 if switch == "printed_sign" else 1)


def test_both_edges_can_be_dropped():
    assert not check(shipped("bouncing"), "0110", 20, no_random=True, no_local=True)


@pytest.mark.parametrize("arithmetic", ["float32", "float64"])
def test_the_order_is_lost_in_floating_point(arithmetic):
    """What numpy scalars give, one at a time, in the decoder's own order of operations."""
    number = {"float32": np.float32, "float64": np.float64}[arithmetic]
    lost = turing.first_lost(arithmetic)
    assert 10 < lost < {"float32": 200, "float64": 100_000}[arithmetic]

    def size(m, visit, exact=False):
        asks = turing.query(Fraction(m, m + 3), Fraction(1, m + 3), Fraction(1, (m + 3) ** 2))
        offers = turing.key(Fraction(1, visit + 1), Fraction(1, (visit + 1) ** 2), Fraction(m, visit + 1))
        if not exact:
            asks, offers = (tuple(number(float(x)) for x in vector) for vector in (asks, offers))
        return abs(turing.score(asks, offers))

    assert size(lost, lost) <= size(lost, lost + 1)
    assert size(lost, lost, exact=True) > size(lost, lost + 1, exact=True)
    assert all(size(m, m) > size(m, m + 1) for m in range(1, min(lost, 300)))


# Walks right over 1s; at the first blank it writes a, then b, then c without moving: what it reads must be its last
# write. On "1" * m the look-up of step m+2 is the one that `first_lost` asks for.
WALKER = Machine.parse(
    """
    start: walk
    halt: done
    walk 1 -> walk 1 R
    walk _ -> stay a N
    stay a -> stay b N
    stay b -> done c N
    """
)


def test_a_run_goes_wrong_where_the_formula_says():
    lost = turing.first_lost("float32")
    word, steps = "1" * lost, lost + 4
    verdict = check(WALKER, word, steps, arithmetic="float32")
    assert not verdict and verdict.witness.objects[0] == lost + 2
    assert [h.name for h in verdict.statement.hypotheses if not h.holds] == ["exact"]
    assert verdict.witness.objects[3].symbol == "a" and verdict.witness.objects[2].symbol == "b"
    assert check(WALKER, word, steps) and check(WALKER, word, steps, arithmetic="float64")


def test_other_arithmetics_are_refused():
    with pytest.raises(ValueError, match="arithmetic: got 'float16', wanted one of exact, float64, float32"):
        decode(shipped("increment"), "1", 2, arithmetic="float16")

"""Turing machines as text and as rules, what is refused, and what the shipped ones do on the plain simulator."""

import pytest

from seqlab.turing import Machine, check, decode, shipped


def written(steps, word, blank):
    tape = dict(enumerate(word))
    for step in steps:
        tape[step.head] = step.wrote
    return "".join(tape[cell] for cell in sorted(tape)).strip(blank)


@pytest.mark.parametrize("number", [0, 1, 5, 7, 22, 31])
def test_increment_adds_one(number):
    machine = shipped("increment")
    steps = machine.simulate(f"{number:b}", 60)
    assert steps[-1].state == "done"
    assert int(written(steps, f"{number:b}", "_"), 2) == number + 1


@pytest.mark.parametrize("word", ["", "a", "ab", "aa", "aba", "abb", "abba", "abab", "babab"])
def test_palindrome_decides(word):
    assert shipped("palindrome").simulate(word, 80)[-1].state == ("yes" if word == word[::-1] else "no")


def test_bouncing_flips_every_bit_on_the_way_back_and_forth():
    steps = shipped("bouncing").simulate("0110", 60)
    assert written(steps[:5], "0110", "_") == "1001"
    assert written(steps[:10], "0110", "_") == "0110"


@pytest.mark.parametrize(("name", "count", "ones"), [("busy_beaver_3", 14, 6), ("busy_beaver_4", 107, 13)])
def test_busy_beavers_reach_their_records(name, count, ones):
    steps = shipped(name).simulate("", 120)
    assert next(s.step for s in steps if s.state == "H") == count
    assert written(steps, "", "0").count("1") == ones


def test_text_and_rules_describe_the_same_machine():
    text = "start: A\nhalt: H\n# flips\nA _ -> B 1 R\nB # -> H _ N\nB _ -> A # L\n"
    rules = {("A", "_"): ("B", "1", "R"), ("B", "#"): ("H", "_", "N"), ("B", "_"): ("A", "#", "L")}
    assert Machine.parse(text) == Machine(rules, "A", ("H",))


def test_names_may_hold_spaces():
    rules = {("go on", "a b"): ("go on", "a b", "R"), ("go on", " "): ("the end", "a b", "N")}
    machine = Machine(rules, "go on", ("the end",), " ")
    assert machine.simulate(["a b"], 3)[-1].state == "the end" and check(machine, ["a b"], 5)


def test_comments_behind_a_rule_and_the_marks_that_editors_leave():
    plain = "start: A\nhalt: H\nA _ -> H # R\nA # -> A # N"
    text = (
        "\ufeffstart: A  # begin\r\nhalt: H # and stop\r\n\r\n A _->H # R  # writes a #\r\n\tA # -> A\t# N #stays\r\n"
    )
    assert Machine.parse(text) == Machine.parse(plain) and Machine.parse(text).symbols == ("#", "_")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("halt: H\nA 0 -> H 1 R", "start: got None, wanted a line 'start: state'"),
        ("start: A", "start: got 'A', wanted a state"),
        ("start: A\nhalt: H\nA 0 -> H 1 X", r"rules\['A', '0'\], move: got 'X', wanted L, N or R"),
        ("start: A\nhalt: H\nA 0 -> G 1 R", "next state: got 'G', wanted a state.*misspelt"),
        ("start: A\nhalt: H\nA 0 -> H 1 R and so on", "line 3: got 'A 0 -> H 1 R and so on', wanted"),
        ("start: # later\nA 0 -> A 1 R", "start: got '', wanted one word"),
        ("start: A\nhalt: H\nA 0 -> H 1", "line 3: got 'A 0 -> H 1', wanted 'state symbol -> state symbol move'"),
        ("start: A\nhalt: H\nA 0 -> H 1 R\nA 0 -> H 0 R", "line 4: got 'A 0 -> H 0 R', wanted one rule for"),
        ("start: A\nhalt: A\nA 0 -> A 1 R", "halt: got ..A.., wanted states without rules"),
        ("start: A\nstop: H\nA 0 -> A 1 R", "line 2: got 'stop: H', wanted"),
        ("start: A\nstart: B\nA 0 -> A 1 R", "line 2, start: got 'B', wanted one value, given once"),
        ("start: A\nblank: _ _\nA 0 -> A 1 R", "line 2, blank: got '_ _', wanted one word"),
        ("start: A B\nA 0 -> A 1 R", "start: got 'A B', wanted one word"),
        ("start: A\nsymbols: _ 0\nA 0 -> A 1 R", "symbol: got '1', wanted one of"),
        ("start: A\nsymbols: 0 1\nA 0 -> A 1 R", "blank: got '_', wanted one of"),
        ("start: A\nsymbols: _ 0 0 1\nA 0 -> A 1 R", "symbols: got .* wanted each symbol once"),
    ],
)
def test_bad_texts_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        Machine.parse(text)


def test_bad_runs_are_refused():
    machine = shipped("increment")
    with pytest.raises(ValueError, match=r"input\[1\]: got 'x', wanted one of the symbols"):
        decode(machine, "1x", 3)
    for steps in (0, -1):
        with pytest.raises(ValueError, match="steps: got .* wanted a whole number, at least 1"):
            check(machine, "1", steps)
    with pytest.raises(ValueError, match="name: got 'nothing', wanted one of"):
        shipped("nothing")


def test_s_is_another_way_to_stay():
    by_s, by_n = (Machine.parse(f"start: A\nhalt: H\nA _ -> H 1 {move}") for move in "SN")
    assert by_s.simulate("", 3) == by_n.simulate("", 3)


def test_a_state_that_looks_like_a_comment_is_refused():
    with pytest.raises(ValueError, match="line 3, state: got '#end', wanted another name"):
        Machine.parse("start: a\nhalt: #end\na _ -> #end _ N")

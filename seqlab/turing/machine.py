"""Turing machines in a small text format, and the plain simulator that the decoder is compared with."""

from __future__ import annotations

import numbers
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

MOVES = {"L": -1, "N": 0, "S": 0, "R": 1}
HEADERS = ("name", "blank", "start", "halt", "symbols")
RULE = "'state symbol -> state symbol move'"


@dataclass(frozen=True)
class Step:
    """Step j of a run: state, head, what is read and done. A stopped machine writes what it reads and stays."""

    step: int
    state: str | None
    head: int
    symbol: str | None
    wrote: str | None
    move: int


@dataclass(frozen=True)
class Machine:
    """M = (Q, Σ, δ, q_init, F) on a tape without ends; the input stands in cells 0 … n-1, the head starts in cell 0.

    rules:    {(state, symbol): (next state, symbol to write, "L" | "N" | "R")}; "S" is another way to write "N"
    halt:     states without rules; a pair without a rule stops the machine as well
    symbols:  Σ; what the rules mention and the blank unless given

    Raises ValueError that names the field: what is no string, a target state that has no rule and is not in `halt` (a
    misspelt name), a rule for a halting state, a move that is none of L, N, R, a symbol outside `symbols`, a start that
    is unknown.
    """

    rules: Mapping[tuple[str, str], tuple[str, str, str]]
    start: str
    halt: tuple[str, ...] = ()
    blank: str = "_"
    symbols: tuple[str, ...] = ()
    name: str = "machine"

    def __post_init__(self) -> None:
        _want(isinstance(self.rules, Mapping), "rules", self.rules, "a dict {(state, symbol): (state, symbol, move)}")
        for pair, rule in self.rules.items():
            _want(_strings(pair, 2), "rules", pair, "2 strings as a key: (state, symbol)")
            _want(_strings(rule, 3), f"rules[{pair!r}]", rule, "3 strings (next state, symbol to write, move)")
        for field in ("start", "blank"):
            value = getattr(self, field)
            _want(isinstance(value, str) and value != "", field, value, "a string that is not empty")
        written = {self.blank, *(s for (_, read), (_, write, _) in self.rules.items() for s in (read, write))}
        own = {"rules": dict(self.rules), "halt": _words(self.halt), "symbols": _words(self.symbols or sorted(written))}
        for field, value in own.items():
            object.__setattr__(self, field, value)
        for field in ("halt", "symbols"):
            _want(_strings(own[field], len(own[field])), field, own[field], "strings")
        symbols, ruled = self.symbols, {state for state, _ in self.rules}
        known = sorted(ruled.union(self.halt))
        _want(len(set(symbols)) == len(symbols), "symbols", symbols, "each symbol once")
        _want(self.blank in symbols, "blank", self.blank, f"one of the symbols {symbols}")
        _want(self.start in known, "start", self.start, f"a state that has rules or halts: {known}")
        both = sorted(ruled.intersection(self.halt))
        _want(not both, "halt", both, "states without rules; these have some")
        for (state, read), (target, write, move) in self.rules.items():
            field = f"rules[{state!r}, {read!r}]"
            _want(move in MOVES, f"{field}, move", move, "L, N or R (S, for stay, is N)")
            wanted = f"a state that has rules or halts: {known}; misspelt, or missing in halt?"
            _want(target in known, f"{field}, next state", target, wanted)
            for symbol in (read, write):
                _want(symbol in symbols, f"{field}, symbol", symbol, f"one of {symbols}")

    @property
    def states(self) -> tuple[str, ...]:
        """Q, the start first."""
        others = {state for state, _ in self.rules} | set(self.halt)
        return (self.start, *sorted(others - {self.start}))

    def delta(self, state: str, symbol: str) -> tuple[str, str, int]:
        """δ made total: (state, symbol, 0) where there is no rule."""
        if (state, symbol) not in self.rules:
            return state, symbol, 0
        target, write, move = self.rules[state, symbol]
        return target, write, MOVES[move]

    def read(self, word: str | Sequence[str]) -> tuple[str, ...]:
        """The input as symbols, a letter each if it is a string. Raises ValueError for a symbol that is not in Σ."""
        _want(isinstance(word, Sequence), "input", word, "a string or a list of symbols")
        for at, symbol in enumerate(word):
            _want(symbol in self.symbols, f"input[{at}]", symbol, f"one of the symbols {self.symbols}")
        return tuple(word)

    def simulate(self, word: str | Sequence[str], steps: int) -> list[Step]:
        """The first `steps` steps, by a dict for a tape and a look at δ: the oracle of the decoder."""
        check_steps(steps)
        tape = dict(enumerate(self.read(word)))
        state, head, run = self.start, 0, []
        for j in range(steps):
            symbol = tape.get(head, self.blank)
            target, wrote, move = self.delta(state, symbol)
            run.append(Step(j, state, head, symbol, wrote, move))
            tape[head] = wrote
            state, head = target, head + move
        return run

    @classmethod
    def parse(cls, text: str) -> Machine:
        """Read `name:`, `blank:`, `start:`, `halt:`, `symbols:` lines and rules `state symbol -> state symbol move`.

        A line that starts with `#` is a comment, as is what follows a whole rule, a start or halting states behind a
        `#` (elsewhere `#` is a symbol like any other). Raises ValueError that names the line, what came and what was
        wanted.
        """
        _want(isinstance(text, str), "text", text, "a string with a rule a line")
        fields, rules = {}, {}
        for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
            line, where = line.strip(), f"line {number}"
            left, arrow, right = line.partition("->")
            if not line or line.startswith("#"):
                continue
            if arrow:
                pair, rule, behind = tuple(left.split()), tuple(right.split()[:3]), right.split()[3:]
                whole = len(pair) == 2 and len(rule) == 3 and all(word.startswith("#") for word in behind[:1])
                _want(whole, where, line, RULE)
                _want(rule[0][0] != "#", f"{where}, state", rule[0], "another name: its own rules would be comments")
                _want(pair not in rules, where, line, f"one rule for {pair}, which has one above")
                rules[pair] = rule
                continue
            title, colon, value = (part.strip() for part in line.partition(":"))
            _want(bool(colon) and title in HEADERS, where, line, f"{RULE} or one of {', '.join(HEADERS)}, with a colon")
            _want(value != "" and title not in fields, f"{where}, {title}", value, "one value, given once")
            if title in ("start", "halt"):
                value = " ".join(takewhile(lambda word: not word.startswith("#"), value.split()))
            one = title not in ("start", "blank") or len(value.split()) == 1
            _want(one, f"{where}, {title}", value, "one word")
            fields[title] = _words(value) if title in ("halt", "symbols") else value
        _want("start" in fields, "start", None, "a line 'start: state'")
        return cls(rules, **fields)


def check_steps(steps: object) -> None:
    """Raises ValueError for what is no number of machine steps."""
    whole = isinstance(steps, numbers.Integral) and not isinstance(steps, bool) and steps >= 1
    _want(whole, "steps", steps, "a whole number, at least 1")


def _want(fine: bool, field: str, got: object, wanted: str) -> None:
    if not fine:
        raise ValueError(f"{field}: got {got!r}, wanted {wanted}")


def _strings(value: object, length: int) -> bool:
    return isinstance(value, tuple) and len(value) == length and all(isinstance(part, str) for part in value)


def _words(value: object) -> tuple:
    """A string's words, or a list's items; anything else alone in a tuple, for the checks to name."""
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(value) if isinstance(value, Collection) else (value,)

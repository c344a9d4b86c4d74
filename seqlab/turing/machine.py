"""Turing machines in a small text or dict format, and the plain simulator that the decoder is compared with."""

from __future__ import annotations

import itertools
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOVES = {"L": -1, "N": 0, "S": 0, "R": 1}
HEADERS = ("name", "blank", "start", "halt", "symbols")


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

    Raises ValueError that names the field: a target state that has no rule and is not in `halt` (a misspelt name), a
    rule for a halting state, a move that is none of L, N, R, a symbol outside `symbols`, a start that is unknown.
    """

    rules: Mapping[tuple[str, str], tuple[str, str, str]]
    start: str
    halt: tuple[str, ...] = ()
    blank: str = "_"
    symbols: tuple[str, ...] = ()
    name: str = "machine"

    def __post_init__(self) -> None:
        if not isinstance(self.rules, Mapping):
            raise ValueError(f"rules: got {self.rules!r}, wanted a dict {{(state, symbol): (state, symbol, move)}}")
        object.__setattr__(self, "rules", dict(self.rules))
        for field in ("start", "blank"):
            if not isinstance(value := getattr(self, field), str) or not value:
                raise ValueError(f"{field}: got {value!r}, wanted a string that is not empty")
        _check_rules(self.rules)
        mentioned = [self.blank, *(s for (_, read), (_, write, _) in self.rules.items() for s in (read, write))]
        for field in ("halt", "symbols"):
            object.__setattr__(self, field, _list(field, getattr(self, field)))
        wanted = self.symbols or tuple(sorted(set(mentioned)))
        object.__setattr__(self, "symbols", wanted)
        if len(set(wanted)) < len(wanted):
            raise ValueError(f"symbols: got {wanted}, wanted each symbol once")
        if self.blank not in wanted:
            raise ValueError(f"blank: got {self.blank!r}, wanted one of the symbols {wanted}")
        ruled = {state for state, _ in self.rules}
        known = ruled | set(self.halt)
        if self.start not in known:
            raise ValueError(f"start: got {self.start!r}, wanted a state that has rules or halts: {sorted(known)}")
        if both := ruled & set(self.halt):
            raise ValueError(f"halt: got {sorted(both)}, which have rules; wanted states without any")
        for (state, read), (target, write, move) in self.rules.items():
            field = f"rules[{state!r}, {read!r}]"
            if move not in MOVES:
                raise ValueError(f"{field}, move: got {move!r}, wanted L, N or R (S, for stay, is N)")
            if target not in known:
                raise ValueError(
                    f"{field}, next state: got {target!r}, wanted a state that has rules or halts: {sorted(known)};"
                    " misspelt, or missing in halt?"
                )
            for symbol in (read, write):
                if symbol not in wanted:
                    raise ValueError(f"{field}, symbol: got {symbol!r}, wanted one of {wanted}")

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
        if not isinstance(word, Sequence):
            raise ValueError(f"input: got {word!r}, wanted a string or a list of symbols")
        letters = tuple(word)
        for at, symbol in enumerate(letters):
            if symbol not in self.symbols:
                raise ValueError(f"input[{at}]: got {symbol!r}, wanted one of the symbols {self.symbols}")
        return letters

    def simulate(self, word: str | Sequence[str], steps: int) -> list[Step]:
        """The first `steps` steps, by a dict for a tape and a look at δ: the oracle of the decoder."""
        _steps(steps)
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

        A line that starts with `#` is a comment, as is what follows a whole rule, a start or halting states behind a `#`
        (elsewhere `#` is a symbol like any other). Raises ValueError that names the line, what came and what was wanted.
        """
        if not isinstance(text, str):
            raise ValueError(f"text: got {type(text).__name__}, wanted a string with a rule a line")
        fields: dict[str, str] = {}
        rules: dict[tuple[str, str], tuple[str, str, str]] = {}
        for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            if "->" not in line:
                title, colon, value = (part.strip() for part in line.partition(":"))
                if not colon or title not in HEADERS:
                    raise ValueError(
                        f"line {number}: got {line.strip()!r}, wanted 'state symbol -> state symbol move' or one of "
                        + ", ".join(f"{h}:" for h in HEADERS)
                    )
                if title in fields or not value:
                    raise ValueError(f"line {number}, {title}: got {value!r}, wanted one value, given once")
                value = _before_comment(value) if title in ("start", "halt") else value
                if title in ("start", "blank") and len(value.split()) != 1:
                    raise ValueError(f"line {number}, {title}: got {value!r}, wanted one word")
                fields[title] = value
                continue
            left, right = (part.split() for part in line.split("->", 1))
            if right[3:] and right[3].startswith("#"):
                right = right[:3]
            if len(left) != 2 or len(right) != 3:
                raise ValueError(f"line {number}: got {line.strip()!r}, wanted 'state symbol -> state symbol move'")
            if right[0].startswith("#"):
                raise ValueError(
                    f"line {number}: got the state {right[0]!r}, but a line that starts with # is a comment; rename it"
                )
            if tuple(left) in rules:
                raise ValueError(f"line {number}: got a second rule for {tuple(left)}, wanted one")
            rules[left[0], left[1]] = (right[0], right[1], right[2])
        return cls.from_dict({**fields, "rules": rules})

    @classmethod
    def from_dict(cls, description: Mapping[str, object]) -> Machine:
        """{"start": …, "rules": {(state, symbol): (state, symbol, move)}}, and halt, blank, symbols, name if wanted.

        A rule may be written "state symbol move", its key "state symbol"; halt and symbols may be words in a string.
        """
        if not isinstance(description, Mapping):
            raise ValueError(f"machine: got {type(description).__name__}, wanted a dict with start and rules")
        if unknown := set(description) - {*HEADERS, "rules"}:
            raise ValueError(f"machine: got fields {sorted(unknown)}, wanted some of {[*HEADERS, 'rules']}")
        for field in ("start", "rules"):
            if field not in description:
                raise ValueError(f"{field}: missing; a machine needs a start and rules")
        rules = description["rules"]
        if not isinstance(rules, Mapping):
            raise ValueError(
                f"rules: got {type(rules).__name__}, wanted a dict {{(state, symbol): (state, symbol, move)}}"
            )
        options = {key: description[key] for key in ("name", "blank", "start") if key in description}
        for key, value in options.items():
            if not isinstance(value, str):
                raise ValueError(f"{key}: got {value!r}, wanted a string")
        lists = {key: _list(key, description[key]) for key in ("halt", "symbols") if key in description}
        spelt = {_words(pair): _words(rule) for pair, rule in rules.items()}
        if len(spelt) < len(rules):
            raise ValueError("rules: got two rules for one pair, written in two ways; wanted one")
        _check_rules(spelt)
        return cls(spelt, **options, **lists)


def _before_comment(value: str) -> str:
    return " ".join(itertools.takewhile(lambda word: not word.startswith("#"), value.split()))


def _words(value: object) -> tuple:
    """A string's words, or a list's items; anything else alone in a tuple, for the checks to name."""
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(value) if isinstance(value, (list, tuple, set, frozenset)) else (value,)


def _list(field: str, value: object) -> tuple[str, ...]:
    if not all(isinstance(word, str) for word in _words(value)):
        raise ValueError(f"{field}: got {value!r}, wanted strings")
    return _words(value)


def _check_rules(rules: Mapping) -> None:
    for pair, rule in rules.items():
        _check_strings("rules", pair, 2, "as a key: (state, symbol)")
        _check_strings(f"rules[{pair!r}]", rule, 3, "(next state, symbol to write, move)")


def _check_strings(field: str, value: object, length: int, wanted: str) -> None:
    if not isinstance(value, tuple) or len(value) != length or not all(isinstance(part, str) for part in value):
        raise ValueError(f"{field}: got {value!r}, wanted {length} strings {wanted}")


def _steps(steps: int) -> None:
    if not isinstance(steps, numbers.Integral) or isinstance(steps, bool) or steps < 1:
        raise ValueError(f"steps: got {steps!r}, wanted a whole number, at least 1")

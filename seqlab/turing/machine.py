"""Turing machines in a small text format, the plain simulator that the decoder is compared with, and five machines."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

MOVES = {"L": -1, "N": 0, "S": 0, "R": 1}
HEADERS = ("name", "blank", "start", "halt", "symbols")
RULE = "'state symbol -> state symbol move'"
_RULE = re.compile(r"(\S+)\s+(\S+?)\s*->\s*(\S+)\s+(\S+)\s+(\S+)(?:\s+#.*)?")


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

    Raises ValueError that names the field: a target state that has no rule and is not in `halt` (a
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
        written = {self.blank, *(s for (_, read), (_, write, _) in self.rules.items() for s in (read, write))}
        object.__setattr__(self, "symbols", self.symbols or tuple(sorted(written)))
        symbols, ruled = self.symbols, {state for state, _ in self.rules}
        known, both = sorted(ruled.union(self.halt)), sorted(ruled.intersection(self.halt))
        _want(len(set(symbols)) == len(symbols), "symbols", symbols, "each symbol once")
        _want(self.blank in symbols, "blank", self.blank, f"one of the symbols {symbols}")
        _want(self.start in known, "start", self.start, f"a state that has rules or halts: {known}")
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
    def parse(cls, text: str) -> "Machine":
        """Read `name:`, `blank:`, `start:`, `halt:`, `symbols:` lines and rules `state symbol -> state symbol move`.

        A line that starts with `#` is a comment, as is what follows a whole rule, a start or halting states behind a
        `#` (elsewhere `#` is a symbol like any other). Raises ValueError that names the line, what came and what was
        wanted.
        """
        fields, rules = {}, {}
        for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
            line, where = line.strip(), f"line {number}"
            if not line or line.startswith("#"):
                continue
            if "->" in line:
                whole = _RULE.fullmatch(line)
                _want(whole, where, line, RULE)
                state, read, *rule = whole.groups()
                _want(rule[0][0] != "#", f"{where}, state", rule[0], "another name: its own rules would be comments")
                _want((state, read) not in rules, where, line, f"one rule for {(state, read)}, which has one above")
                rules[state, read] = tuple(rule)
                continue
            title, colon, value = (part.strip() for part in line.partition(":"))
            _want(colon and title in HEADERS, where, line, f"{RULE} or one of {', '.join(HEADERS)}, with a colon")
            _want(value and title not in fields, f"{where}, {title}", value, "one value, given once")
            if title in ("start", "halt"):
                value = " ".join(takewhile(lambda word: not word.startswith("#"), value.split()))
            one = title not in ("start", "blank") or len(value.split()) == 1
            _want(one, f"{where}, {title}", value, "one word")
            fields[title] = tuple(value.split()) if title in ("halt", "symbols") else value
        _want("start" in fields, "start", None, "a line 'start: state'")
        return cls(rules, **fields)


def written(word: Sequence[str], steps: Sequence[Step]) -> dict[int, str | None]:
    """Cell → symbol after these steps: the input, and what they wrote."""
    return dict(enumerate(word)) | {step.head: step.wrote for step in steps}


def check_steps(steps: int) -> None:
    """Raises ValueError for less than one machine step."""
    _want(steps >= 1, "steps", steps, "a whole number, at least 1")


def _want(fine: object, field: str, got: object, wanted: str) -> None:
    if not fine:
        raise ValueError(f"{field}: got {got!r}, wanted {wanted}")


SHIPPED = {
    "increment": """
        name: binary increment
        start: right
        halt: done
        right 0 -> right 0 R
        right 1 -> right 1 R
        right _ -> carry _ L
        carry 1 -> carry 0 L
        carry 0 -> done  1 N
        carry _ -> done  1 N
    """,
    "palindrome": """
        name: palindrome
        start: first
        halt: yes no
        first a -> seen_a _ R
        first b -> seen_b _ R
        first _ -> yes    _ N
        seen_a a -> seen_a a R
        seen_a b -> seen_a b R
        seen_a _ -> want_a _ L
        seen_b a -> seen_b a R
        seen_b b -> seen_b b R
        seen_b _ -> want_b _ L
        want_a a -> back _ L
        want_a b -> no   b N
        want_a _ -> yes  _ N
        want_b b -> back _ L
        want_b a -> no   a N
        want_b _ -> yes  _ N
        back a -> back  a L
        back b -> back  b L
        back _ -> first _ R
    """,
    "bouncing": """
        name: bouncing bit-flipper
        start: right
        right 0 -> right 1 R
        right 1 -> right 0 R
        right _ -> left  _ L
        left 0 -> left  1 L
        left 1 -> left  0 L
        left _ -> right _ R
    """,
    "busy_beaver_3": """
        name: busy beaver, 3 states
        blank: 0
        start: A
        halt: H
        A 0 -> B 1 R
        A 1 -> H 1 R
        B 0 -> C 0 R
        B 1 -> B 1 R
        C 0 -> C 1 L
        C 1 -> A 1 L
    """,
    "busy_beaver_4": """
        name: busy beaver, 4 states
        blank: 0
        start: A
        halt: H
        A 0 -> B 1 R
        A 1 -> B 1 L
        B 0 -> A 1 L
        B 1 -> C 0 L
        C 0 -> H 1 R
        C 1 -> D 1 L
        D 0 -> D 1 R
        D 1 -> A 0 R
    """,
}


def shipped(name: str) -> Machine:
    """One of `SHIPPED`. Raises ValueError for a name that is not among them."""
    if name not in SHIPPED:
        raise ValueError(f"name: got {name!r}, wanted one of {sorted(SHIPPED)}")
    return Machine.parse(SHIPPED[name])

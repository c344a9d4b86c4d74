"""The decoder of appendix B: δ, the head, the switch, the look-up, the choice of a symbol; one row after the other.

A row's input is the last row's output plus its positional code. A compute row (the last of its block) turns q^(j),
s^(j), c^(j) into q^(j+1), c^(j+1) and leaves v^(j) as a candidate for later look-ups. The other rows carry the state
and the best candidate, and look at one more compute row each; the output of the last one holds s^(j).

Where this departs from the paper: the paper's cross-attention fetches the input by step and asks for a machine that
reads its input first; here it fetches by the head's cell, so that any machine runs as it stands, standing still
included, and "never visited" is read from the winner's cell (u3) instead of from ℓ(j) = j-1. Two operations are
products, not piecewise linear: the ratio c/(g+1), and the switch on u3, which is unbounded; no finite ReLU network does
either for all g. The other switches are written as choices too, but act on numbers in [-1, 1] (the head's could act on
the move), where ReLUs do the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product

from seqlab.turing.graph import block, computes, edges, layout, position, rows_for
from seqlab.turing.lookup import ROUNDINGS, attend, key, query
from seqlab.turing.machine import Machine, Step, check_steps, written

ZERO, ONE = Fraction(0), Fraction(1)


@dataclass(frozen=True)
class Row:
    """One decoder row, readable.

    index, step, computes:  row number from 1, the machine step of its block, whether it applies δ
    state, symbol, head:    what its input holds; in a compute row this is the machine at that step
    wrote, move:            what δ says to them (it counts in compute rows only)
    edges, offers, scores:  the rows it sees, the step whose write each offers, and its look-up score with each
    attends:                those of `edges` that won; more than one where scores tie
    kept:                   the step whose write is the best candidate so far; None, here and there, for a tie's mixture
    """

    index: int
    step: int
    computes: bool
    state: str | None
    symbol: str | None
    head: int
    wrote: str | None
    move: int
    edges: tuple[int, ...]
    offers: tuple[int | None, ...]
    scores: tuple[Fraction, ...]
    attends: tuple[int, ...]
    kept: int | None


@dataclass(frozen=True)
class Run:
    """All rows of a run; `steps` reads the compute rows, `tape(j)` what stands on the tape before step j."""

    machine: Machine
    word: tuple[str, ...]
    rows: tuple[Row, ...]
    printed_sign: bool = False
    no_random: bool = False
    no_local: bool = False
    arithmetic: str = "exact"

    @property
    def steps(self) -> list[Step]:
        """The machine's run as the decoder has it, to be compared with `Machine.simulate`."""
        return [Step(r.step, r.state, r.head, r.symbol, r.wrote, r.move) for r in self.rows if r.computes]

    def tape(self, step: int) -> dict[int, str | None]:
        """Cell → symbol before machine step `step`: the input, and what the compute rows before it wrote."""
        return written(self.word, self.steps[:step])

    def block(self, step: int) -> tuple[Row, ...]:
        """The rows of one machine step: `step` look-ups, then the compute row."""
        return self.rows[rows_for(step) : rows_for(step + 1)]


def decode(
    machine: Machine,
    word: str | Sequence[str],
    steps: int,
    *,
    printed_sign: bool = False,
    no_random: bool = False,
    no_local: bool = False,
    arithmetic: str = "exact",
) -> Run:
    """Run the decoder for T(T+1)/2 rows, that is `steps` = T machine steps (Theorem 3). The options break the look-up:

    printed_sign:  take K_4 as the paper prints it
    no_random:     drop each row's edge to a past compute row;  no_local: drop the one to its best candidate so far.
                   With neither, a row keeps what it carries
    arithmetic:    "float64" or "float32" rounds queries, keys and scores; all else stays exact

    Raises ValueError for steps below 1, a symbol of the input that the machine does not know, another arithmetic.
    """
    check_steps(steps)
    if arithmetic not in ROUNDINGS:
        raise ValueError(f"arithmetic: got {arithmetic!r}, wanted one of {', '.join(ROUNDINGS)}")
    run = Run(machine, machine.read(word), (), printed_sign, no_random, no_local, arithmetic)
    network, rows = _Decoder(run), []
    y = network.first()
    for index in range(1, rows_for(steps) + 1):
        row, y = network.row(index, y)
        rows.append(row)
    return replace(run, rows=tuple(rows))


class _Decoder:
    """The layers; a vector is a list of Fractions, changed in place from layer to layer."""

    def __init__(self, run: Run) -> None:
        self.run, self.machine = run, run.machine
        q, s = self.machine.states, self.machine.symbols
        self.at = layout(len(q), len(s))
        word = run.word or (self.machine.blank,)
        self.keys = [(ONE, -Fraction(p)) for p in range(len(word))]
        self.values = [(*_one_hot(s, letter), Fraction(p)) for p, letter in enumerate(word)]
        self.blank = _one_hot(s, self.machine.blank)
        self.fetched: dict[Fraction, list[Fraction]] = {}  # cross-attention depends on the head alone
        self.compute_rows: dict[int, list[Fraction]] = {}  # the only rows that are seen from other rows
        self.delta = {}
        for a, b in product(range(len(q)), range(len(s))):
            target, write, move = self.machine.delta(q[a], s[b])
            self.delta[a, b] = q.index(target), s.index(write), move

    def first(self) -> list[Fraction]:
        """y_0: the start state, the symbol in cell 0, head 0."""
        y = [ZERO] * (self.at["x16"] + 1)
        y[self.at["q1"]], y[self.at["s1"]] = _one_hot(self.machine.states, self.machine.start), self.values[0][:-1]
        return y

    def row(self, index: int, y: list[Fraction]) -> tuple[Row, list[Fraction]]:
        """All layers of one row: what can be read in it, and its output, which the next row takes as its input."""
        x, at = [*y], self.at
        x[at["x8"] : at["x12"] + 1] = position(index)[:5]
        state, symbol, head = self._name(x, "q1"), self._name(x, "s1"), x[at["x1"]]
        self._transition(x)
        wrote, move = self._name(x, "s2"), x[at["x2"]]
        self._head(x)
        self._switch(x)
        if computes(index):
            self.compute_rows[index] = [*x]
        seen = self._edges(index)
        sources = [x if row == index else self.compute_rows[row] for row in seen]
        offers = tuple(map(self._offered, sources))
        winners, scores = self._look_up(x, sources)
        self._choose(x)
        row = Row(
            index=index,
            step=block(index),
            computes=computes(index),
            state=state,
            symbol=symbol,
            head=int(head),
            wrote=wrote,
            move=int(move),
            edges=seen,
            offers=offers,
            scores=scores,
            attends=tuple(seen[n] for n in winners),
            kept=self._offered(x),
        )
        y = [ZERO] * len(x)
        for name in ("q1", "s1", "x1", "s4", "u"):  # state, symbol, head, and the best candidate
            y[at[name]] = x[at[name]]
        return row, y

    def _edges(self, index: int) -> tuple[int, ...]:
        """The first edge is the random one, the last the local one; a compute row sees itself alone."""
        seen, run = edges(index), self.run
        if run.no_random and run.no_local:
            return (index,)
        return seen[-1:] if run.no_random else seen[:1] if run.no_local else seen

    def _transition(self, x: list[Fraction]) -> None:
        """Layer 1: α, β by cross-attention on |c - p|; δ by one ReLU(q + s - 1) per pair of state and symbol."""
        at, head = self.at, x[self.at["x1"]]
        if head not in self.fetched:
            self.fetched[head] = attend((head, ONE), self.keys, self.values)[0]
        *x[at["s3"]], x[at["x7"]] = self.fetched[head]
        q, s = x[at["q1"]], x[at["s1"]]
        target, write, move = [ZERO] * len(q), [ZERO] * len(s), ZERO
        for (a, b), (to, writes, moves) in self.delta.items():
            if q[a] and s[b]:  # at most 1 each, so the ReLU is 0 elsewhere
                fires = max(q[a] + s[b] - 1, ZERO)
                target[to] += fires
                write[writes] += fires
                move += moves * fires
        x[at["q2"]], x[at["s2"]], x[at["x2"]] = target, write, move

    def _head(self, x: list[Fraction]) -> None:
        """Layer 2: c^(j+1) = c^(j) + m^(j), and both over g+1."""
        at = self.at
        x[at["x3"]] = x[at["x1"]] + x[at["x2"]]
        x[at["x4"]] = x[at["x3"]] * x[at["x10"]]
        x[at["x5"]] = x[at["x1"]] * x[at["x10"]]

    def _switch(self, x: list[Fraction]) -> None:
        """Layer 3: where h = 1 the new state, head and candidate; where h = 0 the old ones."""
        at = self.at
        if x[at["x12"]] == 1:
            x[at["q1"]], x[at["s4"]] = x[at["q2"]], x[at["s2"]]
            x[at["u"]] = x[at["x10"]], x[at["x11"]], x[at["x1"]], x[at["x5"]]
            x[at["x1"]] = x[at["x3"]]
        else:
            x[at["x4"]] = x[at["x5"]]

    def _look_up(self, x: list[Fraction], sources: list[list[Fraction]]) -> tuple[list[int], tuple[Fraction, ...]]:
        """Layer 4: of the candidates (w, u) in the rows that are seen, the one with the smallest absolute score."""
        at, rounded = self.at, ROUNDINGS[self.run.arithmetic]
        asks = query(x[at["x4"]], x[at["x10"]], x[at["x11"]])
        numbers = [[row[at[name]] for name in ("x13", "x14", "x16")] for row in sources]
        keys = [key(*candidate, printed_sign=self.run.printed_sign) for candidate in numbers]
        values = [row[at["s4"]] + row[at["u"]] for row in sources]
        best, winners, scores = attend([*map(rounded, asks)], [[*map(rounded, k)] for k in keys], values)
        x[at["s4"]], x[at["u"]] = best[:-4], best[-4:]
        return winners, tuple(Fraction(*score.as_integer_ratio()) for score in scores)

    def _choose(self, x: list[Fraction]) -> None:
        """The last layer: the written symbol if the winner's cell is the head's, else the input's, else the blank."""
        at = self.at
        hit, inside = _same(x[at["x15"]] - x[at["x1"]]), _same(x[at["x7"]] - x[at["x1"]])
        x[at["x6"]] = hit
        x[at["s1"]] = _mix(hit, x[at["s4"]], _mix(inside, x[at["s3"]], self.blank))

    def _offered(self, x: list[Fraction]) -> int | None:
        """The step of a row's candidate; None for a mean of different steps, whose mean of squares is larger."""
        u1, u2 = x[self.at["x13"]], x[self.at["x14"]]
        return int(1 / u1) - 1 if u1 and u2 == u1 * u1 else None

    def _name(self, x: list[Fraction], slot: str) -> str | None:
        """The name of a one-hot block; None where it is a mixture."""
        names = self.machine.states if slot[0] == "q" else self.machine.symbols
        return dict(zip(x[self.at[slot]], names)).get(ONE)


def _same(z: Fraction) -> Fraction:
    """1 at 0 and 0 at all other whole numbers: σ(z+1) - 2σ(z) + σ(z-1)."""
    return max(z + 1, ZERO) - 2 * max(z, ZERO) + max(z - 1, ZERO)


def _mix(t: Fraction, a: Sequence[Fraction], b: Sequence[Fraction]) -> list[Fraction]:
    """t a + (1 - t) b; t is neither 0 nor 1 only where a look-up went wrong."""
    if t in (0, 1):
        return list(a if t else b)
    return [t * x + (1 - t) * y for x, y in zip(a, b)]


def _one_hot(names: Sequence[str], name: str) -> list[Fraction]:
    return [Fraction(other == name) for other in names]

"""One block with explicit weights, written unit by unit, and the same block applied again and again.

| paper symbol (Xu & Sato 2024)                        | name here                                             |
| ---------------------------------------------------- | ----------------------------------------------------- |
| L_1, L_2 (token-wise affine maps in and out)         | `Program.inputs`, `.start` and `.outputs`             |
| TF (one block), TF^∘r (the same block, r times)      | `Program.units` and `.head`; `loops`                  |
| embedding dimension m, width q                       | `Program.embedding`, `Program.width`                  |
| one hidden unit: write · ReLU(read · x + shift)      | `Unit`                                                |
| η(t) ⊙ FF(X)                                         | `Program.clock`: for each loop {coordinate: factor}   |

The weights are integers and fractions. `exact` runs them as they are, in Python's integers and fractions; `module`
makes a `LoopedTransformer` of real attention and feed-forward layers out of them, in floating point.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from numbers import Rational

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqlab.attention import hardmax
from seqlab.layers import FeedForward, SelfAttention, Tokens

Row = Mapping[str, Rational]  # a linear form: {coordinate: weight}
Factors = Float[Tensor, "dim"]  # η(t)
State = list[list[Rational]]  # a row of coordinates for each token


@dataclass(frozen=True)
class Unit:
    """`write · ReLU(read · x + shift)`: one hidden unit of the feed-forward part. `job` says what it is for."""

    read: Row
    shift: Rational
    write: Row
    job: str


@dataclass(frozen=True)
class Head:
    """A hardmax head of size one: scores (query · x_j)(key · x_k), values key · x_k too, written to one coordinate."""

    query: Row
    key: Row
    write: str


@dataclass(frozen=True)
class Program:
    """A tied block, its affine maps in and out, and its clock if it has one.

    names:    the coordinates of a token's state
    inputs:   coordinates that the input is written to, one for each of its entries;  start: constants written to others
    outputs:  {coordinate: constant added to it} that the output is read from
    bias:     what the feed-forward part adds besides its units
    clock:    for each loop the factors η(t) of what the feed-forward part adds, 0 where nothing is said; None = all 1
    """

    names: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: Row
    units: tuple[Unit, ...]
    head: Head | None = None
    start: Row = field(default_factory=dict)
    bias: Row = field(default_factory=dict)
    clock: tuple[Row, ...] | None = None

    def __post_init__(self) -> None:
        used = {*self.inputs, *self.outputs, *self.start, *self.bias}
        used |= {name for unit in self.units for name in (*unit.read, *unit.write)}
        if unknown := used - set(self.names):
            raise ValueError(f"names: {sorted(unknown)} are read or written, but are not among {self.names}")

    @property
    def embedding(self) -> int:
        """m: coordinates of a token."""
        return len(self.names)

    @property
    def width(self) -> int:
        """q: hidden units of the feed-forward part."""
        return len(self.units)

    def jobs(self) -> dict[str, int]:
        """How many hidden units each job takes."""
        counted: dict[str, int] = {}
        for unit in self.units:
            counted[unit.job] = counted.get(unit.job, 0) + 1
        return counted

    def enter(self, tokens: Sequence[Sequence[Rational]]) -> State:
        """L_1: the first state of the tokens of one sequence."""
        rows = []
        for token in tokens:
            row = {**dict.fromkeys(self.names, 0), **self.start, **dict(zip(self.inputs, token, strict=True))}
            rows.append([row[name] for name in self.names])
        return rows

    def leave(self, state: State) -> list[list[Rational]]:
        """L_2: what is read off a state."""
        return [[row[self.names.index(name)] + shift for name, shift in self.outputs.items()] for row in state]

    def states(self, tokens: Sequence[Sequence[Rational]], loops: int) -> Iterator[State]:
        """The exact states of one sequence: before the first loop and after each."""
        _loops(self, loops)
        state = self.enter(tokens)
        yield state
        at = {name: k for k, name in enumerate(self.names)}
        units = [
            ([(at[n], w) for n, w in u.read.items()], u.shift, [(at[n], w) for n, w in u.write.items()])
            for u in self.units
        ]
        for t in range(loops):
            state = [list(row) for row in state]
            if self.head:
                _attend(self.head, at, state)
            factors = None if self.clock is None else self.clock[t]
            for row in state:
                _feed_forward(row, units, self.bias, at, self.names, factors)
            yield state

    def exact(self, tokens: Sequence[Sequence[Rational]], loops: int) -> list[list[Rational]]:
        """L_2 ∘ TF^∘loops ∘ L_1 of one sequence (a row per token), nothing rounded."""
        for state in self.states(tokens, loops):
            pass
        return self.leave(state)

    def module(self, dtype: torch.dtype = torch.float64) -> LoopedTransformer:
        """The same weights as a module of real layers."""
        return LoopedTransformer(self, dtype)


class TiedBlock(nn.Module):
    """`x + Attn(x)`, then `x + η ⊙ FF(x)`: the one block. Without a head it is `x + η ⊙ FF(x)`."""

    def __init__(self, program: Program, dtype: torch.dtype):
        super().__init__()
        names, m = program.names, program.embedding
        self.attention = None
        if program.head:
            self.attention = SelfAttention(m, 1, 1, normalizer=hardmax(), scale=1.0).to(dtype)
            attention = self.attention
            for layer, row in ((attention.query, program.head.query), (attention.key, program.head.key)):
                _fill(layer, [row], names)
            _fill(attention.value, [program.head.key], names)
            _fill(self.attention.out, [{"head": int(n == program.head.write)} for n in names], ("head",))
        self.feed_forward = FeedForward(m, program.width).to(dtype)
        up, down = self.feed_forward.up, self.feed_forward.down
        _fill(up, [u.read for u in program.units], names, [u.shift for u in program.units])
        columns = tuple(range(program.width))
        writes = [{k: u.write.get(n, 0) for k, u in enumerate(program.units)} for n in names]
        _fill(down, writes, columns, [program.bias.get(n, 0) for n in names])

    def forward(self, x: Tokens, eta: Factors | None = None) -> Tokens:
        if self.attention is not None:
            x = x + self.attention(x)
        added = self.feed_forward(x)
        return x + (added if eta is None else eta * added)


class LoopedTransformer(nn.Module):
    """L_2 ∘ TF^∘r ∘ L_1: `block` is the only block there is, and the number of loops is an argument."""

    def __init__(self, program: Program, dtype: torch.dtype = torch.float64):
        super().__init__()
        self.program, names = program, program.names
        self.enter = nn.Linear(len(program.inputs), len(names), dtype=dtype)
        enters = [{k: int(n == name) for k, name in enumerate(program.inputs)} for n in names]
        _fill(self.enter, enters, range(len(program.inputs)), [program.start.get(n, 0) for n in names])
        self.block = TiedBlock(program, dtype)
        self.leave = nn.Linear(len(names), len(program.outputs), dtype=dtype)
        _fill(self.leave, [{name: 1} for name in program.outputs], names, list(program.outputs.values()))
        clock = None
        if program.clock is not None:
            rows = [[float(factors.get(n, 0)) for n in names] for factors in program.clock]
            clock = torch.tensor(rows, dtype=dtype).reshape(len(rows), len(names))
        self.register_buffer("clock", clock)
        self.requires_grad_(False)

    def states(self, x: Tokens, loops: int) -> Iterator[Tokens]:
        """The states before the first loop and after each."""
        _loops(self.program, loops)
        x = self.enter(x)
        yield x
        for t in range(loops):
            x = self.block(x, None if self.clock is None else self.clock[t])
            yield x

    def forward(self, x: Tokens, loops: int) -> Tensor:
        for state in self.states(x, loops):
            pass
        return self.leave(state)

    def applied(self, x: Tokens, loops: int) -> list[int]:
        """For each loop the address of the weights that the feed-forward part used in it: one address if they are tied."""
        used: list[int] = []
        parts = [module for module in self.modules() if isinstance(module, FeedForward)]
        hooks = [part.register_forward_hook(lambda part, *_: used.append(part.up.weight.data_ptr())) for part in parts]
        try:
            self(x, loops)
        finally:
            for hook in hooks:
                hook.remove()
        return used


def step(read: Row, shift: Rational, write: Row, job: str, *, gate: Row | None = None, off: Rational = 0) -> list[Unit]:
    """Two units that add `write` times min(1, ReLU(read · x + shift)): a step from 0 to 1 as steep as `read` is large.

    gate, off: a linear form added to both, which switches the step off where it is far below zero
    """
    read = combine(read, gate or {})
    minus = {name: -weight for name, weight in write.items()}
    return [Unit(read, shift + off, write, job), Unit(read, shift + off - 1, minus, job)]


def combine(*forms: Row, times: Rational = 1) -> dict[str, Rational]:
    """The sum of linear forms, `times` a number."""
    total: dict[str, Rational] = {}
    for form in forms:
        for name, weight in form.items():
            total[name] = total.get(name, 0) + times * weight
    return total


def as_float(value: Rational | float) -> float:
    """The nearest float64, or an infinity."""
    try:
        return float(value)
    except OverflowError:  # more than float64 can hold: 3^K has no place in it for K > 646
        return float("inf") if value > 0 else float("-inf")


def _attend(head: Head, at: Mapping[str, int], state: State) -> None:
    queries, keys = ([sum(w * row[at[n]] for n, w in form.items()) for row in state] for form in (head.query, head.key))
    mixed = []
    for query in queries:
        scores = [query * key for key in keys]
        best = max(scores)
        won = [key for score, key in zip(scores, keys) if score == best]
        mixed.append(won[0] if len(set(won)) == 1 else Fraction(sum(won)) / len(won))
    for row, value in zip(state, mixed):
        row[at[head.write]] += value


def _feed_forward(row, units, bias, at, names, factors) -> None:
    added = [bias.get(name, 0) for name in names]
    for read, shift, write in units:
        value = shift
        for k, weight in read:
            value += weight * row[k]
        if value > 0:
            for k, weight in write:
                added[k] += weight * value
    for name, k in at.items():
        factor = 1 if factors is None else factors.get(name, 0)
        if factor and added[k]:
            row[k] += factor * added[k]


def _fill(layer: nn.Linear, rows, names, bias=None) -> None:
    """Write the weights of a linear layer, a row {name: weight} for each output."""
    weight = [[as_float(row.get(name, 0)) for name in names] for row in rows]
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weight, dtype=torch.float64))
        if layer.bias is not None:
            layer.bias.copy_(torch.tensor([as_float(b) for b in bias or [0] * len(rows)], dtype=torch.float64))


def _loops(program: Program, loops: int) -> None:
    if loops < 0:
        raise ValueError(f"loops: got {loops}, wanted at least 0")
    if program.clock is not None and loops > len(program.clock):
        raise ValueError(f"loops: got {loops}, but this clock was written for {len(program.clock)}")

"""A program: what is read, the layers, what is answered. It is checked when it is made, and runs exactly."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property

import numpy as np

from seqlab.attention import Exact, Normalizer, hardmax
from seqlab.written.exact import Column, Run, combine, rational
from seqlab.written.forms import ZERO, Form, Number, OneHot, exact, form, forms
from seqlab.written.listing import Matrix, Size, listing, matrices, size
from seqlab.written.parts import ByLength, Layer, Sweep, flat


@dataclass(frozen=True, eq=False)
class Program:
    """A transformer as a text. Run it with `run`, make layers of it with `module`, look into it with `trace` and `print`.

    reads:      coordinates that the numbers of a token enter, or a one-hot for a number
    answers:    forms that are read off at the end, for every token
    layers:     `Layer`s and `Sweep`s
    normalizer: `hardmax()`, `average()` or `step()` to run exactly; `softmax(…)` and `sigmoid(…)` as a module only
    start:      {coordinate: number} that every token starts with
    positions:  a coordinate that starts with the position 0, 1, …; or a form to which the position is added; or {coordinate:
                numbers, or a function of the length that gives them}; True is a coordinate named p
    loops:      how often the layers are applied, a number or a function of the length
    clock:      a coordinate that holds the number of the loop, 0, 1, …; or for each loop {coordinate: factor}, factors
                η of what the units add in it, 0 where nothing is said (Xu & Sato 2024)
    """

    reads: object
    answers: object
    layers: object
    _: KW_ONLY
    normalizer: Normalizer = field(default_factory=hardmax)
    start: Mapping = field(default_factory=dict)
    positions: object = None
    loops: int | Callable[[int], int] = 1
    clock: object = None

    def __post_init__(self) -> None:
        reads = [self.reads] if isinstance(self.reads, (OneHot, Form, str)) else self.reads
        reads = tuple(read if isinstance(read, OneHot) else form(read, "reads") for read in reads)
        answers = forms(flat(list(self.answers)), "answers")
        clock = self.clock
        if isinstance(clock, (Form, str)):
            clock = form(clock, "clock")
        elif clock is not None:
            clock = tuple(form(factors, "clock").weights for factors in clock)
        start = {name: exact(number, "start") for name, number in pairs(self.start).items()}
        made = dict(reads=reads, answers=answers, layers=tuple(flat(self.layers)), start=start, clock=clock)
        for name, value in {**made, "positions": _positions(self.positions)}.items():
            object.__setattr__(self, name, value)
        check(self)

    @cached_property
    def inputs(self) -> list[str]:
        """The coordinates that the tokens enter."""
        return [name for read in self.reads for each in read for name in each.weights]

    @cached_property
    def names(self) -> list[str]:
        """All coordinates of a token's state: read, given at the start, written."""
        written = [name for _, role, form in uses(self) for name in form.weights if role == "write"]
        clock = self.clock.weights if isinstance(self.clock, Form) else ()
        return list(dict.fromkeys([*self.inputs, *self.positions, *self.start, *clock, *written]))

    def times(self, n: int, loops: int | None = None) -> int:
        """How many loops sequences of n tokens take."""
        wanted = self.loops if loops is None else loops
        times = wanted(n) if callable(wanted) else wanted
        most = len(self.clock) if isinstance(self.clock, tuple) else times
        if not 0 <= times <= most:
            raise ValueError(f"loops: got {times}, wanted 0 to {most}, for which the clock was written")
        return times

    def run(self, tokens: object, loops: int | None = None) -> object:
        """The answers, exact: "sequence token read" to "sequence token answer".

        tokens: lists, arrays or tensors of ints and Fractions. The axis of a single read may be left out; a single
                sequence gives "token answer"; sequences of several lengths give a list of those
        Returns int64, or an object array of ints and Fractions where they do not fit. Raises TypeError for floats.
        """
        return self._by_length(tokens, lambda batch: self._answers(self.pass_through(batch, loops)))

    def pass_through(self, tokens: np.ndarray, loops: int | None = None, kind: type[Run] = Run) -> Run:
        """A batch "sequence token read" after all layers."""
        if not isinstance(self.normalizer, Exact):
            raise TypeError(f"normalizer: {self.normalizer} has no exact rule; run it with {self.normalizer.limit}")
        run = kind(self.normalizer, self.enter(tokens))
        for t in range(self.times(tokens.shape[1], loops)):
            factors = self.clock[t] if isinstance(self.clock, tuple) else None
            if isinstance(self.clock, Form):
                run.state |= {name: combine([(0, run.empty)], weight * t) for name, weight in self.clock.weights.items()}
                run.values = {}
            for layer in self.layers:
                (run.sweep if isinstance(layer, Sweep) else run.layer)(layer, factors)
        return run

    def enter(self, tokens: np.ndarray) -> dict[str, Column]:
        """The first state of a batch."""
        n, columns = tokens.shape[1], one_by_one(tokens, self.reads)
        read = dict(zip(self.inputs, map(rational, columns), strict=True))
        places = {name: rational(np.array([numbers] * len(tokens))) for name, numbers in self.places(n).items()}
        empty = rational(np.zeros(tokens.shape[:2], dtype=np.int64))
        terms = {name: [(1, each[name]) for each in (read, places) if name in each] for name in self.names}
        return {name: combine(terms[name] or [(1, empty)], self.start.get(name, 0)) for name in self.names}

    def places(self, n: int) -> dict[str, list[Number]]:
        """What the positions of n tokens add to each coordinate."""
        made = {name: [exact(number, f"positions of {name}") for number in rule.at(n)] for name, rule in self.positions.items()}
        for name, numbers in made.items():
            if len(numbers) != n:
                raise ValueError(f"positions: {name} has {len(numbers)} numbers, wanted one for each of {n} tokens")
        return made

    def count(self, length: int | None = None) -> Size:
        """Layers, heads, units, width and non-zero weights; with a length the connections too."""
        return size(self, length)

    def matrix(self, layer: int | Layer, level: int = 0) -> dict[str, Matrix]:
        """W_Q, W_K, W_V, W_O, W_1, W_2 of a layer, labelled. `level`: which level of a sweep, by its index."""
        part = self.layers[layer] if isinstance(layer, int) else layer
        return matrices(part.at(level)[0] if isinstance(part, Sweep) else part, self.names)

    def __str__(self) -> str:
        return listing(self)

    __repr__ = __str__

    def _answers(self, run: Run) -> np.ndarray:
        return np.stack([run.value(answer).numbers() for answer in self.answers], axis=-1)

    def _by_length(self, tokens: object, work: Callable[[np.ndarray], np.ndarray]) -> object:
        """`work` on one batch, without the axis of sequences for one sequence; sequences of several lengths in groups."""
        tokens = tokens.detach().cpu().numpy() if hasattr(tokens, "detach") else tokens
        lengths = [len(row) for row in tokens if hasattr(row, "__len__")] if not isinstance(tokens, np.ndarray) else []
        if len(set(lengths)) > 1:
            made = [None] * len(lengths)
            for n in set(lengths):
                at = [k for k, length in enumerate(lengths) if length == n]
                for k, row in zip(at, self._by_length([tokens[k] for k in at], work)):
                    made[k] = row
            return made
        array = np.asarray(tokens)
        if array.dtype.kind not in "bi":
            array = np.frompyfunc(lambda value: exact(value, "tokens"), 1, 1)(array)
        array, single = batched(array, len(self.reads))
        return work(array)[0] if single else work(array)


def batched(x: object, reads: int) -> tuple[object, bool]:
    """Array or tensor "sequence token read", whatever axes were left out; and whether it was a single sequence."""
    x = x[..., None] if reads == 1 and x.ndim < 3 else x
    single = x.ndim == 2
    x = x[None] if single else x
    if x.ndim != 3 or 0 in x.shape:
        raise ValueError(f"tokens: got shape {tuple(x.shape)}, wanted (sequence, token, {reads}), at least one of each")
    return x, single


def one_by_one(x: object, reads: Sequence) -> list:
    """Array or tensor "sequence token read" as one "sequence token" for each coordinate; one-hots are spread out."""
    wide = sum(len(tuple(read)) for read in reads)
    if x.shape[-1] == wide:
        return [x[..., k] for k in range(wide)]
    if x.shape[-1] != len(reads):
        raise ValueError(f"tokens: got {x.shape[-1]} numbers a token, wanted {len(reads)}, one for each read")
    made = []
    for k, read in enumerate(reads):
        column = x[..., k]
        if isinstance(read, OneHot) and not ((column >= 0) & (column < len(read))).all():
            raise ValueError(f"tokens: got {column.min()} to {column.max()}, wanted 0 to {len(read) - 1}: {read} is one-hot")
        made += [(column == at) * 1 for at in range(len(read))] if isinstance(read, OneHot) else [column]
    return made


def uses(program: Program) -> Iterator[tuple[str, str, Form]]:
    """(where, role, form) for every form of every layer; of a long sweep for its first and last level."""
    for at, layer in enumerate(program.layers):
        shown = [layer]
        if isinstance(layer, Sweep):
            yield f"layer {at}, sweep", "over", layer.over
            few = len(layer.levels) <= 256
            shown = flat([layer.at(k) for k in (range(len(layer.levels)) if few else (0, len(layer.levels) - 1))])
        for each in shown:
            if not isinstance(each, Layer):
                raise TypeError(f"layer {at}: got {each!r}, wanted a Layer or a Sweep of them")
            name = f"layer {at}" + (f" “{each.label}”" if each.label else "")
            for kind, parts, roles in (("head", each.heads, ("query", "key", "value", "write")), ("unit", each.units, ("read", "write"))):
                for k, part in enumerate(parts):
                    for role in roles:
                        yield from ((f"{name}, {kind} {k}", role, form) for form in flat(getattr(part, role)))


def check(program: Program) -> None:
    """Raise for a form that is empty or reads a coordinate that nothing gives, with its place and the nearest name."""
    if not isinstance(program.normalizer, Normalizer):
        raise TypeError(f"normalizer: got {program.normalizer!r}, wanted one such as hardmax()")
    answers = [("answers", "form", answer) for answer in program.answers]
    for where, role, form in [*uses(program), *answers]:
        if role == "write" and form.constant:
            raise ValueError(f"{where}: write is {form}, wanted a form without constant: it says where to add")
        if not form and form is not ZERO and role != "form":
            raise ValueError(f"{where}: {role} is an empty form: it has no coordinate and no constant")
        for name in form.weights:
            if name not in program.names:
                nearest = difflib.get_close_matches(name, program.names, 1, 0.0)
                hint = f"; the nearest name is {nearest[0]!r}" if nearest else ""
                raise ValueError(f"{where}: {role} has the coordinate {name!r}, which nothing reads in or writes{hint}")


def pairs(given: Mapping) -> dict[str, object]:
    """{name: what}, the names given as text or as coordinates."""
    return {name: what for key, what in given.items() for name in form(key, "a coordinate").weights}


def _positions(given: object) -> dict[str, ByLength]:
    if given is None or given is False:
        return {}
    if isinstance(given, Mapping):
        rules = {name: rule if callable(rule) else (lambda n, rule=rule: rule) for name, rule in pairs(given).items()}
    else:
        direction = sum(forms("p" if given is True else given, "positions"), Form({}))
        rules = {name: (lambda n, w=weight: [w * k for k in range(n)]) for name, weight in direction.weights.items()}
    return {name: ByLength(rule, f"positions of {name}") for name, rule in rules.items()}

"""A program: what is read, the layers, what is answered. It is checked when it is made, and runs exactly."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import numpy as np
import torch

from seqlab.attention import hardmax
from seqlab.exact import Number, exact
from seqlab.normalizers import Exact, Normalizer
from seqlab.written.forms import ZERO, Form, OneHot, by_name, flat, form, forms
from seqlab.written.listing import Size, listing, matrices, size
from seqlab.written.parts import Layer, Sweep
from seqlab.written.real import Transformer, batched, module, one_by_one
from seqlab.written.run import Run
from seqlab.written.trace import Trace

FEW = 256  # levels of a sweep whose layers are all checked when a program is made; of more, the first and the last


@dataclass(frozen=True, eq=False, repr=False)
class Program:
    """A transformer as a text. `run` runs it, `module` makes layers of it, `trace` and `print` look into it.

    reads:      coordinates that the numbers of a token enter, or a one-hot for a number
    answers:    forms that are read off at the end, for every token
    layers:     `Layer`s and `Sweep`s
    normalizer: `hardmax()`, `average()` or `step()` to run exactly; `softmax(…)` and `sigmoid(…)` as a module only
    start:      {coordinate: number} that every token starts with
    positions:  a coordinate that starts with the position 0, 1, …; or a form to which the position is added; or
                {coordinate: numbers, or a function of the length that gives them}; True is a coordinate named p
    loops:      how often the layers are applied, a number or a function of the length
    clock:      a coordinate that holds the number of the loop, 0, 1, …; or for each loop {coordinate: factor}, the
                factors η of what the units add in it, 0 where nothing is said (Xu & Sato 2024)
    """

    reads: Any
    answers: Any
    layers: Any
    _: KW_ONLY
    normalizer: Normalizer = field(default_factory=hardmax)
    start: Mapping = field(default_factory=dict)
    positions: Any = None
    loops: int | Callable = 1
    clock: Any = None

    def __post_init__(self) -> None:
        reads = [self.reads] if isinstance(self.reads, (OneHot, Form, str)) else self.reads
        made: dict[str, Any] = dict(reads=tuple(read if isinstance(read, OneHot) else form(read) for read in reads))
        made |= dict(answers=forms(self.answers), layers=tuple(flat(self.layers)), positions=_places(self.positions))
        made["start"] = {name: exact(number, f"start of {name}") for name, number in by_name(self.start).items()}
        if self.clock is not None:
            one = isinstance(self.clock, (Form, str))
            made["clock"] = form(self.clock) if one else tuple(form(factors).weights for factors in self.clock)
        for name, value in made.items():
            object.__setattr__(self, name, value)
        _check(self)

    @cached_property
    def inputs(self) -> list[str]:
        """The coordinates that the tokens enter."""
        return [name for read in self.reads for each in read for name in each.weights]

    @cached_property
    def sizes(self) -> list[int]:
        """For each read 0, or how many coordinates a one-hot has."""
        return [len(read) if isinstance(read, OneHot) else 0 for read in self.reads]

    @cached_property
    def names(self) -> list[str]:
        """All coordinates of a token's state: read, given at the start, written."""
        clock = self.clock.weights if isinstance(self.clock, Form) else ()
        written = [name for _, role, form in self.forms() for name in form.weights if role == "write"]
        return list(dict.fromkeys([*self.inputs, *self.positions, *self.start, *clock, *written]))

    def forms(self) -> Iterator[tuple[str, str, Form]]:
        """(where, role, form) for every form of every layer."""
        for at, layer in enumerate(self.layers):
            if isinstance(layer, Sweep):
                yield f"layer {at}, sweep", "over", layer.over
            for each in layer.some(FEW) if isinstance(layer, Sweep) else [layer]:
                if not isinstance(each, Layer):
                    raise TypeError(f"layer {at}: got {each!r}, wanted a Layer, or a Sweep of them")
                try:
                    yield from ((f"layer {at} “{each.label}”, {part}", role, form) for part, role, form in each.forms())
                except (TypeError, ValueError) as error:
                    raise type(error)(f"layer {at} “{each.label}”: {error}") from None

    def run(self, tokens: Any, loops: int | None = None) -> Any:
        """The answers, exact: "sequence token read" to "sequence token answer".

        tokens: lists, arrays or tensors of ints and Fractions. The axis of a single read may be left out; a single
                sequence gives "token answer"; sequences of several lengths give a list of those
        Returns int64, or an object array of ints and Fractions where they do not fit. Raises TypeError for floats.
        """
        rows = tokens if isinstance(tokens, (list, tuple)) else ()
        if len({len(row) for row in rows if hasattr(row, "__len__")}) > 1:
            return by_length(tokens, lambda rows: self.run(rows, loops))
        given, single = self._given(tokens)
        answers = Run(self, given, loops).values(self.answers)
        return answers[0] if single else answers

    def trace(self, tokens: Any, loops: int | None = None) -> Trace:
        """The run of a batch with all that it went through, see `Trace`."""
        return Trace(self, self._given(tokens)[0], loops)

    def module(
        self, normalizer: Normalizer | None = None, dtype: torch.dtype = torch.float64, impl: str | None = None
    ) -> Transformer:
        """The same as PyTorch layers, with this or another normalizer, such as `hardmax().soft(beta)`."""
        return module(self, normalizer or self.normalizer, dtype, impl)

    def count(self, length: int | None = None) -> Size:
        """Layers, heads, units, width and non-zero weights; with a length the connections too."""
        return size(self, length)

    def matrix(self, layer: int | Layer, level: int = 0) -> dict:
        """W_Q, W_K, W_V, W_O, W_1, W_2 of a layer: {row: {column: weight}}. `level`: which of a sweep, by its index."""
        part = self.layers[layer] if isinstance(layer, int) else layer
        return matrices(part.at(level)[0] if isinstance(part, Sweep) else part, self.names)

    def __str__(self) -> str:
        return listing(self)

    __repr__ = __str__

    def times(self, n: int, loops: int | None = None) -> int:
        """How many loops sequences of n tokens take."""
        wanted = self.loops if loops is None else loops
        given = exact(wanted(n) if callable(wanted) else wanted, "loops")
        times = int(given)
        most = len(self.clock) if isinstance(self.clock, tuple) else times
        if times != given or not 0 <= times <= most:
            raise ValueError(f"loops: got {given}, wanted 0, 1, … and no more than the clock was written for")
        return times

    def place(self, name: str, n: int) -> list[Number]:
        """What the positions of n tokens add to a coordinate."""
        numbers = [exact(number, f"positions of {name}") for number in self.positions[name](n)]
        if len(numbers) != n:
            raise ValueError(f"positions: {name} has {len(numbers)} numbers, wanted one for each of {n} tokens")
        return numbers

    def _given(self, tokens: Any) -> tuple[dict[str, np.ndarray], bool]:
        """{coordinate: "sequence token"}, and whether it was one sequence without an axis for more."""
        if not isinstance(self.normalizer, Exact):
            raise TypeError(f"normalizer: {self.normalizer} has no exact rule; run it with {self.normalizer.limit}")
        given = tokens.detach().cpu().numpy() if isinstance(tokens, torch.Tensor) else tokens
        array = np.frompyfunc(lambda value: exact(value, "tokens"), 1, 1)(np.asarray(given, dtype=object))
        array, single = batched(array, len(self.reads))
        return dict(zip(self.inputs, one_by_one(array, self.sizes), strict=True)), single


def by_length(rows: Any, work: Callable[[list], Iterable]) -> list:
    """What `work` makes of the rows, where it takes rows of one length at a time."""
    made = {n: iter(work([row for row in rows if len(row) == n])) for n in set(map(len, rows))}
    return [next(made[len(row)]) for row in rows]


def _places(given: Any) -> dict[str, Callable[..., Any]]:
    if isinstance(given, Mapping):
        return {name: rule if callable(rule) else (lambda n, rule=rule: rule) for name, rule in by_name(given).items()}
    to = sum(forms("p" if given is True else given), Form({})) if given else Form({})
    if given and not to.weights:
        raise ValueError(f"positions: got {given}, wanted a coordinate, or {{coordinate: numbers}}")
    return {name: (lambda n, weight=weight: [weight * k for k in range(n)]) for name, weight in to.weights.items()}


def _check(program: Program) -> None:
    """Raise for a form that is empty or reads a coordinate that nothing gives, with its place and the nearest name."""
    if not isinstance(program.normalizer, Normalizer):
        raise TypeError(f"normalizer: got {program.normalizer!r}, wanted one such as hardmax()")
    if not program.inputs or [*dict.fromkeys(program.inputs)] != [str(form) for read in program.reads for form in read]:
        raise ValueError(
            f"reads: got {', '.join(map(str, program.reads))}, wanted coordinates, each once, at least one"
        )
    if not program.answers:
        raise ValueError("answers: got none, wanted at least one form")
    clock = program.clock if isinstance(program.clock, tuple) else ()
    others = [("answers", "form", answer) for answer in program.answers] + [
        ("clock", "loop", Form(f)) for f in clock if f
    ]
    for where, role, each in [*program.forms(), *others]:
        if role == "write" and each.constant:
            raise ValueError(f"{where}: write is {each}, wanted a form without constant: it says where to add")
        if not each.weights and not each.constant and each is not ZERO:
            raise ValueError(f"{where}: {role} is an empty form: it has no coordinate and no constant")
        for name in each.weights.keys() - {*program.names}:
            nearest = (
                ", ".join(map(repr, get_close_matches(name, program.names, 1, 0.0))) or "not there: there are none"
            )
            raise ValueError(
                f"{where}: {role} has the coordinate {name!r}, which nothing gives; the nearest is {nearest}"
            )

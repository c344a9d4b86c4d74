"""What crosses the pipe between the judge and a student's process.

A message is a line of JSON. Numbers, texts, lists, tensors and the values that programs of `seqlab.written` are made of
cross as data. A function of the judge crosses as a number, and may be called. Of whatever else a student's process has,
nothing crosses but that it is something else: nothing is unpickled, iterated or asked for on the trusted side.
"""

from __future__ import annotations

import base64
import dataclasses
import importlib
import json
import math
import os
import select
import time
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqlab.course.sandbox import tensors
from seqlab.exact import exact
from seqlab.patterns.seen import Seen, of_table
from seqlab.written.forms import ZERO, Form, OneHot, flat
from seqlab.written.parts import Sweep

MOST = 16_000_000  # bytes of one message
KINDS = {"onehot": OneHot, "tuple": tuple, "list": list, "set": set, "frozenset": frozenset}
DATA = (  # values, field by field
    "seqlab.written.",
    "seqlab.exact.",
    "seqlab.normalizers.",
    "seqlab.tiles.launch.",
    "seqlab.capstone.design.",
)


class Broken(RuntimeError):
    """The other side is gone, or says what it must not."""


class Silent(Broken):
    """The other side has not answered in time."""


class Thing:
    """Something of a student's process that is no data."""


class Far:
    """A function of the judge: it may be called, and nothing else of it is within reach."""

    def __init__(self, peer: Peer, number: int, name: str):
        self._peer, self._number, self.__name__ = peer, number, name

    def __call__(self, *given: Any, **named: Any) -> Any:
        at, result = self._peer.ask("use", self._number, given, named)
        return joined(result, (given, list(named.values())), lambda grad: self._peer.ask("slope", at, grad))

    def __deepcopy__(self, memo: dict) -> Far:
        return self


def joined(result: Any, given: Any, slope: Callable) -> Any:
    """A result that depends on its inputs over there does so here, too: its gradient is asked for there."""
    inputs = [tensor for tensor in tensors(given) if tensor.requires_grad]
    if not (isinstance(result, Tensor) and result.requires_grad and inputs):
        return result

    class Over(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *_: Tensor) -> Tensor:
            return result.detach().clone()

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> tuple:
            return tuple(slope(grad))

    return Over.apply(*inputs)


def slope(given: Any, result: Tensor, grad: Tensor) -> list:
    """The gradient of a result for the inputs that ask for one; None where it does not depend on one."""
    inputs = [tensor for tensor in tensors(given) if tensor.requires_grad]
    return list(torch.autograd.grad(result, inputs, grad, allow_unused=True, retain_graph=True))


class Peer:
    """The judge's end of the pipe. offers: what the other side may ask, {name: function}."""

    def __init__(self, reads: int, writes: int, offers: Mapping[str, Callable] = {}):
        self.reads, self.writes, self.pending, self.until = reads, writes, b"", math.inf
        self.kept: list[Callable] = []
        self.uses: list[tuple[tuple, Any]] = []  # arguments and result of each function that was called
        self.offers = {"use": self._use, "slope": lambda at, grad: slope(*self.uses[int(at)], grad), **offers}
        os.set_blocking(writes, False)

    def ask(self, name: str, *given: Any, seconds: float = math.inf) -> Any:
        """The answer of the other side, whose own questions are answered meanwhile. What it raises is raised here."""
        self.until = time.monotonic() + seconds
        self._send({"ask": name, "given": self.encode(given)})
        while "ask" in (message := self._receive()):
            self._answer(message)
        if "raised" in message:
            kind, text = (str(word)[:2000] for word in message["raised"])
            raise type(kind if kind.isidentifier() else "Error", (Exception,), {})(text)
        return self.decode(message.get("value"))

    def serve(self) -> None:
        """Answer until the other side closes the pipe."""
        while True:
            self._answer(self._receive())

    def _answer(self, message: dict) -> None:
        try:
            answer = {"value": self.encode(self.offers[message["ask"]](*self.decode(message["given"])))}
        except Broken:
            raise
        except Exception as error:
            answer = {"raised": [type(error).__name__, str(error)[:2000]]}
        self._send(answer)

    def _use(self, number: int, given: Sequence, named: Mapping) -> tuple:
        """What a function of this side gives, and where that is kept for its gradient."""
        with torch.enable_grad():
            result = self.kept[number](*given, **named)
        self.uses.append(((given, list(named.values())), result))
        return len(self.uses) - 1, result

    def _wait(self, reads: tuple = (), writes: tuple = ()) -> None:
        while time.monotonic() < self.until:  # a thread that is to be stopped is stopped here
            if any(select.select(reads, writes, (), 0.05)):
                return
        raise Silent("it does not answer in time")

    def _send(self, message: dict) -> None:
        rest = json.dumps(message).encode() + b"\n"
        try:
            while rest:
                self._wait(writes=(self.writes,))
                rest = rest[os.write(self.writes, rest) :]
        except OSError as error:
            raise Broken(f"the process is gone ({error})") from None

    def _receive(self) -> dict:
        parts, size = [self.pending], len(self.pending)
        while b"\n" not in parts[-1]:
            self._wait(reads=(self.reads,))
            parts.append(os.read(self.reads, 1 << 20))
            size += len(parts[-1])
            if not parts[-1] or size > MOST:
                raise Broken("the process ended" if not parts[-1] else "it floods the pipe")
        line, _, self.pending = b"".join(parts).partition(b"\n")
        try:
            return dict(json.loads(line))
        except (ValueError, TypeError, RecursionError):
            raise Broken("it wrote what is no message") from None

    def encode(self, value: Any) -> Any:
        """`value` as JSON; a dict has its kind as its one key."""
        value = value.item() if isinstance(value, np.generic) else value
        if value is None or isinstance(value, str | int | float):
            return value
        if isinstance(value, Form):  # ZERO is the one empty form that is meant
            return (
                {"zero": None} if value is ZERO else {"form": [self.encode(value.weights), self.encode(value.constant)]}
            )
        if isinstance(value, Fraction):
            return {"ratio": [value.numerator, value.denominator]}
        if isinstance(value, np.ndarray) and value.dtype != object:
            return {"array": self.encode(torch.from_numpy(np.ascontiguousarray(value)))}
        if isinstance(value, Tensor):
            raw = value.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
            form = [str(value.dtype).removeprefix("torch."), list(value.shape), value.requires_grad]
            return {"tensor": [*form, base64.b64encode(raw).decode()]}
        for kind, made in KINDS.items():
            if isinstance(value, made):
                return {kind: [self.encode(part) for part in value]}
        if isinstance(value, Mapping):
            return {"dict": [[self.encode(key), self.encode(part)] for key, part in value.items()]}
        if isinstance(value, Seen):
            return {"seen": [self.encode(value.table()), value.name]}
        if isinstance(value, Sweep):
            return self.encode(flat([value.at(k) for k in range(len(value.levels))]))
        home, name = type(value).__module__, type(value).__qualname__
        if dataclasses.is_dataclass(value) and f"{home}.".startswith(DATA):
            fields = {f.name: self.encode(getattr(value, f.name)) for f in dataclasses.fields(value) if f.init}
            return {"data": [home, name, fields]}
        return self.other(value)

    def other(self, value: Any) -> Any:
        """A function, by its number."""
        self.kept.append(value)
        return {"far": [len(self.kept) - 1, getattr(value, "__name__", type(value).__name__)]}

    def decode(self, value: Any) -> Any:
        """What `encode` of the other side had; Broken for anything else."""
        try:
            return self._decoded(*next(iter(value.items()))) if isinstance(value, dict) else value
        except Broken:
            raise
        except Exception as error:
            raise Broken(f"it wrote what is no value ({type(error).__name__}: {error})") from None

    def _decoded(self, kind: str, held: Any) -> Any:
        match kind:
            case "onehot" | "tuple" | "list" | "set" | "frozenset":
                return KINDS[kind](map(self.decode, held))
            case "dict":
                return {self.decode(key): self.decode(part) for key, part in held}
            case "zero":
                return ZERO
            case "form":
                weights, constant = map(self.decode, held)
                return Form({str(name): exact(weight, name) for name, weight in weights.items()}, exact(constant, "1"))
            case "ratio":
                return Fraction(*map(int, held))
            case "array":
                return self.decode(held).numpy()
            case "tensor":
                dtype, shape, wants, raw = held
                numbers = (
                    torch.frombuffer(bytearray(base64.b64decode(raw)), dtype=torch.uint8) if raw else torch.empty(0)
                )
                return numbers.byte().view(getattr(torch, dtype)).reshape(shape).requires_grad_(wants)
            case "seen":
                grids = self.decode(held[0]).items()
                return of_table({n: np.asarray(grid, dtype=bool).reshape(n, n) for n, grid in grids}, str(held[1]))
            case "lengths":
                return self.decode(held).__getitem__
            case "data":
                return self._data(*held)
            case "far":
                return self.far(*held)
        raise Broken(f"{kind!r} does not cross")

    def _data(self, home: str, name: str, fields: dict) -> Any:
        inside = f"{home}.".startswith(DATA) and ".exercises" not in home
        kind = getattr(importlib.import_module(home), name) if inside else None
        if not (isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind.__module__ == home):
            raise Broken(f"{name} of {home} does not cross")
        return kind(**{key: self.decode(part) for key, part in fields.items()})

    def far(self, number: int, name: str) -> Any:
        """Whatever is no data stays where it is."""
        return Thing()

"""Who may look at whom, however it was said: a pattern, a drawn grid, a function, or a word."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np
import torch

LONGEST = 32  # what is saved knows all lengths up to here


class Seen:
    """What a length decides, such as a grid "query key": `.at(n)`. A saved one knows up to 32, and what it met."""

    def __init__(self, rule: Callable[[int], object], name: str):
        self.rule, self.name, self.known = rule, name, {}

    def at(self, n: int) -> Any:
        if n not in self.known:
            self.known[n] = self.rule(n)
        return self.known[n]

    def __deepcopy__(self, memo: Any) -> Seen:
        return self

    def table(self) -> dict[int, object]:
        """What it says of all lengths up to 32, and of those it met."""
        for n in range(1, LONGEST + 1):
            with suppress(Exception):  # a drawn grid has one length only, and a function may fail at some
                self.at(n)
        return self.known

    def __reduce__(self) -> tuple:
        return of_table, (self.table(), self.name)


def of_table(known: dict[int, object], name: str) -> Seen:
    """What was saved of one."""

    def rule(n: int) -> np.ndarray:
        raise ValueError(f"{name}: it was saved for up to {LONGEST} tokens and those it had met, got {n}")

    made = Seen(rule, name)
    made.known = dict(known)
    return made


def seen(given: Any) -> Seen | None:
    """None or "full" (all see all), "causal", a `Pattern`, a boolean grid, a function of n or of (query, key)."""
    if given is None or isinstance(given, Seen):
        return given
    if isinstance(given, (list, np.ndarray, torch.Tensor)):
        given = tuple(map(tuple, np.asarray(given).tolist()))
    return _seen(given)


def heads(grids: list[Seen | None]) -> Seen | None:
    """The grids of several heads as one "head query key"; None where all see all."""
    if all(grid is None for grid in grids):
        return None
    rule = lambda n: np.stack([np.ones((n, n), dtype=bool) if grid is None else grid.at(n) for grid in grids])
    return grids[0] if len(set(grids)) == 1 else Seen(rule, "a grid for each head")


@lru_cache(maxsize=1024)
def _seen(given: Any) -> Seen | None:
    if isinstance(given, str):
        if given not in ("full", "causal"):
            raise ValueError(f"sees: got {given!r}, wanted 'full', 'causal', a pattern, a boolean grid or a function")
        return Seen(lambda n: np.tri(n, dtype=bool), given) if given == "causal" else None

    def rule(n: int) -> np.ndarray:
        if not callable(given):
            made = given.at(n) if hasattr(given, "at") else given
        elif len(inspect.signature(given).parameters) == 2:
            made = [[given(query, key) for key in range(n)] for query in range(n)]
        else:
            made = given(n)
        grid = np.asarray(getattr(made, "mask", made))
        if grid.shape != (n, n) or grid.dtype.kind not in "bi":
            raise ValueError(f"sees: got {grid.dtype} of shape {grid.shape}, wanted a boolean grid of {n} × {n} tokens")
        return grid.astype(bool)

    return Seen(rule, getattr(given, "name", None) or getattr(given, "__name__", "a drawn grid"))

"""One experiment of a lab: which models are trained, and the file of what they gave, which comes with seqlab.

A cell is one trained model, as a dict: what makes it the one it is (its pattern, its arm, its seed …) and what was
found. It looks the same whether it was trained just now or read from the file. A part is a list of cells that are
trained alike.

    experiment = Experiment(FILE, parts)        parts() → name → Part
    experiment.results()["copying"]["cells"]    what was measured once
    experiment.main()                           `python -m …`: train what the file lacks; never half a file
    by("pattern", "depth")(cells, "accuracy")   (pattern, depth) → one value per seed
    beats(values, others)                       better for every seed
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from seqlab.layers import parameters
from seqlab.train.fit import Model, fit, fresh

SEEDS = (0, 1, 2)


def train(
    make: Callable[[], Model], batches: Iterator[Tensor], *, seed: int, **options: Any
) -> tuple[Model, dict[str, object]]:
    """A fresh model, trained as `options` tell `fit`, and what every cell says of it.

    Same arguments, same result; the global generator is untouched. KeyboardInterrupt goes through: an interrupted run
    is no result.
    """
    model = fresh(make, seed)
    history = fit(model, batches, **options)
    if history.interrupted:
        raise KeyboardInterrupt
    return model, {"losses": history.loss, "parameters": parameters(model), "seconds": history.seconds}


def by(*names: str) -> Callable[..., dict]:
    """The function (cells, value) → {the named entries of a cell: one value per seed, in the order of the cells}."""

    def table(cells: Iterable[dict], value: str = "accuracy") -> dict:
        found: dict = {}
        for cell in cells:
            found.setdefault(itemgetter(*names)(cell), []).append(cell[value])
        return found

    return table


def beats(a: Sequence[float], b: Sequence[float], *, lower: bool = False, margin: float = 0.0) -> bool:
    """Is the worst seed of `a` better than the best seed of `b`, by more than `margin`? `lower`: smaller is better.

    If all seeds were draws of one distribution, three against three would still pass by luck once in twenty.
    """
    if len(a) < 2 or len(b) < 2:
        raise ValueError(f"a, b: got {len(a)} and {len(b)} seeds, wanted at least 2 each: one run has no spread")
    return max(a) < min(b) - margin if lower else min(a) > max(b) + margin


@dataclass(frozen=True)
class Part:
    """Models that are trained alike.

    run:      gives the cell of these values, called with them; its "losses" are kept as the mean of the last twenty
    names:    the entries of a cell that make it the one it is;  cells: their values, in this order
    setting:  what else the cells depend on; with another setting the part is measured anew
    """

    run: Callable[..., dict]
    names: tuple[str, ...]
    cells: Sequence[tuple]
    setting: dict


def seeded(cells: Iterable[tuple]) -> list[tuple]:
    """Each cell with each of `SEEDS` behind it, one seed of all cells after another."""
    cells = list(cells)
    return [(*cell, seed) for seed in SEEDS for cell in cells]


@dataclass(frozen=True)
class Experiment:
    """`file`: part → {"setting", "minutes", "cells"}, and "versions". A part named "" is the file itself."""

    file: Path
    parts: Callable[..., Mapping[str, Part]]

    def results(self) -> dict:
        """What was measured."""
        return json.loads(self.file.read_text(encoding="utf-8"))

    def measure(self, name: str, part: Part) -> None:
        """Run the cells of a part that the file lacks, and write after each."""
        setting, mine = json.loads(json.dumps(part.setting)), self._stored(name)
        if mine.get("setting") != setting:
            mine = {"setting": setting, "minutes": 0.0, "cells": []}
        done = {itemgetter(*part.names)(cell) for cell in mine["cells"]}
        for values in tqdm([cell for cell in part.cells if cell not in done], desc=name, unit="cell"):
            started = time.perf_counter()
            cell = part.run(*values)
            seconds = cell.setdefault("seconds", time.perf_counter() - started)
            if "losses" in cell:
                cell["loss"] = fmean(cell.pop("losses")[-20:])
            mine["cells"].append(_short(cell))
            mine["minutes"] = round(mine["minutes"] + seconds / 60, 3)
            self._write(name, mine)

    def main(self, arguments: Sequence[str] | None = None, **switches: dict) -> None:
        """Measure the parts that are named, all where none is. switches: further options of `parts`, for argparse."""
        parser = argparse.ArgumentParser(description=f"Measure what {self.file.name} lacks.")
        parser.add_argument("parts", nargs="*", help="which ones; all where none is named")
        for name, options in switches.items():
            parser.add_argument(f"--{name}", **options)
        chosen = vars(parser.parse_args(arguments))
        wanted = chosen.pop("parts")
        torch.set_num_threads(1)
        parts = self.parts(**chosen)
        for name in wanted or parts:
            self.measure(name, parts[name])

    def _stored(self, name: str = "") -> dict:
        stored = self.results() if self.file.exists() else {}
        return stored.get(name, {}) if name else stored

    def _write(self, name: str, part: dict) -> None:
        """The whole file or nothing, a cell a line; read anew, as others may have added other parts."""
        versions = dict(python=platform.python_version(), torch=torch.__version__, threads=torch.get_num_threads())
        stored = self._stored() | ({name: part} if name else part) | {"versions": versions}
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(stored, ensure_ascii=False).replace("}, {", "},\n{") + "\n", encoding="utf-8")
        new.replace(self.file)


def _short(value: object) -> object:
    """Floats to five significant digits, however deep."""
    if isinstance(value, dict):
        return {name: _short(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_short(inner) for inner in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value

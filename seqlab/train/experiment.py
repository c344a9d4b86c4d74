"""One experiment of a lab: which models are trained, and the file of what they gave, which comes with seqlab.

A cell is one trained model, as a dict: what makes it the one it is (its pattern, its arm, its seed …) and what was
found. It looks the same whether it was trained just now or read from the file. A part is a list of cells that are
trained alike.

    experiment = Experiment(FILE, parts)        parts() → name → Part
    experiment.results()["copying"]["cells"]    what was measured once
    main(experiment)                            `python -m seqlab.<room> --full`: trains what is missing
    by("pattern", "depth")(cells, "accuracy")   (pattern, depth) → one value per seed
    beats(values, others)                       better for every seed
"""

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from seqlab.layers import parameters
from seqlab.train import cluster
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

    def made(self, wanted: Iterable[tuple]) -> Iterator[dict]:
        """The cells of these values, one after the other, each with the seconds that it took."""
        for values in wanted:
            started = time.perf_counter()
            cell = self.run(*values)
            cell.setdefault("seconds", time.perf_counter() - started)
            yield cell


def seeded(cells: Iterable[tuple]) -> list[tuple]:
    """Each cell with each of `SEEDS` behind it, one seed of all cells after another."""
    cells = list(cells)
    return [(*cell, seed) for seed in SEEDS for cell in cells]


@dataclass(frozen=True)
class Experiment:
    """`file`: part → {"setting", "minutes", "cells"}, and "versions". A part named "" is the file itself."""

    file: Path
    parts: Callable[..., Mapping[str, Part]]  # stands in the module that has the experiment as EXPERIMENT

    def results(self) -> dict:
        """What was measured."""
        return json.loads(self.file.read_text(encoding="utf-8"))

    def lacking(self, name: str, part: Part) -> tuple[dict, list[tuple]]:
        """(what the file holds of a part, nothing where its setting is another; the cells that it lacks)."""
        setting, mine = json.loads(json.dumps(part.setting)), self._stored(name)
        if mine.get("setting") != setting:
            mine = {"setting": setting, "minutes": 0.0, "cells": []}
        done = {itemgetter(*part.names)(cell) for cell in mine["cells"]}
        return mine, [cell for cell in part.cells if cell not in done]

    def measure(self, name: str, part: Part, made: Callable[[list[tuple]], Iterator[dict]] | None = None) -> None:
        """Run the cells of a part that the file lacks, and write after each, in the order of the part.

        made: who runs them, in whatever order; here, one after the other, where nobody is named
        """
        mine, wanted = self.lacking(name, part)
        place = {values: at for at, values in enumerate(part.cells)}
        for cell in tqdm((made or part.made)(wanted), name or self.file.stem, len(wanted), unit="cell"):
            if "losses" in cell:
                cell["loss"] = fmean(cell.pop("losses")[-20:])
            mine["cells"].append(_short(cell))
            mine["cells"].sort(key=lambda one: place.get(itemgetter(*part.names)(one), -1))
            mine["minutes"] = round(mine["minutes"] + cell["seconds"] / 60, 3)
            self._write(name, mine)

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


def main(*experiments: Experiment, arguments: Sequence[str] | None = None, **switches: dict) -> None:
    """What the files of a room hold and lack, and what that took; `--full` measures what they lack.

    switches: further options of `parts`, for argparse
    """
    parser = argparse.ArgumentParser(description="What was measured; --full measures what is missing.")
    parser.add_argument("parts", nargs="*", help="which ones; all where none is named")
    parser.add_argument("--full", action="store_true", help="measure what is missing; may be interrupted at any time")
    parser.add_argument("--dask", metavar="ADDRESS", help="of a Dask scheduler, whose workers then measure")
    for name, options in switches.items():
        parser.add_argument(f"--{name}", **options)
    chosen = vars(parser.parse_args(arguments))
    wanted, full, address = (chosen.pop(name) for name in ("parts", "full", "dask"))
    torch.set_num_threads(1)
    every = [(one, name, part) for one in experiments for name, part in one.parts(**chosen).items()]
    known = [name or one.file.stem for one, name, _ in every]
    if unknown := set(wanted) - set(known):
        parser.error(f"no part {', '.join(unknown)}; wanted some of {', '.join(known)}")
    with ExitStack() as stack:
        client = stack.enter_context(cluster.connect(address)) if address and full else None
        for (one, name, part), label in zip(every, known):
            if full and (label in wanted or not wanted):
                away = client and partial(cluster.made, client, one.parts.__module__, chosen, name, part.setting)
                one.measure(name, part, away or None)
            mine, missing = one.lacking(name, part)
            print(
                f"{one.file.name:18}{label:20}{len(part.cells) - len(missing):4} of {len(part.cells):4} cells"
                f"{mine['minutes']:8.1f} minutes"
            )


def _short(value: object) -> object:
    """Floats to five significant digits, however deep."""
    if isinstance(value, dict):
        return {name: _short(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_short(inner) for inner in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value

"""Results that come with seqlab: measured cell by cell, resumable, never half a file.

A file holds parts; a part holds its setting, its minutes and its cells, one dict for each trained model.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from tqdm.auto import tqdm


def load(path: Path) -> dict:
    """What `measure` wrote: part → {"setting", "minutes", "cells"}, and "versions"."""
    return json.loads(path.read_text(encoding="utf-8"))


def measure(
    path: Path, part: str, setting: dict, names: Sequence[str], todo: Iterable[tuple], run: Callable[..., dict]
) -> None:
    """Run the cells that `path` lacks, and write after each; another setting begins the part anew.

    names:  the entries of a cell that make it the one it is;  todo: their values, in this order
    run:    called with these values; gives the cell, the names among its entries. Its "seconds", if it has them, are
            what counts towards the part's minutes, otherwise the clock's
    """
    mine = (load(path) if path.exists() else {}).get(part, {})
    if mine.get("setting") != setting:
        mine = {"setting": setting, "minutes": 0.0, "cells": []}
    done = {tuple(cell[name] for name in names) for cell in mine["cells"]}
    for cell in tqdm([cell for cell in todo if cell not in done], desc=part, unit="cell"):
        started = time.perf_counter()
        values = run(*cell)
        seconds = values.get("seconds", time.perf_counter() - started)
        mine["cells"].append(_short(values))
        mine["minutes"] = round(mine["minutes"] + seconds / 60, 3)
        versions = {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
        }
        write(
            path, (load(path) if path.exists() else {}) | {part: mine, "versions": versions}
        )  # others add other parts


def write(path: Path, stored: dict) -> None:
    """The whole file or nothing, a cell a line."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(stored, ensure_ascii=False).replace("}, {", "},\n{") + "\n", encoding="utf-8")
    fresh.replace(path)


def _short(value: object) -> object:
    """Floats to five significant digits, however deep."""
    if isinstance(value, dict):
        return {name: _short(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_short(inner) for inner in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value

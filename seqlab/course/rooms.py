"""The rooms of the house: a folder of `seqlab/` that holds exercises or claims is one, and nothing lists them."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path

from seqlab.course.check import Exercise

PACKAGE = Path(__file__).parents[1]
SIGNS = ("claims.toml", "exercises.py", "exercises/__init__.py")


def rooms() -> list[str]:
    """The names of all rooms."""
    return sorted(path.name for path in PACKAGE.iterdir() if any((path / sign).exists() for sign in SIGNS))


@cache
def exercises() -> dict[str, Exercise]:
    """All exercises, by id. An exercise is known by its id and by nothing else, wherever it stands."""
    asking = [room for room in rooms() if any((PACKAGE / room / sign).exists() for sign in SIGNS[1:])]
    modules = [importlib.import_module(f"seqlab.{room}.exercises") for room in asking]
    return {exercise.id: exercise for module in modules for exercise in module.EXERCISES}

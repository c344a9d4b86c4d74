"""The rooms of the house: a folder of `seqlab/` that holds exercises or claims is one, and nothing lists them."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path

from seqlab.course.check import Exercise

PACKAGE = Path(__file__).parents[1]


def rooms() -> list[str]:
    """The names of all rooms."""
    signs = ("claims.toml", "exercises.py", "exercises/__init__.py")
    return sorted(
        f.name for f in PACKAGE.iterdir() if f.name != "course" and any((f / sign).exists() for sign in signs)
    )


@cache
def exercises() -> dict[str, Exercise]:
    """All exercises, by id. An exercise is known by its id and by nothing else, wherever it stands."""
    modules = [
        importlib.import_module(f"seqlab.{room}.exercises")
        for room in rooms()
        if (PACKAGE / room / "exercises.py").exists() or (PACKAGE / room / "exercises").is_dir()
    ]
    return {exercise.id: exercise for module in modules for exercise in module.EXERCISES}

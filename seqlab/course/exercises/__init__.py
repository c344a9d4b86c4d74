"""All exercises, by id. An exercise is known by its id and by nothing else, wherever it stands."""

import importlib
import pkgutil

from seqlab.course import rooms

MODULES = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
EXERCISES = {exercise.id: exercise for module in MODULES for exercise in module.EXERCISES} | rooms.exercises()

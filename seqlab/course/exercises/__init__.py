"""All exercises, by id. An exercise is known by its id and by nothing else, wherever it stands."""

from seqlab.course.exercises import (
    names,
    sparse,
    sparse_shift,
    start,
    tiles,
    tiles_backward,
    universal,
    universal_names,
    weights,
)

MODULES = (start, weights, names, universal, universal_names, sparse, sparse_shift, tiles, tiles_backward)
EXERCISES = {exercise.id: exercise for module in MODULES for exercise in module.EXERCISES}

"""All exercises, by id. An exercise is known by its id and by nothing else, wherever it stands."""

from seqlab.course.exercises import (
    big_bird,
    looped,
    looped_moduli,
    looped_training,
    names,
    one_layer,
    one_layer_memory,
    sigmoid,
    sigmoid_theory,
    sparse,
    sparse_shift,
    start,
    tiles,
    tiles_backward,
    turing,
    universal,
    universal_names,
    weights,
)

MODULES = (
    start,
    weights,
    names,
    universal,
    universal_names,
    sparse,
    sparse_shift,
    tiles,
    tiles_backward,
    big_bird,
    turing,
    sigmoid,
    sigmoid_theory,
    one_layer,
    one_layer_memory,
    looped,
    looped_moduli,
    looped_training,
)
EXERCISES = {exercise.id: exercise for module in MODULES for exercise in module.EXERCISES}

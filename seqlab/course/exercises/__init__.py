"""All exercises, by id. An exercise is known by its id and by nothing else, wherever it stands."""

from seqlab.course.exercises import names, start, tiles, weights

EXERCISES = {exercise.id: exercise for module in (start, weights, names, tiles) for exercise in module.EXERCISES}

"""All exercises, by id. An exercise is known by its id and by nothing else, wherever it stands."""

from seqlab.course.exercises import names, start, weights

EXERCISES = {exercise.id: exercise for module in (start, weights, names) for exercise in module.EXERCISES}

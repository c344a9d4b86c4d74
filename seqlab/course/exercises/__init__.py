"""All exercises, by id. An exercise is known by its id and by nothing else, wherever it stands."""

from seqlab.course.exercises import names, sparse, start, tiles, universal, weights

EXERCISES = {
    exercise.id: exercise
    for module in (start, weights, names, universal, sparse, tiles)
    for exercise in module.EXERCISES
}

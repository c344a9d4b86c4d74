"""All exercises, by id. One module per lab; an exercise is known by its id and by nothing else."""

from seqlab.course.exercises import names, start

EXERCISES = {exercise.id: exercise for module in (start, names) for exercise in module.EXERCISES}

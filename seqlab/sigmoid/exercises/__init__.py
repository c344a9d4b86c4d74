"""The exercises of lab 06."""

from seqlab.sigmoid.exercises import theory, weights

EXERCISES = (*weights.EXERCISES, *theory.EXERCISES)

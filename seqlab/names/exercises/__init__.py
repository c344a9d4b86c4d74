"""The exercises of lab 01."""

from seqlab.names.exercises import contexts, weights

EXERCISES = (*weights.EXERCISES, *contexts.EXERCISES)

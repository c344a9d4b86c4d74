"""The exercises of lab 03."""

from seqlab.sparse.exercises import patterns, shift

EXERCISES = (*patterns.EXERCISES, *shift.EXERCISES)

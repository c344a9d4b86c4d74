"""The exercises of lab 08."""

from seqlab.tiles.exercises import backward, forward

EXERCISES = (*forward.EXERCISES, *backward.EXERCISES)

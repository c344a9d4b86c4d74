"""The exercises of lab 05."""

from seqlab.one_layer.exercises import boltzmann, memory

EXERCISES = (*boltzmann.EXERCISES, *memory.EXERCISES)

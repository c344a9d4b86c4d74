"""The exercises of lab 02."""

from seqlab.universal.exercises import blocks, names

EXERCISES = (*blocks.EXERCISES, *names.EXERCISES)

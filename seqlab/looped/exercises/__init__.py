"""The exercises of lab 07."""

from seqlab.looped.exercises import blocks, moduli

EXERCISES = (*blocks.EXERCISES, *moduli.EXERCISES)

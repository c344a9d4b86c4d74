"""Trainable looped transformers (Xu & Sato 2024), the tasks that want loops, and what was measured."""

from seqlab.looped_training.model import (
    Block,
    Clock,
    Config,
    LoopedTransformer,
    parameters,
    passes,
    residuals,
    rms,
    sinusoid,
)
from seqlab.looped_training.tasks import Pointers, Strings, edit_distance, lcs

__all__ = [
    "Block",
    "Clock",
    "Config",
    "LoopedTransformer",
    "Pointers",
    "Strings",
    "edit_distance",
    "lcs",
    "parameters",
    "passes",
    "residuals",
    "rms",
    "sinusoid",
]

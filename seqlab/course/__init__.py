"""The teaching loop: exercises with gates and hints, progress that survives, claims on record."""

import importlib

_HOME = {
    "gate": ("exercise", "hint", "solution"),
    "lab": ("begin", "choose", "claim", "claim_table", "has_triton", "receipts"),
    "overview": ("panel",),
    "teach": ("outcome", "paper", "predict", "recap"),
}
__all__ = [name for names in _HOME.values() for name in names]


def __getattr__(name: str) -> object:
    """Load each part when it is first used, so that reading claims does not bring torch along."""
    for module, names in _HOME.items():
        if name in names:
            return getattr(importlib.import_module(f"seqlab.course.{module}"), name)
    raise AttributeError(f"module 'seqlab.course' has no attribute {name!r}")

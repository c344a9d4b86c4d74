"""The teaching loop: exercises with gates and hints, progress that survives, claims on record."""

from seqlab.course.gate import exercise, hint, solution
from seqlab.course.lab import begin, choose, claim, receipts
from seqlab.course.panel import panel

__all__ = ["begin", "choose", "claim", "exercise", "hint", "panel", "receipts", "solution"]

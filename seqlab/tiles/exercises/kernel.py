"""What the exercises of lab 08 share: each is a Triton kernel, launched and watched by `seqlab.tiles.launch`."""

from collections.abc import Callable
from typing import Any

from seqlab.course.check import Exercise, Property
from seqlab.tiles.launch import Ran


def task(id: str, title: str, reference: Callable, run: Callable, *properties: Property, **rest: Any) -> Exercise:
    """An exercise whose answer is a kernel; `run` launches it."""
    return Exercise(id, title, reference, run=run, properties=(*SAFE, *properties), **{"look": told} | rest)


def told(ran: Ran, *_: object) -> object:
    """The output; where a launch did what it must not, that too."""
    wrong = (*ran.findings, ran.unwritten, ran.spoiled, ran.changed)
    return (ran.out, *wrong) if any(wrong) else ran.out


def once(ran: Ran, least: int) -> str | None:
    """That no more numbers are loaded than it takes."""
    if ran.loaded > least:
        return f"{ran.loaded:,} numbers are loaded, and {least:,} are enough: the rest was there before, and is slow."


def _stays(ran: Ran, *_: object) -> str | None:
    found = next((found for found in ran.findings if "outside" in found), None)
    return found and f"{found}. Which mask is missing, or too wide?"


def _alone(ran: Ran, *_: object) -> str | None:
    found = next((found for found in ran.findings if found.startswith("race")), None)
    return found and f"{found}. On a GPU both run at once, and which of them wins changes from run to run."


def _spares(ran: Ran, *_: object) -> str | None:
    if ran.spoiled:
        return f"{ran.spoiled} canaries, numbers between or around the rows of the output, were overwritten."


def _reads(ran: Ran, *_: object) -> str | None:
    if ran.changed:
        return f"{ran.changed} numbers of its inputs are others than before: is a store meant for the output?"


def _writes(ran: Ran, *_: object) -> str | None:
    if ran.unwritten:
        return f"{ran.unwritten} of {ran.out.numel()} places of the output still hold the poison they came with."


def _number(ran: Ran, *_: object) -> str | None:
    if bad := int(ran.out.isnan().sum()):
        return f"{bad} of {ran.out.numel()} numbers are NaN; look for 0/0, ∞ - ∞, or a load of what is none of yours."


SAFE = (
    ("stays inside its tensors", _stays),
    ("lets no two programs write to one place", _alone),
    ("leaves what lies around its output alone", _spares),
    ("leaves its inputs as they are", _reads),
    ("writes all of its output", _writes),
    ("is never NaN", _number),
)

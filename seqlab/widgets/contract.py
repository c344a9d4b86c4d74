"""The contract of every control: it can be moved over its extremes, no callback fails, and a picture stays behind."""

import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree

import ipywidgets
from IPython import get_ipython
from ipywidgets.widgets import widget_bool, widget_float, widget_int, widget_selection
from ipywidgets.widgets.widget import _instances
from traitlets.log import get_logger

from seqlab.widgets.attention_view import AttentionView

NUMBERS = (widget_int._BoundedInt, widget_float._BoundedFloat, ipywidgets.FloatLogSlider)
RANGES = (widget_int._BoundedIntRange, widget_float._BoundedFloatRange)
CHOICES = (widget_selection._Selection, widget_selection._MultipleSelection)
SHOWN_ONLY = (ipywidgets.IntProgress, ipywidgets.FloatProgress, ipywidgets.Valid)
CONTROLS = (*NUMBERS, *RANGES, *CHOICES, widget_bool._Bool, ipywidgets.Button, AttentionView)


class ContractError(AssertionError):
    """Callbacks of controls failed; the message names each control and carries each traceback."""


def controls() -> list[ipywidgets.Widget]:
    """All live controls of this process, in the order in which they were made; disabled ones are left out."""
    return [
        widget
        for widget in list(_instances.values())
        if isinstance(widget, CONTROLS)
        and not isinstance(widget, SHOWN_ONLY)
        and not getattr(widget, "disabled", False)
    ]


def sweep() -> list[str]:
    """Move each control over its extremes and back again; return the names of those that moved.

    Sliders go to their least, middle and largest value, choices through every option, checkboxes to both values, and
    buttons are clicked unless a handler has `_contract_skip = True`. Raises ContractError when a callback fails, even
    where an Output widget would have shown the error and gone on, and when a widget leaves no picture behind.
    """
    moved, failures = [], []
    for control in controls():
        with _caught() as caught:
            name, moves = _describe(control), list(_moves(control))
            for move in moves:
                try:
                    move()
                except Exception as error:
                    caught.append(error)
        moved += [name] if moves else []
        failures += [(f"{name} (widget {control.model_id})", error) for error in caught]
    for widget in list(_instances.values()):
        if hasattr(widget, "twin") and (problem := _picture(widget)):
            failures.append((_describe(widget), AssertionError(problem)))
    if failures:
        told = [f"{name}: {''.join(traceback.format_exception(error))}" for name, error in failures]
        raise ContractError(f"{len(failures)} callback(s) failed\n" + "\n".join(told)) from failures[0][1]
    return moved


def _picture(widget: ipywidgets.Widget) -> str:
    """What is wrong with the picture that a widget leaves in its MIME bundle; nothing at best."""
    made: Any = widget._repr_mimebundle_()
    bundle = made[0] if isinstance(made, tuple) else made
    if "image/png" in bundle:
        return ""
    try:
        ElementTree.fromstring(bundle["image/svg+xml"])
    except (KeyError, ElementTree.ParseError) as error:
        return f"no picture stays where no kernel answers ({type(error).__name__}: {error})"
    return ""


def _describe(control: ipywidgets.Widget) -> str:
    name = getattr(control, "description", "") or getattr(control, "title", "") or "no description"
    return f"{type(control).__name__} “{name}”"


def _moves(control: ipywidgets.Widget) -> Iterator[Callable]:
    """Calls that move the control, the last of which restores it."""
    if isinstance(control, ipywidgets.Button):
        handlers = list(control._click_handlers.callbacks)  # `click()` would swallow their errors
        if not any(getattr(handler, "_contract_skip", False) for handler in handlers):
            yield from (lambda handler=handler: handler(control) for handler in handlers)
        return
    for trait, values in _values(control):
        before = getattr(control, trait)
        for value in [*values, before]:
            yield lambda trait=trait, value=value: setattr(control, trait, value)


def _values(control: ipywidgets.Widget) -> list[tuple[str, list]]:
    if isinstance(control, AttentionView):
        return [
            (name, sorted({0, count // 2, count - 1}))
            for name, count in zip(("layer", "head"), control.shape)
            if count > 1
        ]
    if isinstance(control, ipywidgets.FloatLogSlider):
        low, high = control.min, control.max
        return [("value", [control.base**low, control.base ** ((low + high) / 2), control.base**high])]
    if isinstance(control, (*NUMBERS, *RANGES)):
        low, high = control.min, control.max
        middle = low + (high - low) // 2 if isinstance(low, int) and isinstance(high, int) else (low + high) / 2
        return [
            ("value", [(low, low), (low, high), (high, high)] if isinstance(control, RANGES) else [low, middle, high])
        ]
    if isinstance(control, widget_selection._MultipleSelection):
        everything = tuple(range(len(control._options_full or ())))
        return [("index", [(), everything, *((index,) for index in everything)])]
    if isinstance(control, widget_selection._Selection):
        return [("index", list(range(len(control._options_full or ()))))]
    return [("value", [True, False])]


@contextmanager
def _caught() -> Iterator[list[BaseException]]:
    """Collect errors that `interactive` and Output widgets would show and swallow."""
    errors: list[BaseException] = []
    shell: Any = get_ipython()
    log: Any = get_logger()

    class Listener(logging.Handler):
        def emit(self, record):
            if record.exc_info and record.exc_info[1]:
                errors.append(record.exc_info[1])

    def note(exc_tuple=None, **_):
        errors.append((exc_tuple or sys.exc_info())[1] or RuntimeError("an error without a name"))

    listener = Listener(logging.WARNING)
    log.addHandler(listener)
    if shell:
        shell.showtraceback = note  # an attribute of the instance hides the method
    try:
        yield errors
    finally:
        log.removeHandler(listener)
        if shell:
            del shell.showtraceback

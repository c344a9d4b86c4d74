"""Films: what a widget shows in every recorded position of its controls, so that a page replays it without a kernel.

A film is JSON: the tree of the widget, and states. A state says of each control where it stands and what it offers, and
of each part that may change what it shows; values that occur twice are kept once. A reader who moves a control comes to
the state in which that control alone has moved, or where `led` says that Python moved others too.
"""

import json
import math
import time
import zlib
from base64 import b64encode
from collections.abc import Iterator
from itertools import chain, combinations, product
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
from ipywidgets.widgets import widget_selection
from ipywidgets.widgets.widget import _instances

from seqlab.draw.svg import Markup, element

NUMBERS = (ipywidgets.IntSlider, ipywidgets.FloatSlider)
CHOICES = (widget_selection._Selection, ipywidgets.Checkbox)
TYPED = (ipywidgets.Text, ipywidgets.Textarea)
CONTROLS = (*NUMBERS, *CHOICES, *TYPED, ipywidgets.Button)
KINDS = {  # the first that a control is an instance of
    ipywidgets.Button: "button",
    ipywidgets.Checkbox: "check",
    ipywidgets.Dropdown: "select",
    ipywidgets.SelectionSlider: "range",
    widget_selection._Selection: "radio",
    TYPED: "text",
    NUMBERS: "range",
}
STATES, SWITCHES, SECONDS, CHARACTERS = 600, 6, 15.0, 6_000_000  # of one film, before it is packed


class Walk(ipywidgets.Button):
    """A button that moves other controls and does nothing else, so that a film can say where it leads."""


class Film:
    """Move the controls of a widget, write down what it shows, and put them back.

    All switches in every combination, up to 2⁶; all combinations of everything, up to STATES; else every control by
    itself, and every two of them; until CHARACTERS are spent, or `seconds` of its own work, however busy the machine
    is. `missing`: how many moves were left out.
    """

    def __init__(self, widget: Any, seconds: float = SECONDS):
        self.widget, self.controls, self.parts = widget, [], []
        self.tree = self._grow(widget)
        self.states, self.led, self.pool, self.missing, self.blocked = {}, {}, {}, 0, False
        self.end = time.process_time() + seconds
        self.moving = [at for at, control in enumerate(self.controls) if isinstance(control, (*NUMBERS, *CHOICES))]
        self.start, home = self._note(), self._key()
        for plan in self._plans():
            if self._late() or not self._to(home):
                self.missing += 1
            else:
                for at, place in chain.from_iterable(plan):
                    self._go(at, place)
        self._to(home)

    def packed(self) -> str:
        """The film as text: JSON, deflated, in base64."""
        film = {
            "tree": self.tree,
            "kinds": [next(name for kind, name in KINDS.items() if isinstance(one, kind)) for one in self.controls],
            "start": self.start,
            "states": self.states,
            "led": self.led,
            "pool": [json.loads(value) for value in self.pool],
            "missing": self.missing,
        }
        return b64encode(zlib.compress(json.dumps(film, separators=(",", ":")).encode(), 9)).decode()

    def _grow(self, widget: Any) -> dict | None:
        """The tree of what is shown; controls and changing parts are numbered on the way."""
        if isinstance(widget, ipywidgets.Box):
            inside = [node for child in widget.children if (node := self._grow(child))]
            return {"row": isinstance(widget, ipywidgets.HBox), "of": inside}
        if isinstance(widget, CONTROLS):
            self.controls.append(widget)
            return {"control": len(self.controls) - 1}
        if isinstance(widget, ipywidgets.HTML) or hasattr(widget, "alone"):
            self.parts.append(widget)
            code = ("alone", "_esm", "_css") if hasattr(widget, "alone") else ()
            return {"part": len(self.parts) - 1} | {name.strip("_"): str(getattr(widget, name)) for name in code}
        return None  # such as a file, which nobody here could read

    def _plans(self) -> Iterator[Iterator[tuple]]:
        """Walks from the start, the most telling ones first; a walk is a sequence of steps (control, place)."""
        counts = {at: _count(self.controls[at]) for at in self.moving}
        switches = [at for at in self.moving if isinstance(self.controls[at], ipywidgets.Checkbox)][:SWITCHES]
        grid = lambda some: (tuple(zip(some, places)) for places in product(*(range(counts[at]) for at in some)))
        wholes = [self.moving] if math.prod(counts.values()) <= STATES else combinations(self.moving, 2)
        for some in (switches, *([at] for at in self.moving)):
            yield grid(some)
        for some in wholes:
            if math.prod(counts[at] for at in some) <= STATES:
                self.blocked = False
                yield grid(some)
                if self.blocked:  # one of them is off where another stands: come from the other side too
                    yield grid(some[::-1])

    def _go(self, at: int, place: int) -> None:
        """What a reader does: one control to one place; noted where it is new."""
        control, key = self.controls[at], self._key()
        self.blocked |= control.disabled
        if key[at] == place or place >= _count(control) or control.disabled or self._late():
            self.missing += self._late()
            return
        wanted = [*key[:at], place, *key[at + 1 :]]
        _move(control, place)
        if (led := self._note()) != (name := _name(wanted)):
            self.led[f"{at} {name}"] = led

    def _late(self) -> bool:
        return time.process_time() > self.end or sum(map(len, self.pool)) > CHARACTERS

    def _key(self) -> list:
        return [_place(control) for control in self.controls]

    def _note(self) -> str:
        """The state as it is now, and where buttons that only move controls lead from here."""
        key = self._key()
        if (name := _name(key)) not in self.states:
            offers, shown = map(_offer, self.controls), (_shown(part) for part in self.parts)
            self.states[name] = [[*map(self._keep, offers)], [*map(self._keep, shown)]]
            for at, button in enumerate(self.controls):
                if isinstance(button, Walk) and not button.disabled:
                    button.click()
                    self.led[f"{at} {name}"] = _name(self._key())
                    self._to(key)
        return name

    def _keep(self, value: object) -> int:
        return self.pool.setdefault(json.dumps(value), len(self.pool))

    def _to(self, key: list) -> bool:
        """All controls to where they stood; whether they now stand there. Some move others, hence more than once."""
        for _ in range(3):
            for control, place in zip(self.controls, key):
                if _place(control) != place:
                    _move(control, place)
        return self._key() == key


def playing(film: str, twin: str) -> Markup:
    """A packed film as HTML; the twin stands there until it plays, and where nothing does."""
    inside = element("div", Markup(twin), class_="seqlab-still"), element("script", film, type="text/plain")
    return element("div", inside, class_="seqlab-film")


def shoot(path: str | Path) -> None:
    """Record all widgets of this process that stand by themselves: {model id: film} in the file at `path`."""
    everything = list(_instances.values())
    inner = {child for widget in everything for child in getattr(widget, "children", ())}
    whole = [widget for widget in everything if getattr(widget, "filmed", False) and widget not in inner]
    films = {widget.model_id: Film(widget) for widget in whole}
    kept = {name: {"film": film.packed(), "missing": film.missing} for name, film in films.items()}
    Path(path).write_text(json.dumps(kept), encoding="utf-8")


def _count(control: Any) -> int:
    """How many places a control has."""
    if issubclass(type(control), NUMBERS):
        return 1 + round((control.max - control.min) / control.step)
    return len(control.options) if issubclass(type(control), widget_selection._Selection) else 2


def _place(control: Any) -> int | str:
    """Where a control stands: its place, or what is written in it."""
    if issubclass(type(control), NUMBERS):
        return round((control.value - control.min) / control.step)
    if issubclass(type(control), CHOICES):
        return int(control.value) if issubclass(type(control), ipywidgets.Checkbox) else control.index
    return control.value if issubclass(type(control), TYPED) else ""


def _move(control: Any, place: Any) -> None:
    if issubclass(type(control), widget_selection._Selection):
        control.index = place
    elif issubclass(type(control), NUMBERS):
        control.value = min(control.min + place * control.step, control.max)
    elif issubclass(type(control), (*TYPED, ipywidgets.Checkbox)):
        control.value = type(control.value)(place)


def _offer(control: Any) -> dict:
    """What a control says of itself now."""
    told: dict[str, Any] = {"label": control.description if hasattr(control, "description") else ""}
    if isinstance(control, NUMBERS):
        told |= {"count": _count(control), "low": control.min, "step": control.step}
    elif isinstance(control, widget_selection._Selection):
        told["options"] = list(control._options_labels)
    dead = isinstance(control, ipywidgets.Button) and not isinstance(control, Walk)
    return told | {"off": control.disabled or dead, "hidden": control.layout.display == "none"}


def _shown(part: Any) -> object:
    """What a part shows: HTML, or the data of a widget that runs its own code."""
    html = isinstance(part, ipywidgets.HTML)
    return part.value if html else {name: _plain(value) for name, value in part.film().items()}


def _name(key: list) -> str:
    """A state's name, as JavaScript writes the same list."""
    return json.dumps(key, separators=(",", ":"), ensure_ascii=False)


def _plain(value: Any) -> object:
    """Bytes and arrays as base64, which the page hands on as a DataView."""
    if isinstance(value, np.ndarray):
        value = value.tobytes()
    return {"bytes": b64encode(value).decode()} if isinstance(value, bytes | memoryview) else value

"""What views share: controls above, a picture that follows them below, and the picture as the static twin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import ipywidgets

from seqlab.colours import RED
from seqlab.draw.svg import Inside, Markup, element

BREAK = Markup("<br>")


class View(ipywidgets.VBox):
    """Rows of controls, a message where something cannot be used, and a picture.

    A row is a control, or several side by side in a tuple. Without a kernel the message and the picture remain.
    """

    def __init__(self, *rows: ipywidgets.Widget | tuple):
        self.error, self.picture, self.still = ipywidgets.HTML(), ipywidgets.HTML(), False
        wrap = {"flex_flow": "row wrap"}
        above = [ipywidgets.HBox(row, layout=wrap) if isinstance(row, tuple) else row for row in rows]
        super().__init__([*above, self.error, self.picture])

    def watch(self, call: Callable[[], object], *controls: ipywidgets.Widget) -> None:
        """`call()` whenever one of the controls changes, but within `held()`."""
        for control in controls:
            control.observe(lambda _: None if self.still else call(), "value")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Several controls change as one; whoever changes them draws afterwards."""
        before, self.still = self.still, True
        try:
            yield
        finally:
            self.still = before

    def refuse(self, why: str) -> None:
        """Say above the picture, which stays, what could not be used."""
        self.error.value = element("div", f"✗ {why}", role="alert", style=f"color:{RED}")

    def twin(self) -> str:
        """What is left where no kernel answers, as HTML."""
        return self.error.value + self.picture.value

    def _repr_mimebundle_(self, **options: object) -> dict:
        return super()._repr_mimebundle_(**options) | {"text/html": self.twin()}


def status(*lines: Inside, **look: object) -> Markup:
    """What a picture says in words, a line each; a screen reader speaks it whenever it changes."""
    parted = [(BREAK if at else "", line) for at, line in enumerate(lines)]
    return element("div", parted, **{"role": "status", "style": "line-height:1.6;flex:1 1 22em"} | look)


def side_by_side(*parts: Inside) -> Markup:
    """Pictures and words beside one another, below one another on a narrow page."""
    return element("div", parts, style="display:flex;flex-wrap:wrap;gap:1.2em 2em;align-items:flex-start")


def bold(words: Inside) -> Markup:
    """Words that matter."""
    return element("b", words)


def wide(width: float, label: float = 8) -> dict:
    """The widths of a control and of its label, in em."""
    return {"layout": {"width": f"{width}em"}, "style": {"description_width": f"{label}em"}}

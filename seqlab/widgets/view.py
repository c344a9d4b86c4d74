"""What views share: controls above, a picture that follows them below, and the picture as the static twin."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ipywidgets

from seqlab.colours import RED
from seqlab.draw.svg import Inside, Markup, element
from seqlab.widgets.still import Saved

BREAK, WRAP = Markup("<br>"), {"flex_flow": "row wrap"}


class Beside(dict):
    """Controls by name that stand side by side."""


class View(Saved, ipywidgets.VBox):
    """Controls, a message where something cannot be used, and a picture; the last two remain where no kernel answers.

    Controls come by name and become attributes; those of a dict stand below one another, those of a Beside side by
    side.
    """

    def __init__(self, *groups: Mapping[str, ipywidgets.Widget]):
        self.error, self.picture, self.still, above = ipywidgets.HTML(), ipywidgets.HTML(), False, []
        for group in groups:
            for name, control in group.items():
                setattr(self, name, control)
            controls = [*group.values()]
            above += [ipywidgets.HBox(controls, layout=WRAP)] if isinstance(group, Beside) else controls
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


def status(*lines: Inside, **look: Any) -> Markup:
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

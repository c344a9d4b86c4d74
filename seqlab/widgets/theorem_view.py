"""A theorem with its switches: tick a box, break a hypothesis, read the verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import ipywidgets

from seqlab.theorem import Verdict


class TheoremView(ipywidgets.VBox):
    """Checkboxes that break hypotheses, and the verdict of `check(**{name: broken})` below them.

    switches: {name of the argument of `check`: label beside the box}; all start unbroken (False).
    """

    def __init__(self, check: Callable[..., Verdict], switches: Mapping[str, str]):
        self.check = check
        self.boxes = {
            name: ipywidgets.Checkbox(value=False, description=label, indent=False, layout={"width": "auto"})
            for name, label in switches.items()
        }
        self.shown = ipywidgets.HTML()
        for box in self.boxes.values():
            box.observe(self._judge, "value")
        super().__init__([*self.boxes.values(), self.shown])
        self._judge()

    def _judge(self, _: object = None) -> None:
        self.verdict = self.check(**{name: box.value for name, box in self.boxes.items()})
        self.shown.value = f"<div role='status'>{self.verdict._repr_html_()}</div>"

    def _repr_mimebundle_(self, **options: object) -> dict:
        return super()._repr_mimebundle_(**options) | {"text/html": self.shown.value}

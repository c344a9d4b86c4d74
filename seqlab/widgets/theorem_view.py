"""A theorem with its switches: tick a box, break a hypothesis, read the verdict."""

from collections.abc import Callable, Mapping

import ipywidgets

from seqlab.draw.svg import Markup
from seqlab.theorem import Verdict
from seqlab.widgets.view import View, status


class TheoremView(View):
    """Checkboxes that break hypotheses, and the verdict of `check(**{name: broken})` below them.

    switches: {name of the argument of `check`: label beside the box}; all start unbroken (False).
    """

    def __init__(self, check: Callable[..., Verdict], switches: Mapping[str, str]):
        self.check = check
        self.boxes = {
            name: ipywidgets.Checkbox(value=False, description=label, indent=False, layout={"width": "auto"})
            for name, label in switches.items()
        }
        super().__init__(dict(self.boxes))
        self.watch(self._judge, *self.boxes.values())
        self._judge()

    def _judge(self) -> None:
        self.verdict = self.check(**{name: box.value for name, box in self.boxes.items()})
        self.picture.value = status(Markup(self.verdict._repr_html_()))

"""The opening of lab 13: a text of one's own under the microscope, one head at a time."""

from __future__ import annotations

from collections.abc import Mapping

import ipywidgets

from seqlab.microscope.measures import census, fewest
from seqlab.microscope.trace import Specimen
from seqlab.widgets.attention_view import AttentionView
from seqlab.widgets.view import Beside, View, bold, status, wide


class TextView(View):
    """A model, a text, the weights of its heads, and a line on what the head that is shown does with the text."""

    def __init__(self, specimens: Mapping[str, Specimen], layer: int = 0, head: int = 0):
        self.specimens, first = specimens, next(iter(specimens.values()))
        self.trace = first.read(first.example)
        super().__init__(
            Beside(
                model=ipywidgets.Dropdown(options=[*specimens], description="model", **wide(16, 4)),
                text=ipywidgets.Text(first.example, description="text", continuous_update=False, **wide(48, 4)),
            ),
            {"view": AttentionView(self.trace.weights, self.trace.tokens, layer=layer, head=head, scale="one")},
        )
        self.watch(self._take, self.model)
        self.watch(self._draw, self.text)
        self.view.observe(lambda _: None if self.still else self._tell(), ["layer", "head"])
        self._draw()

    def _take(self) -> None:
        with self.held():
            self.text.value = self.specimens[self.model.value].example
        self._draw()

    def _draw(self) -> None:
        try:
            trace = self.specimens[self.model.value].read(self.text.value)
            with self.held():
                self.view.show(trace.weights, trace.tokens)
        except ValueError as problem:
            return self.refuse(str(problem))
        self.trace, self.error.value, self.view.title = trace, "", f"Attention of the {self.model.value} model"
        self._tell()

    def _tell(self) -> None:
        """What the head that is shown does."""
        at = slice(self.view.layer, self.view.layer + 1), slice(self.view.head, self.view.head + 1)
        hard, flat, sigmoid = census(self.trace.scores[at])[0, 0].tolist()
        weights, n = self.trace.weights[at][0], len(self.trace.tokens)
        previous = weights.diagonal(-1, 1, 2).sum() / max(n - 1, 1)
        self.picture.value = status(
            bold(f"Layer {self.view.layer}, head {self.view.head}. "),
            f"Share of its weight that would have to move to make it hardmax: {hard:.0%}; an average: {flat:.0%}; "
            f"a sigmoid with one bias: {sigmoid:.0%}.",
            f"On the token before: {previous:.0%} of the weight. 99 % of it lie on {int(fewest(weights, 0.99))} of the "
            f"{n * n:,} connections.",
        )

    def twin(self) -> str:
        return self.view.twin() + super().twin()

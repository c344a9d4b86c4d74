"""One matrix of scores, many ways to turn it into weights."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets
from jaxtyping import Float
from torch import Tensor

from seqlab.attention import Normalizer, average, hardmax, sigmoid, softmax
from seqlab.widgets.attention_view import AttentionView

CHOICES = ("softmax", "hardmax", "sigmoid", "average")


class NormalizerView(ipywidgets.VBox):
    """A choice of normalizers and an inverse temperature beta above the weights that they make of `scores`."""

    def __init__(
        self,
        scores: Float[Tensor, "query key"],
        tokens: Sequence[str] | None = None,
        *,
        key_tokens: Sequence[str] | None = None,
    ):
        self.scores = scores
        self.choice = ipywidgets.ToggleButtons(options=CHOICES, description="weights by", style={"button_width": "6em"})
        self.beta = ipywidgets.FloatSlider(
            value=1.0, min=0.0, max=10.0, step=0.1, description="beta", layout={"width": "34em"}
        )
        self.view = AttentionView(self._weights(), tokens, key_tokens=key_tokens, title="Weights", scale="one")
        self.choice.observe(self._draw, "value")
        self.beta.observe(self._draw, "value")
        super().__init__([self.choice, self.beta, self.view])

    def _weights(self) -> Tensor:
        """beta scales the scores of softmax and sigmoid; hardmax and the average do not feel it."""
        return self._normalizer()(self.scores * self.beta.value if self.choice.value == "sigmoid" else self.scores)

    def _normalizer(self) -> Normalizer:
        makers = {
            "softmax": lambda: softmax(self.beta.value),
            "hardmax": hardmax,
            "sigmoid": sigmoid,
            "average": average,
        }
        return makers[self.choice.value]()

    def _draw(self, _: object = None) -> None:
        self.beta.disabled = self.choice.value in ("hardmax", "average")
        self.view.weights = self._weights()

    def _repr_mimebundle_(self, **options: object) -> dict:
        return super()._repr_mimebundle_(**options) | {"text/html": self.view.twin()}

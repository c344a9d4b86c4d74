"""One matrix of scores, many ways to turn it into weights."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets
from jaxtyping import Float
from torch import Tensor

from seqlab.attention import average, hardmax, sigmoid, softmax
from seqlab.widgets.attention_view import AttentionView
from seqlab.widgets.view import View, wide

CHOICES = ("softmax", "hardmax", "sigmoid", "average")


class NormalizerView(View):
    """A choice of normalizers and an inverse temperature beta above the weights that they make of `scores`."""

    def __init__(
        self,
        scores: Float[Tensor, "query key"],
        tokens: Sequence[str] | None = None,
    ):
        self.scores = scores
        self.choice = ipywidgets.ToggleButtons(options=CHOICES, description="weights by", style={"button_width": "6em"})
        self.beta = ipywidgets.FloatSlider(value=1.0, min=0.0, max=10.0, step=0.1, description="beta", **wide(34, 6))
        self.view = AttentionView(self._weights(), tokens, title="Weights", scale="one")
        super().__init__({"choice": self.choice, "beta": self.beta, "view": self.view})
        self.watch(self._draw, self.choice, self.beta)

    def _weights(self) -> Tensor:
        """beta scales the scores of softmax and sigmoid; hardmax and the average do not feel it."""
        beta = self.beta.value
        return {
            "softmax": lambda: softmax(beta)(self.scores),
            "hardmax": lambda: hardmax()(self.scores),
            "sigmoid": lambda: sigmoid()(self.scores * beta),
            "average": lambda: average()(self.scores),
        }[self.choice.value]()

    def _draw(self) -> None:
        self.beta.disabled = self.choice.value in ("hardmax", "average")
        self.view.weights = self._weights()

    def twin(self) -> str:
        return self.view.twin()

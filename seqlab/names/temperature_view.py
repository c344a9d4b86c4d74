"""The temperature slider: one head names tokens, from the average over Boltzmann to hardmax."""

from __future__ import annotations

import math
from collections.abc import Sequence

import ipywidgets
import torch
from jaxtyping import Float
from torch import Tensor

from seqlab.contextual import contextual_mapping
from seqlab.names import figures
from seqlab.names.separation import BETAS, names_and_weights, subsets
from seqlab.widgets.attention_view import AttentionView


class TemperatureView(ipywidgets.VBox):
    """A slider over the inverse temperature beta; the weights of one set, and the names of all sets on a line."""

    def __init__(self, tokens: Sequence[int] = (1, 2, 3, 4, 5), size: int = 3, beta: float = 1.0):
        if beta not in BETAS:
            raise ValueError(f"beta: got {beta}, wanted one of {BETAS}")
        self.x = subsets(tokens, size)
        self.sets = [tuple(map(int, row)) for row in self.x.tolist()]
        self.slider = ipywidgets.SelectionSlider(
            options=[(_word(b), b) for b in BETAS],
            value=beta,
            description="beta",
            layout={"width": "34em"},
            continuous_update=True,
        )
        self.which = ipywidgets.Dropdown(
            options=[(str(s), at) for at, s in enumerate(self.sets)], value=0, description="weights of"
        )
        self.view = AttentionView(
            torch.ones(size, size) / size, [str(t) for t in self.sets[0]], title="Weights", scale="one"
        )
        self.line = ipywidgets.HTML()
        self.slider.observe(self._draw, "value")
        self.which.observe(self._draw, "value")
        super().__init__([self.slider, ipywidgets.HBox([ipywidgets.VBox([self.which, self.view]), self.line])])
        self._draw()

    def _draw(self, _: object = None) -> None:
        names, weights = names_and_weights(self.x, self.slider.value)
        chosen = self.which.value
        self.view.show(weights[chosen], [str(token) for token in self.sets[chosen]])
        self.line.value = self.picture(names)

    def picture(self, names: Float[Tensor, "set token"]) -> str:
        """HTML: the verdict in a sentence, and the names on a line, one row per token value."""
        verdict = contextual_mapping(names, self.sets, "set")
        flat = names.flatten().tolist()
        values = sorted({token for s in self.sets for token in s})
        places = [(token, s) for s in self.sets for token in s]
        labels = [f"token {token} among {s}" for token, s in places]
        distinct = len(set(flat))
        sentence = f"beta {_word(self.slider.value)}: {distinct} different names for {len(flat)} (token, set) pairs; closest two {verdict.margin:.2g} apart"
        line = figures.number_line(flat, labels, [values.index(token) for token, _ in places])
        return f"<div role='status'><b>{'✓' if verdict else '✗'} {sentence}</b></div>{line}"

    def _repr_mimebundle_(self, **options: object) -> dict:
        bundle = super()._repr_mimebundle_(**options)
        return bundle | {"text/html": self.line.value}


def _word(beta: float) -> str:
    return {0.0: "0 (average)", math.inf: "∞ (hardmax)"}.get(beta, f"{beta:g}")

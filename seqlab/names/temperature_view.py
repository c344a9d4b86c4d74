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
from seqlab.widgets.view import View, bold, status, wide


class TemperatureView(View):
    """A slider over the inverse temperature beta; the weights of one set, and the names of all sets on a line."""

    def __init__(self, tokens: Sequence[int] = (1, 2, 3, 4, 5), size: int = 3):
        self.x = subsets(tokens, size)
        self.sets = [tuple(map(int, row)) for row in self.x.tolist()]
        options = [(_word(b), b) for b in BETAS]
        named = [(str(s), at) for at, s in enumerate(self.sets)]
        equal, labels = torch.ones(size, size) / size, list(map(str, self.sets[0]))
        super().__init__(
            dict(
                slider=ipywidgets.SelectionSlider(options=options, value=1.0, description="beta", **wide(34, 6)),
                which=ipywidgets.Dropdown(options=named, value=0, description="weights of"),
                view=AttentionView(equal, labels, title="Weights", scale="one"),
            )
        )
        weights = ipywidgets.VBox([self.which, self.view])
        self.children = [self.slider, ipywidgets.HBox([weights, self.picture])]
        self.watch(self._draw, self.slider, self.which)
        self._draw()

    def _draw(self) -> None:
        names, weights = names_and_weights(self.x, self.slider.value)
        chosen = self.which.value
        self.view.show(weights[chosen], list(map(str, self.sets[chosen])))
        self.picture.value = self.told(names)

    def told(self, names: Float[Tensor, "set token"]) -> str:
        """HTML: the verdict in a sentence, and the names on a line, one row per token value."""
        verdict = contextual_mapping(names, self.sets, "set")
        flat = names.flatten().tolist()
        values = sorted({token for s in self.sets for token in s})
        places = [(token, s) for s in self.sets for token in s]
        labels = [f"token {token} among {s}" for token, s in places]
        line = figures.number_line(flat, labels, [values.index(token) for token, _ in places])
        sentence = (
            f"{'✓' if verdict else '✗'} beta {_word(self.slider.value)}: {len(set(flat))} different names for "
            f"{len(flat)} (token, set) pairs; closest two {verdict.margin:.2g} apart"
        )
        return status(bold(sentence)) + line


def _word(beta: float) -> str:
    return {0.0: "0 (average)", math.inf: "∞ (hardmax)"}.get(beta, f"{beta:g}")

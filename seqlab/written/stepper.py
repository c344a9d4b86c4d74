"""Step through any program: tokens as columns, coordinates by name, who attends to whom in this layer, what moved."""

from typing import Any

import ipywidgets
import numpy as np

from seqlab.colours import BLUE, GREY, ORANGE
from seqlab.draw.svg import Markup, joined, line, picture, text
from seqlab.widgets.film import Walk
from seqlab.widgets.view import Beside, View, status, wide
from seqlab.written.program import Program

CELL, LEFT, DEEP, ROW = 92, 128, 84, 24
SHOWN = 24  # coordinates in the table; those that move come first


class Stepper(View):
    """One sequence on its way through a program, a layer at a time: a slider that the arrow keys move, and two buttons.

    Raises ValueError for more than one sequence.
    """

    def __init__(self, program: Program, tokens: Any, step: int = 1):
        self.program, self.run = program, program.trace(tokens)
        if len(self.run.states[0]) != 1:
            raise ValueError(f"tokens: got {len(self.run.states[0])} sequences, wanted one to step through")
        last = len(self.run.states) - 1
        slider = ipywidgets.IntSlider(min(step, last), min=0, max=last, description="layers done", **wide(34, 7))
        back = Walk(description="◀ layer", tooltip="one layer back; from the start to the end")
        on = Walk(description="layer ▶", tooltip="one layer on; from the end to the start")
        self.step: Any = slider
        super().__init__(dict(step=slider), Beside(back=back, next=on))
        for button, by in ((back, -1), (on, 1)):
            button.on_click(lambda _, by=by: self.step.set_trait("value", (self.step.value + by) % (self.step.max + 1)))
        self.watch(lambda: self._draw(), self.step)
        self._draw()

    def _draw(self) -> None:
        at = self.step.value
        now, before = self.run.states[at][0], self.run.states[max(at - 1, 0)][0]
        heads = [weights[0] for weights in self.run.weights[at - 1]] if at else []
        who = [f"{self.program.names[name]} of token {token}" for token, name in np.argwhere(now != before).tolist()]
        more = f" and {len(who) - 6} more" if len(who) > 6 else ""
        moved = f"{', '.join(who[:6])}{more} moved." if who else "nothing moved."
        did = f"{self.run.labels[at] or 'a layer'}. {len(heads)} head{'s' * (len(heads) != 1)}"
        told = f"Step {at} of {self.step.max}: {did}; {moved}"
        high = 30 + DEEP * len(heads) + ROW * (min(len(self.program.names), SHOWN) + 1)
        lines = [_looks(k, weights) for k, weights in enumerate(heads)]
        table = self._table(now, before, 30 + DEEP * len(heads))
        self.picture.value = joined([status(told), picture(told, LEFT + CELL * len(now), high, lines, table)])

    def _table(self, now: np.ndarray, before: np.ndarray, top: float) -> list[Markup]:
        """A row for each coordinate; what moved is orange, bold, and marked with ←."""
        cells = [text(_across(k), top, f"token {k}", fill=GREY) for k in range(len(now))]
        order = sorted(range(now.shape[1]), key=lambda name: not (now[:, name] != before[:, name]).any())
        for row, name in enumerate(sorted(order[:SHOWN]), 1):
            cells.append(text(4, top + ROW * row, self.program.names[name], anchor="start"))
            for k, (value, old) in enumerate(zip(now[:, name], before[:, name])):
                words = str(value) if len(str(value)) < 12 else f"{float(value):.4g}"
                look: Any = dict(fill=ORANGE, font_weight="bold") if value != old else {}
                cells.append(text(_across(k), top + ROW * row, words + (" ←" if look else ""), **look))
        return cells


def _across(token: int) -> float:
    return LEFT + CELL * (token + 0.5)


def _looks(head: int, weights: np.ndarray) -> list[Markup]:
    """Keys above, queries below, a line for each weight that is not 0."""
    top = 14 + DEEP * head
    lines = [text(4, top + DEEP / 2, f"head {head}", anchor="start")]
    for query, key in np.argwhere(weights != 0).tolist():
        told = f"query {query} takes {weights[query, key]} of key {key}"
        ends, thick = (_across(key), top, _across(query), top + DEEP - 22), 1 + 2 * float(weights[query, key])
        lines.append(line(*ends, stroke=BLUE, stroke_width=thick, tip=told))
    return lines

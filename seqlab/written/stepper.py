"""Step through any program: tokens as columns, coordinates by name, who attends to whom in this layer, what moved."""

from __future__ import annotations

import html

import ipywidgets
import numpy as np

from seqlab.colours import BLUE, GREY, ORANGE
from seqlab.written.program import Program

CELL, LEFT, DEEP, ROW = 92, 128, 84, 24
SHOWN = 24  # coordinates in the table; those that move come first


class Stepper(ipywidgets.VBox):
    """One sequence on its way through a program, a layer at a time: a slider that the arrow keys move, and two buttons.

    Raises ValueError for more than one sequence.
    """

    def __init__(self, program: Program, tokens: object, step: int = 1):
        self.program, self.run = program, program.trace(tokens)
        if len(self.run.states[0]) != 1:
            raise ValueError(f"tokens: got {len(self.run.states[0])} sequences, wanted one to step through")
        last = len(self.run.states) - 1
        wide = {"layout": {"width": "34em"}, "style": {"description_width": "7em"}}
        self.step = ipywidgets.IntSlider(min(step, last), min=0, max=last, description="layers done", **wide)
        self.back = ipywidgets.Button(description="◀ layer", tooltip="one layer back")
        self.next = ipywidgets.Button(description="layer ▶", tooltip="one layer on")
        self.picture = ipywidgets.HTML()
        self.back.on_click(lambda _: self._turn(-1))
        self.next.on_click(lambda _: self._turn(1))
        self.step.observe(self._draw, "value")
        super().__init__([self.step, ipywidgets.HBox([self.back, self.next]), self.picture])
        self._draw()

    def _turn(self, by: int) -> None:
        self.step.value = min(max(self.step.value + by, 0), self.step.max)

    def _draw(self, _: object = None) -> None:
        at = self.step.value
        now, before = self.run.states[at][0], self.run.states[max(at - 1, 0)][0]
        heads = [weights[0] for weights in self.run.weights[at - 1]] if at else []
        moved = [(token, name) for token, row in enumerate(now != before) for name in np.flatnonzero(row).tolist()]
        told = f"Step {at} of {self.step.max}: {self.run.labels[at] or 'a layer'}. " + self._sentence(heads, moved)
        svg = "".join(self._head(k, weights) for k, weights in enumerate(heads)) + self._table(now, before, len(heads))
        high = 30 + DEEP * len(heads) + ROW * (min(len(self.program.names), SHOWN) + 1)
        wide = LEFT + CELL * len(now)
        self.picture.value = (
            f"<div role='status'>{html.escape(told)}</div><svg role='img' aria-label='{html.escape(told, True)}' "
            f"viewBox='0 0 {wide} {high}' style='width:100%;max-width:{wide}px;font-family:sans-serif'>{svg}</svg>"
        )

    def _sentence(self, heads: list[np.ndarray], moved: list[tuple[int, int]]) -> str:
        who = [f"{self.program.names[name]} of token {token}" for token, name in moved]
        more = f" and {len(who) - 6} more" if len(who) > 6 else ""
        return f"{len(heads)} heads; " + (f"{', '.join(who[:6])}{more} moved." if who else "nothing moved.")

    def _head(self, k: int, weights: np.ndarray) -> str:
        """Keys above, queries below, a line for each weight that is not 0."""
        top, across = 14 + DEEP * k, lambda token: LEFT + CELL * (token + 0.5)
        lines = [_text(4, top + DEEP / 2, f"head {k}", "start")]
        for query, key in np.argwhere(weights != 0).tolist():
            told = f"<title>query {query} takes {weights[query, key]} of key {key}</title>"
            ends = f"x1='{across(key):.0f}' y1='{top}' x2='{across(query):.0f}' y2='{top + DEEP - 22}'"
            thick = 1 + 2 * float(weights[query, key])
            lines.append(f"<line {ends} stroke='{BLUE}' stroke-width='{thick:.1f}'>{told}</line>")
        return "".join(lines)

    def _table(self, now: np.ndarray, before: np.ndarray, heads: int) -> str:
        """A row for each coordinate; what moved is orange, bold, and marked with ←."""
        top = 30 + DEEP * heads
        cells = [_text(LEFT + CELL * (k + 0.5), top, f"token {k}", colour=GREY) for k in range(len(now))]
        order = sorted(range(now.shape[1]), key=lambda name: not (now[:, name] != before[:, name]).any())
        for row, name in enumerate(sorted(order[:SHOWN]), 1):
            cells.append(_text(4, top + ROW * row, self.program.names[name], "start"))
            for k, (value, old) in enumerate(zip(now[:, name], before[:, name])):
                text, moved = str(value) if len(str(value)) < 12 else f"{float(value):.4g}", value != old
                style = dict(colour=ORANGE, weight="bold") if moved else {}
                cells.append(_text(LEFT + CELL * (k + 0.5), top + ROW * row, text + (" ←" if moved else ""), **style))
        return "".join(cells)

    def _repr_mimebundle_(self, **options: object) -> dict:
        return super()._repr_mimebundle_(**options) | {"text/html": self.picture.value}


def _text(
    x: float, y: float, text: str, anchor: str = "middle", colour: str = "currentColor", weight: str = "normal"
) -> str:
    style = f"text-anchor='{anchor}' fill='{colour}' font-weight='{weight}' font-size='12'"
    return f"<text x='{x:.0f}' y='{y:.0f}' {style}>{html.escape(text)}</text>"

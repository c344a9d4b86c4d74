"""The packed block at work: every coordinate of a token, loop by loop, as a map with a slider."""

import itertools
from collections.abc import Sequence
from itertools import accumulate

import ipywidgets
import numpy as np

from seqlab.colours import BLUE, ORANGE
from seqlab.draw import svg
from seqlab.looped.packed import Packed
from seqlab.widgets.view import status
from seqlab.written.stepper import Stepper

STAGES = ("token ids", "sequence id", "values")
LEFT, WIDE, ROW, TOP = 215, 480, 26, 30
MEANS = {
    "x": "what is left of the number",
    "y": "the value",
    "z": "the cell",
    "acc": "the sequence id",
    "used": "below 0: was fetched",
    "found": "the largest id",
    "one": "a constant",
    "tau": "a counter of loops",
    "in2": "flag: stage 2 began",
    "in3": "flag: stage 3 began",
    "theta": "the digits that are left",
    "run": "the running value",
    "k - t": "steps that are left in stage 3",
}


class StateView(Stepper):
    """Coordinate × loop of one token of the packed block; the slider marks a loop, and its numbers stand at the right.

    Each row is coloured from its own least to its own largest number. The last row, k - t, is no coordinate: the third
    stage reads it as 2 δ^-Nd z + acc - tau, where tau counts loops.
    """

    def __init__(self, made: Packed, x: Sequence[Sequence], loop: int = 0):
        self.made = made
        self.token = ipywidgets.ToggleButtons(options=range(len(x)), description="token")
        super().__init__(made.program, [x], loop)
        self.step.description, self.back.description, self.next.description = "loop", "◀ loop", "loop ▶"
        self.watch(self._draw, self.token)
        self.children = [self.children[0], self.token, *self.children[1:]]

    def _rows(self) -> dict[str, np.ndarray]:
        """Name → its number after each loop."""
        states = np.stack([state[0, self.token.value] for state in self.run.states])
        rows = dict(zip(self.program.names, states.T))
        t, rest = self.made.table, rows["acc"] - rows["tau"] + (0 if self.program.clock else sum(self.made.stages[:2]))
        return rows | {"k - t": 2 * t.columns**t.length * rows["z"] + rest}

    def _draw(self) -> None:
        at, last, rows, ends = self.step.value, self.step.max, self._rows(), [0, *accumulate(self.made.stages)]
        stage = next((name for name, end in zip(STAGES, ends[1:]) if at <= end), STAGES[-1])
        moved = [name for name, row in rows.items() if at and row[at] != row[at - 1]]
        who = f"{', '.join(moved) or 'nothing'} of token {self.token.value} moved" if at else "before the first loop"
        told = f"Loop {at} of {last}, stage {STAGES.index(stage) + 1} ({stage}): {who}."
        bottom, x = TOP + ROW * len(rows), lambda loop: LEFT + WIDE * loop / (last + 1)
        parts = []
        for k, (a, b) in enumerate(itertools.pairwise(ends), 1):
            parts.append(svg.text((x(a + 1) + x(b + 1)) / 2, 14, f"stage {k}" if k > 2 else f"{k}", 11))
            parts.append(svg.line(x(a + 1), 20, x(a + 1), bottom, stroke_dasharray="2 2"))
        for y, (name, row) in zip(itertools.count(TOP, ROW), rows.items()):
            low, span, loop = min(row), max(row) - min(row) or 1, 0
            means = MEANS.get(name) or MEANS[name.rstrip("0123456789")]
            parts += [svg.text(4, y + 17, name, 13, "start"), svg.text(50, y + 17, means, 11, "start", opacity=0.75)]
            for value, same in itertools.groupby(row):
                long, shade = len([*same]), 0.06 + 0.94 * float((value - low) / span)
                tip = f"{name} = {float(value):.4g} after loops {loop} to {loop + long - 1}"
                parts.append(svg.rect(x(loop), y + 2, x(long) - LEFT, ROW - 4, fill=BLUE, fill_opacity=shade, tip=tip))
                loop += long
            shown = str(row[at]) if len(str(row[at])) < 9 else f"{float(row[at]):.4g}"
            look = {"fill": ORANGE, "font_weight": "bold"} if name in moved else {}
            shown += " ←" if name in moved else ""
            parts.append(svg.text(LEFT + WIDE + 8, y + 17, shown, 12, "start", **look))
        parts.append(svg.rect(x(at), TOP - 6, x(1) - LEFT, bottom - TOP + 8, stroke=ORANGE, stroke_width=2.5))
        words = f"after loop 0 to {last}; the darker, the larger for its row"
        parts.append(svg.text(LEFT + WIDE / 2, bottom + 18, words, 11))
        self.picture.value = svg.joined([status(told), svg.picture(told, LEFT + WIDE + 90, bottom + 24, parts)])

"""One row of scores, softmax beside sigmoid: move a score, and see which weights move with it."""

import math
from collections.abc import Sequence

import ipywidgets
import torch
from jaxtyping import Float
from torch import Tensor

from seqlab.colours import BLUE, GREY, ORANGE
from seqlab.draw.svg import Inside, Markup, line, picture, rect, text
from seqlab.widgets.view import View, bold, side_by_side, status, wide

SHOWN = 6
LENGTHS = (6, 16, 64, 256, 1024, 4096)
START = (0.5, -1.0, 1.5, 0.0, -0.5, 1.0)
WIDTH, HEIGHT, BAR = 300, 194, 34


class CouplingView(View):
    """Six keys of a row of n, whose scores are yours to move; the other n - 6 have scores from N(0, 1) that stay.

    Dashed outlines are the weights before anything was moved, at the same n and b.
    """

    def __init__(self, seed: int = 0):
        self.others = torch.randn(LENGTHS[-1] - SHOWN, generator=torch.Generator().manual_seed(seed))
        self.scores = list(START)
        look = wide(34, 6)
        super().__init__(
            dict(
                which=ipywidgets.ToggleButtons(
                    options=[(f"key {at + 1}", at) for at in range(SHOWN)],
                    value=2,
                    description="move",
                    style={"button_width": "4.5em"},
                ),
                score=ipywidgets.FloatSlider(value=START[2], min=-8, max=8, step=0.1, description="its score", **look),
                length=ipywidgets.SelectionSlider(options=LENGTHS, value=LENGTHS[0], description="n, keys", **look),
                bias=ipywidgets.Checkbox(value=False, description="sigmoid with b = -log n", indent=False),
            ),
        )
        self.watch(self._choose, self.which)
        self.watch(self._move, self.score)
        self.watch(self._draw, self.length, self.bias)
        self._draw()

    def row(self, scores: Sequence[float]) -> Float[Tensor, "key"]:
        """All n scores, the first six as given."""
        return torch.cat([torch.tensor(scores), self.others[: self.length.value - SHOWN]])

    def weights(self, scores: Sequence[float]) -> dict[str, Float[Tensor, "key"]]:
        """All n weights by softmax and by sigmoid, for these scores of the six keys."""
        row, bias = self.row(scores), math.log(self.length.value) if self.bias.value else 0.0
        return {"softmax": row.softmax(0), "sigmoid": (row - bias).sigmoid()}

    def _choose(self) -> None:
        with self.held():
            self.score.value = self.scores[self.which.value]
        self._draw()

    def _move(self) -> None:
        self.scores[self.which.value] = self.score.value
        self._draw()

    def _draw(self) -> None:
        now, before = self.weights(self.scores), self.weights(START)
        panels = [self._panel(name, now[name], before[name]) for name in now]
        self.picture.value = side_by_side(*panels) + status(*self._told(now, before))

    def _panel(self, name: str, now: Tensor, before: Tensor) -> Markup:
        top, floor = max(now[:SHOWN].max().item(), before[:SHOWN].max().item(), 1e-12), HEIGHT - 48
        marks = [
            text(0, 14, f"{name}: the row sums to {now.sum():.3g}", 13, "start", font_weight="bold"),
            line(0, floor, WIDTH, floor, opacity=0.4),
            text(0, HEIGHT - 4, "key, score below", 10, "start", opacity=0.75),
        ]
        for at in range(SHOWN):
            x, chosen, score = 12 + at * (BAR + 13), at == self.which.value, self.scores[at]
            height, ghost = ((floor - 34) * weights[at].item() / top for weights in (now, before))
            tip = f"key {at + 1}: score {score:.1f}, weight {now[at]:.4f}, before {before[at]:.4f}"
            look = {"fill": ORANGE, "stroke": "currentColor", "stroke_width": 2} if chosen else {"fill": BLUE}
            middle = x + BAR / 2
            marks += [
                rect(x, floor - height, BAR, height, tip=tip, **look),
                rect(x - 3, floor - ghost, BAR + 6, ghost, stroke=GREY, stroke_dasharray="4 3"),
                text(middle, floor - max(height, ghost) - 5, f"{now[at]:.2g}", 10),
                text(middle, floor + 14, f"{'▲ ' if chosen else ''}{at + 1}", 11),
                text(middle, floor + 28, f"{score:+.1f}", 10, opacity=0.75),
            ]
        alt = f"{name}: " + ", ".join(f"key {at + 1} {now[at]:.3g}" for at in range(SHOWN))
        return picture(alt, WIDTH, HEIGHT, marks)

    def _told(self, now: dict[str, Tensor], before: dict[str, Tensor]) -> list[Inside]:
        n, row = self.length.value, self.row(self.scores)
        still = torch.ones(n, dtype=torch.bool)
        still[:SHOWN] = torch.tensor(self.scores) == torch.tensor(START)
        moved = {name: (now[name] - before[name])[still].abs() for name in now}
        told = lambda by: f": {int((by > 0).sum()):,} of the {len(by):,} weights you did not touch have moved"
        far = lambda by: f", in all by {by.sum():.3g}." if by.any() else "."
        lines = [(bold(name), told(by), far(by)) for name, by in moved.items()]
        if still.all():
            lines = ["Move a score. Which of the other five weights move with it?"]
        sums = (
            f"n = {n:,}: sigmoid rows sum to {row.sigmoid().sum():.4g} with b = 0, to "
            f"{(row - math.log(n)).sigmoid().sum():.3g} with b = -log n = {-math.log(n):.2f}; softmax rows always to 1."
        )
        return [*lines, sums]

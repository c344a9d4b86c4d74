"""One row of scores, softmax beside sigmoid: move a score, and see which weights move with it."""

from __future__ import annotations

import math

import ipywidgets
import torch
from jaxtyping import Float
from torch import Tensor

from seqlab.colours import BLUE, GREY, ORANGE

SHOWN = 6
LENGTHS = (6, 16, 64, 256, 1024, 4096)
START = (0.5, -1.0, 1.5, 0.0, -0.5, 1.0)
WIDTH, HEIGHT, BAR = 300, 194, 34


class CouplingView(ipywidgets.VBox):
    """Six keys of a row of n, whose scores are yours to move; the other n - 6 have scores from N(0, 1) that stay.

    Dashed outlines are the weights before anything was moved, at the same n and b.
    """

    def __init__(self, seed: int = 0):
        self.others = torch.randn(LENGTHS[-1] - SHOWN, generator=torch.Generator().manual_seed(seed))
        self.scores = list(START)
        self.which = ipywidgets.ToggleButtons(
            options=[(f"key {at + 1}", at) for at in range(SHOWN)],
            value=2,
            description="move",
            style={"button_width": "4.5em"},
        )
        wide = {"layout": {"width": "34em"}, "style": {"description_width": "6em"}}
        self.score = ipywidgets.FloatSlider(value=START[2], min=-8, max=8, step=0.1, description="its score", **wide)
        self.length = ipywidgets.SelectionSlider(options=LENGTHS, value=LENGTHS[0], description="n, keys", **wide)
        self.bias = ipywidgets.Checkbox(value=False, description="sigmoid with b = -log n", indent=False)
        self.picture = ipywidgets.HTML()
        self.which.observe(self._choose, "value")
        self.score.observe(self._move, "value")
        for control in (self.length, self.bias):
            control.observe(self._draw, "value")
        super().__init__([self.which, self.score, self.length, self.bias, self.picture])
        self._draw()

    def weights(self, scores: list[float] | tuple[float, ...]) -> dict[str, Float[Tensor, key]]:
        """All n weights by softmax and by sigmoid, for these scores of the six keys."""
        n = self.length.value
        row = torch.cat([torch.tensor(scores), self.others[: n - SHOWN]])
        return {"softmax": row.softmax(0), "sigmoid": (row - (math.log(n) if self.bias.value else 0.0)).sigmoid()}

    def _choose(self, _: object) -> None:
        self.score.value = self.scores[self.which.value]
        self._draw()

    def _move(self, _: object) -> None:
        self.scores[self.which.value] = self.score.value
        self._draw()

    def _draw(self, _: object = None) -> None:
        now, before = self.weights(self.scores), self.weights(START)
        panels = "".join(self._panel(name, now[name], before[name]) for name in now)
        self.picture.value = f"<div style='display:flex;gap:2em;flex-wrap:wrap'>{panels}</div>{self._told(now, before)}"

    def _panel(self, name: str, now: Tensor, before: Tensor) -> str:
        top = max(now[:SHOWN].max().item(), before[:SHOWN].max().item(), 1e-12)
        floor, marks = HEIGHT - 48, []
        for at in range(SHOWN):
            x, chosen = 12 + at * (BAR + 13), at == self.which.value
            height, ghost = ((floor - 34) * weights[at].item() / top for weights in (now, before))
            fill, edge = (ORANGE, "currentColor") if chosen else (BLUE, "none")
            marks.append(
                f"<rect x='{x}' y='{floor - height:.1f}' width='{BAR}' height='{height:.1f}' fill='{fill}' stroke='{edge}' stroke-width='2'>"
                f"<title>key {at + 1}: score {self.scores[at]:.1f}, weight {now[at]:.4f}, before {before[at]:.4f}</title></rect>"
                f"<rect x='{x - 3}' y='{floor - ghost:.1f}' width='{BAR + 6}' height='{ghost:.1f}' fill='none' stroke='{GREY}' stroke-dasharray='4 3'/>"
                f"<text x='{x + BAR / 2}' y='{floor - max(height, ghost) - 5:.1f}' font-size='10' text-anchor='middle' fill='currentColor'>{now[at]:.2g}</text>"
                f"<text x='{x + BAR / 2}' y='{floor + 14}' font-size='11' text-anchor='middle' fill='currentColor'>{'▲ ' if chosen else ''}{at + 1}</text>"
                f"<text x='{x + BAR / 2}' y='{floor + 28}' font-size='10' text-anchor='middle' fill='currentColor' opacity='.75'>{self.scores[at]:+.1f}</text>"
            )
        alt = f"{name}: " + ", ".join(f"key {at + 1} {now[at]:.3g}" for at in range(SHOWN))
        return (
            f"<svg role='img' aria-label='{alt}' viewBox='0 0 {WIDTH} {HEIGHT}' style='width:{WIDTH}px;max-width:100%;font-family:sans-serif'>"
            f"<text x='0' y='14' font-size='13' font-weight='bold' fill='currentColor'>{name}: the row sums to {now.sum():.3g}</text>"
            f"<line x1='0' x2='{WIDTH}' y1='{floor}' y2='{floor}' stroke='currentColor' opacity='.4'/>{''.join(marks)}"
            f"<text x='0' y='{HEIGHT - 4}' font-size='10' fill='currentColor' opacity='.75'>key, score below</text></svg>"
        )

    def _told(self, now: dict[str, Tensor], before: dict[str, Tensor]) -> str:
        moved = [at for at in range(SHOWN) if self.scores[at] != START[at]]
        still = torch.ones(self.length.value, dtype=torch.bool)
        still[moved] = False
        n, lines = self.length.value, []
        if moved:
            for name in now:
                change = (now[name] - before[name])[still].abs()
                text = f"{int((change > 0).sum()):,} of the {int(still.sum()):,} weights you did not touch have moved"
                if change.numel() and change.max() > 0:
                    text += f", in all by {change.sum():.3g}"
                lines.append(f"<b>{name}</b>: {text}.")
        else:
            lines.append("Move a score. Which of the other five weights move with it?")
        plain = torch.cat([torch.tensor(self.scores), self.others[: n - SHOWN]])
        lines.append(
            f"n = {n:,}: sigmoid rows sum to {plain.sigmoid().sum():.4g} with b = 0, to {(plain - math.log(n)).sigmoid().sum():.3g} with b = -log n = {-math.log(n):.2f}; softmax rows always to 1."
        )
        return f"<div role='status' style='line-height:1.7'>{'<br>'.join(lines)}</div>"

    def _repr_mimebundle_(self, **options: object) -> dict:
        return super()._repr_mimebundle_(**options) | {"text/html": self.picture.value}

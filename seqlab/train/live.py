"""The loss as it falls."""

from __future__ import annotations

import time

import plotly.graph_objects as go
from IPython.display import display

from seqlab.colours import BLUE, RED
from seqlab.draw.figures import bundle, figure
from seqlab.train.fit import History


def loss_curve(history: History, *, reference: float | None = None, steps: int | None = None) -> go.Figure:
    """Training loss against the step; `reference` is drawn as a dashed line."""
    stride = max(1, len(history.loss) // 300)
    x, y = history.step[::stride], history.loss[::stride]
    last = history.loss[-1] if history.loss else float("nan")
    alt = (
        f"Training loss falls from {history.loss[0]:.2f} to {last:.2f} nats a character in {history.steps} steps."
        if history.loss
        else "No step yet."
    )
    picture = figure(
        "Training loss",
        "step",
        "nats per character",
        alt,
        go.Scatter(x=x, y=y, mode="lines", line={"color": BLUE}, name="this run"),
        height=300,
        xaxis={"range": [0, steps or history.steps or 1]},
    )
    if reference is not None:
        picture.add_hline(
            y=reference, line={"dash": "dash", "color": RED}, annotation_text="the checkpoint, on text it never saw"
        )
    return picture


class LiveLoss:
    """A watcher for `fit`: the loss as it falls, redrawn in place at most twice a second.

    While it runs the picture is a plain SVG, because JupyterLab does not redraw a plotly figure that is updated; the
    last update puts the plotly figure in its place.
    """

    def __init__(self, steps: int, reference: float | None = None):
        self.steps, self.reference = steps, reference
        self.handle, self.drawn = None, 0.0

    def __call__(self, history: History) -> None:
        now, done = time.monotonic(), history.steps == self.steps
        if self.handle is not None and not done and now - self.drawn < 0.5:
            return
        self.drawn = now
        shown = (
            bundle(loss_curve(history, reference=self.reference, steps=self.steps)) if done else self._sketch(history)
        )
        if self.handle is None:
            self.handle = display(shown, raw=True, display_id=True)
        else:
            self.handle.update(shown, raw=True)

    def _sketch(self, history: History) -> dict:
        width, height, left = 640, 200, 46
        top = max(history.loss)
        low = min(history.loss + [self.reference or 0.0])
        span = (top - low) or 1.0
        points = [
            (left + (width - left) * step / self.steps, 10 + (height - 40) * (top - loss) / span)
            for step, loss in zip(history.step, history.loss)
        ]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        alt = f"Step {history.steps} of {self.steps}: {history.loss[-1]:.2f} nats per character."
        return {
            "text/html": f'<svg role="img" aria-label="{alt}" viewBox="0 0 {width} {height}" style="width:100%;max-width:{width}px;'
            f'font:12px sans-serif"><polyline points="{line}" fill="none" stroke="{BLUE}" stroke-width="2"/>'
            f'<circle cx="{points[-1][0]:.1f}" cy="{points[-1][1]:.1f}" r="4" fill="{BLUE}"/>'
            f'<text x="0" y="14" fill="currentColor">{top:.2f}</text><text x="0" y="{height - 28}" fill="currentColor">{low:.2f}</text>'
            f'<text x="{left}" y="{height - 6}" fill="currentColor">{alt}</text></svg>',
            "text/plain": alt,
        }

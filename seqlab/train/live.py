"""The loss as it falls."""

import time

import plotly.graph_objects as go
from IPython.display import display

from seqlab.colours import BLUE
from seqlab.draw.figures import bundle
from seqlab.draw.plots import lines
from seqlab.draw.sketch import chart
from seqlab.train.fit import History


def loss_curve(history: History, *, reference: float | None = None, steps: int | None = None) -> go.Figure:
    """Training loss against the step; `reference` is drawn as a dashed line."""
    stride = max(1, len(history.loss) // 300)
    alt = "No step yet."
    if history.loss:
        first, last = history.loss[0], history.loss[-1]
        alt = f"Training loss falls from {first:.2f} to {last:.2f} nats a character in {history.steps} steps."
    return lines(
        "Training loss",
        {"title": "step", "range": [0, steps or history.steps or 1]},
        "nats per character",
        {"this run": history.loss[::stride]},
        history.step[::stride],
        alt=alt,
        marks=False,
        levels={} if reference is None else {"the checkpoint, on text it never saw": reference},
        height=300,
    )


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
        final = lambda: bundle(loss_curve(history, reference=self.reference, steps=self.steps))
        shown = final() if done else self._sketch(history)
        if self.handle is None:
            self.handle = display(shown, raw=True, display_id=True)
        else:
            self.handle.update(shown, raw=True)

    def _sketch(self, history: History) -> dict:
        told = f"Step {history.steps} of {self.steps}: {history.loss[-1]:.2f} nats per character"
        rows = [("this run", list(zip(history.step, history.loss)), {"stroke": BLUE})]
        return {"text/html": chart(told, "nats per character", rows, last=self.steps), "text/plain": told}

"""The training microscope: train a small model with one change at a time; loss and norms move while it learns."""

from __future__ import annotations

import asyncio
import html
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import ipywidgets

from seqlab.colours import BLUE, GREEN, GREY, ORANGE, PURPLE
from seqlab.sigmoid import modalities
from seqlab.sigmoid.modalities import SHIPPED
from seqlab.sigmoid.telemetry import MEASURES

WIDTH, HEIGHT, KEPT = 430, 240, 3
LOOKS = ((BLUE, ""), (ORANGE, "7 4"), (GREEN, "2 3"))  # newest run first


@dataclass
class Curve:
    """One line of the microscope: a run of yours, or one that came with seqlab."""

    name: str
    task: str
    variant: str
    loss: Sequence
    probed: Sequence
    probes: dict[str, Sequence]
    number: int = 0  # 0: came with seqlab
    steps: int = 0  # planned, by which the learning rate falls

    def layer(self, measure: str, layer: int) -> list[tuple[int, float]]:
        """(step, value) of one layer; the stream has its embedding in front."""
        at = layer if measure == "residual norm" else layer - 1
        return [(step, layers[at]) for step, layers in zip(self.probed, self.probes[measure]) if at < len(layers)]


class MicroscopeView(ipywidgets.VBox):
    """Choose a task and a variant, then Run: the loss at the left, one measure of one layer at the right.

    Thin lines came with seqlab (seed 0): softmax, and the chosen variant. Thick lines are your last three runs; a
    sentence says in what the last two differ. In a notebook the run gives way every quarter of a second, so Stop and
    all other controls work meanwhile; without a running event loop Run returns when it is done.
    """

    def __init__(self, task: str = "speech", variant: str = "sigmoid"):
        self.shipped, self.runs, self.current = modalities.results(), [], None
        tasks = modalities.modalities()
        narrow = {"style": {"description_width": "5em"}, "layout": {"width": "20em"}}
        self.task = ipywidgets.Dropdown(options=list(tasks), value=task, description="task", **narrow)
        self.variant = ipywidgets.Dropdown(options=self._variants(task), value=variant, description="variant", **narrow)
        self.steps = ipywidgets.IntSlider(
            value=tasks[task].steps, min=20, max=tasks[task].steps, step=10, description="steps", **narrow
        )
        self.measure = ipywidgets.Dropdown(options=SHIPPED, value="mixed norm", description="right", **narrow)
        self.layer = ipywidgets.IntSlider(value=1, min=1, max=tasks[task].config.layers, description="layer", **narrow)
        self.run = ipywidgets.Button(description="Run", icon="play", button_style="primary")
        self.stop = ipywidgets.Button(description="Stop", icon="stop", disabled=True)
        self.clear = ipywidgets.Button(description="Forget my runs", icon="trash", disabled=True)
        self.picture, self.status = ipywidgets.HTML(), ipywidgets.HTML()
        self.task.observe(self._choose_task, "value")
        for control in (self.variant, self.measure, self.layer, self.steps):
            control.observe(self._draw, "value")
        self.run.on_click(self._run)
        self.stop.on_click(self._stop)
        self.clear.on_click(self._clear)
        rows = (self.task, self.variant, self.steps), (self.measure, self.layer, self.run, self.stop, self.clear)
        wrap = {"flex_flow": "row wrap"}
        super().__init__([*(ipywidgets.HBox(row, layout=wrap) for row in rows), self.picture, self.status])
        self.said = "Nothing run yet. Choose a variant, then press Run."
        self._draw()

    def start(self) -> Iterator[None]:
        """One run, driven by whoever iterates: it draws itself and keeps its curve in `runs`. Nothing while another runs."""
        if self.run.disabled:
            return
        task, variant, steps = self.task.value, self.variant.value, self.steps.value
        self.stopping, self.run.disabled, self.stop.disabled, self.clear.disabled = False, True, False, True
        number = 1 + max((curve.number for curve in self.runs), default=0)
        drawn = 0.0
        try:
            _, training = modalities.start(modalities.modalities()[task], variant, 0, steps=steps)
            for run in training:
                loss = list(enumerate(run.smooth(), 1))
                curve = Curve(f"run {number}: {variant}", task, variant, loss, run.probed, run.probes, number, steps)
                self.runs = [curve, *(other for other in self.runs if other.number != number)][:KEPT]
                if time.monotonic() - drawn > 0.25 or run.done:
                    self.said = f"Step {len(run.loss)} of {steps}" + (
                        f": {curve.loss[-1][1]:.3f} nats." if run.loss else "."
                    )
                    self._draw()
                    drawn = time.monotonic()
                    yield
                if self.stopping:
                    self.said = f"Stopped after step {len(run.loss)} of {steps}."
                    break
            else:
                self.said = (
                    f"Run {number}, {variant}: {curve.loss[-1][1]:.3f} nats after {steps} steps, {run.seconds:.0f} s."
                )
        except FloatingPointError as error:
            self.said = f"✗ {variant}: {error}."
        finally:
            self.run.disabled, self.stop.disabled, self.clear.disabled = False, True, not self.runs
            self._draw()

    def _run(self, _: object) -> None:
        if self.run.disabled:  # a second click, sent before the button was seen to be off
            return
        run = self.start()
        next(run, None)  # here, not in the task: whatever is clicked from now on meets a run that has begun
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            for _ in run:
                pass
        else:
            self.current = loop.create_task(self._drive(run))

    async def _drive(self, run: Iterator[None]) -> None:
        await asyncio.sleep(0.02)  # let the kernel read what was clicked
        for _ in run:
            await asyncio.sleep(0.02)

    def _stop(self, _: object) -> None:
        self.stopping = True

    def _clear(self, _: object) -> None:
        self.runs, self.clear.disabled, self.said = [], True, "Your runs are forgotten."
        self._draw()

    def _variants(self, task: str) -> tuple[str, ...]:
        return modalities.modalities()[task].variants

    def _choose_task(self, _: object) -> None:
        self.stopping = True
        task, variants = modalities.modalities()[self.task.value], self._variants(self.task.value)
        kept = self.variant.value if self.variant.value in variants else "sigmoid"
        self.variant.options, self.variant.value = variants, kept
        self.steps.max, self.layer.max = task.steps, task.config.layers
        self.steps.value = task.steps
        self._draw()

    def curves(self) -> list[Curve]:
        """What is drawn: softmax and the chosen variant as shipped, then the kept runs of this task, newest first."""
        task, wanted = self.task.value, dict.fromkeys(("softmax", self.variant.value))
        shipped = [
            Curve(f"shipped: {cell['variant']}", task, cell["variant"], cell["curve"], cell["probed"], cell["probes"])
            for name in wanted
            for cell in self.shipped.get(task, {"cells": []})["cells"]
            if cell["variant"] == name and cell["seed"] == 0
        ]
        return shipped + [curve for curve in self.runs if curve.task == task]

    def _draw(self, _: object = None) -> None:
        curves, measure, layer = self.curves(), self.measure.value, self.layer.value
        charts = (
            _chart("Loss while training (mean of 10 steps)", "nats", [(c, c.loss) for c in curves]),
            _chart(
                f"{measure}, layer {layer}", MEASURES[measure], [(c, c.layer(measure, layer)) for c in curves], log=True
            ),
        )
        self.picture.value = (
            f"<div style='display:flex;gap:1.5em;flex-wrap:wrap'>{''.join(charts)}</div>{_legend(curves)}"
        )
        self.status.value = (
            f"<div role='status' style='line-height:1.6'>{'<br>'.join(map(html.escape, self._told()))}</div>"
        )

    def _told(self) -> list[str]:
        task, variant, steps = self.task.value, self.variant.value, self.steps.value
        pace = [cell["seconds"] for cell in self.shipped.get(task, {"cells": []})["cells"] if "seconds" in cell]
        about = f", about {min(pace) * steps / modalities.modalities()[task].steps:.0f} s" if pace else ""
        lines = [self.said, f"Run would train {task}, {variant}, for {steps} steps{about}."]
        mine = [curve for curve in self.runs if curve.task == task]
        if len(mine) > 1:
            lines.append(_difference(mine[0], mine[1]))
        return lines

    def _repr_mimebundle_(self, **options: object) -> dict:
        return super()._repr_mimebundle_(**options) | {"text/html": self.picture.value + self.status.value}


def _difference(new: Curve, old: Curve) -> str:
    """In what two runs differ, and whether that is one thing."""
    task = modalities.modalities()[new.task]
    now, before = (asdict(task.variant(curve.variant)) for curve in (new, old))
    changed = [f"{key} {before[key]!r} → {now[key]!r}" for key in now if now[key] != before[key]]
    if new.steps != old.steps:
        plans = f"{new.steps} and {old.steps} steps"
        return f"{new.name} and {old.name} were planned for {plans}, and the learning rate falls by the plan: not to be compared."
    common = min(len(new.loss), len(old.loss))
    told = f"; loss {new.loss[common - 1][1] - old.loss[common - 1][1]:+.3f} nats at step {common}" if common else ""
    if not changed:
        return f"{new.name} repeats {old.name}: the same seed, the same curve (largest gap {max((abs(a[1] - b[1]) for a, b in zip(new.loss, old.loss)), default=0):.2g})."
    warning = "" if len(changed) == 1 else f" {len(changed)} things changed at once: which of them did it?"
    return f"{new.name} against {old.name}: {', '.join(changed)}{told}.{warning}"


def _look(curve: Curve, at: int) -> tuple[str, str, float]:
    """(colour, dash, width) of the at-th of your runs, or of a shipped curve."""
    if curve.number:
        colour, dash = LOOKS[at % len(LOOKS)]
        return colour, dash, 2.5
    return (GREY, "1 3", 1.8) if curve.variant == "softmax" else (PURPLE, "5 3", 1.8)


def _looks(curves: Sequence[Curve]) -> list[tuple[str, str, float]]:
    mine = [curve for curve in curves if curve.number]
    return [_look(curve, mine.index(curve) if curve.number else 0) for curve in curves]


def _legend(curves: Sequence[Curve]) -> str:
    marks = "".join(
        f"<span style='white-space:nowrap'><svg width='34' height='10' aria-hidden='true'><line x1='1' x2='33' y1='5' y2='5' stroke='{colour}' "
        f"stroke-width='{width}' stroke-dasharray='{dash}'/></svg> {html.escape(curve.name)}</span> "
        for curve, (colour, dash, width) in zip(curves, _looks(curves))
    )
    return f"<div style='display:flex;gap:1.2em;flex-wrap:wrap;font-size:90%'>{marks}</div>"


def _chart(title: str, unit: str, lines: Sequence[tuple[Curve, Sequence]], *, log: bool = False) -> str:
    """SVG lines over the steps; log where the values are positive and span more than a factor of 20."""
    values = [value for _, points in lines for _, value in points if math.isfinite(value)]
    last = max((step for _, points in lines for step, _ in points), default=1) or 1
    low, high = min(values, default=0.0), max(values, default=1.0)
    log = log and low > 0 and high / low > 20
    scale = math.log10 if log else float
    low, high = scale(low), scale(high)
    pad = 0.06 * (high - low) or 0.5
    low, high = low - pad if log or low < 0 else max(low - pad, 0.0), high + pad
    left, top, bottom = 52, 42, HEIGHT - 34
    x = lambda step: left + (WIDTH - left - 12) * step / last
    y = lambda value: bottom - (bottom - top) * (scale(value) - low) / (high - low)
    parts = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        level, step = low + share * (high - low), last * share
        shown = 10**level if log else level
        parts.append(
            f"<line x1='{left}' x2='{WIDTH - 12}' y1='{y(shown):.1f}' y2='{y(shown):.1f}' stroke='currentColor' opacity='.15'/>"
        )
        parts.append(
            f"<text x='{left - 5}' y='{y(shown) + 4:.1f}' font-size='11' text-anchor='end' fill='currentColor'>{shown:.3g}</text>"
        )
        parts.append(
            f"<text x='{x(step):.1f}' y='{bottom + 15}' font-size='11' text-anchor='middle' fill='currentColor'>{step:.0f}</text>"
        )
    for (curve, points), (colour, dash, width) in zip(lines, _looks([curve for curve, _ in lines])):
        points = [(step, value) for step, value in points if math.isfinite(value)]
        path = " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in points)
        parts.append(
            f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='{width}' stroke-dasharray='{dash}'><title>{html.escape(curve.name)}</title></polyline>"
        )
        if curve.number and points:
            parts.append(f"<circle cx='{x(points[-1][0]):.1f}' cy='{y(points[-1][1]):.1f}' r='4' fill='{colour}'/>")
    said = "; ".join(f"{curve.name} {points[0][1]:.3g} to {points[-1][1]:.3g}" for curve, points in lines if points)
    alt = html.escape(f"{title}. {said or 'nothing yet'}.", quote=True)
    return (
        f"<svg role='img' aria-label='{alt}' viewBox='0 0 {WIDTH} {HEIGHT}' style='width:{WIDTH}px;max-width:100%;font-family:sans-serif'>"
        f"<text x='0' y='13' font-size='13' font-weight='bold' fill='currentColor'>{html.escape(title)}</text>"
        f"<text x='0' y='28' font-size='11' fill='currentColor' opacity='.8'>{html.escape(unit)}{', log scale' if log else ''}</text>"
        f"{''.join(parts)}<text x='{WIDTH / 2:.0f}' y='{HEIGHT - 3}' font-size='11' text-anchor='middle' fill='currentColor'>step</text></svg>"
    )

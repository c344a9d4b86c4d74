"""The training microscope: train a small model with one change at a time; loss and norms move while it learns."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import NamedTuple

import ipywidgets

from seqlab.colours import BLUE, GREEN, GREY, ORANGE, PURPLE
from seqlab.draw.sketch import chart
from seqlab.draw.svg import Markup, element, line
from seqlab.sigmoid import modalities
from seqlab.sigmoid.telemetry import MEASURES
from seqlab.widgets.view import Beside, View, side_by_side, status, wide

KEPT = 3
LOOKS = ((BLUE, ""), (ORANGE, "7 4"), (GREEN, "2 3"))  # newest run first


class Curve(NamedTuple):
    """One line of the microscope: a run of yours, or one that came with seqlab (number 0).

    steps: how many were planned, by which the learning rate falls
    """

    name: str
    task: str
    variant: str
    loss: Sequence
    probed: Sequence
    probes: Mapping[str, Sequence]
    number: int = 0
    steps: int = 0


class MicroscopeView(View):
    """Choose a task and a variant, then Run: the loss at the left, one measure of one layer at the right.

    Thin lines came with seqlab (seed 0): softmax, and the chosen variant. Thick lines are your last three runs; a
    sentence says in what the last two differ. In a notebook the run gives way every quarter of a second, so Stop and
    all other controls work meanwhile; without a running event loop Run returns when it is done.
    """

    def __init__(self, task: str = "speech", variant: str = "sigmoid"):
        self.shipped, self.tasks, self.runs, self.current = modalities.results(), modalities.modalities(), [], None
        plan, look = self.tasks[task], wide(20, 5)
        super().__init__(
            Beside(
                task=ipywidgets.Dropdown(options=list(self.tasks), value=task, description="task", **look),
                variant=ipywidgets.Dropdown(options=plan.variants, value=variant, description="variant", **look),
                steps=ipywidgets.IntSlider(plan.steps, 20, plan.steps, 10, description="steps", **look),
            ),
            Beside(
                measure=ipywidgets.Dropdown(options=list(MEASURES), value="mixed norm", description="right", **look),
                layer=ipywidgets.IntSlider(1, 1, plan.config.layers, description="layer", **look),
                run=ipywidgets.Button(description="Run", icon="play", button_style="primary"),
                stop=ipywidgets.Button(description="Stop", icon="stop", disabled=True),
                clear=ipywidgets.Button(description="Forget my runs", icon="trash", disabled=True),
            ),
        )
        self.watch(self._choose_task, self.task)
        self.watch(self._draw, self.variant, self.measure, self.layer, self.steps)
        self.run.on_click(self._run)
        self.stop.on_click(self._stop)
        self.clear.on_click(self._clear)
        self.said = "Nothing run yet. Choose a variant, then press Run."
        self._draw()

    def _train(self) -> Iterator[None]:
        """One run, driven by whoever iterates: it draws itself, its curve stays in `runs`."""
        task, variant, steps, drawn = self.task.value, self.variant.value, self.steps.value, 0.0
        self.stopping, self.run.disabled, self.stop.disabled, self.clear.disabled = False, True, False, True
        number = 1 + max((curve.number for curve in self.runs), default=0)
        try:
            for run in modalities.start(self.tasks[task], variant, 0, steps=steps)[1]:
                name, loss = f"run {number}: {variant}", list(enumerate(run.smooth(), 1))
                curve = Curve(name, task, variant, loss, run.probed, run.probes, number, steps)
                self.runs = [curve, *(other for other in self.runs if other.number != number)][:KEPT]
                told = f": {loss[-1][1]:.3f} nats" if loss else ""
                if time.monotonic() - drawn > 0.25 or run.steps == steps:
                    self.said = f"Step {run.steps} of {steps}{told}."
                    self._draw()
                    drawn = time.monotonic()
                    yield
                if self.stopping:
                    self.said = f"Stopped after step {run.steps} of {steps}."
                    break
            else:
                self.said = f"Run {number}, {variant}{told} after {steps} steps, {run.seconds:.0f} s."
        except FloatingPointError as error:
            self.said = f"✗ {variant}: {error}."
        finally:
            self.run.disabled, self.stop.disabled, self.clear.disabled = False, True, not self.runs
            self._draw()

    def _run(self, _: object) -> None:
        if self.run.disabled:  # a second click, sent before the button was seen to be off
            return
        run = self._train()
        next(run, None)  # here, not in the task: whatever is clicked from now on meets a run that has begun
        try:
            self.current = asyncio.get_running_loop().create_task(self._drive(run))
        except RuntimeError:
            list(run)

    async def _drive(self, run: Iterator[None]) -> None:
        await asyncio.sleep(0.02)  # let the kernel read what was clicked
        for _ in run:
            await asyncio.sleep(0.02)

    def _stop(self, _: object) -> None:
        self.stopping = True

    def _clear(self, _: object) -> None:
        self.runs, self.clear.disabled, self.said = [], True, "Your runs are forgotten."
        self._draw()

    def _choose_task(self) -> None:
        self.stopping, task = True, self.tasks[self.task.value]
        with self.held():
            kept = self.variant.value if self.variant.value in task.variants else "sigmoid"
            self.variant.options, self.variant.value = task.variants, kept
            self.steps.max, self.layer.max, self.steps.value = task.steps, task.config.layers, task.steps
        self._draw()

    @property
    def cells(self) -> list[dict]:
        """What came with seqlab for the chosen task."""
        return self.shipped.get(self.task.value, {"cells": []})["cells"]

    def curves(self) -> list[Curve]:
        """What is drawn: softmax and the chosen variant as shipped, then the kept runs of this task, newest first."""
        task = self.task.value
        shipped = [
            Curve(f"shipped: {name}", task, name, cell["curve"], cell["probed"], cell["probes"])
            for name in dict.fromkeys(("softmax", self.variant.value))
            for cell in self.cells
            if (cell["variant"], cell["seed"]) == (name, 0)
        ]
        return shipped + [curve for curve in self.runs if curve.task == task]

    def _draw(self) -> None:
        curves, measure, layer = self.curves(), self.measure.value, self.layer.value
        at = layer if measure == "residual norm" else layer - 1  # the stream has its embedding in front
        looks = _looks(curves)
        losses = [(curve.name, curve.loss, look) for curve, look in zip(curves, looks)]
        probed = [
            (curve.name, [(step, layers[at]) for step, layers in zip(curve.probed, curve.probes[measure])], look)
            for curve, look in zip(curves, looks)
        ]
        charts = (
            chart("Loss while training (mean of 10 steps)", "nats", losses),
            chart(f"{measure}, layer {layer}", MEASURES[measure], probed, log=True),
        )
        self.picture.value = side_by_side(*charts) + _legend(curves, looks) + status(*self._told())

    def _told(self) -> list[str]:
        task, variant, steps = self.task.value, self.variant.value, self.steps.value
        pace = [cell["seconds"] for cell in self.cells if "seconds" in cell]
        about = f", about {min(pace) * steps / self.tasks[task].steps:.0f} s" if pace else ""
        mine = [curve for curve in self.runs if curve.task == task][:2]
        compared = [_difference(*mine)] if len(mine) > 1 else []
        return [self.said, f"Run would train {task}, {variant}, for {steps} steps{about}.", *compared]


def _difference(new: Curve, old: Curve) -> str:
    """In what two runs differ, and whether that is one thing."""
    task = modalities.modalities()[new.task]
    now, before = (asdict(task.variant(curve.variant)) for curve in (new, old))
    changed = [f"{key} {before[key]!r} → {now[key]!r}" for key in now if now[key] != before[key]]
    names, common = f"{new.name} and {old.name}", min(len(new.loss), len(old.loss))
    if new.steps != old.steps:
        plans = f"{new.steps} and {old.steps} steps, and the learning rate falls by the plan"
        return f"{names} were planned for {plans}: not to be compared."
    if not changed:
        gap = max((abs(a[1] - b[1]) for a, b in zip(new.loss, old.loss)), default=0)
        return f"{new.name} repeats {old.name}: the same seed, the same curve (largest gap {gap:.2g})."
    told = f"; loss {new.loss[common - 1][1] - old.loss[common - 1][1]:+.3f} nats at step {common}" if common else ""
    warning = "" if len(changed) == 1 else f" {len(changed)} things changed at once: which of them did it?"
    return f"{new.name} against {old.name}: {', '.join(changed)}{told}.{warning}"


def _looks(curves: Sequence[Curve]) -> list[dict]:
    """How each curve is drawn: thick for yours, thin for those that came with seqlab."""
    mine, shipped = iter(LOOKS), {"softmax": (GREY, "1 3")}
    looks = [(*next(mine), 2.5) if c.number else (*shipped.get(c.variant, (PURPLE, "5 3")), 1.8) for c in curves]
    return [{"stroke": colour, "stroke_dasharray": dash, "stroke_width": width} for colour, dash, width in looks]


def _legend(curves: Sequence[Curve], looks: Sequence[dict]) -> Markup:
    sample = lambda look: element("svg", line(1, 5, 33, 5, **look), width=34, height=10, aria_hidden="true")
    marks = [
        element("span", sample(look), f" {curve.name}", style="white-space:nowrap")
        for curve, look in zip(curves, looks)
    ]
    return element("div", marks, style="display:flex;gap:1.2em;flex-wrap:wrap;font-size:90%")

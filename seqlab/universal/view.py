"""The sweep as a picture: ids on a line, jumping past the maximum one after another; and what it all costs."""

import math
from dataclasses import replace

import ipywidgets
import numpy as np

from seqlab import universal
from seqlab.colours import GREY, PALETTE, RED, YELLOW
from seqlab.draw.svg import Inside, Markup, circle, element, line, path, picture, rect, table, text
from seqlab.universal import Budget
from seqlab.universal.budget import spoken
from seqlab.widgets.view import View, bold, status, wide

LEVELS = 6
SEQUENCES = ((0, 4, 5), (1, 2, 5), (0, 1, 2), (1, 2, 4))  # gain 2 confuses the first two and the last two
SHAPES = ("m0-7a7 7 0 1 0 .01 0z", "m-6-6h12v12h-12z", "m0-8l8 14h-16z", "m0-8l8 8-8 8-8-8z")  # round a point
WIDTH, LEFT, ROW = 760, 90, 52


class SweepView(View):
    """Sequences of small ids, a row each, on one logarithmic line; the slider walks through the sweep.

    `gain` is the factor of a jump: the proof takes 1/δ (d = 1); with 1 names collide, which rings show.
    """

    def __init__(self):
        self.sequences = np.array(SEQUENCES)[:, :, None]
        super().__init__(
            dict(
                step=ipywidgets.IntSlider(value=2, min=0, max=LEVELS + 1, description="layers done", **wide(36, 7)),
                gain=ipywidgets.ToggleButtons(
                    options=((f"{LEVELS}, the proof's", LEVELS), ("2", 2), ("1", 1)),
                    description="gain",
                    style={"button_width": "10em", "description_width": "7em"},
                ),
            ),
        )
        self.watch(self._draw, self.step, self.gain)
        self._draw()

    def states(self) -> list[np.ndarray]:
        """The ids "sequence token" before, after each level of the sweep, and after the global shift."""
        program = universal.contextual_mapping(LEVELS, 1, 3, gain=self.gain.value).program()
        sweep, last = program.layers
        run = replace(program, layers=[sweep.some(LEVELS), last]).trace(self.sequences)
        return [state[..., 0] for state in run.states]

    def _draw(self) -> None:
        states, step = self.states(), self.step.value
        told = status(self._told(states, step), style=f"max-width:{WIDTH}px")
        self.picture.value = self._svg(states, step) + told

    def _told(self, states: list[np.ndarray], step: int) -> Inside:
        if step == 0:
            return "Before the first layer: the ids of the tokens. No id knows anything of the other tokens."
        if step <= LEVELS:
            jumped = [
                f"{before[k]} {'jumps to' if after[k] > before.max() else 'lands at'} {after[k]:,}, "
                f"{'' if after[k] > before.max() else 'not '}past {before.max():,}"
                for before, after in zip(states[step - 1], states[step])
                for k in range(3)
                if before[k] != after[k]
            ]
            told = "; ".join(jumped) or "no sequence has this id now, so nothing moves"
            return bold(f"Layer {step}, id {step - 1}:"), f" {told}."
        count, shared = states[-1].size, _shared(states[-1])
        verdict = bold(f"✓ All {count} names differ"), ", within a sequence and between sequences."
        if shared:
            some = ", ".join(f"{name:,}" for name in sorted(shared)[:4])
            verdict = (
                bold(f"✗ {sum(shared.values())} of {count} tokens share a name with another"),
                f" (rings): {some}.",
            )
        return "Global shift: a large multiple of each sequence's largest id is added to all its tokens. ", verdict

    def _svg(self, states: list[np.ndarray], step: int) -> Markup:
        now, before, last = states[step], states[max(step - 1, 0)], step > LEVELS
        top = max(int(state.max()) for state in (states if last else states[:-1]))
        place = lambda value: LEFT + 10 + (WIDTH - LEFT - 40) * math.log2(1 + float(value)) / math.log2(1 + top)
        height, shared = ROW * len(now) + 58, _shared(now) if last else {}
        given = [tuple(sequence[:, 0].tolist()) for sequence in self.sequences]
        parts = []
        if 1 <= step <= LEVELS:
            a, tip = place(max(step - 1.5, 0)), f"the window of this layer: id {step - 1}"
            parts.append(rect(a, 0, place(step - 0.5) - a, height - 40, fill=YELLOW, opacity=0.45, tip=tip))
        for row, (sequence, ids) in enumerate(zip(given, now.tolist())):
            y = 30 + ROW * row
            parts += [text(0, y + 4, str(sequence), 13, "start"), line(LEFT, y, WIDTH, y, stroke=GREY, opacity=0.5)]
            for k, name in enumerate(ids):
                tip = f"token {sequence[k]}: id {name:,}{', shared' * (name in shared)}"
                marks = _mark(k, place(before[row, k]), place(name), y, name in shared)
                parts.append(element("g", marks, text(place(name), y + 20, f"{name:,}", 11), tip=tip))
        for value in [0] + [LEVELS**k for k in range(0, int(math.log(top, LEVELS)) + 1)]:
            x = place(value)
            parts += [line(x, height - 40, x, height - 34), text(x, height - 20, f"{value:,}", 11)]
        parts.append(text((LEFT + WIDTH) / 2, height - 4, "id in units of δ (logarithmic); shape = which token"))
        alt = f"{step} of {len(states) - 1} layers done. " + "; ".join(
            f"{sequence} has ids {', '.join(f'{v:,}' for v in ids.tolist())}" for sequence, ids in zip(given, now)
        )
        return picture(alt, WIDTH, height, parts)


def _mark(k: int, old: float, x: float, y: int, shared: bool) -> Inside:
    """A token at x, its way from where it was, and a ring where another has the same name."""
    colour = PALETTE[k % len(PALETTE)]
    way = ("M", old, y - 7, "Q", (old + x) / 2, y - 34, x, y - 9)
    moved = [
        path(*way, stroke=colour, stroke_width=2, stroke_dasharray="4 3"),
        circle(old, y, 5, stroke=colour, stroke_dasharray="2 2"),
    ]
    ring = circle(x, y, 12, stroke=RED, stroke_width=2.5) if shared else ""
    return moved if abs(old - x) > 0.5 else "", ring, path("M", x, y, SHAPES[k % len(SHAPES)], fill=colour)


def _shared(names: np.ndarray) -> dict[int, int]:
    values, counts = np.unique(names, return_counts=True)
    return {int(value): int(count) for value, count in zip(values, counts) if count > 1}


class BudgetView(View):
    """Choose n, d, ε and a Lipschitz constant: δ, layers, parameters, the largest id, and which machines cope."""

    def __init__(self):
        look = wide(32, 10)
        epsilons, slopes = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.001), (0.5, 1.0, 2.0, 5.0, 10.0)
        choices = lambda numbers: [(f"{number:g}", number) for number in numbers]
        controls = {
            "length": ipywidgets.IntSlider(value=3, min=2, max=16, description="n, tokens", **look),
            "dim": ipywidgets.IntSlider(value=1, min=1, max=8, description="d, dimensions", **look),
            "epsilon": ipywidgets.SelectionSlider(options=choices(epsilons), value=0.2, description="ε, error", **look),
            "lipschitz": ipywidgets.SelectionSlider(
                options=choices(slopes), value=1.0, description="Lipschitz constant", **look
            ),
            "positions": ipywidgets.Checkbox(value=True, description="with positions", indent=False),
        }
        super().__init__(controls)
        self.controls = tuple(controls.values())
        self.watch(self._draw, *self.controls)
        self._draw()

    def budget(self) -> Budget:
        """The network for the chosen numbers."""
        n, d, epsilon, lipschitz, positions = (control.value for control in self.controls)
        return universal.budget(d, n, epsilon, lipschitz, positions=positions)

    def _draw(self) -> None:
        b = self.budget()
        fits = lambda dtype: "✓ has a number for every name" if b.fits(dtype) else "✗ too short"
        rows = {
            "width of a cell, δ": f"1/{b.levels:,}",
            "feed-forward layers that quantise": spoken(b.quantise),
            "attention layers": spoken(b.attention),
            "feed-forward layers of the table": spoken(b.values),
            "parameters": spoken(b.parameters),
            "largest id, in units of δ": f"{spoken(b.largest_name)}: {b.bits:,} bits",
            "float32 (24 bits)": fits("float32"),
            "float64 (53 bits)": fits("float64"),
            "this laptop": "✓ can build and run it" if b.laptop else "✗ too many layers",
        }
        self.picture.value = status(table((), {name: [value] for name, value in rows.items()}, align="left"))

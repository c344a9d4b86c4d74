"""The sweep as a picture: tokens as ids on a line, jumping past the maximum in turn; and what it all costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import ipywidgets
import numpy as np

from seqlab import universal
from seqlab.colours import GREY, PALETTE, RED, YELLOW
from seqlab.universal import Budget

SEQUENCES = ((0, 4, 5), (1, 2, 5), (0, 1, 2), (1, 2, 4))  # gain 2 confuses the first two and the last two
SHAPES = ("circle", "square", "triangle", "diamond")
WIDTH, LEFT, ROW = 760, 90, 52


class SweepView(ipywidgets.VBox):
    """Sequences of small ids, a row each, on one logarithmic line; the slider walks through the sweep.

    `gain` is the factor of a jump: the proof takes 1/δ (d = 1); with 1 names collide, which rings show.
    """

    def __init__(self, sequences: Sequence[Sequence[int]] = SEQUENCES, levels: int = 6):
        self.sequences = np.array(sequences)[:, :, None]
        self.levels, self.length = levels, self.sequences.shape[1]
        last = levels + 1
        self.step = ipywidgets.IntSlider(
            value=2,
            min=0,
            max=last,
            description="layers done",
            layout={"width": "36em"},
            style={"description_width": "7em"},
        )
        self.gain = ipywidgets.ToggleButtons(
            options=((f"{levels}, the proof's", levels), ("2", 2), ("1", 1)),
            description="gain",
            style={"button_width": "10em", "description_width": "7em"},
        )
        self.picture = ipywidgets.HTML()
        for control in (self.step, self.gain):
            control.observe(self._draw, "value")
        super().__init__([self.step, self.gain, self.picture])
        self._draw()

    def states(self) -> list[np.ndarray]:
        """The ids "sequence token" before, after each level of the sweep, and after the global shift."""
        program = universal.contextual_mapping(self.levels, 1, self.length, gain=self.gain.value).program()
        sweep, last = program.layers
        run = replace(program, layers=[sweep.some(self.levels), last]).trace(self.sequences)
        return [state[..., 0] for state in run.states]

    def _draw(self, _: object = None) -> None:
        states, step = self.states(), self.step.value
        self.picture.value = (
            f"{self._svg(states, step)}<div role='status' style='max-width:{WIDTH}px'>{self._told(states, step)}</div>"
        )

    def _told(self, states: list[np.ndarray], step: int) -> str:
        if step == 0:
            return "Before the first layer: the ids of the tokens. No id knows anything of the other tokens."
        if step <= self.levels:
            level = step - 1
            jumped = [
                (
                    f"{before[k]} jumps to {after[k]:,}, past {before.max():,}"
                    if after[k] > before.max()
                    else f"{before[k]} lands at {after[k]:,}, not past {before.max():,}"
                )
                for before, after in zip(states[step - 1], states[step])
                for k in range(self.length)
                if before[k] != after[k]
            ]
            told = "; ".join(jumped) or "no sequence has this id now, so nothing moves"
            return f"<b>Layer {step}, id {level}:</b> {told}."
        shared = _shared(states[-1])
        verdict = (
            f"<b>✗ {sum(shared.values())} of {states[-1].size} tokens share a name with another</b> (rings):"
            f" {', '.join(f'{v:,}' for v in sorted(shared)[:4])}."
            if shared
            else f"<b>✓ All {states[-1].size} names differ</b>, within a sequence and between sequences."
        )
        return f"Global shift: a large multiple of each sequence's largest id is added to all its tokens. {verdict}"

    def _svg(self, states: list[np.ndarray], step: int) -> str:
        now, before = states[step], states[max(step - 1, 0)]
        top = max(int(state.max()) for state in (states if step > self.levels else states[:-1]))
        place = lambda value: LEFT + 10 + (WIDTH - LEFT - 40) * math.log2(1 + float(value)) / math.log2(1 + top)
        height = ROW * len(now) + 58
        shared = _shared(now) if step > self.levels else {}
        parts = []
        if 1 <= step <= self.levels:
            a, b = place(max(step - 1.5, 0)), place(step - 0.5)
            parts.append(
                f"<rect x='{a:.1f}' y='0' width='{b - a:.1f}' height='{height - 40}' fill='{YELLOW}'"
                f" opacity='.45'><title>the window of this layer: id {step - 1}</title></rect>"
            )
        for row, ids in enumerate(now):
            y = 30 + ROW * row
            said = ", ".join(map(str, self.sequences[row, :, 0].tolist()))
            parts.append(f"<text x='0' y='{y + 4}' font-size='13' fill='currentColor'>({said})</text>")
            parts.append(f"<line x1='{LEFT}' x2='{WIDTH}' y1='{y}' y2='{y}' stroke='{GREY}' opacity='.5'/>")
            for k, value in enumerate(ids):
                parts.append(self._mark(row, k, place(before[row, k]), place(value), y, int(value), value in shared))
        ticks = [0] + [self.levels**k for k in range(0, int(math.log(top, self.levels)) + 1)]
        for value in ticks:
            x = place(value)
            parts.append(
                f"<line x1='{x:.1f}' x2='{x:.1f}' y1='{height - 40}' y2='{height - 34}' stroke='currentColor'/>"
            )
            parts.append(
                f"<text x='{x:.1f}' y='{height - 20}' font-size='11' text-anchor='middle'"
                f" fill='currentColor'>{value:,}</text>"
            )
        parts.append(
            f"<text x='{(LEFT + WIDTH) / 2}' y='{height - 4}' font-size='12' text-anchor='middle'"
            " fill='currentColor'>id in units of δ (logarithmic); shape = which token</text>"
        )
        alt = f"{step} of {len(states) - 1} layers done. " + "; ".join(
            f"{tuple(s[:, 0].tolist())} has ids {', '.join(f'{v:,}' for v in ids.tolist())}"
            for s, ids in zip(self.sequences, now)
        )
        return (
            f"<svg role='img' aria-label='{alt}' viewBox='0 0 {WIDTH} {height}' style='width:100%;max-width:{WIDTH}px;"
            f"font-family:sans-serif'>{''.join(parts)}</svg>"
        )

    def _mark(self, row: int, k: int, old: float, x: float, y: int, value: int, shared: bool) -> str:
        colour, shape = PALETTE[k % len(PALETTE)], SHAPES[k % len(SHAPES)]
        parts = []
        if abs(old - x) > 0.5:
            parts.append(
                f"<path d='M{old:.1f} {y - 7} Q{(old + x) / 2:.1f} {y - 34} {x:.1f} {y - 9}' fill='none'"
                f" stroke='{colour}' stroke-width='2' stroke-dasharray='4 3'/>"
            )
            parts.append(
                f"<circle cx='{old:.1f}' cy='{y}' r='5' fill='none' stroke='{colour}' stroke-dasharray='2 2'/>"
            )
        if shared:
            parts.append(f"<circle cx='{x:.1f}' cy='{y}' r='12' fill='none' stroke='{RED}' stroke-width='2.5'/>")
        body = {
            "circle": f"<circle cx='{x:.1f}' cy='{y}' r='7' fill='{colour}'/>",
            "square": f"<rect x='{x - 6:.1f}' y='{y - 6}' width='12' height='12' fill='{colour}'/>",
            "triangle": f"<path d='M{x:.1f} {y - 8} l8 14 h-16 z' fill='{colour}'/>",
            "diamond": f"<path d='M{x:.1f} {y - 8} l8 8 l-8 8 l-8 -8 z' fill='{colour}'/>",
        }[shape]
        start = int(self.sequences[row, k, 0])
        label = (
            f"<text x='{x:.1f}' y='{y + 20}' font-size='11' text-anchor='middle' fill='currentColor'>{value:,}</text>"
        )
        return (
            f"<g>{''.join(parts)}{body}{label}<title>token {start}: id"
            f" {value:,}{', shared' if shared else ''}</title></g>"
        )

    def _repr_mimebundle_(self, **options: object) -> dict:
        return super()._repr_mimebundle_(**options) | {"text/html": self.picture.value}


def _shared(names: np.ndarray) -> dict[int, int]:
    values, counts = np.unique(names, return_counts=True)
    return {int(value): int(count) for value, count in zip(values, counts) if count > 1}


class BudgetView(ipywidgets.VBox):
    """Choose n, d, ε and a Lipschitz constant: δ, layers, parameters, the largest id, and which machines cope."""

    def __init__(self):
        wide = {"layout": {"width": "32em"}, "style": {"description_width": "10em"}}
        self.length = ipywidgets.IntSlider(value=3, min=2, max=16, description="n, tokens", **wide)
        self.dim = ipywidgets.IntSlider(value=1, min=1, max=8, description="d, dimensions", **wide)
        self.epsilon = ipywidgets.SelectionSlider(
            options=[(f"{e:g}", e) for e in (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.001)],
            value=0.2,
            description="ε, error",
            **wide,
        )
        self.lipschitz = ipywidgets.SelectionSlider(
            options=[(f"{c:g}", c) for c in (0.5, 1.0, 2.0, 5.0, 10.0)],
            value=1.0,
            description="Lipschitz constant",
            **wide,
        )
        self.positions = ipywidgets.Checkbox(value=True, description="with positions", indent=False)
        self.table = ipywidgets.HTML()
        self.controls = (self.length, self.dim, self.epsilon, self.lipschitz, self.positions)
        for control in self.controls:
            control.observe(self._draw, "value")
        super().__init__([*self.controls, self.table])
        self._draw()

    def budget(self) -> Budget:
        """The network for the chosen numbers."""
        n, d, epsilon, lipschitz, positions = (control.value for control in self.controls)
        return universal.budget(d, n, epsilon, lipschitz, positions=positions)

    def _draw(self, _: object = None) -> None:
        b = self.budget()
        rows = [
            ("width of a cell, δ", f"1/{b.levels:,}"),
            ("feed-forward layers that quantise", spoken(b.quantise)),
            ("attention layers", spoken(b.attention)),
            ("feed-forward layers of the table", spoken(b.values)),
            ("parameters", spoken(b.parameters)),
            ("largest id, in units of δ", f"{spoken(b.largest_name)}: {b.bits:,} bits"),
            ("float32 (24 bits)", "✓ has a number for every name" if b.fits("float32") else "✗ too short"),
            ("float64 (53 bits)", "✓ has a number for every name" if b.fits("float64") else "✗ too short"),
            ("this laptop", "✓ can build and run it" if b.laptop else "✗ too many layers"),
        ]
        cells = "".join(
            f"<tr><td style='text-align:left;padding:0 1.5em 0 0'>{name}</td><td"
            f" style='text-align:left'>{value}</td></tr>"
            for name, value in rows
        )
        self.table.value = f"<table role='status' style='line-height:1.5'>{cells}</table>"

    def _repr_mimebundle_(self, **options: object) -> dict:
        return super()._repr_mimebundle_(**options) | {"text/html": self.table.value}


def spoken(number: int) -> str:
    """A whole number in digits, or as a power of ten where it is astronomically large."""
    return f"{number:,}" if number < 10**12 else f"about 10^{math.log10(number):,.0f}"

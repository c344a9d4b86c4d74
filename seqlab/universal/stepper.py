"""The stepper: three numbers walk through the network that the proof writes down, one layer at a time."""

from __future__ import annotations

import html
import itertools
import math
from functools import cache

import ipywidgets
import torch
from torch import Tensor

from seqlab import universal
from seqlab.colours import BLUE, GREY, PALETTE, RED, YELLOW
from seqlab.theorem import Verdict
from seqlab.universal import Approximation, Frame, Stack

LENGTH, WIDTH, HEIGHT, LEFT = 3, 760, 260, 56
PARTS = {
    "input": "input",
    "quantise": "round down",
    "positions": "positions",
    "sweep": "sweep",
    "global": "global shift",
    "reject": "reject bad",
    "values": "look values up",
}
DASHES = ("", "7 4", "2 3")


def spread_below_largest(x: Tensor) -> Tensor:
    """f_j = max(x) - x_j: every token must know the whole sequence."""
    return x.amax(1, keepdim=True) - x


class StepperView(ipywidgets.VBox):
    """Three tokens (d = 1) that you drag or type, sent through every layer of the network for f_j = max(x) - x_j.

    Below the sliders: the path of the three numbers, what each is now, and the lemma that vouches for this part.
    """

    def __init__(self, levels: int = 4, x: tuple[float, float, float] = (0.62, 0.1, 0.9)):
        wide = {"layout": {"width": "34em"}, "style": {"description_width": "7em"}}
        self.tokens = [
            ipywidgets.FloatSlider(value=value, min=-0.25, max=1.25, step=0.01, description=f"token {k + 1}", **wide)
            for k, value in enumerate(x)
        ]
        self.levels = ipywidgets.ToggleButtons(
            options=[(f"1/{n}", n) for n in (3, 4)],
            value=levels,
            description="δ",
            style={"button_width": "4em", "description_width": "7em"},
        )
        self.positions = ipywidgets.Checkbox(value=False, description="with positions", indent=False)
        self.layer = ipywidgets.IntSlider(value=7, min=0, max=1, description="layers done", **wide)
        self.picture = ipywidgets.HTML()
        for control in (self.levels, self.positions):
            control.observe(self._rebuild, "value")
        for control in (*self.tokens, self.layer):
            control.observe(self._draw, "value")
        super().__init__([*self.tokens, self.levels, self.positions, self.layer, self.picture])
        self._rebuild()
        self.layer.value = 7

    def frames(self) -> list[Frame]:
        """What the real stack does with the chosen tokens, layer by layer."""
        x = torch.tensor([[token.value] for token in self.tokens], dtype=torch.float64)
        return _network(self.levels.value, self.positions.value)[1].trace(x[None])

    def _rebuild(self, _: object = None) -> None:
        self.layer.max = len(_network(self.levels.value, self.positions.value)[1])
        self._draw()

    def _draw(self, _: object = None) -> None:
        frames = self.frames()
        at = min(self.layer.value, len(frames) - 1)
        self.picture.value = f"{self._svg(frames, at)}{self._table(frames, at)}{self._lemmas(frames[at])}"

    def _svg(self, frames: list[Frame], at: int) -> str:
        tokens = [[_log(frame.tokens[0, k, 0].item() * self.levels.value) for k in range(LENGTH)] for frame in frames]
        low, high = min(min(row) for row in tokens), max(max(row) for row in tokens)
        span = (high - low) or 1.0
        narrow = min(
            1.0, 14 / sum(frame.part == "values" for frame in frames)
        )  # many value layers share the room of 14
        widths = [0.0] + [narrow if frame.part == "values" else 1.0 for frame in frames[1:]]
        places = list(itertools.accumulate(widths))
        across = lambda i: LEFT + (WIDTH - LEFT - 12) * places[i] / places[-1]
        up = lambda value: HEIGHT - 44 - (HEIGHT - 66) * (value - low) / span
        parts, begin = [], 0
        for i in range(1, len(frames) + 1):
            if i == len(frames) or frames[i].part != frames[begin].part:
                a, b = across(max(begin - 1, 0)), across(i - 1)
                shade = 0.16 if list(PARTS).index(frames[begin].part) % 2 else 0.05
                parts.append(
                    f"<rect x='{a:.1f}' y='0' width='{max(b - a, 0):.1f}' height='{HEIGHT - 36}' fill='{GREY}' opacity='{shade}'><title>{PARTS[frames[begin].part]}</title></rect>"
                )
                if b - a > 60:
                    parts.append(
                        f"<text x='{(a + b) / 2:.1f}' y='12' font-size='11' text-anchor='middle' fill='currentColor'>{PARTS[frames[begin].part]}</text>"
                    )
                begin = i
        x = across(at)
        parts.append(
            f"<line x1='{x:.1f}' x2='{x:.1f}' y1='0' y2='{HEIGHT - 36}' stroke='{YELLOW}' stroke-width='5' opacity='.8'/>"
        )
        for k in range(LENGTH):
            points = " ".join(f"{across(i):.1f},{up(row[k]):.1f}" for i, row in enumerate(tokens))
            parts.append(
                f"<polyline points='{points}' fill='none' stroke='{PALETTE[k]}' stroke-width='2' stroke-dasharray='{DASHES[k]}'/>"
            )
            y = up(tokens[at][k])
            parts.append(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='9' fill='{PALETTE[k]}'/>")
            parts.append(
                f"<text x='{x:.1f}' y='{y + 4:.1f}' font-size='11' text-anchor='middle' fill='#fff' font-weight='bold'>{k + 1}</text>"
            )
        for power in range(0, 20, 2):
            for value in {10**power, -(10**power)} if power else {0}:
                if low <= _log(value) <= high:
                    parts.append(
                        f"<text x='{LEFT - 6}' y='{up(_log(value)) + 4:.1f}' font-size='11' text-anchor='end' fill='currentColor'>{_power(value)}</text>"
                    )
        parts.append(
            f"<text x='{(LEFT + WIDTH) / 2}' y='{HEIGHT - 6}' font-size='12' text-anchor='middle' fill='currentColor'>layers → (each number in units of δ, on a logarithmic scale)</text>"
        )
        alt = f"Paths of three tokens through {len(frames) - 1} layers; {at} done, now: {frames[at].label}"
        return f"<svg role='img' aria-label='{html.escape(alt)}' viewBox='0 0 {WIDTH} {HEIGHT}' style='width:100%;max-width:{WIDTH}px;font-family:sans-serif'>{''.join(parts)}</svg>"

    def _table(self, frames: list[Frame], at: int) -> str:
        levels, frame = self.levels.value, frames[at]
        before = frames[max(at - 1, 0)].tokens[0, :, 0].tolist()
        made = _network(levels, self.positions.value)[0]
        x = frames[0].tokens
        row = lambda name, cells: (
            f"<tr><td style='text-align:left'>{name}</td>{''.join(f'<td>{c}</td>' for c in cells)}</tr>"
        )
        moved = [
            f"<b>{now:,.6g}</b> ←" if abs(now - old) > 1e-9 else f"{now:,.6g}"
            for now, old in zip(frame.tokens[0, :, 0].tolist(), before)
        ]
        body = row("input", [f"{v:.2f}" for v in x[0, :, 0].tolist()])
        body += row("now (← just moved)", moved)
        body += row("now, in units of δ", [f"{v * levels:,.6g}" for v in frame.tokens[0, :, 0].tolist()])
        body += row("the table wants, at the end", [f"{v:.4g}" for v in made.reference(x)[0, :, 0].tolist()])
        body += row("f itself", [f"{v:.4g}" for v in made.f(x)[0, :, 0].tolist()])
        head = "".join(f"<th>token {k + 1}</th>" for k in range(LENGTH))
        return (
            f"<div role='status'><b>Layer {at} of {len(frames) - 1}, {PARTS[frame.part]}:</b> {html.escape(frame.label)}</div>"
            f"<table style='line-height:1.4'><tr><th></th>{head}</tr>{body}</table>"
        )

    def _lemmas(self, frame: Frame) -> str:
        lines = []
        for parts, name, verdict in _lemmas(self.levels.value, self.positions.value):
            colour, sign = (BLUE, "✓") if verdict else (RED, "✗")
            here = frame.part in parts
            style = f"border-left:4px solid {colour if here else 'transparent'};padding:0 .6em;{'' if here else 'opacity:.65'}"
            lines.append(
                f"<div style='{style}'>{'▶ ' if here else ''}<span style='color:{colour}'>{sign}</span> {name} · margin {verdict.margin:.3g} {verdict.unit.replace('units of delta', 'δ')} · {verdict.checked:,} checked</div>"
            )
        return f"<div style='margin-top:.4em'>{''.join(lines)}</div>"

    def _repr_mimebundle_(self, **options: object) -> dict:
        return super()._repr_mimebundle_(**options) | {"text/html": self.picture.value}


@cache
def _network(levels: int, positions: bool) -> tuple[Approximation, Stack]:
    made = universal.approximate(spread_below_largest, levels, 1, LENGTH, positions=positions)
    return made, made.stack()


@cache
def _lemmas(levels: int, positions: bool) -> list[tuple[tuple[str, ...], str, Verdict]]:
    made = _network(levels, positions)[0]
    mapping = made.mapping
    found = [
        (
            ("input", "quantise"),
            "rounds down, marks what is out of range (Lemma 5)",
            universal.quantiser(levels, 1, LENGTH).check(500),
        ),
        (("sweep",), "two heads are the selective shift", universal.check_shift(200)),
        (("sweep",), "the sweep has its closed form", universal.closed_form(mapping)),
    ]
    if not positions:
        found.append((("sweep",), "largest id within its bounds (Lemma 10)", universal.bounds(mapping)))
    found += [
        (("global", "positions"), "every token of every sequence has its own name (Lemma 6)", mapping.check()),
        (("reject",), "bad sequences have no good name (Lemma 6)", universal.range_of_names(mapping)),
        (("values",), "the network is its table (Proposition 4)", made.check_table(samples=500)),
    ]
    return found


def _log(value: float) -> float:
    return math.copysign(math.log10(1 + abs(value)), value)


def _power(value: int) -> str:
    digits = str(abs(value)).count("0")
    raised = str(digits).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return "0" if value == 0 else ("−" if value < 0 else "") + (f"10{raised}" if digits else "1")

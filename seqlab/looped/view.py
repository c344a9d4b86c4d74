"""One block, applied again and again: tokens move to their numbers, with a clock and without.

| paper symbol (Xu & Sato 2024)       | here                                                                          |
| ----------------------------------- | ----------------------------------------------------------------------------- |
| k ↦ y_k, k = 0 … K-1                | `tables`: the numbers that the tokens shall reach                             |
| (id + η(t) ⊙ FF)^{K-1}, Theorem 4.2 | "with a clock": loop t moves all tokens that still wait by η(t) = y_t - y_t-1 |
| (id + FF)^{K-1}, Lemma 4.1          | "no clock, a number carried": a step of -ε, 0 or +ε, a ternary digit a loop   |
| the same without that number        | "no clock": every loop moves by the same step                                 |
"""

import random
from collections.abc import Sequence
from fractions import Fraction

import ipywidgets

from seqlab.colours import BLUE, GREY, ORANGE
from seqlab.draw import svg
from seqlab.looped.blocks import walk
from seqlab.looped.digits import largest_step
from seqlab.widgets.view import bold, status
from seqlab.written import Program
from seqlab.written.stepper import Stepper

CLOCK, CARRIED, BARE = "with a clock", "no clock, a number carried", "no clock"
MODES = (CLOCK, CARRIED, BARE)
WIDTH, LEFT, TOP, BOTTOM, BARS, FOOT = 780, 74, 20, 290, 390, 440
SMOOTH = (10, 25, 38, 50, 60, 66, 68, 66, 60, 50, 38, 25, 14, 8)  # hundredths: a wave
NOTE = (
    "Rings: the numbers to reach. Blue dots stand still, orange squares moved in this loop, all by the same step. "
    "Below: the step of each loop; the orange bar is this loop's."
)


def tables(seed: int = 0) -> dict[str, list[Fraction]]:
    """Name → the numbers y_k, in hundredths: random ones, a wave, the wave shuffled, one jump."""
    draw, half, shuffled = random.Random(seed), len(SMOOTH) // 2, list(SMOOTH)
    draw.shuffle(shuffled)
    wild = [draw.randrange(0, 101) for _ in SMOOTH]
    named = {"random numbers": wild, "a wave": SMOOTH, "the wave, shuffled": shuffled}
    named["one jump"] = [20] * half + [80] * half
    return {name: [Fraction(y, 100) for y in table] for name, table in named.items()}


def block(table: Sequence[Fraction], mode: str) -> Program:
    """The one block of a mode. A clock that says the same in every loop is none, so "no clock" walks along a line."""
    if mode == BARE:
        slope = sum(k * (y - table[0]) for k, y in enumerate(table)) / sum(k * k for k in range(len(table)))
        table = [table[0] + k * slope for k in range(len(table))]
    return walk(table, clock=mode != CARRIED)


def seen(program: Program, states: Sequence) -> list[list[Fraction]]:
    """[loop][token]: where each token stands, `Run.states` of 0 … K-1. One that waits stands where its walk is."""
    column = lambda name: [state[0, :, program.names.index(name)] for state in states]
    places = column("y0")
    if "run0" in program.names:  # Lemma 4.1 writes y only where the walk ends
        places = [y + run * (c > 0) for y, run, c in zip(places, column("run0"), column("c"))]
    return [row.tolist() for row in places]


class LoopView(Stepper):
    """The stepper with rings: which table of numbers, and what the block has to tell its loops apart."""

    def __init__(self, seed: int = 0, loop: int = 4, mode: str = CLOCK):
        self.tables, wide = tables(seed), {"description_width": "7em"}
        style = wide | {"button_width": "18em"}
        self.mode = ipywidgets.ToggleButtons(options=MODES, value=mode, description="the block", style=style)
        self.table = ipywidgets.Dropdown(options=list(self.tables), description="numbers", style=wide)
        super().__init__(block(self.tables[self.table.value], mode), range(len(SMOOTH)), loop)
        self.step.description, self.back.description, self.next.description = "loops", "◀ loop", "loop ▶"
        for control in (self.mode, self.table):
            control.observe(self._choose, "value")
        self.children = [*self.children[:2], self.mode, self.table, *self.children[2:]]

    def _choose(self, _: object) -> None:
        self.program = block(self.tables[self.table.value], self.mode.value)
        self.run = self.program.trace(range(len(SMOOTH)))
        self._draw()

    def _draw(self) -> None:
        table = self.tables[self.table.value]
        places = seen(self.program, self.run.states)
        steps = [float(b[-1] - a[-1]) for a, b in zip(places, places[1:])]  # the last token always moves
        note = svg.element("p", NOTE, style=f"max-width:{WIDTH}px;opacity:.75;font-size:90%;margin:0")
        self.picture.value = svg.joined([self._told(table, places, steps), self._svg(table, places, steps), note])

    def _told(self, table: list[Fraction], places: list[list[Fraction]], steps: list[float]) -> svg.Markup:
        t, last = self.step.value, len(steps)
        worst = f"the largest error is {float(max(abs(a - b) for a, b in zip(places[-1], table))):.2f}"
        who = f"tokens {t} to {last} move" if t < last else f"token {t} moves"
        start = f"Before the first loop: all tokens stand at y₀ = {float(table[0]):.2f}."
        ends = {
            CLOCK: f"every token is on its ring: {worst}",
            CARRIED: f"{worst}, below the largest step ε = {float(largest_step(table)):.2f}",
            BARE: f"the tokens form a straight line; {worst}",
        }
        first = f"Loop {t} of {last}: {who} by {steps[t - 1]:+.2f}." if t else start
        return status([bold(first), f" After {last} loops {ends[self.mode.value]}."])

    def _svg(self, table: list[Fraction], places: list[list[Fraction]], steps: list[float]) -> svg.Markup:
        t, count, numbers = self.step.value, len(table), [float(v) for row in (table, *places) for v in row]
        low, high = min(0.0, *numbers), max(1.0, *numbers)
        x = lambda k: LEFT + 30 + k * (WIDTH - LEFT - 60) / (count - 1)
        y = lambda v: BOTTOM - (float(v) - low) / (high - low) * (BOTTOM - TOP)
        right, middle, tallest = x(count - 1) + 24, (BARS + FOOT - 80) / 2 + 5, max(0.05, *map(abs, steps))
        ticks = [v / 2 for v in range(-8, 9) if low - 0.01 <= v / 2 <= high + 0.01]
        parts = [svg.rules([(y(v), f"{v:g}") for v in ticks], LEFT, right)]
        for k, (value, wanted) in enumerate(zip(places[t], table)):
            moved = 0 < t <= k
            told = f"token {k}: at {float(value):.2f}, wanted {float(wanted):.2f}{', still moving' if moved else ''}"
            square = svg.rect(x(k) - 5, y(value) - 5, 10, 10, fill=ORANGE, tip=told)
            dot = svg.circle(x(k), y(value), 5.5, fill=BLUE, tip=told)
            parts += [
                svg.line(x(k), y(table[0]), x(k), y(value), stroke=GREY, stroke_dasharray="2 3"),
                svg.circle(x(k), y(wanted), 10, stroke=GREY, stroke_width=2),
                svg.line(x(k), y(places[t - 1][k]), x(k), y(value), stroke=ORANGE, stroke_width=4) if moved else "",
                square if moved else dot,
                svg.text(x(k), BOTTOM + 20, f"{k}"),
            ]
        for k, step in enumerate(steps, 1):
            height, look = max(abs(step) / tallest * 38, 1), {"fill": BLUE, "opacity": 1 if k < t else 0.35}
            look = {"fill": ORANGE, "stroke": "currentColor"} if k == t else look
            told = f"loop {k} moves the tokens that still wait by {step:+.2f}"
            parts.append(svg.rect(x(k) - 9, middle - height * (step > 0), 18, height, tip=told, **look))
            parts.append(svg.text(x(k), FOOT - 8, f"{k}", font_weight="bold" if k == t else "normal"))
        parts.append(svg.line(LEFT, middle, right, middle, opacity=0.4))
        labels = ((BOTTOM + 20, "token k"), (middle + 4, "step of"), (FOOT - 8, "loop t"))
        parts += [svg.text(LEFT - 4, at, label, anchor="end") for at, label in labels]
        rest = t or count
        alt = (
            f"{count} tokens after {t} loops, {self.mode.value}, {self.table.value}: {rest} stand still (dots), "
            f"{count - rest} have just moved together (squares); rings are where they shall end."
        )
        return svg.picture(alt, WIDTH, FOOT, parts)

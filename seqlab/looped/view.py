"""One block, applied again and again: tokens move to their numbers, with a clock and without.

| paper symbol (Xu & Sato 2024)         | here                                                                          |
| ------------------------------------- | ----------------------------------------------------------------------------- |
| k ↦ y_k, k = 0 … K-1                  | `tables`: the numbers that the tokens shall reach                             |
| (id + η(t) ⊙ FF)^{K-1}, Theorem 4.2   | "with a clock": loop t moves all tokens that still wait by η(t) = y_t - y_t-1 |
| (id + FF)^{K-1}, Lemma 4.1            | "no clock, a number carried": a step of -ε, 0 or +ε, a ternary digit a loop   |
| the same without that number          | "no clock": every loop moves by the same step                                 |
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor

import ipywidgets

from seqlab.colours import BLUE, GREY, ORANGE

CLOCK, CARRIED, BARE = "with a clock", "no clock, a number carried", "no clock"
MODES = (CLOCK, CARRIED, BARE)
WIDTH, LEFT, TOP, BOTTOM, BARS, FOOT = 780, 74, 20, 290, 390, 440
SMOOTH = (10, 25, 38, 50, 60, 66, 68, 66, 60, 50, 38, 25, 14, 8)  # hundredths: a wave


@dataclass(frozen=True)
class Token:
    """What the block reads and writes: the number shown, the loops that the token still moves, and a number that is carried."""

    value: Fraction
    left: int
    carried: Fraction | None = None


def tables(seed: int = 0) -> dict[str, list[Fraction]]:
    """Name → the numbers y_k, in hundredths: random ones, a wave, the wave shuffled, one jump."""
    draw = random.Random(seed)
    shuffled = list(SMOOTH)
    draw.shuffle(shuffled)
    wild = [draw.randrange(0, 101) for _ in SMOOTH]
    jump = [20] * (len(SMOOTH) // 2) + [80] * (len(SMOOTH) - len(SMOOTH) // 2)
    named = {"random numbers": wild, "a wave": SMOOTH, "the wave, shuffled": shuffled, "one jump": jump}
    return {name: [Fraction(y, 100) for y in table] for name, table in named.items()}


def block(token: Token, step: Fraction, eta: Fraction | None = None) -> Token:
    """The one block, the same at every loop. eta is the only thing that may depend on the loop: the clock's η(t).

    Without it the step is `step`, times the next digit (-1, 0 or 1) of the carried number if there is one.
    """
    carried, move = token.carried, step
    if eta is not None:
        move = eta
    elif carried is not None:
        digit = floor(3 * carried)
        carried, move = 3 * carried - digit, (digit - 1) * step
    return Token(token.value + (move if token.left > 0 else 0), token.left - 1, carried)


def run(table: Sequence[Fraction], mode: str) -> list[list[Fraction]]:
    """[loop][token]: the numbers after 0 … K-1 loops of `block`. Token k starts at y_0 and moves k times."""
    if mode not in MODES:
        raise ValueError(f"mode: got {mode!r}, wanted one of {MODES}")
    if len(table) < 2:
        raise ValueError(f"table: got {len(table)} numbers, wanted at least 2")
    largest = max(abs(b - a) for a, b in zip(table, table[1:]))
    slope = sum(k * (y - table[0]) for k, y in enumerate(table)) / Fraction(sum(k * k for k in range(len(table))))
    step = slope if mode == BARE else largest
    tokens = [Token(table[0], k, _number(table, largest) if mode == CARRIED else None) for k in range(len(table))]
    seen = [[token.value for token in tokens]]
    for t in range(1, len(table)):
        eta = table[t] - table[t - 1] if mode == CLOCK else None
        tokens = [block(token, step, eta) for token in tokens]
        seen.append([token.value for token in tokens])
    return seen


def _number(table: Sequence[Fraction], step: Fraction) -> Fraction:
    """0.d1 d2 d3 … in base 3: digit d_t of 0, 1, 2 is a step of -ε, 0, +ε; each brings the sum as near to y_t as it can."""
    number, at = Fraction(0), table[0]
    for t, wanted in enumerate(table[1:], 1):
        digit = min((1, 0, 2), key=lambda d: abs(at + (d - 1) * step - wanted))
        at += (digit - 1) * step
        number += Fraction(digit, 3**t)
    return number


class LoopView(ipywidgets.VBox):
    """A slider over the loops of one block; which table of numbers; and what the block has to tell its loops apart."""

    def __init__(self, seed: int = 0, loop: int = 4, mode: str = CLOCK):
        self.tables = tables(seed)
        wide = {"style": {"description_width": "5em"}}
        self.mode = ipywidgets.ToggleButtons(
            options=MODES,
            value=mode,
            description="the block",
            style={"description_width": "5em", "button_width": "18em"},
        )
        self.table = ipywidgets.Dropdown(options=list(self.tables), description="numbers", **wide)
        self.loop = ipywidgets.IntSlider(
            value=loop, min=0, max=len(SMOOTH) - 1, description="loops", layout={"width": "40em"}, **wide
        )
        self.picture = ipywidgets.HTML()
        for control in (self.mode, self.table, self.loop):
            control.observe(self._draw, "value")
        super().__init__([self.loop, self.mode, self.table, self.picture])
        self._draw()

    def _draw(self, _: object = None) -> None:
        table = self.tables[self.table.value]
        seen = run(table, self.mode.value)
        self.picture.value = self._told(table, seen) + self._svg(table, seen)

    def _told(self, table: list[Fraction], seen: list[list[Fraction]]) -> str:
        t, last = self.loop.value, len(table) - 1
        off = [abs(value - wanted) for value, wanted in zip(seen[-1], table)]
        largest = max(abs(b - a) for a, b in zip(table, table[1:]))
        who = f"tokens {t} to {last} move" if t < last else f"token {t} moves"
        first = (
            f"Loop {t} of {last}: {who} by {_step(seen, t):+.2f}."
            if t
            else f"Before the first loop: all tokens stand at y₀ = {float(table[0]):.2f}."
        )
        second = {
            CLOCK: f"After {last} loops every token is on its ring: the largest error is {float(max(off)):.2f}.",
            CARRIED: f"After {last} loops the largest error is {float(max(off)):.2f}, below the largest step ε = {float(largest):.2f}.",
            BARE: f"After {last} loops the tokens form a straight line; the largest error is {float(max(off)):.2f}.",
        }[self.mode.value]
        return f"<div role='status' style='max-width:{WIDTH}px;line-height:1.6'><b>{first}</b> {second}</div>"

    def _svg(self, table: list[Fraction], seen: list[list[Fraction]]) -> str:
        t, count = self.loop.value, len(table)
        numbers = [float(v) for row in (table, *seen) for v in row]
        low, high = min(0.0, *numbers), max(1.0, *numbers)
        x = lambda k: LEFT + 30 + k * (WIDTH - LEFT - 60) / (count - 1)
        y = lambda v: BOTTOM - (float(v) - low) / (high - low) * (BOTTOM - TOP)
        text = "font-size='11' fill='currentColor'"
        parts = [_axis(x(count - 1) + 24, y, low, high)]
        for k in range(count):
            value, wanted, moved = seen[t][k], table[k], t > 0 and k >= t
            before = seen[t - 1][k] if t else value
            colour = ORANGE if moved else BLUE
            parts.append(
                f"<line x1='{x(k):.1f}' x2='{x(k):.1f}' y1='{y(seen[0][k]):.1f}' y2='{y(value):.1f}' stroke='{GREY}' stroke-dasharray='2 3'/>"
                f"<circle cx='{x(k):.1f}' cy='{y(wanted):.1f}' r='10' fill='none' stroke='{GREY}' stroke-width='2'/>"
            )
            if moved and value != before:
                parts.append(
                    f"<line x1='{x(k):.1f}' x2='{x(k):.1f}' y1='{y(before):.1f}' y2='{y(value):.1f}' stroke='{ORANGE}' stroke-width='4'/>"
                )
            shape = (
                f"<rect x='{x(k) - 5:.1f}' y='{y(value) - 5:.1f}' width='10' height='10' fill='{colour}'>"
                if moved
                else f"<circle cx='{x(k):.1f}' cy='{y(value):.1f}' r='5.5' fill='{colour}'>"
            )
            end = "</rect>" if moved else "</circle>"
            told = f"token {k}: at {float(value):.2f}, wanted {float(wanted):.2f}{', still moving' if moved else ''}"
            parts.append(f"{shape}<title>{told}</title>{end}")
            parts.append(f"<text x='{x(k):.1f}' y='{BOTTOM + 20}' text-anchor='middle' {text}>{k}</text>")
        parts.append(f"<text x='{LEFT - 4}' y='{BOTTOM + 20}' text-anchor='end' {text}>token k</text>")
        parts.append(self._bars(seen, x))
        rest = count if t == 0 else t
        alt = (
            f"{count} tokens after {t} loops, {self.mode.value}, {self.table.value}: {rest} stand still (dots), "
            f"{count - rest} have just moved together (squares); rings are where they shall end."
        )
        note = (
            "<p style='max-width:780px;opacity:.75;font-size:90%;margin:0'>Rings: the numbers to reach. Blue dots stand still, orange squares "
            "moved in this loop, all by the same step. Below: the step of each loop; the orange bar is this loop's.</p>"
        )
        return (
            f"<svg role='img' aria-label='{alt}' viewBox='0 0 {WIDTH} {FOOT}' style='width:{WIDTH}px;max-width:100%;font-family:sans-serif'>"
            f"{''.join(parts)}</svg>{note}"
        )

    def _bars(self, seen: list[list[Fraction]], x: object) -> str:
        steps = [_step(seen, t) for t in range(1, len(seen))]
        top, parts = max(0.05, *(abs(step) for step in steps)), []
        middle = (BARS + FOOT - 80) / 2 + 5
        for t, step in enumerate(steps, 1):
            height = abs(step) / top * 38
            now = t == self.loop.value
            parts.append(
                f"<rect x='{x(t) - 9:.1f}' y='{middle - (height if step > 0 else 0):.1f}' width='18' height='{max(height, 1):.1f}' "
                f"fill='{ORANGE if now else BLUE}' opacity='{1 if t <= self.loop.value else 0.35}' stroke='{'currentColor' if now else 'none'}'>"
                f"<title>loop {t} moves the tokens that still wait by {step:+.2f}</title></rect>"
                f"<text x='{x(t):.1f}' y='{FOOT - 8}' font-size='11' text-anchor='middle' fill='currentColor' font-weight='{'bold' if now else 'normal'}'>{t}</text>"
            )
        parts.append(
            f"<line x1='{LEFT}' x2='{x(len(seen) - 1) + 24:.1f}' y1='{middle}' y2='{middle}' stroke='currentColor' opacity='.4'/>"
            f"<text x='{LEFT - 4}' y='{middle + 4}' font-size='11' text-anchor='end' fill='currentColor'>step of</text>"
            f"<text x='{LEFT - 4}' y='{FOOT - 8}' font-size='11' text-anchor='end' fill='currentColor'>loop t</text>"
        )
        return "".join(parts)

    def _repr_mimebundle_(self, **options: object) -> dict:
        return super()._repr_mimebundle_(**options) | {"text/html": self.picture.value}


def _step(seen: list[list[Fraction]], t: int) -> float:
    """By how much loop t moves: the last token always moves."""
    return float(seen[t][-1] - seen[t - 1][-1])


def _axis(right: float, y: object, low: float, high: float) -> str:
    ticks = [at / 2 for at in range(-8, 9) if low - 0.01 <= at / 2 <= high + 0.01]
    return "".join(
        f"<line x1='{LEFT}' x2='{right:.1f}' y1='{y(v):.1f}' y2='{y(v):.1f}' stroke='currentColor' opacity='.15'/>"
        f"<text x='{LEFT - 6}' y='{y(v) + 4:.1f}' font-size='11' text-anchor='end' fill='currentColor'>{v:g}</text>"
        for v in ticks
    )

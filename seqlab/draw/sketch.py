"""Lines over the steps of a training, as SVG: a picture that may be drawn anew four times a second."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from seqlab.draw.svg import Markup, circle, curve, picture, rules, text

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 430, 240, 52, 42, 418, 206


def chart(
    title: str, unit: str, rows: Iterable[tuple[str, Sequence, dict]], *, last: int = 1, log: bool = False
) -> Markup:
    """A line for each (name, [(step, value), …], look), with a dot at its end; the look is that of `svg.curve`.

    last: the axis goes to this step at least;  log: logarithmic where values are positive and span a factor of 20
    """
    rows = [(name, [(step, value) for step, value in row if math.isfinite(value)], look) for name, row, look in rows]
    steps, values = ([point[at] for _, row, _ in rows for point in row] for at in (0, 1))
    last, low, high = max([last, *steps]), min(values, default=0.0), max(values, default=1.0)
    log = log and low > 0 and high / low > 20
    scale, back = (math.log10, lambda level: 10**level) if log else (float, float)
    low, high = scale(low), scale(high)
    pad = 0.06 * (high - low) or 0.5
    low, high = low - pad if log or low < 0 else max(low - pad, 0.0), high + pad
    x = lambda step: LEFT + (RIGHT - LEFT) * step / last
    y = lambda level: BOTTOM - (BOTTOM - TOP) * (level - low) / (high - low)
    fifths = [at / 4 for at in range(5)]
    parts = [
        text(0, 13, title, 13, "start", font_weight="bold"),
        text(0, 28, f"{unit}{', log scale' if log else ''}", 11, "start", opacity=0.8),
        rules([(y(level), f"{back(level):.3g}") for level in (low + at * (high - low) for at in fifths)], LEFT, RIGHT),
        [text(x(at * last), BOTTOM + 15, f"{at * last:.0f}", 11) for at in fifths],
        text(WIDTH / 2, HEIGHT - 3, "step", 11),
    ]
    for name, row, look in rows:
        places = [(x(step), y(scale(value))) for step, value in row]
        parts += [curve(places, tip=name, **look), [circle(*at, 3, fill=look["stroke"]) for at in places[-1:]]]
    said = "; ".join(f"{name} {row[0][1]:.3g} to {row[-1][1]:.3g}" for name, row, _ in rows if row)
    return picture(f"{title}. {said or 'nothing yet'}.", WIDTH, HEIGHT, parts)

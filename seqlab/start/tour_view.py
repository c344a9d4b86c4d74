"""Two minutes: the six ideas as six small pictures that one slider moves, each a link to its lab."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from itertools import combinations

import ipywidgets
import torch
from jaxtyping import Bool
from torch import Tensor

from seqlab.attention import boltzmann, sigmoid, softmax
from seqlab.colours import BLUE, GREEN, ORANGE
from seqlab.course.rooms import labs
from seqlab.draw.svg import Markup, circle, element, line, picture, rect, text
from seqlab.patterns import random, relays, window
from seqlab.widgets.view import View, side_by_side, wide

STEPS, WIDTH, HEIGHT = 8, 210, 130
Drawn = tuple[str, Iterable]  # what it says, and its shapes


def sweep(step: int) -> Drawn:
    """Yun et al. 2019: one id after the other jumps past all others, by twice the largest less the smallest."""
    ids = [1, 2, 3, 4]
    for k in range(min(step, 4)):
        ids[k] += 2 * (max(ids) - ids[k])
    tall = lambda x: 22 * math.log2(x) * 0.9
    bars = [
        rect(25 + 42 * k, 125 - tall(x), 28, tall(x) + 1, fill=ORANGE if k < step else BLUE) for k, x in enumerate(ids)
    ]
    return f"names by jumps: {', '.join(map(str, ids))}", bars


def reach(step: int) -> Drawn:
    """Yun et al. 2020: with a window of 1, after so many layers, who has heard the token in the middle."""
    seen, knows = window(1).at(11).mask.double(), torch.eye(11, dtype=torch.float64)[5]
    for _ in range(step):
        knows = seen @ knows
    dots = [
        circle(15 + 18 * k, 70, 7, fill=GREEN if heard else "none", stroke="currentColor")
        for k, heard in enumerate(knows.tolist())
    ]
    return f"{step} sparse layers: {int((knows > 0).sum())} of 11 have heard", [
        line(15, 70, 195, 70, opacity=0.4),
        dots,
    ]


def bird(step: int) -> Drawn:
    """Zaheer et al. 2020: a window, then a global token, then random keys."""
    parts = [window(1), relays([0]), random(1)][: 1 + step // 3]
    grid: Bool[Tensor, "query key"] = torch.stack([part.at(12).mask for part in parts]).any(0)
    cells = [rect(50 + 9 * k, 12 + 9 * q, 8, 8, fill=BLUE) for q, k in grid.nonzero().tolist()]
    return f"{' + '.join(['window', 'global', 'random'][: len(parts)])}: {len(cells)} of 144", cells


def one_layer(step: int) -> Drawn:
    """Kajitsuka & Sato 2023: the Boltzmann operator of all pairs of 1, 2, 3, 4; an average names two of them alike."""
    pairs = torch.tensor([*combinations((1.0, 2.0, 3.0, 4.0), 2)], dtype=torch.float64)
    named = boltzmann(pairs, 0.4 * step)
    dots = [circle(20 + 60 * (name - 1), 40 + 12 * row, 5, fill=ORANGE) for row, name in enumerate(named.tolist())]
    different = len({round(name, 6) for name in named.tolist()})
    return f"one softmax: {different} names for 6 pairs", [line(15, 120, 205, 120), dots]


def gates(step: int) -> Drawn:
    """Ramapuram et al. 2024: one score moves; under softmax (left) all weights do, under sigmoid (right) its own."""
    scores = torch.tensor([[step / 2 - 2, 0.5, 1.0]])
    rows = softmax()(scores)[0].tolist(), sigmoid(-1.0)(scores)[0].tolist()
    bars = [
        rect(20 + 95 * side + 26 * key, 120 - 100 * weight, 20, 100 * weight, fill=ORANGE if key == 0 else BLUE)
        for side, row in enumerate(rows)
        for key, weight in enumerate(row)
    ]
    return "one score moves: softmax, sigmoid", bars


def loop(step: int) -> Drawn:
    """Xu & Sato 2024: one block, applied again and again; each time it adds 1 to what the last loop left."""
    value = 0
    for _ in range(step):
        value = value + 1
    angle = 2 * math.pi * step / STEPS
    hand = circle(60 + 40 * math.sin(angle), 68 - 40 * math.cos(angle), 8, fill=ORANGE)
    stairs = [rect(125 + 9 * k, 110 - 9 * k, 9, 9 * k + 9, fill=GREEN) for k in range(value)]
    return f"one block, {step} times", [
        circle(60, 68, 40, stroke="currentColor"),
        text(60, 73, f"t = {step}"),
        hand,
        stairs,
    ]


IDEAS = {
    "Yun 2019": sweep,
    "Yun 2020": reach,
    "Zaheer 2020": bird,
    "Kajitsuka & Sato 2023": one_layer,
    "Ramapuram 2024": gates,
    "Xu & Sato 2024": loop,
}


@cache
def _notebooks() -> dict[str, str]:
    """The lab that builds a paper, where it is here; reading all notebooks takes too long for a slider."""
    return {lab.paper["short"]: f"{lab.slug}.ipynb" for lab in labs() if lab.paper}


def small(step: int) -> list[tuple[str, str, Markup]]:
    """The six pictures at one step: paper, notebook or "", picture."""
    drawn = {name: idea(step) for name, idea in IDEAS.items()}
    return [
        (
            name,
            _notebooks().get(name, ""),
            picture(told, WIDTH, HEIGHT + 20, *shapes, text(WIDTH / 2, HEIGHT + 14, told, 11)),
        )
        for name, (told, shapes) in drawn.items()
    ]


class TourView(View):
    """One slider, six pictures."""

    def __init__(self) -> None:
        super().__init__({"step": ipywidgets.IntSlider(3, 0, STEPS, description="step", **wide(30, 4))})
        self.watch(self._draw, self.step)
        self._draw()

    def _draw(self) -> None:
        self.picture.value = side_by_side(
            *(
                element("a", element("div", name, style="font-weight:bold"), drawn, href=href, style="color:inherit")
                for name, href, drawn in small(self.step.value)
            )
        )

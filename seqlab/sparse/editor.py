"""The pattern editor: paint who may look at whom, and see at once what the theorem says of it."""

from collections.abc import Sequence

import ipywidgets
import numpy as np
import torch

from seqlab import patterns
from seqlab.colours import GREY, ORANGE, RED
from seqlab.draw.svg import Inside, Markup, circle, element, path, picture, text
from seqlab.patterns.connectivity import Assumption, assumption_1
from seqlab.widgets.pattern_grid import MOST, PatternGrid
from seqlab.widgets.view import Beside, View, bold, side_by_side, status

SEARCH = 0.03  # seconds for a chain while painting
HEAD_DIM = 64
SIDE = 400  # pixels of the ring
TILE = 4  # tokens of a block in the cost line


def _width(n: int) -> int:
    return max(2, round(n**0.5))


CATALOGUE = {
    "window": lambda n: patterns.window(1),
    "strided": lambda n: patterns.strided(_width(n)),
    "fixed": lambda n: patterns.fixed(_width(n)),
    "star (ring and relay)": lambda n: patterns.star(),
    "pure star": lambda n: patterns.pure_star(),
    "random": lambda n: patterns.random(2),
    "window and random": lambda n: patterns.window(1) | patterns.random(1),
    "axial": lambda n: patterns.axial(_width(n)),
    "own token only": lambda n: patterns.own(),
    "full": lambda n: patterns.full(),
}


class PatternEditor(View):
    """A grid to paint on beside a ring on which hearing spreads, the three conditions, and the cost.

    A pattern of two sets, used in turn by the layers, is painted one set at a time. `editor.pattern` is what stands
    there.
    """

    def __init__(self, n: int = 12, start: str = "window"):
        if start not in CATALOGUE or not 4 <= n <= MOST:
            raise ValueError(
                f"start, n: got {start!r}, {n}; wanted one of {', '.join(CATALOGUE)}, and 4 to {MOST} tokens"
            )
        super().__init__(
            Beside(
                choice=ipywidgets.Dropdown(options=list(CATALOGUE), value=start, description="start from"),
                size=ipywidgets.IntSlider(value=n, min=4, max=MOST, description="tokens", continuous_update=False),
                sets=ipywidgets.ToggleButtons(
                    options=[("set 1", 0)], description="paint", style={"button_width": "5em"}
                ),
            ),
            Beside(grid=PatternGrid(), ring=ipywidgets.HTML(layout={"width": f"{SIDE + 8}px"})),
            Beside(
                source=ipywidgets.IntSlider(value=0, min=0, max=n - 1, description="heard of"),
                hop=ipywidgets.IntSlider(value=1, min=0, max=2, description="steps"),
                play=ipywidgets.Play(value=0, min=0, max=2, interval=700),
            ),
        )
        ipywidgets.jslink((self.play, "value"), (self.hop, "value"))
        self.watch(self._load, self.choice, self.size)
        self.watch(self._show, self.sets)
        self.watch(self._spread, self.source, self.hop)
        self.grid.observe(self._painted, "cells")
        self._load()

    @property
    def pattern(self) -> patterns.Pattern:
        """What is painted now, as a Pattern for `n` tokens."""
        return patterns.freehand(torch.from_numpy(np.stack(self.masks)))

    def _load(self) -> None:
        n = self.size.value
        self.masks = [mask.numpy().copy() for mask in CATALOGUE[self.choice.value](n).at(n).masks()]
        with self.held():  # the source may have to come down
            self.sets.options = [(f"set {i + 1}", i) for i in range(len(self.masks))]
            self.source.max = n - 1
        self.sets.layout.display = None if len(self.masks) > 1 else "none"
        self._show()

    def _show(self) -> None:
        with self.held():
            self.grid.paint(self.masks[self.sets.value or 0])
        self._judge()

    def _painted(self, _: object) -> None:
        if not self.still and len(self.grid.cells) == self.grid.n**2 == self.masks[0].size:
            self.masks[self.sets.value or 0] = self.grid.grid.copy()
            self._judge()

    def _judge(self) -> None:
        self.instance = self.pattern.at(len(self.masks[0]))
        self.found = assumption_1(self.instance, seconds=SEARCH)
        self.picture.value = report(self.found)
        steps = self.found.s or 2 * len(self.masks[0])
        self.play.max = self.hop.max = max(min(steps, 2 * MOST), 1)
        self._spread()

    def _spread(self) -> None:
        """Who has heard of the source after so many steps: whoever sees a key that had heard in the step before."""
        heard = np.arange(self.instance.n) == self.source.value
        for step in range(self.hop.value):
            heard = self.masks[step % self.found.p] @ heard
        chain = self.found.chain.order.tolist() if self.found.chain.status == "found" else []
        self.ring.value = ring(np.any(self.masks, axis=0), chain, heard, self.source.value, self.hop.value)

    def twin(self) -> str:
        """The painted grid as characters beside the ring, and the report."""
        shown = side_by_side(Markup(self.grid.twin()), Markup(self.ring.value))
        return element("figure", shown, Markup(self.picture.value))


def ring(seen: np.ndarray, chain: Sequence[int], heard: np.ndarray, source: int, steps: int) -> Markup:
    """Tokens on a ring, a line where one sees the other; the chain is dashed, who has heard of the source is lit."""
    n, middle = len(seen), SIDE / 2
    turn = 2 * np.pi * np.arange(n) / n
    places = middle + (middle - 30) * np.stack([np.sin(turn), -np.cos(turn)], axis=1)
    way = lambda pairs: "".join("M{:.0f} {:.0f}L{:.0f} {:.0f}".format(*places[[*pair]].flat) for pair in pairs)
    others, links = np.argwhere(seen & ~np.eye(n, dtype=bool)), zip(chain, chain[1:])
    parts = [
        path(way(others), stroke=GREY, opacity=0.25 if n > 24 else 0.5),
        path(way(links), stroke=RED, stroke_width=2, stroke_dasharray="6 4"),
    ]
    for token, (x, y) in enumerate(places.tolist()):
        edge = dict(stroke="currentColor", stroke_width=3) if token == source else dict(stroke=GREY)
        parts.append(circle(x, y, max(4, min(11, 260 / n)), fill=ORANGE if heard[token] else "white", **edge))
        parts.append(text(x, y + 4, f"{token}", 11, fill="black") if n <= 32 else "")
    dashed = " A chain through all tokens is dashed." if len(chain) else ""
    alt = f"After {steps} step{'s' * (steps != 1)} {heard.sum()} of {n} tokens have heard of token {source}.{dashed}"
    return picture(alt, SIDE, SIDE, parts)


def report(found: Assumption) -> Markup:
    """The three conditions with witnesses, and the cost, as HTML."""
    instance, chain, s = found.instance, found.chain, found.s
    own, path, reach = found.verdicts.values()
    unsure = not path and chain.status == "not found"
    cases = {
        "each token sees itself": (own, str(own.witness or "")),
        "a chain through all tokens": (path, f"{chain.status}: {chain.how}"),
        "everyone hears everyone": (
            reach,
            f"after s = {s} step{'s' * (s != 1)}" if reach else str(reach.witness or ""),
        ),
    }
    signs = {name: "✓" if holds else "?" if holds is path and unsure else "✗" for name, (holds, _) in cases.items()}
    lines: list[Inside] = [(bold(f"{signs[name]} {name}"), f" {told}") for name, (_, told) in cases.items()]
    tiles, per_set = instance.layout(TILE, 0), instance.connections()
    needed = f"needs p (n − 1) δ⁻ᵈ + s = {found.p * (instance.n - 1)} δ⁻ᵈ + {s} attention layers"
    return status(
        *lines,
        f"{' + '.join(f'{c:,}' for c in per_set)} of {instance.n**2:,} connections a layer; one round of {found.p} "
        f"layer{'s' * (found.p > 1)} at head dim {HEAD_DIM}: {4 * HEAD_DIM * sum(per_set):,} FLOP",
        f"set 1 in blocks of {TILE}, as kernels walks it: {tiles.listed} of {tiles.n_rows * tiles.n_columns} blocks",
        f"the theorem's network: {needed if s else 'the construction does not apply'}",
    )

"""The pattern editor: paint who may look at whom, and see at once what the theorem says of it."""

from __future__ import annotations

import ipywidgets
import numpy as np
import torch

from seqlab import patterns
from seqlab.draw.svg import Inside, Markup, element
from seqlab.patterns.connectivity import Assumption, assumption_1
from seqlab.widgets.pattern_grid import MOST, PatternGrid
from seqlab.widgets.view import Beside, View, bold, status

SEARCH = 0.03  # seconds for a chain while painting
HEAD_DIM = 64
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
            dict(
                grid=PatternGrid(),
            ),
            Beside(
                source=ipywidgets.IntSlider(value=0, min=0, max=n - 1, description="heard of"),
                hop=ipywidgets.IntSlider(value=1, min=0, max=2, description="steps"),
                play=ipywidgets.Play(value=0, min=0, max=2, interval=700),
            ),
        )
        ipywidgets.jslink((self.play, "value"), (self.hop, "value"))
        self.watch(self._load, self.choice, self.size)
        self.watch(self._show, self.sets)
        self.watch(self._spread, self.source)
        self.watch(lambda: setattr(self.grid, "hop", self.hop.value), self.hop)
        self.grid.observe(self._painted, "cells")
        self._load()

    @property
    def pattern(self) -> patterns.Pattern:
        """What is painted now, as a Pattern for `n` tokens."""
        return patterns.freehand(torch.from_numpy(np.stack(self.masks)))

    def _load(self) -> None:
        n = self.size.value
        instance = CATALOGUE[self.choice.value](n).at(n)
        self.masks = [mask.numpy().copy() for mask in instance.masks()]
        self.sets.options = [(f"set {i + 1}", i) for i in range(len(self.masks))]
        self.sets.layout.display = None if len(self.masks) > 1 else "none"
        self.source.max = n - 1
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
        chain = self.found.chain
        self.grid.chain = list(map(int, chain.order)) if chain.status == "found" else []
        self.picture.value = report(self.found)
        steps = self.found.s or 2 * len(self.masks[0])
        self.play.max = self.hop.max = max(min(steps, 2 * MOST), 1)
        self._spread()

    def _spread(self) -> None:
        """When each token hears of the source: it does in step t if a key that it sees then has heard in step t - 1."""
        n, p, source = self.instance.n, self.found.p, self.source.value
        heard = np.arange(n) == source
        first = np.where(heard, 0, 255)
        for step in range(1, min(n * p, 254) + 1):
            heard = self.masks[(step - 1) % p] @ heard
            first[heard & (first == 255)] = step
            if (first < 255).all():
                break
        self.grid.source = source
        self.grid.heard = first.astype(np.uint8).tobytes()
        self.grid.hop = self.hop.value

    def twin(self) -> str:
        """The painted grid as characters, and the report."""
        rows = "\n".join(" ".join("■" if seen else "·" for seen in row) for row in self.masks[self.sets.value or 0])
        return element("figure", element("pre", rows, style="line-height:1.1"), Markup(self.picture.value))


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
    cost, tiles = instance.cost(HEAD_DIM), instance.layout(TILE, 0)
    needed = f"needs p (n − 1) δ⁻ᵈ + s = {found.p * (instance.n - 1)} δ⁻ᵈ + {s} attention layers"
    return status(
        *lines,
        f"{' + '.join(f'{c:,}' for c in instance.connections())} of {instance.n**2:,} connections a layer; one round "
        f"of {found.p} layer{'s' * (found.p > 1)} at head dim {HEAD_DIM}: {cost.flops:,} FLOP, {cost.least_bytes:,} to "
        f"{cost.gathered_bytes:,} bytes",
        f"set 1 in blocks of {TILE}, as kernels walks it: {tiles.listed} of {tiles.n_rows * tiles.n_columns} blocks",
        f"the theorem's network: {needed if s else 'the construction does not apply'}",
    )

"""The tile stepper: attention as a kernel does it, a tile of scores at a time, and what it must remember meanwhile."""

from __future__ import annotations

import itertools
import math

import ipywidgets
import torch
from torch import Tensor

from kernels.layout import BlockLayout
from seqlab.colours import BLUE, GREY, ORANGE
from seqlab.draw.svg import Inside, Markup, picture, rect, text
from seqlab.widgets.view import View, bold, side_by_side, status, wide

LENGTH, DIM = 64, 16
TILES = (8, 16, 32)
PATTERNS = ("dense", "causal", "BigBird")
CELL = 320  # pixels of the picture's side


class TileView(View):
    """Step through the tiles of one small head: 64 tokens, dim 16, float32.

    Rows of tiles are done one after another, each from left to right, as one program of the kernel does. The picture
    shows which tiles are done, the text what has been loaded and what a row keeps while it waits for more keys.
    """

    def __init__(self, seed: int = 0):
        draw = torch.Generator().manual_seed(seed)
        self.q, self.k, self.v = torch.randn(3, LENGTH, DIM, generator=draw)
        look = {"style": {"button_width": "6em"}}
        super().__init__(
            dict(
                normalizer=ipywidgets.ToggleButtons(options=("softmax", "sigmoid"), description="weights by", **look),
                pattern=ipywidgets.ToggleButtons(options=PATTERNS, description="pattern", **look),
                tile=ipywidgets.ToggleButtons(options=TILES, value=16, description="tile", **look),
                step=ipywidgets.IntSlider(value=6, min=0, max=16, description="tiles done", **wide(34, 6)),
            ),
        )
        self.watch(self._shape, self.pattern, self.tile)
        self.watch(self._draw, self.normalizer, self.step)
        self._shape()

    def grid(self) -> Tensor:
        """Which tiles are visited, "row column"."""
        count = LENGTH // self.tile.value
        if self.pattern.value == "BigBird":
            kinds = {"global_blocks": 1, "window": 1, "random_blocks": 1}
            return BlockLayout.bigbird(LENGTH, block=self.tile.value, seed=0, **kinds).blocks()[0]
        full = torch.ones(count, count, dtype=torch.bool)
        return full.tril() if self.pattern.value == "causal" else full

    def _shape(self) -> None:
        self.visits = self.grid().nonzero().tolist()
        with self.held():
            self.step.max = len(self.visits)
        self._draw()

    def _draw(self) -> None:
        done = self.visits[: self.step.value]
        self.picture.value = side_by_side(self._svg(done), status(*self._told(done)))

    def _svg(self, done: list[list[int]]) -> Markup:
        side, count = CELL * self.tile.value // LENGTH, LENGTH // self.tile.value
        marks = []
        for i, j in itertools.product(range(count), repeat=2):
            fill, sign, look = "none", "·", {"stroke_dasharray": "2 3", "opacity": 0.5}
            if [i, j] in self.visits:
                fill, sign, look = "none", "", {}
            if [i, j] in done:
                fill, sign = (ORANGE, "▶") if [i, j] == done[-1] else (BLUE, "✓")
            tile = (j * side + 2, i * side + 2, side - 4, side - 4)
            marks.append(rect(*tile, fill=fill, fill_opacity=0.75, stroke=GREY, **look))
            marks.append(text((j + 0.5) * side, (i + 0.5) * side + 5, sign, min(side / 2, 18)))
        alt = f"{len(done)} of {len(self.visits)} tiles done; rows are queries, columns are keys"
        note = text(0, CELL + 18, "queries ↓, keys →; dotted: never loaded", 13, "start")
        return picture(alt, CELL, CELL + 22, marks, note)

    def _told(self, done: list[list[int]]) -> list[Inside]:
        tile, row = self.tile.value, self.tile.value * DIM * 4  # bytes of a tile of queries, keys or values
        loaded = (len({i for i, _ in done}) + 2 * len(done)) * row
        whole = (LENGTH // tile + 2 * len(self.visits)) * row
        naive = (4 * LENGTH * DIM + 4 * LENGTH * LENGTH) * 4
        return [
            bold(f"{len(done)} of {len(self.visits)} tiles of {tile} × {tile} scores done"),
            f"loaded so far: {loaded:,} of {whole:,} bytes",
            f"scores in fast memory at any time: {tile * tile * 4:,} bytes",
            f"the naive formula moves {naive:,} bytes, its {LENGTH} × {LENGTH} scores four times",
            *(self._remembers(done) if done else []),
        ]

    def _remembers(self, done: list[list[int]]) -> list[Inside]:
        """What the first query of the current row carries along, and how far its output is from the end."""
        tile, row = self.tile.value, done[-1][0]
        query = row * tile
        mine = [j for i, j in done if i == row]
        every = [j for i, j in self.visits if i == row]

        def state(columns: list[int]) -> tuple[float, float, Tensor]:
            keys = torch.cat([torch.arange(j * tile, (j + 1) * tile) for j in columns])
            if self.pattern.value == "causal":
                keys = keys[keys <= query]
            scores = self.k[keys] @ self.q[query] / math.sqrt(DIM)
            if self.normalizer.value == "sigmoid":
                return 0.0, 1.0, torch.sigmoid(scores - math.log(LENGTH)) @ self.v[keys]
            highest = float(scores.max())
            weights = torch.exp(scores - highest)
            return highest, float(weights.sum()), weights @ self.v[keys] / weights.sum()

        highest, total, out = state(mine)
        gap = float((out - state(every)[2]).abs().max())
        kept = f"a maximum, {highest:.3f}, and a sum, {total:.3f}" if self.normalizer.value == "softmax" else "nothing"
        seen = f"query {query} has seen {len(mine)} of {len(every)} tiles; beside its output it keeps "
        return [(seen, bold(kept)), f"its output is {gap:.3f} from the final one" if gap else "its output is final"]

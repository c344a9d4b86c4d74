"""The tile stepper: attention as a kernel does it, one tile of scores at a time, and what it must remember meanwhile."""

from __future__ import annotations

import math

import ipywidgets
import torch
from torch import Tensor

from kernels.layout import BlockLayout
from seqlab.colours import BLUE, GREY, ORANGE

LENGTH, DIM = 64, 16
TILES = (8, 16, 32)
PATTERNS = ("dense", "causal", "BigBird")
CELL = 320  # pixels of the picture's side


class TileView(ipywidgets.VBox):
    """Step through the tiles of one small head: 64 tokens, dim 16, float32.

    Rows of tiles are done one after another, each from left to right, as one program of the kernel does. The picture
    shows which tiles are done, the text what has been loaded and what a row keeps while it waits for more keys.
    """

    def __init__(self, seed: int = 0):
        draw = torch.Generator().manual_seed(seed)
        self.q, self.k, self.v = torch.randn(3, LENGTH, DIM, generator=draw)
        self.normalizer = ipywidgets.ToggleButtons(
            options=("softmax", "sigmoid"), description="weights by", style={"button_width": "6em"}
        )
        self.pattern = ipywidgets.ToggleButtons(options=PATTERNS, description="pattern", style={"button_width": "6em"})
        self.tile = ipywidgets.ToggleButtons(options=TILES, value=16, description="tile", style={"button_width": "6em"})
        self.step = ipywidgets.IntSlider(value=6, min=0, max=16, description="tiles done", layout={"width": "34em"})
        self.picture = ipywidgets.HTML()
        for control in (self.pattern, self.tile):
            control.observe(self._shape, "value")
        for control in (self.normalizer, self.step):
            control.observe(self._draw, "value")
        super().__init__([self.normalizer, self.pattern, self.tile, self.step, self.picture])
        self._shape()

    def grid(self) -> Tensor:
        """Which tiles are visited, "row column"."""
        count = LENGTH // self.tile.value
        if self.pattern.value == "BigBird":
            return BlockLayout.bigbird(
                LENGTH, block=self.tile.value, global_blocks=1, window=1, random_blocks=1, seed=0
            ).blocks()[0]
        full = torch.ones(count, count, dtype=torch.bool)
        return full.tril() if self.pattern.value == "causal" else full

    def _shape(self, _: object = None) -> None:
        self.visits = self.grid().nonzero().tolist()
        self.step.max = len(self.visits)
        self._draw()

    def _draw(self, _: object = None) -> None:
        self.picture.value = (
            f"<div style='display:flex;gap:2em;align-items:flex-start'>{self._svg()}{self._told()}</div>"
        )

    def _svg(self) -> str:
        count, done = LENGTH // self.tile.value, self.visits[: self.step.value]
        side = CELL / count
        marks = []
        for i in range(count):
            for j in range(count):
                listed, visited = [i, j] in self.visits, [i, j] in done
                current = bool(done) and done[-1] == [i, j]
                fill = ORANGE if current else BLUE if visited else "none"
                dash = "" if listed else " stroke-dasharray='2 3' opacity='.5'"
                edge = f"<rect x='{j * side + 2}' y='{i * side + 2}' width='{side - 4}' height='{side - 4}' fill='{fill}' fill-opacity='.75' stroke='{GREY}'{dash}/>"
                sign = "▶" if current else "✓" if visited else "" if listed else "·"
                marks.append(
                    f"{edge}<text x='{(j + 0.5) * side}' y='{(i + 0.5) * side + 5}' text-anchor='middle' fill='currentColor' font-size='{min(side / 2, 18)}'>{sign}</text>"
                )
        label = f"{len(done)} of {len(self.visits)} tiles done; rows are queries, columns are keys"
        return (
            f"<svg role='img' aria-label='{label}' width='{CELL}' height='{CELL + 22}' style='flex:none'>{''.join(marks)}"
            f"<text x='0' y='{CELL + 18}' fill='currentColor' font-size='13'>queries ↓, keys →; dotted: never loaded</text></svg>"
        )

    def _told(self) -> str:
        tile, done = self.tile.value, self.visits[: self.step.value]
        row_bytes = DIM * 4
        loaded = len({i for i, _ in done}) * tile * row_bytes + len(done) * tile * 2 * row_bytes
        whole = (LENGTH + len(self.visits) * tile * 2) * row_bytes
        naive = (4 * LENGTH * DIM + 4 * LENGTH * LENGTH) * 4
        lines = [
            f"<b>{len(done)} of {len(self.visits)} tiles of {tile} × {tile} scores done</b>",
            f"loaded so far: {loaded:,} of {whole:,} bytes",
            f"scores in fast memory at any time: {tile * tile * 4:,} bytes",
            f"the naive formula moves {naive:,} bytes, its {LENGTH} × {LENGTH} scores four times",
        ]
        if done:
            lines += self._remembers(done)
        return f"<div role='status' style='line-height:1.7'>{'<br>'.join(lines)}</div>"

    def _remembers(self, done: list[list[int]]) -> list[str]:
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
        return [
            f"query {query} has seen {len(mine)} of {len(every)} tiles; beside its output it keeps <b>{kept}</b>",
            f"its output is {gap:.3f} from the final one" if gap else "its output is final",
        ]

    def _repr_mimebundle_(self, **options: object) -> dict:
        return super()._repr_mimebundle_(**options) | {"text/html": self.picture.value}

"""PatternGrid: who may look at whom, painted with the mouse or the keys."""

from pathlib import Path

import anywidget
import numpy as np
import traitlets

from seqlab.draw.svg import element
from seqlab.widgets.still import Saved

HERE = Path(__file__).parent
MOST = 64  # tokens that can be painted


class PatternGrid(Saved, anywidget.AnyWidget):
    """`n` × `n` cells; a painted cell in row i and column j means that token i looks at token j."""

    _esm = HERE / "pattern_grid.js"
    _css = HERE / "pattern_grid.css"
    alone = "grid"

    n = traitlets.Int(8).tag(sync=True)
    cells = traitlets.Bytes().tag(sync=True, from_json=lambda sent, _: bytes(sent))  # it comes as a memoryview

    @traitlets.default("cells")
    def _blank(self) -> bytes:
        return bytes(self.n**2)

    @property
    def grid(self) -> np.ndarray:
        """The painted cells, boolean "query key"."""
        return np.frombuffer(bytes(self.cells), dtype=np.uint8).reshape(self.n, self.n).astype(bool)

    def film(self) -> dict:
        """What a page needs to show it."""
        return {"n": self.n, "cells": bytes(self.cells)}

    def twin(self) -> str:
        """The painted cells as characters."""
        rows = "\n".join(" ".join("■" if seen else "·" for seen in row) for row in self.grid)
        return element("pre", rows, style="line-height:1.1")

    def paint(self, grid: np.ndarray) -> None:
        """Show another pattern. Raises ValueError unless it is square and not too large to paint."""
        if grid.ndim != 2 or grid.shape[0] != grid.shape[1] or not 1 <= len(grid) <= MOST:
            raise ValueError(f"grid: got shape {grid.shape}, wanted n × n with n from 1 to {MOST}")
        with self.hold_trait_notifications():
            self.n = len(grid)
            self.cells = np.ascontiguousarray(grid, dtype=np.uint8).tobytes()

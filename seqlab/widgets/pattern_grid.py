"""PatternGrid: who may look at whom, painted with the mouse or the keys, and the ring on which it is heard."""

from __future__ import annotations

from pathlib import Path

import anywidget
import numpy as np
import traitlets

HERE = Path(__file__).parent
MOST = 64  # tokens that can be painted


class PatternGrid(anywidget.AnyWidget):
    """`n` × `n` cells; a painted cell in row i and column j means that token i looks at token j.

    heard: for each token the step at which it hears of token `source`, 255 for never; those up to `hop` are lit.
    chain: the tokens of a path through all of them, drawn dashed; empty for none.
    """

    _esm = HERE / "pattern_grid.js"
    _css = HERE / "pattern_grid.css"

    n = traitlets.Int(8).tag(sync=True)
    cells = traitlets.Bytes().tag(sync=True, from_json=lambda sent, _: bytes(sent))  # it comes as a memoryview
    heard = traitlets.Bytes().tag(sync=True)
    hop = traitlets.Int(0).tag(sync=True)
    source = traitlets.Int(0).tag(sync=True)
    chain = traitlets.List(traitlets.Int()).tag(sync=True)

    @property
    def grid(self) -> np.ndarray:
        """The painted cells, boolean "query key"."""
        return np.frombuffer(bytes(self.cells), dtype=np.uint8).reshape(self.n, self.n).astype(bool)

    def paint(self, grid: np.ndarray) -> None:
        """Show another pattern. Raises ValueError unless it is square and not too large to paint."""
        if grid.ndim != 2 or grid.shape[0] != grid.shape[1] or not 1 <= len(grid) <= MOST:
            raise ValueError(f"grid: got shape {grid.shape}, wanted n × n with n from 1 to {MOST}")
        with self.hold_trait_notifications():
            self.n = len(grid)
            self.cells = np.ascontiguousarray(grid, dtype=np.uint8).tobytes()
            self.heard = b"\xff" * len(grid)

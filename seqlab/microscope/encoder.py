"""The encoder of lab 00 under the microscope: it keeps what happens while it reads."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from seqlab.microscope.trace import Trace, head_scores
from seqlab.start import encoder


class Encoder(encoder.Encoder):
    """The same, with a `trace`."""

    def trace(self, tokens: list[str], ids: Int[Tensor, "token"]) -> Trace:
        """All that happens while it reads one text."""
        hidden = self(ids[None])[:, 0]
        parts = [self.layers[at % len(self.layers)].attention for at in range(self.depth)]
        return Trace(tokens, torch.stack([head_scores(part, x) for part, x in zip(parts, hidden)]), hidden)

"""The looped transformer at the paper's size: a language model whose layers are applied again and again.

`torchrun -m seqlab.train.scale looped` trains it (Xu & Sato 2024, section 6: WikiText-103).
"""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor

from seqlab.looped_training.model import Config, LoopedTransformer, rms


class LoopedLanguage(LoopedTransformer):
    """Causal, and read at every token; attention is that of `kernels`."""

    def forward(self, ids: Int[Tensor, "batch token"], loops: int | None = None) -> Float[Tensor, "batch token answer"]:
        """Logits of the next token. Only the last state is kept: the gradient asks for no more."""
        *_, last = self._stream(ids, self.config.loops if loops is None else loops)
        return self.read(rms(last))


def language_model(
    vocabulary: int,
    classes: int,
    length: int,
    *,
    dim: int = 768,
    heads: int = 12,
    hidden: int = 3072,
    layers: int = 1,
    loops: int = 24,
    clock: str = "modulated",
    gate: float = 0.0,
) -> LoopedLanguage:
    """`layers` blocks, `loops` times; a clock as in `Config`."""
    config = Config(dim=dim, heads=heads, hidden=hidden, loops=loops, clock=clock, gate=gate, layers=layers)
    return LoopedLanguage(vocabulary, length, classes, config, causal=True, impl="auto")

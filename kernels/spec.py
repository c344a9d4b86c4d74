"""What one call of attention computes, checked and in the one form that every implementation reads."""

from dataclasses import dataclass

from torch import Tensor

from kernels.layout import BlockLayout

NORMALIZERS = ("softmax", "sigmoid")


@dataclass(frozen=True)
class Spec:
    """`scores = scale * q kᵀ + shift + bias − alibi · |i + n_key − n_query − j|`, then the normalizer, then the mix.

    shift:        one number for all scores; the sigmoid's −log n_key lives here (0 for softmax, which cannot see it)
    bias:         "batch|1 head|1 query|1 key|1", or None
    key_padding:  bool "batch key", true = a real key, or None
    alibi:        slopes "batch|1 head", float32, or None
    causal:       query i sees keys j ≤ i + n_key − n_query
    layout:       listed blocks, or None for all
    kept:         whether a backward may follow; where none does, the forward may leave out what only that reads
    """

    normalizer: str
    scale: float
    shift: float = 0.0
    causal: bool = False
    bias: Tensor | None = None
    key_padding: Tensor | None = None
    alibi: Tensor | None = None
    layout: BlockLayout | None = None
    kept: bool = True

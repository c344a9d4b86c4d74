"""Sigmoid attention in training (Ramapuram et al. 2024): the bias, a model with every switch, telemetry, modalities."""

from seqlab.sigmoid.bias import alibi_bias, causal_bias, expected_row_sum, fresh_head
from seqlab.sigmoid.transformer import Batch, Config, Transformer, make

__all__ = [
    "Batch",
    "Config",
    "Transformer",
    "alibi_bias",
    "causal_bias",
    "expected_row_sum",
    "fresh_head",
    "make",
]

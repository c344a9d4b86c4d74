"""What a pattern costs: connections, FLOP and bytes, counted from the connections and not from a clock.

    FLOP            4 · head_dim per connection and head        2 for its share of q·k, 2 for its share of weights·v
    least bytes     q, k, v read once and the output written once: 4 · n · head_dim numbers per head
    gathered bytes  nothing is reused: each connection loads its key and its value anew

A kernel lies between the two byte counts; `kernels` counts what its own tiles move.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seqlab.patterns.pattern import Instance


@dataclass(frozen=True)
class Cost:
    """Totals over layers and heads. `dense` is the share of all n² connections that is kept."""

    connections: int
    flops: int
    least_bytes: int
    gathered_bytes: int
    dense: float


def cost(
    instance: Instance, head_dim: int, *, heads: int = 1, layers: int | None = None, bytes_per_number: int = 4
) -> Cost:
    """Add up `layers` layers (p unless given) of `heads` heads.

    Raises ValueError for sizes below 1, or heads that the pattern's heads do not divide.
    """
    layers = instance.p if layers is None else layers
    for name, got in (
        ("head_dim", head_dim),
        ("heads", heads),
        ("layers", layers),
        ("bytes_per_number", bytes_per_number),
    ):
        if got < 1:
            raise ValueError(f"{name}: got {got}, wanted at least 1")
    if heads % instance.heads:
        raise ValueError(f"heads: got {heads}, wanted a multiple of the pattern's {instance.heads}")
    per_set = instance.connections()
    per_layer = [per_set[layer % instance.p] * (heads // instance.heads) for layer in range(layers)]
    connections, n = sum(per_layer), instance.n
    least = layers * heads * 4 * n * head_dim * bytes_per_number
    gathered = (2 * connections + layers * heads * 2 * n) * head_dim * bytes_per_number
    return Cost(connections, 4 * head_dim * connections, least, gathered, connections / (layers * heads * n * n))

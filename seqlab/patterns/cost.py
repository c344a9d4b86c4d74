"""What a pattern costs: connections, FLOP and bytes, counted from the connections and not from a clock.

    FLOP            4 · head_dim per connection and head        2 for its share of q·k, 2 for its share of weights·v
    least bytes     q, k, v read once and the output written once: 4 · n · head_dim numbers per head
    gathered bytes  nothing is reused: each connection loads its key and its value anew

A kernel lies between the two byte counts; `kernels` counts what its own tiles move.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """Totals over layers and heads. `dense` is the share of all n² connections that is kept."""

    connections: int
    flops: int
    least_bytes: int
    gathered_bytes: int
    dense: float


def cost(per_set: Sequence[int], n: int, *, head_dim: int, heads: int, layers: int, bytes_per_number: int) -> Cost:
    """Add up `layers` layers of `heads` heads that use sets of so many connections (all heads together) in turn."""
    sizes = dict(head_dim=head_dim, heads=heads, layers=layers, bytes_per_number=bytes_per_number)
    if small := [name for name, got in sizes.items() if got < 1]:
        raise ValueError(f"{small[0]}: got {sizes[small[0]]}, wanted at least 1")
    connections = sum(per_set[layer % len(per_set)] for layer in range(layers))
    per_head = n * head_dim * bytes_per_number
    least = 4 * layers * heads * per_head
    gathered = 2 * connections * head_dim * bytes_per_number + 2 * layers * heads * per_head
    return Cost(connections, 4 * head_dim * connections, least, gathered, connections / (layers * heads * n * n))

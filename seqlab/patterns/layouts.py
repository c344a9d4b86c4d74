"""From connections to blocks of them, as the kernels take them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from kernels.layout import BlockLayout
from seqlab.patterns.runs import by_step, count, expand, runs
from seqlab.theorem import Statement, Verdict, Witness

if TYPE_CHECKING:
    from seqlab.patterns.pattern import Instance

Listed = Int[np.ndarray, "listed"]

WHOLE = Statement(
    "whole blocks",
    "definition",
    "The pattern is made of whole blocks, so that the layout and the pattern are the same.",
)


def layout(instance: Instance, block: int, layer: int | None = None, *, exact: bool = False) -> BlockLayout:
    """Every block with at least one connection. See `Instance.layout`."""
    layer = _layer(instance, block, layer)
    if exact and not (verdict := whole_blocks(instance, block, layer)):
        raise ValueError(
            f"block: {instance!r} is not made of whole blocks of {block}: {verdict.witness}; take exact=False for the "
            "superset, or a block that divides the pattern"
        )
    heads = []
    for head in range(instance.heads):
        query, key = block_pairs(instance, block, layer, head)
        ends = np.searchsorted(query, np.arange(-(-instance.n // block) + 1))
        heads.append([key[a:b].tolist() for a, b in zip(ends[:-1], ends[1:])])
    return BlockLayout.from_rows(heads if len(heads) > 1 else heads[0], block, n_query=instance.n)


def block_pairs(instance: Instance, block: int, layer: int, head: int) -> tuple[Listed, Listed]:
    """(query block, key block) of all blocks with a connection, sorted, each once."""
    count = -(-instance.n // block)
    codes = [np.empty(0, dtype=np.int64)]
    for rows in instance.chunks(layer, head):
        near = rows.step <= block  # such a run meets every block between its ends
        whole = ~near & (rows.step % block == 0)
        query, key = expand(rows.where(~near & ~whole))
        pairs = [(query // block) * count + key // block]
        for part, step in ((rows.where(near), 1), *((of, s // block) for s, of in by_step(rows.where(whole)))):
            ends = ((part.query // block) * count + part.first // block) * count + part.last // block
            ends = np.unique(ends)  # the runs of a block of queries are often the same
            query, key = expand(runs(ends // count**2, ends // count % count, ends % count, step), once=False)
            pairs.append(query * count + key)
        codes.append(np.unique(np.concatenate(pairs)))
    code = np.unique(np.concatenate(codes))
    return code // count, code % count


def whole_blocks(instance: Instance, block: int, layer: int | None = None) -> Verdict:
    """Whether the blocks of `layout` hold nothing but connections.

    The margin is the share of what the layout lists that is a connection, less 1 (0 when exact: then it holds with
    margin 0). The witness carries (head, query block, key block, connections in it, size).
    """
    layer = _layer(instance, block, layer)
    n, listed, connections, witness = instance.n, 0, 0, None
    for head in range(instance.heads):
        query, key = block_pairs(instance, block, layer, head)
        tokens = np.minimum(block, n - np.arange(-(-n // block)) * block)
        sizes = tokens[query] * tokens[key]
        here = sum(count(rows, n) for rows in instance.chunks(layer, head))
        listed, connections = listed + int(sizes.sum()), connections + here
        if witness is None and here < sizes.sum():
            witness = _partial(instance, block, layer, head, query, key, sizes)
    notes = [f"{listed:,} connections in the listed blocks, {connections:,} in the pattern"]
    options = dict(statement=WHOLE, checked=listed, notes=notes)
    return Verdict(witness is None, connections / max(listed, 1) - 1, witness, **options)


def _partial(
    instance: Instance, block: int, layer: int, head: int, query: np.ndarray, key: np.ndarray, sizes: np.ndarray
) -> Witness:
    for i in np.unique(query).tolist():
        rows = instance.rows(layer, np.arange(i * block, min((i + 1) * block, instance.n)), head)
        filled = np.bincount(expand(rows)[1] // block, minlength=-(-instance.n // block))
        here = query == i
        short = np.flatnonzero(filled[key[here]] < sizes[here])
        if len(short):
            j, size = int(key[here][short[0]]), int(sizes[here][short[0]])
            objects = (head, i, j, int(filled[j]), size)
            return Witness(
                f"queries of block {i} have {filled[j]} of {size} connections with keys of block {j}", objects
            )
    raise AssertionError("fewer connections than listed, and every block is whole")


def _layer(instance: Instance, block: int, layer: int | None) -> int:
    if not isinstance(block, int) or block < 1:
        raise ValueError(f"block: got {block!r}, wanted a whole number of tokens, at least 1")
    if layer is None and instance.p > 1:
        raise ValueError(
            f"layer: {instance.pattern.name} alternates between {instance.p} sets, a layout is one of them; say which "
            "layer, or take pattern.union()"
        )
    return layer or 0

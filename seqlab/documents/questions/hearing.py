"""Who can hear the question: the layouts that are compared, and the best that any weights could do under each.

Block 0 holds the question, the document follows. `listens` carries "has heard the question" through the layers, block
by block; a section that no chain of keys connects to the question gets the same score whatever is asked.
"""

from __future__ import annotations

import random
from functools import lru_cache

import torch
from jaxtyping import Bool
from torch import Tensor

from kernels import BlockLayout
from seqlab.documents.questions.text import QUESTION, Document

BLOCK = QUESTION
TRUNCATED = 512  # tokens of the document that the dense model reads
ARMS = ("big bird", "window + random", "window", "first 512")


@lru_cache(maxsize=256)
def layout(arm: str, length: int, layer: int = 0, seed: int = 0) -> BlockLayout:
    """What each block of the question (block 0) and of a document of `length` tokens sees.

    "big bird": the question is global (it sees all and is seen by all), window of 3, 1 random: 6 blocks a row on average.
    "window + random": window of 5, 2 random.  "window": window of 7.  "first 512": dense.
    Random blocks are drawn once per layer and seed, never twice the same in a row. "cut" is "big bird" without the
    question's column: it hears the document, and nobody hears it.
    """
    if arm not in (*ARMS, "cut"):
        raise ValueError(f"arm: got {arm!r}, wanted one of {', '.join(ARMS)}, cut")
    if length < 1:
        raise ValueError(f"length: got {length}, wanted at least one token of document")
    count = 1 + -(-length // BLOCK)
    if arm == "first 512":
        return BlockLayout.dense(QUESTION + length, block=BLOCK)
    side, extra = {"window": (3, 0), "window + random": (2, 2)}.get(arm, (1, 1))
    draw = random.Random(f"{seed} {layer}")
    rows = []
    for i in range(count):
        row = set(range(max(i - side, 0), min(i + side + 1, count)))
        if arm == "big bird":
            row.add(0)
        free = sorted(set(range(count)) - row) if count < 64 else None
        wanted = len(row) + min(extra, count - len(row))
        if free is not None:
            row |= set(draw.sample(free, wanted - len(row)))
        while len(row) < wanted:
            row.add(draw.randrange(count))
        rows.append(row)
    if arm in ("big bird", "cut"):
        rows[0] = set(range(count))
    if arm == "cut":
        rows[1:] = [row - {0} for row in rows[1:]]
    return BlockLayout.from_rows(rows, BLOCK, n_query=QUESTION + length)


def listens(arm: str, length: int, layers: int, seed: int = 0) -> Bool[Tensor, token]:
    """Which tokens of a document can have heard the question after `layers` layers."""
    if layers < 1:
        raise ValueError(f"layers: got {layers}, wanted at least 1")
    read = min(length, TRUNCATED) if arm == "first 512" else length
    heard = None
    for layer in range(layers):
        seen = layout(arm, read, layer, seed)
        if heard is None:
            heard = torch.zeros(seen.n_rows, dtype=torch.bool)
            heard[0] = True
        row = torch.repeat_interleave(torch.arange(seen.n_rows), seen.offsets[0].diff().long())
        heard = torch.zeros_like(heard).index_put_((row,), heard[seen.indices.long()], accumulate=True)
    told = heard[1:].repeat_interleave(BLOCK)[:read]
    return torch.cat([told, torch.zeros(length - read, dtype=torch.bool)])


def reachable(arm: str, document: Document, layers: int, seed: int = 0) -> Bool[Tensor, section]:
    """Sections with at least one token that can have heard the question."""
    told = listens(arm, document.length, layers, seed)
    return torch.stack([part.any() for part in told.split([len(section) for section in document.sections])])


def ceiling(arm: str, document: Document, layers: int, seed: int = 0) -> dict[str, float]:
    """The best that any weights can do: {"@1", "@5", "mrr"} when every section's question is asked once.

    Of S sections R hear. The S − R deaf ones have one order, whatever is asked. At best a heard section is first when
    it is the answer and last when it is not: R questions have rank 1, the others 1, 2, …, S − R.
    """
    heard = int(reachable(arm, document, layers, seed).sum())
    deaf = len(document.sections) - heard
    return {
        "@1": (heard + min(deaf, 1)) / (heard + deaf),
        "@5": (heard + min(deaf, 5)) / (heard + deaf),
        "mrr": (heard + sum(1 / rank for rank in range(1, deaf + 1))) / (heard + deaf),
    }

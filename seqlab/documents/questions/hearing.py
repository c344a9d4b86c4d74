"""Who can hear the question: the layouts that are compared, and the best that any weights could do under each.

Block 0 holds the question, the document follows. `listens` carries "has heard the question" through the layers, block
by block; a section that no chain of keys connects to the question gets the same score whatever is asked.
"""

import random
from collections.abc import Sequence
from functools import lru_cache

import torch
from jaxtyping import Bool
from torch import Tensor

from kernels import BlockLayout
from seqlab.documents.questions.text import QUESTION, TEST, Document, documents

BLOCK = QUESTION
LAYERS = 2  # of the readers
TRUNCATED = 512  # tokens of the document that the dense model reads
ARMS = ("big bird", "window", "first 512")


@lru_cache(maxsize=256)
def layout(arm: str, length: int, layer: int = 0, seed: int = 0) -> BlockLayout:
    """What each block of the question (block 0) and of a document of `length` tokens sees.

    "big bird": the question is global (it sees all and is seen by all), window of 3, 1 random: 6 blocks a row on
    average.
    "window": window of 7.  "first 512": dense.
    Random blocks are drawn once per layer and seed, never twice the same in a row. "cut" is "big bird" without the
    question's column: it hears the document, and nobody hears it.
    """
    if arm not in (*ARMS, "cut") or length < 1:
        raise ValueError(
            f"arm, length: got {arm!r} and {length}, wanted one of {', '.join(ARMS)}, cut, and at least 1 token"
        )
    if arm == "first 512":
        return BlockLayout.dense(QUESTION + length, block=BLOCK)
    count, side = 1 + -(-length // BLOCK), 3 if arm == "window" else 1
    draw = random.Random(f"{seed} {layer}")
    rows = [set(range(max(i - side, 0), min(i + side + 1, count))) for i in range(count)]
    if arm == "big bird":
        rows = [row | {0} for row in rows]
    if arm != "window":
        rows = [row if len(row) == count else row | {_other(row, count, draw)} for row in rows]
        rows[0] = set(range(count))
    if arm == "cut":
        rows[1:] = [row - {0} for row in rows[1:]]
    return BlockLayout.from_rows(rows, BLOCK, n_query=QUESTION + length)


def _other(row: set[int], count: int, draw: random.Random) -> int:
    """A random block that is not in the row. In a long document nearly every draw is one: no list of them is made."""
    if count < 64:
        return draw.sample(sorted(set(range(count)) - row), 1)[0]
    return next(at for at in iter(lambda: draw.randrange(count), None) if at not in row)


def listens(arm: str, length: int, layers: int, seed: int = 0) -> Bool[Tensor, "token"]:
    """Which tokens of a document can have heard the question after `layers` layers."""
    read = min(length, TRUNCATED) if arm == "first 512" else length
    heard = torch.zeros(1 + -(-read // BLOCK), dtype=torch.bool)
    heard[0] = True
    for layer in range(layers):
        heard = layout(arm, read, layer, seed).blocks()[0].float() @ heard.float() > 0
    told = heard[1:].repeat_interleave(BLOCK)[:read]
    return torch.cat([told, torch.zeros(length - read, dtype=torch.bool)])


def reachable(arm: str, document: Document, layers: int, seed: int = 0) -> Bool[Tensor, "section"]:
    """Sections with at least one token that can have heard the question."""
    told = listens(arm, document.length, layers, seed)
    return torch.stack([part.any() for part in told.split([len(section) for section in document.sections])])


def ceiling(arm: str, parts: Sequence[Document] | None = None, *, layers: int = LAYERS, seed: int = 0) -> float:
    """The largest share of questions whose answer any weights can rank first, over `parts`: the documents of the test.

    Every section's question is asked once. Of S sections R hear. The S - R deaf ones have one order, whatever is asked:
    at best a heard section is first when it is the answer and last when it is not, and the first deaf one is right
    once.
    """
    parts = [documents()[name] for name in TEST] if parts is None else parts
    heard = [reachable(arm, part, layers, seed) for part in parts]
    return sum(int(row.sum()) + (not row.all()) for row in heard) / sum(map(len, heard))

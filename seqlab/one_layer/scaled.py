"""One layer that memorises tags: Kajitsuka & Sato 2023, section 6, on data of the shape of CoNLL-2003.

`torchrun -m seqlab.train.scale one_layer` trains it.
"""

import torch

from seqlab.one_layer.book import Labelled
from seqlab.one_layer.trained import Arm, Memoriser


def tagger(
    vocabulary: int, classes: int, length: int, *, dim: int = 512, width: int = 2048, rank: int = 1, tied: bool = True
) -> Memoriser:
    """The paper's model is tied and of rank 1. Token 0 is padding; a sequence has at most `length` tokens."""
    nothing = torch.zeros(0, length, dtype=torch.long)
    shape = Labelled(nothing, nothing, vocabulary, tuple(map(str, range(classes))), 0)
    return Memoriser(Arm("softmax", rank, tied=tied), shape, dim, width, impl="auto")

"""The baseline that needs no training: BM25, which counts shared words and weighs rare ones more."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from seqlab.documents.questions.text import STEM, Document


def bm25(document: Document, question: Sequence[str], *, saturation: float = 1.2, length: float = 0.75) -> list[float]:
    """`Σ_w idf(w) tf (s + 1) / (tf + s (1 − b + b · |section| / mean))` for every section, over the words w of the question.

    question: its words, as `tokens` gives them. Words are their first five letters; idf is taken within the document,
    `log(1 + (N − n_w + ½) / (n_w + ½))`. Raises TypeError for a question that is a string.
    """
    if isinstance(question, str):
        raise TypeError(f"question: got the string {question!r}, wanted its words: tokens(question)")
    bags, frequency = _bags(document)
    sizes = [bag.total() for bag in bags]
    mean = sum(sizes) / len(sizes) or 1
    asked = [word[:STEM] for word in question if word[:1].isalnum()]
    idf = {word: math.log(1 + (len(bags) - frequency[word] + 0.5) / (frequency[word] + 0.5)) for word in asked}
    return [
        sum(
            idf[word] * bag[word] * (saturation + 1) / (bag[word] + saturation * (1 - length + length * size / mean))
            for word in asked
        )
        for bag, size in zip(bags, sizes)
    ]


@lru_cache(maxsize=32)
def _bags(document: Document) -> tuple[list[Counter], Counter]:
    bags = [Counter(word[:STEM] for word in section if word[:1].isalnum()) for section in document.sections]
    return bags, Counter(word for bag in bags for word in bag)

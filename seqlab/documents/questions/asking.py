"""Ask the reader that comes with seqlab a question of your own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch

from seqlab.documents.questions.model import Reader, load
from seqlab.documents.questions.text import QUESTION, Document, documents, tokens, training_documents


@dataclass(frozen=True)
class Found:
    """One section: its place in the document, score, share of the softmax over sections, and the text as written."""

    section: int
    start: int
    score: float
    share: float
    text: str


@dataclass(frozen=True)
class Answer:
    """`found`: all sections, best first. `unknown`: words that neither the training text nor the document has."""

    question: str
    document: Document
    found: tuple[Found, ...]
    unknown: tuple[str, ...]
    unread: int

    @property
    def note(self) -> str:
        """What the reader could not use, in a sentence; empty when it used everything."""
        parts = []
        if self.unknown:
            words = ", ".join(f"“{word}”" for word in self.unknown)
            parts.append(
                f"Neither the training text nor this document has {words}: the order of sections ignores them."
            )
        if self.unread:
            parts.append(
                f"Only the first {QUESTION} words and signs of a question are read; {self.unread} are left out."
            )
        return " ".join(parts)


@torch.no_grad()
def ask(question: str, document: Document | str, *, model: Reader | None = None, cut: bool = False) -> Answer:
    """Rank the sections of a document (or of the FAQ with that name). ValueError says what cannot be asked.

    cut: nobody hears the question, so that the order is the same for every question.
    """
    if not isinstance(question, str) or not (words := tokens(question)):
        raise ValueError(f"question: {question!r} has no word; ask something, e.g. 'How do I copy a file?'")
    part = document if isinstance(document, Document) else named(document)
    model = model or shipped()
    scores = model([words], [part.sections], cut=cut)[0]
    shares, order = scores.softmax(0).tolist(), scores.argsort(descending=True, stable=True).tolist()
    found = tuple(Found(at, part.starts[at], scores[at].item(), shares[at], part.texts[at]) for at in order)
    here = {word for section in part.sections for word in section}
    unknown = dict.fromkeys(word for word in words if word[0].isalnum() and word not in here | trained())
    return Answer(question, part, found, tuple(unknown), max(0, len(words) - QUESTION))


def named(name: str) -> Document:
    """An FAQ by name."""
    if name not in documents():
        raise ValueError(f"document: got {name!r}, wanted a Document, or one of {', '.join(documents())}")
    return documents()[name]


@lru_cache
def shipped() -> Reader:
    """The reader that comes with seqlab, loaded once."""
    return load()


@lru_cache
def trained() -> frozenset[str]:
    """The words of the training text."""
    return frozenset(word for part in training_documents() for section in part.sections for word in section)

"""Ask the reader that comes with seqlab a question of your own."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from seqlab.documents.questions.model import shipped
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
    """`found`: all sections, best first. `note`: what the reader could not use; empty when it used everything."""

    document: Document
    found: tuple[Found, ...]
    note: str


@torch.no_grad()
def ask(question: str, document: Document | str, *, cut: bool = False) -> Answer:
    """Rank the sections of a document (or of the FAQ with that name). ValueError says what cannot be asked.

    cut: nobody hears the question, so that the order is the same for every question.
    """
    if not (words := tokens(question)):
        raise ValueError(f"question: {question!r} has no word; ask something, e.g. 'How do I copy a file?'")
    part = documents().get(document) if isinstance(document, str) else document
    if part is None:
        raise ValueError(f"document: got {document!r}, wanted a Document, or one of {', '.join(documents())}")
    scores = shipped()([words], [part.sections], cut=cut)[0]
    shares, order = scores.softmax(0).tolist(), scores.argsort(descending=True, stable=True).tolist()
    found = tuple(Found(at, part.starts[at], scores[at].item(), shares[at], part.texts[at]) for at in order)
    known = {word for each in (part, *training_documents()) for section in each.sections for word in section}
    unknown = dict.fromkeys(f"“{word}”" for word in words if word[0].isalnum() and word not in known)
    note = []
    if unknown:
        told = ", ".join(unknown)
        note.append(f"Neither the training text nor this document has {told}: the order of sections ignores them.")
    if unread := len(words[QUESTION:]):
        note.append(f"Only the first {QUESTION} words and signs of a question are read; {unread} are left out.")
    return Answer(part, found, " ".join(note))

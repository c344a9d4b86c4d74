"""Questions and the documents that answer them: sections as tokens, features of tokens, and practice questions.

A document is its answers only. The headings, which are the questions, are never part of it: with them the task would be
to find a sentence that is written there.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Int
from torch import Tensor

from seqlab import data

QUESTION = 32  # tokens of a question that are read: one block
BUCKETS, COUNTED, CLASSES, STEM = 4096, 16384, 8, 5
TEST = ("debian-faq", "py-programming", "perlfaq4")  # the longest document of each source: never trained on
PRACTICE, LONGEST = 1504, 256  # tokens of a practice document; of a section in it
SENTENCE = (5, 24)  # tokens of a sentence that becomes a question

_TOKEN = re.compile(r"[^\W\d]+|\d+|[^\w\s]")
_RULER = re.compile(r"^\s*([-=~*^#.])\1{2,}\s*$", re.MULTILINE)  # the line below a heading is as long as the question
_SENTENCE = re.compile(r"(?<=[.?!:])\s+|\n\s*\n")


def tokens(text: str) -> list[str]:
    """Lower-case words, numbers and single signs."""
    return _TOKEN.findall(text.lower())


@dataclass(frozen=True)
class Document:
    """`questions[i]` is answered by `sections[i]`; `texts[i]` is that section as it was written."""

    name: str
    questions: tuple[str, ...]
    texts: tuple[str, ...]
    sections: tuple[tuple[str, ...], ...]

    @property
    def length(self) -> int:
        """Tokens of all sections."""
        return sum(map(len, self.sections))

    @property
    def starts(self) -> list[int]:
        """The position of each section's first token."""
        ends = [0]
        for section in self.sections:
            ends.append(ends[-1] + len(section))
        return ends[:-1]


def document(name: str, pairs: Sequence[tuple[str, str]]) -> Document:
    """From (question, answer) pairs; a question may be empty. ValueError when an answer has no token."""
    texts = tuple(_RULER.sub("", answer).strip() for _, answer in pairs)
    sections = tuple(tuple(tokens(text)) for text in texts)
    empty = next((at for at, section in enumerate(sections) if not section), None)
    if empty is not None or not sections:
        raise ValueError(f"pairs: answer {empty or 0} of {name!r} has no words; a section needs at least one token")
    return Document(name, tuple(question for question, _ in pairs), texts, sections)


def paragraphs(name: str, text: str) -> Document:
    """A document of your own: every paragraph (parted by blank lines) is a section; it has no questions."""
    parts = [part for part in re.split(r"\n\s*\n", _RULER.sub("", text)) if tokens(part)]
    return document(name, [("", part) for part in parts])


@lru_cache
def documents() -> dict[str, Document]:
    """All FAQ documents with at least three questions, by name: 601 questions in 18 documents."""
    return {name: document(name, pairs) for name, pairs in data.faqs().items() if len(pairs) > 2}


def training_documents() -> list[Document]:
    """Everything but `TEST`."""
    return [part for name, part in documents().items() if name not in TEST]


def features(words: Sequence[str], counts: Int[Tensor, counted]) -> Int[Tensor, "token 3"]:
    """Three numbers for each token: a bucket of the word, one of its first letters, and how common it is.

    counts: in how many training sections the words of each of `COUNTED` buckets occur (`section_counts`). Nothing else
    is known of a word, and any word has a place: unseen ones share the class 0, but hardly ever both buckets.
    """
    rows = [_feature(word) for word in words]
    table = torch.tensor(rows, dtype=torch.long).reshape(-1, 3)
    seen = counts[table[:, 2]]
    table[:, 2] = torch.log2(seen.float() + 1).ceil().long().clamp(max=CLASSES - 1)
    return table


def section_counts(parts: Sequence[Document]) -> Int[Tensor, counted]:
    """In how many sections each bucket of words occurs."""
    counts = torch.zeros(COUNTED, dtype=torch.long)
    for part in parts:
        for section in part.sections:
            counts[list({_feature(word)[2] for word in section})] += 1
    return counts


@dataclass
class Practice:
    """A batch of short documents made of real sections, one question each."""

    questions: list[list[str]]
    documents: list[list[list[str]]]
    answers: list[int]


def practice(parts: Sequence[Document], *, batch: int, seed: int, length: int = PRACTICE) -> Iterator[Practice]:
    """Endless practice: sections of one document, shuffled, and a question to one of them.

    Half of the questions are the section's own heading; half are one of its sentences, taken out of it, with a third of
    the words dropped (inverse cloze).
    """
    draw = random.Random(seed)
    weights = [len(part.sections) for part in parts]
    while True:
        made = Practice([], [], [])
        while len(made.answers) < batch:
            part = draw.choices(parts, weights)[0]
            chosen, room = [], length
            for at in draw.sample(range(len(part.sections)), len(part.sections)):
                if room <= 0:
                    break
                chosen.append((at, list(part.sections[at][: min(room, LONGEST)])))
                room -= len(chosen[-1][1])
            answer = draw.randrange(len(chosen))
            at, section = chosen[answer]
            question = tokens(part.questions[at])
            if draw.random() < 0.5:
                question, section = cloze(part.texts[at], section, draw) or (question, section)
            chosen[answer] = (at, section)
            made.questions.append(question)
            made.documents.append([section for _, section in chosen])
            made.answers.append(answer)
        yield made


def cloze(text: str, section: list[str], draw: random.Random) -> tuple[list[str], list[str]] | None:
    """(a sentence of `text` with some words dropped, the section without it), or None where no sentence fits."""
    sentences = [tokens(sentence) for sentence in _SENTENCE.split(text)]
    places, at = [], 0
    for sentence in sentences:
        if SENTENCE[0] <= len(sentence) <= SENTENCE[1] and at + len(sentence) <= len(section):
            places.append((at, at + len(sentence)))
        at += len(sentence)
    if not places:
        return None
    first, last = draw.choice(places)
    if len(section) - (last - first) < SENTENCE[0]:
        return None
    question = [word for word in section[first:last] if draw.random() > 1 / 3] or section[first:last]
    return question, section[:first] + section[last:]


@lru_cache(maxsize=1 << 16)
def _feature(word: str) -> tuple[int, int, int]:
    whole = zlib.crc32(word.encode())
    return whole % BUCKETS, zlib.crc32(b"stem " + word[:STEM].encode()) % BUCKETS, (whole >> 12) % COUNTED

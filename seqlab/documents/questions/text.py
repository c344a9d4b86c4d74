"""Questions and the documents that answer them: sections as tokens, BM25, features of tokens, and practice questions.

A document is its answers only. The headings, which are the questions, are never part of it: with them the task would be
to find a sentence that is written there.
"""

import math
import random
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import torch
from jaxtyping import Int
from torch import Tensor

from seqlab import data

QUESTION = 32  # tokens of a question that are read: one block
BUCKETS, COUNTED, CLASSES, STEM = 4096, 16384, 8, 5
TEST = ("debian-faq", "py-programming", "perlfaq4")  # the longest document of each source: never trained on
PRACTICE, LONGEST = 1504, 256  # tokens of a practice document; of a section in it
SENTENCE = (5, 24)  # tokens of a sentence that becomes a question

Drill = tuple[list[str], list[list[str]], int]  # a question, sections, and which of them answers it

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
        return [end - len(section) for end, section in zip(accumulate(map(len, self.sections)), self.sections)]


def document(name: str, pairs: Sequence[tuple[str, str]]) -> Document:
    """From (question, answer) pairs. ValueError when an answer has no token."""
    texts = tuple(_RULER.sub("", answer).strip() for _, answer in pairs)
    sections = tuple(tuple(tokens(text)) for text in texts)
    if not all(sections):
        raise ValueError(f"pairs: an answer of {name!r} has no words; a section needs at least one token")
    return Document(name, tuple(question for question, _ in pairs), texts, sections)


@lru_cache
def documents() -> dict[str, Document]:
    """All FAQ documents with at least three questions, by name: 601 questions in 18 documents."""
    return {name: document(name, pairs) for name, pairs in data.faqs().items() if len(pairs) > 2}


def training_documents() -> list[Document]:
    """Everything but `TEST`."""
    return [part for name, part in documents().items() if name not in TEST]


def bm25(question, sections):
    """The score of each section for a question, by the words that they share: a word counts for more the fewer sections
    have it, for less and less each time that it is repeated, and for less in a long section. See the formula above.
    question: a list of words; sections: a list of lists of words -> a list of numbers
    """
    bags = [Counter(section) for section in sections]
    mean = sum(map(len, sections)) / len(sections)
    scores = [0.0] * len(sections)
    for word in question:
        have = sum(word in bag for bag in bags)
        idf = math.log(1 + (len(sections) - have + 0.5) / (have + 0.5))
        for at, bag in enumerate(bags):
            times = bag[word]
            scores[at] += idf * 2.2 * times / (times + 1.2 * (0.25 + 0.75 * len(sections[at]) / mean))
    return scores


def word_scores(document: Document, question: str) -> list[float]:
    """The baseline that needs no training: `bm25` of every section, of words cut to their first five letters."""
    return bm25(_stems(tokens(question)), _sections(document))


def _stems(words: Iterable[str]) -> list[str]:
    return [word[:STEM] for word in words if word[:1].isalnum()]


@lru_cache(maxsize=32)
def _sections(document: Document) -> list[list[str]]:
    return [*map(_stems, document.sections)]


def features(words: Sequence[str], counts: Int[Tensor, "counted"]) -> Int[Tensor, "token 3"]:
    """Three numbers for each token: a bucket of the word, one of its first letters, and how common it is.

    counts: in how many training sections the words of each of `COUNTED` buckets occur (`section_counts`). Nothing else
    is known of a word, and any word has a place: unseen ones share the class 0, but hardly ever both buckets.
    """
    table = torch.tensor([_feature(word) for word in words], dtype=torch.long).reshape(-1, 3)
    table[:, 2] = torch.log2(counts[table[:, 2]].float() + 1).ceil().long().clamp(max=CLASSES - 1)
    return table


def section_counts(parts: Sequence[Document]) -> Int[Tensor, "counted"]:
    """In how many sections each bucket of words occurs."""
    counts = torch.zeros(COUNTED, dtype=torch.long)
    for part in parts:
        for section in part.sections:
            counts[list({_feature(word)[2] for word in section})] += 1
    return counts


def practice(parts: Sequence[Document], *, batch: int, seed: int) -> Iterator[list[Drill]]:
    """Endless practice: sections of one document, shuffled, and a question to one of them.

    Half of the questions are the section's own heading; half are one of its sentences, taken out of it, with a third of
    the words dropped (inverse cloze).
    """
    draw, weights = random.Random(seed), [len(part.sections) for part in parts]
    while True:
        yield [drill(draw.choices(parts, weights)[0], draw) for _ in range(batch)]


def drill(part: Document, draw: random.Random) -> Drill:
    """One question to as many sections of one document as `PRACTICE` tokens hold; the last is cut where they end."""
    chosen, free = {}, PRACTICE
    for at in draw.sample(range(len(part.sections)), len(part.sections)):
        if free > 0:
            chosen[at] = list(part.sections[at][: min(free, LONGEST)])
            free -= len(chosen[at])
    answer = draw.randrange(len(chosen))
    at = list(chosen)[answer]
    question = tokens(part.questions[at])
    if draw.random() < 0.5:
        question, chosen[at] = cloze(part.texts[at], chosen[at], draw) or (question, chosen[at])
    return question, list(chosen.values()), answer


def cloze(text: str, section: list[str], draw: random.Random) -> tuple[list[str], list[str]] | None:
    """(a sentence of `text` with some words dropped, the section without it), or None where no sentence fits."""
    sizes = [len(tokens(sentence)) for sentence in _SENTENCE.split(text)]
    places = [
        (end - size, end)
        for size, end in zip(sizes, accumulate(sizes))
        if SENTENCE[0] <= size <= SENTENCE[1] and end <= len(section)
    ]
    first, last = draw.choice(places) if places else (0, len(section))
    if len(section) - (last - first) < SENTENCE[0]:
        return None
    question = [word for word in section[first:last] if draw.random() > 1 / 3] or section[first:last]
    return question, section[:first] + section[last:]


@lru_cache(maxsize=1 << 16)
def _feature(word: str) -> tuple[int, int, int]:
    whole = zlib.crc32(word.encode())
    return whole % BUCKETS, zlib.crc32(b"stem " + word[:STEM].encode()) % BUCKETS, (whole >> 12) % COUNTED

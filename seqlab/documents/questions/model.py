"""A small reader: one question, one document, a score for every section. What its tokens see is an argument.

    x = [word + first letters | tag]      per token; the tag says how common the word is, and on which side it stands
    x ← x + attention(x), x ← x + feed-forward(x)      pre-norm (RMS), a few layers, block-sparse
    score(section) = f(Σ over its tokens of W (x − x at the start) / (size / 100)^γ),  f a line and an MLP, γ learned

There are no positions, and a section is scored by what the layers wrote into its tokens, not by the words themselves.
The reader starts as a matcher of words: a token attends to its equals and reads their tags, those of rare words weigh
more. Training is free to change all of it. `ask` puts a question of your own to the reader that comes with seqlab.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from kernels import attention
from seqlab.documents.questions.hearing import LAYERS, TRUNCATED, layout
from seqlab.documents.questions.text import (
    BUCKETS,
    CLASSES,
    COUNTED,
    QUESTION,
    Document,
    Drill,
    documents,
    features,
    tokens,
    training_documents,
)
from seqlab.layers import Block, FeedForward, Fused
from seqlab.train import checkpoint

READER = Path(__file__).with_name("reader.pt")
TAGS = 16  # of the width; the rest is the word
MATCH = 1.4  # a token looks at its equals with a score of about 12


@dataclass(frozen=True)
class Config:
    """`arm`: one of hearing.ARMS. `plan`: the seed of its random blocks."""

    arm: str = "big bird"
    plan: int = 0
    dim: int = 64
    layers: int = LAYERS


@torch.no_grad()
def matcher(dim: int) -> Block:
    """Attention over a layout, and a feed-forward part of twice the width, each after its norm; it matches words."""
    attend = lambda q, k, v, seen, real: attention(q, k, v, layout=seen, key_padding=real)
    made = Block(dim, Fused(dim, 1, attend), FeedForward(dim, 2 * dim, "gelu"), nn.RMSNorm)
    words = torch.arange(dim) < dim - TAGS
    match, tell = MATCH * torch.diag(words.float()), torch.diag((~words).float())
    heads, down = made.attention, made.feed_forward.down
    heads.qkv.weight.copy_(torch.cat([match, match, tell]))
    heads.out.weight.copy_(tell)
    for part in (heads.qkv.bias, heads.out.bias, down.weight, down.bias):
        part.zero_()
    return made


class Reader(nn.Module):
    """Scores of sections. `counts`: how common words are in the training text (`text.section_counts`)."""

    def __init__(self, config: Config, counts: Int[Tensor, "counted"] | None = None):
        super().__init__()
        self.config, dim = config, config.dim
        self.register_buffer("counts", torch.zeros(COUNTED, dtype=torch.long) if counts is None else counts)
        self.tables = nn.ModuleList(nn.Embedding(rows, dim - TAGS) for rows in (BUCKETS, BUCKETS))
        self.tags = nn.Embedding(2 * CLASSES, TAGS)
        self.blocks = nn.ModuleList(matcher(dim) for _ in range(config.layers))
        self.gather = nn.Linear(dim, dim, bias=False)
        self.judge = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, 1))
        self.line = nn.Linear(dim, 1, bias=False)
        with torch.no_grad():
            self.gather.weight[:, : dim - TAGS] = 0
            self.gather.weight[:, dim - TAGS :] = torch.randn(dim, TAGS) / TAGS**0.5
            self.gather.weight[0] = torch.eye(dim)[-1]
            self.tags.weight[:CLASSES] = 0
            self.tags.weight[CLASSES:, -1] = torch.arange(CLASSES, 0, -1) / 4
            self.judge[2].weight.zero_()
            self.line.weight.copy_(torch.eye(dim)[:1])
        self.power, self.unread = nn.Parameter(torch.tensor(0.5)), nn.Parameter(torch.zeros(()))

    def forward(
        self, questions: Sequence[Sequence[str]], documents: Sequence[Sequence[Sequence[str]]], *, cut: bool = False
    ) -> Float[Tensor, "batch section"]:
        """Scores of the sections of each document for its question; −∞ where a document has fewer sections.

        Only the first 32 tokens of a question are read. Under the arm "first 512" the sections that begin later share
        one learned score. cut: nobody hears the question (the question still hears the document).
        """
        arm = self.config.arm
        if cut and arm != "big bird":
            raise ValueError(f"cut: this reader's arm is {arm!r}; only 'big bird' has global tokens to cut off")
        ids, section, real = self._batch(questions, documents)
        words = sum(table(ids[..., at]) for at, table in enumerate(self.tables))
        asked = (torch.arange(ids.shape[1]) < QUESTION).long()
        x = first = torch.cat([words / 2**0.5, self.tags(ids[..., 2] + CLASSES * asked)], -1)
        for layer, block in enumerate(self.blocks):
            x = block(x, layout("cut" if cut else arm, ids.shape[1] - QUESTION, layer, self.config.plan), real)
        most = max(map(len, documents))
        owned = F.one_hot(section, most + 1)[..., :most].float()  # "batch token section"; padding is in none of them
        sizes = owned.sum(1)
        found = owned.mT @ self.gather((x - first)[:, QUESTION:]) / (sizes.clamp(min=1)[..., None] / 100) ** self.power
        scores = (self.line(found) + self.judge(found)).squeeze(-1)
        there = torch.arange(most) < torch.tensor([*map(len, documents)])[:, None]
        return torch.where(sizes > 0, scores, self.unread).masked_fill(~there, -torch.inf)

    def loss(self, batch: Sequence[Drill]) -> Float[Tensor, ""]:
        """Mean nats of the right section among all sections of its document."""
        questions, documents, answers = zip(*batch)
        return F.cross_entropy(self(questions, documents), torch.tensor(answers))

    def _batch(self, questions, documents) -> tuple[Tensor, Tensor, Tensor]:
        """(features "batch token 3", section of each document token, what is not padding)."""
        limit = TRUNCATED if self.config.arm == "first 512" else None
        places = [[at for at, section in enumerate(part) for _ in section][:limit] for part in documents]
        rows = []
        for question, part, place in zip(questions, documents, places):
            asked = [*question[:QUESTION]]
            rows.append([*asked, *[""] * (QUESTION - len(asked)), *chain.from_iterable(part)][: QUESTION + len(place)])
        ids = [features(row, self.counts) for row in rows]
        real = [torch.tensor([word != "" for word in row]) for row in rows]
        section = pad_sequence([*map(torch.tensor, places)], True, max(map(len, documents)))
        return pad_sequence(ids, True), section, pad_sequence(real, True)


@lru_cache
def shipped() -> Reader:
    """The reader that comes with seqlab, loaded once."""
    return checkpoint.load(READER, lambda config: Reader(Config(**config)), "seqlab's reader")


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

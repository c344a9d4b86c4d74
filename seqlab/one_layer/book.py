"""Sequences with a label for every token: labels that belong to (token, set), to an order, and to real text.

| paper (Kajitsuka & Sato 2023)                 | here                                                            |
| --------------------------------------------- | --------------------------------------------------------------- |
| Y consistent: a label per (token, vocabulary) | `sets`: 60 of the 70 4-subsets of 8 tokens, 4 classes at random |
| (what no layer without positions can tell)    | `orders`: four orders of each set, a label of its own in each   |
| labelled text                                 | `book`: what the book printed and the model does not see        |
"""

import itertools
import re
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Int
from torch import Tensor

from seqlab import data

TOKENS, MEMBERS, SETS, CLASSES = 8, 4, 60, 4
ORDERS = 4  # of each set, in the data whose labels depend on order


@dataclass(frozen=True)
class Labelled:
    """Sequences with a label per token. Where `labels` is -1 the place is padding and `ids` is 0.

    The first `train` sequences are for training, the others, if any, for testing.
    """

    ids: Int[Tensor, "sequence token"]
    labels: Int[Tensor, "sequence token"]
    vocabulary: int
    classes: tuple[str, ...]
    train: int

    def part(self, test: bool = False) -> tuple[Int[Tensor, "sequence token"], Int[Tensor, "sequence token"]]:
        """(ids, labels) of the training or the test sequences."""
        chosen = slice(self.train, None) if test else slice(self.train)
        return self.ids[chosen], self.labels[chosen]


def sets(seed: int) -> Labelled:
    """60 random 4-subsets of 8 tokens; each (token, set) has one of 4 labels at random."""
    draw = torch.Generator().manual_seed(seed)
    every = torch.tensor(list(itertools.combinations(range(1, TOKENS + 1), MEMBERS)))
    ids = every[torch.randperm(len(every), generator=draw)[:SETS]]
    return _labelled(ids, draw)


def orders(seed: int) -> Labelled:
    """The negative control: 15 of those sets in 4 orders each; each token of each sequence has a random label.

    Without positions one set is one context, so its four orders cannot be told apart.
    """
    draw = torch.Generator().manual_seed(seed)
    chosen = sets(seed).ids[: SETS // ORDERS]
    ways = torch.tensor(list(itertools.permutations(range(MEMBERS))))
    rows = [s[ways[torch.randperm(len(ways), generator=draw)[:ORDERS]]] for s in chosen]
    return _labelled(torch.cat(rows), draw)


def _labelled(ids: Int[Tensor, "sequence token"], draw: torch.Generator) -> Labelled:
    labels = torch.randint(CLASSES, ids.shape, generator=draw)
    return Labelled(ids, labels, TOKENS + 1, tuple("abcd"), len(ids))


LENGTHS, TRAIN, TEST = (4, 12), 800, 400
MARKS = {"stop": ".!?", "half-stop": ";:-", "comma": ","}  # the first that follows the word counts


def book(seed: int) -> Labelled:
    """Sentences of *Pride and Prejudice* as lower-case words; the label is what that throws away.

    Label of a word: did the book print it with a capital first letter (yes, no), and what followed it before the next
    word: a stop (. ! ?), else ; : or a dash, else a comma, else nothing. 2 × 4 = 8 classes. Sentences have 4 to 12
    words, none twice (the theorem wants that), and no two the same set of words. 800 at random for training and 400
    others for testing; words that training never shows are id 1.
    """
    found = sentences()
    chosen = torch.randperm(len(found), generator=torch.Generator().manual_seed(seed))[: TRAIN + TEST].tolist()
    known = sorted({word for at in chosen[:TRAIN] for word, _ in found[at]})
    number = {word: at + 2 for at, word in enumerate(known)}
    ids, labels = torch.zeros(TRAIN + TEST, LENGTHS[1]).long(), torch.full((TRAIN + TEST, LENGTHS[1]), -1)
    for row, at in enumerate(chosen):
        for column, (word, label) in enumerate(found[at]):
            ids[row, column], labels[row, column] = number.get(word, 1), label
    names = tuple(f"{case}, {mark}" for case in ("lower", "capital") for mark in ("nothing", *MARKS))
    return Labelled(ids, labels, len(known) + 2, names, TRAIN)


@lru_cache
def sentences() -> list[list[tuple[str, int]]]:
    """All sentences that `book` may draw: (lower-case word, label) pairs."""
    text = re.sub(r"\b(Mr|Mrs|Dr|St)\.", r"\1", data.austen().replace("_", ""))
    kept: dict[frozenset[str], list[tuple[str, int]]] = {}
    for paragraph in re.split(r"\n\s*\n", text):
        if re.match(r"Chapter \d+$", paragraph.strip()):
            continue
        for sentence in re.split(r"(?<=[.!?])[\"')]*\s+", " ".join(paragraph.split())):
            pairs = re.findall(r"([A-Za-z](?:[A-Za-z'-]*[A-Za-z])?)([^A-Za-z]*)", sentence)
            words = [word.lower() for word, _ in pairs]
            if LENGTHS[0] <= len(words) <= LENGTHS[1] and len(set(words)) == len(words):
                kept.setdefault(frozenset(words), [(word.lower(), _label(word, after)) for word, after in pairs])
    return list(kept.values())


def _label(word: str, after: str) -> int:
    mark = next((at for at, signs in enumerate(MARKS.values(), 1) if any(sign in after for sign in signs)), 0)
    return word[0].isupper() * (len(MARKS) + 1) + mark

"""Train readers that hear in different ways, judge them on real questions to documents that none of them has seen.

Judged: 266 questions to `text.TEST`, each asked of its whole document (18,000 to 25,000 tokens). Trained: practice of
1,504 tokens made of the other 15 documents. Every arm has the same data, steps and initial weights, seed by seed.

The readers start as matchers of words, and are already good at it ("untrained" in the result): so few questions teach
them little more. What the arms differ in is who can be matched at all.
"""

import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean

import torch

from seqlab.documents.questions.hearing import ceiling
from seqlab.documents.questions.model import READER, Config, Reader, shipped
from seqlab.documents.questions.text import (
    PRACTICE,
    TEST,
    Document,
    documents,
    practice,
    section_counts,
    tokens,
    training_documents,
    word_scores,
)
from seqlab.train import checkpoint, experiment
from seqlab.train.experiment import Experiment, Part, seeded
from seqlab.train.fit import fresh

STEPS, BATCH, RATE = 150, 8, 3e-3
TRAINED = ("big bird", "window", "first 512")


def untaught(arm: str, seed: int) -> Reader:
    """A reader before training: it matches words."""
    return Reader(Config(arm=arm, plan=seed), section_counts(training_documents()))


def train(arm: str, *, seed: int = 0, steps: int = STEPS, **options: object) -> Reader:
    """A reader of one arm. Same arguments, same result; options as in `seqlab.train.fit.fit`."""
    options |= dict(steps=steps, lr=RATE, weight_decay=0.01)
    batches = practice(training_documents(), batch=BATCH, seed=seed)
    return experiment.train(lambda: untaught(arm, seed), batches, seed=seed, **options)[0].eval()


def untrained(seed: int = 0) -> dict[str, float]:
    """The `summary` of a big bird reader before training."""
    model = fresh(lambda: untaught("big bird", seed), seed)
    return summary([row[at] for name in TEST for at, row in enumerate(ranks(model, documents()[name]))])


@torch.no_grad()
def ranks(
    model: Reader, document: Document, asked: Iterable[int] | None = None, *, cut: bool = False
) -> list[list[float]]:
    """For every question of `asked` (all): the rank of every section, 1 is best; equal scores share their mean rank."""
    chosen = range(len(document.questions)) if asked is None else asked
    scores = [model([tokens(document.questions[at])], [document.sections], cut=cut)[0] for at in chosen]
    return [ranked(row.tolist()) for row in scores]


def ranked(scores: Sequence[float]) -> list[float]:
    """Ranks of scores, 1 for the largest; equal ones share the mean of their ranks."""
    ascending = sorted(scores)
    below = lambda score: bisect_left(ascending, score) + bisect_right(ascending, score)  # twice, ties count half
    return [len(scores) - (below(score) - 1) / 2 for score in scores]


def summary(places: Sequence[float]) -> dict[str, float]:
    """Shares of questions whose answer is first, and among the first five, and the mean of 1/rank."""
    return {
        "@1": fmean(place <= 1 for place in places),
        "@5": fmean(place <= 5 for place in places),
        "mrr": fmean(1 / place for place in places),
    }


def shuffled(count: int) -> list[int]:
    """Each question gets the answer of another one: a permutation without fixed points."""
    order = list(range(count))
    random.Random(0).shuffle(order)
    following = dict(zip(order, order[1:] + order[:1]))
    return [following[at] for at in range(count)]


def judge(model: Reader) -> dict[str, dict[str, list[float]]]:
    """document → {"right": rank of each question's answer, "shuffled": of another question's, and for big bird "cut"}.

    With the question cut off, no score depends on it: one pass gives all ranks.
    """
    told = {name: _judged(ranks(model, documents()[name])) for name in TEST}
    for name in TEST if model.config.arm == "big bird" else ():
        (told[name]["cut"],) = ranks(model, documents()[name], (0,), cut=True)
    return told


def lexical() -> dict[str, dict[str, list[float]]]:
    """The same for BM25."""
    parts = [documents()[name] for name in TEST]
    return {part.name: _judged([ranked(word_scores(part, asked)) for asked in part.questions]) for part in parts}


def _judged(rows: Sequence[Sequence[float]]) -> dict[str, list[float]]:
    wrong = shuffled(len(rows))
    return {
        "right": [row[at] for at, row in enumerate(rows)],
        "shuffled": [row[other] for row, other in zip(rows, wrong)],
    }


def chance() -> dict[str, float]:
    """A random order of the sections."""
    counts = [len(documents()[name].sections) for name in TEST]
    total = sum(counts)
    return {
        "@1": len(counts) / total,
        "@5": sum(min(count, 5) for count in counts) / total,
        "mrr": sum(1 / rank for count in counts for rank in range(1, count + 1)) / total,
    }


def pooled(told: dict[str, dict[str, list[float]]], kind: str = "right") -> list[float]:
    """The ranks of all documents in one list."""
    return [place for part in told.values() for place in part[kind]]


def quick(count: int = 8, model: Reader | None = None) -> dict[str, dict[str, float]]:
    """Live, a few seconds: `count` questions spread over one document, by the reader that comes with seqlab.

    Gives {the reader's arm, "shuffled", "cut" (of a "big bird" alone), "bm25"}, each with "@1", "@5" and "mrr". No
    training, no randomness.
    """
    document, model = documents()["py-programming"], model or shipped()
    total = len(document.questions)
    if not 1 <= count <= total:
        raise ValueError(f"count: got {count}, wanted 1 to {total}, the questions of {document.name}")
    asked = [at * total // count for at in range(count)]
    rows, wrong = ranks(model, document, asked), shuffled(total)
    told = {model.config.arm: rows, "bm25": [ranked(word_scores(document, document.questions[at])) for at in asked]}
    if model.config.arm == "big bird":
        told["cut"] = ranks(model, document, asked[:1], cut=True) * count  # who does not hear the question ranks alike
    scores = {name: summary([row[at] for row, at in zip(told[name], asked)]) for name in told}
    return scores | {"shuffled": summary([row[wrong[at]] for row, at in zip(rows, asked)])}


def measure(arm: str, seed: int) -> dict:
    """The cell of a reader: the ranks of every question, and what they say. The first "big bird" comes with seqlab."""
    model = train(arm, seed=seed)
    told = judge(model)
    cell = {"arm": arm, "seed": seed, **summary(pooled(told)), "ceiling": {"@1": ceiling(arm, seed=seed)}}
    if arm == "big bird":
        cell["untrained"] = untrained(seed)
    if (arm, seed) == ("big bird", 0):
        checkpoint.save(model, READER)
    return cell | {"ranks": told}


def parts() -> dict[str, Part]:
    """All readers; the file holds nothing else."""
    setting = {"steps": STEPS, "batch": BATCH, "rate": RATE, "practice": PRACTICE, "dim": Config.dim}
    setting |= {"layers": Config.layers, "test": TEST}
    return {"": Part(measure, ("arm", "seed"), seeded((arm,) for arm in TRAINED), setting)}


EXPERIMENT = Experiment(Path(__file__).with_name("results.json"), parts)


def results() -> dict:
    """What `python -m seqlab.documents --full` measured: "setting", "minutes", "versions" and "cells", one for each
    trained reader, with the ranks of every question ("ranks", as `judge` gives them); and "bm25", ranked alike."""
    return EXPERIMENT.results() | {"bm25": lexical()}

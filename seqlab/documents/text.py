"""Does context help with text? Words masked in *Pride and Prejudice*, and "which play is this word from?" in Shakespeare.

A token is a word, a punctuation mark or an end of line; the words that training sees fewer than `RARE` times are one
token. Two tasks:

words       masked words (15 %) of the novel, nats per word. Also by kind: "distant" targets are words outside the 150
            most frequent that stand somewhere in the widest context, but not within reach of a window.
play        for every token: which of the eight plays does it come from? One word says little, a cast list says all.

Training sees the first 85 % of the novel, and of each play; all numbers are from the rest. `python -m seqlab.documents.text`
measures everything with three seeds, resumable; the result comes with seqlab: `results()`.
"""

from __future__ import annotations

import math
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import accumulate
from pathlib import Path

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from seqlab import data
from seqlab.documents import model
from seqlab.documents.model import ARMS, GAP, REACH, SCORED, SEEDS, TOKENS, WIDEST, Pair, Result, Task, middle, scored
from seqlab.train import measured
from seqlab.train.fit import Watcher

FILE = Path(__file__).with_name("text.json")
MASK, OTHER, RARE, FREQUENT, RATE, TEST = 0, 1, 4, 150, 0.15, 0.15
STEPS = {"words": 200, "play": 300}
CELLS = {
    "play": [(arm, 256) for arm in ARMS] + [("window", 64), ("BigBird", 64)],
    "words": [(arm, 256) for arm in ("window", "BigBird", "truncated", "dense")]
    + [(arm, context) for context in (64, 512) for arm in ("window", "BigBird")],
}
CELLS["play, shuffled"] = [("BigBird", 256)]


@lru_cache
def corpus(name: str) -> tuple[list[str], list[Int[Tensor, token]], list[Int[Tensor, token]]]:
    """(vocabulary, training texts, test texts) of "austen" or "shakespeare". Words are listed by frequency."""
    if name not in ("austen", "shakespeare"):
        raise ValueError(f"name: got {name!r}, wanted 'austen' or 'shakespeare'")
    texts = [data.austen()] if name == "austen" else data.shakespeare()
    texts = [re.findall(r"[A-Za-z]+(?:'[a-z]+)?|[^\sA-Za-z]|\n+", text) for text in texts]
    cuts = [int(len(words) * (1 - TEST)) for words in texts]
    count = Counter(word for words, cut in zip(texts, cuts) for word in words[:cut])
    vocabulary = ["[mask]", "[other]", *(word for word, times in count.most_common() if times >= RARE)]
    ids = {word: at for at, word in enumerate(vocabulary)}
    numbers = [torch.tensor([ids.get(word, OTHER) for word in words]) for words in texts]
    return vocabulary, [t[:cut] for t, cut in zip(numbers, cuts)], [t[cut:] for t, cut in zip(numbers, cuts)]


def words_task() -> Task:
    """Masked words of the novel, in nats per word."""
    vocabulary, learn, test = corpus("austen")

    def masked(ids: Tensor, generator: torch.Generator) -> Pair:
        mask = torch.rand(ids.shape, generator=generator) < RATE
        return torch.where(mask, MASK, ids), torch.where(mask & (ids > OTHER), ids, GAP)

    def batches(context: int, seed: int) -> Iterator[Pair]:
        generator = torch.Generator().manual_seed(seed)
        for ids, _ in _stretches(learn, context, seed):
            yield masked(ids, generator)

    def tested() -> Pair:
        ids, targets = masked(_tiles(test, SCORED)[0], torch.Generator().manual_seed(0))
        return ids, scored(targets)

    def scores(nats: Tensor, right: Tensor) -> dict[str, float]:
        far = distant(*tested())
        return {"loss": nats.mean().item(), "distant": nats[far].mean().item(), "others": nats[~far].mean().item()}

    return Task(
        "words", len(vocabulary), None, batches, lambda context: tuple(middle(x, context) for x in tested()), scores
    )


def play_task(shuffled: bool = False, every: int = 2 * SCORED) -> Task:
    """Which play each token is from, in bits, judged around every so many tokens of the test part.

    shuffled: the control; in training, each stretch gets another one's answer.
    """
    vocabulary, learn, test = corpus("shakespeare")

    def batches(context: int, seed: int) -> Iterator[Pair]:
        for ids, plays in _stretches(learn, context, seed):
            answers = plays[:, None].expand_as(ids)
            yield ids, answers.roll(1, 0) if shuffled else answers

    def tested(context: int) -> Pair:
        ids, plays = _tiles(test, every)
        return middle(ids, context), middle(scored(plays[:, None].repeat(1, WIDEST)), context)

    def scores(nats: Tensor, right: Tensor) -> dict[str, float]:
        return {"loss": nats.mean().item() / math.log(2), "accuracy": right.float().mean().item()}

    return Task("play, shuffled" if shuffled else "play", len(vocabulary), len(learn), batches, tested, scores)


def distant(ids: Int[Tensor, "batch token"], targets: Int[Tensor, "batch token"]) -> Bool[Tensor, target]:
    """Of each target: is it not among the most frequent words, visible in the sequence, and nowhere within REACH?"""
    row, at = (targets != GAP).nonzero(as_tuple=True)
    word = targets[row, at]
    same = ids[row] == word[:, None]  # masked words are not visible, the target itself is one of them
    near = (torch.arange(ids.shape[1]) - at[:, None]).abs() <= REACH
    return (word >= FREQUENT + 2) & same.any(1) & ~(same & near).any(1)


def play_baseline(width: int) -> float:
    """Share of test tokens placed right by word counts: naive Bayes with add-one counts on `width` tokens around each."""
    if not 0 <= width <= WIDEST - SCORED or width % 2:
        raise ValueError(f"width: got {width}, wanted an even number of tokens, 0 to {WIDEST - SCORED}")
    vocabulary, learn, test = corpus("shakespeare")
    counts = torch.stack([torch.bincount(text, minlength=len(vocabulary)) for text in learn]) + 1.0
    bits = (counts / counts.sum(1, keepdim=True)).log()
    ids, plays = _tiles(test, 2 * SCORED)
    around = bits[:, middle(ids, SCORED + width)].unfold(-1, width, 1)[..., :SCORED, :].sum(-1)
    return (around.argmax(0) == plays[:, None]).float().mean().item()


def words_baseline() -> float:
    """Nats per masked word of one who knows only how frequent each word is (add-one counts of the training part)."""
    vocabulary, learn, _ = corpus("austen")
    _, targets = words_task().test(WIDEST)
    counts = torch.bincount(torch.cat(learn), minlength=len(vocabulary))[2:] + 1.0
    return -(counts / counts.sum()).log()[targets[targets != GAP] - 2].mean().item()


def quick(
    cells: Iterable[tuple[str, int]] = (("window + random", 256),),
    *,
    steps: int = 110,
    seed: int = 0,
    watch: Watcher | None = None,
) -> list[Result]:
    """A few (arm, context) of the play task, live, judged at few places: the default takes about 8 seconds on one core."""
    task = play_task(every=16 * SCORED)
    return [model.train(task, arm, context, steps=steps, seed=seed, watch=watch) for arm, context in cells]


def results(path: Path = FILE) -> dict:
    """What `python -m seqlab.documents.text` measured: "play", "play, shuffled", "words", each with "setting", "minutes", "cells"."""
    return measured.load(path)


def _stretches(texts: list[Tensor], context: int, seed: int) -> Iterator[Pair]:
    """Endless (ids, which text) from random places; no stretch crosses from one text into the next."""
    flat = torch.cat(texts)
    starts = [torch.arange(end - len(text), end - context + 1) for text, end in zip(texts, accumulate(map(len, texts)))]
    source = torch.repeat_interleave(torch.arange(len(texts)), torch.tensor([len(s) for s in starts]))
    places, generator = torch.cat(starts), torch.Generator().manual_seed(seed)
    while True:
        drawn = torch.randint(len(places), (TOKENS // context,), generator=generator)
        yield flat[places[drawn][:, None] + torch.arange(context)], source[drawn]


def _tiles(texts: list[Tensor], every: int) -> tuple[Int[Tensor, "tile token"], Int[Tensor, tile]]:
    """(stretches of the widest context that begin every so many tokens, which text each is from)."""
    tiles = [text.unfold(0, WIDEST, every) for text in texts]
    source = torch.repeat_interleave(torch.arange(len(texts)), torch.tensor([len(t) for t in tiles]))
    return torch.cat(tiles), source


def main(path: Path = FILE, names: Iterable[str] = ()) -> None:
    """Measure what `path` lacks of the named tasks, all when none is named; an empty path measures everything anew."""
    torch.set_num_threads(1)
    tasks = {task.name: task for task in (play_task(), play_task(shuffled=True), words_task())}
    for task in [tasks[name] for name in names or tasks]:
        steps = STEPS[task.name.partition(",")[0]]
        todo = [(arm, context, seed) for seed in SEEDS for arm, context in CELLS[task.name]]
        run = lambda arm, context, seed: model.train(task, arm, context, steps=steps, seed=seed)
        same = dict(rate=RATE, rare=RARE, frequent=FREQUENT, test=TEST, script="python -m seqlab.documents.text")
        setting = model.setting(task=task.name, steps=steps, **same)
        model.measure(task.name, setting, todo, run, path)


if __name__ == "__main__":
    main(names=sys.argv[1:])

"""Does context help with text? Masked words of *Pride and Prejudice*, and "which play is this from?" in Shakespeare.

A token is a word, a punctuation mark or an end of line; the words that training sees fewer than `RARE` times are one
token. Two tasks:

words       masked words (15 %) of the novel, nats per word. Also by kind: "distant" targets are words outside the 150
            most frequent that stand somewhere in the widest context, but not within reach of a window.
play        for every token: which of the eight plays does it come from? One word says little, a cast list says all.

Training sees the first 85 % of the novel, and of each play; all numbers are from the rest. `python -m
seqlab.documents --full` measures everything with three seeds, resumable; the result comes with seqlab: `results()`.
"""

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache, partial
from itertools import accumulate
from pathlib import Path

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from seqlab import data
from seqlab.documents.model import (
    ARMS,
    GAP,
    RATE,
    REACH,
    SCORED,
    TOKENS,
    WIDEST,
    Pair,
    Task,
    bits,
    masking,
    part,
    scored,
)
from seqlab.train.experiment import Experiment, Part

OTHER, RARE, FREQUENT, TEST = 1, 4, 150, 0.15
STEPS = {"words": 200, "play": 300, "play, shuffled": 300}
CELLS = {
    "play": [(arm, 256) for arm in ARMS] + [("window", 64), ("BigBird", 64)],
    "words": [(arm, 256) for arm in ("window", "BigBird", "truncated", "dense")]
    + [(arm, context) for context in (64, 512) for arm in ("window", "BigBird")],
    "play, shuffled": [("BigBird", 256)],
}


@lru_cache
def corpus(name: str) -> tuple[list[str], list[Int[Tensor, "_"]], list[Int[Tensor, "_"]]]:
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

    def scores(nats: Tensor, right: Tensor) -> dict[str, float]:
        far = distant(*task.held_out())
        return {"loss": nats.mean().item(), "distant": nats[far].mean().item(), "others": nats[~far].mean().item()}

    sequences, tiles = partial(_stretches, learn), lambda: _tiles(test, SCORED)[0]
    task = masking("words", len(vocabulary), sequences, tiles, scores, OTHER)
    return task


def play_task() -> Task:
    """Which play each token is from, in bits."""
    vocabulary, learn, test = corpus("shakespeare")

    def batches(context: int, seed: int) -> Iterator[Pair]:
        for ids, plays in _stretches(learn, context, seed):
            yield ids, plays[:, None].expand_as(ids)

    def held_out() -> Pair:
        ids, plays = _tiles(test, 2 * SCORED)
        return ids, scored(plays[:, None].repeat(1, WIDEST))

    return Task("play", len(vocabulary), len(learn), batches, held_out, bits())


def distant(ids: Int[Tensor, "batch token"], targets: Int[Tensor, "batch token"]) -> Bool[Tensor, "target"]:
    """Of each target: is it not among the most frequent words, visible in the sequence, and nowhere within REACH?"""
    row, at = (targets != GAP).nonzero(as_tuple=True)
    word = targets[row, at]
    same = ids[row] == word[:, None]  # masked words are not visible, the target itself is one of them
    near = (torch.arange(ids.shape[1]) - at[:, None]).abs() <= REACH
    return (word >= FREQUENT + 2) & same.any(1) & ~(same & near).any(1)


def _stretches(texts: list[Tensor], context: int, seed: int) -> Iterator[Pair]:
    """Endless (ids, which text) from random places; no stretch crosses from one text into the next."""
    flat = torch.cat(texts)
    starts = [torch.arange(end - len(text), end - context + 1) for text, end in zip(texts, accumulate(map(len, texts)))]
    source = torch.repeat_interleave(torch.arange(len(texts)), torch.tensor([len(s) for s in starts]))
    places, generator = torch.cat(starts), torch.Generator().manual_seed(seed)
    while True:
        drawn = torch.randint(len(places), (TOKENS // context,), generator=generator)
        yield flat[places[drawn][:, None] + torch.arange(context)], source[drawn]


def _tiles(texts: list[Tensor], every: int) -> tuple[Int[Tensor, "tile token"], Int[Tensor, "tile"]]:
    """(stretches of the widest context that begin every so many tokens, which text each is from)."""
    tiles = [text.unfold(0, WIDEST, every) for text in texts]
    source = torch.repeat_interleave(torch.arange(len(texts)), torch.tensor([len(t) for t in tiles]))
    return torch.cat(tiles), source


def parts() -> dict[str, Part]:
    """The three tasks."""
    same = dict(rate=RATE, rare=RARE, frequent=FREQUENT, test=TEST)
    tasks = (play_task(), play_task().shuffled(), words_task())
    return {task.name: part(task, CELLS[task.name], STEPS[task.name], **same) for task in tasks}


EXPERIMENT = Experiment(Path(__file__).with_name("text.json"), parts)
results = EXPERIMENT.results

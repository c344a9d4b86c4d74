"""What is trained on: rows of Hugging Face `datasets`, or what comes with seqlab, as batches of (inputs, targets).

The batch of a step depends on the seed and the step alone. So every process knows the whole batch and takes its share,
whatever their number, and who begins at step 1,000 meets the batches of a run that came there by itself.
"""

from argparse import Namespace
from array import array
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from itertools import chain, count, islice
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from seqlab.train.fit import epochs, windows
from seqlab.train.scale.config import named

GAP, RATE = -100, 0.15  # a token that is not asked for; how many are hidden in "masked"
Pair = tuple[Int[Tensor, "batch token"], ...]  # inputs, targets
Draw = Callable[[int, int], Pair]


def batches(draw: Draw, seed: int, size: int, done: int = 0) -> Iterator[Pair]:
    """Endless batches of `size` sequences: those of step `done` + 1 and all after it."""
    return (draw(1_000_003 * seed + step, size) for step in count(done))


def corpus(config: Namespace) -> tuple[int, int, Draw]:
    """(how many tokens there are, how many answers, (seed, size) → a batch) of the data of `config`."""
    if config.task not in ("next", "masked", "tags"):
        raise ValueError(f"task: got {config.task!r}, wanted 'next', 'masked' or 'tags'")
    if config.task == "tags":
        ids, labels = (part[:, : config.length] for part in _tagged(config))
        labels = labels.masked_fill(ids == 0, GAP)
        rows = lambda seed, size: next(epochs(len(ids), batch=size, seed=seed))
        return (
            int(ids.max()) + 1,
            int(labels.max()) + 1,
            lambda seed, size: tuple(part[rows(seed, size)] for part in (ids, labels)),
        )
    (tokens, text), masked = _text(config), config.task == "masked"

    def draw(seed: int, size: int) -> Pair:
        ids = next(windows(text, batch=size, length=config.length + (not masked), seed=seed)).long()
        if not masked:
            return ids[:, :-1], ids[:, 1:]
        hidden = torch.rand(ids.shape, generator=torch.Generator().manual_seed(seed)) < RATE
        return ids.masked_fill(hidden, tokens), ids.masked_fill(~hidden, GAP)

    return tokens + masked, tokens, draw


def _tagged(config: Namespace) -> Pair:
    """Words, numbered from 1, and their tags, a row a sentence; 0 fills up."""
    if ":" in config.data:
        return named(config.data)(config.seed).part()
    rows = list(_rows(config))
    number = {word: at for at, word in enumerate(sorted({word for row in rows for word in row["tokens"]}), 1)}
    words = ([number[word] for word in row["tokens"]] for row in rows)
    return tuple(pad_sequence([*map(torch.tensor, part)], True) for part in (words, (row["ner_tags"] for row in rows)))


def _text(config: Namespace) -> tuple[int, Int[Tensor, "token"]]:
    """(how many tokens there are, the text in them)."""
    texts = [named(config.data)()] if ":" in config.data else (row["text"] for row in _rows(config))
    if config.tokenizer == "bytes":
        return 256, torch.frombuffer(bytearray("".join(texts).encode()), dtype=torch.uint8).short()
    coder = _extra("transformers").AutoTokenizer.from_pretrained(config.tokenizer)
    ids = chain.from_iterable(coder(text, verbose=False)["input_ids"] for text in texts)
    return len(coder), torch.frombuffer(array("i", ids), dtype=torch.int32)


def _rows(config: Namespace) -> Iterable[dict]:
    rows = _extra("datasets").load_dataset(*config.data.split(), split="train", streaming=True)
    return islice(rows, config.rows or None)


def _extra(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise ValueError(
            f"{module} is not installed ({error}): pip install 'seqlab[huggingface]', which then wants a network; "
            "or add data=shipped, which trains on what comes with seqlab"
        ) from error

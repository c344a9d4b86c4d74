"""The copying task of Yun et al. 2020: `0 s 0 s`, say the second s. Causal transformers whose layers see a pattern.

| paper symbol (Yun et al. 2020, section 5)  | here                                                                  |
| ------------------------------------------ | --------------------------------------------------------------------- |
| 0 s 0 s, random s                          | `sequences`: N = 32 tokens, s of 15 symbols out of 16                 |
| UNION, MULTIHEAD, SEQUENTIAL               | "union", "per head", "sequential" in the names of `PATTERNS`          |
| sparsity level                             | `sparsity`: share of the causal dense connections that is left out    |

`python -m seqlab.sparse --full` measures all of `PATTERNS` at depths 1 to 3 with three seeds, then text
(`seqlab.sparse.language`): about half an hour on one core, resumable. The result comes with seqlab: `results()`.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor

from seqlab import patterns as P
from seqlab.sparse import language
from seqlab.train import experiment
from seqlab.train.experiment import Experiment, Part, by, seeded

N, SYMBOLS, WIDTH, STEPS, BATCH = 32, 16, 6, 300, 32
DEPTHS = (1, 2, 3)

_window, _stride, _blocks, _summaries = P.window(WIDTH), P.stride(WIDTH), P.blocks(WIDTH), P.summaries(WIDTH)
PATTERNS: dict[str, Callable[[int], P.Pattern]] = {  # seed of the run → pattern; only the random ones use the seed
    "dense": lambda seed: P.full(),
    "strided, union": lambda seed: P.strided(WIDTH).union(),
    "strided, per head": lambda seed: P.per_head(_window, _stride, heads=language.HEADS),
    "strided, sequential": lambda seed: P.strided(WIDTH),
    "fixed, union": lambda seed: P.fixed(WIDTH).union(),
    "fixed, per head": lambda seed: P.per_head(_blocks, _summaries, heads=language.HEADS),
    "fixed, sequential": lambda seed: P.fixed(WIDTH),
    "star, relay first": lambda seed: P.star(0),  # the relay sees only itself: it relays nothing
    "star, relay between": lambda seed: P.star(N // 2),  # the second 0: sees all of s, seen by every answer
    "random, few": lambda seed: P.random(8, seed),  # as many connections as strided, sequential (two layers)
    "random, many": lambda seed: P.random(14, seed),  # as many as strided, union
}


def sequences(count: int, generator: torch.Generator, n: int = N) -> Int[Tensor, "count n"]:
    """`0 s 0 s` with s of n/2 - 1 symbols, uniform in 1 … SYMBOLS."""
    if n < 4 or n % 2:
        raise ValueError(f"n: got {n}, wanted an even number of tokens, at least 4")
    s = torch.randint(1, SYMBOLS + 1, (count, n // 2 - 1), generator=generator)
    return F.pad(s, (1, 0)).repeat(1, 2)


def ceiling(pattern: P.Pattern, depth: int, n: int = N) -> float:
    """The best accuracy that any weights can have: answers whose source no chain of `depth` keys meets are guesses."""
    heard = torch.eye(n)
    for mask in language.masks(pattern, depth, n, pattern.heads).any(1).float():
        heard = (mask @ heard > 0).float()
    at = torch.arange(n // 2, n - 1)
    share = heard[at, at + 1 - n // 2].mean().item()
    return share + (1 - share) / SYMBOLS


def model_for(pattern: P.Pattern, depth: int, n: int = N) -> language.SparseModel:
    """A fresh model; only the second half counts."""
    return language.SparseModel(pattern, depth, tokens=SYMBOLS + 1, n=n, scored=slice(n // 2, n - 1))


def train(
    pattern: P.Pattern | str, depth: int, seed: int = 0, *, steps: int = STEPS, n: int = N, **options: object
) -> dict:
    """Train on fresh sequences, judge on 512 others: the cell of a pattern, or of one of `PATTERNS`.

    "ceiling": no weights can do better, see `ceiling`; "connections": over all layers and heads. Same arguments, same
    result; options as in `fit`.
    """
    pattern, which = language.chosen(PATTERNS, pattern, depth, seed)
    model, found = experiment.train(
        lambda: model_for(pattern, depth, n),
        _batches(seed, n),
        seed=seed,
        steps=steps,
        lr=2e-3,
        weight_decay=0.0,
        **options,
    )
    accuracy = model.accuracy(sequences(512, torch.Generator().manual_seed(10**6 + seed), n))
    connections, sparsity = language.cost(model)
    scores = dict(accuracy=accuracy, connections=connections, sparsity=sparsity, ceiling=ceiling(pattern, depth, n))
    return which | scores | found


def _batches(seed: int, n: int) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield sequences(BATCH, generator, n)


def parts() -> dict[str, Part]:
    """Copying at every depth, and text twice."""
    names, same = ("pattern", "depth", "seed"), dict(dim=language.DIM, heads=language.HEADS)
    cells = seeded((name, depth) for depth in DEPTHS for name in PATTERNS)
    setting = same | dict(n=N, symbols=SYMBOLS, width=WIDTH, steps=STEPS, batch=BATCH)
    found = {"copying": Part(train, names, cells, setting)}
    for part, steps in (("language", language.STEPS), ("language, longer", language.LONG)):
        setting = same | dict(n=language.N, steps=steps, batch=language.BATCH, text="austen")
        cells = seeded((name, language.DEPTH) for name in language.PATTERNS)
        found[part] = Part(partial(language.train, steps=steps), names, cells, setting)
    return found


QUICK = (("strided, sequential", 1), ("strided, sequential", 2), ("random, few", 2), ("star, relay first", 2))
EXPERIMENT = Experiment(Path(__file__).with_name("copying.json"), parts)
results, by_pattern = EXPERIMENT.results, by("pattern", "depth")

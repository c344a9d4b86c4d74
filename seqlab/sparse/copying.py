"""The copying task of Yun et al. 2020: `0 s 0 s`, say the second s. Small causal transformers whose layers see a pattern.

| paper symbol (Yun et al. 2020, section 5)  | here                                                                  |
| ------------------------------------------ | --------------------------------------------------------------------- |
| 0 s 0 s, random s                          | `sequences`: N = 32 tokens, s of 15 symbols out of 16                 |
| UNION, MULTIHEAD, SEQUENTIAL               | "union", "per head", "sequential" in the names of `PATTERNS`          |
| sparsity level                             | `sparsity`: share of the causal dense connections that is left out    |

`python -m seqlab.sparse.copying` measures all of `PATTERNS` at depths 1 to 3 with three seeds, then text (`seqlab.sparse.language`): about half an
hour on one core, resumable. The result comes with seqlab: `results()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor

from seqlab import patterns as P
from seqlab.patterns import Pattern
from seqlab.sparse import language
from seqlab.sparse.language import HEADS, SparseModel, cost, masks
from seqlab.train import measured
from seqlab.train.fit import Watcher, fit

N, SYMBOLS, WIDTH, STEPS, BATCH = 32, 16, 6, 300, 32
DEPTHS, SEEDS = (1, 2, 3), (0, 1, 2)
FILE = Path(__file__).with_name("copying.json")

_window, _stride, _blocks, _summaries = P.window(WIDTH), P.stride(WIDTH), P.blocks(WIDTH), P.summaries(WIDTH)
PATTERNS: dict[str, Callable[[int], Pattern]] = {  # seed of the run → pattern; only the random ones use the seed
    "dense": lambda seed: P.full(),
    "strided, union": lambda seed: P.strided(WIDTH).union(),
    "strided, per head": lambda seed: P.per_head(_window, _stride, heads=HEADS),
    "strided, sequential": lambda seed: P.strided(WIDTH),
    "fixed, union": lambda seed: P.fixed(WIDTH).union(),
    "fixed, per head": lambda seed: P.per_head(_blocks, _summaries, heads=HEADS),
    "fixed, sequential": lambda seed: P.fixed(WIDTH),
    "star, relay first": lambda seed: P.star(0),  # the relay sees only itself: it relays nothing
    "star, relay between": lambda seed: P.star(N // 2),  # the second 0: sees all of s, seen by every answer
    "random, few": lambda seed: P.random(8, seed),  # as many connections as strided, sequential (two layers)
    "random, many": lambda seed: P.random(14, seed),  # as many as strided, union
}


@dataclass
class Result:
    """One trained model. Connections: over all layers and heads. `ceiling`: no weights can do better, see `ceiling`."""

    pattern: str
    depth: int
    seed: int
    accuracy: float
    losses: list[float] = field(repr=False)
    connections: int
    sparsity: float
    ceiling: float
    seconds: float


def sequences(count: int, generator: torch.Generator, n: int = N) -> Int[Tensor, "count n"]:
    """`0 s 0 s` with s of n/2 - 1 symbols, uniform in 1 … SYMBOLS."""
    if n < 4 or n % 2:
        raise ValueError(f"n: got {n}, wanted an even number of tokens, at least 4")
    s = torch.randint(1, SYMBOLS + 1, (count, n // 2 - 1), generator=generator)
    return F.pad(s, (1, 0)).repeat(1, 2)


def ceiling(pattern: Pattern, depth: int, n: int = N) -> float:
    """The best accuracy that any weights can have: answers whose source no chain of `depth` keys meets are guesses."""
    heard = torch.eye(n)
    for mask in masks(pattern, depth, n, pattern.heads).any(1).float():
        heard = (mask @ heard > 0).float()
    at = torch.arange(n // 2, n - 1)
    share = heard[at, at + 1 - n // 2].mean().item()
    return share + (1 - share) / SYMBOLS


def model_for(pattern: Pattern, depth: int, n: int = N) -> SparseModel:
    """A fresh model; only the second half counts."""
    return SparseModel(pattern, depth, tokens=SYMBOLS + 1, n=n, scored=slice(n // 2, n - 1))


def train(
    pattern: Pattern,
    depth: int,
    *,
    steps: int = STEPS,
    seed: int = 0,
    n: int = N,
    name: str | None = None,
    watch: Watcher | None = None,
) -> Result:
    """Train on fresh sequences, judge on 512 others. Same arguments, same result; the global generator is untouched.

    KeyboardInterrupt goes through: an interrupted run is not a result.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = model_for(pattern, depth, n)
    history = fit(model, _batches(seed, n), steps=steps, lr=2e-3, weight_decay=0.0, watch=watch)
    if history.interrupted:
        raise KeyboardInterrupt
    accuracy = model.accuracy(sequences(512, torch.Generator().manual_seed(10**6 + seed), n))
    connections, sparsity = cost(model)
    best = ceiling(pattern, depth, n)
    return Result(
        name or pattern.name, depth, seed, accuracy, history.loss, connections, sparsity, best, history.seconds
    )


QUICK = (("strided, sequential", 1), ("strided, sequential", 2), ("random, few", 2), ("star, relay first", 2))


def quick(
    cells: Iterable[tuple[str, int]] = QUICK, *, steps: int = 150, seed: int = 0, watch: Watcher | None = None
) -> list[Result]:
    """A few (pattern of `PATTERNS`, depth), live: the defaults take 15 to 30 seconds on one core."""
    return [train(PATTERNS[name](seed), depth, steps=steps, seed=seed, name=name, watch=watch) for name, depth in cells]


def results(path: Path = FILE) -> dict:
    """What `python -m seqlab.sparse.copying` measured: "copying", "language" and "language, longer", each with
    "setting", "minutes" and "cells" (one dict per trained model)."""
    return measured.load(path)


def by_pattern(cells: Iterable[dict | object], value: str = "accuracy") -> dict[tuple[str, int], list[float]]:
    """(pattern, depth) → one value per seed, in the order of the cells: dicts of `results()`, or Results."""
    table: dict[tuple[str, int], list[float]] = {}
    for cell in (cell if isinstance(cell, dict) else vars(cell) for cell in cells):
        table.setdefault((cell["pattern"], cell["depth"]), []).append(cell[value])
    return table


def _batches(seed: int, n: int) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield sequences(BATCH, generator, n)


def main() -> None:
    torch.set_num_threads(1)
    setting = dict(n=N, symbols=SYMBOLS, width=WIDTH, dim=language.DIM, heads=HEADS, steps=STEPS, batch=BATCH)
    todo = [(name, depth, seed) for depth in DEPTHS for seed in SEEDS for name in PATTERNS]
    run = lambda name, depth, seed: _cell(train(PATTERNS[name](seed), depth, seed=seed, name=name))
    names = ("pattern", "depth", "seed")
    measured.measure(FILE, "copying", setting, names, todo, run)
    todo = [(name, language.DEPTH, seed) for seed in SEEDS for name in language.PATTERNS]
    for part, steps in (("language", language.STEPS), ("language, longer", language.LONG)):
        setting = dict(n=language.N, dim=language.DIM, heads=HEADS, steps=steps, batch=language.BATCH, text="austen")
        run = lambda name, depth, seed: _cell(
            language.train(language.PATTERNS[name](seed), depth, steps=steps, seed=seed, name=name)
        )
        measured.measure(FILE, part, setting, names, todo, run)


def _cell(result: Result | language.TextResult) -> dict:
    """What is shipped of a result: its losses as the mean of the last 20."""
    values = asdict(result)
    return values | {"loss": fmean(values.pop("losses")[-20:])}


if __name__ == "__main__":
    main()

"""Does context help with DNA? The genome of *Chlamydia trachomatis*: reading frames, masked bases, splice junctions.

A token is three bases in a row, read from any start, so that the sequence has no phase of its own. Two tasks:

frame       for every token: does it lie in no gene, or in a gene on the forward or backward strand, and in which of the
            three phases of its codons? (7 answers, judged at the middle base.) One token says little; a gene is
            hundreds of tokens long and keeps its strand and phase.
bases       masked tokens (15 %), bits per base; two bits know nothing.

Training sees the first three quarters of the genome, all numbers are from the last. `python -m seqlab.documents.genome` measures
everything with three seeds, resumable; the result comes with seqlab: `results()`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from seqlab import data
from seqlab.documents import model
from seqlab.documents.model import ARMS, GAP, SCORED, SEEDS, STEPS, TOKENS, WIDEST, Pair, Result, Task, middle, scored
from seqlab.train import measured
from seqlab.train.fit import Watcher

FILE = Path(__file__).with_name("genome.json")
CLASSES = ("no gene", "+0", "+1", "+2", "-0", "-1", "-2")
LONGER, MASK, RATE = 600, 0, 0.15
LONGEST_ORDER = 11  # of a Markov chain
PLACES = 400  # stretches of the test part; the middle SCORED tokens of each can be targets
CELLS = [(arm, 256) for arm in ARMS] + [(arm, context) for context in (64, 512, 128) for arm in ("window", "BigBird")]
CELLS_LONGER = [(arm, context) for context in (512, 256) for arm in ("window", "BigBird")]
CELLS_BASES = [(arm, 256) for arm in ("window", "BigBird", "truncated")]
CELLS_BASES += [(arm, context) for context in (64, 512) for arm in ("window", "BigBird")]


@lru_cache
def genome() -> tuple[Int[Tensor, base], Int[Tensor, base]]:
    """(bases 0 to 3 for ACGT, class of each base in `CLASSES`); where two genes overlap, GAP."""
    sequence, features = data.chlamydia()
    bases = torch.tensor(["ACGT".index(letter) for letter in sequence])
    classes = torch.zeros(len(bases), dtype=torch.long)
    for kind, start, end, strand in features:
        if kind == "CDS":
            at = torch.arange(start, end)
            own = 1 + (at - start) % 3 if strand == "+" else 4 + (end - 1 - at) % 3
            classes[start:end] = torch.where(classes[start:end] == 0, own, GAP)
    return bases, classes


def cut() -> int:
    """Where the test part begins: at three quarters of the genome."""
    return len(genome()[0]) * 3 // 4


def stretches(
    starts: Int[Tensor, batch], length: int
) -> tuple[Int[Tensor, "batch length"], Int[Tensor, "batch length"]]:
    """(tokens 1 to 64, class of the middle base) of `length` tokens from each start."""
    bases, classes = genome()
    at = starts[:, None, None] + torch.arange(3 * length).view(length, 3)
    return 1 + bases[at] @ torch.tensor([16, 4, 1]), classes[at[..., 1]]


def frame_task(shuffled: bool = False, places: int = PLACES) -> Task:
    """Strand and phase of every token, judged at `places` of the test part.

    shuffled: the control; in training, each stretch gets the classes of another.
    """

    def batches(context: int, seed: int) -> Iterator[Pair]:
        for starts in _starts(context, seed):
            tokens, classes = stretches(starts, context)
            yield tokens, classes.roll(1, 0) if shuffled else classes

    def test(context: int) -> Pair:
        tokens, classes = stretches(_places(places), WIDEST)
        return middle(tokens, context), middle(scored(classes), context)

    def scores(nats: Tensor, right: Tensor) -> dict[str, float]:
        return {"loss": nats.mean().item() / math.log(2), "accuracy": right.float().mean().item()}

    return Task("frame, shuffled" if shuffled else "frame", 65, len(CLASSES), batches, test, scores)


def bases_task() -> Task:
    """Masked tokens of three bases, in bits per base."""

    def masked(tokens: Tensor, generator: torch.Generator) -> Pair:
        mask = torch.rand(tokens.shape, generator=generator) < RATE
        return torch.where(mask, MASK, tokens), torch.where(mask, tokens, GAP)

    def batches(context: int, seed: int) -> Iterator[Pair]:
        generator = torch.Generator().manual_seed(seed)
        for starts in _starts(context, seed):
            yield masked(stretches(starts, context)[0], generator)

    def test(context: int) -> Pair:
        ids, targets = masked(stretches(_places(), WIDEST)[0], torch.Generator().manual_seed(0))
        return middle(ids, context), middle(scored(targets), context)

    def scores(nats: Tensor, right: Tensor) -> dict[str, float]:
        return {"loss": nats.mean().item() / (3 * math.log(2)), "accuracy": right.float().mean().item()}

    return Task("bases", 65, None, batches, test, scores)


@lru_cache
def frame_baselines() -> dict[str, float]:
    """Share of the test targets right: the most frequent class, and logistic regression on 3-mer counts of 28 tokens around."""
    known = lambda classes: classes != GAP
    starts = torch.randint(0, cut() - 3 * WIDEST, (12_000,), generator=torch.Generator().manual_seed(0))
    learn, wanted = stretches(starts, model.BUDGET)
    wanted = wanted[:, model.BUDGET // 2]
    tokens, classes = stretches(_places(), WIDEST)
    around = middle(tokens, SCORED + model.BUDGET).unfold(1, model.BUDGET, 1)[:, :SCORED]
    answers = middle(classes, SCORED)
    keep = known(answers)
    weights = _logistic(_counts(learn)[known(wanted)], wanted[known(wanted)], 1e-4)
    guess = (_counts(around[keep]) @ weights).argmax(-1)
    majority = wanted[known(wanted)].mode().values
    return {
        "majority": (answers[keep] == majority).float().mean().item(),
        "logistic regression": (guess == answers[keep]).float().mean().item(),
    }


def markov(order: int) -> float:
    """Bits per base of the test part under an order-k Markov chain of the training part, add-one counts, left to right."""
    if not 0 <= order <= LONGEST_ORDER:
        raise ValueError(f"order: got {order}, wanted 0 to {LONGEST_ORDER}: a table has 4^(order + 1) counts")
    bases, _ = genome()
    codes = sum(4 ** (order - i) * bases[i : len(bases) - order + i] for i in range(order + 1))
    learn, test = codes[: cut() - order], codes[cut() :]
    counts = torch.bincount(learn, minlength=4 ** (order + 1)).double().view(-1, 4) + 1
    bits = -(counts / counts.sum(-1, keepdim=True)).log2().view(-1)
    return bits[test].mean().item()


def splice() -> dict[str, float]:
    """Splice junctions (EI, IE, none) from w of their 60 bases, duplicates removed: logistic regression by w, and majority.

    The same 2,000 training and other test sequences as w grows; "shuffled": all 60 bases, training labels permuted.
    """
    rows = sorted(set(data.splice_junctions()))
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0)).tolist()
    rows = [rows[i] for i in order]
    letters = torch.tensor([["ACGT".find(letter) for letter in sequence] for _, sequence in rows])
    one_hot = F.one_hot(letters.clamp(0), 4).float() * (letters >= 0)[..., None]
    kinds = torch.tensor([("n", "ei", "ie").index(kind) for kind, _ in rows])
    learn, test = slice(0, 2000), slice(2000, None)
    out = {"majority": (kinds[test] == kinds[learn].mode().values).float().mean().item()}
    for width in (4, 10, 20, 40, 60):
        x = one_hot[:, 30 - width // 2 : 30 + width // 2].flatten(1)
        weights = _logistic(_with_one(x[learn]), kinds[learn], 1e-3)
        out[f"{width} bases"] = ((_with_one(x[test]) @ weights).argmax(-1) == kinds[test]).float().mean().item()
    mixed = kinds[learn][torch.randperm(2000, generator=torch.Generator().manual_seed(1))]
    weights = _logistic(_with_one(x[learn]), mixed, 1e-3)
    return out | {"shuffled": ((_with_one(x[test]) @ weights).argmax(-1) == kinds[test]).float().mean().item()}


def quick(
    cells: Iterable[tuple[str, int]] = (("window", 128), ("BigBird", 128)),
    *,
    steps: int = 70,
    seed: int = 0,
    watch: Watcher | None = None,
) -> list[Result]:
    """A few (arm, context) of the frame task, live, judged at 80 places: the defaults take about 8 seconds on one core."""
    task = frame_task(places=80)
    return [model.train(task, arm, context, steps=steps, seed=seed, watch=watch) for arm, context in cells]


def results(path: Path = FILE) -> dict:
    """What `python -m seqlab.documents.genome` measured: "frame", "frame, longer" (LONGER steps), "frame, shuffled",
    "bases", each with "setting", "minutes", "cells"."""
    return measured.load(path)


def _starts(context: int, seed: int) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield torch.randint(0, cut() - 3 * context, (TOKENS // context,), generator=generator)


def _places(count: int = PLACES) -> Int[Tensor, place]:
    return torch.linspace(cut(), len(genome()[0]) - 3 * WIDEST, count).long()


def _counts(tokens: Int[Tensor, "row token"]) -> Float[Tensor, "row feature"]:
    return _with_one(F.one_hot(tokens, 65).float().mean(1) * 8)


def _with_one(x: Float[Tensor, "row feature"]) -> Float[Tensor, "row feature_1"]:
    return F.pad(x, (0, 1), value=1.0)


def _logistic(x: Float[Tensor, "row feature"], y: Int[Tensor, row], ridge: float) -> Float[Tensor, "feature answer"]:
    """Weights of multinomial logistic regression by L-BFGS."""
    weights = torch.zeros(x.shape[1], int(y.max()) + 1, requires_grad=True)
    solver = torch.optim.LBFGS([weights], max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        solver.zero_grad()
        loss = F.cross_entropy(x @ weights, y) + ridge * weights.square().sum()
        loss.backward()
        return loss

    solver.step(closure)
    return weights.detach()


def main(path: Path = FILE) -> None:
    """Measure what `path` lacks; an empty path measures everything anew."""
    torch.set_num_threads(1)
    for part, task, cells, steps in (
        ("frame", frame_task(), CELLS, STEPS),
        ("frame, shuffled", frame_task(shuffled=True), [("BigBird", 256)], STEPS),
        ("bases", bases_task(), CELLS_BASES, STEPS),
        ("frame, longer", frame_task(), CELLS_LONGER, LONGER),
    ):
        todo = [(arm, context, seed) for seed in SEEDS for arm, context in cells]
        run = lambda arm, context, seed: model.train(task, arm, context, steps=steps, seed=seed)
        same = dict(places=PLACES, rate=RATE, script="python -m seqlab.documents.genome")
        model.measure(part, model.setting(task=task.name, steps=steps, **same), todo, run, path)


if __name__ == "__main__":
    main()

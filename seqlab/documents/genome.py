"""Does context help with DNA? The genome of *Chlamydia trachomatis*: reading frames, masked bases, splice junctions.

A token is three bases in a row, read from any start, so that the sequence has no phase of its own. Two tasks:

frame       for every token: does it lie in no gene, or in a gene on the forward or backward strand, and in which of the
            three phases of its codons? (7 answers, judged at the middle base.) One token says little; a gene is
            hundreds of tokens long and keeps its strand and phase.
bases       masked tokens (15 %), bits per base; two bits know nothing.

Training sees the first three quarters of the genome, all numbers are from the last. `python -m seqlab.documents --full`
measures everything with three seeds, resumable; the result comes with seqlab: `results()`.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seqlab import data
from seqlab.documents.model import (
    ARMS,
    BUDGET,
    GAP,
    RATE,
    SCORED,
    TOKENS,
    WIDEST,
    Pair,
    Task,
    bits,
    masking,
    middle,
    part,
    scored,
)
from seqlab.train.experiment import Experiment, Part
from seqlab.train.fit import uncompiled

CLASSES = ("no gene", "+0", "+1", "+2", "-0", "-1", "-2")
LONGER = 600  # steps
LONGEST_ORDER = 11  # of a Markov chain
PLACES = 400  # stretches of the test part; the middle SCORED tokens of each can be targets
CELLS = [(arm, 256) for arm in ARMS] + [(arm, context) for context in (64, 512, 128) for arm in ("window", "BigBird")]
CELLS_LONGER = [(arm, context) for context in (512, 256) for arm in ("window", "BigBird")]
CELLS_BASES = [("window", 256), ("BigBird", 256), ("truncated", 256)] + [
    (arm, context) for context in (64, 512) for arm in ("window", "BigBird")
]


@lru_cache
def genome() -> tuple[Int[Tensor, "_"], Int[Tensor, "_"]]:
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
    starts: Int[Tensor, "batch"], length: int
) -> tuple[Int[Tensor, "batch length"], Int[Tensor, "batch length"]]:
    """(tokens 1 to 64, class of the middle base) of `length` tokens from each start."""
    bases, classes = genome()
    at = starts[:, None, None] + torch.arange(3 * length).view(length, 3)
    return 1 + bases[at] @ torch.tensor([16, 4, 1]), classes[at[..., 1]]


def drawn(context: int, seed: int) -> Iterator[Pair]:
    """Endless `stretches` from random places of the training part."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield stretches(torch.randint(0, cut() - 3 * context, (TOKENS // context,), generator=generator), context)


def frame_task(places: int = PLACES) -> Task:
    """Strand and phase of every token, judged at `places` of the test part."""

    def held_out() -> Pair:
        tokens, classes = stretches(_places(places), WIDEST)
        return tokens, scored(classes)

    return Task("frame", 65, len(CLASSES), drawn, held_out, bits())


def bases_task() -> Task:
    """Masked tokens of three bases, in bits per base."""
    return masking("bases", 65, drawn, lambda: stretches(_places(), WIDEST)[0], bits(3))


@lru_cache
def frame_baselines() -> dict[str, float]:
    """Share of the test targets right: the most frequent class, and logistic regression on counts of 28 tokens."""
    starts = torch.randint(0, cut() - 3 * WIDEST, (12_000,), generator=torch.Generator().manual_seed(0))
    learn, wanted = stretches(starts, BUDGET)
    known = wanted[:, BUDGET // 2] != GAP
    learn, wanted = learn[known], wanted[known, BUDGET // 2]
    tokens, classes = stretches(_places(), WIDEST)
    around, answers = middle(tokens, SCORED + BUDGET).unfold(1, BUDGET, 1)[:, :SCORED], middle(classes, SCORED)
    around, answers = around[answers != GAP], answers[answers != GAP]
    counts = lambda tokens: F.one_hot(tokens, 65).float().mean(1) * 8
    return {
        "majority": _share(answers == wanted.mode().values),
        "logistic regression": _share(answers == _logistic(counts(learn), wanted, 1e-4)(counts(around))),
    }


def markov(order: int) -> float:
    """Bits per base of the test part under an order-k Markov chain of the training part, add-one counts."""
    if not 0 <= order <= LONGEST_ORDER:
        raise ValueError(f"order: got {order}, wanted 0 to {LONGEST_ORDER}: a table has 4^(order + 1) counts")
    bases, _ = genome()
    codes = sum(4 ** (order - i) * bases[i : len(bases) - order + i] for i in range(order + 1))
    learn, test = codes[: cut() - order], codes[cut() :]
    counts = torch.bincount(learn, minlength=4 ** (order + 1)).double().view(-1, 4) + 1
    bits = -(counts / counts.sum(-1, keepdim=True)).log2().view(-1)
    return bits[test].mean().item()


def splice() -> dict[str, float]:
    """Splice junctions (EI, IE, none) from w of their 60 bases, duplicates removed: logistic regression by w, majority.

    The same 2,000 training and other test sequences as w grows; "shuffled": all 60 bases, training labels permuted.
    """
    rows = sorted(set(data.splice_junctions()))
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0)).tolist()
    rows = [rows[i] for i in order]
    letters = torch.tensor([["ACGT".find(letter) for letter in sequence] for _, sequence in rows])
    one_hot = F.one_hot(letters.clamp(0), 4).float() * (letters >= 0)[..., None]
    kinds = torch.tensor([("n", "ei", "ie").index(kind) for kind, _ in rows])
    learn, wanted, test = one_hot[:2000], kinds[:2000], one_hot[2000:]
    out = {"majority": _share(kinds[2000:] == wanted.mode().values)}
    mixed = wanted[torch.randperm(2000, generator=torch.Generator().manual_seed(1))]
    for name, width, told in [(f"{w} bases", w, wanted) for w in (4, 10, 20, 40, 60)] + [("shuffled", 60, mixed)]:
        seen = lambda rows: rows[:, 30 - width // 2 : 30 + width // 2].flatten(1)
        out[name] = _share(kinds[2000:] == _logistic(seen(learn), told, 1e-3)(seen(test)))
    return out


def _places(count: int = PLACES) -> Int[Tensor, "place"]:
    return torch.linspace(cut(), len(genome()[0]) - 3 * WIDEST, count).long()


def _share(right: Bool[Tensor, "target"]) -> float:
    return right.float().mean().item()


def _logistic(x: Float[Tensor, "row feature"], y: Int[Tensor, "row"], ridge: float) -> Callable[[Tensor], Tensor]:
    """Rows of features → answers, by multinomial logistic regression with a constant, fitted to (x, y) by L-BFGS."""
    with_one = lambda rows: F.pad(rows, (0, 1), value=1.0)
    weights = torch.zeros(x.shape[1] + 1, int(y.max()) + 1, requires_grad=True)
    solver = uncompiled(torch.optim.LBFGS)([weights], max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        solver.zero_grad()
        loss = F.cross_entropy(with_one(x) @ weights, y) + ridge * weights.square().sum()
        loss.backward()
        return loss

    solver.step(closure)
    return lambda rows: (with_one(rows) @ weights.detach()).argmax(-1)


def parts() -> dict[str, Part]:
    """The two tasks, one of them longer, and its control."""
    same = dict(places=PLACES, rate=RATE)
    return {
        "frame": part(frame_task(), CELLS, **same),
        "frame, shuffled": part(frame_task().shuffled(), [("BigBird", 256)], **same),
        "bases": part(bases_task(), CELLS_BASES, **same),
        "frame, longer": part(frame_task(), CELLS_LONGER, LONGER, **same),
    }


EXPERIMENT = Experiment(Path(__file__).with_name("genome.json"), parts)
results = EXPERIMENT.results

"""What loops and clocks are worth in small trained models: pointers, clocks, more loops than trained, strings, tables.

`python -m seqlab.looped_training --full` trains all cells of `PARTS` with three seeds, resumable, about 80 minutes on a
core that is shared; `--full --paper --device cuda` trains the paper's sizes (`PAPER`), which takes days. The result
comes with seqlab: `results()`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from seqlab.layers import parameters
from seqlab.looped_training.memoriser import Memoriser, table
from seqlab.looped_training.model import Config, LoopedTransformer, passes, wider
from seqlab.looped_training.tasks import Pointers, Strings
from seqlab.train import experiment
from seqlab.train.experiment import Experiment, Part, by, seeded

MOST = 16  # loops up to which every model is judged
Task = Pointers | Strings


class Cell(NamedTuple):
    """One model to train. task: a key of `TASKS`; arm: a key of `ARMS`; loops: r in training."""

    task: str
    arm: str
    loops: int


@dataclass(frozen=True)
class Plan:
    """How the models of one part are trained and judged."""

    cells: tuple[Cell, ...]
    steps: int
    batch: int = 64
    lr: float = 2e-3
    weight_decay: float = 0.0
    config: Config = Config()
    judged: int = 4000


TASKS: dict[str, Task] = {
    **{f"{hops} hops": Pointers(hops) for hops in range(1, 6)},
    "lcs 6": Strings("lcs", 6),
    "edit 6": Strings("edit", 6),
    "lcs 100": Strings("lcs", 100, letters=8),
    "edit 60": Strings("edit", 60, letters=10),
}
ARMS = (
    "none",
    "none, wider",
    "additive",
    "modulated",
    "modulated, stopped",
    "modulated, gates from 0",
    "published",
    "stack",
)
VARIED = ", varied loops"  # behind an arm: each training batch draws its loops from r - 1 … 2r
PARTS: dict[str, Plan] = {
    "pointer": Plan(tuple(Cell(f"{h} hops", "none", r) for h in range(1, 6) for r in range(1, 6)), steps=800),
    "clock": Plan(tuple(Cell(t, arm, r) for t, r in (("4 hops", 2), ("5 hops", 3)) for arm in ARMS), steps=800),
    "more loops": Plan(
        tuple(
            Cell("4 hops", arm + VARIED, 4)
            for arm in ("none", "none, wider", "additive", "modulated", "modulated, stopped")
        )
        + tuple(Cell("4 hops", arm, 4) for arm in ("none", "modulated")),
        steps=800,
    ),
    "strings": Plan(
        tuple(
            Cell(task, arm, r)
            for task in ("edit 6", "lcs 6")
            for arm, r in (("none", 1), ("none", 4), ("additive", 4), ("modulated", 4), ("stack", 4))
        ),
        steps=1200,
        lr=1.5e-3,
    ),
}
PAPER: dict[str, Plan] = {  # the paper's sizes: 1e6 strings, 100 epochs of batches of 64
    "strings, full": Plan(
        tuple(
            Cell(task, arm, r)
            for task in ("edit 60", "lcs 100")
            for arm, r in (("none", 100), ("modulated", 100), ("stack", 12))
        ),
        steps=100 * 1_000_000 // 64,
        lr=1e-4,
        weight_decay=0.01,
        config=Config(dim=256, heads=4, hidden=1024, gate=0.0),
        judged=100_000,
    ),
}
TABLES = tuple((labels, clock, r) for labels in ("random", "smooth") for clock in (False, True) for r in (1, 4, 16))
POINTS, TABLE_STEPS = 32, 1500


def config_for(cell: Cell, base: Config) -> Config:
    """The model of a cell. "none, wider" has at least the parameters of "modulated", "modulated, stopped"
    exactly those, and a clock that always says 1; "stack" has `loops` distinct blocks."""
    arm = cell.arm.removesuffix(VARIED)
    if arm not in ARMS:
        raise ValueError(f"arm: got {cell.arm!r}, wanted one of {ARMS}, perhaps with {VARIED!r} behind it")
    shape, chosen = TASKS[cell.task].shape, replace(base, loops=cell.loops)
    if arm == "none, wider":
        return wider(chosen, parameters(LoopedTransformer(*shape, replace(chosen, clock="modulated"))), *shape)
    if arm == "stack":
        return replace(chosen, layers=cell.loops, loops=1)
    if arm == "published":
        return replace(chosen, published=True)
    clock = arm.split(",")[0]
    gate = 0.0 if arm.endswith("from 0") else base.gate
    return replace(chosen, clock=clock, gate=gate, stopped=arm.endswith("stopped"))


def fit(
    cell: Cell, plan: Plan, seed: int = 0, *, steps: int | None = None, device: str = "cpu", **options: object
) -> tuple[LoopedTransformer, dict]:
    """The trained model of a cell, and its "losses", "parameters", "seconds"; options as in `seqlab.train.fit.fit`."""
    task = TASKS[cell.task]
    varied = (cell.loops - 1, 2 * cell.loops) if cell.arm.endswith(VARIED) else None
    return experiment.train(
        lambda: LoopedTransformer(*task.shape, config_for(cell, plan.config)).to(device),
        ((ids.to(device), wanted.to(device), r) for ids, wanted, r in _batches(task, plan.batch, seed, varied)),
        seed=seed,
        steps=steps or plan.steps,
        lr=plan.lr,
        weight_decay=plan.weight_decay,
        **options,
    )


def train(cell: Cell, plan: Plan, seed: int = 0, *, device: str = "cpu", **options: object) -> dict:
    """Train one cell on fresh questions, judge it on others. Same arguments, same result; options as in `fit`.

    "by_loops": accuracy if it stops after 0, 1, … loops; "accuracy": after the trained number.
    """
    model, found = fit(cell, plan, seed, device=device, **options)
    ids, wanted = TASKS[cell.task].draw(plan.judged, torch.Generator().manual_seed(10**6 + seed), test=True)
    config = model.config
    most = max(MOST, config.loops) if config.layers == 1 else 1
    accuracies = model.accuracies(ids.to(device), wanted.to(device), most)
    scores = {"accuracy": accuracies[config.loops], "by_loops": accuracies, "passes": passes(config)}
    return cell._asdict() | {"seed": seed} | scores | found


def train_table(labels: str, clock: bool, loops: int, seed: int = 0, *, steps: int = TABLE_STEPS) -> dict:
    """Train a tied memoriser on one table: mean squared "error" and "largest" error on the table itself."""
    batch = table(labels, POINTS, seed)
    make = lambda: Memoriser(loops, clock=clock)
    model, found = experiment.train(make, repeat(batch), seed=seed, steps=steps, lr=3e-3, weight_decay=0.0)
    with torch.no_grad():
        wrong = (model(batch[0]) - batch[1]).abs()
    which = {"labels": labels, "clock": clock, "loops": loops, "seed": seed}
    return which | {"error": wrong.square().mean().item(), "largest": wrong.max().item()} | found


def _batches(
    task: Task, batch: int, seed: int, varied: tuple[int, int] | None
) -> Iterator[tuple[Tensor, Tensor, int | None]]:
    draw, loops = torch.Generator().manual_seed(seed), None
    while True:
        if varied is not None:
            loops = int(torch.randint(varied[0], varied[1] + 1, (), generator=draw))
        yield (*task.draw(batch, draw), loops)


def part(plan: Plan, device: str = "cpu") -> Part:
    """The cells of a plan, each with every seed; with their setting, how often a guess would be right."""
    run = lambda task, arm, loops, seed: train(Cell(task, arm, loops), plan, seed, device=device)
    setting = {name: getattr(plan, name) for name in ("steps", "batch", "lr", "weight_decay", "judged")}
    setting |= {name: getattr(plan.config, name) for name in ("dim", "heads", "hidden", "gate")}
    names = dict.fromkeys(cell.task for cell in plan.cells)
    setting["baselines"] = {name: round(TASKS[name].baseline(), 4) for name in names}
    return Part(run, ("task", "arm", "loops", "seed"), seeded(plan.cells), setting)


def parts(paper: bool = False, device: str = "cpu") -> dict[str, Part]:
    """`PARTS` and the trained memorisers, or `PAPER`."""
    if paper:
        return {name: part(plan, device) for name, plan in PAPER.items()}
    setting = {"points": POINTS, "steps": TABLE_STEPS, "dim": 16, "hidden": 32, "lr": 3e-3}
    memorisers = Part(train_table, ("labels", "clock", "loops", "seed"), seeded(TABLES), setting)
    return {name: part(plan, device) for name, plan in PARTS.items()} | {"memoriser": memorisers}


EXPERIMENT = Experiment(Path(__file__).with_name("experiments.json"), parts)
results, by_cell = EXPERIMENT.results, by("task", "arm", "loops")
tables = partial(by("labels", "clock", "loops"), value="error")

# The margin stands for the questions that were asked: a share of 4,000 of them has a standard error of up to 0.008.
beats = partial(experiment.beats, margin=0.01)

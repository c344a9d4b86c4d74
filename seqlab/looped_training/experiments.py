"""What loops and clocks are worth in small trained models: pointer chasing, clocks, more loops than trained, strings, tables.

`python -m seqlab.looped_training.experiments [part …]` trains all cells of `PARTS` with three seeds, resumable, about 80 minutes on
a core that is shared; `--full --device cuda` trains the paper's sizes (`FULL`), which takes days. The result comes with seqlab: `results()`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor

from seqlab.looped_training.memoriser import Memoriser, table
from seqlab.looped_training.model import Config, LoopedTransformer, parameters, passes, wider
from seqlab.looped_training.tasks import Pointers, Strings
from seqlab.train import fit as training
from seqlab.train import measured

SEEDS = (0, 1, 2)
MOST = 16  # loops up to which every model is judged
FILE = Path(__file__).with_name("experiments.json")
Task = Pointers | Strings


@dataclass(frozen=True)
class Cell:
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


@dataclass
class Result:
    """One trained model. by_loops: accuracy if it stops after 0, 1, … loops; accuracy: after the trained number."""

    task: str
    arm: str
    loops: int
    seed: int
    accuracy: float
    by_loops: list[float]
    loss: float
    parameters: int
    passes: int
    seconds: float
    losses: list[float] = field(repr=False)


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
FULL: dict[str, Plan] = {  # the paper's sizes: 1e6 strings, 100 epochs of batches of 64
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
    task, chosen = TASKS[cell.task], replace(base, loops=cell.loops)
    shape = (task.vocabulary, task.length, task.classes)
    if arm == "none, wider":
        return wider(chosen, parameters(LoopedTransformer(*shape, replace(chosen, clock="modulated"))), *shape)
    if arm == "stack":
        return replace(chosen, layers=cell.loops, loops=1)
    if arm == "published":
        return replace(chosen, published=True)
    clock = arm.split(",")[0]
    gate = 0.0 if arm.endswith("from 0") else base.gate
    return replace(chosen, clock=clock, gate=gate, stopped=arm.endswith("stopped"))


def train(cell: Cell, plan: Plan, seed: int = 0, *, device: str = "cpu", **options: object) -> Result:
    """Train one cell on fresh questions, judge it on others. Same arguments, same result; the global generator is untouched.

    options: see `fit`
    """
    model, history = fit(cell, plan, seed, device=device, **options)
    ids, wanted = TASKS[cell.task].draw(plan.judged, torch.Generator().manual_seed(10**6 + seed), test=True)
    config = model.config
    most = max(MOST, config.loops) if config.layers == 1 else 1
    accuracies = model.accuracies(ids.to(device), wanted.to(device), most)
    return Result(
        cell.task,
        cell.arm,
        cell.loops,
        seed,
        accuracies[config.loops],
        accuracies,
        fmean(history.loss[-20:]),
        parameters(model),
        passes(config),
        history.seconds,
        history.loss,
    )


def fit(
    cell: Cell,
    plan: Plan,
    seed: int = 0,
    *,
    steps: int | None = None,
    watch: training.Watcher | None = None,
    device: str = "cpu",
) -> tuple[LoopedTransformer, training.History]:
    """The trained model of a cell and its history. KeyboardInterrupt goes through: an interrupted run is no result."""
    task = TASKS[cell.task]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LoopedTransformer(task.vocabulary, task.length, task.classes, config_for(cell, plan.config))
    varied = (cell.loops - 1, 2 * cell.loops) if cell.arm.endswith(VARIED) else None
    batches = ((ids.to(device), wanted.to(device), r) for ids, wanted, r in _batches(task, plan.batch, seed, varied))
    history = training.fit(
        model.to(device), batches, steps=steps or plan.steps, lr=plan.lr, weight_decay=plan.weight_decay, watch=watch
    )
    if history.interrupted:
        raise KeyboardInterrupt
    return model, history


def train_table(labels: str, clock: bool, loops: int, seed: int = 0, *, steps: int = TABLE_STEPS) -> dict:
    """Train a tied memoriser on one table: mean squared error and largest error on the table itself."""
    batch = table(labels, POINTS, seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Memoriser(loops, clock=clock)
    history = training.fit(model, _again(batch), steps=steps, lr=3e-3, weight_decay=0.0)
    if history.interrupted:
        raise KeyboardInterrupt
    with torch.no_grad():
        wrong = (model(batch[0]) - batch[1]).abs()
    return {
        "labels": labels,
        "clock": clock,
        "loops": loops,
        "seed": seed,
        "error": wrong.square().mean().item(),
        "largest": wrong.max().item(),
        "parameters": parameters(model),
        "seconds": history.seconds,
    }


QUICK = (Cell("2 hops", "none", 1), Cell("2 hops", "none", 2))


def quick(
    cells: Iterable[Cell] = QUICK, *, steps: int = 400, seed: int = 0, watch: training.Watcher | None = None
) -> list[Result]:
    """A few cells, live, with fewer steps than `results()`: the defaults take 5 to 12 seconds on one core."""
    return [train(cell, PARTS["pointer"], seed, steps=steps, watch=watch) for cell in cells]


def results(path: Path = FILE) -> dict:
    """What `python -m seqlab.looped_training.experiments` measured: for each part "setting", "minutes" and "cells"."""
    return measured.load(path)


def by_cell(cells: Iterable[dict | Result], value: str = "accuracy") -> dict[tuple[str, str, int], list]:
    """(task, arm, loops) → one value per seed, in the order of the cells."""
    found: dict[tuple[str, str, int], list] = {}
    for cell in (cell if isinstance(cell, dict) else vars(cell) for cell in cells):
        found.setdefault((cell["task"], cell["arm"], cell["loops"]), []).append(cell[value])
    return found


def tables(cells: Iterable[dict], value: str = "error") -> dict[tuple[str, bool, int], list[float]]:
    """(labels, clock, loops) → one value per seed, for the part "memoriser"."""
    found: dict[tuple[str, bool, int], list[float]] = {}
    for cell in cells:
        found.setdefault((cell["labels"], cell["clock"], cell["loops"]), []).append(cell[value])
    return found


def beats(a: Sequence[float], b: Sequence[float], margin: float = 0.01) -> bool:
    """Is `a` better than `b` beyond the spread: is its worst seed above the best seed of b by `margin`? Larger is better.

    The margin stands for the questions that were asked: a share of 4,000 of them has a standard error of up to 0.008. If
    all seeds were draws of one distribution, three against three would still pass by luck once in twenty.
    """
    if len(a) < 2 or len(b) < 2:
        raise ValueError(f"a, b: got {len(a)} and {len(b)} seeds, wanted at least 2 each: one run has no spread")
    return min(a) > max(b) + margin


def setting(part: str, plan: Plan | None = None) -> dict:
    """What a cell of `results()` depends on, beside itself and its seed."""
    if plan is None:
        return {"points": POINTS, "steps": TABLE_STEPS, "dim": 16, "hidden": 32, "lr": 3e-3}
    kept = {name: getattr(plan, name) for name in ("steps", "batch", "lr", "weight_decay", "judged")}
    model = {name: value for name, value in asdict(plan.config).items() if name in ("dim", "heads", "hidden", "gate")}
    baselines = {
        name: task.shorter() if isinstance(task, Pointers) else task.majority()
        for name, task in ((name, TASKS[name]) for name in dict.fromkeys(cell.task for cell in plan.cells))
    }
    return kept | model | {"baselines": {name: round(value, 4) for name, value in baselines.items()}}


def measure(part: str, plan: Plan, path: Path = FILE, seeds: Sequence[int] = SEEDS, device: str = "cpu") -> None:
    """Train the cells that `path` lacks, one seed of all cells after another."""

    def run(task: str, arm: str, loops: int, seed: int) -> dict:
        row = vars(train(Cell(task, arm, loops), plan, seed, device=device))
        return {name: value for name, value in row.items() if name != "losses"}

    todo = [(*vars(cell).values(), seed) for seed in seeds for cell in plan.cells]
    measured.measure(path, part, setting(part, plan), ("task", "arm", "loops", "seed"), todo, run)


def measure_tables(path: Path = FILE, seeds: Sequence[int] = SEEDS) -> None:
    """The same for the trained memorisers."""
    todo = [(*cell, seed) for seed in seeds for cell in TABLES]
    measured.measure(path, "memoriser", setting("memoriser"), ("labels", "clock", "loops", "seed"), todo, train_table)


def _batches(
    task: Task, batch: int, seed: int, varied: tuple[int, int] | None
) -> Iterator[tuple[Tensor, Tensor, int | None]]:
    draw, loops = torch.Generator().manual_seed(seed), None
    while True:
        if varied is not None:
            loops = int(torch.randint(varied[0], varied[1] + 1, (), generator=draw))
        yield (*task.draw(batch, draw), loops)


def _again(batch: tuple[Tensor, Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        yield batch


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m seqlab.looped_training.experiments")
    parser.add_argument("parts", nargs="*", help=f"any of {', '.join([*PARTS, 'memoriser'])}; all if none is named")
    parser.add_argument("--full", action="store_true", help="the paper's sizes instead")
    parser.add_argument("--device", default="cpu", help="where to train: cpu, or cuda where a GPU is")
    parser.add_argument("--file", type=Path, default=FILE)
    chosen = parser.parse_args(arguments)
    plans = FULL if chosen.full else PARTS
    torch.set_num_threads(1)
    for part, plan in plans.items():
        if not chosen.parts or part in chosen.parts:
            measure(part, plan, chosen.file, device=chosen.device)
    if not chosen.full and (not chosen.parts or "memoriser" in chosen.parts):
        measure_tables(chosen.file)


if __name__ == "__main__":
    main()

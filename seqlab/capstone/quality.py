"""Quality: a design trained on a genome, what comes with seqlab, the learner's leaderboard, and two goals.

Each token of 256 is asked which strand and phase of which gene it lies in, on a part of the genome that training never
saw. `python -m seqlab.capstone --full` measures the papers' six designs, the controls and some more with three seeds,
resumable; the result comes with seqlab.
"""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Iterable
from dataclasses import astuple, fields
from functools import lru_cache, partial
from pathlib import Path
from statistics import fmean

from seqlab.capstone.cost import flop
from seqlab.capstone.design import CONTROLS, PAPERS, Design
from seqlab.capstone.model import Reader
from seqlab.capstone.theory import covering
from seqlab.course import progress
from seqlab.documents.genome import frame_task
from seqlab.documents.model import Pair
from seqlab.draw.svg import table
from seqlab.theorem import Hypothesis, Statement, Verdict, judge
from seqlab.train import experiment
from seqlab.train.experiment import SEEDS, Experiment, Part, beats, by

N, STEPS, RATE, PLACES = 256, 200, 5e-3, 150
AXES = tuple(field.name for field in fields(Design))
MORE = {
    "Big Bird, no positions": Design("softmax", "big bird", "none"),
    "Big Bird, rope": Design("softmax", "big bird", "rope"),
    "Big Bird, sigmoid": Design("sigmoid", "big bird", "none"),
    "Big Bird, a loop": Design("softmax", "big bird", "none", "loop"),
    "star, no positions": Design("softmax", "star", "none"),
    "full, no positions": Design("softmax", "full", "none"),
    "strided, narrower": Design("softmax", "strided", "none", width=28),
    "one full layer": Design("softmax", "full", "none", depth=1, width=28),
}
SHIPPED = PAPERS | CONTROLS | MORE


@lru_cache
def held_out() -> Pair:
    """The part of the genome that judges."""
    return frame_task(PLACES).test(N)


def train(*values: object, steps: int = STEPS) -> dict:
    """The cell of a design's fields and a seed behind them: trained and judged. Same arguments, same result."""
    design, seed = Design(*values[:-1]), values[-1]
    options = dict(seed=seed, steps=steps, lr=RATE)
    model, found = experiment.train(lambda: Reader(design, N), frame_task().batches(N, seed), **options)
    right = model.judge(held_out())[1].float().mean().item()
    return dict(zip((*AXES, "seed"), values)) | {"accuracy": right} | found


def part(designs: Iterable[Design], seeds: Iterable[int] = SEEDS, steps: int = STEPS) -> Part:
    """These designs, each with every seed."""
    cells = [(*astuple(design), seed) for seed in seeds for design in designs]
    return Part(partial(train, steps=steps), (*AXES, "seed"), cells, dict(n=N, steps=steps, rate=RATE, places=PLACES))


EXPERIMENT = Experiment(Path(__file__).with_name("quality.json"), lambda: {"genome": part(SHIPPED.values())})
results = EXPERIMENT.results


def scores(cells: Iterable[dict]) -> dict[Design, list[float]]:
    """design → its accuracies, one a seed."""
    return {Design(*values): found for values, found in by(*AXES)(cells).items()}


def shipped() -> dict[Design, list[float]]:
    """What came with seqlab."""
    return scores(results()["genome"]["cells"])


class Board:
    """The learner's leaderboard: a file beside the notebooks; what was trained once is read from then on.

    file: another place; where the folder of the notebooks cannot be written, it is that of temporary files
    A training that is stopped loses the seed that it was at; asking again goes on from there.
    """

    def __init__(self, file: Path | str | None = None, steps: int = STEPS):
        folder = progress.path().parent
        here = folder if os.access(folder, os.W_OK) else Path(tempfile.gettempdir())
        self.file = Path(file or here / "leaderboard.json")
        self.steps, self.name = steps, f"genome, {steps} steps"
        self.kept = Experiment(self.file, dict)

    def own(self) -> dict[Design, list[float]]:
        """The learner's designs."""
        return scores(self.kept.results().get(self.name, {"cells": []})["cells"]) if self.file.exists() else {}

    def measure(self, design: Design, seeds: Iterable[int] = SEEDS) -> list[float]:
        """The accuracies of a design: shipped or kept where they are known, trained now where they are not."""
        if self.steps == STEPS and design in (known := shipped()):
            return known[design]
        self.kept.measure(self.name, part([design], seeds, self.steps))
        return self.own()[design]

    def table(self) -> list[dict[str, object]]:
        """All designs, the best first, as rows for a table or a file."""
        known = (shipped() if self.steps == STEPS else {}) | self.own()
        names = {design: name for name, design in SHIPPED.items()}
        rows = sorted(known.items(), key=lambda row: -fmean(row[1]))
        return [
            {"design": str(design), "known as": names.get(design, "yours"), "FLOP a token": round(flop(design))}
            | {"accuracy": round(fmean(found), 4), "worst": min(found), "best": max(found), "seeds": len(found)}
            for design, found in rows
        ]

    def _repr_html_(self) -> str:
        rows = {row.pop("design"): [*map(str, row.values())] for row in self.table()}
        head = ["design", "known as", "FLOP a token", "accuracy", "worst", "best", "seeds"]
        return table(head, rows, f"Leaderboard, {self.name}")

    def export(self, file: Path | str) -> Path:
        """The table as a file with commas, for a spreadsheet."""
        rows = self.table()
        with open(file, "w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, rows[0] if rows else ())
            writer.writeheader()
            writer.writerows(rows)
        return Path(file)


BIG_BIRD, BLIND = PAPERS["Zaheer 2020"], CONTROLS["average"]
BEATS = Statement(
    "beat Big Bird at equal cost",
    "an assignment",
    "The design costs no more than Zaheer 2020's, and its worst seed is right more often than the best of theirs.",
    (Hypothesis("cost", "it takes at most as many FLOP a token"),),
)
UNTRAINED = Statement(
    "a theorem that training does not find",
    "an assignment",
    "A statement of a paper covers the design, and its best seed is right at least 0.1 less often than the worst of a "
    "control whose attention cannot learn where to look: an average.",
    (Hypothesis("covered", "a statement of one of the six papers covers the design"),),
)


def beats_big_bird(design: Design, board: Board) -> Verdict:
    """The first goal. Margin: accuracy of the worst seed less that of Big Bird's best."""
    if (ours := flop(design)) > (most := flop(BIG_BIRD)):
        told = f"{ours:,.0f} FLOP a token, Big Bird takes {most:,.0f}"
        return judge(most - ours, BEATS.under(cost=False), witness=told, unit="FLOP a token")
    return _apart(
        board.measure(design), board.measure(BIG_BIRD), BEATS, ("worst seed of the design", "best of Big Bird")
    )


def holds_untrained(design: Design, board: Board) -> Verdict:
    """The second goal. Margin: accuracy of the control's worst seed less that of the design's best, less 0.1."""
    if not covering(design):
        return judge(-1, UNTRAINED.under(covered=False), witness="none of the six statements covers this design")
    return _apart(
        board.measure(BLIND), board.measure(design), UNTRAINED, ("worst seed of the control", "best of the design"), 0.1
    )


def _apart(
    high: list[float], low: list[float], statement: Statement, names: tuple[str, str], by: float = 0.0
) -> Verdict:
    """Whether the worst of `high` is above the best of `low`, by more than `by`."""
    told = f"the {names[0]} is right at {min(high):.3f}, the {names[1]} at {max(low):.3f}"
    holds = beats(high, low, margin=by)
    return judge(min(high) - max(low) - by, statement, holds=holds, witness=told, checked=len(high), notes=[told])

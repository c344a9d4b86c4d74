"""The exercises of lab 09 on rows: the score of a look-up, the two edges of a row, what a row hands on."""

from itertools import accumulate

import torch

from seqlab.course.cases import double
from seqlab.course.check import Exercise, Mutant


def lookup_score(cell, step, cells, steps):
    """⟨Q, K_m⟩ for the query Q = (ε cell, ε, ε²/3), ε = 1/(step + 1), and keys K_m = (ε_m, ± ε_m c_m, ε_m²), which hold
    the cell c_m and ε_m = 1/(m + 1) of each step m: with the sign for which the last visit to `cell` wins.
    cells (of c_m), steps (of m): (n,) -> (n,)

    The score of the smallest size wins.
    """
    both = 1 / ((step + 1) * (steps + 1))
    return both * ((cell - cells) + both / 3)


def row_edges(row):
    """The two rows that a decoder row sees, far and near.    row: a whole number from 1 -> (far, near)

    Block j is the j + 1 rows of machine step j; its last row computes. Blocks follow one another: 1 | 2 3 | 4 5 6 | …
    far:   for the k-th row of a block, k = 1, 2, …: the computing row of machine step k - 1
    near:  the row itself, which holds what the row before has handed on; but the first row of a block has been handed
           nothing: it sees the computing row of the block before. Row 1 has nobody before it.
    """
    last = 0
    block = 0
    while last + block + 1 < row:  # to the block that the row is in
        block += 1
        last += block
    k = row - last
    return k * (k + 1) // 2, last if k == 1 and block > 0 else row


def row_update(cell, step, best, other):
    """What a row hands on while machine step `step` looks for `cell`: the one of two writes that attention takes.
    best, other: (cell, step, symbol) of a write -> one of them

    The score of the smaller size wins. Use lookup_score.
    """
    cells, steps = torch.tensor([best[:2], other[:2]]).double().T
    scores = lookup_score(cell, step, cells, steps)
    return [best, other][int(scores.abs().argmin())]


def _last_visit_wins(result, cell, step, cells, steps):
    last = (cells == cell).nonzero().max()
    for m, size in enumerate(result.abs()):
        if m != last and size <= result[last].abs():
            return (
                f"step {m} (cell {cells[m]:g}) scores {size:.4g} and step {last}, the last visit to cell {cell}, "
                f"{result[last].abs():.4g}. The smallest must be the last visit's, alone."
            )


def _every_step(result, cell, step, cells, steps):
    for m, (got, want) in enumerate(zip(result, lookup_score(cell, step, cells, steps))):
        if abs(got - want) > 1e-12:
            return (
                f"step {m} has ε = 1/{step + 1}, ε_m = 1/{steps[m] + 1:g} and cell - cells = {cell - cells[m]:g}: "
                f"wanted {want:.6g}, yours is {got:.6g}."
            )


LOOKUP = Exercise(
    id="turing.lookup",
    title="The look-up score: the right cell first, then the latest visit.",
    mark="••",
    reference=lookup_score,
    cases=lambda: (
        [
            (cell, len(cells), double(*cells), double(*range(len(cells))))
            for cell, *cells in (
                (1, 1, 1, 2),
                (3, 0, 1, 2, 3, 4),
                (1, 0, 1, 2, 1, 0, 1, 2, 3),
                (-2, 0, -1, -2, -2, -1, -3),
            )
        ]
        + [
            (4, 9, double(3, 4, 5, 4, 5), double(0, 2, 3, 6, 7)),
            (3000, 5000, double(2999, 3000, 3001, 3000, 3001), double(1, 2000, 2001, 4000, 4001)),
        ]
    ),
    tolerance=1e-12,
    properties=(
        ("lets the last visit to the cell win", _last_visit_wins),
        ("is the formula at every step", _every_step),
    ),
    draw=lambda random: (
        random.choice(cells := list(accumulate(random.choice((-1, 1)) for _ in range(random.randint(3, 12))))),
        len(cells),
        double(*cells),
        double(*range(len(cells))),
    ),
    hints=(
        "The smallest absolute score wins. What must vanish where the cells are equal?",
        "The difference of the cells, so the sign is minus. What remains at equal cells, ε² ε_m² / 3, is smallest for"
        " the latest step.",
        "The inner product is ε ε_m ((cell - cells) + ε ε_m / 3): both = 1 / ((step + 1) * (steps + 1)), then"
        " both * ((cell - cells) + both / 3).",
    ),
    mutants=(
        Mutant(
            {"cell - cells": "cell + cells"},
            "lets the last visit to the cell win",
            "The cells are added, as the paper's appendix prints it. "
            "Equal cells do not cancel; one of query and key needs a minus.",
        ),
        Mutant(
            {" + both / 3": ""},
            "lets the last visit to the cell win",
            "Without ε ε_m / 3 all visits to the cell score 0 and tie: their symbols would be mixed.",
        ),
        Mutant(
            {"both / 3": "((steps + 1) / (step + 1)) ** 2 / 3"},
            "lets the last visit to the cell win",
            "What is added grows with m, so the earliest visit wins. It must fall: ε_m stands in the numerator.",
        ),
        Mutant(
            {"+ both / 3": "- both / 3"},
            "is the formula at every step",
            "It finds the right step, but the third products, ε²/3 · ε_m², are added, not subtracted.",
        ),
    ),
)


def _far(result, row):
    want = row_edges(row)
    if result[0] != want[0]:
        return f"row {row} has {result[0]} as its far row; the computing row that it must meet is row {want[0]}."


def _near(result, row):
    want = row_edges(row)
    if result[1] != want[1]:
        return f"row {row} has {result[1]} as its near row, wanted {want[1]}."


EDGES = Exercise(
    id="turing.edges",
    title="The two edges of a row.",
    mark="••",
    reference=row_edges,
    cases=lambda: [(row,) for row in (1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 15, 16, 1830, 20_101)],
    properties=(("meets one machine step after the other", _far), ("carries on what it has", _near)),
    draw=lambda random: (random.randint(12, 30_000),),
    hints=(
        "Count the rows before a block: 0 + 1 + … . Which row is the last one of block j?",
        "Block j begins after j(j + 1)/2 rows, and the last row of block j is (j + 1)(j + 2)/2. Find j, then"
        " k = row - j(j + 1)/2; the computing row of machine step k - 1 is k(k + 1)/2.",
        "far = k * (k + 1) // 2; near = j * (j + 1) // 2 if k == 1 and j > 0 else row.",
    ),
    mutants=(
        Mutant(
            {"k * (k + 1) // 2": "k * (k - 1) // 2"},
            "meets one machine step after the other",
            "That is one step too early: the k-th row meets step k - 1, whose block ends after k(k + 1)/2 rows.",
        ),
        Mutant(
            {"k * (k + 1) // 2": "k"},
            "meets one machine step after the other",
            "The far row is the k-th row of the decoder. The k-th *computing* row is wanted.",
        ),
        Mutant(
            {"last if k == 1 and block > 0 else row": "row - 1"},
            "carries on what it has",
            "What the row before has handed on arrives as this row's own input: it sees itself.",
        ),
        Mutant(
            {"last if k == 1 and block > 0 else row": "row"},
            "carries on what it has",
            "The first row of a block has been handed no candidate: it sees the computing row just before it.",
        ),
    ),
)


def _seen(result, cell, step, best, other):
    if tuple(result) not in (tuple(best), tuple(other)):
        return f"one of the two writes is handed on; yours is {result!r}."


def _visit(result, cell, step, best, other):
    visits = [write for write in (best, other) if write[0] == cell]
    if visits and tuple(result) != tuple(max(visits, key=lambda write: write[1])):
        return f"the last visit to cell {cell} was step {max(visit[1] for visit in visits)}; step {result[1]} is kept."


ROW = Exercise(
    id="turing.row",
    title="The running minimum: what a row hands on.",
    mark="••",
    reference=row_update,
    cases=lambda: [
        (0, 2, (0, 0, "a"), (1, 1, "b")),
        (1, 2, (0, 0, "a"), (1, 1, "b")),
        (2, 6, (2, 1, "a"), (2, 4, "b")),
        (2, 6, (2, 4, "b"), (2, 1, "a")),
        (0, 3, (1, 2, "b"), (1, 2, "b")),
        (3, 9, (3, 2, "a"), (4, 8, "b")),
        (3, 9, (5, 7, "a"), (4, 8, "b")),
        (-1, 40, (0, 39, "0"), (-1, 1, "1")),
        (-1, 40, (3, 2, "0"), (0, 39, "1")),
        (0, 5, (-1, 0, "0"), (2, 4, "1")),
        (0, 5, (1, 4, "0"), (-1, 0, "1")),
        (0, 9, (1, 2, "a"), (9, 3, "b")),
        (0, 9, (-1, 0, "a"), (6, 4, "b")),
    ],
    properties=(("hands on a write that it has seen", _seen), ("keeps the last visit to the cell", _visit)),
    draw=lambda random: (
        random.randint(-1, 1),
        step := random.randint(2, 40),
        *((random.randint(-2, 2), before, random.choice("ab")) for before in random.sample(range(step), 2)),
    ),
    hints=(
        "A row is attention over two keys. What does attention with the smallest absolute score do with them?",
        "Score both writes in one call: cells and steps are tensors of two numbers. Take the one of the smaller size.",
        "cells, steps = torch.tensor([best[:2], other[:2]]).double().T;"
        " scores = lookup_score(cell, step, cells, steps); return [best, other][int(scores.abs().argmin())].",
    ),
    mutants=(
        Mutant(
            {"scores.abs().argmin()": "scores.argmin()"},
            "keeps the last visit to the cell",
            "The smallest score is the most negative one, of a cell far to the right. The smallest *size* wins.",
        ),
        Mutant(
            {"scores.abs().argmin()": "scores.abs().argmax()"},
            "keeps the last visit to the cell",
            "The largest score is kept. Here the smallest in size wins.",
        ),
        Mutant(
            {"scores.abs().argmin()": "steps.argmax()"},
            "keeps the last visit to the cell",
            "The latest write is kept, in whatever cell it stands. The cell comes first.",
        ),
        Mutant(
            {"scores.abs().argmin()": "(cells - cell).abs().argmin()"},
            "keeps the last visit to the cell",
            "Of two writes to the same cell the earlier one is kept as well: the step must count.",
        ),
    ),
)

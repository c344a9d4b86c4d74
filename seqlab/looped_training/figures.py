"""Pictures of what each loop of a trained block does: accuracy, readouts, residuals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import plotly.graph_objects as go
from jaxtyping import Float
from torch import Tensor

from seqlab.colours import RED
from seqlab.draw.figures import figure, log
from seqlab.draw.plots import dots, each, lines
from seqlab.looped_training.experiments import by_cell, tables
from seqlab.looped_training.reaction_loop import AfterLoops


def accuracy_by_loops(cells: Iterable[dict], baselines: Mapping[str, float]) -> go.Figure:
    """Accuracy against the loops in training, one line a task; whiskers from the worst seed to the best."""
    found, rows = by_cell(cells), {}
    for (task, _, loops), values in sorted(found.items()):
        rows.setdefault(task, {})[loops] = values

    def told(task: str, loops: Sequence[int], means: Sequence[float]) -> str:
        listed = ", ".join(f"{r} loops {mean:.2f}" for r, mean in zip(loops, means))
        return f"{task}: {listed} (baseline {baselines[task]:.2f})"

    across = {"title": "loops r, in training and test", "dtick": 1}
    up = {"title": "accuracy", "range": [min(map(min, found.values())) - 0.05, 1.02]}
    lead = "Accuracy against the number of loops in training, mean of the seeds."
    return lines("One block, more loops", across, up, rows, lead=lead, told=told, height=380)


def longer_than_trained(cells: Iterable[dict], *, trained: int) -> go.Figure:
    """Accuracy if the model stops after 1, 2, … loops, one line an arm; upright: the loops of its training."""
    found = by_cell(cells, "by_loops").items()
    rows = {arm: dict(enumerate(list(zip(*curves))[1:], 1)) for (_, arm, _), curves in found}
    return lines(
        "More loops than trained",
        "loops at test",
        "accuracy",
        rows,
        lead=f"Accuracy if the model stops early or runs on; trained with {trained} loops, or about as many.",
        told=lambda arm, r, mean: f"{arm}: {mean[trained - 1]:.2f} at {trained}, {mean[-1]:.2f} at {r[-1]}",
        at={"r in training": trained},
        height=400,
    )


def arms(cells: Iterable[dict], task: str, loops: int, baseline: float | None = None) -> go.Figure:
    """Accuracy of each arm of a task: a mark a seed, a stroke for the mean, and the parameters and passes of each."""
    rows: dict[str, list[float]] = {}
    for cell in cells:
        if cell["task"] == task and (cell["loops"] == loops or cell["passes"] == 1):
            size = f"{cell['parameters'] / 1000:.0f} k parameters, {cell['passes']} pass{'es' * (cell['passes'] > 1)}"
            rows.setdefault(f"{cell['arm']}<br>{size}", []).append(cell["accuracy"])
    return dots(
        f"{task}: what the clock changes",
        "accuracy",
        {"": rows},
        at={} if baseline is None else {"baseline": baseline},
        height=170 + 42 * len(rows),
    )


def table_errors(cells: Iterable[dict]) -> go.Figure:
    """Mean squared error of trained memorisers against loops: random and smooth labels, with and without η(t)."""
    rows: dict[str, dict[int, list[float]]] = {}
    for (labels, clock, loops), values in tables(cells).items():
        rows.setdefault(f"{labels} labels, {'η(t) learned' if clock else 'no clock'}", {})[loops] = values
    lead = "Mean squared error of a tied feed-forward block on a table of numbers, by loops r."
    across, up = log("loops r", (1, 4, 16)), log("mean squared error")
    return lines("What a trained loop memorises", across, up, rows, lead=lead, told=each, height=380)


def readouts(answers: Float[Tensor, "loop answer"], right: int) -> go.Figure:
    """The logit lens of one question: the probability of each answer if the model stopped after 0, 1, … loops."""
    probability, loops = answers.softmax(-1), list(range(len(answers)))
    guesses = [str(answer) for answer in answers.argmax(-1).tolist()]
    heat = go.Heatmap(
        z=probability.T.tolist(),
        y=[str(answer) for answer in range(answers.shape[1])],
        x=loops,
        colorscale="Cividis",
        zmin=0,
        zmax=1,
        colorbar={"title": "probability"},
        hovertemplate="after loop %{x}: answer %{y} has %{z:.3f}<extra></extra>",
    )
    signs = ["circle-open" if guess == str(right) else "x-open" for guess in guesses]
    marker = {"symbol": signs, "size": 14, "color": RED, "line": {"width": 3}}
    mark = go.Scatter(x=loops, y=guesses, mode="markers", name="first guess", showlegend=False, marker=marker)
    told = f"First guess after each loop: {', '.join(guesses)}"
    alt = f"{told}; the right answer is {right} (circle: right, cross: wrong)."
    across, up = {"title": "loops", "dtick": 1}, {"title": "answer", "type": "category", "dtick": 1}
    return figure("The answer, if it stopped here", across, up, alt, heat, mark)


def reaction_lens(readings: Sequence[AfterLoops]) -> go.Figure:
    """The chemistry model stopped after 1, 2, … passes: masked tokens named, atoms traced, as shares."""
    first, last, best = readings[0], readings[-1], max(reading.right for reading in readings)
    full = [reading.loops for reading in readings if reading.right == best]
    rows = {
        "masked tokens named": [reading.right / reading.masked for reading in readings],
        "atoms traced by head 5": [reading.atoms / reading.atoms_of for reading in readings],
        "mean probability of the first guess": [reading.confidence for reading in readings],
    }
    return lines(
        "One trained layer, 1 to 24 times",
        "passes",
        {"title": "share", "range": [0, 1.03]},
        rows,
        [reading.loops for reading in readings],
        alt=f"Masked tokens named: {first.right} of {first.masked} after one pass, most ({best}) from pass {full[0]} "
        f"to pass {full[-1]}, {last.right} after {last.loops}. Atoms traced: {first.atoms} of {first.atoms_of} after "
        f"one pass, {last.atoms} after {last.loops}.",
        at={"trained with 12": 12},
        height=380,
    )


def residual_lens(series: Mapping[str, Sequence[float]]) -> go.Figure:
    """‖h_r - h_{r-1}‖ / ‖h_{r-1}‖ against the loop r, one line a model: a fixed point would be a fall to 0."""
    rows = {name: dict(enumerate(values, 1)) for name, values in series.items()}

    def told(name: str, r: Sequence[int], moved: Sequence[float]) -> str:
        ends = f"{moved[0]:.2g} in the first loop, {min(moved):.2g} at least, {moved[-1]:.2g} in the last"
        return f"{name}: {ends} ({r[-1]})"

    unit, lead = "‖h_r - h_{r-1}‖ / ‖h_{r-1}‖", "How far each loop moves the stream, relative to its length."
    return lines("How much does each loop still move?", "loop r", log(unit), rows, lead=lead, told=told)

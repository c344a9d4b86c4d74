"""Pictures of what each loop of a trained block does: accuracy, readouts, residuals; pure functions, as in seqlab.draw.figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

import plotly.graph_objects as go
import torch
from jaxtyping import Float
from torch import Tensor

from seqlab.colours import BLACK, BLUE, GREEN, GREY, ORANGE, PALETTE, PURPLE, RED
from seqlab.draw.figures import figure
from seqlab.looped_training.experiments import by_cell, tables
from seqlab.looped_training.reaction_loop import AfterLoops

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("circle", "square", "diamond", "x", "triangle-up", "cross")


def accuracy_by_loops(cells: Iterable[dict], baselines: Mapping[str, float] | None = None) -> go.Figure:
    """Accuracy against the loops in training, one line a task; whiskers from the worst seed to the best."""
    found, tasks = by_cell(cells), {}
    for (task, _, loops), values in sorted(found.items()):
        tasks.setdefault(task, {})[loops] = values
    lines, told = [], []
    for at, (task, row) in enumerate(tasks.items()):
        lines.append(_spread(task, list(row), list(row.values()), at))
        told.append(f"{task}: {', '.join(f'{r} loops {fmean(v):.2f}' for r, v in row.items())}")
        if baselines and task in baselines:
            told[-1] += f" (baseline {baselines[task]:.2f})"
    alt = f"Accuracy against the number of loops in training, mean of the seeds. {'. '.join(told)}."
    picture = figure("One block, more loops", "loops r, in training and test", "accuracy", alt, *lines, height=380)
    picture.update_xaxes(dtick=1)
    picture.update_yaxes(range=[min(min(v) for v in found.values()) - 0.05, 1.02])
    return picture


def longer_than_trained(cells: Iterable[dict], *, trained: int) -> go.Figure:
    """Accuracy if the model stops after 1, 2, … loops, one line an arm; a vertical line at the loops of its training."""
    lines, told = [], []
    for at, ((_, arm, _), curves) in enumerate(by_cell(cells, "by_loops").items()):
        columns = list(zip(*curves))[1:]
        lines.append(_spread(arm, list(range(1, len(columns) + 1)), columns, at))
        told.append(
            f"{arm}: {fmean(columns[trained - 1]):.2f} at {trained}, {fmean(columns[-1]):.2f} at {len(columns)}"
        )
    alt = f"Accuracy if the model stops early or runs on; trained with {trained} loops, or about as many. {'; '.join(told)}."
    picture = figure("More loops than trained", "loops at test", "accuracy", alt, *lines, height=400)
    picture.add_vline(x=trained, line_dash="dot", line_color=GREY)
    picture.add_annotation(x=trained, y=1.04, yref="paper", text="r in training", showarrow=False)
    picture.update_layout(legend={"y": -0.22})
    return picture


def arms(cells: Iterable[dict], task: str, loops: int, baseline: float | None = None) -> go.Figure:
    """Accuracy of each arm of a task: a dot a seed, a bar for the mean, and the parameters and passes of each."""
    cells = [cell for cell in cells if cell["task"] == task and (cell["loops"] == loops or cell["passes"] == 1)]
    found, size = by_cell(cells), {}
    for cell in cells:
        size[cell["task"], cell["arm"], cell["loops"]] = (cell["parameters"], cell["passes"])
    names = [f"{key[1].replace(', ', ',<br>')}<br>{size[key][0] / 1000:.0f} k · {size[key][1]}" for key in found]
    values = list(found.values())
    dots = go.Scatter(
        x=[name for name, v in zip(names, values) for _ in v],
        y=[x for v in values for x in v],
        mode="markers",
        name="one seed",
        marker={"color": BLUE, "size": 9, "opacity": 0.8},
    )
    means = go.Scatter(
        x=names,
        y=[fmean(v) for v in values],
        mode="markers",
        name="mean",
        marker={"symbol": "line-ew", "size": 34, "line": {"width": 3, "color": ORANGE}},
    )
    told = "; ".join(f"{key[1]} ({size[key][1]} passes) {min(v):.3f} to {max(v):.3f}" for key, v in found.items())
    alt = f"Accuracy on {task}, by seed. {told}." + (f" Baseline {baseline:.3f}." if baseline is not None else "")
    title = f"{task}: what the clock changes"
    picture = figure(title, "thousand parameters · passes through a block", "accuracy", alt, dots, means, height=400)
    if baseline is not None:
        picture.add_hline(
            y=baseline, line_dash="dash", line_color=GREY, annotation_text="baseline", annotation_position="bottom left"
        )
    picture.update_layout(legend={"y": -0.35}, margin={"b": 90})
    return picture


def table_errors(cells: Iterable[dict]) -> go.Figure:
    """Mean squared error of trained memorisers against loops: random and smooth labels, with and without η(t)."""
    rows: dict[tuple[str, bool], dict[int, list[float]]] = {}
    for (labels, clock, loops), values in tables(cells).items():
        rows.setdefault((labels, clock), {})[loops] = values
    lines = [
        _spread(f"{labels} labels, {'η(t) learned' if clock else 'no clock'}", list(row), list(row.values()), at)
        for at, ((labels, clock), row) in enumerate(rows.items())
    ]
    told = "; ".join(
        f"{labels}, {'clock' if clock else 'no clock'}: {', '.join(f'{fmean(v):.2g} at r = {r}' for r, v in row.items())}"
        for (labels, clock), row in rows.items()
    )
    alt = f"Mean squared error of a tied feed-forward block on a table of numbers. {told}."
    picture = figure("What a trained loop memorises", "loops r", "mean squared error", alt, *lines, height=380)
    picture.update_yaxes(type="log", exponentformat="power")
    picture.update_xaxes(type="log", tickvals=[1, 4, 16], ticktext=["1", "4", "16"])
    return picture


def readouts(answers: Float[Tensor, "loop answer"], right: int, names: Sequence[str] | None = None) -> go.Figure:
    """The logit lens of one question: the probability of each answer if the model stopped after 0, 1, … loops."""
    probability = answers.softmax(-1)
    names = list(names) if names is not None else [str(at) for at in range(answers.shape[1])]
    first = probability.argmax(-1).tolist()
    heat = go.Heatmap(
        z=probability.T.tolist(),
        y=names,
        x=list(range(len(answers))),
        colorscale="Cividis",
        zmin=0,
        zmax=1,
        colorbar={"title": "probability"},
        hovertemplate="after loop %{x}: answer %{y} has %{z:.3f}<extra></extra>",
    )
    mark = go.Scatter(
        x=list(range(len(answers))),
        y=[names[at] for at in first],
        mode="markers",
        name="first guess",
        showlegend=False,
        marker={
            "symbol": ["circle-open" if at == right else "x-open" for at in first],
            "size": 14,
            "color": RED,
            "line": {"width": 3},
        },
    )
    alt = f"First guess after each loop: {', '.join(names[at] for at in first)}; the right answer is {names[right]} (circle: right, cross: wrong)."
    picture = figure("The answer, if it stopped here", "loops", "answer", alt, heat, mark, height=340)
    picture.update_yaxes(type="category", dtick=1)
    picture.update_xaxes(dtick=1)
    return picture


def paths(states: Float[Tensor, "loop case dim"], labels: Sequence[int], names: Sequence[str]) -> go.Figure:
    """The stream of several questions in the plane of its two largest directions: one path a question, a mark a loop.

    states: after 0, 1, … loops; labels: the right answer of each question, which picks colour and symbol.
    """
    flat = states.flatten(0, 1)
    centred = flat - flat.mean(0)
    plane = centred @ torch.linalg.svd(centred, full_matrices=False).Vh[:2].T
    plane = plane.unflatten(0, states.shape[:2])
    kept = (plane.square().sum() / centred.square().sum()).item()
    lines, seen = [], set()
    for case, label in enumerate(labels):
        colour, symbol = PALETTE[label % len(PALETTE)], SYMBOLS[label % len(SYMBOLS)]
        across, up = ([round(value, 3) for value in row] for row in plane[:, case].T.tolist())
        lines.append(
            go.Scatter(
                x=across,
                y=up,
                mode="lines+markers",
                name=f"answer {names[label]}",
                legendgroup=str(label),
                showlegend=label not in seen,
                line={"color": colour, "width": 1},
                opacity=0.75,
                marker={
                    "symbol": symbol,
                    "color": colour,
                    "size": [5 + 9 * at / (len(states) - 1) for at in range(len(states))],
                },
                hovertemplate="after loop %{pointNumber}<extra>question " + f"{case}" + "</extra>",
            )
        )
        seen.add(label)
    start, end = (_apart(plane[at], labels) for at in (0, -1))
    alt = (
        f"{len(labels)} questions, {len(states) - 1} loops, in a plane that holds {kept:.0%} of the variance; marks grow with the loop. Questions with "
        f"different answers are {start:.2g} times as far apart as those with the same answer before the first loop, {end:.2g} times after the last."
    )
    return figure("Where the question goes", "first direction", "second direction", alt, *lines, height=440)


def reaction_lens(readings: Sequence[AfterLoops], *, trained: int = 12) -> go.Figure:
    """The chemistry model stopped after 1, 2, … passes: masked tokens named, atoms traced, as shares."""
    loops = [reading.loops for reading in readings]
    tokens = [reading.right / reading.masked for reading in readings]
    atoms = [reading.atoms / reading.atoms_of for reading in readings]
    best = max(readings, key=lambda reading: reading.right)
    full = [reading.loops for reading in readings if reading.right == best.right]
    last = readings[-1]
    alt = (
        f"Masked tokens named: {readings[0].right} of {best.masked} after one pass, most ({best.right}) from pass {full[0]} to pass {full[-1]}, "
        f"{last.right} after {last.loops}. Atoms traced: {readings[0].atoms} of {best.atoms_of} after one pass, {last.atoms} after {last.loops}."
    )
    lines = [
        go.Scatter(x=loops, y=tokens, name="masked tokens named", mode="lines+markers", line={"color": BLUE}),
        go.Scatter(
            x=loops,
            y=atoms,
            name="atoms traced by head 5",
            mode="lines+markers",
            line={"color": ORANGE, "dash": "dash"},
            marker={"symbol": "diamond"},
        ),
        go.Scatter(
            x=loops,
            y=[reading.confidence for reading in readings],
            name="mean probability of the first guess",
            mode="lines",
            line={"color": GREEN, "dash": "dot"},
        ),
    ]
    picture = figure("One trained layer, 1 to 24 times", "passes", "share", alt, *lines, height=380)
    picture.add_vline(x=trained, line_dash="dot", line_color=GREY)
    picture.add_annotation(x=trained, y=1.06, yref="paper", text="trained with 12", showarrow=False)
    picture.update_yaxes(range=[0, 1.03])
    return picture


def residual_lens(series: Mapping[str, Sequence[float]]) -> go.Figure:
    """‖h_r - h_{r-1}‖ / ‖h_{r-1}‖ against the loop r, one line a model: a fixed point would be a fall to 0."""
    looks = zip((BLUE, RED, BLACK, PURPLE), DASHES)
    lines = [
        go.Scatter(
            x=list(range(1, len(values) + 1)),
            y=list(values),
            name=name,
            mode="lines+markers",
            line={"color": colour, "dash": dash},
        )
        for (name, values), (colour, dash) in zip(series.items(), looks)
    ]
    told = "; ".join(
        f"{name}: {values[0]:.2g} in the first loop, {min(values):.2g} at least, {values[-1]:.2g} in the last ({len(values)})"
        for name, values in series.items()
    )
    alt = f"How far each loop moves the stream, relative to its length. {told}."
    picture = figure("How much does each loop still move?", "loop r", "‖h_r - h_{r-1}‖ / ‖h_{r-1}‖", alt, *lines)
    picture.update_yaxes(type="log", exponentformat="power")
    return picture


def _spread(name: str, x: Sequence[float], values: Sequence[Sequence[float]], at: int) -> go.Scatter:
    means = [fmean(v) for v in values]
    up, down = [max(v) - m for v, m in zip(values, means)], [m - min(v) for v, m in zip(values, means)]
    short = lambda numbers: [float(f"{number:.5g}") for number in numbers]
    return go.Scatter(
        x=list(x),
        y=short(means),
        name=name,
        mode="lines+markers",
        line={"color": PALETTE[at % len(PALETTE)], "dash": DASHES[at % len(DASHES)]},
        marker={"symbol": SYMBOLS[at % len(SYMBOLS)], "size": 8},
        error_y={
            "type": "data",
            "array": short(up),
            "arrayminus": short(down),
            "symmetric": False,
            "thickness": 1,
        },
    )


def _apart(points: Float[Tensor, "case 2"], labels: Sequence[int]) -> float:
    """Mean distance between questions with different answers over that between those with the same answer."""
    distance, label = torch.cdist(points, points), torch.as_tensor(labels)
    same = (label[:, None] == label) & ~torch.eye(len(label), dtype=torch.bool)
    other = label[:, None] != label
    return (distance[other].mean() / distance[same].mean().clamp(min=1e-12)).item() if same.any() else float("nan")

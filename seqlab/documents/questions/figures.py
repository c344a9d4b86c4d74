"""Pictures of long-document questions: who finds the answer, and where in the document it stands; pure functions."""

from __future__ import annotations

import html
from collections.abc import Sequence
from statistics import fmean

import plotly.graph_objects as go
from IPython.display import HTML

from seqlab.colours import BLACK, BLUE, GREEN, GREY, ORANGE, RED
from seqlab.documents.questions import chance, documents, pooled, summary
from seqlab.draw.figures import figure

LOOKS = {
    "big bird": (BLUE, "circle", "solid"),
    "window": (ORANGE, "diamond", "dash"),
    "first 512": (GREEN, "square", "dot"),
    "BM25": (RED, "triangle-up", "dashdot"),
}
CONTROLS = {"shuffled": "big bird, another section's question", "cut": "big bird, the question cut off"}


def table(stored: dict) -> dict[str, dict[str, list[float]]]:
    """row → {"@1", "@5", "mrr", "ceiling"}, one value per seed: the arms, the controls, BM25 and chance."""
    rows: dict[str, dict[str, list[float]]] = {}

    def add(name: str, values: dict[str, float], best: float | None = None) -> None:
        row = rows.setdefault(name, {"@1": [], "@5": [], "mrr": [], "ceiling": []})
        for key, value in values.items():
            row[key].append(value)
        if best is not None:
            row["ceiling"].append(best)

    for cell in stored["cells"]:
        add(cell["arm"], summary(pooled(cell["ranks"])), cell["ceiling"]["@1"])
    for cell in stored["cells"]:
        if "untrained" in cell:
            add("big bird, untrained", cell["untrained"])
    for kind, name in CONTROLS.items():
        for cell in stored["cells"]:
            if cell["arm"] == "big bird":
                add(name, summary(pooled(cell["ranks"], kind)))
    add("BM25", summary(pooled(stored["bm25"])))
    add("chance", chance(list(stored["bm25"])))
    return rows


def accuracy(stored: dict) -> go.Figure:
    """Share of questions whose answer is ranked first: mean and range over seeds, bars at the ceiling of each arm."""
    rows = table(stored)
    names = list(rows)
    x, looks = [fmean(rows[n]["@1"]) for n in names], [LOOKS.get(n, (GREY, "x", "solid")) for n in names]
    marks = go.Scatter(
        x=x,
        y=names,
        mode="markers",
        name="measured",
        marker={"color": [c for c, _, _ in looks], "symbol": [s for _, s, _ in looks], "size": 11},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [max(rows[n]["@1"]) - m for n, m in zip(names, x)],
            "arrayminus": [m - min(rows[n]["@1"]) for n, m in zip(names, x)],
        },
        customdata=[[fmean(rows[n]["@5"]), fmean(rows[n]["mrr"])] for n in names],
        hovertemplate="%{y}: first %{x:.3f}, among five %{customdata[0]:.3f}, mean 1/rank %{customdata[1]:.3f}<extra></extra>",
    )
    limited = [n for n in names if rows[n]["ceiling"]]
    best = go.Scatter(
        x=[fmean(rows[n]["ceiling"]) for n in limited],
        y=limited,
        mode="markers",
        name="possible at best",
        marker={"symbol": "line-ns-open", "size": 20, "color": BLACK, "line": {"width": 3}},
        hovertemplate="%{y}: at best %{x:.3f}, whatever the weights<extra></extra>",
    )
    told = "; ".join(
        f"{n} {m:.3f}" + (f" (at best {fmean(rows[n]['ceiling']):.3f})" if n in limited else "")
        for n, m in zip(names, x)
    )
    alt = f"Share of {len(pooled(stored['bm25']))} questions whose answer is ranked first, mean over seeds: {told}."
    picture = figure(
        "Which section answers?",
        "share of questions answered first",
        "",
        alt,
        best,
        marks,
        height=150 + 40 * len(names),
    )
    picture.update_yaxes(autorange="reversed", automargin=True)
    picture.update_xaxes(range=[-0.02, 1.04])
    return picture


def needle(stored: dict, edges: Sequence[int] = (0, 512, 4096, 8192, 12288, 16384, 20480, 26000)) -> go.Figure:
    """Share ranked first against the position of the answer's first token, all seeds of an arm together."""
    starts = {name: documents()[name].starts for name in stored["bm25"]}
    told = {}
    for cell in stored["cells"]:
        told.setdefault(cell["arm"], []).append(cell["ranks"])
    told["BM25"] = [stored["bm25"]]
    centres = [f"{a:,} to {b - 1:,}" for a, b in zip(edges, edges[1:])]
    lines, words = [], []
    for name, cells in told.items():
        points = [
            (at, place) for ranks in cells for d, part in ranks.items() for at, place in zip(starts[d], part["right"])
        ]
        groups = [[place <= 1 for at, place in points if a <= at < b] for a, b in zip(edges, edges[1:])]
        shares = [fmean(group) if group else None for group in groups]
        colour, symbol, dash = LOOKS.get(name, (GREY, "x", "solid"))
        lines.append(
            go.Scatter(
                x=centres,
                y=shares,
                name=name,
                mode="lines+markers",
                line={"color": colour, "dash": dash},
                marker={"symbol": symbol, "size": 9},
                customdata=[len(group) // len(cells) for group in groups],
                hovertemplate=name + ", answer at %{x}: %{y:.2f} of %{customdata} questions<extra></extra>",
            )
        )
        words.append(f"{name} " + ", ".join("none" if s is None else f"{s:.2f}" for s in shares))
    alt = f"Share ranked first by where the answer starts ({'; '.join(centres)} tokens): {'. '.join(words)}."
    picture = figure(
        "Where the answer stands",
        "token at which the answer starts",
        "share of questions answered first",
        alt,
        *lines,
        height=400,
    )
    picture.update_yaxes(range=[-0.03, 1])
    picture.update_layout(legend={"y": -0.45})
    return picture


def numbers(stored: dict) -> HTML:
    """The table: one row per arm, control and baseline; ranges over seeds."""

    def cell(values: list[float]) -> str:
        if not values:
            return "–"
        low, high = f"{min(values):.3f}", f"{max(values):.3f}"
        spread = f" ({low} to {high})" if low != high else ""
        return f"{fmean(values):.3f}{spread}"

    head = "".join(
        f"<th scope='col'>{h}</th>" for h in ("reader", "first", "among five", "mean 1/rank", "first, at best")
    )
    body = "".join(
        f"<tr><th scope='row' style='text-align:left'>{html.escape(name)}</th>"
        + "".join(f"<td>{cell(row[key])}</td>" for key in ("@1", "@5", "mrr", "ceiling"))
        + "</tr>"
        for name, row in table(stored).items()
    )
    return HTML(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")

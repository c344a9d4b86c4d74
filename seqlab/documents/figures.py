"""Pictures of loss as context grows, and of long-document questions: who finds the answer, and where it stands."""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from statistics import fmean

import plotly.graph_objects as go

from seqlab.colours import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED
from seqlab.documents import model
from seqlab.documents.questions import chance, documents, pooled, summary
from seqlab.draw.figures import log
from seqlab.draw.plots import Look, dots, each, lines

LOOKS = dict(
    zip(
        model.ARMS,
        (
            Look(ORANGE, "dash", "square"),
            Look(GREEN, "dot", "triangle-up"),
            Look(PURPLE, "dashdot", "triangle-down"),
            Look(BLUE, "solid", "circle"),
            Look(RED, "longdash", "x"),
            Look(BLACK, "longdashdot", "diamond"),
        ),
    )
)
READERS = {
    "big bird": Look(BLUE),
    "window": Look(ORANGE, "dash", "diamond"),
    "first 512": Look(GREEN, "dot", "square"),
    "BM25": Look(RED, "dashdot", "triangle-up"),
}
CONTROLS = {"shuffled": "big bird, another section's question", "cut": "big bird, the question cut off"}
EDGES = (0, 512, 4096, 8192, 12288, 16384, 20480, 26000)  # of the stretches in which answers are counted
SCORES = ("@1", "@5", "mrr", "ceiling")


def loss_by_context(
    cells: Iterable[model.Result],
    *,
    score: str = "loss",
    unit: str,
    title: str,
    levels: Mapping[str, float] | None = None,
) -> go.Figure:
    """A score against context, one line per arm; error bars are the range over seeds.

    levels: name → height of horizontal lines, e.g. baselines that know nothing of context
    """
    values = model.table(cells, score)
    contexts = sorted({context for _, context in values})
    arms = [arm for arm in model.ARMS if any(arm == other for other, _ in values)]
    rows = {arm: {n: values[arm, n] for n in contexts if (arm, n) in values} for arm in arms}
    picture = lines(
        title,
        log("context, tokens", contexts, str),
        unit,
        rows,
        lead=f"{unit}, mean over seeds, bars over their range, by context in tokens.",
        told=each,
        looks=[LOOKS[arm] for arm in arms],
        levels=levels,
        height=420,
    )
    for at, trace in enumerate(picture.data):  # side by side, so that bars of one context do not hide one another
        trace.x = [context * 1.04 ** (at - (len(arms) - 1) / 2) for context in trace.x]
        trace.customdata, trace.hovertemplate = list(rows[trace.name]), "%{customdata} tokens: %{y:.3f}"
    return picture


def table(stored: dict) -> dict[str, dict[str, list[float]]]:
    """row → {"@1", "@5", "mrr", "ceiling"}, one value per seed: the arms, the controls, BM25 and chance."""
    cells = stored["cells"]
    big_birds = [cell for cell in cells if cell["arm"] == "big bird"]
    found = [(cell["arm"], summary(pooled(cell["ranks"])) | {"ceiling": cell["ceiling"]["@1"]}) for cell in cells]
    found += [("big bird, untrained", cell["untrained"]) for cell in cells if "untrained" in cell]
    found += [(name, summary(pooled(cell["ranks"], kind))) for kind, name in CONTROLS.items() for cell in big_birds]
    found += [("BM25", summary(pooled(stored["bm25"]))), ("chance", chance())]
    rows: dict[str, dict[str, list[float]]] = {}
    for name, scores in found:
        row = rows.setdefault(name, {score: [] for score in SCORES})
        for score, value in scores.items():
            row[score].append(value)
    return rows


def accuracy(stored: dict) -> go.Figure:
    """Share of questions whose answer is ranked first: seeds and mean, bars at the ceiling of each arm."""
    rows = table(stored)
    asked = len(pooled(stored["bm25"]))
    return dots(
        "Which section answers?",
        {"title": "share of questions answered first", "range": [-0.02, 1.04]},
        {"": {name: row["@1"] for name, row in rows.items()}},
        best={"": {name: fmean(row["ceiling"]) for name, row in rows.items() if row["ceiling"]}},
        lead=f"Share of {asked} questions whose answer is ranked first, mean and range over seeds:",
    )


def needle(stored: dict) -> go.Figure:
    """Share ranked first against the position of the answer's first token, all seeds of an arm together."""
    ranked: dict[str, list[dict]] = {}
    for name, ranks in [*((cell["arm"], cell["ranks"]) for cell in stored["cells"]), ("BM25", stored["bm25"])]:
        ranked.setdefault(name, []).append(ranks)
    rows, asked = {}, {}
    for name, cells in ranked.items():
        points = [
            (at, place <= 1)
            for ranks in cells
            for title, part in ranks.items()
            for at, place in zip(documents()[title].starts, part["right"])
        ]
        for a, b in pairwise(EDGES):
            first = [right for at, right in points if a <= at < b]
            rows.setdefault(name, {})[f"{a:,} to {b - 1:,}"] = fmean(first) if first else None
            asked.setdefault(name, []).append(len(first) // len(cells))
    picture = lines(
        "Where the answer stands",
        "token at which the answer starts",
        {"title": "share of questions answered first", "range": [-0.03, 1]},
        rows,
        lead=f"Share ranked first by where the answer starts ({', '.join(next(iter(rows.values())))} tokens):",
        told=lambda name, _, y: f"{name} " + ", ".join("none" if share is None else f"{share:.2f}" for share in y),
        looks=[READERS[name] for name in rows],
        height=400,
    )
    hover = "answer at %{x}: %{y:.2f} of %{customdata} questions"
    return picture.for_each_trace(lambda trace: trace.update(customdata=asked[trace.name], hovertemplate=hover))

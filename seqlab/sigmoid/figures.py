"""Pictures of sigmoid attention in training: fresh heads, curves, three modalities, other lengths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

import plotly.graph_objects as go
from IPython.display import HTML

from seqlab.colours import GREY
from seqlab.draw.figures import log
from seqlab.draw.plots import dots, each, lines
from seqlab.draw.svg import table
from seqlab.sigmoid.modalities import by_variant

UNITS = {"nats": "nats on held-out data", "accuracy": "share right on held-out data"}
KINDS = {"alibi": "ALiBi", "rope": "RoPE"}


def fresh_heads(
    lengths: Sequence[int], values: Mapping[str, Sequence[float]], what: str, *, axis: str = "n, keys"
) -> go.Figure:
    """A number of a fresh head against n, both logarithmic, one line a normalizer. what: the name of the y axis."""
    lead = f"{what.capitalize()} of a fresh head; {axis} from {lengths[0]:,} to {lengths[-1]:,}."
    return lines(f"Before the first step: {what}", log(axis, lengths, str), log(what), values, lengths, lead=lead)


def training_curves(cells: Iterable[dict], variants: Sequence[str], title: str) -> go.Figure:
    """Smoothed training loss, one line a variant (mean over seeds), its range over seeds on hover."""
    cells = list(cells)
    found: dict[str, dict[int, list[float]]] = {variant: {} for variant in variants}
    for cell in cells:
        for step, loss in cell["curve"] if cell["variant"] in found else ():
            found[cell["variant"]].setdefault(step, []).append(loss)
    rows = {variant: {step: fmean(seeds) for step, seeds in row.items()} for variant, row in found.items()}
    told = lambda name, _, y: f"{name} ends at {y[-1]:.3f}"
    lead = f"{title}: training loss in nats, mean over seeds."
    picture = lines(title, "step", "loss, nats", rows, lead=lead, told=told, marks=False)
    ranges = {variant: [[min(seeds), max(seeds)] for seeds in row.values()] for variant, row in found.items()}
    hover = "step %{x}: %{y:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f})"
    return picture.for_each_trace(lambda trace: trace.update(customdata=ranges[trace.name], hovertemplate=hover))


def variant_scores(cells: Iterable[dict | object], score: str, title: str, reference: str = "softmax") -> go.Figure:
    """A row a variant: a stroke at the mean, a mark a seed; the band is the range of the seeds of `reference`."""
    found = by_variant(list(cells), score)
    softmax = {name: values for name, values in found.items() if name.startswith("softmax")}
    every = [value for values in found.values() for value in values]
    pad = 0.15 * (max(every) - min(every)) or 0.1
    unit = f"{UNITS.get(score, score)} ({'lower' if score == 'nats' else 'higher'} is better)"
    picture = dots(
        title,
        {"title": unit, "range": [max(0, min(every) - pad), max(every) + pad]},
        {"softmax": softmax, "sigmoid": {name: row for name, row in found.items() if name not in softmax}},
        names=list(found),
        lead=f"{title}, {unit}: mean (range over seeds). The band is the range of {reference}.",
    )
    low, high = min(found[reference]), max(found[reference])
    return picture.add_vrect(x0=low, x1=high, fillcolor=GREY, opacity=0.25, line_width=0, layer="below")


def length_curves(cells: Sequence[dict], lengths: Sequence[int]) -> go.Figure:
    """Nats of the same characters against how much is seen before them; one line a (model, choice of b)."""
    found: dict[str, list[Sequence[float]]] = {}
    for cell in cells:
        for name, row in cell["nats"].items():
            found.setdefault(name, []).append(row)
    tested = ", ".join(map(str, lengths))
    return lines(
        f"Trained at {lengths[0]} characters, tested at more: "
        + " and ".join(dict.fromkeys(KINDS[cell["positions"]] for cell in cells)),
        log("n, characters seen", lengths, str),
        "nats of the last 64 characters",
        {name: list(zip(*seeds)) for name, seeds in found.items()},
        lengths,
        lead=f"Nats a character, trained at {lengths[0]}, tested at {tested}; mean and range over seeds.",
        told=each,
        height=380,
    )


def search_table(cells: Iterable[dict]) -> HTML:
    """The search for a setting that needs the fix: held-out nats (and share right) by setting and variant, one seed."""
    cells = list(cells)
    variants = list(dict.fromkeys(cell["variant"] for cell in cells))
    rows: dict[str, list[str]] = {cell["setting"]: ["–"] * len(variants) for cell in cells}
    for cell in cells:
        rows[cell["setting"]][variants.index(cell["variant"])] = f"{cell['nats']:.3f} ({cell['accuracy']:.0%})"
    return HTML(table(["setting", *variants], rows, "Nats on held-out data (share right), one seed"))

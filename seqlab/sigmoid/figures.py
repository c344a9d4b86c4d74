"""Pictures of sigmoid attention: fresh and steep heads, Jacobians and their bound, training."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

import plotly.graph_objects as go
from IPython.display import HTML

from seqlab.colours import BLUE, GREY, ORANGE, RED
from seqlab.draw.figures import figure, log
from seqlab.draw.plots import LOOKS, Look, bars, dots, each, line, lines
from seqlab.draw.svg import table
from seqlab.sigmoid.universal import shift_heads
from seqlab.train.experiment import by

UNITS = {"nats": "nats on held-out data", "accuracy": "share right on held-out data"}
KINDS = {"alibi": "ALiBi", "rope": "RoPE"}
MARK = {"mode": "markers", "marker": {"color": RED, "size": 13, "line": {"color": "white", "width": 2}}}


def fresh_heads(
    lengths: Sequence[int], values: Mapping[str, Sequence[float]], what: str, *, axis: str = "n, keys"
) -> go.Figure:
    """A number of a fresh head against n, both logarithmic, one line a normalizer. what: the name of the y axis."""
    return lines(
        f"Before the first step: {what}",
        log(axis, lengths, str),
        log(what),
        values,
        lengths,
        lead=f"{what.capitalize()} of a fresh head; {axis} from {lengths[0]:,} to {lengths[-1]:,}.",
    )


def four_heads(ids: Sequence[int], low: float, high: float) -> go.Figure:
    """What each of the four steep heads gives every token, and their sum: Ψ."""
    tokens = [(value, Fraction(low), Fraction(high)) for value in ids]
    alone = [shift_heads({0, 1, 2, 3} - {h}) for h in range(4)]
    total = shift_heads().run(tokens)[:, 0].tolist()
    labels = [f"token {k}: id {value}" for k, value in enumerate(ids, 1)]
    rows = {
        f"{sign}½ head {h}": program.run(tokens)[:, 0].astype(float).tolist()
        for h, (sign, program) in enumerate(zip("+-+-", alone), 1)
    }
    told = ", ".join(f"{label} gets {value:g}" for label, value in zip(labels, total))
    return bars(
        "Four heads, one window",
        "",
        "added to the token",
        rows,
        labels,
        alt=f"Four steep heads for the window from {low:g} to {high:g}. They cancel outside the window; in sum {told}.",
        before=[line("sum", labels, total, Look(RED, mark="diamond"), **MARK)],
        barmode="relative",
    )


def norms_and_bounds(groups: Mapping[str, Sequence[tuple[float, float]]]) -> go.Figure:
    """A point for each test: Theorem 3.2's bound across, the Jacobian's norm up; no point lies above the diagonal."""
    every = [pair for pairs in groups.values() for pair in pairs]
    ends = [min(map(min, every)), max(map(max, every))]
    diagonal = line("norm = bound", ends, ends, Look(GREY, "dash"), False)
    hover = "bound %{x:.3g}, norm %{y:.3g}"
    points = [
        line(name, *zip(*pairs), look, mode="markers", marker_size=6, hovertemplate=hover)
        for (name, pairs), look in zip(groups.items(), LOOKS)
    ]
    above = sum(norm > bound * (1 + 1e-9) for bound, norm in every)
    closest = max(norm / bound for bound, norm in every)
    alt = f"{len(every)} tests: {above} norms lie above their bound; the closest is {closest:.4g} times its bound."
    across, up = log("bound"), log("largest singular value")
    return figure("The Jacobian and its bound", across, up, alt, diagonal, *points, height=420)


def two_norms(x: Sequence[float], norms: Mapping[str, Sequence[float]], *, title: str, axis: str) -> go.Figure:
    """Jacobian norms of sigmoid and softmax side by side against a radius or a length; both axes logarithmic."""
    looks = [LOOKS[0]._replace(colour=ORANGE), LOOKS[1]._replace(colour=BLUE), *LOOKS[2:]]
    across, up = log(axis, x, "{:g}".format), log("largest singular value")
    return lines(title, across, up, norms, x, lead=f"{title}. As {axis} goes from {x[0]:g} to {x[-1]:g}:", looks=looks)


def ascent(ratios: Sequence[float]) -> go.Figure:
    """Gradient ascent on norm / bound: how close to 1 it comes."""
    best = max(ratios)
    end = f"it reaches {best:.5f}, above 1" if best > 1 + 1e-9 else f"up to {best:.5f}, never above 1"
    alt = f"Norm over bound during {len(ratios)} steps of gradient ascent: from {ratios[0]:.3g}, {end}."
    up, rows = {"title": "norm / bound", "rangemode": "tozero"}, {"norm / bound": ratios}
    return lines("Trying to break the bound", "step", up, rows, alt=alt, marks=False, levels={"the bound": 1})


def training_curves(cells: Iterable[dict], title: str) -> go.Figure:
    """Smoothed training loss, one line a cell."""
    return lines(
        title,
        "step",
        "loss, nats",
        {cell["variant"]: dict(cell["curve"]) for cell in cells},
        lead=f"{title}: training loss in nats.",
        told=lambda name, _, y: f"{name} ends at {y[-1]:.3f}",
        marks=False,
    )


def variant_scores(cells: Iterable[dict], score: str, title: str) -> go.Figure:
    """A row a variant: a stroke at the mean, a mark a seed; the band is the range of the seeds of softmax."""
    found = by("variant")(cells, score)
    softmax = {name: values for name, values in found.items() if name.startswith("softmax")}
    every = [value for values in found.values() for value in values]
    pad = 0.15 * (max(every) - min(every)) or 0.1
    unit = f"{UNITS[score]} ({'lower' if score == 'nats' else 'higher'} is better)"
    picture = dots(
        title,
        {"title": unit, "range": [max(0, min(every) - pad), max(every) + pad]},
        {"softmax": softmax, "sigmoid": {name: row for name, row in found.items() if name not in softmax}},
        names=list(found),
        lead=f"{title}, {unit}: mean (range over seeds). The band is the range of softmax.",
    )
    low, high = min(found["softmax"]), max(found["softmax"])
    return picture.add_vrect(x0=low, x1=high, fillcolor=GREY, opacity=0.25, line_width=0, layer="below")


def search_table(cells: Iterable[dict]) -> HTML:
    """The search for a setting that needs the fix: held-out nats (and share right) by setting and variant, one seed."""
    rows: dict[str, dict[str, str]] = {}
    for cell in cells:
        told = f"{cell['nats']:.3f} ({cell['accuracy']:.0%})"
        rows.setdefault(cell["setting"], {})[cell["variant"]] = told
    variants = next(iter(rows.values()))
    shown = {setting: [row[variant] for variant in variants] for setting, row in rows.items()}
    return HTML(table(["setting", *variants], shown, "Nats on held-out data (share right), one seed"))


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

"""Pictures as pure functions: numbers in, a figure out. Every figure has a title, axes with units, and alt text.

Colours are Okabe and Ito's eight, which the colour-blind tell apart; maps are cividis. Shape or dash repeats what
colour says. `show(figure)` prints the alt text as a caption below, so that nobody has to see the picture to follow.
"""

from __future__ import annotations

import html
import json
import time
from collections.abc import Sequence

import plotly.graph_objects as go
from IPython.display import HTML, display
from jaxtyping import Float, Int
from torch import Tensor

from seqlab.colours import BLUE, PALETTE, RED, SKY
from seqlab.course.catalogue import AXES, LABS, PAPERS
from seqlab.train.fit import History

PLOTLY = "application/vnd.plotly.v1+json"


def figure(title: str, x: str, y: str, alt: str, *traces: object, height: int = 340, **layout: object) -> go.Figure:
    """A plotly figure in the house style; `alt` says in words what it shows."""
    picture = go.Figure(list(traces))
    picture.update_layout(
        title=title,
        xaxis_title=x,
        yaxis_title=y,
        height=height,
        template="plotly_white",
        meta={"alt": alt},
        margin={"l": 70, "r": 20, "t": 50, "b": 55},
        legend={"orientation": "h", "y": -0.25},
        **layout,
    )
    return picture


def show(picture: go.Figure) -> None:
    """Display a figure with its alt text as a caption."""
    display(_bundle(picture), raw=True)
    display(
        HTML(
            f"<p style='max-width:60em;opacity:.75;font-size:90%;margin:0'>{html.escape(picture.layout.meta['alt'])}</p>"
        )
    )


def head_scores(right: Int[Tensor, "layer head"], total: int) -> go.Figure:
    """How many product atoms each head of each layer traces to the right reactant atom."""
    layer, head = divmod(int(right.argmax()), right.shape[1])
    others = right.clone()
    others[:, head] = 0
    alt = (
        f"Product atoms traced correctly, of {total}, for every layer and head. Head {head} stands out (up to {int(right.max())}, "
        f"first in layer {layer}); no other head gets more than {int(others.max())}."
    )
    heat = go.Heatmap(
        z=right.tolist(),
        colorscale="Cividis",
        zmin=0,
        zmax=total,
        colorbar={"title": "atoms right"},
        text=right.tolist(),
        texttemplate="%{text}",
        hovertemplate="layer %{y}, head %{x}: %{z} of " + str(total) + "<extra></extra>",
    )
    picture = figure("Which head knows where the atoms came from?", "head", "layer", alt, heat, height=420)
    picture.update_xaxes(dtick=1)
    picture.update_yaxes(dtick=1, autorange="reversed")
    return picture


def atom_arcs(tokens: Sequence[str], mapping: dict[int, int], known: dict[int, set[int]]) -> HTML:
    """The reaction as text, with an arc from each product atom to the reactant atom that a head points at."""
    step, base = 17, 150
    x = [10 + step * at for at in range(len(tokens))]
    parts = []
    for product, reactant in mapping.items():
        right = reactant in known.get(product, ())
        a, b, rise = x[product], x[reactant], 22 + 2.1 * (product - reactant)
        style = f'stroke="{BLUE}"' if right else f'stroke="{RED}" stroke-dasharray="4 3"'
        word = "right" if right else "wrong"
        parts.append(
            f'<path d="M{a} {base - 14} C{a} {base - 14 - rise:.0f} {b} {base - 14 - rise:.0f} {b} {base - 14}" fill="none" {style} stroke-width="2" opacity=".75">'
            f"<title>{html.escape(tokens[product])} (token {product}) came from {html.escape(tokens[reactant])} (token {reactant}): {word}</title></path>"
        )
    for at, token in enumerate(tokens):
        shown = {"[CLS]": "▸", "[SEP]": "◂"}.get(token, token)
        weight = "bold" if at in mapping or at in mapping.values() else "normal"
        size = 13 if len(shown) < 4 else 8
        parts.append(
            f'<text x="{x[at]}" y="{base}" text-anchor="middle" font-size="{size}" font-weight="{weight}" fill="currentColor">{html.escape(shown)}</text>'
        )
    arrow = tokens.index(">>")
    for left, right_end, word in ((1, arrow - 1, "reactants, solvent, base"), (arrow + 1, len(tokens) - 2, "product")):
        parts.append(
            f'<line x1="{x[left] - 6}" x2="{x[right_end] + 6}" y1="{base + 9}" y2="{base + 9}" stroke="currentColor" opacity=".4"/>'
        )
        parts.append(
            f'<text x="{(x[left] + x[right_end]) / 2:.0f}" y="{base + 25}" text-anchor="middle" font-size="12" fill="currentColor">{word}</text>'
        )
    good = sum(reactant in known.get(product, ()) for product, reactant in mapping.items())
    alt = f"{len(mapping)} arcs from product atoms to reactant atoms; {good} are right (solid), {len(mapping) - good} wrong (dashed)."
    width = x[-1] + 12
    return HTML(
        f'<svg role="img" aria-label="{alt}" viewBox="0 0 {width} {base + 32}" style="width:100%;max-width:{width}px;font-family:sans-serif">'
        f"{''.join(parts)}</svg><p style='opacity:.75;font-size:90%;margin:0'>{alt}</p>"
    )


ELSEWHERE = ("geo", "polar", "scene", "ternary")  # maps, angles, space and triangles


def _bundle(picture: go.Figure) -> dict:
    """What JupyterLab draws, with the alt text beside it; plotly's own way would load nbformat, seconds on a slow disk.

    Of the template stays what this picture's kinds of traces use, in two flat axes: the rest would be most of a notebook's
    size.
    """
    drawn = json.loads(picture.to_json())
    kinds = {trace.get("type", "scatter") for trace in drawn["data"]}
    template = drawn["layout"]["template"]
    template["data"] = {kind: look for kind, look in template["data"].items() if kind in kinds}
    template["layout"] = {part: look for part, look in template["layout"].items() if part not in ELSEWHERE}
    return {PLOTLY: drawn, "text/plain": picture.layout.meta["alt"]}


def separation_curve(betas: Sequence[float], float64: Sequence[float], exact: Sequence[float]) -> go.Figure:
    """Smallest gap between two names against the inverse temperature, as float64 sees it and in exact arithmetic."""
    floor = 1e-42
    seen = [max(gap, floor) for gap in float64]
    gone = next((beta for beta, gap in zip(betas, float64) if beta > 0 and gap == 0), None)
    best = max(range(len(betas)), key=lambda at: exact[at])
    alt = (
        f"The smallest gap between two names is 0 at beta 0, largest ({exact[best]:.2g}) near beta {betas[best]:g}, and falls exponentially after that. "
        + (f"Float64 loses the last difference at beta {gone:g}; the exact gap stays positive." if gone else "")
    )
    return figure(
        "How far apart are the closest two names?",
        "inverse temperature beta",
        "smallest gap (the bottom stands for 0)",
        alt,
        go.Scatter(
            x=betas,
            y=[max(gap, floor) for gap in exact],
            name="exact arithmetic",
            mode="lines",
            line={"color": BLUE, "dash": "dash"},
        ),
        go.Scatter(
            x=betas,
            y=seen,
            name="float64",
            mode="lines+markers",
            line={"color": RED},
            marker={"symbol": "diamond", "size": 7},
        ),
        xaxis={"range": [-0.2, 6.3]},
        yaxis={"type": "log", "exponentformat": "power", "range": [-43, 1], "dtick": 10},
    )


def layer_distances(distances: Float[Tensor, "layer pair"], letter: str) -> go.Figure:
    """Distances between the names of one letter in different contexts, layer by layer (box: quartiles; whiskers: 5–95 %)."""
    quantiles = distances.double().quantile(distances.new_tensor([0.05, 0.25, 0.5, 0.75, 0.95]).double(), dim=1)
    low, q1, median, q3, high = quantiles.tolist()
    layers = ["embedding", *(f"layer {at}" for at in range(1, len(distances)))]
    alt = (
        f"Distance between the names of “{letter}” in different contexts. After the embedding it is {median[0]:.2g}; "
        f"the medians after the layers are {', '.join(f'{m:.2g}' for m in median[1:])}."
    )
    box = go.Box(
        x=layers,
        lowerfence=low,
        q1=q1,
        median=median,
        q3=q3,
        upperfence=high,
        marker_color=BLUE,
        fillcolor=SKY,
        line={"color": BLUE},
    )
    return figure(
        f"One letter, many names: “{letter}” in different contexts",
        "after",
        "distance / typical length of a name",
        alt,
        box,
        showlegend=False,
    )


def loss_curve(history: History, *, reference: float | None = None, steps: int | None = None) -> go.Figure:
    """Training loss against the step; `reference` is drawn as a dashed line."""
    stride = max(1, len(history.loss) // 300)
    x, y = history.step[::stride], history.loss[::stride]
    last = history.loss[-1] if history.loss else float("nan")
    alt = (
        f"Training loss falls from {history.loss[0]:.2f} to {last:.2f} nats a character in {history.steps} steps."
        if history.loss
        else "No step yet."
    )
    picture = figure(
        "Training loss",
        "step",
        "nats per character",
        alt,
        go.Scatter(x=x, y=y, mode="lines", line={"color": BLUE}, name="this run"),
        height=300,
        xaxis={"range": [0, steps or history.steps or 1]},
    )
    if reference is not None:
        picture.add_hline(
            y=reference, line={"dash": "dash", "color": RED}, annotation_text="the checkpoint, on text it never saw"
        )
    return picture


class LiveLoss:
    """A watcher for `training.fit`: the loss as it falls, redrawn in place at most twice a second.

    While it runs the picture is a plain SVG, because JupyterLab does not redraw a plotly figure that is updated; the
    last update puts the plotly figure in its place.
    """

    def __init__(self, steps: int, reference: float | None = None):
        self.steps, self.reference = steps, reference
        self.handle, self.drawn = None, 0.0

    def __call__(self, history: History) -> None:
        now, done = time.monotonic(), history.steps == self.steps
        if self.handle is not None and not done and now - self.drawn < 0.5:
            return
        self.drawn = now
        bundle = (
            _bundle(loss_curve(history, reference=self.reference, steps=self.steps)) if done else self._sketch(history)
        )
        if self.handle is None:
            self.handle = display(bundle, raw=True, display_id=True)
        else:
            self.handle.update(bundle, raw=True)

    def _sketch(self, history: History) -> dict:
        width, height, left = 640, 200, 46
        top = max(history.loss)
        low = min(history.loss + [self.reference or 0.0])
        span = (top - low) or 1.0
        points = [
            (left + (width - left) * step / self.steps, 10 + (height - 40) * (top - loss) / span)
            for step, loss in zip(history.step, history.loss)
        ]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        alt = f"Step {history.steps} of {self.steps}: {history.loss[-1]:.2f} nats per character."
        return {
            "text/html": f'<svg role="img" aria-label="{alt}" viewBox="0 0 {width} {height}" style="width:100%;max-width:{width}px;'
            f'font:12px sans-serif"><polyline points="{line}" fill="none" stroke="{BLUE}" stroke-width="2"/>'
            f'<circle cx="{points[-1][0]:.1f}" cy="{points[-1][1]:.1f}" r="4" fill="{BLUE}"/>'
            f'<text x="0" y="14" fill="currentColor">{top:.2f}</text><text x="0" y="{height - 28}" fill="currentColor">{low:.2f}</text>'
            f'<text x="{left}" y="{height - 6}" fill="currentColor">{alt}</text></svg>',
            "text/plain": alt,
        }


def number_line(names: Sequence[float], labels: Sequence[str], groups: Sequence[int], *, width: int = 640) -> str:
    """SVG of names on a line; a name shared by several places is a ring with a count. Hover a mark for its label."""
    low, high = min(names), max(names)
    span = (high - low) or 1.0
    low, span = low - 0.05 * span, 1.1 * span
    places: dict[float, list[int]] = {}
    for at, name in enumerate(names):
        places.setdefault(name, []).append(at)
    rows = max(groups) + 1
    height = 26 * rows + 46
    marks = []
    for row in range(rows):
        y = 18 + 26 * row
        marks.append(f'<line x1="60" x2="{width - 10}" y1="{y}" y2="{y}" stroke="currentColor" opacity=".2"/>')
    for name, members in places.items():
        x = 60 + (width - 70) * (name - low) / span
        for at in members:
            y, colour = 18 + 26 * groups[at], PALETTE[groups[at] % len(PALETTE)]
            tip = f"<title>{html.escape(labels[at])}: {name:.15g}{f' (shared by {len(members)})' if len(members) > 1 else ''}</title>"
            ring = (
                f'<circle cx="{x:.1f}" cy="{y}" r="9" fill="none" stroke="{RED}" stroke-width="2"/>'
                if len(members) > 1
                else ""
            )
            marks.append(f'<g>{ring}<circle cx="{x:.1f}" cy="{y}" r="5" fill="{colour}"/>{tip}</g>')
    for row in range(rows):
        marks.append(f'<text x="4" y="{22 + 26 * row}" font-size="12" fill="currentColor">token {row + 1}</text>')
    for share in (0, 0.25, 0.5, 0.75, 1):
        x, value = 60 + (width - 70) * share, low + span * share
        marks.append(
            f'<text x="{x:.0f}" y="{height - 20}" font-size="11" text-anchor="middle" fill="currentColor">{value:.3g}</text>'
        )
    shared = sum(len(members) for members in places.values() if len(members) > 1)
    alt = f"{len(names)} names on a line from {min(names):.3g} to {max(names):.3g}; {shared} of them share their place with another."
    axis = f'<text x="{width / 2:.0f}" y="{height - 4}" font-size="12" text-anchor="middle" fill="currentColor">name (what attention returns for the token)</text>'
    return (
        f'<svg role="img" aria-label="{html.escape(alt)}" viewBox="0 0 {width} {height}" style="max-width:{width}px;width:100%;'
        f'font-family:sans-serif"><title>{html.escape(alt)}</title>{"".join(marks)}{axis}</svg>'
    )


def lab_map() -> HTML:
    """The papers on the three axes, as lines that light up under the mouse or the Tab key; below, what is open."""
    width, height, left, columns = 900, 340, 175, (320, 560, 800)
    rows = (95, 175, 255)
    parts = []
    for x, (axis, (question, choices)) in zip(columns, AXES.items()):
        parts.append(_text(x, 24, axis, "font-weight:bold"))
        parts.append(_text(x, 44, question, "font-size:12px"))
        parts.append(f'<line x1="{x}" x2="{x}" y1="60" y2="290" stroke="currentColor" opacity=".3"/>')
    for at, paper in enumerate(PAPERS):
        stops = [rows[choices.index(getattr(paper, axis))] + 5 * (at - 2.5) for axis, (_, choices) in AXES.items()]
        y = 75 + 40 * at
        path = f"M{left} {y} C{left + 60} {y} {columns[0] - 60} {stops[0]:.1f} {columns[0]} {stops[0]:.1f}"
        path += "".join(
            f" C{a + 90} {u:.1f} {b - 90} {v:.1f} {b} {v:.1f}"
            for a, b, u, v in zip(columns, columns[1:], stops, stops[1:])
        )
        dots = "".join(f'<circle cx="{x}" cy="{stop:.1f}" r="5"/>' for x, stop in zip(columns, stops))
        tip = html.escape(f"{paper.title}. {paper.sentence}")
        parts.append(
            f'<g class="paper" tabindex="0" role="img" aria-label="{html.escape(paper.short)}: {tip}" style="color:{PALETTE[at]}">'
            f'<path d="{path}"/>{dots}<rect x="0" y="{y - 16}" width="{left}" height="32" fill="transparent"/>'
            f'<text class="name" x="{left - 10}" y="{y + 5}" text-anchor="end" font-size="13">{html.escape(paper.short)}</text>'
            f'<text class="story" x="{width / 2}" y="{height - 12}" text-anchor="middle" font-size="14">{html.escape(paper.sentence)}</text>'
            f"<title>{tip}</title></g>"
        )
    for x, (_, choices) in zip(columns, AXES.values()):
        parts += [_text(x, y + 33, choice, "font-size:12px") for y, choice in zip(rows, choices)]
    style = (
        ".seqlab-map path{fill:none;stroke:currentColor;stroke-width:3;opacity:.6}.seqlab-map circle{fill:currentColor}"
        ".seqlab-map .name{fill:currentColor;font-weight:bold}.seqlab-map .story{visibility:hidden;fill:var(--jp-ui-font-color1,#222)}"
        ".seqlab-map .paper{cursor:pointer;outline:none}.seqlab-map .label{pointer-events:none;paint-order:stroke;fill:var(--jp-ui-font-color1,#222);"
        "stroke:var(--jp-layout-color0,#fff);stroke-width:4px;stroke-linejoin:round}"
        ".seqlab-map .paper:hover path,.seqlab-map .paper:focus path{stroke-width:7;opacity:1}"
        ".seqlab-map .paper:hover .story,.seqlab-map .paper:focus .story{visibility:visible}"
        ".seqlab-map:has(.paper:hover) .paper:not(:hover),.seqlab-map:has(.paper:focus) .paper:not(:focus){opacity:.2}"
        ".seqlab-map .paper:focus .name{text-decoration:underline}"
    )
    return HTML(
        f'<style>{style}</style><svg class="seqlab-map" viewBox="0 0 {width} {height}" role="group" '
        f'aria-label="Six papers on three axes: pattern, normalizer, depth" style="max-width:{width}px;width:100%;font-family:sans-serif">'
        f"{''.join(parts)}</svg>{_open_labs()}"
    )


def _text(x: float, y: float, text: str, style: str = "") -> str:
    return f'<text class="label" x="{x}" y="{y}" text-anchor="middle" style="{style}">{html.escape(text)}</text>'


def _open_labs() -> str:
    items = "".join(
        f'<li><a href="{lab.slug}.ipynb">{lab.number} {html.escape(lab.title)}</a>: about {lab.minutes} minutes, {lab.difficulty}</li>'
        for lab in LABS
    )
    return f"<p style='margin:.5em 0 0'>Open so far:</p><ul style='margin:0'>{items}</ul>"

"""Pictures of lab 00: the papers on three axes, the heads of the reaction model, where atoms came from."""

from __future__ import annotations

import html
from collections.abc import Sequence

import plotly.graph_objects as go
from IPython.display import HTML
from jaxtyping import Int
from torch import Tensor

from seqlab.colours import BLUE, PALETTE, RED
from seqlab.course.rooms import labs
from seqlab.draw.figures import figure

AXES = {
    "pattern": ("Who may look at whom?", ("everyone", "a sparse chain", "window + star + random")),
    "normalizer": (
        "How do scores become weights?",
        ("softmax, sharpened to hardmax", "softmax as it is (Boltzmann)", "sigmoid"),
    ),
    "depth": ("How often is a layer applied?", ("a deep stack", "once", "in a loop, told the time")),
}


def lab_map() -> HTML:
    """The papers on the three axes, as lines that light up under the mouse or the Tab key; below, what is open."""
    width, height, left, columns = 900, 340, 175, (320, 560, 800)
    rows = (95, 175, 255)
    parts = []
    for x, (axis, (question, choices)) in zip(columns, AXES.items()):
        parts.append(_text(x, 24, axis, "font-weight:bold"))
        parts.append(_text(x, 44, question, "font-size:12px"))
        parts.append(f'<line x1="{x}" x2="{x}" y1="60" y2="290" stroke="currentColor" opacity=".3"/>')
    for at, paper in enumerate(lab.paper for lab in labs() if lab.paper):
        stops = [rows[choices.index(paper[axis])] + 5 * (at - 2.5) for axis, (_, choices) in AXES.items()]
        y = 75 + 40 * at
        path = f"M{left} {y} C{left + 60} {y} {columns[0] - 60} {stops[0]:.1f} {columns[0]} {stops[0]:.1f}"
        path += "".join(
            f" C{a + 90} {u:.1f} {b - 90} {v:.1f} {b} {v:.1f}"
            for a, b, u, v in zip(columns, columns[1:], stops, stops[1:])
        )
        dots = "".join(f'<circle cx="{x}" cy="{stop:.1f}" r="5"/>' for x, stop in zip(columns, stops))
        tip = html.escape(f"{paper['title']}. {paper['sentence']}")
        parts.append(
            f'<g class="paper" tabindex="0" role="img" aria-label="{html.escape(paper["short"])}: {tip}" style="color:{PALETTE[at]}">'
            f'<path d="{path}"/>{dots}<rect x="0" y="{y - 16}" width="{left}" height="32" fill="transparent"/>'
            f'<text class="name" x="{left - 10}" y="{y + 5}" text-anchor="end" font-size="13">{html.escape(paper["short"])}</text>'
            f'<text class="story" x="{width / 2}" y="{height - 12}" text-anchor="middle" font-size="14">{html.escape(paper["sentence"])}</text>'
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
        for lab in labs()
    )
    return f"<p style='margin:.5em 0 0'>Open so far:</p><ul style='margin:0'>{items}</ul>"


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

"""Pictures of lab 00: the papers on three axes, the heads of the reaction model, where atoms came from."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from IPython.display import HTML
from jaxtyping import Int
from torch import Tensor

from seqlab.colours import BLUE, PALETTE, RED
from seqlab.course.rooms import Lab, labs
from seqlab.draw.figures import figure
from seqlab.draw.svg import Markup, circle, element, joined, line, path, picture, rect, text

AXES = {
    "pattern": ("Who may look at whom?", ("everyone", "a sparse chain", "window + star + random")),
    "normalizer": (
        "How do scores become weights?",
        ("softmax, sharpened to hardmax", "softmax as it is (Boltzmann)", "sigmoid"),
    ),
    "depth": ("How often is a layer applied?", ("a deep stack", "once", "in a loop, told the time")),
}
WIDTH, HEIGHT, LEFT = 900, 340, 175
COLUMNS, ROWS = (320, 560, 800), (95, 175, 255)
STYLE = """
.seqlab-map path{fill:none;stroke:currentColor;stroke-width:3;opacity:.6} .seqlab-map circle{fill:currentColor}
.seqlab-map .name{fill:currentColor;font-weight:bold} .seqlab-map .paper{cursor:pointer;outline:none}
.seqlab-map .story{visibility:hidden;fill:var(--jp-ui-font-color1,#222)}
.seqlab-map .label{pointer-events:none;paint-order:stroke;fill:var(--jp-ui-font-color1,#222);
  stroke:var(--jp-layout-color0,#fff);stroke-width:4px;stroke-linejoin:round}
.seqlab-map .paper:hover path,.seqlab-map .paper:focus path{stroke-width:7;opacity:1}
.seqlab-map .paper:hover .story,.seqlab-map .paper:focus .story{visibility:visible}
.seqlab-map:has(.paper:hover) .paper:not(:hover),.seqlab-map:has(.paper:focus) .paper:not(:focus){opacity:.2}
.seqlab-map .paper:focus .name{text-decoration:underline}
"""


def lab_map() -> HTML:
    """The papers on the three axes, as lines that light up under the mouse or the Tab key; below, what is open."""
    known = labs()
    heads = [
        (
            text(x, 24, axis, 14, class_="label", font_weight="bold"),
            text(x, 44, question, class_="label"),
            line(x, 60, x, 290, opacity=0.3),
        )
        for x, (axis, (question, _)) in zip(COLUMNS, AXES.items())
    ]
    papers = [_paper(at, lab) for at, lab in enumerate(lab for lab in known if lab.paper)]
    choices = [
        text(x, y + 33, choice, class_="label")
        for x, (_, choices) in zip(COLUMNS, AXES.values())
        for y, choice in zip(ROWS, choices)
    ]
    alt = "Six papers on three axes: pattern, normalizer, depth"
    drawn = picture(alt, WIDTH, HEIGHT, heads, papers, choices, class_="seqlab-map", role="group")
    lines = [
        element("li", element("a", f"{lab.number} {lab.title}", href=f"{lab.slug}.ipynb"), _effort(lab))
        for lab in known
    ]
    below = element("p", "Open so far:", style="margin:.5em 0 0"), element("ul", lines, style="margin:0")
    return HTML(joined((element("style", Markup(STYLE)), drawn, below)))


def _effort(lab: Lab) -> str:
    return f": about {lab.minutes} minutes, {lab.difficulty}"


def _paper(at: int, lab: Lab) -> Markup:
    """One paper: its name at the left, and a line through its place on each axis."""
    paper, y = lab.paper, 75 + 40 * at
    stops = [ROWS[choices.index(paper[axis])] + 5 * (at - 2.5) for axis, (_, choices) in AXES.items()]
    bends = ["M", LEFT, y, "C", LEFT + 60, y, COLUMNS[0] - 60, stops[0], COLUMNS[0], stops[0]]
    for a, b, u, v in zip(COLUMNS, COLUMNS[1:], stops, stops[1:]):
        bends += ["C", a + 90, u, b - 90, v, b, v]
    tip = f"{paper['title']}. {paper['sentence']}"
    return element(
        "g",
        path(*bends),
        [circle(x, stop, 5) for x, stop in zip(COLUMNS, stops)],
        rect(0, y - 16, LEFT, 32, fill="transparent"),
        text(LEFT - 10, y + 5, paper["short"], 13, "end", class_="name"),
        text(WIDTH / 2, HEIGHT - 12, paper["sentence"], 14, class_="story"),
        tip=tip,
        class_="paper",
        tabindex=0,
        role="img",
        aria_label=f"{paper['short']}: {tip}",
        style=f"color:{PALETTE[at]}",
    )


def head_scores(right: Int[Tensor, "layer head"], total: int) -> go.Figure:
    """How many product atoms each head of each layer traces to the right reactant atom."""
    layer, head = divmod(int(right.argmax()), right.shape[1])
    others = right.clone()
    others[:, head] = 0
    alt = (
        f"Product atoms traced correctly, of {total}, for every layer and head. Head {head} stands out (up to "
        f"{int(right.max())}, first in layer {layer}); no other head gets more than {int(others.max())}."
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
    across, down = {"title": "head", "dtick": 1}, {"title": "layer", "dtick": 1, "autorange": "reversed"}
    return figure("Which head knows where the atoms came from?", across, down, alt, heat, height=420)


def atom_arcs(tokens: Sequence[str], mapping: dict[int, int], known: dict[int, set[int]]) -> HTML:
    """The reaction as text, with an arc from each product atom to the reactant atom that a head points at."""
    base = 150
    x = [10 + 17 * at for at in range(len(tokens))]
    wrong = {product for product, reactant in mapping.items() if reactant not in known.get(product, ())}
    arcs = []
    for product, reactant in mapping.items():
        top = base - 36 - 2.1 * (product - reactant)
        told = f"{tokens[product]} (token {product}) came from {tokens[reactant]} (token {reactant})"
        look = {"stroke": RED, "stroke_dasharray": "4 3"} if product in wrong else {"stroke": BLUE}
        bend = ("M", x[product], base - 14, "C", x[product], top, x[reactant], top, x[reactant], base - 14)
        tip = f"{told}: {'wrong' if product in wrong else 'right'}"
        arcs.append(path(*bend, stroke_width=2, opacity=0.75, tip=tip, **look))
    for at, token in enumerate(tokens):
        shown = {"[CLS]": "▸", "[SEP]": "◂"}.get(token, token)
        bold = "bold" if at in {*mapping, *mapping.values()} else None
        arcs.append(text(x[at], base, shown, 13 if len(shown) < 4 else 8, font_weight=bold))
    arrow = tokens.index(">>")
    for first, last, word in ((1, arrow - 1, "reactants, solvent, base"), (arrow + 1, len(tokens) - 2, "product")):
        arcs.append(line(x[first] - 6, base + 9, x[last] + 6, base + 9, opacity=0.4))
        arcs.append(text((x[first] + x[last]) / 2, base + 25, word))
    alt = (
        f"{len(mapping)} arcs from product atoms to reactant atoms; {len(mapping) - len(wrong)} are right (solid), "
        f"{len(wrong)} wrong (dashed)."
    )
    caption = element("p", alt, style="opacity:.75;font-size:90%;margin:0")
    return HTML(picture(alt, x[-1] + 12, base + 32, arcs) + caption)

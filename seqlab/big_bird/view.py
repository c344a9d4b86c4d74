"""Big Bird's pattern under the mouse: its mask, its graph, what it costs, and how far apart it leaves the tokens."""

from __future__ import annotations

import math
from functools import lru_cache

import ipywidgets
import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, UInt8
from scipy.sparse.csgraph import dijkstra

from seqlab import patterns
from seqlab.big_bird import small_world
from seqlab.big_bird.small_world import SmallWorld
from seqlab.colours import BLUE, GREEN, ORANGE
from seqlab.patterns import Instance
from seqlab.patterns.runs import Runs, expand

Kinds, Steps = UInt8[np.ndarray, "row column"], Float[np.ndarray, "block"]

LENGTHS = (64, 100, 128, 256, 500, 512, 1000, 1024, 2000, 2048, 4000, 4096)
BLOCKS = (8, 16, 32, 64, 128)
SIDE = 320  # pixels of both pictures
CROWDED = 64  # blocks up to which all edges are drawn
KINDS = ("window", "global", "random")
WINDOW, GLOBAL, RANDOM = 1, 2, 3
COLOURS = dict(zip(KINDS, (BLUE, ORANGE, GREEN)))
HATCH = (
    f"<pattern id='lm-hatch' width='6' height='6' patternUnits='userSpaceOnUse' patternTransform='rotate(45)'>"
    f"<rect width='6' height='6' fill='{ORANGE}' opacity='.4'/><rect width='3' height='6' fill='{ORANGE}'/></pattern>"
)


class BigBirdView(ipywidgets.VBox):
    """Sliders for r, w, g (in blocks), the block and n; the mask, the graph on a ring, counts and path lengths move.

    ITC takes its global blocks from the sequence, the first and the last ones; ETC puts g blocks of extra tokens in
    front. All statistics are those of the graph of tokens, exactly; the pictures draw a block as one cell or dot.
    """

    def __init__(self, n: int = 1024, block: int = 32, seed: int = 0):
        for name, got, of in (("n", n, LENGTHS), ("block", block, BLOCKS)):
            if got not in of:
                raise ValueError(f"{name}: got {got}, wanted one of {', '.join(map(str, of))}")
        wide = {"layout": {"width": "27em"}, "style": {"description_width": "9em"}}
        lengths = [(f"{value:,}", value) for value in LENGTHS]
        self.random = ipywidgets.IntSlider(value=3, min=0, max=5, description="r, random blocks", **wide)
        self.window = ipywidgets.SelectionSlider(options=(1, 3, 5, 7), value=3, description="w, window blocks", **wide)
        self.globals = ipywidgets.IntSlider(value=2, min=0, max=4, description="g, global blocks", **wide)
        self.block = ipywidgets.SelectionSlider(options=BLOCKS, value=block, description="b, block size", **wide)
        self.n = ipywidgets.SelectionSlider(options=lengths, value=n, description="n, tokens", **wide)
        self.source = ipywidgets.IntSlider(value=10, min=0, max=31, description="look from block", **wide)
        self.where = ipywidgets.ToggleButtons(
            options=[("inside (ITC)", "ITC"), ("extra tokens (ETC)", "ETC")],
            description="global blocks",
            style={"description_width": "9em", "button_width": "10em"},
        )
        self.draw = ipywidgets.Button(description="new random blocks", icon="refresh")
        self.picture = ipywidgets.HTML()
        self.seed = seed
        self.drawing = False
        for control in (self.random, self.window, self.globals, self.block, self.n, self.source, self.where):
            control.observe(self._draw, "value")
        self.draw.on_click(self._again)
        left = ipywidgets.VBox([self.random, self.window, self.globals])
        right = ipywidgets.VBox([self.block, self.n, self.source])
        below = ipywidgets.HBox([self.where, self.draw])
        super().__init__([ipywidgets.HBox([left, right], layout={"flex_flow": "row wrap"}), below, self.picture])
        self._draw()

    @property
    def instance(self) -> Instance:
        """The pattern that the controls describe, at its number of tokens (ETC: n and the extra ones)."""
        r, w, g, b = self.random.value, self.window.value, self.globals.value, self.block.value
        if self.where.value == "ETC" and g:
            made = patterns.bigbird_etc(g * b, b, window=w, random_blocks=r, seed=self.seed)
            return made.at(self.n.value + g * b)
        made = patterns.bigbird(b, global_blocks=g, window=w, random_blocks=r, seed=self.seed)
        return made.at(self.n.value)

    def kinds(self) -> Kinds:
        """Block by block: 0 where nothing is seen, else 1 + the place in KINDS."""
        b, g, instance = self.block.value, self.globals.value, self.instance
        rows = instance.rows(queries=np.arange(0, instance.n, b))  # whole blocks: their first queries say it all
        row, column = expand(Runs(rows.query // b, rows.first // b, rows.last // b, rows.step))
        m = -(-instance.n // b)
        at = np.arange(m)
        first = g if self.where.value == "ETC" else -(-g // 2)
        hub = (at < first) | (at >= m - (g - first))
        near = abs(row - column) <= self.window.value // 2
        kinds = np.zeros((m, m), np.uint8)
        kinds[row, column] = np.where(hub[row] | hub[column], GLOBAL, np.where(near, WINDOW, RANDOM))
        return kinds

    def _again(self, _: object) -> None:
        self.seed += 1
        self._draw()

    def _draw(self, _: object = None) -> None:
        if self.drawing:
            return
        self.drawing = True
        try:
            kinds, instance = self.kinds(), self.instance
            self.source.max = len(kinds) - 1
            steps = _steps(kinds, self.source.value)
            shown = "display:flex;flex-wrap:wrap;gap:1.2em 2em;align-items:flex-start"
            pictures = _mask(kinds, self.source.value) + _ring(kinds, self.source.value, steps)
            found = small_world.statistics(instance)
            told = self._told(instance, found) + _reach(self.source.value, steps) + self._notes(kinds, instance, found)
            self.picture.value = (
                f"<div><b>{self._name()}</b>{LEGEND}<div style='{shown}'>{pictures}<div style='flex:1 1 22em;"
                f"max-width:36em;line-height:1.5'>{told}</div></div></div>"
            )
        finally:
            self.drawing = False

    def _name(self) -> str:
        r, w, g, b = self.random.value, self.window.value, self.globals.value, self.block.value
        return (
            f"Big Bird {self.where.value}: n = {self.n.value:,} tokens in blocks of b = {b}; r = {r}, w = {w}, g = {g} blocks; "
            f"random draw {self.seed}"
        )

    def _told(self, instance: Instance, found: SmallWorld) -> str:
        """Counts, and the graph beside that of the window alone."""
        r, w, g, b, n = (c.value for c in (self.random, self.window, self.globals, self.block, self.n))
        products = instance.connections()[0]
        alone = _window_only(n, w, b)
        middle = instance.n // 2
        rows = "".join(
            f"<tr><th scope='row' style='text-align:left;font-weight:normal'>{name}</th>"
            + "".join(
                f"<td style='text-align:right;padding:0 .6em'>{form(getattr(of, at))}</td>" for of in (found, alone)
            )
            + "</tr>"
            for name, at, form in (
                ("clustering: my neighbours know each other", "clustering", "{:.2f}".format),
                ("mean path: steps between two tokens", "mean_path", _number),
                ("diameter: the longest such path", "diameter", _number),
                ("spectral gap: how fast a walk mixes", "gap", "{:.2g}".format),
            )
        )
        return (
            f"<div role='status'>keys per middle query (g + w + r) b = ({g} + {w} + {r}) · {b} = <b>{(g + w + r) * b:,}</b>; "
            f"token {middle:,} has {len(instance.keys(middle)):,}<br>inner products <b>{products:,}</b> of "
            f"{instance.n**2:,}: <b>{products / instance.n**2:.1%}</b> of dense</div>"
            "<table style='margin:.6em 0;font-size:inherit'><thead><tr><th scope='col' style='text-align:left'>graph of tokens</th>"
            "<th scope='col'>this pattern</th><th scope='col'>window only</th></tr></thead>"
            f"<tbody>{rows}</tbody></table>"
        )

    def _notes(self, kinds: Kinds, instance: Instance, found: SmallWorld) -> str:
        """What the numbers alone would leave open."""
        r, w, g, b, n = (c.value for c in (self.random, self.window, self.globals, self.block, self.n))
        notes = []
        if rest := n % b:
            notes.append(f"{n:,} tokens are {n // b} blocks of {b} and one of {rest}; padding is seen by nobody.")
        if kinds.all():
            notes.append("Every block sees every block: at this n the pattern is full attention.")
        elif not r and not g and w == 1:
            notes.append("w = 1 and nothing else: blocks are islands, no token ever hears of another block.")
        elif math.isinf(found.mean_path):
            notes.append("These few random blocks leave islands: some tokens never hear of each other.")
        elif not r and not g:
            notes.append(f"Window alone: news walk {w // 2} block{'s' * (w > 3)} a layer, so paths grow like n.")
        elif g:
            notes.append("Through a global block everyone is at most 2 steps from everyone.")
        else:
            notes.append("No global block, but random edges are shortcuts: paths grow like log n.")
        if self.where.value == "ETC":
            extra = (
                f"{g * b} extra tokens stand in front: {instance.n:,} in all." if g else "With g = 0 nothing is added."
            )
            notes.append(f"{extra} The paper's ETC models have r = 0.")
        if len(kinds) > CROWDED:
            notes.append(f"{len(kinds)} blocks: the ring draws only the edges of the chosen block.")
        return f"<div>{'<br>'.join(notes)}</div>"

    def _repr_mimebundle_(self, **options: object) -> dict:
        return super()._repr_mimebundle_(**options) | {"text/html": self.picture.value}


LEGEND = (
    "<div style='margin:.2em 0 .6em'>"
    f"<span style='color:{BLUE}'>■</span> window, solid &nbsp; <span style='color:{ORANGE}'>▨</span> global, hatched and "
    f"dashed &nbsp; <span style='color:{GREEN}'>◆</span> random, diamonds and dotted</div>"
)


def _number(value: float) -> str:
    return "∞" if math.isinf(value) else f"{value:.2f}" if value % 1 else f"{value:,.0f}"


@lru_cache(maxsize=64)
def _window_only(n: int, window: int, block: int) -> SmallWorld:
    return small_world.statistics(small_world.bigbird(n, block, global_blocks=0, window=window, random_blocks=0))


def _steps(kinds: Kinds, source: int) -> Steps:
    """Steps from a block to each block, along edges in either direction; inf where there is no way."""
    return dijkstra(sp.csr_array((kinds | kinds.T).astype(float)), unweighted=True, indices=source)


def _reach(source: int, steps: Steps) -> str:
    near = [f"{int((steps == step).sum())} in {step}" for step in range(1, 4) if (steps == step).any()]
    far = steps[np.isfinite(steps) & (steps > 3)]
    near += [f"{len(far)} in 4 to {int(far.max())}"] if len(far) else []
    near += [f"{int(np.isinf(steps).sum())} never"] if np.isinf(steps).any() else []
    return (
        f"<div role='status'>From block {source}, other blocks by steps: {', '.join(near) or 'there are none'}.</div>"
    )


def _mask(kinds: Kinds, source: int) -> str:
    """The mask, one cell a block; runs of a row are one bar, a random block is a diamond."""
    m = len(kinds)
    cell = SIDE / m
    bars = {kind: [] for kind in COLOURS}
    for code, kind in enumerate(KINDS, 1):
        edges = np.diff(np.pad((kinds == code).astype(np.int8), ((0, 0), (1, 1))), axis=1)
        (row, start), stop = np.nonzero(edges == 1), np.nonzero(edges == -1)[1]
        for i, a, z in zip(row.tolist(), start.tolist(), stop.tolist()):
            if kind == "random":
                half = max(cell, 3) / 2
                for j in range(a, z):
                    bars[kind].append(
                        f"M{(j + 0.5) * cell:.1f} {(i + 0.5) * cell - half:.1f}l{half:.1f} {half:.1f}-{half:.1f} {half:.1f}-{half:.1f}-{half:.1f}z"
                    )
            else:
                bars[kind].append(f"M{a * cell:.1f} {i * cell:.1f}H{z * cell:.1f}v{cell:.2f}H{a * cell:.1f}z")
    fills = COLOURS | {"global": "url(#lm-hatch)"}
    drawn = "".join(f"<path d='{''.join(parts)}' fill='{fills[kind]}'/>" for kind, parts in bars.items() if parts)
    count = {kind: int((kinds == code).sum()) for code, kind in enumerate(KINDS, 1)}
    alt = f"Mask of {m} by {m} blocks: {', '.join(f'{c} {kind}' for kind, c in count.items())}, the rest is never computed"
    top = source * cell
    return (
        f"<svg role='img' aria-label='{alt}' viewBox='-14 -2 {SIDE + 18} {SIDE + 26}' width='{SIDE + 18}' style='flex:none;"
        f"max-width:100%;font-family:sans-serif'><defs>{HATCH}</defs>"
        f"<rect width='{SIDE}' height='{SIDE}' fill='none' stroke='currentColor' opacity='.5'/>{drawn}"
        f"<rect x='-1' y='{top - 1:.1f}' width='{SIDE + 2}' height='{max(cell, 2) + 2:.1f}' fill='none' stroke='currentColor' stroke-width='1.5'/>"
        f"<path d='M-12 {top + cell / 2 - 5:.1f}l9 5-9 5z' fill='currentColor'/>"
        f"<text y='{SIDE + 19}' font-size='13' fill='currentColor'>mask: queries ↓, keys →; a cell is b × b scores</text></svg>"
    )


def _ring(kinds: Kinds, source: int, steps: Steps) -> str:
    """The graph of blocks on an open ring (first and last do not touch); dots tell the steps from the chosen block."""
    m, middle, radius = len(kinds), SIDE / 2, SIDE / 2 - 12
    turn = math.radians(12) + (2 * math.pi - math.radians(24)) * (np.arange(m) + 0.5) / m
    x, y = middle + radius * np.sin(turn), middle - radius * np.cos(turn)
    either = np.where(kinds, kinds, kinds.T)
    lines = []
    for code, dash in ((GLOBAL, "5 3"), (RANDOM, "1.5 2.5"), (WINDOW, "none")):
        one, other = np.nonzero(np.triu(either == code, 1))
        for mine in (False, True):
            if not mine and m > CROWDED:
                continue
            chosen = ((one == source) | (other == source)) == mine
            drawn = "".join(
                f"M{x[i]:.1f} {y[i]:.1f}L{x[j]:.1f} {y[j]:.1f}"
                for i, j in zip(one[chosen].tolist(), other[chosen].tolist())
            )
            weight = "2" if mine else "1"
            faint = 1 if mine else 0.55 if code == WINDOW else 0.35
            lines.append(
                f"<path d='{drawn}' fill='none' stroke='{COLOURS[KINDS[code - 1]]}' stroke-width='{weight}' stroke-dasharray='{dash}' opacity='{faint}'/>"
            )
    size = min(4.5, max(1.2, 2.2 * radius / m))
    dots = {1: [], 2: [], 3: []}
    for i in np.flatnonzero(np.arange(m) != source).tolist():
        cross = f"M{x[i] - size:.1f} {y[i] - size:.1f}l{2 * size:.1f} {2 * size:.1f}m0-{2 * size:.1f}l-{2 * size:.1f} {2 * size:.1f}"
        circle = f"M{x[i] - size:.1f} {y[i]:.1f}a{size:.1f} {size:.1f} 0 1 0 {2 * size:.1f} 0a{size:.1f} {size:.1f} 0 1 0-{2 * size:.1f} 0"
        dots[int(min(steps[i], 3))].append(cross if steps[i] > 2 else circle)
    looks = {1: "fill='currentColor'", 2: "fill='none' stroke='currentColor'", 3: "fill='none' stroke='currentColor'"}
    marks = "".join(f"<path d='{''.join(dots[step])}' {looks[step]}/>" for step in dots if dots[step])
    here = f"<path d='M{x[source]:.1f} {y[source] - 8:.1f}l8 8-8 8-8-8z' fill='currentColor'/>"
    counts = [len(dots[step]) for step in dots]
    alt = (
        f"Graph of {m} blocks on an open ring. From block {source}: {counts[0]} blocks at 1 step, {counts[1]} at 2, "
        f"{counts[2]} further or never"
    )
    return (
        f"<svg role='img' aria-label='{alt}' viewBox='-2 -2 {SIDE + 4} {SIDE + 26}' width='{SIDE + 4}' style='flex:none;"
        f"max-width:100%;font-family:sans-serif'>{''.join(lines)}{marks}{here}"
        f"<text y='{SIDE + 19}' font-size='13' fill='currentColor'>graph of blocks from ◆: ● 1 step, ○ 2, × more or never</text></svg>"
    )

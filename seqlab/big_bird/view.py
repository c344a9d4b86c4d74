"""Big Bird's pattern under the mouse: its mask, its graph, what it costs, and how far apart it leaves the tokens."""

import math
from functools import lru_cache

import ipywidgets
import numpy as np
from jaxtyping import Float, UInt8
from scipy.sparse.csgraph import dijkstra
from torch.nn.functional import pad

from kernels import BlockLayout
from seqlab.big_bird import small_world
from seqlab.colours import BLUE, GREEN, ORANGE
from seqlab.draw.svg import Inside, Markup, element, path, picture, rect, table, text
from seqlab.patterns.runs import packed
from seqlab.widgets.view import Beside, View, bold, side_by_side, status, wide

Kinds, Steps = UInt8[np.ndarray, "row column"], Float[np.ndarray, "block"]

LENGTHS = (64, 100, 128, 256, 500, 512, 1000, 1024, 2000, 2048, 4000, 4096)
BLOCKS = (8, 16, 32, 64, 128)
SIDE = 320  # pixels of both pictures
CROWDED = 64  # blocks up to which all edges are drawn
WINDOW, GLOBAL, RANDOM = 1, 2, 3
KINDS = {WINDOW: ("window", BLUE, None), GLOBAL: ("global", ORANGE, "5 3"), RANDOM: ("random", GREEN, "1.5 2.5")}
HATCH = element(
    "pattern",
    rect(0, 0, 6, 6, fill=ORANGE, opacity=0.4),
    rect(0, 0, 3, 6, fill=ORANGE),
    id="lm-hatch",
    width=6,
    height=6,
    patternUnits="userSpaceOnUse",
    patternTransform="rotate(45)",
)
LEGEND = [
    (element("span", sign, style=f"color:{KINDS[kind][1]}"), f" {words} \u2003 ")
    for kind, sign, words in (
        (WINDOW, "■", "window, solid"),
        (GLOBAL, "▨", "global, hatched and dashed"),
        (RANDOM, "◆", "random, diamonds and dotted"),
    )
]
STATISTICS = {
    "clustering": ("clustering: my neighbours know each other", "{:.2f}".format),
    "mean_path": ("mean path: steps between two tokens", lambda steps: _number(steps)),
    "diameter": ("diameter: the longest such path", lambda steps: _number(steps)),
    "gap": ("spectral gap: how fast a walk mixes", "{:.2g}".format),
}


class BigBirdView(View):
    """Sliders for r, w, g (in blocks), the block and n; the mask, the graph on a ring, counts and path lengths move.

    ITC takes its global blocks from the sequence, the first and the last ones; ETC puts g blocks of extra tokens in
    front. All statistics are those of the graph of tokens, exactly; the pictures draw a block as one cell or dot.
    """

    def __init__(self, n: int = 1024, block: int = 32, seed: int = 0):
        look, lengths = wide(27, 9), [(f"{value:,}", value) for value in LENGTHS]
        super().__init__(
            Beside(  # two to a line: r and b, w and n, g and where to look from
                random=ipywidgets.IntSlider(value=3, min=0, max=5, description="r, random blocks", **look),
                block=ipywidgets.SelectionSlider(options=BLOCKS, value=block, description="b, block size", **look),
                window=ipywidgets.SelectionSlider(
                    options=(1, 3, 5, 7), value=3, description="w, window blocks", **look
                ),
                n=ipywidgets.SelectionSlider(options=lengths, value=n, description="n, tokens", **look),
                globals=ipywidgets.IntSlider(value=2, min=0, max=4, description="g, global blocks", **look),
                source=ipywidgets.IntSlider(value=10, min=0, max=31, description="look from block", **look),
            ),
            Beside(
                where=ipywidgets.ToggleButtons(
                    options=[("inside (ITC)", "ITC"), ("extra tokens (ETC)", "ETC")],
                    description="global blocks",
                    style={"description_width": "9em", "button_width": "12em"},
                ),
                draw=ipywidgets.Button(description="new random blocks", icon="refresh", layout={"width": "13em"}),
            ),
        )
        self.children[0].layout.max_width = "58em"
        self.seed = seed
        self.watch(self._draw, *self.children[0].children, self.where)
        self.draw.on_click(self._again)
        self._draw()

    @property
    def numbers(self) -> tuple[int, int, int, int, int]:
        """r, w, g, b, n."""
        return tuple(each.value for each in (self.random, self.window, self.globals, self.block, self.n))

    @property
    def listed(self) -> BlockLayout:
        """The pattern that the controls describe, in blocks (ETC: n tokens behind g blocks of extra ones)."""
        r, w, g, b, n = self.numbers
        front = g if self.where.value == "ETC" else 0
        inside = BlockLayout.bigbird(
            n, block=b, global_blocks=g - front, window=w, random_blocks=r, seed=self.seed
        ).blocks()
        length = n + front * b
        return BlockLayout.from_mask(pad(inside, (front, 0, front, 0), value=True), b, n_query=length, n_key=length)

    def kinds(self) -> Kinds:
        """Block by block: 0 where nothing is seen, else which of KINDS it is."""
        seen, g = self.listed.blocks()[0].numpy(), self.globals.value
        at, first = np.arange(len(seen)), g if self.where.value == "ETC" else -(-g // 2)
        hub = (at < first) | (at >= len(seen) - (g - first))
        near = abs(at[:, None] - at) <= self.window.value // 2
        return np.select([~seen, hub[:, None] | hub, near], [0, GLOBAL, WINDOW], RANDOM).astype(np.uint8)

    def _again(self, _: object) -> None:
        self.seed += 1
        self._draw()

    def _draw(self) -> None:
        kinds, graph = self.kinds(), small_world.of_layout(self.listed)
        with self.held():  # the slider may have to come down
            self.source.max = len(kinds) - 1
        source, found = self.source.value, small_world.statistics(graph)
        steps = dijkstra(graph.links, unweighted=True, indices=source)
        r, w, g, b, n = self.numbers
        title = (
            f"Big Bird {self.where.value}: n = {n:,} tokens in blocks of b = {b}; r = {r}, w = {w}, g = {g} blocks; "
            f"random draw {self.seed}"
        )
        notes = status(_reach(source, steps), *self._notes(kinds, graph, found))
        told = element("div", self._told(kinds, graph, found), notes, style="flex:1 1 22em;max-width:36em")
        self.picture.value = element(
            "div",
            bold(title),
            element("div", LEGEND, style="margin:.2em 0 .6em"),
            side_by_side(_mask(kinds, source), _ring(kinds, source, steps), told),
        )

    def _told(self, kinds: Kinds, graph: small_world.Graph, found: small_world.SmallWorld) -> Inside:
        """Counts, and the graph beside that of the window alone."""
        r, w, g, b, n = self.numbers
        keys, middle = (kinds > 0) @ graph.sizes, graph.n // 2
        products, all_pairs = int(graph.sizes @ keys), graph.n**2
        said = status(
            (
                f"keys per middle query (g + w + r) b = ({g} + {w} + {r}) · {b} = ",
                bold(f"{(g + w + r) * b:,}"),
                f"; token {middle:,} has {keys[middle // b]:,}",
            ),
            (
                "inner products ",
                bold(f"{products:,}"),
                f" of {all_pairs:,}: ",
                bold(f"{products / all_pairs:.1%}"),
                " of dense",
            ),
        )
        alone = _window_only(n, w, b)
        rows = {name: [form(getattr(world, of)) for world in (found, alone)] for of, (name, form) in STATISTICS.items()}
        return said, table(["graph of tokens", "this pattern", "window only"], rows)

    def _notes(self, kinds: Kinds, graph: small_world.Graph, found: small_world.SmallWorld) -> list[str]:
        """What the numbers alone would leave open."""
        r, w, g, b, n = self.numbers
        cases = {
            "Every block sees every block: at this n the pattern is full attention.": kinds.all(),
            "w = 1 and nothing else: blocks are islands, no token ever hears of another block.": not r + g and w == 1,
            "These few random blocks leave islands: some tokens never hear of each other.": math.isinf(found.mean_path),
            f"Window alone: news walk {w // 2} block{'s' * (w > 3)} a layer, so paths grow like n.": not r + g,
            "Through a global block everyone is at most 2 steps from everyone.": g,
            "No global block, but random edges are shortcuts: paths grow like log n.": True,
        }
        extra = f"{g * b} extra tokens stand in front: {graph.n:,} in all." if g else "With g = 0 nothing is added."
        notes = {
            f"{n:,} tokens are {n // b} blocks of {b} and one of {n % b}; padding is seen by nobody.": n % b,
            next(note for note, holds in cases.items() if holds): True,
            f"{extra} The paper's ETC models have r = 0.": self.where.value == "ETC",
            f"{len(kinds)} blocks: the ring draws only the edges of the chosen block.": len(kinds) > CROWDED,
        }
        return [note for note, holds in notes.items() if holds]


def _number(value: float) -> str:
    return "∞" if math.isinf(value) else f"{value:.2f}" if value % 1 else f"{value:,.0f}"


@lru_cache(maxsize=64)
def _window_only(n: int, window: int, block: int) -> small_world.SmallWorld:
    return small_world.statistics(small_world.bigbird(n, block, global_blocks=0, window=window, random_blocks=0))


def _reach(source: int, steps: Steps) -> str:
    """How many other blocks are 1, 2, 3, more steps away, or cut off."""
    counts = [(int((steps == step).sum()), f"in {step}") for step in (1, 2, 3)]
    far = steps[np.isfinite(steps) & (steps > 3)]
    counts += [(len(far), f"in 4 to {int(far.max(initial=4))}"), (int(np.isinf(steps).sum()), "never")]
    told = ", ".join(f"{count} {where}" for count, where in counts if count)
    return f"From block {source}, other blocks by steps: {told or 'there are none'}."


def _mask(kinds: Kinds, source: int) -> Markup:
    """The mask, one cell a block; runs of a row are one bar, a random block is a diamond."""
    m = len(kinds)
    cell, half = SIDE / m, max(SIDE / m, 3) / 2
    drawn, counts = [], []
    for code, (kind, colour, _) in KINDS.items():
        row, column = np.nonzero(kinds == code)
        counts.append(f"{len(row)} {kind}")
        if code == RANDOM:
            shape = f"l{half:.1f} {half:.1f}-{half:.1f} {half:.1f}-{half:.1f}-{half:.1f}z"
            steps = [f"M{(j + 0.5) * cell:.1f} {(i + 0.5) * cell - half:.1f}{shape}" for i, j in zip(row, column)]
        else:
            bars = packed(row, column)
            ends = zip(bars.query * cell, bars.first * cell, (bars.last + 1) * cell)
            steps = [f"M{a:.1f} {y:.1f}H{z:.1f}v{cell:.2f}H{a:.1f}z" for y, a, z in ends]
        drawn.append(path("".join(steps), fill="url(#lm-hatch)" if code == GLOBAL else colour))
    top = source * cell
    return picture(
        f"Mask of {m} by {m} blocks: {', '.join(counts)}, the rest is never computed",
        SIDE + 18,
        SIDE + 26,
        element("defs", HATCH),
        rect(0, 0, SIDE, SIDE, stroke="currentColor", opacity=0.5),
        drawn,
        rect(-1, top - 1, SIDE + 2, max(cell, 2) + 2, stroke="currentColor", stroke_width=1.5),
        path("M", -12, top + cell / 2 - 5, "l9 5-9 5z", fill="currentColor"),
        text(0, SIDE + 19, "mask: queries ↓, keys →; a cell is b × b scores", 13, "start"),
        left=-14,
        top=-2,
    )


def _ring(kinds: Kinds, source: int, steps: Steps) -> Markup:
    """The graph of blocks on an open ring (first and last do not touch); dots tell the steps from the chosen block."""
    m, radius = len(kinds), SIDE / 2 - 12
    turn = math.radians(12) + math.radians(336) * (np.arange(m) + 0.5) / m
    place = SIDE / 2 + radius * np.stack([np.sin(turn), -np.cos(turn)], axis=1)
    either, lines = np.where(kinds, kinds, kinds.T), []
    for code in (GLOBAL, RANDOM, WINDOW):
        _, colour, dash = KINDS[code]
        pairs = np.argwhere(np.triu(either == code, 1))
        ours, faint = (pairs == source).any(1), {"opacity": 0.55 if code == WINDOW else 0.35}
        for drawn, look in ((pairs[~ours], faint), (pairs[ours], {"stroke_width": 2}))[m > CROWDED :]:
            ends = place[drawn].reshape(-1, 4).tolist()
            ways = "".join("M{:.1f} {:.1f}L{:.1f} {:.1f}".format(*each) for each in ends)
            lines.append(path(ways, stroke=colour, stroke_dasharray=dash, **look))
    size = min(4.5, max(1.2, 2.2 * radius / m))
    half, whole = f"{size:.1f}", f"{2 * size:.1f}"
    disc = f"m-{half} 0a{half} {half} 0 1 0 {whole} 0a{half} {half} 0 1 0-{whole} 0"
    cross = f"m-{half}-{half}l{whole} {whole}m0-{whole}l-{whole} {whole}"
    marks, counts = [], []
    for step, shape, look in ((1, disc, "fill"), (2, disc, "stroke"), (3, cross, "stroke")):
        far = place[np.minimum(steps, 3) == step].tolist()
        marks.append(path("".join(f"M{x:.1f} {y:.1f}{shape}" for x, y in far), **{look: "currentColor"}))
        counts.append(len(far))
    x, y = place[source].tolist()
    return picture(
        f"Graph of {m} blocks on an open ring. From block {source}: {counts[0]} blocks at 1 step, {counts[1]} at 2, "
        f"{counts[2]} further or never",
        SIDE + 4,
        SIDE + 26,
        lines,
        marks,
        path("M", x, y - 8, "l8 8-8 8-8-8z", fill="currentColor"),
        text(0, SIDE + 19, "graph of blocks from ◆: ● 1 step, ○ 2, × more or never", 13, "start"),
        left=-2,
        top=-2,
    )

"""What a score costs on an H100, softmax beside sigmoid, for every tile on a slider, and what sigmoid saves."""

import asyncio
from functools import partial

import ipywidgets

from kernels.flash.catalogue import Tiles
from kernels.instruments.prediction import GRID, KINDS, PUBLISHED, TILE, Prediction, estimate, summary
from kernels.instruments.roofline import Roofline
from seqlab.colours import BLUE, GREY, ORANGE, RED
from seqlab.draw.svg import Inside, Markup, circle, line, picture, rect, rules, text
from seqlab.widgets.view import View, bold, side_by_side, status, wide

N = 8192
WIDTH, HEIGHT, TOP, FLOOR, MOST = 400, 268, 40, 218, 0.4


class PredictionView(View):
    """Tiles on a slider. fresh: each tile is compiled when the slider rests on it; its kept numbers show until then."""

    def __init__(self, tile: Tiles = TILE, *, fresh: bool = False):
        options = [(spoken(tile), tile) for tile in GRID]
        look = wide(34, 4)
        super().__init__(dict(tile=ipywidgets.SelectionSlider(options=options, value=tile, description="tile", **look)))
        self.made: dict[Tiles, Prediction] = {}
        if fresh:
            self.made[tile] = estimate(tile=tile, fresh=True)
        self.fresh = fresh
        self.watch(self._move, self.tile)
        self._draw()

    def _move(self) -> None:
        self._draw()
        if self.fresh:
            asyncio.get_running_loop().create_task(self._compile(self.tile.value))

    async def _compile(self, tile: Tiles) -> None:
        await asyncio.sleep(0.5)
        if tile == self.tile.value and tile not in self.made:
            self.made[tile] = await asyncio.to_thread(partial(estimate, tile=tile, fresh=True))
            self._draw()

    def _draw(self) -> None:
        tile = self.tile.value
        shown = self.made.get(tile) or estimate(tile=tile)
        self.picture.value = side_by_side(_units(shown), _tiles(tile), status(*self._told(tile, shown)))

    def _told(self, tile: Tiles, shown: Prediction) -> list[Inside]:
        reports = [summary(f"{kind}_forward", "sm_90", tile) for kind in KINDS]
        softmax, sigmoid = shown.binds.values()
        how = "compiled here and now" if tile in self.made else "read from kernels/instruments/predictions.json"
        return [
            (bold(f"{spoken(tile)}: sigmoid saves {shown.gain:.1%} by the speed of light"), f" ({how})."),
            f"Softmax is bound by its {softmax}, sigmoid by its {sigmoid}.",
            f"Without any overlap of units {shown.gain_without_overlap:.0%}; by issue slots alone "
            f"{shown.gains['issue slots']:.0%}. Published, for other kernels: {PUBLISHED['forward'][False]:.2%}.",
            f"Softmax and sigmoid: {reports[0].registers} and {reports[1].registers} registers of a thread; "
            f"{reports[0].blocks} and {reports[1].blocks} tiles of queries fit on a multiprocessor at once.",
        ]


def spoken(tile: Tiles) -> str:
    """A tile as the slider says it."""
    return f"{tile.block_q} × {tile.block_k}, {tile.num_warps} warps"


def clocks(limits: Roofline) -> dict[str, float]:
    """Clocks of one multiprocessor for one score, by each unit."""
    device = limits.device
    return {unit: seconds * device.units * device.clock / N**2 for unit, seconds in limits.limits.items()}


def _units(shown: Prediction) -> Markup:
    """A pair of bars for each unit; the longest of a colour is that kernel's time."""
    needs = [clocks(of[0]) for of in (shown.softmax, shown.sigmoid)]
    longest, marks = max(max(need.values()) for need in needs), []
    for y, unit in zip(range(TOP, HEIGHT, 54), needs[0]):
        marks.append(text(0, y + 12, unit, 12, "start"))
        for at, (need, colour, name) in enumerate(zip(needs, (BLUE, ORANGE), KINDS)):
            width, top = 190 * need[unit] / longest, y + 17 * at
            hatch = {"stroke": "currentColor", "stroke_width": 2 * (need[unit] == max(need.values()))}
            marks += [
                rect(122, top, width, 14, fill=colour, tip=f"{name}: {need[unit]:.5f} clocks a score", **hatch),
                text(128 + width, top + 11, f"{need[unit]:.4f}{' softmax' if not at else ' sigmoid'}", 11, "start"),
            ]
    said = "; ".join(f"{unit} {needs[0][unit]:.4f} for softmax, {needs[1][unit]:.4f} for sigmoid" for unit in needs[0])
    head = text(
        0, 14, "Clocks of a multiprocessor for one score; outlined: what binds", 12, "start", font_weight="bold"
    )
    return picture(f"Clocks for one score: {said}.", WIDTH, HEIGHT, head, marks)


def _tiles(chosen: Tiles) -> Markup:
    """The gain at every tile of the slider, with the one by hand as a stroke and the published one as a dashed line."""
    y = lambda gain: FLOOR - (FLOOR - TOP) * gain / MOST
    published, gains = PUBLISHED["forward"][False], {tile: estimate(tile=tile).gain for tile in GRID}
    marks = [
        text(0, 14, "What sigmoid saves, tile by tile (stroke: by hand)", 12, "start", font_weight="bold"),
        rules([(y(level), f"{level:.0%}") for level in (0, 0.1, 0.2, 0.3, 0.4)], 40, WIDTH),
        line(40, y(published), WIDTH, y(published), stroke=RED, stroke_dasharray="6 3"),
        text(WIDTH, y(published) - 5, "published 17.39 %", 11, "end", fill=RED),
    ]
    for x, (tile, gain) in zip(range(58, WIDTH, 39), gains.items()):
        here, by_hand = tile == chosen, y(4 / (tile.block_k + 4))
        marks += [
            line(x - 10, by_hand, x + 10, by_hand, stroke=GREY, stroke_width=2),
            circle(x, y(gain), 8 if here else 5, fill=ORANGE if here else BLUE, tip=f"{spoken(tile)}: {gain:.1%}"),
            [
                text(x, FLOOR + 16 + 14 * at, word, 10, font_weight="bold" if here else None)
                for at, word in enumerate((f"{tile.block_q} ×", str(tile.block_k), f"{tile.num_warps} w."))
            ],
        ]
    said = "; ".join(f"{spoken(tile)} {gain:.1%}" for tile, gain in gains.items())
    return picture(f"Predicted gain by tile: {said}. Published: {published:.2%}.", WIDTH, HEIGHT, marks)

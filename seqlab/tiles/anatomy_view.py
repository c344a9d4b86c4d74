"""The anatomy of a GPU, to play with: choose a tile, and see what of it lives where and how many blocks fit."""

from __future__ import annotations

import ipywidgets

from kernels.instruments.occupancy import KIB
from kernels.instruments.prediction import GRID
from seqlab.colours import BLUE, GREEN, GREY, ORANGE, PURPLE
from seqlab.draw.svg import Inside, Markup, picture, rect, text
from seqlab.tiles.anatomy import H100, L2, MIB, REGISTERS, SM, Fit, fit
from seqlab.widgets.view import Beside, View, bold, side_by_side, status

WIDTH, HEIGHT, LEFT, BAR = 560, 250, 108, 440
TOKENS, HEADS = 8192, 64


class AnatomyView(View):
    """One multiprocessor of an H100 under softmax's forward kernel, 64 heads of 8,192 tokens in float16."""

    def __init__(self) -> None:
        look = {"style": {"button_width": "4em", "description_width": "7em"}}

        def choice(what: str, values: set[int], value: int) -> ipywidgets.ToggleButtons:
            return ipywidgets.ToggleButtons(options=sorted(values), value=value, description=what, **look)

        super().__init__(
            Beside(
                block_q=choice("queries", {tile.block_q for tile in GRID}, 128),
                block_k=choice("keys", {tile.block_k for tile in GRID}, 64),
                warps=choice("warps", {tile.num_warps for tile in GRID}, 4),
            )
        )
        self.watch(self._draw, self.block_q, self.block_k, self.warps)
        self._draw()

    def _draw(self) -> None:
        asked = (self.block_q.value, self.block_k.value, self.warps.value)
        tile = next((one for one in GRID if (one.block_q, one.block_k, one.num_warps) == asked), None)
        self.error.value = ""
        if tile is None:
            return self.refuse(
                "Eight warps for so small a tile would each have too little to do: take 4, or more keys."
            )
        shown = fit(tile)
        self.picture.value = side_by_side(self._svg(shown), status(*_told(shown)))

    def _svg(self, shown: Fit) -> Markup:
        taken, blocks = shown.taken, shown.room.blocks
        parts = [text(0, 14, "one multiprocessor", 13, "start", font_weight="bold")]
        for y, name, size, held in (
            (24, "registers", REGISTERS, shown.in_registers),
            (84, "shared memory", SM.shared, shown.in_shared),
        ):
            parts += _bar(y, name, f"{size // KIB} KiB", size, blocks, taken[name], held)
        parts.append(text(0, 162, "shared by all 132", 13, "start", font_weight="bold"))
        head = 4 * TOKENS * shown.dim
        parts += _bar(172, "L2", f"{L2 // MIB} MiB", L2, 1, head, {"keys and values of a head": head})
        alt = f"{blocks} blocks fit; registers {blocks * taken['registers'] / REGISTERS:.0%} full, shared memory "
        alt += f"{blocks * taken['shared memory'] / SM.shared:.0%} full"
        return picture(alt, WIDTH, HEIGHT, parts)


def _bar(y: float, name: str, size: str, whole: int, blocks: int, taken: int, held: dict[str, int]) -> list[Markup]:
    """What one place holds: a frame for each block, filled by its parts; what is empty stays white."""
    parts: list[Markup] = [
        text(0, y + 18, name, 13, "start"),
        text(0, y + 33, size, 11, "start", opacity=0.8),
        rect(LEFT, y, BAR, 36, stroke=GREY, stroke_dasharray="3 3"),
    ]
    colours = (BLUE, ORANGE) if name == "registers" else (GREEN, PURPLE)
    for at in range(blocks):
        x = LEFT + BAR * at * taken / whole
        parts.append(rect(x, y, BAR * taken / whole, 36, fill=GREY, fill_opacity=0.25, stroke="currentColor"))
        if blocks > 1 or name != "L2":
            parts.append(text(x + BAR * taken / whole - 4, y + 13, str(at + 1), 11, "end"))
        for colour, bytes_ in zip(colours, held.values()):
            parts.append(rect(x, y, BAR * bytes_ / whole, 36, fill=colour, fill_opacity=0.8))
            x += BAR * bytes_ / whole
    legend, rest = LEFT, taken - sum(held.values())
    if rest > KIB:
        held, colours = held | {"all else": rest}, (*colours, GREY)
    for colour, (what, bytes_) in zip(colours, held.items()):
        words = f"{what}: {bytes_ / KIB:,.0f} KiB"
        parts += [rect(legend, y + 41, 10, 10, fill=colour), text(legend + 14, y + 50, words, 11, "start")]
        legend += 24 + 6.2 * len(words)
    return parts


def _told(shown: Fit) -> list[Inside]:
    tile, room = shown.tile, shown.room
    programs = HEADS * -(-TOKENS // tile.block_q)
    at_once = H100.units * room.blocks
    return [
        bold(f"{room.blocks} block{'s' * (room.blocks != 1)} fit on a multiprocessor; the limit: {room.limit}"),
        f"a block: {tile.num_warps} warps of 32 threads, {shown.registers} of at most 255 registers a thread",
        f"the grid: {HEADS} heads × {-(-TOKENS // tile.block_q)} tiles of queries = {programs:,} blocks",
        f"at once: 132 × {room.blocks} = {at_once:,}; so the grid takes {-(-programs // at_once)} rounds",
        f"each block loads the head's {TOKENS:,} keys and values, {4 * TOKENS * shown.dim / MIB:.0f} MiB, from L2",
    ]

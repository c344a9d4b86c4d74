"""The static twin of an AttentionView: the sentence and the small picture that remain where no kernel answers."""

from base64 import b64encode
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from seqlab.widgets.raster import CIVIDIS, max_pool, png, pool_factor, quantise

if TYPE_CHECKING:
    from seqlab.widgets.attention_view import AttentionView

HEAVIEST = 26_000  # bytes of PNG, so that the figure stays below 40 kB as base64


def place(view: "AttentionView") -> str:
    """Which layer and head, in words; empty for a single map."""
    axes = (
        ("layer", view.layer, view.shape[0], view.layer_names),
        ("head", view.head, view.shape[1], view.head_names),
    )
    named = lambda index, names: f" ({names[index]})" if names else ""
    return ", ".join(f"{axis} {at} of 0 to {n - 1}{named(at, names)}" for axis, at, n, names in axes if n > 1)


def describe(view: "AttentionView") -> str:
    """Title, shape, layer and head, and the strongest entry, as one sentence."""
    queries, keys = view.map.shape
    query, key = (int(i) for i in np.unravel_index(view.map.argmax(), view.map.shape))
    where = f", {place(view)}" if place(view) else ""
    return (
        f"{view.title}: weights of {queries} queries over {keys} keys{where}; the largest is "
        f"{view.map[query, key]:.4g}, from query {_named(query, view.query_tokens)} "
        f"to key {_named(key, view.key_tokens)}."
    )


def _named(index: int, tokens: list[str]) -> str:
    return f"{index} “{tokens[index][:40]}”" if tokens else str(index)


def picture(view: "AttentionView") -> tuple[bytes, tuple[int, int], tuple[int, int]]:
    """The map as a PNG, the block that each cell stands for (query, key), and the pixels of the PNG (height, width).

    Small maps are enlarged in the PNG itself: a reader that strips styles would blur one that is enlarged by CSS.
    """
    for cells in (256, 160):
        down, right = (pool_factor(extent, cells) for extent in view.map.shape)
        levels = quantise(max_pool(view.map, down, right), view.info["peak"])
        edge = min(max(1, 320 // max(levels.shape)), 32)
        for axis in (0, 1):
            levels = levels.repeat(max(edge, -(-8 // levels.shape[axis])), axis)  # a single row is 8 pixels high
        image = png(levels)
        if len(image) <= HEAVIEST:
            break
    return image, (down, right), (levels.shape[0], levels.shape[1])


def figure(view: "AttentionView") -> str:
    """An HTML `<figure>`: the map as an inline PNG, its axes, legend and alt text."""
    image, (query_factor, key_factor), (height, width) = picture(view)
    (queries, keys), peak = view.map.shape, view.info["peak"]
    pooled = (
        f"; each pixel is the largest of {query_factor} × {key_factor} weights" if query_factor * key_factor > 1 else ""
    )
    where = f" · {escape(place(view))}" if place(view) else ""
    colours = ", ".join(f"#{stop}" for stop in CIVIDIS)
    return (
        '<figure style="margin:0.5em 0">'
        f"<figcaption><strong>{escape(view.title)}</strong>{where}</figcaption>"
        f"<div>key → (0 to {keys - 1})</div>"
        f'<img alt="{escape(view.alt)}" width="{width}" height="{height}" '
        'style="image-rendering:pixelated;max-width:none" '
        f'src="data:image/png;base64,{b64encode(image).decode()}">'
        f"<div>query ↓ (0 to {queries - 1}){pooled}</div>"
        '<div>0 <span style="display:inline-block;width:128px;height:0.7em;'
        f'background:linear-gradient(to right, {colours})"></span> {peak:.4g} weight</div>'
        "</figure>"
    )

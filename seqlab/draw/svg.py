"""Pictures and tables as text: elements that escape what stands in them, a few shapes, a frame that says what it shows.

Colours may be `currentColor`, the colour of the text around the picture, so that it reads on a dark page too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any


class Markup(str):
    """Text that is markup already; all other text is escaped where it is put into an element."""


Inside = str | Iterable  # text, an element, or several of them, nested as they come


def element(tag: str, *inside: Inside, tip: str = "", **attributes: Any) -> Markup:
    """`element("text", "a < b", font_size=12)` is `<text font-size='12'>a &lt; b</text>`.

    inside      text, elements, or lists of them;  tip: what hovering says
    attributes  `_` stands for `-`, a last `_` is left out (`class_`); floats get two digits; None and "" are left out
    """
    said = "".join(
        f" {name.rstrip('_').replace('_', '-')}='{escape(short(value))}'"
        for name, value in attributes.items()
        if value not in (None, "")
    )
    return Markup(f"<{tag}{said}>{joined(inside)}{element('title', tip) if tip else ''}</{tag}>")


def joined(parts: Inside) -> Markup:
    """All parts one after the other, as markup."""
    if isinstance(parts, str):
        return parts if isinstance(parts, Markup) else Markup(escape(parts, quote=False))
    return Markup("".join(map(joined, parts)))


def short(value: object) -> str:
    """A float with at most two digits after the point, everything else as it is."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def text(x: float, y: float, words: Inside, size: float = 12, anchor: str = "middle", **look: Any) -> Markup:
    """Words whose middle, "start" or "end" stands at x."""
    look = {"fill": "currentColor"} | look
    return element("text", words, x=x, y=y, font_size=size, text_anchor=anchor, **look)


def line(x1: float, y1: float, x2: float, y2: float, **look: Any) -> Markup:
    """A straight line; `stroke_dasharray` and `stroke_width` say how."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, **{"stroke": "currentColor"} | look)


def rect(x: float, y: float, width: float, height: float, **look: Any) -> Markup:
    """A rectangle, unfilled unless `fill` is given."""
    return element("rect", x=x, y=y, width=width, height=height, **{"fill": "none"} | look)


def circle(x: float, y: float, r: float, **look: Any) -> Markup:
    """A circle, unfilled unless `fill` is given."""
    return element("circle", cx=x, cy=y, r=r, **{"fill": "none"} | look)


def path(*steps: object, **look: Any) -> Markup:
    """A path, unfilled unless `fill` is given; its steps are letters and numbers: `path("M", 0, 5, "h", 10)`."""
    return element("path", d=" ".join(map(short, steps)), **{"fill": "none"} | look)


def curve(points: Iterable[tuple[float, float]], **look: Any) -> Markup:
    """Straight lines from point to point."""
    drawn = " ".join(f"{short(x)},{short(y)}" for x, y in points)
    return element("polyline", points=drawn, **{"fill": "none", "stroke_width": 2} | look)


def rules(levels: Iterable[tuple[float, str]], left: float, right: float) -> Markup:
    """Faint lines across at the given heights, each with its number or word at the left."""
    return joined((line(left, y, right, y, opacity=0.15), text(left - 6, y + 4, word, 11, "end")) for y, word in levels)


def picture(
    alt: str, width: float, height: float, *parts: Inside, left: float = 0, top: float = 0, **look: Any
) -> Markup:
    """The frame: `width` × `height` units that shrink with the page, and `alt` in words for whoever does not see it.

    left, top: the coordinates of its corner
    """
    style = f"width:100%;max-width:{short(width)}px;font-family:sans-serif;display:block"
    box = " ".join(map(short, (left, top, width, height)))
    return element("svg", parts, **{"role": "img", "aria_label": alt, "viewBox": box, "style": style} | look)


def table(
    head: Sequence[Inside], rows: Mapping[Any, Sequence[Inside]], caption: str = "", align: str = "right"
) -> Markup:
    """A table with a heading for each row and, where `head` is given, for each column."""
    left, cell = (f"text-align:{side};vertical-align:top;padding:.2em .6em" for side in ("left", align))
    name_of_row = f"{left};font-weight:normal"
    columns = [element("th", word, scope="col", style=cell if at else left) for at, word in enumerate(head)]
    body = [
        element(
            "tr", element("th", name, scope="row", style=name_of_row), [element("td", w, style=cell) for w in cells]
        )
        for name, cells in rows.items()
    ]
    top = element("caption", caption, style="caption-side:top;text-align:left") if caption else ""
    look = "color:inherit;font-size:inherit;margin:.6em 0"
    return element("table", top, element("tr", columns) if head else "", body, style=look)

"""What a widget leaves behind: pictures that notebook viewers show where no kernel answers, or trust is missing.

A viewer that does not trust a notebook strips SVG from its HTML, but shows images. So the HTML has each drawing as an
image, and the bundle has a picture beside it for viewers that show no HTML.
"""

from __future__ import annotations

import html
import re
import textwrap
from urllib.parse import quote

from seqlab.draw.svg import Markup, element, picture, short, text

HINT = element("div", "This is a picture: run the cell to move it.", style="opacity:.75;font-size:90%")
DRAWING = re.compile(r"<svg\b[^>]*viewBox=.*?</svg>", re.S)
PNG = re.compile(r"data:image/png;base64,([\w+/=]+)")
BOX = re.compile(r"viewBox='([^']*)'")
LABEL = re.compile(r"aria-label='([^']*)'")
LINE, CHARACTERS = 20, 96  # of a picture that is words alone: pixels from line to line, characters in one


def still(twin: str, hint: str = HINT) -> dict[str, str]:
    """The MIME bundle of a twin, HTML in which drawings are `<svg>` elements of `seqlab.draw.svg` or PNG images.

    image/svg+xml or image/png: the drawings one below the other, the first PNG, or the words as a drawing
    text/html:                  the twin, its drawings as images, and how to bring it to life
    """
    drawings, image = DRAWING.findall(twin), PNG.search(twin)
    if image and not drawings:
        kept = {"image/png": image[1]}
    else:
        kept = {"image/svg+xml": _alone(_below(drawings) if drawings else _words(twin))}
    return kept | {"text/html": DRAWING.sub(_image, twin) + hint}


def _alone(drawing: str) -> str:
    """A drawing as a file of its own: dark on white, and as wide as it was drawn."""
    _, _, width, height = _box(drawing)
    own = f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' color='#222'"
    return drawing.replace("<svg", own, 1).replace("style='", "style='background:white;", 1)


def _box(drawing: str) -> list[str]:
    """Left, top, width and height of a drawing, as they stand in it."""
    return BOX.findall(drawing)[0].split()


def _image(found: re.Match) -> str:
    drawing = found[0]
    label, width = LABEL.search(drawing), _box(drawing)[2]
    source = "data:image/svg+xml," + quote(_alone(drawing), safe=" =:/;(),")
    alt = html.unescape(label[1]) if label else ""
    return element("img", alt=alt, src=source, width=width, style="max-width:100%;background:white")


def _below(drawings: list[str]) -> str:
    """Several drawings as one."""
    if len(drawings) == 1:
        return drawings[0]
    boxes = [[float(x) for x in _box(drawing)] for drawing in drawings]
    placed, y = [], 0.0
    for drawing, (_, _, width, height) in zip(drawings, boxes):
        placed.append(Markup(drawing.replace("<svg", f"<svg y='{short(y)}' width='{width:g}' height='{height:g}'", 1)))
        y += height + 12
    return picture("; ".join(_said(drawings)), max(box[2] for box in boxes), y, placed)


def _said(drawings: list[str]) -> list[str]:
    return [html.unescape(label[1]) for drawing in drawings if (label := LABEL.search(drawing))]


def _words(twin: str) -> str:
    """What the HTML says, as a drawing: a line for each block and break."""
    parted = re.sub(r"<br>|</(?:div|p|pre|tr|li|h\d|caption)>", "\n", re.sub(r"</t[dh]>", "   ", twin))
    said = [line.strip() for line in html.unescape(re.sub(r"<[^>]*>", "", parted)).splitlines() if line.strip()]
    lines = [part for line in said for part in textwrap.wrap(line, CHARACTERS)]
    rows = [text(8, LINE * at, line, 13, "start") for at, line in enumerate(lines, 1)]
    return picture(" ".join(said), 8 * CHARACTERS, LINE * (len(lines) + 1), rows)

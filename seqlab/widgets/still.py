"""What a widget leaves behind: pictures that notebook viewers show where no kernel answers, or trust is missing.

A viewer that does not trust a notebook strips SVG from its HTML, but shows images. So the HTML has each drawing as an
image, and the bundle has a picture beside it for viewers that show no HTML.
"""

import html
import re
import textwrap
from pathlib import Path
from typing import Any
from urllib.parse import quote

from seqlab.draw.svg import Markup, element, picture, short, text
from seqlab.widgets.film import Film, playing

HINT = element("div", "This is a picture: run the cell to move it.", style="opacity:.75;font-size:90%")
DRAWING = re.compile(r"<svg\b[^>]*viewBox=.*?</svg>", re.S)
PNG = re.compile(r"data:image/png;base64,([\w+/=]+)")
BOX = re.compile(r"viewBox='([^']*)'")
LABEL = re.compile(r"aria-label='([^']*)'")
LINE, CHARACTERS = 20, 96  # of a picture that is words alone: pixels from line to line, characters in one


class Saved:
    """A widget that leaves a picture, its `twin`, where no kernel answers, and that can be kept as one file.

    filmed: whether its controls move in a page
    """

    filmed = True
    twin: Any  # a method that returns HTML

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """The widget, and its twin for whoever shows none."""
        shown: Any = super()
        made = shown._repr_mimebundle_(**options) or {}
        twin = still(self.twin())
        return ({**made[0], **twin}, *made[1:]) if isinstance(made, tuple) else {**made, **twin}

    def save(self, path: str | Path, title: str = "") -> Path:
        """Write one HTML file in which the widget moves without a kernel or a network; returns its path."""
        twin = Markup(self.twin())
        shown = playing(Film(self).packed(), twin) if self.filmed else twin
        name = title or getattr(self, "title", "") or type(self).__name__
        style, script = (
            Markup(Path(__file__).with_name(name).read_text("utf-8")) for name in ("player.css", "player.js")
        )
        about = element("meta", name="viewport", content="width=device-width, initial-scale=1")
        head = element("head", Markup("<meta charset='utf-8'>"), about, element("title", name), element("style", style))
        body = element("body", element("main", shown), element("script", script, type="module"))
        Path(path).write_text(f"<!doctype html>\n{element('html', head, body, lang='en')}\n", encoding="utf-8")
        return Path(path)


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
    said = [html.unescape(label) for drawing in drawings for label in LABEL.findall(drawing)[:1]]
    return picture("; ".join(said), max(box[2] for box in boxes), y, placed)


def _words(twin: str) -> str:
    """What the HTML says, as a drawing: a line for each block and break."""
    parted = re.sub(r"<br>|</(?:div|p|pre|tr|li|h\d|caption)>", "\n", re.sub(r"</t[dh]>", "   ", twin))
    said = [line.strip() for line in html.unescape(re.sub(r"<[^>]*>", "", parted)).splitlines() if line.strip()]
    lines = [part for line in said for part in textwrap.wrap(line, CHARACTERS)]
    rows = [text(8, LINE * at, line, 13, "start") for at, line in enumerate(lines, 1)]
    return picture(" ".join(said), 8 * CHARACTERS, LINE * (len(lines) + 1), rows)

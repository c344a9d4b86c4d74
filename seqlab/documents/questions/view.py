"""Ask a document of 25,000 tokens: the ranked sections, where they stand, and who could have heard the question."""

from contextlib import suppress
from itertools import groupby

import ipywidgets

from seqlab.colours import BLACK, BLUE, GREEN, GREY, ORANGE
from seqlab.documents.questions import Answer, Document, ask, documents, listens
from seqlab.documents.questions.model import Config
from seqlab.draw.svg import Markup, element, joined, picture, rect, text
from seqlab.widgets.view import BREAK, Beside, View, bold, wide

WIDE, SHOWN = 720, 5


class QuestionView(View):
    """A question, a document, and a switch that cuts the question off; below, the document as a bar of scores.

    The best five sections carry their rank on the bar and follow with their first words. Two strips show the tokens
    that a question can reach at all through window-only layers, and within the first 512 tokens.
    """

    def __init__(self, question: str = "How do I copy an object?", document: str = "py-programming"):
        names = sorted(documents(), key=lambda name: -documents()[name].length)
        options = [(f"{name} ({documents()[name].length:,} tokens)", name) for name in names]
        super().__init__(
            dict(
                question=ipywidgets.Text(
                    value=question, description="question", continuous_update=False, layout={"width": "48em"}
                ),
            ),
            Beside(
                which=ipywidgets.Dropdown(options=options, value=document, description="document", **wide(30, 6)),
                cut=ipywidgets.Checkbox(
                    value=False,
                    description="cut the question's tokens off: nobody hears them",
                    indent=False,
                    layout={"width": "auto"},
                ),
            ),
        )
        self.watch(self._draw, self.question, self.which, self.cut)
        self._draw()

    def _draw(self) -> None:
        part, self.answer = documents()[self.which.value], None
        below = element(
            "p", "Type a question: at least one word or sign, for example “How do I copy an object?”.", role="status"
        )
        with suppress(ValueError):  # a question without a word
            self.answer = ask(self.question.value, part, cut=self.cut.value)
            below = _listing(self.answer, self.cut.value)
        self.picture.value = element("div", _bar(part, self.answer), below, style=f"max-width:{WIDE}px")

    def twin(self) -> str:
        asked = element("p", bold(self.question.value), f" asked of {self.which.value}")
        return asked + self.picture.value


def _bar(part: Document, answer: Answer | None) -> Markup:
    """SVG: one column per section, as wide as its tokens and as high as its score; below, the two strips."""
    high, wide = 90, WIDE / part.length
    marks, best = [], ""
    if answer:
        least, most = answer.found[-1].score, answer.found[0].score
        best = f" The best section starts at token {answer.found[0].start:,}."
    for rank, found in enumerate(answer.found if answer else (), 1):
        x, width = found.start * wide, len(part.sections[found.section]) * wide
        height = 4 + (high - 4) * (found.score - least) / (most - least or 1)
        tip = f"rank {rank}, tokens from {found.start:,}, score {found.score:.2f}: {found.text[:80]}"
        shape = (x, high + 16 - height, max(width - 0.5, 0.5), height)
        marks.append(rect(*shape, fill=BLUE, opacity=1 if rank <= SHOWN else 0.35, tip=tip))
        if rank <= SHOWN:
            marks.append(text(min(max(x + width / 2, 5), WIDE - 5), high + 12 - height, str(rank), fill=BLACK))
    told = []
    for row, (arm, colour, label) in enumerate((("window", ORANGE, "window only"), ("first 512", GREEN, "first 512"))):
        heard, y = listens(arm, part.length, Config.layers).tolist(), high + 24 + 20 * row
        marks.append(rect(0, y, WIDE, 12, stroke=GREY))
        for on, run in groupby(range(part.length), heard.__getitem__):
            first, *rest = run
            marks.append(rect(first * wide, y, max((1 + len(rest)) * wide, 1), 12, fill=colour) if on else "")
        count = f"{sum(heard):,}"
        marks.append(text(WIDE / 2, y + 10, f"{label}: could hear {count} of {part.length:,} tokens", 11, fill=BLACK))
        told.append(f"{label} could hear the question in {count} tokens")
    alt = (
        f"{part.name}, {part.length:,} tokens in {len(part.sections)} sections, scores from left to right.{best} Of "
        f"these, {', '.join(told)}."
    )
    return picture(alt, WIDE, high + 68, rect(0, 0, WIDE, high + 68, fill="#fff"), marks)


def _listing(answer: Answer, cut: bool) -> Markup:
    headings, items = answer.document.questions, []
    for found in answer.found[:SHOWN]:
        heading, words = headings[found.section], " ".join(found.text.split())
        top = (element("i", heading), BREAK) if heading else ""
        where = f"token {found.start:,} · score {found.score:.2f} · {100 * found.share:.0f} %"
        shown = f"{words[:180]}{'…' if len(words) > 180 else ''}"
        items.append(element("li", top, shown, BREAK, element("small", where)))
    said = "Nobody hears the question: this order is the same for every question." if cut else answer.note
    note = element("p", said, role="status") if said else ""
    hidden = element("p", element("small", "The headings in italics were never shown to the reader."))
    return joined((note, element("ol", items), hidden if any(headings) else ""))

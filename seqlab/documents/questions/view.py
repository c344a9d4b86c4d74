"""Ask a document of 25,000 tokens: the ranked sections, where they stand, and who could have heard the question at all."""

from __future__ import annotations

from html import escape

import ipywidgets
from jaxtyping import Float
from torch import Tensor

from seqlab.colours import BLACK, BLUE, GREEN, GREY, ORANGE
from seqlab.documents.questions import Answer, Document, ask, documents, listens
from seqlab.documents.questions.model import Config, Reader

WIDE, SHOWN = 720, 5


class QuestionView(ipywidgets.VBox):
    """A question, a document, and a switch that cuts the question off; below, the document as a bar of scores.

    The best five sections carry their rank on the bar and follow with their first words. Two strips show the tokens
    that a question can reach at all through window-only layers, and within the first 512 tokens.
    """

    def __init__(
        self,
        question: str = "How do I copy an object?",
        document: str = "py-programming",
        *,
        model: Reader | None = None,
    ):
        self.model = model
        self.question = ipywidgets.Text(
            value=question, description="question", continuous_update=False, layout={"width": "48em"}
        )
        names = sorted(documents(), key=lambda name: -documents()[name].length)
        self.which = ipywidgets.Dropdown(
            options=[(f"{name} ({documents()[name].length:,} tokens)", name) for name in names],
            value=document,
            description="document",
            layout={"width": "30em"},
        )
        self.cut = ipywidgets.Checkbox(
            value=False,
            description="cut the question's tokens off: nobody hears them",
            indent=False,
            layout={"width": "auto"},
        )
        self.shown = ipywidgets.HTML()
        for control in (self.question, self.which, self.cut):
            control.observe(self._draw, "value")
        super().__init__([self.question, ipywidgets.HBox([self.which, self.cut]), self.shown])
        self._draw()

    def _draw(self, _: object = None) -> None:
        part = documents()[self.which.value]
        try:
            self.answer = ask(self.question.value, part, model=self.model, cut=self.cut.value)
            below = _listing(self.answer, self.cut.value)
        except ValueError:
            self.answer = None
            below = "<p role='status'>Type a question: at least one word or sign, for example “How do I copy an object?”.</p>"
        self.shown.value = f"<div style='max-width:{WIDE}px'>{_bar(part, self.answer)}{below}</div>"

    def _repr_mimebundle_(self, **options: object) -> dict:
        asked = f"<p><b>{escape(self.question.value)}</b> asked of {escape(self.which.value)}</p>"
        return super()._repr_mimebundle_(**options) | {"text/html": asked + self.shown.value}


def _bar(part: Document, answer: Answer | None) -> str:
    """SVG: one column per section, as wide as its tokens and as high as its score; below, the two strips."""
    high, wide = 90, WIDE / part.length
    columns, best = [], ""
    if answer:
        scores = [found.score for found in answer.found]
        span = scores[0] - scores[-1] or 1
        for rank, found in enumerate(answer.found):
            x, width = found.start * wide, len(part.sections[found.section]) * wide
            height = 4 + (high - 4) * (found.score - scores[-1]) / span
            words = f"rank {rank + 1}, tokens from {found.start:,}, score {found.score:.2f}: {found.text[:80]}"
            columns.append(
                f"<rect x='{x:.1f}' y='{high + 16 - height:.1f}' width='{max(width - 0.5, 0.5):.1f}' height='{height:.1f}' "
                f"fill='{BLUE}' opacity='{1 if rank < SHOWN else 0.35}'><title>{escape(words)}</title></rect>"
            )
            if rank < SHOWN:
                middle = min(max(x + width / 2, 5), WIDE - 5)
                columns.append(
                    f"<text x='{middle:.1f}' y='{high + 12 - height:.1f}' text-anchor='middle' font-size='12' fill='{BLACK}'>{rank + 1}</text>"
                )
        best = f" The best section starts at token {answer.found[0].start:,}."
    strips, told = [], []
    for row, (arm, colour, label) in enumerate((("window", ORANGE, "window only"), ("first 512", GREEN, "first 512"))):
        heard = listens(arm, part.length, Config.layers).float()
        y = high + 24 + 20 * row
        strips.append(f"<rect x='0' y='{y}' width='{WIDE}' height='12' fill='none' stroke='{GREY}'/>")
        strips += [
            f"<rect x='{first * wide:.1f}' y='{y}' width='{max((last - first) * wide, 1):.1f}' height='12' fill='{colour}'/>"
            for first, last in _stretches(heard)
        ]
        strips.append(
            f"<text x='{WIDE / 2}' y='{y + 10}' font-size='11' text-anchor='middle' fill='{BLACK}'>{label}: could hear {int(heard.sum()):,} of {part.length:,} tokens</text>"
        )
        told.append(f"{label} could hear the question in {int(heard.sum()):,} tokens")
    alt = f"{part.name}, {part.length:,} tokens in {len(part.sections)} sections, scores from left to right.{best} Of these, {', '.join(told)}."
    return (
        f"<svg role='img' aria-label='{escape(alt, quote=True)}' viewBox='0 0 {WIDE} {high + 68}' width='{WIDE}' height='{high + 68}' "
        f"style='max-width:100%;background:#fff'>{''.join(columns)}{''.join(strips)}</svg>"
    )


def _stretches(heard: Float[Tensor, token]) -> list[tuple[int, int]]:
    """[first, last) of every run of ones."""
    edges = heard.new_zeros(len(heard) + 2)
    edges[1:-1] = heard
    change = edges.diff()
    return list(zip((change == 1).nonzero()[:, 0].tolist(), (change == -1).nonzero()[:, 0].tolist()))


def _listing(answer: Answer, cut: bool) -> str:
    part, items = answer.document, []
    for found in answer.found[:SHOWN]:
        heading = part.questions[found.section]
        told = f"<i>{escape(heading)}</i><br>" if heading else ""
        text = " ".join(found.text.split())
        items.append(
            f"<li>{told}{escape(text[:180])}{'…' if len(text) > 180 else ''}<br>"
            f"<small>token {found.start:,} · score {found.score:.2f} · {100 * found.share:.0f} %</small></li>"
        )
    said = "Nobody hears the question: this order is the same for every question." if cut else answer.note
    note = f"<p role='status'>{escape(said)}</p>" if said else ""
    small = (
        "<p><small>The headings in italics were never shown to the reader.</small></p>" if any(part.questions) else ""
    )
    return f"{note}<ol>{''.join(items)}</ol>{small}"

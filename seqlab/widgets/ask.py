"""A question to the reader: an entry, a button that keeps it, and what shows then."""

from fractions import Fraction
from typing import Any

import ipywidgets

from seqlab.colours import BLUE
from seqlab.draw.svg import element, joined
from seqlab.widgets.still import still
from seqlab.widgets.view import Beside, View, bold, wide

PLACEHOLDERS = {float: "a number", str: "a sentence or two"}
HINT = element("div", "Run the cell to answer.", style="opacity:.75;font-size:90%")


class Ask(View):
    """A prediction, or a question on paper whose answer shows once something was said; the twin has it folded.

    question: a `Question` of `seqlab.course.teach`
    """

    filmed = False  # what somebody says is theirs

    entry: Any  # what the reader says; its kind follows the question

    def __init__(self, question: Any):
        self.question, said = question, question.said
        self.head = element(
            "div",
            bold("On paper" if question.answer else "Predict"),
            " · ",
            question.line,
            style="line-height:1.6",
        )
        if isinstance(question.says, type):
            kind = ipywidgets.Textarea if question.says is str else ipywidgets.Text
            entry = kind(
                placeholder=PLACEHOLDERS[question.says], value="" if said is None else str(said), **wide(40, 0)
            )
            entry.layout.width = "min(40em, 90%)" if question.says is str else "12em"
        else:
            known = said if said in question.says else None
            entry = ipywidgets.RadioButtons(options=list(question.says), value=known, layout={"width": "max-content"})
        entry.tooltip = question.text
        keep = ipywidgets.Button(
            description="Keep",
            tooltip=f"Keep what you say to {question.id}",
            layout={"width": "6em", "margin": "2px 1em"},
        )
        keep.on_click(lambda _: self._keep())
        super().__init__({"text": ipywidgets.HTMLMath(self.head)}, Beside(entry=entry, keep=keep))
        self.picture = ipywidgets.HTMLMath()
        shown: Any = self.children
        self.children = (*shown[:-1], self.picture)
        self.layout.border_left, self.layout.padding = f"4px solid {BLUE}", ".1em .8em"
        if said is not None:
            self._show()

    def _keep(self) -> None:
        value = self.entry.value
        try:
            value = float(Fraction(value.replace(",", ""))) if self.question.says is float else (value or "").strip()
        except (ValueError, ZeroDivisionError, OverflowError):
            value = None
        if value in (None, ""):
            self.refuse(
                "A number is wanted, such as 0.5, 1/3 or 2e6."
                if self.question.says is float
                else "Say something first."
            )
            return
        self.error.value = ""
        self.question.keep(value)
        self._show()

    def _show(self) -> None:
        answer = self.question.told or "The recap shows it beside the outcome."
        self.picture.value = element("div", f"Kept: {self.question.shown}. ", answer, role="status")

    def twin(self) -> str:
        options = [] if isinstance(self.question.says, type) else self.question.says
        listed = element("ul", [element("li", option) for option in options]) if options else ""
        folded = element("details", element("summary", "Answer"), self.question.told) if self.question.answer else ""
        said = element("div", element("i", self.question.shown))
        return joined([self.head, listed, said, folded])

    def _repr_mimebundle_(self, **options: Any) -> dict:
        return {**super()._repr_mimebundle_(**options), **still(self.twin(), HINT)}

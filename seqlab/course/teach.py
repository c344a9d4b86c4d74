"""What a lab asks of its reader beside exercises: a prediction before a run, a step on paper; and the recap of both.

The answer to a question on paper stands out of sight, in the room's `answers.toml`: {id: Markdown with formulas}.
What somebody said is kept in the progress file, {id: {"said": …}}; a run without a person says nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mistune

from seqlab.colours import BLUE, GREY
from seqlab.course import claims, progress
from seqlab.course.lab import number, session
from seqlab.course.overview import Panel
from seqlab.course.rooms import answer
from seqlab.course.show import card, in_notebook, say
from seqlab.draw.svg import Markup, circle, element, joined, line, picture, table, text

AXES = {
    "pattern": ("full", "causal", "window", "strided", "fixed", "star", "random"),
    "normalizer": ("average", "softmax", "Boltzmann", "hardmax", "sigmoid"),
    "depth": ("one layer", "stack", "loop"),
    "weights": ("written down", "trained"),
}
markdown = mistune.create_markdown(plugins=["math", "table"])


@dataclass(frozen=True)
class Question:
    """What is asked: `says` is `float`, `str`, or the options of a choice; `answer` is Markdown, "" of a prediction."""

    id: str
    text: str
    says: type | Sequence[str]
    answer: str = ""

    @property
    def said(self) -> object:
        """What the reader said, now or on another day; None where nothing was said."""
        return progress.read().get(self.id, {}).get("said")

    def keep(self, said: float | str) -> None:
        """Record it, and whether the outcome was known already."""
        late = {"late": True} if self.id in session().outcomes else {}
        progress.update(self.id, lambda _: {"said": said} | late)

    @property
    def line(self) -> Markup:
        """The question as one line of a page."""
        return inline(self.text)

    @property
    def told(self) -> Markup:
        """The answer as a page, empty for a prediction."""
        return Markup(markdown(self.answer)) if self.answer else Markup()

    @property
    def shown(self) -> str:
        """What was said, in words."""
        if self.said is None:
            return "nothing said yet" if self.answer else "no prediction"
        late = " (after the run)" if progress.read()[self.id].get("late") else ""
        return _words(self.said) + late


def predict(id: str, question: str, says: type | Sequence[str]) -> None:
    """Ask what a run will show, before it does: one of the options `says`, or a number (`float`)."""
    _ask(Question(id, question, says))


def outcome(id: str, value: object) -> None:
    """What the run showed: one of the options, or a number; said beside the prediction, here and in the recap."""
    asked = session().asked.get(id)
    value = value if isinstance(value, str) else claims.plain(value, id)
    if asked and not isinstance(asked.says, type) and value not in asked.says:
        raise ValueError(f"outcome {id!r}: got {value!r}, wanted one of the options: {', '.join(asked.says)}")
    session().outcomes[id] = value
    said = f"You predicted: {asked.shown}" if asked and asked.said is not None else "No prediction"
    say(card(GREY, f"{said}. It is: {_words(value)}."))


def paper(id: str, question: str, says: type | Sequence[str] = str) -> None:
    """Ask for a step on paper; the answer shows once something was said: an option, a number, a sentence (`str`)."""
    _ask(Question(id, question, says, answer(id)))


def _ask(question: Question) -> None:
    session().asked[question.id] = question
    if in_notebook():
        from IPython.display import display

        from seqlab.widgets.ask import Ask

        display(Ask(question))
    else:
        print(f"{question.text}\n{question.shown}")


def recap(**stops: Sequence[str]) -> None:
    """The end of a lab's core: predictions beside outcomes, its place on the axes, and its exercises as they stand.

    stops: for each of the AXES the stops that the lab visited, such as `depth=["stack"]`
    """
    if wrong := [f"{axis}={stop!r}" for axis in AXES for stop in stops.get(axis, [None]) if stop not in AXES[axis]]:
        known = "; ".join(f"{axis}: {', '.join(names)}" for axis, names in AXES.items())
        raise ValueError(f"recap: got {', '.join(wrong)}, wanted some stops of every axis ({known})")
    guesses = [question for question in session().asked.values() if not question.answer]
    cells = {guess.id: [guess.shown, _words(session().outcomes.get(guess.id, "not run yet"))] for guess in guesses}
    rows = {inline(guess.text): cells[guess.id] for guess in guesses}
    beside = table(["what the lab asked", "you predicted", "it is"], rows, "Predictions and outcomes", "left")
    panel = Panel(progress.read(), session().lab)
    page = joined([beside if rows else "", axes(stops), panel._repr_html_()])
    said = [f"{guess.text} You predicted: {cells[guess.id][0]}. It is: {cells[guess.id][1]}." for guess in guesses]
    say((page, "\n".join([*said, *(f"{axis}: {', '.join(stops[axis])}" for axis in AXES), repr(panel)])))


def axes(stops: dict[str, Sequence[str]]) -> Markup:
    """The four axes as lines with stops; a full dot and bold letters where the lab has been."""
    rows = []
    for y, (axis, names) in zip(range(28, 200, 44), AXES.items()):
        xs = [150 + 92 * at for at in range(len(names))]
        rows += [text(10, y + 4, axis, 13, "start"), line(xs[0], y, xs[-1], y, opacity=0.35)]
        for x, name in zip(xs, names):
            here = name in stops[axis]
            look = {"fill": BLUE, "stroke": BLUE} if here else {"fill": "var(--jp-layout-color0,#fff)", "opacity": 0.6}
            rows.append(circle(x, y, 7 if here else 5, **{"stroke": "currentColor"} | look))
            rows.append(text(x, y + 21, name, 12, font_weight="bold" if here else None))
    alt = "; ".join(f"{axis}: {', '.join(stops[axis])}" for axis in AXES)
    title = element("div", "Where this lab stands", style="margin-top:.8em")
    return joined([title, picture(f"Where this lab stands. {alt}", 760, 195, rows)])


def inline(source: str) -> Markup:
    """A line of Markdown without the paragraph around it."""
    return Markup(str(markdown(source)).strip().removeprefix("<p>").removesuffix("</p>"))


def _words(value: Any) -> str:
    return value if isinstance(value, str) else number(value)

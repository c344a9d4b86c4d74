"""The progress panel: every lab, every exercise, how far the learner has come."""

from collections.abc import Iterator
from dataclasses import dataclass

from seqlab.colours import BLUE, GREY, RED
from seqlab.course import gate, progress
from seqlab.course.rooms import Lab, labs
from seqlab.draw.svg import Markup, element, joined, table

SIGNS = {"right": ("✓", "right", BLUE), "wrong": ("✗", "not yet", RED), "open": ("○", "open", GREY)}


@dataclass(frozen=True)
class Panel:
    """Shows itself in a notebook (HTML) and in a terminal (text)."""

    records: dict
    only: str = ""  # one lab's slug; all labs without it

    def _repr_html_(self) -> Markup:
        rows = {
            element("a", f"{lab.number} · {lab.title}", href=f"{lab.slug}.ipynb"): [
                _bar(right, len(exercises)),
                [
                    element("div", element("b", sign, style=f"color:{colour}"), " ", element("code", id), f" {rest}")
                    for id, sign, rest, colour in exercises
                ],
            ]
            for lab, right, exercises in self._labs()
        }
        notice = element("p", progress.notice(), role="status") if progress.notice() else ""
        return joined([notice, table(["Lab", "Done", "Exercises"], rows, "Progress", "left")])

    def __repr__(self) -> str:
        lines = [progress.notice()] if progress.notice() else []
        for lab, right, exercises in self._labs():
            lines.append(f"{lab.number} {lab.title}: {right} of {len(exercises)}")
            lines += [f"   {sign} {id} {rest}" for id, sign, rest, _ in exercises]
        return "\n".join(lines)

    def _labs(self) -> Iterator[tuple[Lab, int, list[tuple[str, str, str, str]]]]:
        """Each lab, how many of its exercises are right, and (id, sign, words, colour) of each."""
        for lab in [lab for lab in labs() if self.only in ("", lab.slug)]:
            shown = []
            for id in lab.exercises:
                record, task = self.records.get(id, {}), gate.exercises_of(id.partition(".")[0]).get(id)
                sign, word, colour = SIGNS[record.get("state", "open")]
                shown.append((id, sign, f"{word}{_effort(record)} {task.mark if task else ''}", colour))
            yield lab, sum(sign == "✓" for _, sign, *_ in shown), shown


def panel() -> Panel:
    """The panel as of now; run the cell again after an exercise."""
    return Panel(progress.read())


def _effort(record: dict) -> str:
    words = (("try", "tries"), ("hint", "hints"))
    parts = [f"{n} {one if n == 1 else many}" for one, many in words if (n := record.get(many, 0))]
    parts += ["solution seen"] if record.get("solution") else []
    return f" ({', '.join(parts)})" if parts else ""


def _bar(done: int, total: int) -> list[str]:
    label, full = f"{done} of {total}", 100 * done / max(total, 1)
    inside = element("div", style=f"width:{full:.0f}%;height:100%;background:{BLUE}")
    frame = "width:8em;height:.8em;border:1px solid #767676"
    return [element("div", inside, role="img", aria_label=f"{label} exercises right", style=frame), label]

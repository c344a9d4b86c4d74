"""The progress panel: every lab, every exercise, how far the learner has come."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass

from seqlab.colours import BLUE, GREY, RED
from seqlab.course import gate, progress
from seqlab.course.rooms import Lab, labs

SIGNS = {"right": ("✓", "right", BLUE), "wrong": ("✗", "not yet", RED), "open": ("○", "open", GREY)}


@dataclass(frozen=True)
class Panel:
    """Shows itself in a notebook (HTML) and in a terminal (text)."""

    records: dict
    only: str = ""  # one lab's slug; all labs without it

    def _repr_html_(self) -> str:
        rows = []
        for lab, right, exercises in self._labs():
            cells = "".join(
                f"<div><b style='color:{colour}'>{sign}</b> <code>{html.escape(id)}</code> {word}{effort}</div>"
                for id, sign, word, colour, effort in exercises
            )
            name = f"<a href='{lab.slug}.ipynb'>{lab.number} · {html.escape(lab.title)}</a>"
            left = "".join(
                f"<td style='text-align:left'>{part}</td>" for part in (name, _bar(right, len(exercises)), cells)
            )
            rows.append(f"<tr style='vertical-align:top'>{left}</tr>")
        notice = f"<p role='status'>{html.escape(progress.notice())}</p>" if progress.notice() else ""
        head = "".join(f"<th style='text-align:left'>{name}</th>" for name in ("Lab", "Done", "Exercises"))
        table = f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
        return f"{notice}<table aria-label='Progress in all labs'>{table}</table>"

    def __repr__(self) -> str:
        lines = [progress.notice()] if progress.notice() else []
        for lab, right, exercises in self._labs():
            lines.append(f"{lab.number} {lab.title}: {right} of {len(exercises)}")
            lines += [f"   {sign} {id} {word}{effort}" for id, sign, word, _, effort in exercises]
        return "\n".join(lines)

    def _labs(self) -> Iterator[tuple[Lab, int, list[tuple[str, str, str, str, str]]]]:
        """Each lab, how many of its exercises are right, and (id, sign, word, colour, effort) of each."""
        for lab in [lab for lab in labs() if self.only in ("", lab.slug)]:
            shown = []
            for id in lab.exercises:
                record, task = self.records.get(id, {}), gate.exercises_of(id.partition(".")[0]).get(id)
                mark = task.mark if task else ""
                shown.append((id, *SIGNS[record.get("state", "open")], f"{_effort(record)} {mark}"))
            yield lab, sum(sign == "✓" for _, sign, *_ in shown), shown


def panel() -> Panel:
    """The panel as of now; run the cell again after an exercise."""
    return Panel(progress.read())


def _effort(record: dict) -> str:
    words = (("try", "tries"), ("hint", "hints"))
    parts = [f"{n} {one if n == 1 else many}" for one, many in words if (n := record.get(many, 0))]
    parts += ["solution seen"] if record.get("solution") else []
    return f" ({', '.join(parts)})" if parts else ""


def _bar(done: int, total: int) -> str:
    label = f"{done} of {total}"
    return (
        f"<div role='img' aria-label='{label} exercises right' style='width:8em;height:.8em;border:1px solid #767676'>"
        f"<div style='width:{100 * done / max(total, 1):.0f}%;height:100%;background:{BLUE}'></div></div>{label}"
    )

"""The progress panel: every lab, every exercise, how far the learner has come."""

from __future__ import annotations

import html
from dataclasses import dataclass

from seqlab.colours import BLUE, GREY, RED
from seqlab.course import progress
from seqlab.course.rooms import labs

SIGNS = {"right": ("✓", "right", BLUE), "wrong": ("✗", "not yet", RED), "open": ("○", "open", GREY)}


@dataclass(frozen=True)
class Panel:
    """Shows itself in a notebook (HTML) and in a terminal (text)."""

    records: dict

    def _repr_html_(self) -> str:
        rows = []
        for lab in labs():
            cells = []
            for id in lab.exercises:
                record = self.records.get(id, {})
                sign, word, colour = SIGNS[record.get("state", "open")]
                cells.append(
                    f"<div><b style='color:{colour}'>{sign}</b> <code>{html.escape(id)}</code> {word}{_effort(record)}</div>"
                )
            rows.append(
                "<tr style='vertical-align:top'>"
                f"<td style='text-align:left'><a href='{lab.slug}.ipynb'>{lab.number} · {html.escape(lab.title)}</a></td>"
                f"<td style='text-align:left'>{_bar(self._right(lab.exercises), len(lab.exercises))}</td>"
                f"<td style='text-align:left'>{''.join(cells)}</td></tr>"
            )
        notice = f"<p role='status'>{html.escape(progress.notice())}</p>" if progress.notice() else ""
        head = "".join(f"<th style='text-align:left'>{name}</th>" for name in ("Lab", "Done", "Exercises"))
        return f"{notice}<table aria-label='Progress in all labs'><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"

    def __repr__(self) -> str:
        lines = [progress.notice()] if progress.notice() else []
        for lab in labs():
            lines.append(f"{lab.number} {lab.title}: {self._right(lab.exercises)} of {len(lab.exercises)}")
            for id in lab.exercises:
                record = self.records.get(id, {})
                sign, word, _ = SIGNS[record.get("state", "open")]
                lines.append(f"   {sign} {id} {word}{_effort(record)}")
        return "\n".join(lines)

    def _right(self, ids: tuple[str, ...]) -> int:
        return sum(self.records.get(id, {}).get("state") == "right" for id in ids)


def panel() -> Panel:
    """The panel as of now; run the cell again after an exercise."""
    return Panel(progress.read())


def _effort(record: dict) -> str:
    parts = [
        f"{n} {word if n > 1 else word.rstrip('s')}"
        for word, n in (("tries", record.get("tries", 0)), ("hints", record.get("hints", 0)))
        if n
    ]
    parts = [part.replace("1 trie", "1 try") for part in parts]
    parts += ["solution seen"] if record.get("solution") else []
    return f" ({', '.join(parts)})" if parts else ""


def _bar(done: int, total: int) -> str:
    share = 100 * done / max(total, 1)
    return (
        f"<div role='img' aria-label='{done} of {total} exercises right' style='width:8em;height:.8em;border:1px solid #767676'>"
        f"<div style='width:{share:.0f}%;height:100%;background:#0072b2'></div></div>{done} of {total}"
    )
